"""Canonical URLs: two URLs with the same one are the same item (docs/decisions/0004).

Rules of CANONICAL_VERSION 1, in the order of application:

1. Refused: anything but `http://` and `https://` with a host; user names and passwords; white space, control
   characters, NUL, lone surrogates; backslashes before the query; ports outside 1..65535; more than 2,000 characters
   (before or after).
2. Scheme and host in lower case; IDN as punycode (UTS 46, non-transitional); the trailing dot of the host dropped;
   IPv4 in dotted decimal, IPv6 compressed by RFC 5952. `http` and `https` stay two: what a server gives for one
   it may not give for the other.
3. The scheme's own port (80, 443) dropped, any other kept.
4. The fragment dropped.
5. Percent-encoding: unreserved characters decoded, what RFC 3986 does not allow encoded as UTF-8, hex in upper case,
   a `%` that begins no escape written `%25`; in the query `'` is `%27`, as browsers send it. Reserved characters
   stay as they were given.
6. Dot segments resolved; an empty path is `/`. Empty segments, trailing slashes and case stay.
7. Query: the parameters listed in TRACKING go, whatever their case; empty ones (`&&`) go; the others keep their order
   and spelling; an empty query loses its `?`.

Never change a rule under the same version: ids are made of the result. Pure: no clock, no network.
"""

from __future__ import annotations

import base64
import hashlib
import re
import string
from dataclasses import dataclass, replace
from urllib.parse import unquote

import tld

from incidentwire.net.hosts import UrlError, ascii_host, is_address
from incidentwire.normal_form import normalize

__all__ = [
    "CANONICAL_VERSION",
    "MAX_URL_CHARS",
    "TRACKING",
    "TRACKING_PREFIXES",
    "Parts",
    "UrlError",
    "canonical_parts",
    "canonicalize",
    "item_id",
    "registrable_domain",
    "split",
    "text_item_id",
]

CANONICAL_VERSION = 1
MAX_URL_CHARS = 2_000  # sitemaps.org allows 2,048; longer ones are mostly sessions
DEFAULT_PORTS = {"http": 80, "https": 443}

# Parameters that identify a reader's origin, never the content. A name that some site uses for content (source, ref,
# article, newsid, id, cid, page …) is not listed: two copies of an item can be joined, a lost page cannot.
TRACKING_PREFIXES = ("utm_", "mtm_", "matomo_", "piwik_", "hsa_", "guce_")
# fmt: off
TRACKING = frozenset({
    # advertising: Google, Microsoft, Meta, Yandex, X, TikTok, LinkedIn, Pinterest, Outbrain, Taboola
    "gclid", "gclsrc", "dclid", "gbraid", "wbraid", "msclkid", "fbclid", "igsh", "igshid", "yclid", "ysclid",
    "twclid", "ttclid", "li_fat_id", "epik", "dicbo", "tblci",
    # newsletters: Mailchimp, Marketo, Vero, Omeda, MailerLite, HubSpot
    "mc_cid", "mc_eid", "mkt_tok", "vero_id", "vero_conv", "oly_anon_id", "oly_enc_id", "ml_subscriber",
    "ml_subscriber_hash", "_hsenc", "_hsmi", "__hssc", "__hstc", "__hsfp", "hsctatracking",
    # analytics: Google, Matomo, Openstat, Adobe, AT Internet and Piano, comScore, Alibaba, Yahoo
    "_ga", "_gl", "pk_campaign", "pk_kwd", "pk_source", "pk_medium", "pk_content", "_openstat", "s_cid", "xtor",
    "at_medium", "at_campaign", "at_campaign_type", "at_custom1", "at_custom2", "at_custom3", "at_custom4",
    "ns_mchannel", "ns_source", "ns_campaign", "ns_linkname", "ns_fee", "spm", "guccounter",
    "rb_clickid", "wickedid",
})
# fmt: on

# C0, C1 and every Unicode space, listed so that no Unicode release changes them.
_FORBIDDEN = re.compile(
    "[\x00-\x20\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ud800-\udfff]"
)
_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
_UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")  # RFC 3986, 2.3
# An escape, or a character that must be encoded there (RFC 3986, 3.3 and 3.4).
_TO_ENCODE_IN_PATH = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&'()*+,;=:@/]")
_TO_ENCODE_IN_QUERY = re.compile(r"%[0-9A-Fa-f]{2}|[^A-Za-z0-9\-._~!$&()*+,;=:@/?]")


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A URL after rules 1 to 6.

    `host` is in ASCII (IPv6 in brackets), `path` begins with `/`, `query` has no `?`.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def url(self) -> str:
        """The URL, without the scheme's default port."""
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        query = f"?{self.query}" if self.query else ""
        return f"{self.scheme}://{self.host}{port}{self.path}{query}"


def split(url: str, *, max_chars: int = MAX_URL_CHARS) -> Parts:
    """Split a URL of unknown origin. Raises UrlError, whose message says what to change."""
    if len(url) > max_chars:
        raise UrlError(
            f"the URL is longer than {max_chars:,} characters: send the page's short address"
        )
    if _FORBIDDEN.search(url):
        raise UrlError(
            "the URL has white space, control characters or broken Unicode: remove or percent-encode them"
        )
    match = _URL.match(url)
    if match is None:
        raise UrlError("not a web address: write it in full, as https://host/path")
    scheme = match[1].lower()
    authority = match[2]
    path = match[3]
    query = match[4] or ""
    if "@" in authority:
        raise UrlError(
            "the URL carries a user name or password: remove everything up to the @"
        )
    if "\\" in authority or "\\" in path:
        raise UrlError("the URL has a backslash: write / or %5C")
    host, port = _host_and_port(authority, DEFAULT_PORTS[scheme])
    path = _without_dot_segments(_encoded(path, _TO_ENCODE_IN_PATH))
    return Parts(
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        query=_encoded(query, _TO_ENCODE_IN_QUERY),
    )


def canonicalize(url: str) -> str:
    """Return the canonical form of `url`. Raises UrlError (a ValueError)."""
    return canonical_parts(url).url


def canonical_parts(url: str) -> Parts:
    """Return the parts of the canonical form. Raises UrlError (a ValueError)."""
    parts = split(url)
    if parts.query:
        pairs = parts.query.split("&")
        kept = [pair for pair in pairs if pair and not _is_tracking(pair)]
        parts = replace(parts, query="&".join(kept))
    if len(parts.url) > MAX_URL_CHARS:
        raise UrlError(
            f"the URL is longer than {MAX_URL_CHARS:,} characters once encoded: send its short address"
        )
    return parts


def item_id(canonical_url: str) -> str:
    """Return the id of the item at a canonical URL: `i_` and 20 characters of base32, 100 bits of SHA-256."""
    return _id(canonical_url)


def text_item_id(title: str, text: str) -> str:
    """Return the id of an item that has no URL, the same for any white space and Unicode form of title and text.

    Raises UrlError for lone surrogates, which no text has.
    """
    folded = [" ".join(normalize("NFC", part).split()) for part in (title, text)]
    try:
        # No URL begins like this, and no folded part has a line break.
        return _id("text\n" + "\n".join(folded))
    except UnicodeEncodeError as error:
        raise UrlError(
            "title or text has broken Unicode (a lone surrogate): send valid UTF-8"
        ) from error


def registrable_domain(url: str) -> str:
    """Return the domain of one owner (`bbc.co.uk`, `alice.github.io`).

    It is found by the public suffix list. For an address or a name under no known
    suffix, return the host. Raises UrlError.
    """
    host = split(url).host
    if is_address(host):
        return host
    found = tld.get_fld(f"https://{host}/", fail_silently=True, search_private=True)
    return found or host


def _id(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    # 20 characters are 12.5 bytes; 15 need no padding
    return "i_" + base64.b32encode(digest[:15])[:20].decode("ascii").lower()


def _host_and_port(authority: str, default_port: int) -> tuple[str, int]:
    match = _AUTHORITY.fullmatch(authority)
    if match is None:
        raise UrlError(
            "the host or port is not valid: write the URL as https://host:port/path"
        )
    digits = (match[2] or "").lstrip("0")
    if match[2] and not (digits and len(digits) <= 5 and int(digits) <= 65_535):
        raise UrlError(
            "the port is not a number from 1 to 65535: correct it or leave it out"
        )
    return ascii_host(match[1]), int(digits or default_port)


def _encoded(text: str, to_encode: re.Pattern[str]) -> str:
    return to_encode.sub(_encode, text)


def _encode(match: re.Match[str]) -> str:
    token = match[0]
    if len(token) == 1:
        return "".join(f"%{byte:02X}" for byte in token.encode("utf-8"))
    char = chr(int(token[1:], 16))
    return char if char in _UNRESERVED else token.upper()


def _without_dot_segments(path: str) -> str:
    segments = path.split("/")[1:] or [""]
    kept: list[str] = []
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _is_tracking(pair: str) -> bool:
    # Some feeds escape &amp; twice.
    name = unquote(pair.partition("=")[0]).lower().removeprefix("amp;")
    return name in TRACKING or name.startswith(TRACKING_PREFIXES)
