"""The log: an append-only sequence of events on one Redis stream, positions 1, 2, 3 …

Only this module writes the stream, with one script (append.lua). Redis runs with
`appendfsync always`, so an acknowledged append is on disk. Inside MULTI the script is sent
in full each time: with its digest alone, a restarted store would answer NOSCRIPT and lose
the event while the rest of the transaction commits.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import redis
from redis.client import Pipeline

from incidentwire import events
from incidentwire.events import Event, InFlight
from incidentwire.log import codec
from incidentwire.log.append_request import Appended as Appended
from incidentwire.log.append_request import AppendRequest as AppendRequest
from incidentwire.log.append_request import VersionConflict as VersionConflict
from incidentwire.log.append_request import Withdrawn as Withdrawn
from incidentwire.log.recorded_event import RecordedEvent

STREAM = "iw:log"
LOG_ID = "iw:log_id"
IN_FLIGHT = "iw:in_flight"
SUBJECT = "iw:subject:"

VISIBILITY_TIMEOUT_S = 30  # then the keeper requeues an item that no job holds
PAGE = 1000  # entries per XRANGE: about 1 MB
BLOCK_SHARE = 0.8  # of the client's timeout (redis-py: 5 s) that a read may block

_LINES = (Path(__file__).parent / "append.lua").read_text(encoding="utf-8").splitlines()
SCRIPT = "\n".join(
    line for line in _LINES if line.strip() and not line.startswith("--")
)
# the name of the script in Redis
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class EventLog:
    """The log on one Redis. `connection` may decode replies or not."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection

    @cached_property
    def id(self) -> str:
        """Return the identity of the log, read once.

        A log without identity (new, or restored from a backup) gets one from its first
        reader or writer. Otherwise nothing is written.
        """
        held = self.connection.get(LOG_ID)
        if held is None:
            self.connection.setnx(LOG_ID, secrets.token_hex(8))
            held = self.connection.get(LOG_ID)
        return _text(held)

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(
        self,
        subject: str,
        *new_events: Event,
        idempotency_key: str = "",
        expected_versions: Mapping[str, int] | None = None,
        in_same_transaction: Callable[[Pipeline], object] | None = None,
        traceparent: str = "",
    ) -> Appended:
        """Append events of one subject, all or none. `in_same_transaction` adds commands to the same MULTI/EXEC.

        Raises VersionConflict and Withdrawn. The commands that `in_same_transaction` added run in those cases too,
        because MULTI has no condition: a job must read the log before it acts.
        """
        append_request = AppendRequest(
            events=[(subject, event) for event in new_events],
            idempotency_key=idempotency_key,
            expected_versions=expected_versions or {},
            traceparent=traceparent,
        )
        result = self.append_many(
            [append_request], in_same_transaction=in_same_transaction
        )[0]
        if isinstance(result, Exception):
            raise result
        return result

    def append_many(
        self,
        requests: Sequence[AppendRequest],
        *,
        in_same_transaction: Callable[[Pipeline], object] | None = None,
    ) -> list[Appended | VersionConflict | Withdrawn]:
        """Append many requests in one transaction with one fsync; each succeeds or fails by itself."""
        keys, argv = _arguments(requests)
        if in_same_transaction is None:
            rows = self._eval(keys, argv)
        else:
            with self.connection.pipeline(transaction=True) as pipe:
                pipe.multi()  # before the first command: RQ would call it after, and be refused
                pipe.eval(SCRIPT, len(keys), *keys, *argv)
                in_same_transaction(pipe)
                rows = pipe.execute()[0]
        return [_result(row, keys) for row in cast("list[list[Any]]", rows)]

    def _eval(self, keys: Sequence[str], argv: Sequence[str | int]) -> Any:
        """Run the script by its digest, or in full if the store does not know it."""
        try:
            return self.connection.evalsha(SHA, len(keys), *keys, *argv)
        except redis.exceptions.NoScriptError:
            return self.connection.eval(SCRIPT, len(keys), *keys, *argv)

    # -- reading ---------------------------------------------------------------------------------------------------

    def last(self) -> int:
        """Return the last position; 0 for an empty log."""
        newest: Any = self.connection.xrevrange(STREAM, count=1)
        return _position(newest[0][0]) if newest else 0

    def first(self) -> int:
        """Return the first position: 1 unless the log was cut, 0 for an empty log."""
        oldest: Any = self.connection.xrange(STREAM, count=1)
        return _position(oldest[0][0]) if oldest else 0

    def is_gapless(self) -> bool:
        """Return whether first position, last position and length leave no gap."""
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.xrange(STREAM, count=1)
            pipe.xrevrange(STREAM, count=1)
            pipe.xlen(STREAM)
            oldest, newest, length = pipe.execute()
        return not newest or (
            _position(oldest[0][0]) == 1 and _position(newest[0][0]) == length
        )

    def after(self, position: int, limit: int = PAGE) -> list[RecordedEvent]:
        """Return up to `limit` events after `position`, in order."""
        rows: Any = self.connection.xrange(STREAM, min=f"{position + 1}-0", count=limit)
        return [_recorded(row) for row in rows]

    def get(self, position: int) -> RecordedEvent | None:
        """Return the event at a position, None if the log has none there."""
        return self.get_many([position]).get(position)

    def get_many(self, positions: Iterable[int]) -> dict[int, RecordedEvent]:
        """Return the events at these positions in one round trip, by position.

        Positions that the log does not have are left out.
        """
        with self.connection.pipeline(transaction=False) as pipe:
            for position in positions:
                pipe.xrange(STREAM, min=f"{position}-0", max=f"{position}-0")
            found = [_recorded(rows[0]) for rows in pipe.execute() if rows]
        return {entry.position: entry for entry in found}

    def follow(
        self, position: int, *, wait_s: float = 5.0, limit: int = PAGE
    ) -> Iterator[list[RecordedEvent]]:
        """Yield batches of events after `position`, without end.

        A batch is empty if `wait_s` passed without an event.
        """
        while True:
            batch = self.after(position, limit)
            if not batch:
                self._wait(position, wait_s)
                batch = self.after(position, limit)
            if batch:
                position = batch[-1].position
            yield batch

    def read(self, position: int = 0) -> Iterator[RecordedEvent]:
        """Yield every event after `position` up to the current end, in order."""
        while batch := self.after(position):
            yield from batch
            position = batch[-1].position

    def history(self, subject: str) -> list[RecordedEvent]:
        """Return the events of one subject in order; their number is its version."""
        return self.histories([subject])[0]

    def histories(self, subjects: Sequence[str]) -> list[list[RecordedEvent]]:
        """Return the histories of several subjects in two round trips."""
        with self.connection.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hget(SUBJECT + subject, "p")
            positions = [_text(p).split(",") if p else [] for p in pipe.execute()]
            for row in positions:
                for p in row:
                    pipe.xrange(STREAM, min=f"{p}-0", max=f"{p}-0")
            found = iter(pipe.execute())
        return [[_recorded(next(found)[0]) for _ in row] for row in positions]

    def positions_of(self, subjects: Sequence[str]) -> list[list[int]]:
        """Return the positions of each subject's events, in one round trip."""
        with self.connection.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hget(SUBJECT + subject, "p")
            found = pipe.execute()
        return [[int(p) for p in _text(row).split(",")] if row else [] for row in found]

    def first_positions(self, subjects: Sequence[str]) -> dict[str, int]:
        """Return the first position of each subject; unknown ones are left out."""
        with self.connection.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hget(SUBJECT + subject, "p")
            found = zip(subjects, pipe.execute(), strict=True)
        return {subject: int(_text(p).partition(",")[0]) for subject, p in found if p}

    def position_at(self, moment: datetime) -> int:
        """Return the last position not after `moment`; 0 if the log begins later.

        A binary search: time never decreases along the log.
        """
        wanted = int(moment.timestamp() * 1000)
        low = 0
        high = self.last()
        while low < high:
            middle = (low + high + 1) // 2
            entry = self.get(middle)
            if entry is not None and entry.time_ms <= wanted:
                low = middle
            else:
                high = middle - 1
        return low

    def _wait(self, position: int, wait_s: float) -> None:
        kwargs = self.connection.connection_pool.connection_kwargs
        timeout_s: float = kwargs.get("socket_timeout") or float("inf")
        wait_s = min(wait_s, BLOCK_SHARE * timeout_s)
        began = time.monotonic()
        rows = self.connection.xread(
            {STREAM: f"{position}-0"}, count=1, block=max(1, int(wait_s * 1000))
        )
        if not rows and time.monotonic() - began < wait_s / 10:
            # a connection that cannot block must not become a busy loop
            time.sleep(wait_s / 10)


def _arguments(requests: Sequence[AppendRequest]) -> tuple[list[str], list[str | int]]:
    keys = [STREAM, IN_FLIGHT]
    index: dict[str, int] = {}

    def key(subject: str) -> int:
        if subject not in index:
            keys.append(SUBJECT + subject)
            index[subject] = len(keys)
        return index[subject]

    argv: list[str | int] = [len(requests)]
    for append_request in requests:
        scope = append_request.idempotency_scope or append_request.events[0][0]
        argv += [
            key(scope),
            append_request.idempotency_key,
            len(append_request.expected_versions),
        ]
        for subject, version in append_request.expected_versions.items():
            argv += [key(subject), version]
        fence = append_request.fence
        if fence is None:
            argv += [0, "", ""]
        else:
            argv += [key(fence.subject), fence.expected, fence.next]
        argv.append(len(append_request.events))
        for subject, event in append_request.events:
            argv += [
                key(subject),
                subject,
                codec.stored_type(event),
                codec.encode(event),
                _due(event),
            ]
            argv += [append_request.traceparent, "1" if event.seals else ""]
    return keys, argv


def _due(event: Event) -> str:
    """Return the effect on the in-flight set, in the notation of append.lua."""
    match event.in_flight:
        case InFlight.ENQUEUES:
            return f"+{VISIBILITY_TIMEOUT_S}"
        case InFlight.COMPLETES:
            return "-"
        case InFlight.DELAYS:
            deferred = cast("events.ItemDeferred", event)
            return str(datetime.fromisoformat(deferred.next_try).timestamp())
        case _:
            return ""


def _result(
    row: list[Any], keys: Sequence[str]
) -> Appended | VersionConflict | Withdrawn:
    match _text(row[0]):
        case "ok":
            return Appended(first=row[1], last=row[2])
        case "known":
            return Appended(first=row[1], last=row[1], new=False)
        case "conflict":
            return VersionConflict(keys[row[2] - 1].removeprefix(SUBJECT), row[1])
        case _:
            return Withdrawn("This item was withdrawn. Nothing can be added to it.")


def _recorded(row: tuple[Any, Mapping[Any, Any]]) -> RecordedEvent:
    stream_id, fields = row
    t, s, at, d, *trace = fields.values()  # written in this order by append.lua
    return RecordedEvent(
        position=_position(stream_id),
        type=_text(t),
        subject=_text(s),
        time_ms=int(at),
        data=_text(d),
        traceparent=_text(trace[0]) if trace else "",
    )


def _position(stream_id: str | bytes) -> int:
    return int(_text(stream_id).partition("-")[0])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
