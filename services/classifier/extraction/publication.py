"""The publication date of a page.

Sources in order: structured data, metas, `time` elements, the dateline, the URL, and
patterns in the text. Dates are the publisher's local days.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from htmldate import find_date
from lxml import html

from incidentwire.dates import day_of, moment, parse
from services.classifier.extraction.cleaning import clean
from services.classifier.extraction.dateline import (
    DATELINE_CHARS,
    NOT_PUBLISHED,
    UNRESOLVED,
    is_marked_as_change,
    is_of_another_day,
    labelled,
    line_date,
    names_publication,
)
from services.classifier.extraction.markup import INVISIBLE, property_of

NEAR_ELEMENTS = 200  # elements after the headline that are searched for a dateline
NEAR_BEFORE = 40  # and before it
HEADLINE_WORDS = 4  # of a link that is a headline, and no name or section

PRECISE_METAS = tuple(
    """article:published_time og:article:published_time og:published_time og:pubdate article:published
    datepublished publishdate publish_date publish-date published_time publication_date publicationdate
    article_date_original originalpublicationdate sailthru.date parsely-pub-date pubdate pub_date
    cxenseparse:recs:publishtime dc.date.issued dcterms.issued dcterms.created dc.date.created article.published
    rnews:datepublished article:post_date bt:pubdate citation_publication_date citation_online_date
    weibo:article:create_at apub:time release_date gentime created""".split()
)
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
# Classes of boxes that hold other stories.
_OTHERS = re.compile(
    r"(?:^|[\s_-])(?:related|teasers|recommended|recommendations|popular|comments?"
    r"|trending|most-read|more-stories|more-news|latest-news)(?:$|[\s_-])",
    re.I,
)
OTHER_BOXES = frozenset(
    "comment comments comment-list commentlist promo sidebar weather today"
    " current-date ticker".split()
)
ASIDE = frozenset({"aside", "nav", "footer"})
NO_DATELINE = INVISIBLE | {"a", "meta", "link", "html", "body"}


@dataclass(frozen=True, kw_only=True)
class DateSources:
    """The candidates for a page's date.

    `stated` is JSON-LD's datePublished, `metas` maps names to contents, and `language`
    is a BCP 47 tag, for the order of day and month in 03/04/2021.
    """

    stated: Iterable[str]
    metas: Mapping[str, str]
    url: str
    headline: str
    language: str = ""

    def parse(self, text: str | None) -> str | None:
        """Return the date in a short text as ISO 8601."""
        return parse(text or "", language=self.language)

    def parse_stated(self, text: str | None) -> str | None:
        """Return the date in a machine-readable field, which may count seconds."""
        return parse(text or "", language=self.language, epoch=True)

    def values(self, names: Iterable[str]) -> list[str]:
        """Return the dates in the metas of these names."""
        found = (self.parse(self.metas[name]) for name in names if name in self.metas)
        return [value for value in found if value]


def find(tree: html.HtmlElement, sources: DateSources) -> str | None:
    """Return an ISO 8601 date, date and time, or year and month; None if unknown.

    Machine-readable dates come first, then marked elements, the dateline, the URL, and
    metas that may be another day's.
    """
    times = _times(tree, sources)
    metas = (sources.metas.get(name) for name in PRECISE_METAS)
    stated = [text for text in (*sources.stated, *metas) if text]
    parsed = (sources.parse_stated(text) for text in stated)
    precise = next((value for value in parsed if value), None)
    vague = sources.values(VAGUE_METAS)
    if precise:
        return _as_local(precise, [*(value for _, value in times), *vague])
    heading = _heading(tree, sources.headline)
    times = [pair for pair in times if not is_of_another_day(pair[0])]
    times.sort(key=lambda pair: is_marked_as_change(pair[0]))
    own = [pair for pair in times if _is_own(pair[0], heading)]
    marked = _marked(tree, own, sources)
    if marked:
        return marked
    dateline = _dateline(tree, heading, sources)
    if dateline == UNRESOLVED:
        # The page states only its age ("3 hours ago"): other dates are not its own.
        return _from_url(sources.url) or next(iter(vague), None)
    months = [text.strip() for text in stated if _MONTH.fullmatch(text.strip())]
    return (
        dateline
        or _from_url(sources.url)
        or _of_month(tree, sources)
        or next(iter((*_beside(times, heading), *vague, *months)), None)
        or _guess(tree, sources)
    )


def _times(
    tree: html.HtmlElement, sources: DateSources
) -> list[tuple[html.HtmlElement, str]]:
    found = []
    for node in tree.iter("time"):
        text = node.get("datetime") or clean(node.text_content()[:200])
        value = sources.parse(text)
        if value:
            found.append((node, value))
    return found


def _is_own(node: html.HtmlElement, heading: html.HtmlElement | None) -> bool:
    """Return False for elements in boxes of other stories, or after the article."""
    if _is_in_other_box(node, heading):
        return False
    if heading is None:
        return True
    article = next(heading.iterancestors("article"), None)
    if article is None or article in node.iterancestors():
        return True
    return not _follows(node, article)


def is_other_box(node: html.HtmlElement) -> bool:
    """Return True for a box whose class or id says that it holds other stories or
    comments."""
    classes = f"{node.get('class') or ''} {node.get('id') or ''}"
    if _OTHERS.search(classes):
        return True
    return not OTHER_BOXES.isdisjoint(classes.lower().split())


def _is_in_other_box(node: html.HtmlElement, heading: html.HtmlElement | None) -> bool:
    """Return True for elements in a box of other stories, which lacks the headline."""
    own = [] if heading is None else list(heading.iterancestors())
    return any(
        up.tag in ASIDE or is_other_box(up) or _is_masthead(up, heading)
        for up in (node, *node.iterancestors())
        if up not in own
    )


def _is_masthead(node: html.HtmlElement, heading: html.HtmlElement | None) -> bool:
    """Return True for the page's header, with the day of today, beside an article."""
    if node.tag != "header" or heading is None:
        return False
    article = next(heading.iterancestors("article", "main"), None)
    return article is not None and article not in node.iterancestors()


def _beside(
    times: list[tuple[html.HtmlElement, str]], heading: html.HtmlElement | None
) -> list[str]:
    """Return the times in the headline's own article, its boxes included."""
    article = None if heading is None else next(heading.iterancestors("article"), None)
    return [
        value
        for node, value in times
        if (article is None and _is_own(node, None))
        or (article is not None and article in node.iterancestors())
    ]


def _follows(node: html.HtmlElement, article: html.HtmlElement) -> bool:
    """Return True if `node` comes after the end of `article` in the document."""
    ancestors = [article, *article.iterancestors()]
    branch = node
    for up in node.iterancestors():
        if up in ancestors:
            inside = ancestors[ancestors.index(up) - 1]
            return any(sibling is branch for sibling in inside.itersiblings())
        branch = up
    return False


def _guess(tree: html.HtmlElement, sources: DateSources) -> str | None:
    """Return the date that htmldate finds on a page without a date of its own.

    What belongs to other stories, and lines of other dates, are left out.
    """
    own = _own_parts(tree, sources.headline)
    found = find_date(
        own,
        url=sources.url,
        original_date=True,
        extensive_search=False,
        max_date="2100-01-01",
    )
    # htmldate completes a bare year to its first day.
    if not isinstance(found, str) or found.endswith("-01-01"):
        return None
    year, month, day = found.split("-")
    printed = re.search(
        rf"(?<!\d)(?:0?{int(day)}([/-])0?{int(month)}|0?{int(month)}([/-])0?{int(day)})"
        rf"[/-]{year}(?!\d)",
        own.text_content(),
    )
    # It also takes day and month of 03/04/2021 in one order whatever the language.
    return sources.parse(printed[0]) if printed else found


def _own_parts(tree: html.HtmlElement, headline: str) -> html.HtmlElement:
    """Return a copy of the page without what follows or stands beside the article."""
    own = copy.deepcopy(tree)
    heading = _heading(own, headline)
    article = None if heading is None else next(heading.iterancestors("article"), None)
    if article is not None:
        for up in (article, *article.iterancestors()):
            for sibling in list(up.itersiblings()):
                sibling.getparent().remove(sibling)
    # JSON-LD has been read: what is left of it is about other stories.
    for node in list(
        own.iter("script", "aside", "nav", "div", "section", "ul", "footer")
    ):
        if node.tag == "script" or node.tag in ASIDE or is_other_box(node):
            node.drop_tree()
    for node in list(own.iter("time")):
        if is_of_another_day(node):
            node.drop_tree()
    for node in own.iter():
        text = node.text if isinstance(node.tag, str) else None
        if text and len(text) <= DATELINE_CHARS and NOT_PUBLISHED.search(text):
            node.text = ""
    return own


def _marked(
    tree: html.HtmlElement,
    times: list[tuple[html.HtmlElement, str]],
    sources: DateSources,
) -> str | None:
    """Return the date of the element marked as the publication's, or of the first
    `time`."""
    for node in tree.iter("time", "span", "meta", "abbr", "div", "p"):
        text = _marked_text(node)
        value = sources.parse(text) if text else None
        if value:
            return value
    for node, value in times:
        marks = (node.get("class") or "").lower()
        if "publish" in marks or "entry-date" in marks or "posted" in marks:
            return value
    return times[0][1] if times else None


def _marked_text(node: html.HtmlElement) -> str | None:
    """Return the date's text in an element that microdata or its class marks."""
    marks = property_of(node)
    published = "datepublished" in marks or "datecreated" in marks
    if published or (node.tag == "time" and node.get("pubdate") is not None):
        return (
            node.get("content")
            or node.get("datetime")
            or clean(node.text_content()[:200])
        )
    if node.tag == "abbr" and "publish" in (node.get("class") or ""):
        return str(node.get("title") or "") or None
    return None


def _dateline(
    tree: html.HtmlElement, heading: html.HtmlElement | None, sources: DateSources
) -> str | None:
    """Return the date of the visible line nearest to the headline, UNRESOLVED if that
    line gives an age. A line whose class says that it is a date wins over others."""
    nodes = [
        node
        for node in tree.iter()
        if isinstance(node.tag, str)
        and (node is heading or node.tag not in NO_DATELINE)
    ]
    start = nodes.index(heading) if heading is not None else 0
    first = max(0, start - NEAR_BEFORE)
    best = None
    nearest = 2 * NEAR_ELEMENTS
    for index, node in enumerate(nodes[first : start + NEAR_ELEMENTS], first):
        for text in (labelled(node), node.tail):
            value = line_date(text, sources.language)
            if not value or _is_of_another_story(node, text or "", heading):
                continue
            marked = _MARKED.search(f"{node.get('class') or ''} {node.get('id') or ''}")
            if value == UNRESOLVED and not marked:
                continue
            distance = abs(index - start) + (0 if marked else NEAR_ELEMENTS // 2)
            if distance < nearest:
                best = value
                nearest = distance
    return best


def _is_of_another_story(
    node: html.HtmlElement, text: str, heading: html.HtmlElement | None
) -> bool:
    """Return True for a date outside the article, unless it names the publication."""
    if _is_in_other_box(node, heading) or is_of_another_day(node):
        return True
    item = next(node.iterancestors("li"), None)
    if item is not None and item is not heading and _holds_headline(item):
        return True
    article = None if heading is None else next(heading.iterancestors("article"), None)
    if article is None or names_publication(node, text):
        return False
    return _follows(node, article)


def _holds_headline(item: html.HtmlElement) -> bool:
    """Return True for a list item with the link to a story in it."""
    links = (clean(link.text_content()[:200]) for link in item.iter("a"))
    return any(len(text.split()) >= HEADLINE_WORDS for text in links)


def _of_month(tree: html.HtmlElement, sources: DateSources) -> str | None:
    """Return the first date on the page in the month that the URL names (/2010/05/)."""
    match = _MONTH_IN_URL.search(_inner(sources.url))
    if not match:
        return None
    for text in tree.itertext():
        if "2" in text or "1" in text:
            value = line_date(text, sources.language)
            if value and value.startswith(f"{match[1]}-{match[2]}"):
                return value
    return None


def _heading(tree: html.HtmlElement, headline: str) -> html.HtmlElement | None:
    """Return the heading that holds the headline."""
    if not headline:
        return None
    wanted = headline.casefold()
    for node in tree.iter("h1", "h2", "h3"):
        if wanted in clean(node.text_content()).casefold():
            return node
    return None


def _from_url(url: str) -> str | None:
    match = _IN_URL.search(_inner(url))
    return day_of(match[1], match[2], match[3]) if match else None


def _inner(url: str) -> str:
    """Return the URL without query and without a web archive's timestamp."""
    return re.sub(
        r"^(?:https?://[^/]+)?/web/\d{4,14}[a-z_]*/(?=https?:)", "", url
    ).split("?")[0]


def _as_local(value: str, others: Iterable[str]) -> str:
    """Return the same instant in the page's own time zone: UTC can be another day."""
    instant = moment(value)
    if instant is None or instant.utcoffset():
        return value
    for other in others:
        local = moment(other)
        if local is None or not local.utcoffset():
            continue
        if abs((local - instant).total_seconds()) < 60:
            return other
    return value
