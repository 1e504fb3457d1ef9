"""What a page says about itself: title, author, date, site, section, description, canonical and AMP addresses.

Believed in this order: JSON-LD, Open Graph and other metas, microdata and marked elements, visible text; guessing
comes last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from lxml import html

from incidentwire import dates
from services.classifier.extraction import publication, structured_data, titles
from services.classifier.extraction.decoding import clean
from services.classifier.extraction.markup import absolute, base_of
from services.classifier.extraction.pagination import continues
from services.classifier.extraction.structured_data import ArticleData

DAY_FIRST_DOMAINS = frozenset({"uk", "ie", "au", "nz", "in", "za", "sg", "hk", "ng"})
MAX_AUTHORS = 8
MAX_AUTHOR_CHARS = 80
MAX_META_CHARS = 2_000

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
    r"^(?:by|written by|von|par|por|di|door|text|reporter|作者|记者|文|编辑)\s*[:：/|]?\s+|"
    r"^(?:作者|记者|文|编辑)\s*[:：/]\s*",
    re.I,
)
_NO_NAME = re.compile(
    r"https?://|@\w|\d|^(?:admin|editor|redaktion|staff|web ?master|unknown|none|null)$"
    r"|^(?:published|updated|posted|modified|publicado|actualizado|veröffentlicht"
    r"|aktualisiert|publié|mis à jour|发布|更新)\b",
    re.I,
)
_NEXT_PAGE = re.compile(
    r"next page|^\W*2\W*$|nächste seite|page suivante|página siguiente|下一页|下一頁",
    re.I,
)
_BYLINE = re.compile(
    r"(?:^|[\s_-])(?:author[-_]?name|byline[-_]?name|byline|author|p-author|writer|zuozhe)(?:$|[\s_-])",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Empty strings and None for what the page does not say; URLs are absolute."""

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
    """Everything that the page states about itself; `url` is where it was fetched."""
    metas = metas_of(tree)
    base = base_of(tree, url)
    article = structured_data.read(tree, url)
    site = (
        _first(metas, SITE_METAS[:1])
        or article.publisher
        or _first(metas, SITE_METAS[1:])
    )
    section = article.section or _first(metas, SECTION_METAS)
    shown = tree.find(".//head/title")
    shown = tree.find(".//title") if shown is None else shown
    sources = titles.TitleSources(
        stated=[
            text
            for text in (
                article.headline,
                *(metas.get(name, "") for name in TITLE_METAS),
            )
            if text
        ],
        document=clean(shown.text or "") if shown is not None else "",
        site_names=[
            name
            for name in (
                article.publisher,
                *(metas.get(name, "") for name in SITE_METAS),
            )
            if name
        ],
        sections=[section, *(metas.get(name, "") for name in SECTION_METAS)],
        url=url,
    )
    links = _links(tree)
    title = titles.choose(tree, sources)
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
        site=site,
        section=section,
        description=article.description or _first(metas, DESCRIPTION_METAS),
        html_language=_language(tree, metas, article, url),
        canonical_url=absolute(base, links.get("canonical")),
        amp_url=absolute(base, links.get("amphtml")),
        base_url=base,
        is_continuation=_is_continuation(links, base, url),
        is_continued=_is_continued(tree, links, base, url),
        article=article,
    )


def metas_of(tree: html.HtmlElement) -> dict[str, str]:
    """name, property or itemprop in lower case -> content; the first of a name counts."""
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
    """Return True if `rel=next` names a further page, by its URL or its link's text."""
    after = absolute(base, links.get("next"))
    if after is None:
        return False
    return continues(url, after) or any(
        absolute(base, link.get("href")) == after
        and _NEXT_PAGE.search(clean(link.text_content()[:100]))
        for link in tree.iter("a")
    )


def _language_tag(
    tree: html.HtmlElement, metas: dict[str, str], article: ArticleData, url: str
) -> str:
    """Return the page's language as a BCP 47 tag in lower case, empty if unknown.

    English without a region gets the region of the page's locale or of its domain.
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
    if tag == "en":
        regional = (other for other in tags if other.startswith("en-"))
        tag = next(regional, "") or f"en{_region_of(url)}"
    return tag


def _region_of(url: str) -> str:
    """Return "-gb" for the domains of countries that write the day first."""
    last = (urlsplit(url).hostname or "").rpartition(".")[2]
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
        names = [name for key in AUTHOR_METAS for name in _names(metas.get(key, ""))][
            :1
        ] or _marked_author(tree)
    return ", ".join(list(dict.fromkeys(names))[:MAX_AUTHORS])


def _marked_author(tree: html.HtmlElement) -> list[str]:
    marked = [
        node
        for node in tree.iter(
            "a", "span", "div", "p", "address", "li", "em", "b", "strong", "cite"
        )
        if _marks_author(node)
    ]
    for node in marked[:20]:
        inner = next(
            (
                part
                for part in node.iter()
                if "name" in (part.get("itemprop") or "").split()
            ),
            node,
        )
        if names := list(
            _names(clean(inner.get("content") or inner.text_content()[:300]))
        ):
            return names
    return []


def _marks_author(node: html.HtmlElement) -> bool:
    if node.get("rel") == "author" or "author" in (node.get("itemprop") or "").lower():
        return True
    marks = node.get("class")
    return bool(
        marks
        and _BYLINE.search(marks)
        and not any(up.tag in ("aside", "footer", "nav") for up in node.iterancestors())
    )


def _names(text: str) -> Iterator[str]:
    """The person or people of a byline, without "By"; nothing where the text is no name."""
    name = _BY.sub("", clean(text)).strip(" ,;:|/·-")
    if not 1 < len(name) <= MAX_AUTHOR_CHARS or _NO_NAME.search(name):
        return
    if dates.parse(name, now=publication.ANY_TIME) is None:
        yield name
