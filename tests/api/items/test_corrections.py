"""People correct labels, having seen what they correct; what they set is what everybody gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from incidentwire.events import ItemCorrected
from services.api.app import create_app
from tests.harness import LEAK, Harness
from tests.store import Store


class Desk:
    """The API's commands, as a curator calls them."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.client = create_app(harness.settings, harness.connection).test_client()

    def __call__(self, method: str, item: str, body: Any) -> Any:
        headers = {**self.harness.auth, "Content-Type": "application/json"}
        return self.client.open(
            f"/v1/items/{item}/labels",
            method=method,
            data=json.dumps(body),
            headers=headers,
        )


@pytest.fixture
def harness(connection: redis.Redis, store: Store, tmp_path: Path) -> Harness:
    """With ingest and worker, so that there is something to correct."""
    return Harness(connection, store.url, tmp_path)


@pytest.fixture
def desk(harness: Harness) -> Desk:
    return Desk(harness)


@pytest.fixture
def item(harness: Harness) -> str:
    item_id = harness.submit(title="Clinics", text=LEAK)
    harness.work()
    return item_id


def test_a_correction_is_an_event_with_who_and_why(
    desk: Desk, harness: Harness, item: str
) -> None:
    before = harness.item(item)
    answer = desk(
        "POST",
        item,
        {"labels": ["consent"], "version": before.version, "note": "the portraits"},
    )
    assert answer.status_code == 200
    assert answer.get_json() == {
        "id": item,
        "position": 4,
        "version": 4,
        "labels": ["consent"],
    }
    event = harness.log.history(item)[-1].event
    assert isinstance(event, ItemCorrected)
    assert (event.who, event.note, event.labels, event.labels_before) == (
        "tester",
        "the portraits",
        ("consent",),
        before.labels,
    )


def test_who_has_not_seen_the_latest_is_told(
    desk: Desk, harness: Harness, item: str
) -> None:
    version = harness.item(item).version
    desk("POST", item, {"labels": ["consent"], "version": version})
    answer = desk("POST", item, {"labels": [], "version": version})
    assert (answer.status_code, answer.get_json()["version"]) == (409, version + 1)
    assert harness.item(item).labels == ("consent",)


def test_a_correction_can_be_taken_back(
    desk: Desk, harness: Harness, item: str
) -> None:
    model = harness.item(item).labels
    assert desk("DELETE", item, {"version": 3}).status_code == 409
    desk("POST", item, {"labels": [], "version": 3})
    answer = desk("DELETE", item, {"version": 4})
    assert (answer.status_code, answer.get_json()["labels"]) == (200, list(model))
    assert harness.item(item).labels == model


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"labels": ["leak"], "version": 3}, "labels.0"),
        ({"labels": ["consent", "consent"], "version": 3}, "labels"),
        ({"labels": "consent", "version": 3}, "labels"),
        ({"version": 3}, "labels"),
        ({"labels": []}, "version"),
        ({"labels": [], "version": "3"}, "version"),
        ({"labels": [], "version": 3, "who": "me"}, "who"),
        ({"labels": [], "version": 3, "note": "\x00"}, "note"),
        ([], "(body)"),
    ],
)
def test_bad_corrections_are_named(
    desk: Desk, harness: Harness, item: str, body: Any, field: str
) -> None:
    answer = desk("POST", item, body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.get_json()["errors"]]
    assert harness.item(item).corrected is None


def test_only_items_that_are_there_can_be_corrected(
    desk: Desk, harness: Harness
) -> None:
    assert (
        desk("POST", "i_aaaaaaaaaaaaaaaaaaaa", {"labels": [], "version": 1}).status_code
        == 404
    )
    assert (
        desk("POST", "n_aaaaaaaaaaaaaaaaaaaa", {"labels": [], "version": 1}).status_code
        == 404
    )
