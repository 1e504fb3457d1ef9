"""The incidents that a web process keeps in memory: now, for curator commands, and at
earlier positions, for time travel."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Lock

import redis

from incidentwire.executor import Executor, run_here
from incidentwire.log.event_log import PAGE, EventLog
from incidentwire.log.log_position import LogPosition
from services.api.errors import PositionAhead, StillFolding
from services.api.read_model.checkpoint import IncidentCheckpoint, fold_until
from services.api.read_model.incident_state import IncidentProjection

KEPT = 4  # past states: a client that reads one reads its parts too
FOLDED_AT_ONCE = 50_000  # events of one request: a few seconds of work


class StateCache:
    """Incidents by position, folded on from the projector's checkpoint.

    One lock for all: web processes serve from greenlets or threads. `run` executes what
    takes long.
    """

    def __init__(
        self,
        connection: redis.Redis,
        checkpoints: IncidentCheckpoint,
        run: Executor = run_here,
    ) -> None:
        self.connection = connection
        self.checkpoints = checkpoints
        self.run = run
        self._lock = Lock()
        self._now = IncidentProjection()
        self._held = LogPosition(log_id="")
        self._past: OrderedDict[int, IncidentProjection] = OrderedDict()

    @contextmanager
    def now(self) -> Iterator[IncidentProjection]:
        """Yield the state at the head of the log, for use within the `with` only."""
        with self._lock:
            self.catch_up()
            yield self._now

    def at(self, position: int) -> IncidentProjection:
        """Return the state after a position of the log, not to be changed.

        It is folded on from the nearest state at hand. If that is far, one request does a
        part of it and raises StillFolding; the next one goes on from there.
        """
        with self._lock:
            self.catch_up()
            if position in self._past:
                self._past.move_to_end(position)
                return self._past[position]
            log = EventLog(self.connection)
            nearest = self._nearest(position)
            state = nearest.copy() if nearest else self._begin(log, position)
            reached = min(position, state.position + FOLDED_AT_ONCE)
            fold_until(state, log, reached)
            self._past[reached] = state
            while len(self._past) > KEPT:
                self._past.popitem(last=False)
            if reached < position:
                raise StillFolding(reached, position)
            return state

    def position_of(self, moment: str) -> int:
        """Return the position of a moment: a position, or the last one not after a time.

        `moment` matches MOMENT_PATTERN of the schemas. Raises PositionAhead.
        """
        log = EventLog(self.connection)
        if re.fullmatch(r"[0-9]{1,16}", moment):
            last = log.last()
            if int(moment) > last:
                raise PositionAhead(last)
            return int(moment)
        # a "+" in a query string arrives as a blank
        time = re.sub(r" (\d\d:\d\d)$", r"+\1", moment)
        return log.position_at(datetime.fromisoformat(time))

    def catch_up(self) -> None:
        """Fold new events, or begin anew if the log changed. Only within `now`.

        Raises StillFolding after FOLDED_AT_ONCE events, and goes on with the next call.
        """
        log = EventLog(self.connection)
        if self._held.mismatch(log):
            self._now = self._begin(log, log.last())
            self._past.clear()
            self._held = LogPosition.at(log, self._now.position)
        until = self._now.position + FOLDED_AT_ONCE
        limit = min(PAGE, FOLDED_AT_ONCE)
        while batch := log.after(self._now.position, limit):
            if self._now.position >= until:
                raise StillFolding(self._now.position, log.last())
            self._now.fold(batch)
            self._now.clear()
            self._held = LogPosition.of(log.id, batch[-1])

    def _nearest(self, position: int) -> IncidentProjection | None:
        states = (self._now, *self._past.values())
        earlier = [state for state in states if state.position <= position]
        return max(earlier, key=lambda state: state.position, default=None)

    def _begin(self, log: EventLog, limit: int) -> IncidentProjection:
        """Return incidents to fold on from, at a position not after `limit`."""
        return self.checkpoints.load(log, limit, self.run) or IncidentProjection()
