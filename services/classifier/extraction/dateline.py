"""The date in a line of a page, as newspapers, agencies and journals print it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lxml import html

from incidentwire.dates import parse
from services.classifier.extraction.cleaning import clean

DATELINE_CHARS = 80  # a visible date in a longer line is prose
OPENING_CHARS = 40  # of a long line: agencies begin with place and date
UNRESOLVED = "unresolved"  # an age such as "3 hours ago"
ANY_TIME = datetime(2000, 6, 15, tzinfo=UTC)  # to distinguish an age from a date
LINE_CHARS = 500  # read of a line; only its opening counts beyond DATELINE_CHARS

# Dates that are not the publication's, as journals and updated pages print them.
NOT_PUBLISHED = re.compile(
    r"accepted|received|revised|submitted|reviewed|updated|modifi|copyright|©"
    r"|retrieved|accessed|archived|printed|gedruckt|imprimé|impreso|stampato|hearing|effective|discovered"
    r"|date of (?:the )?(?:breach|incident|birth|discovery)|deadline|expires|register (?:by|before|until)|\bevents?\b"
    r"|eingereicht|eingegangen|angenommen|aktualisiert|abgerufen|veranstaltung"
    r"|reçu|accepté|mis à jour|recibido|aceptado|actualizado|recebido|aceito"
    r"|ricevuto|accettato|aggiornato|bijgewerkt|gewijzigd|uppdaterad|oppdatert|opdateret"
    r"|päivitetty|muokattu|aktualiz|atualizad|güncelle|обновлен|изменен|оновлен"
    r"|frissítve|actualizat|ενημερώθηκε|diperbarui|cập nhật|수정|최종"
    r"|\bborn\b|court date|closes?\b|valid (?:from|until)|takes? place"
    r"|收稿|修回|更新|截止|活动时间|活動時間",
    re.I,
)
_PUBLISHED = re.compile(
    r"published|posted|available online|publicado|publié|mise en ligne|pubblicato|veröffentlicht|opublikowano"
    r"|gepubliceerd|publicerad|publisert|udgivet|julkaistu|опубликован|опубліковано|yayınlan"
    r"|发布|发表|公開日|입력|등록",
    re.I,
)
# Classes and microdata of a time. Templates give the only date of a page the class
# "updated", which hAtom asked for.
_CHANGE_MARKS = re.compile(r"updated|modified", re.I)
_PUBLICATION_MARKS = re.compile(r"publi|posted|entry-date", re.I)
LABEL_CHARS = 25  # of the label before a date
_LABEL_TAGS = frozenset("span b strong em i small label dt th td abbr p div".split())
PROSE_WORDS = 6  # of a short line that ends as a sentence
_LETTERS = re.compile(r"[^\W\d_]{2,}")
# A line that lists an article's dates; it may be long.
_DATES_OF_RECORD = re.compile(rf"\W{{0,3}}(?:{NOT_PUBLISHED.pattern})", re.I)
# The opening of an agency's report: a date that a sentence does not go on with.
_OPENS_REPORT = re.compile(
    r"(?!(?:on|in|since|by|until|at|from|am|im|seit|le|el|em|il|op|den|w dniu)\s)"
    r".{0,40}?(?:\d|\d[年月日])[)）]?\.?\s?(?:[-–—|/(（】\"„“«]|:(?!\d)|[电電讯訊])",
    re.I,
)


def labelled(node: html.HtmlElement) -> str | None:
    """Return the text of an element, in a list or table of facts after its label."""
    label = node.getprevious() if node.text and node.tag in ("dd", "td") else None
    if label is None or label.tag not in ("dt", "th", "td"):
        return str(node.text) if node.text else None
    return f"{clean(label.text_content()[:60])}: {node.text}"


def is_of_another_day(node: html.HtmlElement) -> bool:
    """Return True for a date whose text or label names an update or the like."""
    own = clean(node.text_content()[:LINE_CHARS])
    return any(
        NOT_PUBLISHED.search(text) and not _PUBLISHED.search(text)
        for text in (own, _label_before(node))
    )


def is_marked_as_change(node: html.HtmlElement) -> bool:
    """Return True for a time whose class or microdata names an update."""
    marks = f"{node.get('class') or ''} {node.get('itemprop') or ''}"
    return bool(_CHANGE_MARKS.search(marks)) and not _PUBLICATION_MARKS.search(marks)


def names_publication(node: html.HtmlElement, text: str) -> bool:
    """Return True for a line that names the publication, or whose label does."""
    return bool(_PUBLISHED.search(text) or _PUBLISHED.search(_label_before(node)))


def _label_before(node: html.HtmlElement) -> str:
    """Return the text before an element, or the short element with its label."""
    for _ in range(3):
        before = node.getprevious()
        parent = node.getparent()
        if before is None and parent is None:
            return ""
        text = clean((parent.text if before is None else before.tail) or "")
        if text:
            return text[-LABEL_CHARS:]
        if before is not None:
            label = clean(before.text_content()[:DATELINE_CHARS])
            return label if before.tag in _LABEL_TAGS and _is_label(label) else ""
        node = parent
    return ""


def _is_label(text: str) -> bool:
    """Return True for a short text without a date of its own."""
    return len(text) <= LABEL_CHARS and not any(char.isdigit() for char in text)


def _is_prose(line: str) -> bool:
    return line.endswith(".") and len(_LETTERS.findall(line)) >= PROSE_WORDS


def line_date(text: str | None, language: str) -> str | None:
    """Return the date in a line that is short, or that opens with it as agency reports
    do ("Berlin, 01.02.2022 - The ...")."""
    if not text or len(text) < 2 or text.isspace():
        return None
    line = clean(text[:LINE_CHARS])
    if len(line) > DATELINE_CHARS and _DATES_OF_RECORD.match(line):
        published = _PUBLISHED.search(line)
        return parse(line[published.end() :], language=language) if published else None
    if len(line) > DATELINE_CHARS:
        if not _OPENS_REPORT.match(line):
            return None
        line = line[:OPENING_CHARS]
    elif parse(line, now=ANY_TIME) and not parse(line, language="en-gb"):
        return UNRESOLVED
    if not any(char.isdigit() or char == "年" for char in line):
        return None
    published = _PUBLISHED.search(line)
    if published:
        return parse(line[published.end() :], language=language) or parse(
            line, language=language
        )
    if NOT_PUBLISHED.search(line) or _is_prose(line) or len(line) < 6:
        return None
    return parse(line, language=language)
