"""From the bytes of a page to the article in it: HTML, XHTML, plain text, PDF. Pure: no network, no clock.

The text of a Document is one paragraph (or heading, list item, table row) a line, lines separated by a single newline,
NFC, with no other control characters, without the headline. Offsets of evidence are Unicode code points into exactly
this text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import py3langid

from services.classifier.extraction import article, coverage, markup, metadata, pdf
from services.classifier.extraction.completeness import (
    CONSENT_WORDS,
    PageSignals,
    judge,
)
from services.classifier.extraction.decoding import clean_lines, decode, looks_binary
from services.classifier.extraction.metadata import Metadata
from services.classifier.text.words import count_words

HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = frozenset({"text/plain", "text/markdown"})
PDF = frozenset({"application/pdf", "application/x-pdf"})
UNSAID = frozenset(
    {
        "",
        "application/octet-stream",
        "binary/octet-stream",
        "unknown/unknown",
        "text/xml",
        "application/xml",
    }
)
MAX_BYTES = 20_000_000
MAX_TEXT_CHARS = 2_000_000  # some 400,000 words; what is longer is cut at a line's end
SOURCE_CHARS = 200  # what a script that is loaded from elsewhere counts as, at least
LANGUAGE_CHARS = 1_000  # enough for a sure answer; the cost grows with the length
SURE_CHARS = 200  # a shorter text's language is taken from the page's `lang`, where it states one
SURE_CJK = 20

_PROLOG = re.compile(rb"^\s*+(?:<\?xml[^>]{0,200}>\s*+)?", re.I)
_COMMENT_OPENS = b"<!--"
_HTML_TAG = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.I)
_BLANKS = re.compile(rb"\s*+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One article. Strings are "" and the rest None where the page does not say; URLs are absolute and not judged:
    whoever follows `canonical_url` or `amp_url` decides how far to believe a page that names another address."""

    title: str
    text: str
    author: str = ""  # names joined by ", "
    published: str | None = (
        None  # ISO 8601 date, or date and time, as the publisher states it
    )
    language: str | None = None  # ISO 639-1
    site: str = ""
    section: str = ""
    canonical_url: str | None = None
    amp_url: str | None = None
    refresh_url: str | None = (
        None  # where a page leads that is little more than a meta refresh
    )
    is_continuation: bool = False  # a later page of an article on several pages
    completeness: float  # 0..1; below completeness.THRESHOLD `shortcoming` says why
    shortcoming: str | None = (
        None  # thin, teaser, paywall, consent_wall, script_only, error_page
    )
    words: int  # Chinese, Japanese and Korean: 1.5 characters to the word
    media_type: str  # what the bytes are, whatever the server called them


class ExtractError(Exception):
    """There is no document in the bytes. `reason`: `unsupported_media_type`, `binary`, `empty`, `too_large`,
    `too_complex`, `encrypted` (a PDF with a password) or `unreadable`; `detail` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def extract(body: bytes, *, media_type: str, charset: str | None, url: str) -> Document:
    """The document in `body`. `media_type` and `charset` are the server's claims, checked against the bytes; `url`
    is where the page was found after redirects. Raises ExtractError, and nothing else, for what cannot be read."""
    if not body.strip():
        raise ExtractError("empty", "no bytes")
    if len(body) > MAX_BYTES:
        raise ExtractError(
            "too_large", f"{len(body)} bytes, at most {MAX_BYTES} are read"
        )
    kind = _kind(body, media_type)
    if kind == "application/pdf":
        return _from_pdf(body)
    if looks_binary(body):
        raise ExtractError("binary", "neither text nor PDF")
    text = decode(body, charset)
    return _from_plain(text) if kind == "text/plain" else _from_html(text, kind, url)


def _kind(body: bytes, media_type: str) -> str:
    declared = media_type.partition(";")[0].strip().lower()
    if body[:1024].lstrip().startswith(b"%PDF-"):
        return "application/pdf"
    if declared in HTML:
        return declared
    if declared in PLAIN or declared in UNSAID:
        if _begins_as_html(body[:4096]):
            return "text/html"
        if declared in PLAIN:
            return "text/plain"
        if declared.endswith("octet-stream") or not declared:
            raise ExtractError(
                "binary" if looks_binary(body) else "unsupported_media_type",
                "no media type, and no HTML or PDF",
            )
    if declared in PDF:
        raise ExtractError("unreadable", "declared as PDF, but does not begin as one")
    raise ExtractError("unsupported_media_type", "neither HTML, plain text nor PDF")


def _begins_as_html(head: bytes) -> bool:
    """Return True if an HTML tag follows a byte order mark, XML prolog and comments."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    match = _PROLOG.match(head)
    position = match.end() if match else 0
    while head.startswith(_COMMENT_OPENS, position):
        end = head.find(b"-->", position)
        if end < 0:
            return False
        blanks = _BLANKS.match(head, end + 3)
        position = blanks.end() if blanks else end + 3
    return bool(_HTML_TAG.match(head, position))


def _from_html(text: str, kind: str, url: str) -> Document:
    try:
        tree = markup.parse(text)
    except markup.MarkupError as error:
        raise ExtractError(error.reason, error.detail) from error
    meta = metadata.read(tree, url)
    refresh = markup.refresh_of(tree, meta.base_url)
    scripts = sum(
        len(node.text or "") + SOURCE_CHARS * bool(node.get("src"))
        for node in tree.iter("script")
    )
    found = _bounded(article.text_of(tree, meta, url))
    # Walls and forms are looked for where the text is short; a long one is an article whatever stands around it.
    visible = (
        markup.visible_text(tree) if count_words(found[:5000]) < CONSENT_WORDS else ""
    )
    if not (found or visible or meta.title or scripts or refresh):
        raise ExtractError("empty", "the page shows no text")
    silent = " ".join(node.text_content() for node in tree.iter("noscript"))[:2000]
    page = PageSignals(
        title=meta.title,
        text=found,
        description=meta.description,
        visible=visible,
        no_script=silent,
        script_chars=scripts,
        stated_words=meta.article.word_count,
        free=meta.article.accessible_for_free,
        teaser_share=coverage.teaser_share(tree, found),
        container_words=coverage.container_words(tree),
        on_several_pages=meta.is_continuation or meta.is_continued,
    )
    return _document(page, meta, kind, url, refresh)


def _document(
    page: PageSignals, meta: Metadata, kind: str, url: str, refresh: str | None
) -> Document:
    found, verdict = page.text, judge(page)
    return Document(
        title=meta.title,
        text=found,
        author=meta.author,
        published=meta.published,
        language=_language(found, meta.html_language),
        site=meta.site or (urlsplit(url).hostname or "").removeprefix("www."),
        section=meta.section,
        canonical_url=meta.canonical_url,
        amp_url=meta.amp_url,
        refresh_url=refresh,
        is_continuation=meta.is_continuation,
        completeness=verdict.score,
        shortcoming=verdict.shortcoming,
        words=count_words(found),
        media_type=kind,
    )


def _from_plain(text: str) -> Document:
    found = _bounded(pdf.paragraphs(text) if _is_wrapped(text) else clean_lines(text))
    if not found:
        raise ExtractError("empty", "nothing but white space")
    title, _, rest = found.partition("\n")
    if len(title) > 200 or not rest:
        title, rest = "", found
    return _bare(title=title, text=rest, media_type="text/plain")


def _from_pdf(body: bytes) -> Document:
    try:
        found = pdf.read(body)
    except pdf.PdfError as error:
        raise ExtractError(error.reason, error.detail) from error
    return _bare(
        title=found.title,
        text=_bounded(found.text),
        media_type="application/pdf",
        author=found.author,
        published=found.published,
    )


def _bare(
    *,
    title: str,
    text: str,
    media_type: str,
    author: str = "",
    published: str | None = None,
) -> Document:
    verdict = judge(PageSignals(title=title, text=text, visible=""))
    return Document(
        title=title,
        text=text,
        author=author,
        published=published,
        language=_language(text, ""),
        completeness=verdict.score,
        shortcoming=verdict.shortcoming,
        words=count_words(text),
        media_type=media_type,
    )


def _is_wrapped(text: str) -> bool:
    """True for a text whose lines are broken at a fixed width, as mails and wire copy are: paragraphs are what
    empty lines part."""
    lengths = [len(line) for line in text.splitlines()[:500] if line.strip()]
    return (
        len(lengths) >= 4 and max(lengths) <= 100 and "\n\n" in text.replace("\r", "")
    )


def _bounded(text: str) -> str:
    return (
        text
        if len(text) <= MAX_TEXT_CHARS
        else text[:MAX_TEXT_CHARS].rpartition("\n")[0] or text[:MAX_TEXT_CHARS]
    )


def _language(text: str, stated: str) -> str | None:
    sample = text[:LANGUAGE_CHARS]
    if not sample or (
        stated and len(sample) < SURE_CHARS and len(_CJK.findall(sample)) < SURE_CJK
    ):
        return stated or None
    found: str = py3langid.classify(sample)[
        0
    ]  # loads its model at the first text, some 0.4 s; then 0.3 ms each
    return found
