"""The delivery ledger: every attempt and what came of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from services.api.subscriptions.database import Database

LEDGER_DAYS = 90
LEDGER_ROWS = 1_000_000
TRIMMED = 1_000  # rows at once: other writers wait meanwhile
EXCERPT_CHARS = 1_000


class Ledger:
    """The attempts of one database, bounded by age and number."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.db = database.db

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

    def sent_before(self, subscription_id: str, n: int) -> float:
        """Return when the nth newest message was delivered (epoch s), 0 if none was."""
        row = self.db.execute(
            "SELECT at FROM attempts WHERE subscription = ? AND ok"
            " ORDER BY n DESC LIMIT 1 OFFSET ?",
            (subscription_id, n - 1),
        ).fetchone()
        return float(row["at"]) if row else 0.0

    def positions(self, subscription_id: str, attempt: int) -> list[int]:
        """Return the positions that one attempt of a subscription was about."""
        rows = self.db.execute(
            "SELECT e.position FROM attempt_events e JOIN attempts a ON a.n = e.attempt"
            " WHERE a.n = ? AND a.subscription = ? ORDER BY e.position",
            (attempt, subscription_id),
        )
        return [row["position"] for row in rows]

    def failed_positions(self, subscription_id: str, since: float) -> list[int]:
        """Return positions that had a failed attempt since then and no success after it."""
        rows = self.db.execute(
            "SELECT DISTINCT e.position FROM attempts a"
            " JOIN attempt_events e ON e.attempt = a.n"
            " WHERE a.subscription = ? AND a.at >= ? AND NOT a.ok AND NOT EXISTS ("
            "SELECT 1 FROM attempt_events later JOIN attempts b ON b.n = later.attempt"
            " WHERE later.position = e.position AND later.attempt > a.n"
            " AND b.subscription = a.subscription AND b.ok) ORDER BY e.position",
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

    def trim_ledger(self, now: float) -> bool:
        """Delete TRIMMED rows past LEDGER_DAYS or LEDGER_ROWS; return whether more may be."""
        with self.database.transaction():
            newest = self.db.execute("SELECT max(n) FROM attempts").fetchone()[0] or 0
            old = self._delete_where("at < ?", now - LEDGER_DAYS * 86_400)
            surplus = self._delete_where("n <= ?", newest - LEDGER_ROWS)
        return TRIMMED in (old, surplus)

    def _delete_where(self, condition: str, bound: float) -> int:
        """Delete up to TRIMMED rows, found by an index; return how many."""
        found = self.db.execute(
            f"SELECT n FROM attempts WHERE {condition} LIMIT ?", (bound, TRIMMED)
        )
        numbers = json.dumps([row["n"] for row in found])
        for table, column in (("attempt_events", "attempt"), ("attempts", "n")):
            deleted = self.db.execute(
                f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))",
                (numbers,),
            )
        return deleted.rowcount
