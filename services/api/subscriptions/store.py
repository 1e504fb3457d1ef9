"""Subscriptions as rows, and their secrets."""

from __future__ import annotations

import json
import sqlite3
import time
from dataclasses import asdict, replace
from typing import Any

from services.api.subscriptions.database import Database
from services.api.subscriptions.model import (
    Channel,
    Pace,
    Schedule,
    Scope,
    Status,
    Subscription,
)


class UnknownSubscription(LookupError):
    """There is no such subscription."""


class SubscriptionStore:
    """The subscriptions of one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.db = database.db

    def add(self, subscription: Subscription) -> None:
        row = _row(subscription)
        marks = ", ".join(f":{name}" for name in row)
        self.db.execute(
            f"INSERT INTO subscriptions ({', '.join(row)}) VALUES ({marks})", row
        )

    def get(self, subscription_id: str) -> Subscription:
        """Return one subscription. Raises UnknownSubscription."""
        found = self.db.execute(
            "SELECT * FROM subscriptions WHERE id = ?", (subscription_id,)
        ).fetchone()
        if found is None:
            raise UnknownSubscription(f"There is no subscription {subscription_id}.")
        return _subscription(found)

    def exists(self, subscription_id: str) -> bool:
        """Return whether there is such a subscription, whoever owns it."""
        found = self.db.execute(
            "SELECT 1 FROM subscriptions WHERE id = ?", (subscription_id,)
        )
        return found.fetchone() is not None

    def count(self, owner: str) -> int:
        """Return how many subscriptions and groups an owner has."""
        found = self.db.execute(
            "SELECT count(*) FROM subscriptions WHERE owner = ?", (owner,)
        )
        return int(found.fetchone()[0])

    def all(self, owner: str | None = None) -> list[Subscription]:
        """Return all subscriptions, or those of one owner, the oldest first."""
        where = "WHERE owner = ?" if owner is not None else ""
        rows = self.db.execute(
            f"SELECT * FROM subscriptions {where} ORDER BY created, id",
            (owner,) if owner is not None else (),
        )
        return [_subscription(row) for row in rows]

    def change(self, subscription_id: str, **changes: Any) -> Subscription:
        """Set columns of one subscription and return it. Raises UnknownSubscription."""
        with self.database.transaction():
            changed = replace(self.get(subscription_id), **changes)
            row = _row(changed)
            sets = ", ".join(f"{name} = :{name}" for name in row if name != "id")
            self.db.execute(f"UPDATE subscriptions SET {sets} WHERE id = :id", row)
        return changed

    def move_retries(self, since: float, step: float) -> None:
        """Move the ends of backoffs that ran at a time, for the clock was set since."""
        self.db.execute(
            "UPDATE subscriptions SET retry_at = retry_at + ? WHERE retry_at > ?",
            (step, since),
        )

    def hourly_after(self, time_s: float) -> list[str]:
        """Return the hourly digests that are due after a time."""
        rows = self.db.execute(
            "SELECT id FROM subscriptions WHERE next_at > ?"
            " AND json_extract(schedule, '$.pace') = 'hourly'",
            (time_s,),
        )
        return [row["id"] for row in rows]

    def limit_scanned(self, position: int) -> None:
        """Move cursors back that are beyond the end of the log."""
        self.db.execute(
            "UPDATE subscriptions SET scanned = ? WHERE scanned > ?",
            (position, position),
        )
        self.database.touch()

    def remove(self, subscription_id: str) -> None:
        """Delete a subscription with its secrets and pending rows; the ledger stays."""
        with self.database.transaction():
            self.get(subscription_id)
            for table in ("secrets", "pending", "sent"):
                self.db.execute(
                    f"DELETE FROM {table} WHERE subscription = ?", (subscription_id,)
                )
            self.db.execute(
                "DELETE FROM subscriptions WHERE id = ?", (subscription_id,)
            )
            self.database.touch()

    def put_secret(
        self,
        subscription_id: str,
        kind: str,
        value: bytes,
        expires: float | None = None,
    ) -> None:
        self.db.execute(
            "INSERT OR REPLACE INTO secrets VALUES (?, ?, ?, ?, ?)",
            (subscription_id, kind, value, time.time(), expires),
        )

    def secrets(self, subscription_id: str, kind: str, now: float) -> list[bytes]:
        """Return the unexpired secrets of a kind, the newest first."""
        rows = self.db.execute(
            "SELECT value FROM secrets WHERE subscription = ? AND kind = ?"
            " AND (expires IS NULL OR expires > ?) ORDER BY created DESC",
            (subscription_id, kind, now),
        )
        return [row["value"] for row in rows]

    def expire_secrets(self, subscription_id: str, kind: str, at: float) -> None:
        self.db.execute(
            "UPDATE secrets SET expires = min(coalesce(expires, ?), ?)"
            " WHERE subscription = ? AND kind = ?",
            (at, at, subscription_id, kind),
        )

    def drop_expired_secrets(self, now: float) -> None:
        """Delete what no longer signs, and the tokens of links that have run out."""
        self.db.execute("DELETE FROM secrets WHERE expires <= ?", (now,))

    def by_secret(self, kind: str, value: bytes, now: float) -> Subscription | None:
        """Return the subscription that owns an unexpired secret, or None."""
        row = self.db.execute(
            "SELECT subscription FROM secrets WHERE value = ? AND kind = ?"
            " AND (expires IS NULL OR expires > ?)",
            (value, kind, now),
        ).fetchone()
        return self.get(row["subscription"]) if row else None


def _row(subscription: Subscription) -> dict[str, Any]:
    row = {**vars(subscription)}
    row["schedule"] = json.dumps(asdict(subscription.schedule))
    for name in ("channel", "scope", "status"):
        row[name] = str(row[name])
    return row


def _subscription(row: sqlite3.Row) -> Subscription:
    values = dict(row)
    schedule = json.loads(values["schedule"])
    values["schedule"] = Schedule(**schedule | {"pace": Pace(schedule["pace"])})
    values["channel"] = Channel(values["channel"])
    values["scope"] = Scope(values["scope"])
    values["status"] = Status(values["status"])
    return Subscription(**values)
