"""The file of subscriptions: one SQLite database.

It is primary data and part of every backup; unlike the read model it cannot be derived.
Web processes and the notifier write it in short transactions.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from incidentwire import private_files
from incidentwire.log.log_position import LogPosition

SCHEMA_VERSION = 5
BUSY_TIMEOUT_S = 10.0
MARKS = 50  # former heads to go back to if the log loses its tail

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
CREATE TABLE sent (              -- what each subscription was sent: for corrections
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
# What release 2 of the schema added: the subjects of events that wait.
_SUBJECTS = """
CREATE TABLE event_subjects (position INTEGER NOT NULL, subject TEXT NOT NULL,
  PRIMARY KEY (position, subject)) WITHOUT ROWID;
CREATE INDEX event_subjects_subject ON event_subjects (subject);
CREATE INDEX pending_position ON pending (position);
"""
# Release 3: the language of what is sent.
_LANGUAGE = """
ALTER TABLE subscriptions ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
"""
# Release 4: the id of the lease that an event was given out with last.
_LEASES = """
ALTER TABLE pending ADD COLUMN lease TEXT NOT NULL DEFAULT '';
"""
# Release 5: what is asked for often is found without reading all rows.
_INDEXES = """
CREATE INDEX pending_leased ON pending (lease_until) WHERE lease_until > 0;
CREATE INDEX attempts_message ON attempts (message_id);
CREATE INDEX attempts_failed ON attempts (subscription, at) WHERE NOT ok;
"""


class Database:
    """The file at a path; one object per thread."""

    def __init__(self, path: Path) -> None:
        private_files.make_folder(path.parent)
        if not path.exists():
            private_files.create(path)
        self.db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        self.db.row_factory = sqlite3.Row
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise

    def _set_up(self) -> None:
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")  # a lost cursor sends mail twice
        # Reading needs no lock: a stopped writer must not stop the pages.
        if self._schema_version() < SCHEMA_VERSION:
            with self.transaction():
                self._migrate()

    def _migrate(self) -> None:
        """Create the tables, or add what an earlier release did not have."""
        version = self._schema_version()
        steps = (_TABLES, _SUBJECTS, _LANGUAGE, _LEASES, _INDEXES)
        for added_in, statements in enumerate(steps, start=1):
            if version < added_in:
                for statement in statements.split(";\n"):
                    self.db.execute(statement)
        if version < SCHEMA_VERSION:
            self._set_meta("schema", str(SCHEMA_VERSION))

    def _schema_version(self) -> int:
        """Return the version of the tables, 0 for an empty file."""
        tables = self.db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            return 0
        found = self.db.execute("SELECT value FROM meta WHERE name = 'schema'")
        return int(found.fetchone()["value"])

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

    def head(self) -> tuple[int, str]:
        """Return position and log id of the head; (0, "") before the first batch."""
        rows = dict(self.db.execute("SELECT name, value FROM meta").fetchall())
        return int(rows.get("head", "0")), rows.get("log_id", "")

    def set_head(self, reached: LogPosition) -> None:
        """Store the head, and keep the former ones to go back to."""
        self._set_meta("head", str(reached.position))
        self._set_meta("log_id", reached.log_id)
        former = [mark for mark in self.marks() if mark.position < reached.position]
        marks = [reached, *former][:MARKS]
        rows = [[mark.log_id, mark.position, mark.event] for mark in marks]
        self._set_meta("marks", json.dumps(rows))

    def marks(self) -> list[LogPosition]:
        """Return the newest positions that were heads, with their events, newest first."""
        found = self.db.execute("SELECT value FROM meta WHERE name = 'marks'")
        row = found.fetchone()
        return [
            LogPosition(log_id=log_id, position=position, event=event)
            for log_id, position, event in json.loads(row["value"] if row else "[]")
        ]

    def _set_meta(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def revision(self) -> int:
        """Return a number that grows with each change of a subscription's rules."""
        found = self.db.execute("SELECT value FROM meta WHERE name = 'revision'")
        row = found.fetchone()
        return int(row["value"]) if row else 0

    def touch(self) -> None:
        """Tell the notifier to read the subscriptions again."""
        self._set_meta("revision", str(self.revision() + 1))
