"""A stored page, rendered harmless: no script runs, nothing outside is requested. Pure.

The Content-Security-Policy does most of it. It does not stop browsers from
preconnecting to what `<link>` and `<iframe>` name (seen in Chromium 156: a connection,
though no request), so such elements are renamed. The text is decoded here and sent as
UTF-8, so that a browser reads the characters that were examined. The original bytes
are in evidence.warc.gz.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from incidentwire.charsets import codec_of, marked_codec

# A sandbox without allowances: no script, form, popup or meta refresh, own origin.
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
    "Cache-Control": "no-store",  # withdrawn content must not survive in caches
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
PRESCAN = 1024  # bytes in which browsers look for a meta charset


@dataclass(frozen=True, kw_only=True)
class Rendition:
    """What is sent to a client that opens a snapshot."""

    body: bytes
    content_type: str
    disposition: str


def render(name: str, body: bytes, media_type: str, content_type: str) -> Rendition:
    """Render HTML and plain text to view, everything else to download.

    `name` is the file's name without extension, `content_type` the server's header.
    """
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
    """Decode by byte order mark, header, meta element, else UTF-8 or windows-1252."""
    if found := marked_codec(body):
        codec, length = found
        return body[length:].decode(codec, "replace")
    in_header = _HEADER_CHARSET.search(content_type)
    in_meta = _META_CHARSET.search(body[:PRESCAN])
    labels = [
        in_header[1] if in_header else None,
        in_meta[1].decode() if in_meta else None,
    ]
    for label in labels:
        if codec_name := codec_of(label):
            return body.decode(codec_name, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")
