"""The log: an append-only sequence of events on one Redis stream, at positions 1, 2, 3 … without gaps.

This is the one place that writes the stream, and it does so with one script (append.lua). Redis runs with
`appendfsync always`, so an answered append is on disk. Inside MULTI the script is sent whole each time: a forgotten one
(NOSCRIPT after a restart) would lose the event while the rest of the transaction commits.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import redis
from redis.client import Pipeline

from incidentwire import events
from incidentwire.events import Event, InFlight
from incidentwire.log import codec
from incidentwire.log.recorded_event import Recorded

STREAM = "iw:log"
LOG_ID = "iw:log_id"
IN_FLIGHT = "iw:in_flight"
SUBJECT = "iw:subject:"

LOOK_AFTER_S = 30  # an item that was asked for and is not ended by then is looked at by the keeper
PAGE = 1000  # entries per XRANGE: about 1 MB

_LINES = (Path(__file__).parent / "append.lua").read_text(encoding="utf-8").splitlines()
SCRIPT = "\n".join(line for line in _LINES if line.strip() and not line.startswith("--"))
SHA = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()  # Redis' name for the script


class VersionConflict(Exception):
    """The subject has moved on since it was read. `version` is the one it has now."""

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(f"{subject} is at version {version}")
        self.subject, self.version = subject, version


class Withdrawn(Exception):
    """The subject was withdrawn; nothing can be appended to it."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is appended whole or not at all: (subject, event) pairs, a claim that lets it happen once, scoped to
    `claim_on` (the first subject, if not given), and the versions (events so far) that subjects must have."""

    facts: Sequence[tuple[str, Event]]
    once: str = ""
    claim_on: str = ""
    expect: Mapping[str, int] = field(default_factory=dict)
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class Appended:
    """Where a unit stands in the log. Where the claim was taken before, `new` is False and `last` that position."""

    first: int
    last: int
    new: bool = True


class Log:
    """The log on one Redis. `connection` may decode responses or not."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection

    @cached_property
    def id(self) -> str:
        """The log's identity: cursors of another log are answered by `gap`."""
        self.connection.setnx(LOG_ID, secrets.token_hex(8))
        return _text(self.connection.get(LOG_ID))

    # -- writing ---------------------------------------------------------------------------------------------------

    def append(
        self,
        subject: str,
        *facts: Event,
        once: str = "",
        expect: Mapping[str, int] | None = None,
        also: Callable[[Pipeline], object] | None = None,
        traceparent: str = "",
    ) -> Appended:
        """Append events of one subject, whole or not at all. `also` adds commands to the same MULTI/EXEC.

        Raises VersionConflict and Withdrawn. What `also` added is executed in those cases too (MULTI has no
        condition), so a job must look at the log before it acts.
        """
        unit = Unit(facts=[(subject, fact) for fact in facts], once=once, expect=expect or {}, traceparent=traceparent)
        result = self.append_many([unit], also=also)[0]
        if isinstance(result, Exception):
            raise result
        return result

    def append_many(
        self, units: Sequence[Unit], *, also: Callable[[Pipeline], object] | None = None
    ) -> list[Appended | VersionConflict | Withdrawn]:
        """Append many units in one transaction, with one fsync; each stands or falls by itself."""
        keys, argv = _arguments(units)
        if also is None:
            rows = self._eval(keys, argv)
        else:
            with self.connection.pipeline(transaction=True) as pipe:
                pipe.multi()  # before the first command: RQ would call it after, and be refused
                pipe.eval(SCRIPT, len(keys), *keys, *argv)
                also(pipe)
                rows = pipe.execute()[0]
        return [_result(row, keys) for row in cast("list[list[Any]]", rows)]

    def _eval(self, keys: Sequence[str], argv: Sequence[str | int]) -> Any:
        """The script by its digest, or whole where the store does not know it. Never so inside MULTI, see above."""
        try:
            return self.connection.evalsha(SHA, len(keys), *keys, *argv)
        except redis.exceptions.NoScriptError:
            return self.connection.eval(SCRIPT, len(keys), *keys, *argv)

    # -- reading ---------------------------------------------------------------------------------------------------

    def last(self) -> int:
        """The last position; 0 for an empty log."""
        newest: Any = self.connection.xrevrange(STREAM, count=1)
        return _position(newest[0][0]) if newest else 0

    def first(self) -> int:
        """The first position that is still there: 1, unless somebody cut the log; 0 for an empty log."""
        oldest: Any = self.connection.xrange(STREAM, count=1)
        return _position(oldest[0][0]) if oldest else 0

    def is_whole(self) -> bool:
        """True where first and last position and the length agree that nothing is missing."""
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.xrange(STREAM, count=1)
            pipe.xrevrange(STREAM, count=1)
            pipe.xlen(STREAM)
            oldest, newest, length = pipe.execute()
        return not newest or (_position(oldest[0][0]) == 1 and _position(newest[0][0]) == length)

    def after(self, position: int, limit: int = PAGE) -> list[Recorded]:
        """Up to `limit` events behind `position`, in order."""
        rows: Any = self.connection.xrange(STREAM, min=f"{position + 1}-0", count=limit)
        return [_recorded(row) for row in rows]

    def at(self, position: int) -> Recorded | None:
        rows: Any = self.connection.xrange(STREAM, min=f"{position}-0", max=f"{position}-0")
        return _recorded(rows[0]) if rows else None

    def follow(self, position: int, *, wait_s: float = 5.0, limit: int = PAGE) -> Iterator[list[Recorded]]:
        """Batches of events behind `position`, for ever; an empty batch each time `wait_s` passed without one."""
        while True:
            batch = self.after(position, limit)
            if not batch:
                self._wait(position, wait_s)
                batch = self.after(position, limit)
            if batch:
                position = batch[-1].position
            yield batch

    def read(self, position: int = 0) -> Iterator[Recorded]:
        """Every event behind `position` that is there now, in order, a page at a time."""
        while batch := self.after(position):
            yield from batch
            position = batch[-1].position

    def of(self, subject: str) -> list[Recorded]:
        """One subject's own history, in order; its length is the subject's version."""
        return self.of_many([subject])[0]

    def of_many(self, subjects: Sequence[str]) -> list[list[Recorded]]:
        """The histories of several subjects, in two round trips."""
        with self.connection.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hget(SUBJECT + subject, "p")
            positions = [_text(p).split(",") if p else [] for p in pipe.execute()]
            for row in positions:
                for p in row:
                    pipe.xrange(STREAM, min=f"{p}-0", max=f"{p}-0")
            found = iter(pipe.execute())
        return [[_recorded(next(found)[0]) for _ in row] for row in positions]

    def first_positions(self, subjects: Sequence[str]) -> dict[str, int]:
        """Where each known subject begins; subjects without events are left out."""
        with self.connection.pipeline(transaction=False) as pipe:
            for subject in subjects:
                pipe.hget(SUBJECT + subject, "p")
            found = zip(subjects, pipe.execute(), strict=True)
        return {subject: int(_text(p).partition(",")[0]) for subject, p in found if p}

    def position_at(self, moment: datetime) -> int:
        """The last position whose time is not after `moment`; 0 where the log begins later. A binary search, since
        time never runs back along the log."""
        wanted, low, high = int(moment.timestamp() * 1000), 0, self.last()
        while low < high:
            middle = (low + high + 1) // 2
            entry = self.at(middle)
            if entry is not None and entry.time_ms <= wanted:
                low = middle
            else:
                high = middle - 1
        return low

    def _wait(self, position: int, wait_s: float) -> None:
        began = time.monotonic()
        rows = self.connection.xread({STREAM: f"{position}-0"}, count=1, block=max(1, int(wait_s * 1000)))
        if not rows and time.monotonic() - began < wait_s / 10:
            time.sleep(wait_s / 10)  # a connection that cannot block must not become a busy loop


def _arguments(units: Sequence[Unit]) -> tuple[list[str], list[str | int]]:
    keys = [STREAM, IN_FLIGHT]
    index: dict[str, int] = {}

    def key(subject: str) -> int:
        if subject not in index:
            keys.append(SUBJECT + subject)
            index[subject] = len(keys)
        return index[subject]

    argv: list[str | int] = [len(units)]
    for unit in units:
        argv += [key(unit.claim_on or unit.facts[0][0]), unit.once, len(unit.expect)]
        for subject, version in unit.expect.items():
            argv += [key(subject), version]
        argv.append(len(unit.facts))
        for subject, event in unit.facts:
            argv += [key(subject), subject, codec.stored_type(event), codec.encode(event), _due(event)]
            argv.append(unit.traceparent)
    return keys, argv


def _due(event: Event) -> str:
    match event.in_flight:
        case InFlight.ASKS:
            return f"+{LOOK_AFTER_S}"
        case InFlight.ENDS:
            return "-"
        case InFlight.WAITS:
            return str(datetime.fromisoformat(cast("events.ItemDeferred", event).next_try).timestamp())
        case _:
            return ""


def _result(row: list[Any], keys: Sequence[str]) -> Appended | VersionConflict | Withdrawn:
    match _text(row[0]):
        case "ok":
            return Appended(first=row[1], last=row[2])
        case "known":
            return Appended(first=row[1], last=row[1], new=False)
        case "conflict":
            return VersionConflict(keys[row[2] - 1].removeprefix(SUBJECT), row[1])
        case _:
            return Withdrawn("this item was withdrawn: nothing can be added to it")


def _recorded(row: tuple[Any, Mapping[Any, Any]]) -> Recorded:
    stream_id, fields = row
    t, s, at, d, *trace = fields.values()  # written in this order by append.lua
    return Recorded(
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
