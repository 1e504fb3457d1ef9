"""Who gets a correction: subscriptions that were sent its subject, or are about to be.

`sent` holds the subjects of delivered messages; `event_subjects` those of the events that
still wait in `pending`. A row moves from one to the other in one transaction, and each
question is one statement: no moment is between them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from services.api.subscriptions.database import Database

COMPLETED = 1_000  # positions at once


class Recipients:
    """The subjects of sent and waiting events of one database."""

    def __init__(self, database: Database) -> None:
        self.db = database.db

    def of_correction(self, subjects: Sequence[str]) -> dict[str, bool]:
        """Return who gets a correction of these subjects, and whether at once.

        It goes at once to whoever was sent, or may have been sent, what it corrects. It
        waits with what still waits for a digest.
        """
        rows = self.db.execute(
            "WITH named AS (SELECT value FROM json_each(?))"
            " SELECT subscription, max(urgent) AS urgent FROM ("
            "SELECT subscription, 1 AS urgent FROM sent WHERE subject IN named"
            " UNION ALL SELECT p.subscription, p.urgent OR p.attempts > 0"
            " FROM event_subjects e JOIN pending p ON p.position = e.position"
            " WHERE e.subject IN named) GROUP BY subscription",
            (json.dumps(list(subjects)),),
        )
        return {row["subscription"]: bool(row["urgent"]) for row in rows}

    def add_subjects(self, subjects: Mapping[int, Iterable[str]]) -> None:
        """Store the subjects of events that wait, by position."""
        self.db.executemany(
            "INSERT OR IGNORE INTO event_subjects VALUES (?, ?)",
            [
                (position, name)
                for position, names in subjects.items()
                for name in names
            ],
        )

    def positions_without_subjects(self, after: int) -> list[int]:
        """Return the next waiting positions stored by an earlier release, in order."""
        rows = self.db.execute(
            "SELECT DISTINCT position FROM pending WHERE position > ?"
            " AND position NOT IN (SELECT position FROM event_subjects)"
            " ORDER BY position LIMIT ?",
            (after, COMPLETED),
        )
        return [row["position"] for row in rows]

    def sent_among(self, subscription_id: str, subjects: Iterable[str]) -> set[str]:
        """Return those of the subjects that a subscription was sent, or a feed has shown."""
        rows = self.db.execute(
            "SELECT subject FROM sent WHERE subscription = ?"
            " AND subject IN (SELECT value FROM json_each(?))",
            (subscription_id, json.dumps(list(subjects))),
        )
        return {row["subject"] for row in rows}

    def mark_sent(
        self, subscription_id: str, subjects: Iterable[str], position: int
    ) -> None:
        """Note that a message about these subjects was delivered."""
        self.db.executemany(
            "INSERT INTO sent VALUES (?, ?, ?) ON CONFLICT (subscription, subject)"
            " DO UPDATE SET position = max(position, excluded.position)",
            [(subscription_id, subject, position) for subject in subjects],
        )

    def drop_beyond(self, position: int) -> None:
        """Forget the subjects of positions that the log does not have (any more)."""
        self.db.execute("DELETE FROM event_subjects WHERE position > ?", (position,))

    def trim(self) -> None:
        """Forget the subjects of events that no subscription waits for."""
        self.db.execute(
            "DELETE FROM event_subjects"
            " WHERE position NOT IN (SELECT position FROM pending)"
        )
