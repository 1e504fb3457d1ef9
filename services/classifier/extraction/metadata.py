"""The metadata of a page: title, author, date, site, section, description, URLs.

Sources in order: JSON-LD, Open Graph and other metas, microdata and marked elements,
visible text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlsplit

from lxml import html

from incidentwire import dates
from services.classifier.extraction import (
    markup,
    publication,
    structured_data,
    titles,
)
from services.classifier.extraction.cleaning import clean
from services.classifier.extraction.dateline import ANY_TIME
from services.classifier.extraction.markup import absolute, base_of
from services.classifier.extraction.pagination import continues
from services.classifier.extraction.structured_data import ArticleData

DAY_FIRST_DOMAINS = frozenset({"uk", "ie", "au", "nz", "in", "za", "sg", "hk", "ng"})
AMERICAN_DOMAINS = frozenset({"us", "gov", "mil"})
MAX_AUTHORS = 8
MAX_AUTHOR_CHARS = 80
MAX_META_CHARS = 2_000
MAX_PAGE_LINKS = 200  # links such as "2" or "next page" that are looked at
MAX_MARKED = 20  # elements marked as an author, searched for a name
MAX_BYLINE_CHARS = 300
AUTHOR_TAGS = tuple("a span div p address li em b strong cite h4 h5 h6".split())

AUTHOR_METAS = (
    "author",
    "article:author",
    "dc.creator",
    "dcterms.creator",
    "sailthru.author",
    "parsely-author",
    "byl",
    "citation_author",
)
SITE_METAS = (
    "og:site_name",
    "application-name",
    "publisher",
    "dc.publisher",
    "twitter:app:name:iphone",
    "apple-mobile-web-app-title",
)
SECTION_METAS = (
    "article:section",
    "og:article:section",
    "parsely-section",
    "cxenseparse:category",
    "section",
    "category",
)
TITLE_METAS = (
    "og:title",
    "twitter:title",
    "dc.title",
    "citation_title",
    "parsely-title",
    "sailthru.title",
)
DESCRIPTION_METAS = (
    "og:description",
    "description",
    "twitter:description",
    "dc.description",
)

_BY = re.compile(
    r"^(?:by|written by|von|par|por|di|door|av|af|text|reporter|autor(?:in)?|auteur|autore)\s*[:：/|]?\s+"
    r"|^(?:本报|本網|本网|本刊)?(?:作者|记者|記者|撰文|撰稿|文|编辑)\s*[:：/|｜]?\s*(?=\w)",
    re.I,
)
_NO_NAME = re.compile(
    r"https?://|@\w|\d|^(?:(?:wp[ _-]?)?admin(?:istrator)?|editor|redaktion|staff|web ?master|unknown"
    r"|none|null|undefined|anonymous|default|root|user|test|n/a)$"
    r"|^(?:published|updated|posted|modified|publicado|actualizado|veröffentlicht"
    r"|aktualisiert|publié|mis à jour|发布|更新|photo|image|source|leave a comment)\b"
    r"|^(?:guest|newsroom|subscribe|name)\b|^our (?:\w{1,30} )?correspondent|\bstaff$"
    r"|^(?:来源|來源|图片|圖片)|前$|\b(?:minute|min) read$|^reading time|^lesezeit"
    r"|^(?:read|see|show|continue|view|about|more|contact|email|today|yesterday)\b"
    r"|^(?:share|print|advertisement|comments?|subscribe|follow us|listen|by|last week"
    r"|just now|mon|tues|wednes|thurs|fri|satur|sun)(?:day)?$",
    re.I,
)
# A date or a job after a name: "Ann Lee | 5 March", "Ann Lee, 05.03.24", "Ann Lee, editor".
_AFTER_NAME = re.compile(
    r"(?<=\w) ?[|｜•·／] ?|(?<=\w),? (?:foto|photo|bild|编辑|編輯|通讯员|通訊員|摄影|攝影)s?[:： ]"
    r"|(?<=\w) ?[(（](?=[^()（）]{1,40}[)）]$)|(?<=[^\W\d]), ?(?=\d|(?:\w{1,20} ){0,3}(?:reporter|editor|writer"
    r"|correspondent|journalist|redakteur(?:in)?)\b)",
    re.I,
)
_NEXT_PAGE = re.compile(
    r"^\W*\d{1,2}\W*$|next page|\b(?:page|seite|página|pagina|sivu|sida|side|strona) \d"
    r"|nächste seite|page suivante|página siguiente|pagina successiva|下一页|下一頁",
    re.I,
)
_NUMBER = re.compile(r"\d")  # in the URL of a further page
_BYLINE = re.compile(
    r"(?:^|[\s_-])(?:author[-_]?name|byline[-_]?name|byline|author|p-author|writer|zuozhe)(?:$|[\s_-])",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Fields are "" or None if the page does not state them. URLs are absolute."""

    title: str
    author: str
    published: str | None
    site: str
    section: str
    description: str
    html_language: str
    canonical_url: str | None
    amp_url: str | None
    base_url: str
    is_continuation: bool  # a later page of an article
    is_continued: bool  # there is a later page
    article: ArticleData


def read(tree: html.HtmlElement, url: str) -> Metadata:
    """Return the metadata of a page that was fetched from `url`."""
    metas = metas_of(tree)
    base = base_of(tree, url)
    article = structured_data.read(tree, url)
    links = _links(tree)
    title = titles.choose(tree, _title_sources(tree, metas, article, url))
    published = publication.find(
        tree,
        publication.DateSources(
            stated=[article.published],
            metas=metas,
            url=url,
            headline=title,
            language=_language_tag(tree, metas, article, url),
        ),
    )
    return Metadata(
        title=title,
        author=_author(tree, article, metas),
        published=published,
        site=_first(metas, SITE_METAS[:1])
        or article.publisher
        or _first(metas, SITE_METAS[1:]),
        section=article.section or _first(metas, SECTION_METAS),
        description=article.description or _first(metas, DESCRIPTION_METAS),
        html_language=_language(tree, metas, article, url),
        canonical_url=absolute(base, links.get("canonical")),
        amp_url=absolute(base, links.get("amphtml")),
        base_url=base,
        is_continuation=_is_continuation(links, base, url),
        is_continued=_is_continued(tree, links, base, url),
        article=article,
    )


def _title_sources(
    tree: html.HtmlElement, metas: dict[str, str], article: ArticleData, url: str
) -> titles.TitleSources:
    element = tree.find(".//head/title")
    if element is None:
        element = tree.find(".//title")
    section = article.section or _first(metas, SECTION_METAS)
    return titles.TitleSources(
        stated=[article.headline, *_contents(metas, TITLE_METAS)],
        document=clean(element.text or "") if element is not None else "",
        site_names=[article.publisher, *_contents(metas, SITE_METAS)],
        sections=[section, *_contents(metas, SECTION_METAS)],
        url=url,
    )


def _contents(metas: dict[str, str], names: tuple[str, ...]) -> list[str]:
    return [metas[name] for name in names if metas.get(name)]


def metas_of(tree: html.HtmlElement) -> dict[str, str]:
    """Map name, property or itemprop in lower case to content, the first of each."""
    found: dict[str, str] = {}
    for meta in tree.iter("meta"):
        content = clean((meta.get("content") or "")[:MAX_META_CHARS])
        for key in ("property", "name", "itemprop", "http-equiv"):
            name = (meta.get(key) or "").strip().lower()
            if name and content:
                found.setdefault(name, content)
    return found


def _first(metas: dict[str, str], names: tuple[str, ...]) -> str:
    return next((metas[name] for name in names if metas.get(name)), "")


def _links(tree: html.HtmlElement) -> dict[str, str]:
    found: dict[str, str] = {}
    for link in tree.iter("link"):
        for rel in (link.get("rel") or "").lower().split():
            if link.get("href"):
                found.setdefault(rel, link.get("href"))
    return found


def _is_continuation(links: dict[str, str], base: str, url: str) -> bool:
    """Return True if the page's `rel=prev` names an earlier page of the same article."""
    before = absolute(base, links.get("prev") or links.get("previous"))
    if before is None:
        return False
    return continues(before, url) or before == absolute(base, links.get("canonical"))


def _is_continued(
    tree: html.HtmlElement, links: dict[str, str], base: str, url: str
) -> bool:
    """Return True if `rel=next` names a further page, by its URL or its link's text, or
    if a link of that text has the URL of one."""
    after = absolute(base, links.get("next"))
    if after is not None and continues(url, after):
        return True
    numbered = (
        link
        for link in tree.iter("a")
        if after is not None or _NUMBER.search(link.get("href") or "")
    )
    named = (link for link in numbered if _names_page(link))
    for link in islice(named, MAX_PAGE_LINKS):
        target = absolute(base, link.get("href"))
        if target and (target == after or continues(url, target)):
            return True
    related = (link for link in tree.iter("a") if link.get("rel") == "next")
    targets = (absolute(base, link.get("href")) for link in islice(related, 1))
    return any(target and continues(url, target) for target in targets)


def _names_page(link: html.HtmlElement) -> bool:
    """Return True if the text of a link is that of a further page."""
    return bool(_NEXT_PAGE.search(clean(link.text_content()[:100])))


def _language_tag(
    tree: html.HtmlElement, metas: dict[str, str], article: ArticleData, url: str
) -> str:
    """Return the page's language as a BCP 47 tag in lower case, empty if unknown.

    English without a region gets the region of the page's locale or of its domain.
    American English, which systems set unasked, does not hold on domains of countries
    that write the day first.
    """
    stated = [
        tree.get("lang"),
        tree.get("{http://www.w3.org/XML/1998/namespace}lang"),
        tree.get("xml:lang"),
        metas.get("og:locale"),
        metas.get("content-language"),
        article.language,
    ]
    tags = [text.strip().lower().replace("_", "-")[:20] for text in stated if text]
    tag = next(iter(tags), "")
    if tag == "en-us" and _region_of(url) == "-gb":
        return "en"
    if tag == "en":
        regional = (other for other in tags if other.startswith("en-"))
        tag = next(regional, "") or f"en{_region_of(url)}"
    return tag


def _region_of(url: str) -> str:
    """Return "-gb" for the domains of countries that write the day first, "-us" for
    American ones."""
    last = (urlsplit(url).hostname or "").rpartition(".")[2]
    if last in AMERICAN_DOMAINS:
        return "-us"
    return "-gb" if last in DAY_FIRST_DOMAINS else ""


def _language(
    tree: html.HtmlElement, metas: dict[str, str], article: ArticleData, url: str
) -> str:
    tag = _language_tag(tree, metas, article, url)
    code = re.split(r"[-,;\s]", tag)[0]
    return code if re.fullmatch(r"[a-z]{2}", code) else ""


def _author(tree: html.HtmlElement, article: ArticleData, metas: dict[str, str]) -> str:
    names = [name for raw in article.authors for name in _names(raw)]
    if not names:
        stated = [
            name for raw in _contents(metas, AUTHOR_METAS) for name in _names(raw)
        ]
        names = stated[:1] or _marked_author(tree)
    return ", ".join(list(dict.fromkeys(names))[:MAX_AUTHORS])


def _marked_author(tree: html.HtmlElement) -> list[str]:
    marked = (node for node in tree.iter(*AUTHOR_TAGS) if _marks_author(node))
    for node in islice(marked, MAX_MARKED):
        named = (
            part for part in node.iter() if "name" in markup.property_of(part).split()
        )
        inner = next(named, node)
        text = inner.get("content") or inner.text_content()[:MAX_BYLINE_CHARS]
        names = list(_names(text))
        if names:
            return names
    return []


def _marks_author(node: html.HtmlElement) -> bool:
    if node.get("rel") == "author" or "author" in markup.property_of(node):
        return True
    if not _BYLINE.search(node.get("class") or ""):
        return False
    return not any(
        up.tag in publication.ASIDE or publication.is_other_box(up)
        for up in node.iterancestors()
    )


def _names(text: str) -> Iterator[str]:
    """Yield the people of a byline, without "By"; nothing if the text is no name."""
    name = _BY.sub("", clean(text))
    before, _, after = name.partition(",")
    if before and dates.parse(after, now=ANY_TIME):  # "Ann Lee, Tuesday 5 March 2024"
        name = before
    name = _AFTER_NAME.split(name, maxsplit=1)[0].strip(" ,;:|/·-")
    if not 1 < len(name) <= MAX_AUTHOR_CHARS or _NO_NAME.search(name):
        return
    if dates.parse(name, now=ANY_TIME) is None:
        yield name
