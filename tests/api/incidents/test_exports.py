"""Feeds per filter, and everything to take away."""

from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import feedparser  # type: ignore[import-untyped]
import pytest

from services.api.incidents.list_query import IncidentPage, page_with_reports
from services.api.items import table as items_table
from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom

ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    room = Newsroom(harness)
    room.ids["a"] = room.add(
        "i_a1", (LEAK,), title='=HYPERLINK("http://x.example")', published="2024-03-01"
    )
    room.ids["b"] = room.add("i_b1", (FAKE,), title="Voices & <faces> cloned")
    room.grow()
    return room


def get(room: Newsroom, path: str, **headers: str) -> Any:
    answer = room.client.get(f"/v1/{path}", headers=headers)
    assert answer.status_code in (200, 304), answer.text
    return answer


def test_an_atom_feed_follows_a_filter(room: Newsroom) -> None:
    answer = get(room, "incidents.atom?label=deepfake")
    assert answer.mimetype == "application/atom+xml"
    feed = ET.fromstring(answer.data)
    assert [entry.findtext(f"{ATOM}title") for entry in feed.iter(f"{ATOM}entry")] == [
        "Voices & <faces> cloned"
    ]
    parsed = feedparser.parse(io.BytesIO(get(room, "incidents.atom").data))
    assert not parsed.bozo
    assert [entry.id.rpartition(":")[2] for entry in parsed.entries] == [
        room.ids["b"],
        room.ids["a"],
    ]
    assert parsed.entries[1].tags[0].term == "data_leak"
    links = {link.rel: link.href for link in parsed.entries[1].links}
    assert links["via"] == "https://news.example.org/i_a1"
    assert "<blockquote>Text</blockquote>" in parsed.entries[1].content[0].value


def test_a_feed_that_did_not_change_is_not_sent_again(room: Newsroom) -> None:
    for path in ("incidents.atom", "incidents.json"):
        tag = get(room, path).headers["ETag"]
        assert get(room, path, **{"If-None-Match": tag}).status_code == 304
        room.command(room.ids["a"], "notes", note=path)
        assert get(room, path, **{"If-None-Match": tag}).status_code == 200


def test_what_changed_last_comes_first_in_a_json_feed(room: Newsroom) -> None:
    room.command(room.ids["a"], "status", status="confirmed")
    feed = get(room, "incidents.json").get_json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["_incidentwire"]["id"] for item in feed["items"]] == [
        room.ids["a"],
        room.ids["b"],
    ]
    assert (
        feed["items"][0]["content_text"]
        == "confirmed; data_leak; 1 item from 1 source; 2024-03-01"
    )
    assert feed["items"][0]["url"].endswith(f"/incidents/{room.ids['a']}")
    content = feed["items"][0]["content_html"]
    assert "<blockquote>Text</blockquote>" in content
    assert '<a href="https://news.example.org/i_a1">=HYPERLINK(&quot;' in content
    assert feed["items"][0]["_incidentwire"]["item_ids"] == ["i_a1"]


def test_formulas_are_defused_in_csv(room: Newsroom) -> None:
    answer = get(room, "incidents/export.csv")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode(), newline="")))
    assert [row["id"] for row in rows] == [room.ids["a"], room.ids["b"]]
    assert [row["item_ids"] for row in rows] == ["i_a1", "i_b1"]
    assert rows[0]["source_urls"] == "https://news.example.org/i_a1"
    assert rows[0]["evidence"] == "Text"
    assert rows[0]["title"] == '\'=HYPERLINK("http://x.example")'
    assert (rows[0]["labels"], rows[0]["item_count"], rows[1]["title"]) == (
        "data_leak",
        "1",
        "Voices & <faces> cloned",
    )


def test_an_export_holds_all_that_matches(
    room: Newsroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.incidents.exports.PAGE", 2)
    for n in range(5):
        room.add(f"i_m{n}", (LEAK,))
    room.grow()
    whole = json.loads(get(room, "incidents/export.json").data)
    assert [incident["id"] for incident in whole["incidents"]] == room.list(
        "sort=oldest&limit=200"
    )
    assert whole["position"] == room.log.last()
    leaks = json.loads(get(room, "incidents/export.json?label=data_leak").data)[
        "incidents"
    ]
    assert len(leaks) == 6
    pages: list[IncidentPage] = []

    def read(*asked: Any) -> IncidentPage:
        pages.append(page_with_reports(*asked))
        return pages[-1]

    monkeypatch.setattr("services.api.incidents.exports.page_with_reports", read)
    then = json.loads(get(room, f"incidents/export.json?as_of={room.log.last()}").data)
    assert then["incidents"] == whole["incidents"]
    assert [len(page.incidents) for page in pages] == [2, 2, 2, 1]
    assert (
        json.loads(get(room, "incidents/export.json?status=resolved").data)["incidents"]
        == []
    )
    assert room.client.get("/v1/incidents/export.csv?lable=x").status_code == 422


def test_items_are_a_flat_table_with_sources_evidence_and_incidents(
    room: Newsroom,
) -> None:
    answer = get(room, "items/export.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert list(rows[0]) == list(items_table.COLUMNS)
    found = {row["id"]: row for row in rows}
    leak = found["i_a1"]
    assert leak["incidents"] == room.ids["a"]
    assert leak["url"].startswith("https://")
    assert leak["evidence"] == "Text"
    assert (leak["data_leak"], leak["deepfake"], leak["labelled_by"]) == (
        "1",
        "0",
        "model",
    )
    assert leak["title"].startswith("'=")
    only = get(room, "items/export.csv?label=deepfake").text
    assert "i_b1" in only
    assert "i_a1" not in only
    assert get(room, "items/i_a1").json["incidents"] == [room.ids["a"]]
