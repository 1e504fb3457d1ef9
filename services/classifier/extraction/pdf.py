"""The text of a PDF: pages in order, wrapped and hyphenated lines joined."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from pypdf import PdfReader
from pypdf.errors import PyPdfError

from services.classifier.extraction.cleaning import clean
from services.classifier.extraction.pdf_columns import RowStarts, by_columns

MAX_PAGES = 200
MAX_CHARS = 2_000_000
MAX_OPERATORS = 500_000  # of all pages: many may share one stream
SHORT_LINE = 0.8  # of the text block's width

_PAGE_NUMBER = re.compile(
    r"^\W*+(?:page|seite|第)?\s*+\d{1,4}\s*+(?:(?:of|von|/|页)\s*+\d{0,4})?\W*+", re.I
)
PAGE_NUMBER_CHARS = 40  # of a line that may be one
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LINE_BREAK = re.compile(r"\r\n?")
_ENDS = (".", "!", "?", ":", "。", "！", "？", "：")

# Raised by pypdf on damaged, truncated and inconsistent files, as found by fuzzing.
BROKEN = (
    PyPdfError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    AssertionError,
    OSError,
    RecursionError,
    OverflowError,
    NotImplementedError,
    ArithmeticError,
    UnicodeError,
    MemoryError,
)


class PdfError(Exception):
    """The file cannot be read.

    `reason` is `unreadable`, `encrypted`, `empty` or `too_complex`.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class PdfText:
    """Title and author are the file's own, or ""."""

    title: str
    author: str
    published: str | None
    text: str


def read(body: bytes) -> PdfText:
    """Return the text of a PDF.

    Raises PdfError for damaged, locked and overly complex files, and for files without
    any text (scans).
    """
    try:
        reader = PdfReader(io.BytesIO(body), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise PdfError("encrypted", "the PDF needs a password")
        pages = _texts(reader)
        info = reader.metadata
        title = clean(str((info and info.title) or ""))
        author = clean(str((info and info.author) or ""))
        created = info.creation_date if info else None
    except BROKEN as error:
        raise PdfError(
            "unreadable", f"the PDF is damaged ({type(error).__name__})"
        ) from error
    text = paragraphs("\n\n".join(pages)[:MAX_CHARS])
    if not text:
        raise PdfError("empty", f"no text on {len(pages)} pages; a scan, perhaps")
    return PdfText(
        title=title or text.split("\n", 1)[0][:200],
        author=author,
        published=created.date().isoformat() if isinstance(created, datetime) else None,
        text=text,
    )


def paragraphs(text: str) -> str:
    """Join the wrapped lines of a fixed layout, and return one line per paragraph.

    A paragraph ends at an empty line, or at a short line that ends a sentence.
    """
    lines = [
        clean(line)
        for line in _LINE_BREAK.sub("\n", text).replace("\f", "\n\n").split("\n")
    ]
    width = _width(lines)
    found: list[str] = []
    current: list[str] = []
    for line in lines:
        if _is_page_number(line):
            continue
        if line:
            current.append(line)
        short = len(line) < SHORT_LINE * width and line.endswith(_ENDS)
        if current and (short or not line):
            found.append(_joined(current))
            current = []
    if current:
        found.append(_joined(current))
    return "\n".join(found)


def _texts(reader: PdfReader) -> list[str]:
    """Return the texts of the first pages, until they exceed MAX_CHARS.

    Raises PdfError beyond MAX_OPERATORS.
    """
    found: list[str] = []
    length = 0
    operators = 0

    def count(
        operator: bytes, operands: object, cm: list[float], tm: list[float]
    ) -> None:
        nonlocal operators
        operators += 1
        if operators > MAX_OPERATORS:
            raise PdfError("too_complex", f"more than {MAX_OPERATORS} operators")
        rows.see(operator, operands, cm, tm)

    for index in range(min(len(reader.pages), MAX_PAGES)):
        rows = RowStarts()
        page = reader.pages[index]
        text = page.extract_text(visitor_operand_before=count)
        ordered = by_columns(page) if rows.suggest_columns() else None
        if ordered and len(ordered.split()) >= len(text.split()):
            text = ordered
        found.append(text)
        length += len(found[-1])
        if length > MAX_CHARS:
            break
    return found


def _is_page_number(line: str) -> bool:
    return bool(
        line and len(line) <= PAGE_NUMBER_CHARS and _PAGE_NUMBER.fullmatch(line)
    )


def _joined(lines: list[str]) -> str:
    """Return the lines of a paragraph as one; a hyphen at a line's end joins a word."""
    parts = [lines[0]]
    for before, line in pairwise(lines):
        if before[-2:-1].isalpha() and before.endswith("-") and line[:1].islower():
            parts[-1] = parts[-1].removesuffix("-")
        elif not _CJK.match(before[-1]):
            parts.append(" ")
        parts.append(line)
    return "".join(parts)


def _width(lines: list[str]) -> int:
    """Return the width of the text block: the 90th percentile of its lines, in chars."""
    lengths = sorted(len(line) for line in lines if line)
    return lengths[int(len(lengths) * 0.9)] if lengths else 0
