"""The CPU time for strangers' text grows with its length, not with its square.

Four times the text may take at most eight times the CPU time: linear work takes four
times as long, quadratic work sixteen. Work below FLOOR_S is too short to measure; what
is quadratic takes seconds at these lengths.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from incidentwire import opml
from incidentwire.net import urls
from incidentwire.web import json_body
from incidentwire.web.api_docs.views import DOCUMENT
from incidentwire.web.problems import Problem
from services.api.filters import parser
from services.classifier.extraction.extract import ExtractError, extract
from services.classifier.text.hard_wraps import unwrapped
from services.classifier.text.sentences import sentences
from services.ingest.feeds import parser as feed_parser

FLOOR_S = 0.1
MAX_RATIO = 8.0
ATTEMPTS = 3
GIVE_UP_S = 10.0  # CPU time; exponential and cubic work end here
PATTERN_CHARS = 20_000
PUMPS = (
    " ",
    "\n",
    ".",
    "…",
    "-",
    "(",
    "<",
    "<!---->",
    "1",
    "1/",
    "a",
    "A ",
    '"',
    "。",
    "中",
    "&",
    "/",
    "x@",
    "https://a",
    "<p>",
    "_",
    ", ",
)
# Packages whose patterns read what strangers send.
PACKAGES = (
    "incidentwire",
    "incidentwire.net",
    "incidentwire.web",
    "services.api.filters",
    "services.api.search",
    "services.api.text",
    "services.classifier.extraction",
    "services.classifier.text",
    "services.ingest.feeds",
)
PATTERN = re.compile(r'"pattern": "((?:[^"\\]|\\.)*)"')
URL = "https://www.lindhaven-courier.example/2026/03/leak"
SENTENCE = "The clinic showed pictures of its patients to visitors for days. "


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    seen = set()
    for root in PACKAGES:
        package = importlib.import_module(root)
        for found in pkgutil.iter_modules(package.__path__, f"{root}."):
            for name, value in vars(importlib.import_module(found.name)).items():
                if isinstance(value, re.Pattern) and value not in seen:
                    seen.add(value)
                    yield f"{found.name}.{name}", value


def give_up(*_: object) -> None:
    raise TimeoutError


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of the work. Raises TimeoutError after GIVE_UP_S."""
    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, GIVE_UP_S)
    began = time.process_time()
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return time.process_time() - began


def grows_linearly(work: Callable[[int], Callable[[], object]], size: int) -> bool:
    """Return True if the work at `size` takes at most MAX_RATIO times a quarter's."""
    for _ in range(ATTEMPTS):
        large = seconds(work(size))
        if large < FLOOR_S or large <= MAX_RATIO * seconds(work(size // 4)):
            return True
    return False


def matching(
    pattern: re.Pattern[str] | re.Pattern[bytes], pump: str, end: str = "x"
) -> Callable[[int], Callable[[], object]]:
    def work(size: int) -> Callable[[], object]:
        # Runs that end in another character make a pattern fail late, and begin again.
        text: str | bytes = (pump * (size // (2 * len(pump))) + end) * 2
        if isinstance(pattern.pattern, bytes):
            text = text.encode()

        def match() -> None:
            for _ in pattern.finditer(text):  # type: ignore[arg-type]
                pass
            pattern.fullmatch(text)  # type: ignore[arg-type]

        return match

    return work


@pytest.mark.parametrize(
    "pattern", [pytest.param(found, id=name) for name, found in patterns()]
)
def test_a_pattern_is_linear_in_every_kind_of_input(pattern: re.Pattern[str]) -> None:
    assert [
        pump
        for pump in PUMPS
        if not grows_linearly(matching(pattern, pump), PATTERN_CHARS)
    ] == []


def patterns_of_the_api() -> set[str]:
    document = DOCUMENT.read_text(encoding="utf-8")
    return {json.loads(f'"{found}"') for found in PATTERN.findall(document)}


@pytest.mark.parametrize("pattern", sorted(patterns_of_the_api()))
def test_a_pattern_of_a_request_is_linear_in_what_it_refuses(pattern: str) -> None:
    assert [
        pump
        for pump in PUMPS
        if not grows_linearly(matching(re.compile(pattern), pump, "\0"), PATTERN_CHARS)
    ] == []


def test_a_quadratic_pattern_is_found() -> None:
    assert not grows_linearly(matching(re.compile(r"\s+$"), " "), 16_000)


def read_json(body: bytes) -> object:
    try:
        return json_body.parse(body)
    except Problem as problem:
        return problem


def read_page(markup: str) -> str:
    """Return "read", or the reason why there is no document in the page."""
    try:
        extract(markup.encode(), media_type="text/html", charset="utf-8", url=URL)
    except ExtractError as error:
        return error.reason
    return "read"


def page(body: str, head: str = "") -> str:
    return f"<html><head><title>A leak</title>{head}</head><body>{body}</body></html>"


def page_of_paragraphs(count: int) -> str:
    return page("".join(f"<p>{SENTENCE}{n}</p>" for n in range(count)))


def page_of_links(count: int) -> str:
    return page("".join(f"<p><a href='/{n}'>{SENTENCE}</a></p>" for n in range(count)))


def page_of(block: str) -> Callable[[int], str]:
    return lambda count: page(block * count + f"<p>{SENTENCE * 5}</p>")


def page_with(before: str, pump: str, after: str) -> Callable[[int], str]:
    return lambda count: page(before + pump * count + after + f"<p>{SENTENCE}</p>")


def page_of_updates(count: int) -> str:
    updates = [{"headline": "News", "articleBody": SENTENCE}] * count
    data = {"@type": "LiveBlogPosting", "headline": "A", "liveBlogUpdate": updates}
    script = json.dumps(data)
    return page(SENTENCE, f"<script type='application/ld+json'>{script}</script>")


def page_of_json(count: int) -> str:
    nodes = [{"@type": "NewsArticle", "headline": str(n)} for n in range(count)]
    # The trailing comma makes the text go through the repair.
    script = json.dumps({"@graph": nodes})[:-1] + ",}"
    return page(SENTENCE, f"<script type='application/ld+json'>{script}</script>")


def feed_of_entries(count: int) -> bytes:
    entries = "".join(
        f"<item><title>{n} &nbsp; & more</title><link>{URL}/{n}</link></item>"
        for n in range(count)
    )
    return f"<rss version='2.0'><channel>{entries}</channel></rss>".encode()


def list_of(part: str) -> Callable[[int], bytes]:
    return lambda number: f"<opml><body>{part * number}".encode()


def read_opml(body: bytes) -> object:
    try:
        return list(opml.outlines(body))
    except opml.OpmlError as error:
        return error


def read_feed(body: bytes) -> object:
    return feed_parser.read(body, url=URL)


@pytest.mark.parametrize(
    ("read", "text_of", "size"),
    [
        pytest.param(read_page, page_of_paragraphs, 1_000, id="paragraphs"),
        pytest.param(read_page, page_of_links, 1_000, id="links"),
        pytest.param(read_page, page_of_json, 3_000, id="structured data"),
        pytest.param(read_page, page_of_updates, 1_500, id="live blog"),
        pytest.param(read_feed, feed_of_entries, 1_000, id="feed"),
        pytest.param(read_opml, list_of('<outline a="'), 200_000, id="open quotes"),
        pytest.param(read_opml, list_of("<outline a=b "), 200_000, id="open tags"),
        pytest.param(read_opml, list_of("<!--"), 400_000, id="open comments"),
        pytest.param(read_opml, list_of("<outline a"), 200_000, id="attributes"),
        pytest.param(sentences, lambda n: SENTENCE * n, 1_200, id="sentences"),
        pytest.param(sentences, lambda n: "a" * n, 80_000, id="one long word"),
        pytest.param(sentences, lambda n: "a.b; " * n, 16_000, id="marks"),
        pytest.param(
            read_json, lambda n: b'{"a":"' + b'\\"' * n, 400_000, id="open string"
        ),
        pytest.param(read_json, lambda n: b"[1," * n, 400_000, id="json values"),
        pytest.param(unwrapped, lambda n: (SENTENCE + "\n") * n, 8_000, id="lines"),
        pytest.param(
            urls.canonicalize,
            lambda n: f"{URL}/{'../a/' * (n // 10)}?{'a&' * (n // 4)}",
            urls.MAX_URL_CHARS // 2,
            id="url",
        ),
        pytest.param(
            parser.parse,
            lambda n: f'"{"a " * (n // 2)}"',
            parser.MAX_CHARS - 2,
            id="filter",
        ),
    ],
)
def test_a_parser_is_linear_in_its_input(
    read: Callable[[object], object], text_of: Callable[[int], object], size: int
) -> None:
    def work(count: int) -> Callable[[], object]:
        text = text_of(count)
        return lambda: read(text)

    assert grows_linearly(work, size)


@pytest.mark.parametrize(
    ("text_of", "size"),
    [
        pytest.param(page_of(f"<p>{SENTENCE}</p>"), 400, id="equal paragraphs"),
        pytest.param(page_of(f"<h1>{SENTENCE}</h1>"), 400, id="headings"),
        pytest.param(page_of("<p>1/2/2020</p>"), 800, id="dates"),
        pytest.param(page_of("<p class=byline>5 March</p>"), 800, id="bylines"),
        pytest.param(page_of("<a href='?page=2'>2</a> "), 400, id="pager"),
        pytest.param(
            page_of(f"<dl><dt><a href=/x>{SENTENCE}</a></dt><dd>{SENTENCE}</dd></dl>"),
            250,
            id="teasers",
        ),
        pytest.param(
            page_with(
                "<table>",
                "<tr><td><a href=/a>ab</a><a href=/b>cd</a></td></tr>",
                "</table>",
            ),
            400,
            id="tables",
        ),
        pytest.param(page_of(f"<figure><p>{SENTENCE}</p></figure>"), 400, id="figures"),
        pytest.param(page_of("<!---->"), 10_000, id="comments"),
        pytest.param(page_with("<p>", " ", "</p>"), 30_000, id="blanks"),
        pytest.param(page_with("<p>", ".", "</p>"), 30_000, id="dots"),
        pytest.param(page_with("<p>", "-", "</p>"), 30_000, id="dashes"),
        pytest.param(page_with("<p>", "(", "</p>"), 30_000, id="brackets"),
        pytest.param(page_with("<p>", "1", "</p>"), 30_000, id="digits"),
        pytest.param(page_with("<p>", '"', "</p>"), 30_000, id="quotes"),
        pytest.param(page_with("<p>", "。！？，", "</p>"), 15_000, id="cjk marks"),
        pytest.param(page_with("<p>", "\u202e\u200fa", "</p>"), 20_000, id="rtl marks"),
        pytest.param(page_with("<p>a", "\u0301\u0323", "</p>"), 15_000, id="accents"),
        pytest.param(page_with("<p>", "&amp;", "</p>"), 20_000, id="entities"),
        pytest.param(page_with("<p ", "a ", ">b</p>"), 30_000, id="one attribute"),
        pytest.param(page_with("<i class='", "a ", "'>b</i>"), 20_000, id="classes"),
        pytest.param(
            page_with("<img src='data:image/png;base64,", "A", "'>"),
            1_000_000,
            id="inline picture",
        ),
    ],
)
def test_a_page_is_linear_in_every_kind_of_block(
    text_of: Callable[[int], str], size: int
) -> None:
    def work(count: int) -> Callable[[], object]:
        text = text_of(count)
        return lambda: read_page(text)

    assert grows_linearly(work, size)


def test_an_element_with_thousands_of_attributes_is_refused() -> None:
    attributes = " ".join(f"a{n}='x y z'" for n in range(20_000))
    assert read_page(page(f"<p {attributes}>{SENTENCE}</p>")) == "too_complex"
    long = f"<p class='{'a ' * 20_000}'>{SENTENCE * 5}</p>"
    assert read_page(page(long)) == "read"
    assert read_page(SENTENCE * 500) == "read"  # text before the first tag is no tag


@pytest.mark.parametrize("opening", ["<div>", "<b>", "<table><tr><td>", "<ul><li>"])
def test_a_deeply_nested_page_is_read_or_refused(opening: str) -> None:
    markup = page(opening * 5_000 + SENTENCE)
    assert read_page(markup) in ("read", "too_complex")


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"@graph":[', "[ "])
def test_deeply_nested_structured_data_leaves_a_page_readable(opening: str) -> None:
    script = f"<script type='application/ld+json'>{opening * 20_000}</script>"
    assert read_page(page(f"<p>{SENTENCE * 5}</p>", script)) == "read"


@pytest.mark.parametrize("opening", ["<a>", "<item>", "<div xmlns='a'>"])
def test_a_deeply_nested_feed_ends_without_an_error(opening: str) -> None:
    body = f"<rss version='2.0'><channel>{opening * 2_000}".encode()
    assert feed_parser.read(body, url=URL).problem


def test_a_deeply_nested_filter_is_refused_by_name() -> None:
    with pytest.raises(parser.FilterError, match="nested too deeply"):
        parser.parse("(" * 900 + "a" + ")" * 900)
