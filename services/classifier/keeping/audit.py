"""Is everything there? submitted = classified + rejected + aliased + withdrawn + in flight; the log without gaps; in
the archive what events name, and nothing else. `incidentwire check` asks all of it; the keeper asks each minute what
has changed since (Watch). mending.py puts right what can be.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, cast

from incidentwire import items, queue
from incidentwire.archive import Archive, ContentCorrupt, ContentNotFound
from incidentwire.events import TYPES, InFlight
from incidentwire.items import Item, State
from incidentwire.log.event_log import IN_FLIGHT, SUBJECT, EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.classifier.keeping.retained import Retained, kept

BATCH = 500  # items folded at once
OVERDUE_S = (
    120.0  # past its time by so much, an item in flight is looked after by nobody
)
ORPHAN_S = (
    86_400.0  # bytes are kept before their event: younger ones may still get theirs
)
SNAPSHOTS = 5  # tries to see an item and its place in flight at one moment


class FindingKind(StrEnum):
    """What can be wrong."""

    LOG_HAS_GAPS = "log_has_gaps"
    INDEX_DISAGREES = "index_disagrees"
    NOT_IN_FLIGHT = "not_in_flight"
    IN_FLIGHT_ENDED = "in_flight_ended"
    OVERDUE = "overdue"
    MISSING = "missing"
    DAMAGED = "damaged"
    UNDELETED = "undeleted"
    ORPHAN = "orphan"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong. `subject` is an item; `digest` names bytes of it in the archive."""

    kind: FindingKind
    subject: str = ""
    digest: str = ""


@dataclass(kw_only=True)
class Audit:
    """Items by state as their events have it, what Redis holds in flight, and everything that is wrong."""

    states: Counter[State] = field(default_factory=Counter)
    in_flight: int = 0
    objects: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def submitted(self) -> int:
        return sum(self.states.values())

    @property
    def difference(self) -> int:
        """submitted - (classified + rejected + aliased + withdrawn + in flight): 0, or items were lost."""
        ended = sum(
            count
            for state, count in self.states.items()
            if state not in items.IN_FLIGHT
        )
        return self.submitted - ended - self.in_flight

    def found(self, kind: FindingKind, subject: str = "", digest: str = "") -> None:
        self.findings.append(Finding(kind=kind, subject=subject, digest=digest))


def audit(
    log: EventLog,
    archive: Archive,
    now: float,
    *,
    read_bytes: bool = True,
    advance: Callable[[], object] = lambda: None,
) -> Audit:
    """Look at everything, while the system may be at work. `read_bytes` reads what the archive holds of each item's
    newest revision, and compares it with its digest; `advance` is called for each item. Nothing is changed."""
    result = Audit()
    if not log.is_gapless():
        result.found(
            FindingKind.LOG_HAS_GAPS
        )  # every further reading would stumble over it
        return result
    events = Counter(
        entry.subject for entry in log.read() if entry.type.startswith("item.")
    )
    flies: dict[str, bool] = {}
    for ids in queue.batches(list(events), BATCH):
        for found in _kept(log, ids):
            item = found.item
            result.states[item.state] += 1
            flies[item.id] = _flies(item)
            if item.version < events[item.id]:
                result.found(FindingKind.INDEX_DISAGREES, item.id)
            _look_into_archive(result, log, archive, found, read_bytes)
            advance()
    _look_at_flights(result, log, flies, now)
    _look_for_strays(result, log, archive, now)
    return result


def in_flight_mismatches(
    log: EventLog, expected: dict[str, bool]
) -> Iterator[tuple[str, bool]]:
    """(item, is in flight by its events) of those whose place in Redis says otherwise. `expected` may be out of date:
    each mismatch is looked at again, events and place at one moment."""
    store = cast("Any", log.connection)
    for ids in queue.batches(list(expected), BATCH):
        for item_id, due in zip(ids, store.zmscore(IN_FLIGHT, list(ids)), strict=True):
            if expected[item_id] is (due is not None):
                continue
            item, is_there = snapshot(log, item_id)
            if item is not None and _flies(item) is not is_there:
                yield item_id, _flies(item)


def snapshot(log: EventLog, item_id: str) -> tuple[Item | None, bool]:
    """(the item, whether Redis has it in flight) at one moment; None where it changes too fast to be seen."""
    for _ in range(SNAPSHOTS):
        item = items.fold_all(item_id, log.history(item_id))
        with log.connection.pipeline(transaction=True) as pipe:
            pipe.hget(SUBJECT + item_id, "n")
            pipe.zscore(IN_FLIGHT, item_id)
            version, due = pipe.execute()
        if int(version or 0) == item.version:
            return item, due is not None
    return None, False


class IncrementalAudit:
    """The cheap part, for the keeper: what has changed since the last look, from the log's end at the start on."""

    def __init__(self, log: EventLog) -> None:
        self.log, self.position = log, log.last()

    def look(self, now: float, limit: int = 5000) -> tuple[list[Finding], bool]:
        """What is wrong, and whether there is more to look at."""
        if not self.log.is_gapless():
            return [Finding(kind=FindingKind.LOG_HAS_GAPS)], False
        batch = self.log.after(self.position, limit)
        wrong = [
            Finding(
                kind=FindingKind.NOT_IN_FLIGHT
                if flies
                else FindingKind.IN_FLIGHT_ENDED,
                subject=item_id,
            )
            for item_id, flies in in_flight_mismatches(self.log, _flights(batch))
        ]
        self.position = batch[-1].position if batch else self.position
        wrong += [
            Finding(kind=FindingKind.OVERDUE, subject=item_id)
            for item_id in overdue(self.log, now, 1)
        ]
        return wrong, len(batch) == limit


def overdue(log: EventLog, now: float, limit: int = -1) -> list[str]:
    """Items in flight that nobody has looked at when their time had come."""
    store = cast("Any", log.connection)
    found = store.zrangebyscore(IN_FLIGHT, "-inf", now - OVERDUE_S, start=0, num=limit)
    return [item_id.decode() for item_id in found]


def _flights(batch: Iterable[RecordedEvent]) -> dict[str, bool]:
    """item -> is in flight, by the last of these events that says so."""
    says: dict[str, bool] = {}
    for entry in batch:
        kind = TYPES.get(entry.type.partition(":")[0])
        if kind is not None and kind.in_flight is not InFlight.UNTOUCHED:
            says[entry.subject] = kind.in_flight is not InFlight.COMPLETES
    return says


def _flies(item: Item) -> bool:
    return item.version > 0 and not item.ended


def _kept(log: EventLog, ids: Sequence[str]) -> Iterator[Retained]:
    for item_id, history in zip(ids, log.histories(ids), strict=True):
        yield kept(item_id, history)


def _look_at_flights(
    result: Audit, log: EventLog, flies: dict[str, bool], now: float
) -> None:
    """Compare every item with its place in flight, and count the places."""
    members = {
        item_id.decode()
        for item_id in cast("Any", log.connection).zrange(IN_FLIGHT, 0, -1)
    }
    strangers = dict.fromkeys(
        members - flies.keys(), False
    )  # of no item at all, or of one that has just come
    wrong = dict(in_flight_mismatches(log, flies | strangers))
    lost = sum(wrong.values())
    result.in_flight = sum(flies.values()) - lost + (len(wrong) - lost)
    for item_id, should_fly in wrong.items():
        result.found(
            FindingKind.NOT_IN_FLIGHT if should_fly else FindingKind.IN_FLIGHT_ENDED,
            item_id,
        )
    for item_id in overdue(log, now):
        result.found(FindingKind.OVERDUE, item_id)


def _look_into_archive(
    result: Audit, log: EventLog, archive: Archive, found: Retained, read_bytes: bool
) -> None:
    """Is there what the newest revision names, and is it what its digest says?"""
    for digest in sorted(found.needed):
        try:
            if read_bytes:
                archive.get(found.item.id, digest)
            elif not archive.has(found.item.id, digest):
                raise ContentNotFound(digest)
        except ContentCorrupt:
            result.found(FindingKind.DAMAGED, found.item.id, digest)
        except ContentNotFound:
            if (
                digest in kept(found.item.id, log.history(found.item.id)).needed
            ):  # not deleted by right meanwhile
                result.found(FindingKind.MISSING, found.item.id, digest)


def _look_for_strays(
    result: Audit, log: EventLog, archive: Archive, now: float
) -> None:
    """Is there anything that should not be there?"""
    held: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for item_id, digest, made in archive.objects():
        held[item_id].append((digest, made))
        result.objects += 1
    for ids in queue.batches(list(held), BATCH):
        for found in _kept(log, ids):
            for digest, made in held[found.item.id]:
                if kind := stray(found, digest, now - made):
                    result.found(kind, found.item.id, digest)


def stray(found: Retained, digest: str, age_s: float) -> FindingKind | None:
    """Why these bytes should not be in the archive; None where they may."""
    if found.item.state is State.WITHDRAWN or digest in found.gone:
        return (
            FindingKind.UNDELETED if found.item.ended else None
        )  # what is in flight may just be keeping it again
    if digest in found.named or age_s < ORPHAN_S or _flies(found.item):
        return None
    return FindingKind.ORPHAN
