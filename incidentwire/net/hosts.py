"""The host of a URL in its one ASCII form, parsed as browsers do (WHATWG URL, "host parsing").

Canonical URLs and the HTTP client use the same parser, so that no notation means one
machine to the address check and another to the connection. Pure: no DNS, no clock.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote_to_bytes

import idna

MAX_HOST_CHARS = 253  # RFC 1035, section 2.3.4: 255 octets on the wire
MAX_LABEL_CHARS = 63
_LABEL = re.compile(r"[a-z0-9_-]+")  # RFC 1123, and the underscore of real blogs
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlError(ValueError):
    """A URL is not accepted. The message says what to send instead."""


def ascii_host(host: str) -> str:
    """Return `host` in lower-case ASCII: a name (IDN as punycode), a dotted IPv4 address or `[IPv6]`.

    `host` is the part between `//` and the port. One trailing dot is removed. Every IPv4
    notation (octal, hex, short, decimal, full-width digits) becomes four decimal numbers.
    Raises UrlError.
    """
    if host.startswith("["):
        return _ipv6(host)
    name = _mapped(_percent_decoded(host)).removesuffix(".")
    labels = name.split(".")
    if not name or not all(labels):
        raise UrlError(
            "the host is missing or has an empty label: write the URL as https://host/path"
        )
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(labels)
    name = ".".join(_ascii_label(label) for label in labels)
    if len(name) > MAX_HOST_CHARS:
        raise UrlError(
            f"the host is longer than {MAX_HOST_CHARS} characters: send the address of a real server"
        )
    return name


def is_address(host: str) -> bool:
    """Return True if a host returned by `ascii_host` is an IP address, not a name."""
    return (
        host.startswith("[") or _NUMBER.fullmatch(host.rpartition(".")[2]) is not None
    )


def _percent_decoded(host: str) -> str:
    if "%" not in host:
        return host
    try:
        return unquote_to_bytes(host).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UrlError(
            "the host has percent-encoding that is not UTF-8: write the host's name plainly"
        ) from error


def _mapped(host: str) -> str:
    """Apply UTS 46: lower case, ASCII for full width, `.` for every dot, no soft hyphens."""
    if host.isascii():
        return host.lower()
    try:
        return idna.uts46_remap(host, std3_rules=True, transitional=False)
    except (idna.IDNAError, UnicodeError) as error:
        raise UrlError(
            "the host has characters that no domain may have: write it in its xn-- form"
        ) from error


def _ascii_label(label: str) -> str:
    if not label.isascii():
        try:
            label = idna.alabel(label).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise UrlError(
                "the host has characters that no domain may have: write it in its xn-- form"
            ) from error
    elif label.startswith("xn--"):
        _check_punycode(label)
    if not _LABEL.fullmatch(label):
        raise UrlError(
            "the host has a character that is not a letter, digit, hyphen or underscore: check the URL"
        )
    if len(label) > MAX_LABEL_CHARS:
        raise UrlError(
            f"a part of the host is longer than {MAX_LABEL_CHARS} characters: check the URL"
        )
    return label


def _check_punycode(label: str) -> None:
    """Refuse an xn-- label that no registry issues.

    It decodes to ASCII or to characters that UTS 46 maps, or does not encode back. These
    are not all rules of IDNA 2008: emoji domains break those, and yet exist.
    """
    encoded = label.removeprefix("xn--")
    try:
        decoded = encoded.encode("ascii").decode("punycode")
        valid = (
            not decoded.isascii()
            and _mapped(decoded) == decoded
            and decoded.encode("punycode").decode("ascii") == encoded
        )
    except (UnicodeError, OverflowError, UrlError):
        valid = False
    if not valid:
        raise UrlError("the host has a broken xn-- part: write the host's name plainly")


def _ipv4(labels: list[str]) -> str:
    """Return the address of one to four numbers, as inet_aton and browsers read them.

    The last number fills the remaining bytes.
    """
    numbers = [_ipv4_number(label) for label in labels]
    too_large = any(number > 255 for number in numbers[:-1])
    if len(numbers) > 4 or too_large or numbers[-1] >= 256 ** (5 - len(numbers)):
        raise UrlError(
            "the host ends in a number but is not an IPv4 address: send the page's own address"
        )
    value = numbers[-1] + sum(
        number << (8 * (3 - place)) for place, number in enumerate(numbers[:-1])
    )
    return str(ipaddress.IPv4Address(value))


def _ipv4_number(label: str) -> int:
    if not _NUMBER.fullmatch(label) or len(label) > MAX_LABEL_CHARS:
        raise UrlError(
            "the host ends in a number but is not an IPv4 address: send the page's own address"
        )
    try:
        if label.startswith("0x"):
            return int(label[2:] or "0", 16)
        return int(label, 8 if label.startswith("0") else 10)
    except ValueError as error:  # "08" is no octal number
        raise UrlError(
            "the host ends in a number but is not an IPv4 address: send the page's own address"
        ) from error


def _ipv6(host: str) -> str:
    inner = host[1:-1]
    try:
        # A zone id (%eth0) is meaningful on one machine only.
        if not host.endswith("]") or "%" in inner:
            raise ValueError(host)
        address = ipaddress.IPv6Address(inner)
    except ValueError as error:
        raise UrlError(
            "the host is not a valid IPv6 address: write it as https://[address]/path, no zone"
        ) from error
    return f"[{_compressed(address.packed)}]"


def _compressed(packed: bytes) -> str:
    """Return an IPv6 address by RFC 5952, all in hex: str() of a mapped one changed in Python 3.13."""
    groups = [f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2)]
    start, length = _longest_zero_run(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def _longest_zero_run(groups: list[str]) -> tuple[int, int]:
    """Return start and length of the longest run of "0", the first of equal ones."""
    best_start = 0
    best_length = 0
    length = 0
    for index, group in enumerate(groups):
        length = length + 1 if group == "0" else 0
        if length > best_length:
            best_length = length
            best_start = index - length + 1
    return best_start, best_length
