"""A kept page as something that can be opened without harm: no script runs, and nothing is asked for outside. Pure.

The Content-Security-Policy does most of it. It does not keep browsers from connecting ahead of time to what `<link>`
and `<iframe>` name (seen in Chromium 156: a connection, though no request), so such elements are disarmed. The text is
decoded here and sent as UTF-8, so that a browser reads the very characters that were looked at. The bytes as they came
are in evidence.warc.gz.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# sandbox without any allowance: no script, no form, no popup, no meta refresh, an origin of its own
POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-DNS-Prefetch-Control": "off",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # what is withdrawn must not live on in caches
}
HTML = frozenset({"text/html", "application/xhtml+xml", ""})
EXTENSIONS: Mapping[str, str] = {"application/pdf": ".pdf"}

_REACHES_OUT = re.compile(
    r"<(/?)(link|iframe|frame|fencedframe|object|embed|portal)(?=[\s/>]|$)", re.I
)
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.I
)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.I)
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
PRESCAN = 1024  # bytes in which browsers look for a meta charset
AS_WEB = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
}  # as the web means them


@dataclass(frozen=True, kw_only=True)
class Rendition:
    """What is sent to who opens a snapshot."""

    body: bytes
    content_type: str
    disposition: str


def render(
    name: str, body: bytes, media_type: str, headers: Sequence[tuple[str, str]]
) -> Rendition:
    """HTML and plain text to look at, everything else to save; `name` is the file's, without extension."""
    content_type = next(
        (value for key, value in headers if key.lower() == "content-type"), ""
    )
    if media_type in HTML:
        text = _REACHES_OUT.sub(r"<\1x-\2", decode(body, content_type))
        return Rendition(
            body=_utf8(text),
            content_type="text/html; charset=utf-8",
            disposition="inline",
        )
    if media_type == "text/plain":
        text = decode(body, content_type)
        return Rendition(
            body=_utf8(text),
            content_type="text/plain; charset=utf-8",
            disposition="inline",
        )
    extension = EXTENSIONS.get(media_type, ".bin")
    kind = media_type if media_type in EXTENSIONS else "application/octet-stream"
    return Rendition(
        body=body,
        content_type=kind,
        disposition=f'attachment; filename="{name}{extension}"',
    )


def decode(body: bytes, content_type: str) -> str:
    """The text of a page: by its byte order mark, its header, its meta element, and else as UTF-8 or windows-1252."""
    for mark, encoding in MARKS:
        if body.startswith(mark):
            return body.removeprefix(mark).decode(encoding, "replace")
    in_header, in_meta = (
        _HEADER_CHARSET.search(content_type),
        _META_CHARSET.search(body[:PRESCAN]),
    )
    said = [in_header[1]] if in_header else []
    for name in [*said, in_meta[1].decode()] if in_meta else said:
        try:
            return body.decode(AS_WEB.get(codecs.lookup(name).name, name), "replace")
        except (
            LookupError,
            UnicodeError,
        ):  # no such encoding, or one that Python has and the web has not
            continue
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
