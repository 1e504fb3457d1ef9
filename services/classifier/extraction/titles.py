"""The headline of a page: which of h1, JSON-LD, Open Graph and `title` to believe, and which words of it are the
site's, not the story's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxml import html

from services.classifier.extraction.decoding import clean

MAX_TITLE_CHARS = 500
# A heading is the headline if the page's title holds this share of the heading's words,
ENOUGH_SHARED = 0.6
# and if it covers this share of the title's words (a section name does not).
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
_ASIDE = frozenset({"nav", "footer", "aside", "dialog"})


@dataclass(frozen=True, kw_only=True)
class TitleSources:
    """What a page offers as its title."""

    stated: Sequence[str]  # JSON-LD headline, og:title, twitter:title; the better first
    document: str  # <title>
    site_names: Sequence[str] = field(default=())
    sections: Sequence[str] = field(default=())
    url: str = ""


def choose(tree: html.HtmlElement, sources: TitleSources) -> str:
    """The headline without site name, section and date; "" where the page has no title at all."""
    site = _Site(sources)
    stated = [shorn for text in sources.stated if (shorn := site.shear(text))]
    document = site.shear(sources.document)
    references = [text for text in (*stated, document) if text]
    headings = [
        (text, level) for text, level in _headings(tree) if not site.is_name(text)
    ]
    matched = [
        (text, level)
        for text, level in headings
        if any(_matches(text, reference) for reference in references)
    ]
    if matched:
        # An h1 before an h2; among equals the one that agrees best.
        best = min(
            matched,
            key=lambda pair: (
                pair[1],
                -max(_shared(pair[0], reference) for reference in references),
            ),
        )
        return _without_kicker(best[0], references)[:MAX_TITLE_CHARS]
    mains = [text for text, level in headings if level == 1 and len(_words(text)) >= 2]
    if len(mains) == 1:
        return _without_kicker(mains[0], references)[:MAX_TITLE_CHARS]
    return (
        references[0]
        if references
        else mains[0]
        if mains
        else headings[0][0]
        if headings
        else ""
    )[:MAX_TITLE_CHARS]


class _Site:
    """Recognises the site's name, host and sections among the segments of a title."""

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
        """True where `text` is the site's name, its host, or little more than one of them."""
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

    def shear(self, title: str) -> str:
        """`title` without the segments at its ends that name the site or a section."""
        text = clean(title)
        pattern = _SPACED if _SPACED.search(text) or not _CJK.search(text) else _TIGHT
        for _ in range(4):
            ends = list(pattern.finditer(text))
            if not ends:
                break
            last, first = ends[-1], ends[0]
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
        # After a bar comes the site in nearly all templates, though it may be named nowhere else on the page.
        return mark.strip() in ("|", "｜") and len(_words(segment)) <= 5


def _headings(tree: html.HtmlElement) -> list[tuple[str, int]]:
    """Headings that may be the headline, in page order: every h1, and h2 or h3 that are marked as one."""
    found = []
    for node in tree.iter("h1", "h2", "h3"):
        marks = f"{node.get('class') or ''} {node.get('id') or ''} {node.get('itemprop') or ''}"
        if (
            (node.tag != "h1" and not _HEADLINE.search(marks))
            or _BRAND.search(marks)
            or _links_home(node)
        ):
            continue
        text = _LEADING_DATE.sub("", clean(node.text_content()))
        if text and len(text) <= MAX_TITLE_CHARS:
            found.append((text, 3 if _set_aside(node) else int(node.tag[1])))
        if len(found) >= 60:
            break
    return found


def _links_home(heading: html.HtmlElement) -> bool:
    up = heading.getparent()
    links = [*heading.iter("a"), *([up] if up is not None and up.tag == "a" else [])]
    for link in links[:1]:
        href = (link.get("href") or "").strip()
        if (
            href
            and urlsplit(_inner_url(href)).path.rstrip("/")
            in ("", "/index.html", "/index.php")
            and not href.startswith("#")
            and "?" not in href
        ):
            return True
    return False


def _set_aside(node: html.HtmlElement) -> bool:
    return any(up.tag in _ASIDE for up in node.iterancestors())


def _inner_url(url: str) -> str:
    """The archived address inside a web archive's URL, else `url` itself; what cannot be parsed is no address."""
    inner = re.sub(r"^(?:https?://[^/]+)?/web/\d{4,14}[a-z_]*/(?=https?:)", "", url)
    try:
        urlsplit(inner)
    except ValueError:
        return ""
    return inner


def _without_kicker(heading: str, references: Iterable[str]) -> str:
    """`heading`, or the stated title where the heading is that title behind a kicker ("Local | Title")."""
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
    words, others = _words(text), set(_words(other))
    return sum(word in others for word in words) / len(words) if words else 0.0


def _words(text: str) -> list[str]:
    """Words, casefolded; each Chinese, Japanese or Korean character counts as one."""
    return [
        word
        for part in _WORD.findall(text.casefold())
        for word in (list(part) if _CJK.search(part) else [part])
    ]


def _squeeze(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))
