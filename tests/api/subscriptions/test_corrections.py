"""Corrections outside the filter, at each moment of the delivery of what they correct."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing

import pytest

from services.api.subscriptions.database import SCHEMA_VERSION, Database
from tests.api.subscriptions.conftest import Desk
from tests.api.subscriptions.test_mail import confirmed
from tests.eventually import eventually
from tests.mail_server import MailServer
from tests.newsroom import LEAK
from tests.webhook_receiver import Receiver

FIRST_AND_CORRECTION = ["incident.opened", "item.corrected"]
LATER = 4_000_000_000.0  # seconds since 1970


def correct(desk: Desk) -> None:
    """Relabel the item: `label:data_leak` with scope new does not report that."""
    version = desk.client.get("/v1/items/i_a").get_json()["version"]
    answer = desk.client.post(
        "/v1/items/i_a/labels", json={"labels": ["deepfake"], "version": version}
    )
    assert answer.status_code == 200


def add_only(desk: Desk) -> None:
    desk.room.add("i_a", (LEAK,))
    desk.room.projector.catch_up()


def add_and_hold(desk: Desk) -> None:
    """Match the item, and keep its message from being sent."""
    desk.notifier.database.db.execute("UPDATE subscriptions SET retry_at = ?", (LATER,))
    desk.room.add("i_a", (LEAK,))
    desk.settle()


def make_due(desk: Desk) -> None:
    desk.notifier.database.db.execute("UPDATE subscriptions SET next_at = 1")


@pytest.mark.parametrize("add", [add_only, add_and_hold])
def test_a_correction_before_the_first_message_follows_it(
    desk: Desk, receiver: Receiver, add: Callable[[Desk], None]
) -> None:
    desk.webhook(receiver, filter="label:data_leak", scope="new")
    add(desk)
    correct(desk)
    desk.settle()
    desk.retry_now()
    assert receiver.types() == FIRST_AND_CORRECTION


def test_a_correction_during_or_after_a_failed_attempt_follows_the_message(
    desk: Desk, receiver: Receiver
) -> None:
    desk.webhook(receiver, filter="label:data_leak", scope="new")
    receiver.status = 503
    receiver.gate.clear()
    add_only(desk)

    def has_begun() -> bool:
        desk.notifier.step()
        return bool(receiver.requests)

    eventually(has_begun, "the first attempt is under way")
    correct(desk)
    desk.room.projector.catch_up()
    desk.notifier.step()
    receiver.gate.set()
    desk.settle()
    receiver.status = 204
    desk.retry_now()
    sent = receiver.types()
    failed = sent[: -len(FIRST_AND_CORRECTION)]  # more than one on a slow machine
    assert set(failed) == {"incident.opened"}
    assert sent[len(failed) :] == FIRST_AND_CORRECTION


def test_a_digest_holds_the_correction_of_what_waited_for_it(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(
        desk, smtp, filter="label:data_leak", scope="new", schedule={"pace": "daily"}
    )
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    correct(desk)
    desk.settle()
    assert smtp.raw == []
    make_due(desk)
    desk.settle()
    (text,) = smtp.texts()
    assert text.index("New incident.") < text.index("Labels corrected")


def test_a_correction_while_a_digest_is_sent_comes_at_once_after_it(
    desk: Desk, smtp: MailServer
) -> None:
    digest = confirmed(
        desk, smtp, filter="label:data_leak", scope="new", schedule={"pace": "daily"}
    )
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    arrived = threading.Event()
    answer = threading.Event()

    def hold() -> None:
        arrived.set()
        answer.wait(30)

    smtp.on_data = hold
    make_due(desk)
    desk.notifier.step()
    assert arrived.wait(30)
    desk.client.patch(  # its digest is tomorrow's now
        f"/v1/subscriptions/{digest}", json={"schedule": {"pace": "daily", "hour": 9}}
    )
    correct(desk)
    desk.room.projector.catch_up()
    desk.notifier.step()
    answer.set()
    desk.settle()
    first, second = smtp.texts()
    assert "New incident." in first
    assert "Labels corrected" in second
    assert "New incident." not in second


def test_events_of_an_earlier_release_get_their_subjects(
    desk: Desk, receiver: Receiver
) -> None:
    desk.webhook(receiver, filter="label:data_leak", scope="new")
    add_and_hold(desk)
    path = desk.harness.settings.subscriptions
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE event_subjects")
        db.execute("DROP INDEX pending_position")
        for index in ("pending_leased", "attempts_message", "attempts_failed"):
            db.execute(f"DROP INDEX {index}")
        db.execute("ALTER TABLE subscriptions DROP COLUMN language")
        db.execute("ALTER TABLE pending DROP COLUMN lease")
        db.execute("UPDATE meta SET value = '1' WHERE name = 'schema'")
    desk.restart(desk.harness.settings)
    desk.settle()
    with closing(Database(path)) as migrated:
        assert migrated._schema_version() == SCHEMA_VERSION
    desk.room.command(desk.room.list()[0], "status", status="dismissed")
    desk.settle()
    desk.retry_now()
    assert receiver.types() == ["incident.opened", "incident.status_changed"]


def test_each_change_of_an_incident_reaches_who_was_told_of_it(
    desk: Desk, receiver: Receiver
) -> None:
    desk.webhook(receiver, filter="label:data_leak", scope="new")
    merged = desk.room.add("i_a", (LEAK,))
    kept = desk.room.add("i_b", (LEAK,))
    desk.room.add("i_c", (LEAK,), into=kept)
    desk.settle()
    into = {"into": kept, "into_version": desk.room.version(kept)}
    desk.room.command(merged, "merge", **into)
    desk.room.command(merged, "unmerge")
    desk.room.command(kept, "split", mentions=["i_c#m0"])
    desk.room.command(kept, "status", status="dismissed")
    desk.settle()
    corrections = [
        body["type"] for body in receiver.bodies() if body["data"]["is_correction"]
    ]
    assert corrections == [
        "incident.merged",
        "incident.unmerged",
        "incident.split",
        "incident.status_changed",
    ]
