"""After a withdrawal nothing holds a word of the page, whichever part of it had the word."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator

import pytest
from pypdf import PdfReader, PdfWriter

from incidentwire.web.keys import Keys
from services.classifier.linker import Linker
from tests.classifier.extraction.test_pdf import NOTICE, pdf_of
from tests.harness import LEAK, Harness, Site, page

HEAD = """
<meta name="author" content="Ann zqauthorxw"><meta name="description" content="zqdescriptionxw">
<meta property="og:site_name" content="The zqsitexw Courier"><meta name="keywords" content="zqkeywordxw">
<meta property="og:title" content="Clinic zqogtitlexw exposed patient records">
<meta property="og:image:alt" content="zqaltxw"><link rel="canonical" href="https://zqcanonicalxw.example/a">
<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Clinic zqheadlinexw exposed records",
"articleSection": "zqsectionxw", "author": {"@type": "Person", "name": "Bea zqldauthorxw"},
"publisher": {"@type": "Organization", "name": "zqpublisherxw"}}</script><!-- zqcommentxw -->
"""
HEADERS = {
    "Content_Type": "text/html; charset=zqcharsetxw; x=zqparameterxw",
    "Server": "zqserverxw",
    "ETag": '"zqetagxw"',
    "Set_Cookie": "zqcookiexw=1",
    "Content_Language": "zqlanguagexw",
    "X_Words": "zqheaderxw",
}
WORD = re.compile(rb"zq[a-z]{3,20}xw")
PAGES = (
    "/v1/items?q=",
    "/v1/items/export.csv?q=",
    "/v1/incidents?q=",
    "/v1/incidents/export.csv?q=",
    "/v1/incidents/export.json?q=",
    "/v1/incidents.atom?q=",
    "/v1/incidents.json?q=",
)


def paths(item_id: str) -> Iterator[str]:
    """Yield every place that shows items, without a filter."""
    yield "/v1/events?limit=1000"
    yield from (path.partition("?")[0] for path in PAGES)
    yield "/v1/items?state=withdrawn"
    yield f"/v1/items/{item_id}"
    yield from (
        f"/v1/items/{item_id}/{part}"
        for part in ("text", "events", "snapshot", "evidence.warc.gz", "revisions")
    )


def pdf_with_words() -> bytes:
    lines = [f"{line}." for line in NOTICE.split(". ")]
    writer = PdfWriter(PdfReader(io.BytesIO(pdf_of(["Notice zqpdftextxw", *lines]))))
    words = {"/Title": "zqpdftitlexw", "/Author": "zqpdfauthorxw"}
    writer.add_metadata({**words, "/Subject": "zqpdfsubjectxw"})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["page", "pdf", "refused"])
def test_no_word_of_a_withdrawn_page_is_left_anywhere(
    harness: Harness, web_site: Site, kind: str
) -> None:
    moved = "http://zqredirectxw.zqhostxw.example/zqpathxw"
    url = {
        "page": lambda: web_site.put(
            "/a",
            page("Clinic zqtitlexw exposed", f"{LEAK}\n\nzqtextxw.", HEAD),
            200,
            **HEADERS,
        ),
        "pdf": lambda: web_site.put(
            "/b",
            pdf_with_words(),
            200,
            **HEADERS | {"Content_Type": "application/zqpdfxw"},
        ),
        "refused": lambda: web_site.put(
            "/c", b"zqbodyxw", 302, **HEADERS, Location=moved
        ),
    }[kind]()
    item_id = harness.submit(url=url)
    harness.fetch()
    if kind != "pdf":  # its media type waits for the worker, bounded
        _assert_no_word_in_store(harness)
    harness.work()
    linker = Linker(harness.log)
    linker.catch_up()
    linker.settle_all()
    harness.projector().catch_up()
    client = harness.api_client()
    if kind == "page":
        shown = client.get(f"/v1/items/{item_id}").text
        assert WORD.search(shown.encode())  # the words were there
        assert client.get("/v1/items?q=zqtextxw").get_json()["items"]
    key = Keys(harness.connection).create("admin", ["admin"])
    admin = {"Authorization": f"Bearer {key}"}
    withdrawn = client.delete(f"/v1/items/{item_id}?why=asked", headers=admin)
    assert withdrawn.status_code == 200
    harness.projector().catch_up()
    for path in paths(item_id):
        answer = client.get(path)
        assert not WORD.search(answer.data), path
    for word in ("zqtextxw", "zqtitlexw", "zqsitexw", "zqauthorxw", "zqpdftitlexw"):
        assert client.get(f"/v1/search?q={word}").get_json()["hits"] == []
    assert harness.archive.digests(item_id) == []
    receipt = json.dumps(harness.receipt(item_id))
    log = json.dumps([[e.subject, e.data] for e in harness.log.read()])
    for held in (receipt, log):
        assert not WORD.search(held.encode())
    for folder in (harness.settings.data_dir, harness.settings.read_model.parent):
        for file in folder.rglob("*"):
            assert not file.is_file() or not WORD.search(file.read_bytes()), file
    _assert_no_word_in_store(harness)


def _assert_no_word_in_store(harness: Harness) -> None:
    for key in harness.connection.scan_iter():
        assert not WORD.search(_stored(harness, key)), key


def _stored(harness: Harness, key: bytes) -> bytes:
    read = {
        b"string": lambda: harness.connection.get(key),
        b"hash": lambda: harness.connection.hgetall(key),
        b"list": lambda: harness.connection.lrange(key, 0, -1),
        b"set": lambda: harness.connection.smembers(key),
        b"zset": lambda: harness.connection.zrange(key, 0, -1),
        b"stream": lambda: harness.connection.xrange(key),
    }
    return repr(read[harness.connection.type(key)]()).encode()
