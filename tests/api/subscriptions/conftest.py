"""A newsroom with subscribers: webhook receivers, a mail server, and the notifier."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incidentwire.settings import Settings
from services.api.subscriptions.notifier import Notifier
from tests.eventually import eventually
from tests.harness import Harness
from tests.mail_server import MailServer, mail_server
from tests.newsroom import Newsroom
from tests.store import Store
from tests.webhook_receiver import Receiver, receiving


class Desk:
    """Creates subscriptions over HTTP and runs the notifier here."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.room = Newsroom(harness)
        self.client = self.room.client
        self.room.projector.catch_up()
        self.stopped = threading.Event()
        self.notifier = Notifier(harness.settings, harness.connection, self.stopped)
        self.settle()

    def settle(self) -> None:
        """Project, match and deliver until nothing is left to do."""
        self.room.projector.catch_up()

        def is_quiet() -> bool:
            moved = self.notifier.step()
            return not moved and not self.notifier._busy and not self.due()

        eventually(is_quiet, "the notifier has nothing to do")

    def due(self) -> list[str]:
        import time

        return self.notifier.pending.due(time.time(), 10)

    def create(self, **fields: Any) -> dict[str, Any]:
        answer = self.client.post("/v1/subscriptions", json={"name": "Test"} | fields)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        created: dict[str, Any] = answer.get_json()
        return created

    def webhook(self, receiver: Receiver, **fields: Any) -> dict[str, Any]:
        """Create a webhook and have it verified."""
        created = self.create(channel="webhook", target=receiver.url, **fields)
        answer = self.client.post(f"/v1/subscriptions/{created['id']}/verify")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        self.settle()
        return created

    def show(self, subscription_id: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.client.get(
            f"/v1/subscriptions/{subscription_id}"
        ).get_json()
        return shown

    def retry_now(self) -> None:
        """End every backoff."""
        self.notifier.database.db.execute("UPDATE subscriptions SET retry_at = 0")
        self.settle()

    def restart(self, settings: Settings) -> None:
        """Continue with another notifier, under these settings."""
        self.notifier.close()
        self.notifier = Notifier(settings, self.harness.connection, self.stopped)

    def close(self) -> None:
        self.stopped.set()
        self.notifier.close()


@pytest.fixture
def smtp() -> Iterator[MailServer]:
    with mail_server() as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def desk(store: Store, tmp_path: Path, smtp: MailServer) -> Iterator[Desk]:
    connection = store.connect()
    options = {
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp.port,
        "smtp_security": "none",
        "mail_from": "wire@example.org",
    }
    with Harness(connection, store.url, tmp_path / "data", **options) as harness:
        harness.store = store
        running = Desk(harness)
        yield running
        running.close()
    connection.close()
