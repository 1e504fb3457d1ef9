"""The host of a URL in its one ASCII form, read the way browsers read it (WHATWG URL, "host parsing").

Both the canonical URL and the network door read hosts here, so that no notation means one machine to the check and
another to the dial. Pure: no DNS, no clock.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote_to_bytes

import idna

MAX_HOST_CHARS = 253  # RFC 1035, section 2.3.4: 255 octets on the wire
MAX_LABEL_CHARS = 63
_LABEL = re.compile(
    r"[a-z0-9_-]+"
)  # RFC 1123, and the underscore that real blogs carry in their names
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class UrlError(ValueError):
    """A URL that we refuse; the message says what to send instead."""


def ascii_host(host: str) -> str:
    """Return `host` in lower-case ASCII: a name (IDN as punycode), a dotted IPv4 address or `[IPv6]`.

    Takes what stands between `//` and the port. One trailing dot goes. Every IPv4 notation (octal, hex, short,
    decimal, full-width digits) becomes four decimal numbers. Raises UrlError.
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
    """Tell whether a host returned by `ascii_host` is an IP address and not a name."""
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
    """Apply UTS 46: lower case, full-width to ASCII, every kind of dot to `.`, soft hyphens away."""
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
    """Refuse an xn-- label that no registry gives out: it decodes to ASCII, to what UTS 46 would map, or not back.

    Not IDNA 2008's full rules: emoji domains break those, and answer all the same.
    """
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        honest = not decoded.isascii() and _mapped(decoded) == decoded
        honest = honest and decoded.encode("punycode").decode("ascii") == label[4:]
    except (UnicodeError, OverflowError, UrlError):
        honest = False
    if not honest:
        raise UrlError("the host has a broken xn-- part: write the host's name plainly")


def _ipv4(labels: list[str]) -> str:
    """Read one to four numbers the way inet_aton and browsers do; the last one fills what is left."""
    numbers = [_ipv4_number(label) for label in labels]
    if (
        len(numbers) > 4
        or any(number > 255 for number in numbers[:-1])
        or numbers[-1] >= 256 ** (5 - len(numbers))
    ):
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
        if (
            not host.endswith("]") or "%" in inner
        ):  # a zone id means something on one machine only
            raise ValueError(host)
        address = ipaddress.IPv6Address(inner)
    except ValueError as error:
        raise UrlError(
            "the host is not a valid IPv6 address: write it as https://[address]/path, no zone"
        ) from error
    return f"[{_compressed(address.packed)}]"


def _compressed(packed: bytes) -> str:
    """Write an IPv6 address by RFC 5952, in hex throughout: str() of a mapped one changed in Python 3.13."""
    groups = [f"{packed[i] << 8 | packed[i + 1]:x}" for i in range(0, 16, 2)]
    start, length = _longest_zero_run(groups)
    if length < 2:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + length :])


def _longest_zero_run(groups: list[str]) -> tuple[int, int]:
    best = (0, 0)
    for start in range(len(groups)):
        length = next(
            (i for i, group in enumerate(groups[start:]) if group != "0"),
            len(groups) - start,
        )
        if length > best[1]:
            best = (start, length)
    return best
