"""Feeds over HTTP: added, looked at and removed by those who may, and refused in words that help."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from incidentwire.web.keys import Keys
from services.ingest.feeds.schedule import PollFailure, failed
from services.ingest.feeds.store import FeedStore
from tests.harness import Harness
from tests.loopback import answering

URL = "https://quay.example/feed"


def call(harness: Harness, method: str, path: str, key: str = "", **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {key or harness.key}"}
    return harness.ingest_client.open(path, method=method, headers=headers, **more)


def add(harness: Harness, **fields: Any) -> Any:
    return call(harness, "POST", "/v1/feeds", json=fields)


def test_a_feed_is_added_shown_listed_and_removed(harness: Harness) -> None:
    added = add(harness, url=URL, title="The Quay")
    feed = added.get_json()
    assert added.status_code == 201
    assert added.headers["Location"] == f"/v1/feeds/{feed['id']}"
    assert (feed["url"], feed["title"], feed["added_by"], feed["position"]) == (
        URL,
        "The Quay",
        "tester",
        1,
    )
    assert (feed["state"], feed["last_poll"], feed["reason"], feed["handed_in"]) == (
        "new",
        None,
        None,
        0,
    )
    assert feed["next_poll"]
    assert add(harness, url=URL + "#again").status_code == 200
    assert call(harness, "GET", f"/v1/feeds/{feed['id']}").get_json() == feed
    assert call(harness, "GET", "/v1/feeds").get_json() == {
        "feeds": [feed],
        "next": None,
        "states": {"new": 1},
    }
    removed = call(harness, "DELETE", f"/v1/feeds/{feed['id']}")
    assert (removed.status_code, removed.get_json()) == (
        200,
        {"id": feed["id"], "position": 2},
    )
    assert call(harness, "GET", "/v1/feeds").get_json() == {
        "feeds": [],
        "next": None,
        "states": {},
    }
    FeedStore(harness.connection).catch_up(1.0)  # writes the key of this name, too
    for method, name in product(("GET", "DELETE"), (feed["id"], "checkpoint")):
        missing = call(harness, method, f"/v1/feeds/{name}")
        assert (missing.status_code, missing.get_json()["type"]) == (
            404,
            "urn:incidentwire:problem:unknown-feed",
        )


def test_a_failing_feed_is_seen_to_fail(harness: Harness) -> None:
    name = add(harness, url=URL).get_json()["id"]
    feeds = FeedStore(harness.connection)
    taken = feeds.take(name, 4e9)
    assert taken is not None
    failure = PollFailure(
        reason="timeout", detail="nothing came for 10 s", retryable=True
    )
    feeds.finish(taken, failed(taken.feed, 4e9, failure, (300.0,)))
    shown = call(harness, "GET", f"/v1/feeds/{name}").get_json()
    assert (shown["state"], shown["reason"], shown["detail"]) == (
        "failing",
        "timeout",
        "nothing came for 10 s",
    )
    assert (shown["failures"], shown["failing_since"]) == (1, "2096-10-02T07:06:40Z")
    assert (shown["last_poll"], shown["next_poll"]) == (
        "2096-10-02T07:06:40Z",
        "2096-10-02T07:11:40Z",
    )


def test_a_long_list_comes_in_pages(harness: Harness) -> None:
    names = sorted(add(harness, url=f"{URL}/{n}").get_json()["id"] for n in range(5))
    found = []
    after = ""
    while after is not None:
        page = call(harness, "GET", f"/v1/feeds?limit=2&after={after}").get_json()
        assert len(page["feeds"]) <= 2
        found += [feed["id"] for feed in page["feeds"]]
        after = page["next"]
    assert found == names
    assert call(harness, "GET", "/v1/feeds?limit=0").status_code == 422


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({}, "url", ""),
        ({"url": "quay.example"}, "url", "https://"),
        ({"url": "file:///etc/passwd"}, "url", "https://"),
        ({"url": "https://u:p@quay.example/"}, "url", "password"),
        ({"url": "http://169.254.169.254/latest"}, "url", "not on the public internet"),
        ({"url": "http://localhost/feed"}, "url", "not on the public internet"),
        ({"url": "https://quay.example:22/feed"}, "url", "port"),
        ({"url": URL, "title": "a\x00"}, "title", "NUL"),
        ({"url": URL, "every": 5}, "every", ""),
    ],
)
def test_what_cannot_be_polled_is_refused_at_once(
    harness: Harness, fields: dict[str, Any], field: str, message: str
) -> None:
    refused = add(harness, **fields)
    assert (refused.status_code, refused.mimetype) == (422, "application/problem+json")
    [error] = refused.get_json()["errors"]
    assert error["field"] == field
    assert message in error["message"]
    assert harness.log.last() == 0


@pytest.mark.parametrize(("scope", "shown"), [("submit", 403), ("read", 200)])
def test_only_curators_add_and_remove(harness: Harness, scope: str, shown: int) -> None:
    name = add(harness, url=URL).get_json()["id"]
    key = Keys(harness.connection).create("other", [scope])
    assert (
        call(harness, "POST", "/v1/feeds", key, json={"url": URL + "2"}).status_code
        == 403
    )
    assert call(harness, "DELETE", f"/v1/feeds/{name}", key).status_code == 403
    for path in ("/v1/feeds", f"/v1/feeds/{name}"):
        assert call(harness, "GET", path, key).status_code == shown
    assert harness.ingest_client.get("/v1/feeds").status_code == 401


def test_the_api_document_speaks_of_feeds(harness: Harness) -> None:
    paths = call(harness, "GET", "/openapi.json").get_json()["paths"]
    assert set(paths["/v1/feeds"]) >= {"get", "post"}
    assert set(paths["/v1/feeds/{feed_id}"]) >= {"get", "delete"}
    for operation in (paths["/v1/feeds"]["get"], paths["/v1/feeds"]["post"]):
        assert "application/problem+json" in operation["responses"]["422"]["content"]


RSS = b"""<rss version="2.0"><channel><title>The Quay</title>
<item><title>Ferry late</title><link>https://quay.example/1</link></item>
<item><title>Ferry sunk</title><link>https://quay.example/2</link></item>
<item><title>No address</title></item></channel></rss>"""


def try_feed(harness: Harness, url: str) -> Any:
    return call(harness, "POST", "/v1/feeds/test", json={"url": url})


def test_a_feed_is_tried_and_nothing_is_stored(harness: Harness) -> None:
    known = harness.submit(url="https://quay.example/2")
    before = harness.log.last()
    with answering(
        lambda asked: (200, {"Content-Type": "application/rss+xml"}, RSS)
    ) as port:
        tried = try_feed(harness, f"http://127.0.0.1:{port}/")
    found = tried.get_json()
    assert (found["kind"], found["title"], found["reason"]) == ("rss", "The Quay", None)
    assert (found["entries"], found["usable"], found["new"]) == (3, 2, 1)
    assert [entry["item"] for entry in found["first"]] == [None, known, None]
    assert call(harness, "GET", "/v1/feeds").get_json()["feeds"] == []
    assert harness.log.last() == before


def test_a_feed_that_cannot_be_read_says_why(harness: Harness) -> None:
    with answering(lambda asked: (404, {}, b"")) as port:
        tried = try_feed(harness, f"http://127.0.0.1:{port}/")
    assert (tried.status_code, tried.get_json()["reason"]) == (200, "not_found")
    assert try_feed(harness, "http://10.0.0.1/").status_code == 422
