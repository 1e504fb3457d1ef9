"""What there is, in numbers, from the read model and the log together."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from incidentwire.items import IN_FLIGHT as STATES_IN_FLIGHT
from incidentwire.items import State
from incidentwire.labels import LABELS
from incidentwire.log.event_log import IN_FLIGHT, STREAM
from services.api.read_model.reader import Reader

RECENT_ITEMS = 1_000  # classified items whose labels are compared with all of them
ENDED = tuple(state for state in State if state not in STATES_IN_FLIGHT)


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Counts of items by state and by label as of `position`; `last` and `in_flight` are the store's, at one moment."""

    position: int
    log_id: str
    last: int
    in_flight: int
    states: Mapping[str, int]
    labels: Mapping[str, int]
    recent_items: int  # the newest classified items, at most RECENT_ITEMS
    recent_labels: Mapping[str, int]

    @property
    def submitted(self) -> int:
        return sum(self.states.values())

    @property
    def lag(self) -> int:
        """Events that the read model has still to take in."""
        return self.last - self.position

    @property
    def conservation(self) -> int | None:
        """submitted - (classified + rejected + aliased + withdrawn + in flight): 0, or items were lost. Known only at
        moments at which the read model is up with the log."""
        if self.lag:
            return None
        return (
            self.submitted - sum(self.states[state] for state in ENDED) - self.in_flight
        )

    @property
    def drift(self) -> Mapping[str, float]:
        """Population stability index of each label: newest items against all of them.

        The share in the training texts is no baseline: they were chosen for rare
        labels. Common reading: below 0.1 stable, from 0.25 a shift.
        """
        classified = self.states[State.CLASSIFIED]
        return {
            label: _stability(
                _share(self.recent_labels[label], self.recent_items),
                _share(self.labels[label], classified),
            )
            for label in LABELS
        }


def _share(count: int, total: int) -> float:
    """Return a share that is never 0 or 1."""
    return (count + 0.5) / (total + 1.0) if count <= total else 0.5


def _stability(now: float, before: float) -> float:
    given = (now - before) * math.log(now / before)
    absent = (before - now) * math.log((1.0 - now) / (1.0 - before))
    return given + absent


def gather(reader: Reader, connection: redis.Redis) -> Stats:
    """Return the counts. Raises ReadModelUnavailable, and redis' errors."""
    counts = reader.read(_counts)
    with connection.pipeline(transaction=True) as pipe:
        pipe.xrevrange(STREAM, count=1)
        pipe.zcard(IN_FLIGHT)
        newest, in_flight = pipe.execute()
    last = int(newest[0][0].partition(b"-")[0]) if newest else 0
    return Stats(last=last, in_flight=in_flight, **counts)


def _counts(db: sqlite3.Connection) -> dict[str, Any]:
    position, log_id = db.execute("SELECT position, log_id FROM checkpoint").fetchone()
    states = dict(db.execute("SELECT state, items FROM state_counts"))
    labels = dict(db.execute("SELECT label, items FROM label_counts"))
    first, recent_items = db.execute(
        "SELECT MIN(n), COUNT(*) FROM (SELECT n FROM items WHERE state = ?"
        " ORDER BY n DESC LIMIT ?)",
        (str(State.CLASSIFIED), RECENT_ITEMS),
    ).fetchone()
    recent = dict(
        db.execute(
            "SELECT label, COUNT(*) FROM item_labels WHERE n >= ? GROUP BY label",
            (first or 0,),
        )
    )
    return {
        "position": position,
        "log_id": log_id,
        "states": {str(state): states.get(str(state), 0) for state in State},
        "labels": {label: labels.get(label, 0) for label in LABELS},
        "recent_items": recent_items,
        "recent_labels": {label: recent.get(label, 0) for label in LABELS},
    }
