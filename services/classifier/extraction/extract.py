"""Extracts the article from HTML, XHTML, plain text or PDF. Pure: no network, no clock.

The text of a Document has one line per paragraph, heading, list item or table row. It
is NFC, without control characters other than line feeds, and without the headline.
Offsets of evidence are Unicode code points into this text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from incidentwire.latin_languages import UNKNOWN
from services.classifier.extraction import article, coverage, markup, metadata, pdf
from services.classifier.extraction.cleaning import clean_lines
from services.classifier.extraction.completeness import (
    CONSENT_WORDS,
    PageSignals,
    judge,
)
from services.classifier.extraction.decoding import decode, looks_binary
from services.classifier.extraction.media_types import HTML, PDF, PLAIN, UNDECLARED
from services.classifier.extraction.metadata import Metadata
from services.classifier.text.language import detect
from services.classifier.text.words import count_words

MAX_BYTES = 20_000_000
MAX_TEXT_CHARS = 2_000_000  # some 400,000 words; a longer text is cut at a line's end
SOURCE_CHARS = 200  # counted for an external script
LANGUAGE_CHARS = 1_000  # enough for a reliable result; the cost grows with the length
# The language of a shorter text is the page's `lang` if it has one.
SURE_CHARS = 200
SURE_CJK = 20

_PROLOG = re.compile(rb"^\s*+(?:<\?xml[^>]{0,200}>\s*+)?", re.I)
_COMMENT_OPENS = b"<!--"
_HTML_TAG = re.compile(rb"<(?:!doctype\s+html|html|head|body)\b", re.I)
_BLANKS = re.compile(rb"\s*+")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True, kw_only=True)
class Document:
    """One article. Strings are "" and other fields None if the page does not state them.

    URLs are absolute, and not verified: the caller decides whether to trust
    `canonical_url` and `amp_url`.
    """

    title: str
    text: str
    author: str = ""  # names joined by ", "
    # ISO 8601 date, or date and time, as the publisher states it.
    published: str | None = None
    language: str | None = None  # ISO 639-1
    site: str = ""
    section: str = ""
    canonical_url: str | None = None
    amp_url: str | None = None
    refresh_url: str | None = None  # target of a page with little but a meta refresh
    is_continuation: bool = False  # a later page of an article on several pages
    completeness: float  # 0..1; below completeness.THRESHOLD `shortcoming` is set
    shortcoming: str | None = None  # see completeness.Completeness
    words: int  # 1.5 characters of Chinese, Japanese or Korean count as a word
    media_type: str  # detected from the bytes


class ExtractError(Exception):
    """No document can be extracted. `detail` is for people.

    `reason` is `unsupported_media_type`, `binary`, `empty`, `too_large`, `too_complex`,
    `encrypted` (a PDF with a password) or `unreadable`.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def extract(body: bytes, *, media_type: str, charset: str | None, url: str) -> Document:
    """Return the document in `body`.

    `media_type` and `charset` are the server's claims, checked against the bytes. `url`
    is the page's address after redirects. Raises only ExtractError.
    """
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
    if declared in PLAIN or declared in UNDECLARED:
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
    # Only a short text is checked for walls and forms: a long one is an article.
    short = count_words(found[:5000]) < CONSENT_WORDS
    visible = markup.visible_text(tree) if short else ""
    if not (found or visible or meta.title or scripts or refresh):
        raise ExtractError("empty", "the page shows no text")
    no_script = " ".join(node.text_content() for node in tree.iter("noscript"))
    page = PageSignals(
        title=meta.title,
        text=found,
        description=meta.description,
        visible=visible,
        no_script=no_script[:2000],
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
    found = page.text
    verdict = judge(page)
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
        title = ""
        rest = found
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
    """Return True if lines are broken at a fixed width, as in mails and wire copy.

    Empty lines then separate paragraphs.
    """
    lengths = [len(line) for line in text.splitlines()[:500] if line.strip()]
    if len(lengths) < 4 or max(lengths) > 100:
        return False
    return "\n\n" in text.replace("\r", "")


def _bounded(text: str) -> str:
    if len(text) <= MAX_TEXT_CHARS:
        return text
    return text[:MAX_TEXT_CHARS].rpartition("\n")[0] or text[:MAX_TEXT_CHARS]


def _language(text: str, stated: str) -> str | None:
    sample = text[:LANGUAGE_CHARS]
    short = len(sample) < SURE_CHARS and len(_CJK.findall(sample)) < SURE_CJK
    if not sample or (stated and short):
        return stated or None
    found = detect(sample)
    return found if found != UNKNOWN else stated or None
