"""The delivery ledger: bounded by age and number, and what it says of events."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.api.subscriptions import ledger as module
from services.api.subscriptions.database import Database
from services.api.subscriptions.ledger import LEDGER_DAYS, Ledger
from services.api.subscriptions.pending import PendingPositions

NOW = 1_800_000_000.0
DAY_S = 86_400


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    database = Database(tmp_path / "subscriptions.sqlite")
    yield Ledger(database)
    database.close()


def attempt(ledger: Ledger, *positions: int, **columns: Any) -> int:
    """Add an attempt of the subscription s_a; delivered just now unless told otherwise."""
    given = {
        "subscription": "s_a",
        "at": NOW,
        "message_id": f"s_a_{positions[0]}",
        "ok": 1,
        "status": 200,
        "latency_ms": 5,
        "reason": "",
        "excerpt": "",
    }
    return ledger.record_attempt(list(positions), **(given | columns))


def numbers(ledger: Ledger) -> list[int]:
    return [row["n"] for row in ledger.attempts()]


def test_rows_past_the_days_are_deleted_with_their_events(ledger: Ledger) -> None:
    attempt(ledger, 1, 2, at=NOW - (LEDGER_DAYS + 1) * DAY_S)
    kept = attempt(ledger, 3, at=NOW - (LEDGER_DAYS - 1) * DAY_S)
    assert ledger.trim_ledger(NOW) is False
    assert numbers(ledger) == [kept]
    events = ledger.db.execute("SELECT position FROM attempt_events").fetchall()
    assert [row["position"] for row in events] == [3]


def test_rows_past_the_number_are_deleted_until_none_is_left(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEDGER_ROWS", 4)
    monkeypatch.setattr(module, "TRIMMED", 3)
    made = [attempt(ledger, n) for n in range(1, 12)]
    rounds = 1
    while ledger.trim_ledger(NOW):
        rounds += 1
    assert numbers(ledger) == made[-1:-5:-1]
    assert rounds == 3


def test_an_excerpt_is_cut_to_a_thousand_characters(ledger: Ledger) -> None:
    attempt(ledger, 1, excerpt="六" * 5_000)
    assert ledger.attempts()[0]["excerpt"] == "六" * 1_000


def test_what_failed_and_was_delivered_later_is_not_failed(ledger: Ledger) -> None:
    attempt(ledger, 1, ok=0, status=500)
    attempt(ledger, 2, ok=0, status=500)
    attempt(ledger, 1)
    attempt(ledger, 9, subscription="s_b", ok=0)
    assert ledger.failed_positions("s_a", NOW - 1) == [2]
    attempt(ledger, 1, ok=0)  # a replay of what was delivered
    assert ledger.failed_positions("s_a", NOW - 1) == [1, 2]
    assert ledger.failed_positions("s_a", NOW + 1) == []


def test_a_receiver_acknowledges_a_delivered_message_once(ledger: Ledger) -> None:
    attempt(ledger, 1, ok=0)
    assert ledger.acknowledge("s_a", "s_a_1", NOW) is False
    attempt(ledger, 1)
    assert ledger.acknowledge("s_b", "s_a_1", NOW) is False
    assert ledger.acknowledge("s_a", "s_a_1", NOW + 1) is True
    assert ledger.acknowledge("s_a", "s_a_1", NOW + 9) is True
    assert [row["acknowledged"] for row in ledger.attempts()] == [NOW + 1, None]


def test_what_is_asked_often_is_found_without_reading_all_rows(ledger: Ledger) -> None:
    asked: list[str] = []
    ledger.db.set_trace_callback(asked.append)
    ledger.trim_ledger(NOW)
    ledger.failed_positions("s_a", NOW)
    ledger.acknowledge("s_a", "s_a_1", NOW)
    ledger.attempts(subscription_id="s_a")
    ledger.attempts(position=1)
    PendingPositions(ledger.database).park_exhausted(NOW, 5)
    ledger.db.set_trace_callback(None)
    statements = [sql for sql in asked if sql.startswith(("SELECT", "UPDATE", "DEL"))]
    assert len(statements) >= 10
    for sql in statements:
        for row in ledger.db.execute(f"EXPLAIN QUERY PLAN {sql}"):
            assert not re.match("SCAN (attempt|pending)", row["detail"]), sql


def test_the_events_of_an_attempt_belong_to_its_subscription(ledger: Ledger) -> None:
    number = attempt(ledger, 4, 7)
    assert ledger.positions("s_a", number) == [4, 7]
    assert ledger.positions("s_b", number) == []
    assert [row["n"] for row in ledger.attempts(position=7)] == [number]
