"""The headline of a page, chosen from h1, JSON-LD, Open Graph and `title`.

The site's name and section are removed from its ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxml import html

from services.classifier.extraction.cleaning import clean

MAX_TITLE_CHARS = 500
# A heading is the headline if the page's title has this share of the heading's words,
ENOUGH_SHARED = 0.6
# and if the heading has this share of the title's words (a section name does not).
ENOUGH_COVERED = 0.4

_WORD = re.compile(r"[^\W_]+")
_SPACED = re.compile(
    r"(?<!\s)\s++(?:(?:[|\-–—·•»«:/~]|::|&raquo;)\s++|[|｜])|[|｜]\s*+"
)
_TIGHT = re.compile(r"[_\-–—－]+")  # Chinese sites write 标题_频道_站名 without spaces
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_BRAND = re.compile(
    r"logo|brand|site-?(?:title|name|head)|blog-?(?:title|name)|masthead|visually-?hidden|sr-only|screen-?reader",
    re.I,
)
_HEADLINE = re.compile(
    r"headline|(?:entry|post|article|story|page|content|news)[-_]*(?:title|head)|^title$|\btitle\b",
    re.I,
)
_LEADING_DATE = re.compile(
    r"^(?:\d{1,2}[./]\s?\d{1,2}[./]\s?\d{4}|\d{1,2}\.?\s[^\W\d]{3,12}\.?\s\d{4}|\d{4}-\d{2}-\d{2})\s*[-–—:|,]?\s*"
)
_HOME_PATHS = ("", "/index.html", "/index.php")


@dataclass(frozen=True, kw_only=True)
class TitleSources:
    """The candidates for a page's title."""

    stated: Sequence[str]  # JSON-LD headline, og:title, twitter:title; best first
    document: str  # <title>
    site_names: Sequence[str] = field(default=())
    sections: Sequence[str] = field(default=())
    url: str = ""


def choose(tree: html.HtmlElement, sources: TitleSources) -> str:
    """Return the headline without site name, section and date; "" if there is none."""
    site = _Site(sources)
    titles = [site.trim(text) for text in (*sources.stated, sources.document)]
    references = [text for text in titles if text]
    headings = [pair for pair in _headings(tree) if not site.is_name(pair[0])]
    heading = _best_match(headings, references)
    mains = [text for text, level in headings if level == 1 and len(_words(text)) >= 2]
    if heading is None and len(mains) == 1:
        heading = mains[0]
    if heading is not None:
        return _without_kicker(heading, references)[:MAX_TITLE_CHARS]
    candidates = [*references, *mains, *(text for text, _ in headings), ""]
    return candidates[0][:MAX_TITLE_CHARS]


def _best_match(
    headings: Sequence[tuple[str, int]], references: Sequence[str]
) -> str | None:
    """Return the heading that matches a stated title: an h1 before an h2, then by
    shared words."""
    matched = [
        (text, level)
        for text, level in headings
        if any(_matches(text, reference) for reference in references)
    ]
    if not matched:
        return None

    def rank(pair: tuple[str, int]) -> tuple[int, float]:
        text, level = pair
        return level, -max(_shared(text, reference) for reference in references)

    return min(matched, key=rank)[0]


class _Site:
    """The site's name, host and sections, to recognise them in a title."""

    def __init__(self, sources: TitleSources) -> None:
        host = (urlsplit(_inner_url(sources.url)).hostname or "").removeprefix("www.")
        labels = host.split(".")
        self.hosts = {
            _squeeze(host),
            *(_squeeze(label) for label in labels[:-1] if len(label) > 3),
            _squeeze(".".join(labels[:-1])),
        } - {""}
        self.names = {_squeeze(name) for name in sources.site_names} - {""}
        self.sections = {_squeeze(name) for name in sources.sections} - {""}

    def is_name(self, text: str) -> bool:
        """Return True if `text` is little more than the site's name or its host."""
        squeezed = _squeeze(text)
        if not squeezed or squeezed in self.names or squeezed in self.hosts:
            return True
        if len(squeezed) >= 4 and any(
            squeezed in name for name in self.names | self.hosts
        ):
            return True
        return len(text) <= 40 and any(
            len(name) >= 4 and (name in squeezed and len(name) >= len(squeezed) / 2)
            for name in self.names | self.hosts
        )

    def trim(self, title: str) -> str:
        """Return `title` without segments at its ends that name the site or a section."""
        text = clean(title)
        pattern = _SPACED if _SPACED.search(text) or not _CJK.search(text) else _TIGHT
        for _ in range(4):
            ends = list(pattern.finditer(text))
            if not ends:
                break
            first = ends[0]
            last = ends[-1]
            if self._foreign(text[last.end() :], last.group()):
                text = text[: last.start()].strip()
            elif self.is_name(text[: first.start()]) and first.end() < len(text):
                text = text[first.end() :].strip()
            else:
                break
        return _LEADING_DATE.sub("", text) or text

    def _foreign(self, segment: str, mark: str) -> bool:
        if self.is_name(segment) or _squeeze(segment) in self.sections:
            return True
        # In nearly all templates the site's name follows a bar, though the page may not
        # state that name elsewhere.
        return mark.strip() in ("|", "｜") and len(_words(segment)) <= 5


def _headings(tree: html.HtmlElement) -> list[tuple[str, int]]:
    """Return possible headlines with their levels, in page order.

    These are all h1, and h2 or h3 that are marked as a headline.
    """
    found = []
    for node in tree.iter("h1", "h2", "h3"):
        marks = " ".join(node.get(name) or "" for name in ("class", "id", "itemprop"))
        if node.tag != "h1" and not _HEADLINE.search(marks):
            continue
        if _BRAND.search(marks) or _links_home(node):
            continue
        text = _LEADING_DATE.sub("", clean(node.text_content()))
        if text and len(text) <= MAX_TITLE_CHARS:
            found.append((text, int(node.tag[1])))
        if len(found) >= 60:
            break
    return found


def _links_home(heading: html.HtmlElement) -> bool:
    up = heading.getparent()
    around = [up] if up is not None and up.tag == "a" else []
    link = next(iter([*heading.iter("a"), *around]), None)
    href = "" if link is None else (link.get("href") or "").strip()
    if not href or href.startswith("#") or "?" in href:
        return False
    return urlsplit(_inner_url(href)).path.rstrip("/") in _HOME_PATHS


def _inner_url(url: str) -> str:
    """Return the original URL inside a web archive's, else `url`; "" if malformed."""
    inner = re.sub(r"^(?:https?://[^/]+)?/web/\d{4,14}[a-z_]*/(?=https?:)", "", url)
    try:
        urlsplit(inner)
    except ValueError:
        return ""
    return inner


def _without_kicker(heading: str, references: Iterable[str]) -> str:
    """Return `heading` without a kicker before the stated title ("Local | Title")."""
    for reference in references:
        if (
            len(reference) < len(heading)
            and len(_words(reference)) >= 3
            and heading.casefold().endswith(reference.casefold())
        ):
            kicker = heading[: -len(reference)].rstrip()
            if kicker.endswith(("|", "•", "·", "/", "»")):
                return heading[-len(reference) :]
    return heading


def _matches(heading: str, reference: str) -> bool:
    return (
        _shared(heading, reference) >= ENOUGH_SHARED
        and _shared(reference, heading) >= ENOUGH_COVERED
    )


def _shared(text: str, other: str) -> float:
    words = _words(text)
    others = set(_words(other))
    return sum(word in others for word in words) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    """Return casefolded words; each Chinese, Japanese or Korean character is a word."""
    return [
        word
        for part in _WORD.findall(text.casefold())
        for word in (list(part) if _CJK.search(part) else [part])
    ]


def _squeeze(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))
