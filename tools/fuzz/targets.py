"""One function per reader of strangers' bytes: it raises if the reader breaks a promise.

Named errors are answers. Anything else that a reader raises, a result against its
docstring, and an input that takes more than SLOW_S of CPU time are findings.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from incidentwire.net import urls
from services.api.filters import parser
from services.classifier.extraction.extract import ExtractError, extract
from services.classifier.text.sentences import sentences
from services.ingest.feeds import parser as feed_parser

SLOW_S = 10  # CPU time of one input
MEDIA_TYPES = ("text/html", "text/plain", "application/xhtml+xml", "", "text/xml")
URL = "https://www.lindhaven-courier.example/2026/03/leak"


def page(data: bytes) -> None:
    """Extract a document; the first byte chooses the server's media type."""
    media_type = MEDIA_TYPES[data[0] % len(MEDIA_TYPES)] if data else ""
    with suppress(ExtractError):
        found = extract(data[1:], media_type=media_type, charset=None, url=URL)
        assert 0.0 <= found.completeness <= 1.0
        assert "\0" not in found.text + found.title + found.author
        (found.text + found.title + found.author).encode()


def feed(data: bytes) -> None:
    """Read a feed: a broken one is a problem in words."""
    found = feed_parser.read(data, url=URL)
    assert found.entries or found.problem or found.kind
    for entry in found.entries:
        (entry.title + entry.text + entry.id).encode()
        if entry.url is not None:
            url(entry.url.encode("utf-8", "replace"))


def url(data: bytes) -> None:
    """Canonicalise a URL: the result is its own canonical form."""
    with suppress(urls.UrlError):
        canonical = urls.canonicalize(data.decode("utf-8", "surrogateescape"))
        assert urls.canonicalize(canonical) == canonical
        assert len(canonical) <= urls.MAX_URL_CHARS
        assert canonical.isascii()


def sentence(data: bytes) -> None:
    """Split a text: spans in order, without white space around them."""
    text = data.decode("utf-8", "replace")
    last = 0
    for start, end in sentences(text):
        assert last <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        last = end


def query(data: bytes) -> None:
    """Parse a filter: an error names a place within the query."""
    text = data.decode("utf-8", "replace")
    position = 0
    try:
        parser.parse(text)
    except parser.FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "page": page,
    "feed": feed,
    "url": url,
    "sentences": sentence,
    "filter": query,
}
