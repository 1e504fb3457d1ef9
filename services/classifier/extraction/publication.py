"""When a page was published: from its structured data, its metas, its `time` elements, its dateline, its address;
by guessing last.

Dates stay as the publisher wrote them (their local day).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from htmldate import find_date
from lxml import html

from services.classifier.extraction.dates import day_of, moment, parse
from services.classifier.extraction.decoding import clean
from services.classifier.extraction.markup import INVISIBLE

DATELINE_CHARS = 80  # a visible date standing in a longer line is prose
OPENING_CHARS = 24  # of a long line, where agencies put place and date
NEAR_ELEMENTS = 200  # elements after the headline that are searched for a dateline
NEAR_BEFORE = 40  # and before it

PRECISE_METAS = tuple(
    """article:published_time og:article:published_time og:published_time og:pubdate article:published
    datepublished publishdate publish_date publish-date published_time publication_date publicationdate
    article_date_original originalpublicationdate sailthru.date parsely-pub-date pubdate pub_date
    cxenseparse:recs:publishtime dc.date.issued dcterms.issued dcterms.created dc.date.created article.published
    rnews:datepublished article:post_date bt:pubdate citation_publication_date citation_online_date
    weibo:article:create_at apub:time release_date gentime created""".split()
)  # fmt: skip
VAGUE_METAS = (
    "dc.date",
    "dcterms.date",
    "date",
    "article:modified_time",
    "og:updated_time",
    "last-modified",
)

_IN_URL = re.compile(
    r"(?<!\d)((?:19|20)\d{2})[/_-]?(0[1-9]|1[0-2])[/_-]?(0[1-9]|[12]\d|3[01])(?!\d)"
)
_MONTH_IN_URL = re.compile(r"/((?:19|20)\d{2})[/_-]?(0[1-9]|1[0-2])/")
_MARKED = re.compile(
    r"date|time|publi|posted|byline|meta|info|stamp|dateline|datum|fecha|pubtime|source",
    re.I,
)
_MONTH = re.compile(r"(?:19|20)\d\d-(?:0[1-9]|1[0-2])")
ASIDE = frozenset({"aside", "nav", "footer"})
NO_DATELINE = INVISIBLE | {"a", "meta", "link", "html", "body"}


def find(
    tree: html.HtmlElement,
    *,
    stated: Iterable[str],
    metas: Mapping[str, str],
    url: str,
    headline: str,
) -> str | None:
    """ISO 8601 date, or date and time where the page gives it, or year and month where it gives no more. `stated`:
    JSON-LD's datePublished; `metas`: name -> content."""
    times = [
        (node, value)
        for node in tree.iter("time")
        if (value := parse(node.get("datetime") or clean(node.text_content())))
    ]
    said = (*stated, *(metas.get(name, "") for name in PRECISE_METAS))
    precise = [value for text in said if (value := parse(text))]
    if precise:
        shown = [value for name in VAGUE_METAS if (value := parse(metas.get(name, "")))]
        return _as_local(precise[0], [*(value for _, value in times), *shown])
    marked = _marked(tree, times)
    if marked:
        return marked
    in_url = _from_url(url)
    found = _dateline(tree, headline) or in_url or _of_month(tree, url)
    vague = [value for name in VAGUE_METAS if (value := parse(metas.get(name, "")))]
    months = [text.strip() for text in said if _MONTH.fullmatch(text.strip())]
    return found or next(iter((*(value for _, value in times), *vague, *months)), None)


def guess(tree: html.HtmlElement, url: str) -> str | None:
    """What htmldate's patterns make of the whole page; for pages that say nothing themselves."""
    found = find_date(
        tree, url=url, original_date=True, extensive_search=False, max_date="2100-01-01"
    )
    return (
        found if isinstance(found, str) and not found.endswith("-01-01") else None
    )  # a bare year is no date


def _marked(
    tree: html.HtmlElement, times: list[tuple[html.HtmlElement, str]]
) -> str | None:
    """The element that is marked as the publication's date, or the first `time` outside lists of other stories."""
    for node in tree.iter("time", "span", "meta", "abbr", "div", "p"):
        marks = (node.get("itemprop") or "").lower()
        if (
            "datepublished" in marks
            or "datecreated" in marks
            or (node.tag == "time" and node.get("pubdate") is not None)
        ):
            value = parse(
                node.get("content")
                or node.get("datetime")
                or clean(node.text_content())
            )
            if value:
                return value
        elif (
            node.tag == "abbr"
            and node.get("title")
            and "publish" in (node.get("class") or "")
            and (value := parse(node.get("title")))
        ):
            return value
    kept = [
        (node, value)
        for node, value in times
        if not any(up.tag in ASIDE for up in node.iterancestors())
    ]
    for node, value in kept:
        marks = (node.get("class") or "").lower()
        if "publish" in marks or "entry-date" in marks or "posted" in marks:
            return value
    return kept[0][1] if kept else None


def _dateline(tree: html.HtmlElement, headline: str) -> str | None:
    """The date of the visible line nearest to the headline; a line whose class says that it is one wins over others."""
    nodes = [
        node
        for node in tree.iter()
        if isinstance(node.tag, str) and node.tag not in NO_DATELINE
    ]
    start = next(
        (
            index
            for index, node in enumerate(nodes)
            if node.tag in ("h1", "h2", "h3") and _heads(node, headline)
        ),
        0,
    )
    best, nearest = None, 2 * NEAR_ELEMENTS
    for index, node in enumerate(
        nodes[max(0, start - NEAR_BEFORE) : start + NEAR_ELEMENTS],
        max(0, start - NEAR_BEFORE),
    ):
        for text in (node.text, node.tail):
            value = _line_date(text)
            if not value or any(up.tag in ASIDE for up in node.iterancestors()):
                continue
            marked = _MARKED.search(f"{node.get('class') or ''} {node.get('id') or ''}")
            distance = abs(index - start) + (0 if marked else NEAR_ELEMENTS // 2)
            if distance < nearest:
                best, nearest = value, distance
    return best


def _line_date(text: str | None) -> str | None:
    """The date in a line that is short, or that opens with it as agency reports do ("Berlin, 01.02.2022 - The ...")."""
    if not text or not any(char.isdigit() for char in text):
        return None
    line = clean(text)
    return (
        parse(line if len(line) <= DATELINE_CHARS else line[:OPENING_CHARS])
        if len(line) >= 6
        else None
    )


def _of_month(tree: html.HtmlElement, url: str) -> str | None:
    """The first date on the page that falls into the month that the address names (/2010/05/)."""
    match = _MONTH_IN_URL.search(_inner(url))
    if not match:
        return None
    for text in tree.itertext():
        if "2" in text or "1" in text:
            value = _line_date(text)
            if value and value.startswith(f"{match[1]}-{match[2]}"):
                return value
    return None


def _heads(node: html.HtmlElement, headline: str) -> bool:
    return (
        bool(headline) and headline.casefold() in clean(node.text_content()).casefold()
    )


def _from_url(url: str) -> str | None:
    match = _IN_URL.search(_inner(url))
    return day_of(match[1], match[2], match[3]) if match else None


def _inner(url: str) -> str:
    """The path that the publisher gave: a web archive's own stamp in front of it is no publication date."""
    return re.sub(
        r"^(?:https?://[^/]+)?/web/\d{4,14}[a-z_]*/(?=https?:)", "", url
    ).split("?")[0]


def _as_local(value: str, others: Iterable[str]) -> str:
    """The same instant as the page shows it in its own time zone: a template's UTC can name the wrong day."""
    instant = moment(value)
    if instant is None or instant.utcoffset():
        return value
    for other in others:
        local = moment(other)
        if (
            local is not None
            and local.utcoffset()
            and abs((local - instant).total_seconds()) < 60
        ):
            return other
    return value
