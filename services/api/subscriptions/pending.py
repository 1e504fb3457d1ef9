"""Positions that matched a subscription and are not delivered yet."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from services.api.subscriptions.database import Database

# Whether the lease that a member names (any, if it names none) still holds a row.
_HELD = "lease <> '' AND :lease IN ('', lease) AND lease_until > :now AND NOT parked AS held"
_LEASED = "subscription = :subscription AND position = :position AND lease_until > 0"


class GroupLease(NamedTuple):
    """What one member was given: the lease's id, and (position, attempt) pairs."""

    id: str
    events: list[tuple[int, int]]


class PendingPositions:
    """The pending rows of one database; consumer groups lease from them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.db = database.db

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

    def begin_batch(self, subscription_id: str, positions: Sequence[int]) -> None:
        """Note what the next message holds, so that a retry sends the same again."""
        with self.database.transaction():
            self.db.executemany(
                "UPDATE pending SET attempts = 1 WHERE subscription = ? AND position = ?",
                [(subscription_id, position) for position in positions],
            )

    def unfinished_batch(self, subscription_id: str) -> list[int]:
        """Return the positions of a message that was begun and not settled."""
        rows = self.db.execute(
            "SELECT position FROM pending WHERE subscription = ? AND attempts > 0"
            " ORDER BY position",
            (subscription_id,),
        )
        return [row["position"] for row in rows]

    def drop_beyond(self, position: int) -> None:
        """Delete rows of positions that the log does not have (any more)."""
        self.db.execute("DELETE FROM pending WHERE position > ?", (position,))

    def pending_count(self, subscription_id: str) -> int:
        found = self.db.execute(
            "SELECT count(*) FROM pending WHERE subscription = ?", (subscription_id,)
        )
        return int(found.fetchone()[0])

    def drop_pending(self, subscription_id: str, positions: Sequence[int]) -> None:
        if not positions:
            return  # and take no lock
        with self.database.transaction():
            self.db.executemany(
                "DELETE FROM pending WHERE subscription = ? AND position = ?",
                [(subscription_id, position) for position in positions],
            )

    def clear_pending(self, subscription_id: str) -> None:
        self.db.execute(
            "DELETE FROM pending WHERE subscription = ?", (subscription_id,)
        )

    def due(self, now: float, limit: int, after: str = "") -> list[str]:
        """Return active subscriptions that have something to send now, by id.

        A digest is due at `next_at`, a correction at once; both wait for `retry_at`.
        Only ids greater than `after`: the caller takes turns.
        """
        rows = self.db.execute(
            "SELECT id FROM subscriptions s WHERE status = 'active'"
            " AND channel IN ('email', 'webhook') AND retry_at <= ?"
            " AND EXISTS (SELECT 1 FROM pending p WHERE p.subscription = s.id"
            " AND NOT p.parked AND (s.next_at <= ? OR p.urgent))"
            " AND id > ? ORDER BY id LIMIT ?",
            (now, now, after, limit),
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

    def lease(
        self,
        subscription_id: str,
        limit: int,
        now: float,
        lease_s: float,
        *,
        park_after: int,
    ) -> GroupLease:
        """Lease up to `limit` events to a member, each at most `park_after` times."""
        lease_id = secrets.token_hex(8)
        free = (
            "SELECT position, attempts FROM pending WHERE subscription = ?"
            " AND NOT parked AND lease_until <= ?"
            f" AND attempts < {park_after:d} ORDER BY position LIMIT ?"
        )
        # Members that wait ask all the time: the lock is taken for what is there only.
        if not self.db.execute(free, (subscription_id, now, 1)).fetchone():
            return GroupLease(lease_id, [])
        with self.database.transaction():
            rows = self.db.execute(free, (subscription_id, now, limit)).fetchall()
            self.db.executemany(
                "UPDATE pending SET lease_until = ?, lease = ?, attempts = attempts + 1"
                " WHERE subscription = ? AND position = ?",
                [
                    (now + lease_s, lease_id, subscription_id, row["position"])
                    for row in rows
                ],
            )
        events = [(row["position"], row["attempts"] + 1) for row in rows]
        return GroupLease(lease_id, events)

    def acknowledge(
        self,
        subscription_id: str,
        positions: Sequence[int],
        now: float,
        lease_id: str = "",
    ) -> dict[str, list[int]]:
        """Delete leased events; return which were leased, had expired or were not leased.

        If a lease is named, any other one had expired. What was never leased stays:
        after the log lost its end, another event may wait at a position that a member
        knows.
        """
        found: dict[str, list[int]] = {
            "acknowledged": [],
            "expired": [],
            "not_leased": [],
        }
        for position in positions:
            row = self.db.execute(
                f"DELETE FROM pending WHERE {_LEASED} RETURNING {_HELD}",
                {
                    "subscription": subscription_id,
                    "position": position,
                    "lease": lease_id,
                    "now": now,
                },
            ).fetchone()
            if row is None:
                found["not_leased"].append(position)
            else:
                found["acknowledged" if row["held"] else "expired"].append(position)
        return found

    def release(
        self,
        subscription_id: str,
        positions: Sequence[int],
        lease_id: str,
        now: float,
        *,
        delay_s: float,
        park_after: int,
    ) -> dict[str, list[int]]:
        """Return what the lease holds; those tried `park_after` times are parked.

        Returns which events that were, and which it holds no longer or never did: these
        stay as they are, for another member may have them.
        """
        found: dict[str, list[int]] = {"returned": [], "expired": [], "not_leased": []}
        for position in positions:
            values = {
                "subscription": subscription_id,
                "position": position,
                "lease": lease_id,
                "now": now,
                "at": now + delay_s,
                "park_after": park_after,
            }
            row = self.db.execute(
                f"SELECT {_HELD} FROM pending WHERE {_LEASED}", values
            ).fetchone()
            if row is None:
                found["not_leased"].append(position)
            elif not row["held"]:
                found["expired"].append(position)
            else:
                found["returned"].append(position)
                self.db.execute(
                    "UPDATE pending SET lease_until = :at, lease = '',"
                    f" parked = attempts >= :park_after WHERE {_LEASED}",
                    values,
                )
        return found

    def park_exhausted(self, now: float, park_after: int) -> None:
        """Park what was leased `park_after` times and never acknowledged."""
        due = "NOT parked AND attempts >= ? AND lease_until <= ? AND lease_until > 0"
        found = self.db.execute(
            f"SELECT 1 FROM pending WHERE {due} LIMIT 1", (park_after, now)
        )
        if found.fetchone():  # else no lock is taken: this is asked all the time
            self.db.execute(
                f"UPDATE pending SET parked = 1 WHERE {due}", (park_after, now)
            )

    def move_leases(self, since: float, step: float) -> None:
        """Move the ends of leases that ran at a time, for the clock was set since."""
        self.db.execute(
            "UPDATE pending SET lease_until = lease_until + ? WHERE lease_until > ?",
            (step, since),
        )

    def unpark(self, subscription_id: str) -> int:
        """Make all parked events available again; return how many."""
        changed = self.db.execute(
            "UPDATE pending SET parked = 0, attempts = 0, lease_until = 0, lease = ''"
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
