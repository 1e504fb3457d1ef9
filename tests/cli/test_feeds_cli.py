"""`incidentwire feeds` against a real ingest: what is typed is what happens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.feeds import feeds
from incidentwire.opml import opml_of, outlines
from tests.harness import Harness
from tests.loopback import serving

Run = Callable[..., Result]

OPML = b"""<?xml version="1.0"?><opml version="1.0"><body>
  <outline text="News">
    <outline type="rss" text="Quay &amp; Herald" xmlUrl="https://quay.example/feed?a=1&amp;b=2"/>
    <outline type="rss" title="Harbour" xmlUrl="feed://harbour.example/rss"/>
    <outline type="rss" text="Private" xmlUrl="http://10.0.0.1/feed"/>
    <outline type="rss" text="Again" xmlUrl="https://quay.example/feed?a=1&amp;b=2"/>
    <outline text="A folder"/>
  </outline></body></opml>"""


@pytest.fixture
def run(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    monkeypatch.setenv("INCIDENTWIRE_KEY", harness.key)
    monkeypatch.setenv("INCIDENTWIRE_DATA_DIR", str(tmp_path))

    def command(*words: str, stdin: bytes = b"") -> Result:
        return CliRunner().invoke(feeds, list(words), input=stdin)

    with serving(harness.ingest_client.application) as url:
        monkeypatch.setenv("INCIDENTWIRE_INGEST_URL", url)
        yield command


def test_a_feed_is_added_listed_and_removed(run: Run) -> None:
    added = run("add", "https://quay.example/feed", "--title", "The Quay")
    name, word, url = added.output.strip().split("\t")
    assert (added.exit_code, word, url) == (0, "added", "https://quay.example/feed")
    assert run("add", "https://quay.example/feed").output.split("\t")[1] == "known"
    header, row = (line.split("\t") for line in run("list").output.splitlines())
    assert header[:3] == ["id", "state", "items"]
    assert row[:3] == [name, "new", "0"]
    assert row[4:6] == ["https://quay.example/feed", "The Quay"]
    assert run("list", "--failing", "--json").output == ""
    assert (
        run("remove", "https://quay.example/feed#x").output == f"{name}\tremoved\t2\n"
    )
    gone = run("remove", name)
    assert (gone.exit_code, "No feed has this id" in gone.output) == (1, True)


def test_a_refused_address_is_one_line(run: Run) -> None:
    refused = run("add", "http://127.0.0.1.nip.example:22/")
    assert (refused.exit_code, "port 22" in refused.output) == (1, True)
    assert "Traceback" not in refused.output


def test_a_list_of_feeds_goes_in_and_comes_out_as_opml(
    run: Run, tmp_path: Path
) -> None:
    taken = run("import", "-", stdin=OPML)
    words = [line.split("\t")[1] for line in taken.output.splitlines()]
    assert (taken.exit_code, words) == (1, ["added", "added", "refused"])
    file = tmp_path / "feeds.opml"
    assert run("export", str(file)).exit_code == 0
    expected = {
        "https://quay.example/feed?a=1&b=2": "Quay & Herald",
        "http://harbour.example/rss": "Harbour",
    }
    assert dict(outlines(file.read_bytes())) == expected
    assert dict(outlines(run("export").output.encode())) == expected
    rows = run("import", str(file), "--json").output.splitlines()
    assert [json.loads(row)["result"] for row in rows] == ["known", "known"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not OPML"),
        (b"<html/>", "its root is <html>"),
        (b"<opml><body>", "names no feed"),
        (
            b'<!DOCTYPE o [<!ENTITY a SYSTEM "file:///etc/passwd">]><opml>&a;</opml>',
            "names no feed",
        ),
    ],
)
def test_what_is_no_opml_is_refused_in_one_line(
    run: Run, text: bytes, message: str
) -> None:
    refused = run("import", "-", stdin=text)
    assert (refused.exit_code, message in refused.output) == (1, True)


def test_titles_that_xml_cannot_hold_do_not_spoil_the_export() -> None:
    row = {"url": "https://quay.example/?a=1&b='2'", "title": 'A "quay"\x0b<b>\ufffe'}
    assert list(outlines(opml_of([row]).encode())) == [(row["url"], 'A "quay" <b>')]


def test_a_list_with_bare_ampersands_is_read() -> None:
    text = (
        b'<opml version="2.0"><body><outline text="Q&A" htmlUrl="https://q.example/?a&b"'
        b' xmlUrl="https://q.example/feed?a=1&b=2"/></body></opml>'
    )
    assert list(outlines(text)) == [("https://q.example/feed?a=1&b=2", "Q&A")]


def test_no_control_character_of_a_title_leaves_in_a_list() -> None:
    feed = {"url": "https://q.example/feed", "title": "A\x9b31m\u202eB"}
    assert "A 31m B" in opml_of([feed])
