"""The items as they stand: filters, words in any script, cursors, evidence, aliases."""

from __future__ import annotations

import pytest

from incidentwire import events as e
from incidentwire.events import FeedSilent
from tests.eventually import eventually
from tests.harness import Harness


def ids(harness: Harness, query: str) -> list[str]:
    answer = harness.api_client().get(f"/v1/items?{query}")
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.get_json()["items"]]


@pytest.fixture
def stocked(harness: Harness) -> Harness:
    leak = {
        "language": "en",
        "published": "2024-03-01",
        "site": "Morning Paper",
        "title": "Clinic records exposed",
    }
    harness.add_item(
        "i_leak",
        "The clinic's records lay open, names included.",
        labels=("data_leak",),
        **leak,
    )
    face = {
        "language": "zh",
        "published": "2024-04-01T08:00:00Z",
        "title": "人脸识别第一案",
        "via": "feed",
    }
    text = "公园门口的人脸识别系统引发争议。"
    url = "https://cn.example.net/a"
    harness.add_item("i_face", text, labels=("consent", "regulation"), url=url, **face)
    harness.add_item(
        "i_none",
        "The orchestra played well in the café.",
        title="Concert",
        language="en",
    )
    harness.log.append(
        "i_gone", e.ItemSubmitted(url="https://news.example.org/gone", via="test")
    )
    harness.log.append("i_gone", e.ItemRejected(reason="not_found", detail="404"))
    harness.projector().catch_up()
    return harness


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", ["i_gone", "i_none", "i_face", "i_leak"]),
        ("label=consent", ["i_face"]),
        ("label=consent&label=regulation", ["i_face"]),
        ("label=consent,data_leak", []),
        ("state=rejected", ["i_gone"]),
        ("language=en", ["i_none", "i_leak"]),
        ("host=cn.example.net", ["i_face"]),
        ("site=Morning%20Paper", ["i_leak"]),
        ("via=feed", ["i_face"]),
        ("from=2024-03-02&to=2024-04-01", ["i_face"]),
        ("to=2024-03-01", ["i_leak"]),
        ("q=records", ["i_leak"]),
        ("q=RECORDS+clinic", ["i_leak"]),
        ("q=rec*", ["i_leak"]),
        ("q=%22lay+open%22", ["i_leak"]),
        ("q=%22open+lay%22", []),
        ("q=cafe", ["i_none"]),
        ("q=人脸", ["i_face"]),
        ("q=识别系统", ["i_face"]),
        ("q=议", ["i_face"]),
        ("q=园", ["i_face"]),
        ("q=脸人", []),
        ("review=true", []),
        ("review=false&label=data_leak", ["i_leak"]),
    ],
)
def test_filters_choose_and_the_newest_come_first(
    stocked: Harness, query: str, wanted: list[str]
) -> None:
    assert ids(stocked, query) == wanted


def test_a_month_counts_from_its_first_day(harness: Harness) -> None:
    harness.add_item("i_month", published="2024-03")
    harness.projector().catch_up()
    assert (
        ids(harness, "from=2024-03-01&to=2024-03-01"),
        ids(harness, "from=2024-03-02"),
    ) == (["i_month"], [])


def test_what_the_model_hesitates_over_can_be_asked_for(harness: Harness) -> None:
    harness.add_item("i_a")
    harness.log.append(
        "i_a",
        e.ItemClassified(
            text_digest="d",
            model="m",
            scores={"consent": 0.5},
            labels=(),
            evidence={},
            review=("consent",),
        ),
    )
    harness.projector().catch_up()
    assert ids(harness, "review=true") == ["i_a"]
    harness.log.append("i_a", e.ItemCorrected(who="ann", labels=("consent",)))
    harness.projector().catch_up()
    assert ids(harness, "review=true") == []


def test_pages_are_stable_while_items_come_in(harness: Harness) -> None:
    for n in range(7):
        harness.add_item(f"i_{n}")
    harness.projector().catch_up()
    client = harness.api_client()
    seen = []
    cursor = ""
    while True:
        page = client.get(f"/v1/items?limit=3{cursor}").get_json()
        seen += [item["id"] for item in page["items"]]
        harness.add_item(f"i_new{len(seen)}")
        harness.projector().catch_up()
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == [f"i_{n}" for n in reversed(range(7))]
    assert client.get("/v1/items?cursor=rubbish").status_code == 422


@pytest.mark.parametrize("path", ["/v1/items", "/v1/incidents"])
def test_days_in_the_wrong_order_are_refused(stocked: Harness, path: str) -> None:
    client = stocked.api_client()
    refused = client.get(f"{path}?from=2026-03-02&to=2026-03-01")
    assert refused.status_code == 422
    assert refused.get_json()["errors"] == [
        {"field": "to", "message": "Is before `from`. Swap the two."}
    ]
    assert client.get(f"{path}?from=2026-03-01&to=2026-03-01").status_code == 200


def test_a_filter_by_host_refuses_an_address(stocked: Harness) -> None:
    client = stocked.api_client()
    for query in ("items?host=", "incidents?source="):
        refused = client.get(f"/v1/{query}https://example.org/")
        assert refused.status_code == 422
        assert "host only" in refused.get_json()["errors"][0]["message"]


def test_an_item_shows_its_labels_with_quoted_evidence_and_where_the_rest_is(
    stocked: Harness,
) -> None:
    client = stocked.api_client()
    item = client.get("/v1/items/i_leak").get_json()
    assert item["labels"] == [
        {
            "label": "data_leak",
            "score": 0.9,
            "certainty": "likely",
            "by": "model",
            "evidence": [{"start": 0, "end": 4, "quote": "The "}],
        }
    ]
    assert (item["title"], item["host"], item["state"]) == (
        "Clinic records exposed",
        "news.example.org",
        "classified",
    )
    text = client.get(item["links"]["text"]).get_json()
    assert text["text_digest"] == item["text_digest"] == item["evidence_digest"]
    plain = client.get(item["links"]["text"], headers={"Accept": "text/plain"})
    assert (
        plain.text == text["text"] == "The clinic's records lay open, names included."
    )
    history = client.get(item["links"]["events"]).get_json()["events"]
    assert [event["type"] for event in history] == [
        "item.submitted",
        "item.fetched",
        "item.classified",
    ]
    assert history[-1]["sequence"] == item["position"]


def test_a_quote_is_left_out_where_the_evidence_is_of_an_earlier_text(
    stocked: Harness,
) -> None:
    stocked.log.append(
        "i_leak", e.ItemFetched(document_digest="0" * 64, text_digest="1" * 64, words=1)
    )
    stocked.projector().catch_up()
    item = stocked.api_client().get("/v1/items/i_leak").get_json()
    assert item["labels"][0]["evidence"] == [{"start": 0, "end": 4, "quote": None}]


def test_people_stand_over_the_model_and_the_model_is_still_shown(
    stocked: Harness,
) -> None:
    stocked.log.append(
        "i_none",
        e.ItemCorrected(
            who="ann", labels=("deepfake",), note="the singer is synthetic"
        ),
    )
    stocked.projector().catch_up()
    item = stocked.api_client().get("/v1/items/i_none").get_json()
    assert [(label["label"], label["by"]) for label in item["labels"]] == [
        ("deepfake", "person")
    ]
    assert (item["corrected_by"], item["model_labels"]) == ("ann", [])
    assert ids(stocked, "label=deepfake") == ["i_none"]


def test_an_alias_answers_with_the_item_it_stands_for(stocked: Harness) -> None:
    stocked.log.append(
        "i_copy", e.ItemSubmitted(url="https://amp.example.org/leak", via="test")
    )
    stocked.log.append("i_copy", e.ItemAliased(into="i_leak"))
    stocked.projector().catch_up()
    client = stocked.api_client()
    item = client.get("/v1/items/i_copy").get_json()
    assert (item["id"], item["requested_id"], item["aliases"]) == (
        "i_leak",
        "i_copy",
        ["i_copy"],
    )
    assert client.get("/v1/items/i_copy/text").get_json()["id"] == "i_leak"
    assert "i_copy" not in ids(stocked, "")
    assert ids(stocked, "state=aliased") == ["i_copy"]


def test_a_read_waits_for_the_position_that_was_written(harness: Harness) -> None:
    harness.add_item("i_a")
    client = harness.api_client()
    harness.run_projector()
    eventually(lambda: client.get("/v1/items/i_a").status_code == 200)
    last = harness.add_item("i_b")
    assert client.get(f"/v1/items/i_b?min_position={last}").status_code == 200
    assert client.get(f"/v1/items?min_position={last + 1}").status_code == 409


def test_a_projector_that_stands_still_gets_503_and_when_to_try_again(
    harness: Harness,
) -> None:
    harness.add_item("i_a")
    harness.projector().catch_up()
    last = harness.add_item("i_b")
    answer = harness.api_client().get(f"/v1/items/i_b?min_position={last}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_what_is_not_there_is_said(stocked: Harness) -> None:
    client = stocked.api_client()
    stocked.log.append("f_quiet", FeedSilent(reason="empty"))
    for path in (
        "/v1/items/f_quiet/events",
        "/v1/items/i_unknown",
        "/v1/items/i_unknown/text",
        "/v1/items/i_unknown/events",
        "/v1/items/i_gone/text",
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (
            404,
            "application/problem+json",
        )


def test_without_a_read_model_items_get_503_and_the_log_is_still_served(
    harness: Harness,
) -> None:
    harness.add_item("i_a")
    client = harness.api_client()
    answer = client.get("/v1/items")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert client.get("/v1/items/i_a/events").status_code == 200
