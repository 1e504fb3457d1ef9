"""The incidents that a web process keeps in memory: as they are now, for the commands of people, and as they were at
earlier positions, for time travel."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

import redis

from incidentwire.log.event_log import EventLog
from services.api.errors import PositionAhead
from services.api.read_model.checkpoint import IncidentCheckpoint, fold_until
from services.api.read_model.incident_state import IncidentProjection
from services.api.read_model.reader import Executor, run_here

KEPT = 4  # states of the past: who looks at one asks for its parts too


class StateCache:
    """Begins with the projector's snapshot, or with an empty log where there is none, and folds what is new. One lock
    for all: web processes serve from greenlets or threads. `run` executes what takes long."""

    def __init__(
        self,
        connection: redis.Redis,
        snapshots: IncidentCheckpoint,
        run: Executor = run_here,
    ) -> None:
        self.connection, self.snapshots, self.run = connection, snapshots, run
        self._lock = Lock()
        self._now, self._log_id = IncidentProjection(), ""
        self._past: OrderedDict[int, IncidentProjection] = OrderedDict()

    @contextmanager
    def now(self) -> Iterator[IncidentProjection]:
        """The state at the head of the log. It may only be used within the `with`, where nobody else changes it."""
        with self._lock:
            self.catch_up()
            yield self._now

    def at(self, position: int) -> IncidentProjection:
        """The state after this position, which must be in the log; not to be changed. It is folded on from the
        nearest one that is at hand."""
        with self._lock:
            self.catch_up()
            if position in self._past:
                self._past.move_to_end(position)
                return self._past[position]
            nearest = max(
                (
                    state
                    for state in (self._now, *self._past.values())
                    if state.position <= position
                ),
                key=lambda state: state.position,
                default=None,
            )
            state = (
                nearest.copy()
                if nearest
                else self._begin(EventLog(self.connection), position)
            )
            fold_until(state, EventLog(self.connection), position)
            self._past[position] = state
            while len(self._past) > KEPT:
                self._past.popitem(last=False)
            return state

    def position_of(self, moment: str) -> int:
        """The position of a `moment`, which fits incident_schemas.MOMENT_PATTERN: of a time, the last one that is not
        after it. Raises Problem 409 for a position that the log has not."""
        log = EventLog(self.connection)
        if re.fullmatch(r"[0-9]{1,16}", moment):
            last = log.last()
            if int(moment) > last:
                raise PositionAhead(last)
            return int(moment)
        return log.position_at(
            datetime.fromisoformat(re.sub(r" (\d\d:\d\d)$", r"+\1", moment))
        )

    def _begin(self, log: EventLog, most: int) -> IncidentProjection:
        """Incidents to fold on from, at a position that is not behind `most`."""
        return self.snapshots.load(log, most, self.run) or IncidentProjection()

    def catch_up(self) -> None:
        """Fold what is new. Only for who holds `now`."""
        log = EventLog(self.connection)
        if log.id != self._log_id:  # the first time, and after a backup was restored
            self._now, self._log_id = self._begin(log, log.last()), log.id
            self._past.clear()
        while batch := log.after(self._now.position):
            self._now.fold(batch)
        self._now.clear()
