"""Read this first: the whole path in one test, every part real and in a process of its own.

Two newspapers report one breach, a third page is about benches. They are handed in over HTTP; workers fetch, keep,
extract and label them; a subscriber sees it happen on the stream; the API answers with labels and quoted evidence.
What happens when processes are killed stands in tests/classifier/test_worker.py and compose_tests/.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.eventually import eventually
from tests.house import LEAK, PLAIN, House, Site, page, process
from tests.store import Store, free_port

OTHER_PAPER = """Anyone could read the booking records of patients of a clinic chain until this week. A researcher found
names, dates of birth and telephone numbers of 61,000 people on an open server, and the data protection authority is
looking into the breach.

The chain said that it was sorry and that the exposed personal data had been taken offline within a day."""


@dataclass
class Subscriber:
    """Follows the stream from the beginning, resumes where it broke, and keeps every event."""

    url: str
    headers: dict[str, str]
    events: list[dict[str, Any]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def follow(self) -> None:
        last = 0
        while not self.stopped.wait(0.05):
            try:
                resume = {**self.headers, "Last-Event-ID": str(last)}
                with requests.get(
                    self.url, headers=resume, stream=True, timeout=60
                ) as answer:
                    for line in answer.iter_lines(chunk_size=None):
                        if line.startswith(b'data: {"specversion"'):
                            self.events.append(json.loads(line.removeprefix(b"data: ")))
                            last = self.events[-1]["sequence"]
            except requests.RequestException:
                continue

    def ends(self) -> dict[str, dict[str, Any]]:
        return {e["subject"]: e for e in self.events if e["type"] == "item.classified"}


@contextmanager
def everything(store: Store, folder: Path) -> Iterator[tuple[House, str, str]]:
    """All processes on one store; yields the house (for its settings and key) and the two addresses."""
    house = House(store.connect(), store.url, folder, fetch_timeout_s=3.0)
    ingest, api = free_port(), free_port()
    with ExitStack() as running:
        running.enter_context(
            process(house, "services.ingest.web", "--port", str(ingest))
        )
        running.enter_context(process(house, "services.api.web", "--port", str(api)))
        for name in (
            "services.api.read_model.projector",
            "services.classifier.keeper",
            "services.classifier.fetcher",
            "services.classifier.worker",
        ):
            running.enter_context(process(house, name))
        addresses = f"http://127.0.0.1:{ingest}", f"http://127.0.0.1:{api}"
        for address in addresses:
            eventually(lambda at=address: _answers(at), f"{address} answers")
        yield house, *addresses


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def submit_entries(house: House, ingest: str, url: str) -> requests.Response:
    return requests.post(
        f"{ingest}/v1/submissions", json={"url": url}, headers=house.auth, timeout=10
    )


@pytest.mark.timeout(240)
def test_from_a_url_to_a_classified_event_with_evidence(
    own_store: Store, tmp_path: Path, web_site: Site
) -> None:
    with everything(own_store, tmp_path) as (house, ingest, api):
        subscriber = Subscriber(f"{api}/v1/events/stream", house.auth)
        following = threading.Thread(target=subscriber.follow, daemon=True)
        following.start()

        # three pages are handed in; each is acknowledged with its id, its position and its receipt
        urls = [
            web_site.put(
                "/courier",
                page("Clinic chain left 61,000 patient records open to anyone", LEAK),
            ),
            web_site.put(
                "/herald",
                page("Booking records of patients stood open on the web", OTHER_PAPER),
            ),
            web_site.put("/benches", page("Benches return to the river park", PLAIN)),
        ]
        answers = [
            requests.post(
                f"{ingest}/v1/submissions",
                json={"url": u},
                headers=house.auth,
                timeout=10,
            )
            for u in urls
        ]
        assert [a.status_code for a in answers] == [202, 202, 202]
        ids = [a.json()["id"] for a in answers]

        # the subscriber sees each of them come to its end
        eventually(
            lambda: set(ids) <= subscriber.ends().keys(),
            "three classified events on the stream",
        )
        labels = [subscriber.ends()[i]["data"]["labels"] for i in ids]
        assert "data_leak" in labels[0]
        assert "data_leak" in labels[1]
        assert labels[2] == []

        # the API knows what the log knows, and quotes the sentences that made the label true
        at = {"min_position": subscriber.events[-1]["sequence"]}
        item = requests.get(
            f"{api}/v1/items/{ids[0]}", params=at, headers=house.auth, timeout=10
        ).json()
        assert (
            item["title"] == "Clinic chain left 61,000 patient records open to anyone"
        )
        passages = next(row for row in item["labels"] if row["label"] == "data_leak")[
            "evidence"
        ]
        assert any("records" in passage["quote"] for passage in passages)
        found = requests.get(
            f"{api}/v1/items",
            params={"label": "data_leak"},
            headers=house.auth,
            timeout=10,
        ).json()
        assert {row["id"] for row in found["items"]} == set(ids[:2])

        # the receipt is the submitter's own view
        receipt = requests.get(
            f"{ingest}/v1/submissions/{ids[0]}", headers=house.auth, timeout=10
        ).json()
        assert [row["type"] for row in receipt["history"]] == [
            "item.submitted",
            "item.fetched",
            "item.classified",
        ]

        # the same page again is the same item
        again = requests.post(
            f"{ingest}/v1/submissions",
            json={"url": urls[0] + "?utm_source=x"},
            headers=house.auth,
            timeout=10,
        )
        assert (again.status_code, again.json()["id"]) == (200, ids[0])

        # positions have no gaps
        assert [e["sequence"] for e in subscriber.events] == list(
            range(1, len(subscriber.events) + 1)
        )
        subscriber.stopped.set()
    following.join(timeout=90)
    assert not following.is_alive()
