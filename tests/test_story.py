"""Read this first: the whole path in one test, with every process as `up` runs it.

Two newspapers report one breach; a third page is about benches. All three are submitted
over HTTP. Workers fetch, store, extract and label them, the linker groups the two reports
into one incident, a subscriber sees it all on the stream, and the API shows the incident
with its evidence quoted. What happens when processes are killed is in
tests/classifier/test_worker.py, tests/cli/test_up.py and compose_tests/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from tests.eventually import eventually
from tests.harness import LEAK, PLAIN, Site, page
from tests.running_up import Up, running_up
from tests.store import Store
from tests.subscriber import Subscriber

OTHER_PAPER = """Anyone could read the booking records of patients of a clinic chain until
this week. A researcher found names, dates of birth and telephone numbers of 61,000 people
on an open server, and the data protection authority is looking into the data breach.

The clinic chain said on Wednesday that it was sorry and that the exposed personal data of
61,000 patients had been taken offline within a day."""


def get(up: Up, path: str, **params: Any) -> dict[str, Any]:
    answer = requests.get(f"{up.api}{path}", params=params, headers=up.auth, timeout=30)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def submit(up: Up, url: str) -> requests.Response:
    address = f"{up.ingest}/v1/submissions"
    return requests.post(address, json={"url": url}, headers=up.auth, timeout=30)


@pytest.mark.timeout(400)
def test_two_reports_of_one_breach_become_one_incident_with_quoted_evidence(
    own_store: Store, tmp_path: Path, web_site: Site
) -> None:
    pages = {
        "/courier": ("Clinic chain left 61,000 patient records open to anyone", LEAK),
        "/herald": ("Clinic chain left patient records on an open server", OTHER_PAPER),
        "/benches": ("Benches return to the river park", PLAIN),
    }
    urls = [web_site.put(path, page(*article)) for path, article in pages.items()]
    with running_up(
        tmp_path / "data",
        *("--redis-url", own_store.url),
        INCIDENTWIRE_ALLOWED_HOSTS="127.0.0.1",
        INCIDENTWIRE_HOST_PAUSE_S="0",
    ) as up:
        _tell(up, urls)


def _tell(up: Up, urls: list[str]) -> None:
    with Subscriber(f"{up.api}/v1/events/stream", up.auth) as subscriber:
        # Each page is acknowledged with its id, its position and its receipt.
        answers = [submit(up, url) for url in urls]
        assert [answer.status_code for answer in answers] == [202, 202, 202]
        courier, herald, benches = (answer.json()["id"] for answer in answers)

        # The subscriber sees all three classified, and the two reports linked.
        eventually(
            lambda: len(subscriber.of_type("item.classified")) == 3,
            "three classified events are on the stream",
            120,
        )
        classified = subscriber.of_type("item.classified")
        labels = {name: event["data"]["labels"] for name, event in classified.items()}
        assert "data_leak" in labels[courier]
        assert "data_leak" in labels[herald]
        assert labels[benches] == []
        eventually(
            lambda: len(subscriber.all_of_type("incident.item_linked")) == 2,
            "both reports are linked to an incident",
        )

        # The API shows one incident of two papers, with the sentences that say so.
        at = subscriber.positions[-1]
        [incident] = get(up, "/v1/incidents", min_position=at)["incidents"]
        assert incident["item_count"] == 2
        shown = get(up, f"/v1/incidents/{incident['id']}")
        assert {item["id"] for item in shown["items"]} == {courier, herald}
        quotes = [m["quote"] for item in shown["items"] for m in item["mentions"]]
        assert all("records" in quote for quote in quotes)
        item = get(up, f"/v1/items/{courier}")
        evidence = {row["label"]: row["evidence"] for row in item["labels"]}
        assert any("records" in row["quote"] for row in evidence["data_leak"])

        # The receipt is the submitter's own view; the same page again is the same item.
        receipt = requests.get(
            f"{up.ingest}/v1/submissions/{courier}", headers=up.auth, timeout=30
        ).json()
        steps = [row["type"] for row in receipt["history"]]
        assert steps == ["item.submitted", "item.fetched", "item.classified"]
        again = submit(up, urls[0] + "?utm_source=x")
        assert (again.status_code, again.json()["id"]) == (200, courier)

        # Positions have no gaps.
        assert subscriber.positions == list(range(1, len(subscriber.positions) + 1))
