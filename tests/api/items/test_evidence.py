"""What was kept can be looked at without harm, taken away as a WARC file, and withdrawn for good."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from warcio.archiveiterator import ArchiveIterator
from werkzeug.serving import make_server

from incidentwire.archive import digest_of
from incidentwire.documents import StoredDocument
from incidentwire.events import ItemCorrected, ItemExpired, ItemWithdrawn
from incidentwire.items import State
from incidentwire.web.keys import Keys
from services.api import app
from services.api.app import create_app
from services.api.items import evidence, inert_page
from services.api.read_model.reader import MAX_IDLE
from tests.browser import chromium
from tests.harness import LEAK, PLAIN, Harness, Site, page
from tests.store import Store

TITLE = "Clinic chain exposed patient records"


@pytest.fixture
def newsroom(connection: redis.Redis, store: Store, tmp_path: Path) -> Harness:
    """Return a harness that fetches and classifies for real."""
    return Harness(connection, store.url, tmp_path)


@contextmanager
def api(harness: Harness, **settings: Any) -> Iterator[Flask]:
    app = create_app(
        dataclasses.replace(harness.settings, **settings), harness.connection
    )
    yield app
    app.extensions["incidentwire.reader"].close()


@pytest.fixture
def client(newsroom: Harness) -> Iterator[FlaskClient]:
    """With a key that may do everything."""
    with api(newsroom) as app:
        client = app.test_client()
        key = Keys(newsroom.connection).create("admin", ["admin"])
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
        yield client


def kept_page(
    harness: Harness, site: Site, body: bytes | None = None, **headers: str
) -> str:
    item_id = harness.submit(
        url=site.put("/story", body or page(TITLE, LEAK), 200, **headers)
    )
    harness.work()
    return item_id


# -- the snapshot ------------------------------------------------------------------------------------------------------


def test_a_kept_page_is_shown_with_headers_that_make_it_inert(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site)
    answer = client.get(f"/v1/items/{item_id}/snapshot")
    assert answer.status_code == 200
    assert answer.data == web_site.answers["/story"][2]
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox;" in policy
    assert "default-src 'none'" in policy
    assert "allow-" not in policy
    assert "http" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Disposition"] == "inline"
    assert answer.headers["Cache-Control"] == "no-store"


def test_renditions_leave_threads_to_the_other_requests(
    newsroom: Harness,
    client: FlaskClient,
    web_site: Site,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert app.MAX_RENDITIONS < MAX_IDLE  # threads for queries
    monkeypatch.setattr(evidence, "RENDITION_TIMEOUT_S", 0.05)
    item_id = kept_page(newsroom, web_site)
    places = client.application.extensions["incidentwire.renditions"]
    with ExitStack() as stack:
        for _ in range(app.MAX_RENDITIONS):
            stack.enter_context(places)
        answer = client.get(f"/v1/items/{item_id}/snapshot")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert client.get(f"/v1/items/{item_id}/snapshot").status_code == 200


def test_an_earlier_revision_is_found_by_any_of_its_digests(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site, page(TITLE, PLAIN))
    before = newsroom.item(item_id).fetched
    web_site.put("/story", page(TITLE, LEAK))
    newsroom.post({}, f"/v1/submissions/{item_id}/retry")
    newsroom.work()
    assert before is not None
    for digest in (before.page_digest, before.document_digest, before.text_digest):
        assert client.get(f"/v1/items/{item_id}/snapshot?digest={digest}").data == page(
            TITLE, PLAIN
        )
    assert client.get(f"/v1/items/{item_id}/snapshot").data == page(TITLE, LEAK)
    assert (
        client.get(f"/v1/items/{item_id}/snapshot?digest={'0' * 64}").status_code == 404
    )


def test_what_is_no_page_is_saved_or_shown_as_plain_text() -> None:
    pdf = inert_page.render("i_a", b"%PDF-1.7", "application/pdf", "")
    assert (pdf.content_type, pdf.disposition) == (
        "application/pdf",
        'attachment; filename="i_a.pdf"',
    )
    image = inert_page.render("i_a", b"<svg onload=alert(1)>", "image/svg+xml", "")
    assert (image.content_type, image.disposition) == (
        "application/octet-stream",
        'attachment; filename="i_a.bin"',
    )
    text = inert_page.render(
        "i_a",
        "naïve".encode("latin-1"),
        "text/plain",
        "text/plain; charset=l1",
    )
    assert (text.content_type, text.body.decode()) == (
        "text/plain; charset=utf-8",
        "naïve",
    )


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("<p>漏洩".encode("shift_jis"), "text/html; charset=Shift_JIS", "<p>漏洩"),
        (
            '<meta charset="gb2312"><p>泄露'.encode("gb18030"),
            "text/html",
            '<meta charset="gb2312"><p>泄露',
        ),
        (
            "<p>“quoted”".encode("cp1252"),
            "text/html; charset=iso-8859-1",
            "<p>“quoted”",
        ),
        ("<p>é".encode(), "text/html; charset=no-such-thing", "<p>é"),
        (b"<p>caf\xe9", "text/html", "<p>café"),
        ("\ufeff<p>é".encode(), "text/html; charset=latin1", "<p>é"),
        (b"<p>x", "text/html; charset=undefined", "<p>x"),
        (b"<p>x", "text/html; charset=rot13", "<p>x"),
    ],
)
def test_a_snapshot_reads_as_the_page_did(
    body: bytes, content_type: str, expected: str
) -> None:
    assert inert_page.decode(body, content_type) == expected


def test_a_handed_in_text_has_no_page_to_show(
    newsroom: Harness, client: FlaskClient
) -> None:
    item_id = newsroom.submit(text=LEAK, title=TITLE)
    assert client.get(f"/v1/items/{item_id}/snapshot").status_code == 404
    newsroom.work()
    answer = client.get(f"/v1/items/{item_id}/snapshot")
    assert (answer.status_code, answer.get_json()["type"]) == (
        404,
        "urn:incidentwire:problem:no-page",
    )
    assert client.get("/v1/items/i_unknown/snapshot").status_code == 404


def test_a_page_whose_time_is_over_is_gone(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site)
    newsroom.log.append(item_id, ItemExpired(what="page"))
    answer = client.get(f"/v1/items/{item_id}/snapshot")
    assert (answer.status_code, answer.get_json()["type"]) == (
        410,
        "urn:incidentwire:problem:expired",
    )
    assert [r.rec_type for r in records(client, item_id)] == [
        "warcinfo",
        "resource",
        "resource",
    ]
    newsroom.log.append(item_id, ItemExpired(what="all"))
    assert client.get(f"/v1/items/{item_id}/evidence.warc.gz").status_code == 410


def test_an_alias_shows_what_it_stands_for(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    kept_page(newsroom, web_site)
    head = f'<link rel="canonical" href="{web_site.url("/story")}">'
    copy = newsroom.submit(url=web_site.put("/amp/story", page(TITLE, LEAK, head)))
    newsroom.work()
    assert newsroom.item(copy).state is State.ALIASED
    assert client.get(f"/v1/items/{copy}/snapshot").data == page(TITLE, LEAK)


# -- a real browser ----------------------------------------------------------------------------------------------------

HOSTILE = """<!doctype html><html><head><meta charset="utf-8"><title>Before</title>
<meta http-equiv="refresh" content="0; url={out}/refresh">
<base href="{out}/base/">
<link rel="preconnect" href="{out}"><link rel="dns-prefetch" href="{out}">
<LINK rel="stylesheet" href="{out}/style.css"><link rel="icon" href="{out}/icon.png">
<link rel="preload" as="image" href="{out}/preload.png"><link rel="modulepreload" href="{out}/module.js">
<link rel="prefetch" href="{out}/prefetch.html"><link rel="manifest" href="{out}/manifest.json">
<style>@import url({out}/import.css); body {{ background: url({out}/background.png) }}
@font-face {{ font-family: f; src: url({out}/font.woff2) }} p {{ font-family: f }}</style>
<script src="{out}/script.js"></script>
<script type="speculationrules">{{"prefetch": [{{"source": "list", "urls": ["{out}/speculation"]}}]}}</script>
<script>document.title = "RAN"; fetch("{out}/fetch"); new Image().src = "{out}/image-by-script";
navigator.sendBeacon("{out}/beacon"); new WebSocket("ws://{host}/socket"); location.href = "{out}/location";</script>
</head><body onload="document.title = 'RAN'; fetch('{out}/onload')">
<img src="{out}/image.png" onerror="document.title = 'RAN'"><img srcset="{out}/srcset.png 2x">
<picture><source srcset="{out}/picture.png"><img src="{out}/picture2.png"></picture>
<iframe src="{out}/frame"></iframe><iframe srcdoc="<img src={out}/srcdoc.png><script>parent.x=1</script>"></iframe>
<object data="{out}/object"></object><embed src="{out}/embed"><video src="{out}/video.mp4" poster="{out}/poster.png"
autoplay></video><audio src="{out}/audio.mp3" autoplay></audio>
<form id="f" action="{out}/form" method="post"><input name="a" autofocus onfocus="document.title = 'RAN'"></form>
<script>document.getElementById("f").submit()</script>
<svg><image href="{out}/svg.png"/><use href="{out}/use.svg#a"/><script>document.title = "RAN"</script></svg>
<input type="image" src="{out}/input.png"><p style="background: url({out}/inline.png)">The clinic's page.</p>
<p>{text}</p></body></html>"""


class Recorder:
    """Counts the connections to a server that stands for everything outside."""

    def __init__(self) -> None:
        self.connections = 0
        self.paths: list[str] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def setup(self) -> None:
                recorder.connections += 1
                super().setup()

            def do_GET(self) -> None:
                recorder.paths.append(self.path)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def outside() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


def browse(url: str, profile: Path) -> str:
    """Return the page as Chromium has it five seconds (of the page's own time) after opening it."""
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
        "--disable-component-update --disable-sync --virtual-time-budget=5000 --dump-dom"
    ).split()
    command = [chromium(), *flags, f"--user-data-dir={profile}", url]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def test_in_a_real_browser_a_kept_page_runs_nothing_and_asks_for_nothing(
    newsroom: Harness, web_site: Site, outside: Recorder, tmp_path: Path
) -> None:
    hostile = HOSTILE.format(
        out=f"http://{outside.host}", host=outside.host, text=LEAK
    ).encode()
    item_id = kept_page(newsroom, web_site)
    fetched = newsroom.item(item_id).fetched
    assert (
        fetched is not None
    )  # a fetch would follow the refresh, so the page is put there by hand
    newsroom.log.append(
        item_id,
        dataclasses.replace(
            fetched, page_digest=newsroom.archive.put(item_id, hostile)
        ),
    )
    with api(newsroom, public_read=True) as app:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            dom = browse(
                f"http://127.0.0.1:{server.port}/v1/items/{item_id}/snapshot",
                tmp_path / "inert",
            )
        finally:
            server.shutdown()
            server.server_close()
    assert "The clinic's page." in dom
    assert "<title>Before</title>" in dom
    assert (outside.connections, outside.paths) == (0, [])
    web_site.put("/live", hostile.replace(b'<meta http-equiv="refresh"', b"<meta"))
    browse(web_site.url("/live"), tmp_path / "live")
    assert outside.connections > 0, (
        "the same page, unprotected, reaches outside: so the recorder would have seen it"
    )


# -- the WARC file -----------------------------------------------------------------------------------------------------


def records(client: FlaskClient, item_id: str, query: str = "") -> list[Any]:
    """Return the records of the item's file, read and checked; `payload` is added to each."""
    answer = client.get(f"/v1/items/{item_id}/evidence.warc.gz{query}")
    assert answer.status_code == 200, answer.text
    found = []
    for record in ArchiveIterator(io.BytesIO(answer.data), check_digests="raise"):
        record.payload = record.content_stream().read()
        assert record.digest_checker.passed is True
        found.append(record)
    return found


def test_evidence_is_a_warc_file_that_others_read_and_check(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site, X_Server_Said="something")
    info, response, metadata, conversion = records(client, item_id)
    fetched = newsroom.item(item_id).fetched
    assert fetched is not None
    assert info.rec_headers.protocol == "WARC/1.1"
    kinds = [r.rec_type for r in (info, response, metadata, conversion)]
    assert kinds == ["warcinfo", "response", "metadata", "conversion"]
    assert response.payload == web_site.answers["/story"][2]
    assert response.rec_headers["WARC-Target-URI"] == web_site.url("/story")
    assert (
        response.rec_headers["WARC-Payload-Digest"] == f"sha256:{fetched.page_digest}"
    )
    assert response.http_headers.get_statuscode() == "200"
    assert response.http_headers["X-Server-Said"] == "something"
    assert digest_of(metadata.payload) == fetched.document_digest
    assert json.loads(metadata.payload)["title"] == TITLE
    assert digest_of(conversion.payload) == fetched.text_digest
    result = newsroom.item(item_id).classified
    assert result is not None
    start, end = result.evidence["data_leak"][0]
    assert conversion.payload.decode()[start:end] in LEAK.replace("\n", " ")
    for record in (metadata, conversion):
        assert (
            record.rec_headers["WARC-Refers-To"]
            == response.rec_headers["WARC-Record-ID"]
        )


def test_the_same_revision_gives_the_same_bytes(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site)
    url = f"/v1/items/{item_id}/evidence.warc.gz"
    first = client.get(url).data
    newsroom.log.append(item_id, ItemCorrected(who="ann", labels=("consent",)))
    assert client.get(url).data == first


def test_a_compressed_page_is_kept_readable_and_its_headers_say_what_they_were(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    import gzip

    body = page(TITLE, LEAK)
    url = web_site.put("/packed", gzip.compress(body), Content_Encoding="gzip")
    item_id = newsroom.submit(url=url)
    newsroom.work()
    response = records(client, item_id)[1]
    assert response.payload == body
    assert response.http_headers["X-Archive-Orig-Content-Encoding"] == "gzip"
    assert response.http_headers.get_header("Content-Encoding") is None
    assert response.http_headers["Content-Length"] == str(len(body))


def test_a_handed_in_text_is_evidence_too(
    newsroom: Harness, client: FlaskClient
) -> None:
    item_id = newsroom.submit(text=LEAK, title=TITLE)
    newsroom.work()
    info, document, text = records(client, item_id)
    assert [r.rec_type for r in (info, document, text)] == [
        "warcinfo",
        "resource",
        "resource",
    ]
    assert StoredDocument.from_bytes(document.payload).text == text.payload.decode()
    assert (
        text.rec_headers["WARC-Target-URI"] == f"urn:incidentwire:item:{item_id}:text"
    )


# -- withdrawal --------------------------------------------------------------------------------------------------------


def test_withdrawal_deletes_what_was_kept_and_leaves_the_bare_fact(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = kept_page(newsroom, web_site)
    labels = newsroom.item(item_id).labels
    assert "data_leak" in labels
    answer = client.delete(
        f"/v1/items/{item_id}", json={"why": "asked for by the people named"}
    )
    assert answer.status_code == 200
    last = newsroom.log.history(item_id)[-1]
    assert last.event == ItemWithdrawn(
        who="admin", why="asked for by the people named", labels_before=labels
    )
    assert answer.get_json() == {
        "id": item_id,
        "state": "withdrawn",
        "position": last.position,
        "alias_of": None,
    }
    assert newsroom.archive.digests(item_id) == []
    for path in ("snapshot", "evidence.warc.gz"):
        assert client.get(f"/v1/items/{item_id}/{path}").status_code == 410
    again = client.delete(f"/v1/items/{item_id}?why=twice")
    assert (again.status_code, again.get_json()["position"]) == (200, last.position)
    assert newsroom.types(item_id).count("item.withdrawn") == 1


def test_only_an_admin_may_withdraw(newsroom: Harness, client: FlaskClient) -> None:
    item_id = newsroom.submit(text=LEAK, title=TITLE)
    assert (
        client.delete(f"/v1/items/{item_id}", headers=newsroom.auth).status_code == 403
    )
    assert client.delete("/v1/items/i_unknown").status_code == 404
    assert (
        client.delete(f"/v1/items/{item_id}", json={"reason": "misspelt"}).status_code
        == 422
    )
    assert newsroom.types(item_id) == ["item.submitted"]


def test_an_item_in_flight_can_be_withdrawn_and_its_worker_changes_nothing(
    newsroom: Harness, client: FlaskClient, web_site: Site
) -> None:
    item_id = newsroom.submit(url=web_site.put("/story", page(TITLE, LEAK)))
    assert client.delete(f"/v1/items/{item_id}?why=at+once").status_code == 200
    newsroom.work()
    assert newsroom.types(item_id) == ["item.submitted", "item.withdrawn"]
    assert newsroom.archive.digests(item_id) == []
    assert newsroom.in_flight() == {}
