"""Subscriptions, their pending positions and the delivery ledger: one SQLite file.

The file is primary data and part of every backup; unlike the read model it cannot be
derived. Web processes and the notifier write it in short transactions.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from services.api.subscriptions.model import (
    Channel,
    Pace,
    Schedule,
    Scope,
    Status,
    Subscription,
)

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 10.0
LEDGER_DAYS = 90
LEDGER_ROWS = 1_000_000
EXCERPT_CHARS = 1_000

_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE subscriptions (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL, owner TEXT NOT NULL, channel TEXT NOT NULL, target TEXT NOT NULL,
  filter TEXT NOT NULL, scope TEXT NOT NULL, schedule TEXT NOT NULL,
  template TEXT NOT NULL, contact TEXT NOT NULL,
  status TEXT NOT NULL, reason TEXT NOT NULL, created REAL NOT NULL,
  scanned INTEGER,               -- NULL: follows the head of the log
  next_at REAL NOT NULL, attempt INTEGER NOT NULL,
  retry_at REAL NOT NULL,        -- 0: no backoff
  failing_since REAL, warned INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE secrets (           -- webhook secrets encrypted; tokens as digests
  subscription TEXT NOT NULL, kind TEXT NOT NULL, value BLOB NOT NULL,
  created REAL NOT NULL, expires REAL,
  PRIMARY KEY (subscription, kind, value)
) WITHOUT ROWID;
CREATE INDEX secrets_value ON secrets (value);
CREATE TABLE pending (           -- matched, and not delivered yet
  subscription TEXT NOT NULL, position INTEGER NOT NULL,
  urgent INTEGER NOT NULL,       -- a correction: past filter and pace
  lease_until REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  parked INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (subscription, position)
) WITHOUT ROWID;
CREATE TABLE sent (              -- what each subscription was told of: for corrections
  subscription TEXT NOT NULL, subject TEXT NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (subscription, subject)
) WITHOUT ROWID;
CREATE INDEX sent_subject ON sent (subject);
CREATE TABLE attempts (          -- the delivery ledger
  n INTEGER PRIMARY KEY, subscription TEXT NOT NULL, at REAL NOT NULL,
  message_id TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  events INTEGER NOT NULL, ok INTEGER NOT NULL, status INTEGER, latency_ms INTEGER NOT NULL,
  reason TEXT NOT NULL, excerpt TEXT NOT NULL, acknowledged REAL
);
CREATE INDEX attempts_subscription ON attempts (subscription, n);
CREATE INDEX attempts_at ON attempts (at);
CREATE TABLE attempt_events (attempt INTEGER NOT NULL, position INTEGER NOT NULL,
  PRIMARY KEY (position, attempt)) WITHOUT ROWID;
CREATE INDEX attempt_events_attempt ON attempt_events (attempt);
"""


class UnknownSubscription(LookupError):
    """There is no such subscription."""


class SubscriptionStore:
    """The file at a path; one object per thread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        self.db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        self.db.row_factory = sqlite3.Row
        if is_new:
            os.chmod(path, 0o600)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")  # a lost cursor sends mail twice
        with self.transaction():
            tables = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            if not tables:
                for statement in _TABLES.split(";\n"):
                    self.db.execute(statement)
                self._set_meta("schema", str(SCHEMA_VERSION))

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done inside, or nothing of it."""
        if self.db.in_transaction:
            yield
            return
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # -- the head: the position up to which everything that follows it was matched ------

    def head(self) -> tuple[int, str]:
        """Return position and log id of the head; (0, "") before the first batch."""
        rows = dict(self.db.execute("SELECT name, value FROM meta").fetchall())
        return int(rows.get("head", "0")), rows.get("log_id", "")

    def set_head(self, position: int, log_id: str) -> None:
        self._set_meta("head", str(position))
        self._set_meta("log_id", log_id)

    def _set_meta(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    # -- subscriptions ------------------------------------------------------------------

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
        with self.transaction():
            changed = replace(self.get(subscription_id), **changes)
            row = _row(changed)
            sets = ", ".join(f"{name} = :{name}" for name in row if name != "id")
            self.db.execute(f"UPDATE subscriptions SET {sets} WHERE id = :id", row)
        return changed

    def revision(self) -> int:
        """Return a number that grows with each change of a subscription's rules."""
        found = self.db.execute("SELECT value FROM meta WHERE name = 'revision'")
        row = found.fetchone()
        return int(row["value"]) if row else 0

    def touch(self) -> None:
        """Tell the notifier to read the subscriptions again."""
        self._set_meta("revision", str(self.revision() + 1))

    def due(self, now: float, limit: int) -> list[str]:
        """Return active subscriptions that have something to send now.

        A digest is due at `next_at`, a correction at once; both wait for `retry_at`.
        """
        rows = self.db.execute(
            "SELECT id FROM subscriptions s WHERE status = 'active'"
            " AND channel IN ('email', 'webhook') AND retry_at <= ?"
            " AND EXISTS (SELECT 1 FROM pending p WHERE p.subscription = s.id"
            " AND NOT p.parked AND (s.next_at <= ? OR p.urgent)) LIMIT ?",
            (now, now, limit),
        )
        return [row["id"] for row in rows]

    def idle_digests(self, now: float) -> list[str]:
        """Return digests whose time has come and that have nothing to say."""
        rows = self.db.execute(
            "SELECT id FROM subscriptions s WHERE next_at <= ? AND next_at > 0"
            " AND NOT EXISTS (SELECT 1 FROM pending p WHERE p.subscription = s.id)",
            (now,),
        )
        return [row["id"] for row in rows]

    def pending_counts(self) -> dict[str, int]:
        """Return the number of pending rows by subscription."""
        rows = self.db.execute(
            "SELECT subscription, count(*) FROM pending GROUP BY subscription"
        )
        return dict(rows.fetchall())

    def remove(self, subscription_id: str) -> None:
        """Delete a subscription with its secrets and pending rows; the ledger stays."""
        with self.transaction():
            self.get(subscription_id)
            for table in ("secrets", "pending", "sent"):
                self.db.execute(
                    f"DELETE FROM {table} WHERE subscription = ?", (subscription_id,)
                )
            self.db.execute(
                "DELETE FROM subscriptions WHERE id = ?", (subscription_id,)
            )
            self.touch()

    # -- secrets and tokens --------------------------------------------------------------

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

    def by_secret(self, kind: str, value: bytes, now: float) -> Subscription | None:
        """Return the subscription that owns an unexpired secret, or None."""
        row = self.db.execute(
            "SELECT subscription FROM secrets WHERE value = ? AND kind = ?"
            " AND (expires IS NULL OR expires > ?)",
            (value, kind, now),
        ).fetchone()
        return self.get(row["subscription"]) if row else None

    # -- pending -----------------------------------------------------------------------

    def add_pending(self, rows: Iterable[tuple[str, int, bool]]) -> None:
        """Add (subscription, position, urgent) rows; a known one stays as it is."""
        self.db.executemany(
            "INSERT INTO pending (subscription, position, urgent) VALUES (?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            rows,
        )

    def pending(
        self, subscription_id: str, limit: int, *, urgent_only: bool = False
    ) -> list[int]:
        """Return the next positions to deliver, in order."""
        only = "AND urgent" if urgent_only else ""
        rows = self.db.execute(
            f"SELECT position FROM pending WHERE subscription = ? AND NOT parked {only}"
            " ORDER BY position LIMIT ?",
            (subscription_id, limit),
        )
        return [row["position"] for row in rows]

    def pending_count(self, subscription_id: str) -> int:
        found = self.db.execute(
            "SELECT count(*) FROM pending WHERE subscription = ?", (subscription_id,)
        )
        return int(found.fetchone()[0])

    def drop_pending(self, subscription_id: str, positions: Sequence[int]) -> None:
        self.db.executemany(
            "DELETE FROM pending WHERE subscription = ? AND position = ?",
            [(subscription_id, position) for position in positions],
        )

    def clear_pending(self, subscription_id: str) -> None:
        self.db.execute(
            "DELETE FROM pending WHERE subscription = ?", (subscription_id,)
        )

    # -- consumer groups -----------------------------------------------------------------

    def lease(
        self, subscription_id: str, limit: int, now: float, lease_s: float
    ) -> list[tuple[int, int]]:
        """Lease up to `limit` events to a member; return (position, attempt) pairs."""
        with self.transaction():
            rows = self.db.execute(
                "SELECT position, attempts FROM pending WHERE subscription = ?"
                " AND NOT parked AND lease_until <= ? ORDER BY position LIMIT ?",
                (subscription_id, now, limit),
            ).fetchall()
            self.db.executemany(
                "UPDATE pending SET lease_until = ?, attempts = attempts + 1"
                " WHERE subscription = ? AND position = ?",
                [(now + lease_s, subscription_id, row["position"]) for row in rows],
            )
        return [(row["position"], row["attempts"] + 1) for row in rows]

    def release(
        self, subscription_id: str, positions: Sequence[int], at: float, park_after: int
    ) -> None:
        """Return leased events; those tried `park_after` times are parked."""
        self.db.executemany(
            "UPDATE pending SET lease_until = ?, parked = attempts >= ?"
            " WHERE subscription = ? AND position = ?",
            [(at, park_after, subscription_id, position) for position in positions],
        )

    def park_exhausted(self, now: float, park_after: int) -> None:
        """Park what was leased `park_after` times and never acknowledged."""
        self.db.execute(
            "UPDATE pending SET parked = 1 WHERE NOT parked AND attempts >= ?"
            " AND lease_until <= ? AND lease_until > 0",
            (park_after, now),
        )

    def unpark(self, subscription_id: str) -> int:
        """Make all parked events available again; return how many."""
        changed = self.db.execute(
            "UPDATE pending SET parked = 0, attempts = 0, lease_until = 0"
            " WHERE subscription = ? AND parked",
            (subscription_id,),
        )
        return changed.rowcount

    def group_counts(self, subscription_id: str, now: float) -> dict[str, int]:
        """Return how many events wait, are leased and are parked."""
        row = self.db.execute(
            "SELECT coalesce(sum(NOT parked AND lease_until <= ?), 0),"
            " coalesce(sum(NOT parked AND lease_until > ?), 0), coalesce(sum(parked), 0)"
            " FROM pending WHERE subscription = ?",
            (now, now, subscription_id),
        ).fetchone()
        return dict(zip(("waiting", "leased", "parked"), map(int, row), strict=True))

    # -- what was sent ------------------------------------------------------------------

    def mark_sent(
        self, subscription_id: str, subjects: Iterable[str], position: int
    ) -> None:
        self.db.executemany(
            "INSERT INTO sent VALUES (?, ?, ?) ON CONFLICT (subscription, subject)"
            " DO UPDATE SET position = max(position, excluded.position)",
            [(subscription_id, subject, position) for subject in subjects],
        )

    def subscriptions_told(self, subjects: Sequence[str]) -> set[str]:
        """Return the subscriptions that were sent anything about one of the subjects."""
        rows = self.db.execute(
            "SELECT DISTINCT subscription FROM sent"
            " WHERE subject IN (SELECT value FROM json_each(?))",
            (json.dumps(list(subjects)),),
        )
        return {row["subscription"] for row in rows}

    # -- the ledger ---------------------------------------------------------------------

    def record_attempt(self, positions: Sequence[int], **columns: Any) -> int:
        """Add a ledger row about these positions and return its number."""
        columns["excerpt"] = str(columns.get("excerpt", ""))[:EXCERPT_CHARS]
        columns |= {
            "first": positions[0] if positions else 0,
            "last": positions[-1] if positions else 0,
            "events": len(positions),
        }
        marks = ", ".join(f":{name}" for name in columns)
        number = self.db.execute(
            f"INSERT INTO attempts ({', '.join(columns)}) VALUES ({marks})", columns
        ).lastrowid
        self.db.executemany(
            "INSERT INTO attempt_events VALUES (?, ?)",
            [(number, position) for position in positions],
        )
        return int(number or 0)

    def attempts(
        self,
        *,
        subscription_id: str | None = None,
        position: int | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return ledger rows, the newest first, of a subscription or about an event."""
        where = ["n < ?"]
        values: list[Any] = [before if before is not None else 2**62]
        if subscription_id is not None:
            where.append("subscription = ?")
            values.append(subscription_id)
        if position is not None:
            where.append("n IN (SELECT attempt FROM attempt_events WHERE position = ?)")
            values.append(position)
        rows = self.db.execute(
            f"SELECT * FROM attempts WHERE {' AND '.join(where)} ORDER BY n DESC LIMIT ?",
            [*values, limit],
        )
        return [dict(row) for row in rows]

    def failed_positions(self, subscription_id: str, since: float) -> list[int]:
        """Return positions that had a failed attempt since then and no success after it."""
        rows = self.db.execute(
            "SELECT e.position, max(CASE WHEN a.ok THEN a.n ELSE 0 END) AS good, max(a.n) AS newest"
            " FROM attempts a JOIN attempt_events e ON e.attempt = a.n"
            " WHERE a.subscription = ? AND a.at >= ? GROUP BY e.position"
            " HAVING good < newest AND good = 0 ORDER BY e.position",
            (subscription_id, since),
        )
        return [row["position"] for row in rows]

    def acknowledge(self, subscription_id: str, message_id: str, now: float) -> bool:
        """Note that the receiver acknowledged a message; False for an unknown one."""
        changed = self.db.execute(
            "UPDATE attempts SET acknowledged = coalesce(acknowledged, ?)"
            " WHERE subscription = ? AND message_id = ? AND ok",
            (now, subscription_id, message_id),
        )
        return changed.rowcount > 0

    def trim_ledger(self, now: float) -> None:
        """Delete ledger rows past LEDGER_DAYS or LEDGER_ROWS, a thousand at a time."""
        with self.transaction():
            newest = self.db.execute("SELECT max(n) FROM attempts").fetchone()[0] or 0
            old = self.db.execute(
                "SELECT n FROM attempts WHERE at < ? OR n <= ? ORDER BY n LIMIT 1000",
                (now - LEDGER_DAYS * 86_400, newest - LEDGER_ROWS),
            ).fetchall()
            numbers = json.dumps([row["n"] for row in old])
            for table, column in (("attempt_events", "attempt"), ("attempts", "n")):
                self.db.execute(
                    f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",
                    (numbers,),
                )


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
