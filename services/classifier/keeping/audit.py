"""The audit: nothing is lost, nothing is left over.

submitted = classified + rejected + aliased + withdrawn + in flight; the log has no gaps;
the archive holds what events name, and nothing else. `incidentwire check` audits
everything; the keeper audits each minute what changed since (IncrementalAudit). repair.py
repairs what can be repaired.
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
from services.classifier.keeping.retained import Retained, retained

BATCH = 500  # items folded at once
OVERDUE_S = 120.0  # an item in flight that is due for longer has no process
ORPHAN_S = 86_400.0  # bytes are stored before their event: younger ones may get theirs
MANY = 10  # items of the archive that the log may not know before it is doubted
CONSISTENT_READS = 5  # attempts to read an item and its in-flight entry at one moment


class FindingKind(StrEnum):
    """The kinds of findings."""

    LOG_HAS_GAPS = "log_has_gaps"
    INDEX_DISAGREES = "index_disagrees"
    NOT_IN_FLIGHT = "not_in_flight"
    IN_FLIGHT_ENDED = "in_flight_ended"
    OVERDUE = "overdue"
    MISSING = "missing"
    DAMAGED = "damaged"
    UNDELETED = "undeleted"
    ORPHAN = "orphan"
    ANOTHER_LOG = "another_log"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `subject` is an item, `digest` an archive object of it."""

    kind: FindingKind
    subject: str = ""
    digest: str = ""


@dataclass(kw_only=True)
class Audit:
    """Items by state according to their events, entries in flight, and all findings."""

    states: Counter[State] = field(default_factory=Counter)
    in_flight: int = 0
    objects: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def submitted(self) -> int:
        return sum(self.states.values())

    @property
    def difference(self) -> int:
        """Return submitted - (classified + rejected + aliased + withdrawn + in flight).

        Anything but 0 means lost items.
        """
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
    """Audit everything and change nothing; the system may be running.

    `read_bytes` compares the stored content of each item's newest revision with its
    digest. `advance` is called for each item.
    """
    result = Audit()
    if not log.is_gapless():
        result.found(FindingKind.LOG_HAS_GAPS)  # nothing further can be read
        return result
    events = Counter(
        entry.subject for entry in log.read() if entry.type.startswith("item.")
    )
    pending_by_item: dict[str, bool] = {}
    for ids in queue.batches(list(events), BATCH):
        for found in _retained(log, ids):
            item = found.item
            result.states[item.state] += 1
            pending_by_item[item.id] = _is_in_flight(item)
            if item.version < events[item.id]:
                result.found(FindingKind.INDEX_DISAGREES, item.id)
            _look_into_archive(result, log, archive, found, read_bytes)
            advance()
    _look_at_flights(result, log, pending_by_item, now)
    _look_for_strays(result, log, archive, now)
    return result


def in_flight_mismatches(
    log: EventLog, expected: dict[str, bool]
) -> Iterator[tuple[str, bool]]:
    """Yield (item, in flight by its events) if the entry in Redis disagrees.

    `expected` may be out of date: each mismatch is read again, events and entry at once.
    """
    store = cast("Any", log.connection)
    for ids in queue.batches(list(expected), BATCH):
        for item_id, due in zip(ids, store.zmscore(IN_FLIGHT, list(ids)), strict=True):
            if expected[item_id] is (due is not None):
                continue
            item, is_there = consistent_item(log, item_id)
            if item is not None and _is_in_flight(item) is not is_there:
                yield item_id, _is_in_flight(item)


def consistent_item(log: EventLog, item_id: str) -> tuple[Item | None, bool]:
    """Return (item, whether Redis has it in flight) at one moment; None if it changes
    too fast to be read."""
    for _ in range(CONSISTENT_READS):
        item = items.fold_all(item_id, log.history(item_id))
        with log.connection.pipeline(transaction=True) as pipe:
            pipe.hget(SUBJECT + item_id, "n")
            pipe.zscore(IN_FLIGHT, item_id)
            version, due = pipe.execute()
        if int(version or 0) == item.version:
            return item, due is not None
    return None, False


class IncrementalAudit:
    """The keeper's audit of what changed since the last run, first since its start."""

    def __init__(self, log: EventLog) -> None:
        self.log = log
        self.position = log.last()

    def step(self, now: float, limit: int = 5000) -> tuple[list[Finding], bool]:
        """Return the findings, and whether there is more to audit."""
        if not self.log.is_gapless():
            return [Finding(kind=FindingKind.LOG_HAS_GAPS)], False
        batch = self.log.after(self.position, limit)
        wrong = [
            Finding(
                kind=FindingKind.NOT_IN_FLIGHT
                if is_pending
                else FindingKind.IN_FLIGHT_ENDED,
                subject=item_id,
            )
            for item_id, is_pending in in_flight_mismatches(self.log, _flights(batch))
        ]
        self.position = batch[-1].position if batch else self.position
        wrong += [
            Finding(kind=FindingKind.OVERDUE, subject=item_id)
            for item_id in overdue(self.log, now, 1)
        ]
        return wrong, len(batch) == limit


def overdue(log: EventLog, now: float, limit: int = -1) -> list[str]:
    """Return items in flight that no process handled when they were due."""
    store = cast("Any", log.connection)
    found = store.zrangebyscore(IN_FLIGHT, "-inf", now - OVERDUE_S, start=0, num=limit)
    return [item_id.decode() for item_id in found]


def _flights(batch: Iterable[RecordedEvent]) -> dict[str, bool]:
    """Return by item whether the last of these events leaves it in flight."""
    says: dict[str, bool] = {}
    for entry in batch:
        kind = TYPES.get(entry.type.partition(":")[0])
        if kind is not None and kind.in_flight is not InFlight.UNTOUCHED:
            says[entry.subject] = kind.in_flight is not InFlight.COMPLETES
    return says


def _is_in_flight(item: Item) -> bool:
    return item.version > 0 and not item.ended


def _retained(log: EventLog, ids: Sequence[str]) -> Iterator[Retained]:
    for item_id, history in zip(ids, log.histories(ids), strict=True):
        yield retained(item_id, history)


def _look_at_flights(
    result: Audit, log: EventLog, pending_by_item: dict[str, bool], now: float
) -> None:
    """Compare every item with its entry in flight, and count the entries."""
    members = {
        item_id.decode()
        for item_id in cast("Any", log.connection).zrange(IN_FLIGHT, 0, -1)
    }
    # entries of no item at all, or of one that was just submitted
    strangers = dict.fromkeys(members - pending_by_item.keys(), False)
    wrong = dict(in_flight_mismatches(log, pending_by_item | strangers))
    lost = sum(wrong.values())
    result.in_flight = sum(pending_by_item.values()) - lost + (len(wrong) - lost)
    for item_id, is_pending in wrong.items():
        result.found(
            FindingKind.NOT_IN_FLIGHT if is_pending else FindingKind.IN_FLIGHT_ENDED,
            item_id,
        )
    for item_id in overdue(log, now):
        result.found(FindingKind.OVERDUE, item_id)


def _look_into_archive(
    result: Audit, log: EventLog, archive: Archive, found: Retained, read_bytes: bool
) -> None:
    """Find objects of the newest revision that are missing or damaged."""
    for digest in sorted(found.needed):
        try:
            if read_bytes:
                archive.get(found.item.id, digest)
            elif not archive.has(found.item.id, digest):
                raise ContentNotFound(digest)
        except ContentCorrupt:
            result.found(FindingKind.DAMAGED, found.item.id, digest)
        except ContentNotFound:
            now = retained(found.item.id, log.history(found.item.id))
            if digest in now.needed:  # unless it was withdrawn meanwhile
                result.found(FindingKind.MISSING, found.item.id, digest)


def _look_for_strays(
    result: Audit, log: EventLog, archive: Archive, now: float
) -> None:
    """Find objects that should not be stored.

    If the log knows fewer than half of the archive's items, it has lost them: nothing
    is a stray then, since a backup of the log would need it.
    """
    held: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for item_id, digest, made in archive.objects():
        held[item_id].append((digest, made))
        result.objects += 1
    strays: list[Finding] = []
    unknown = 0
    for ids in queue.batches(list(held), BATCH):
        for found in _retained(log, ids):
            unknown += not found.item.version
            for digest, made in held[found.item.id]:
                if kind := stray(found, digest, now - made):
                    strays.append(
                        Finding(kind=kind, subject=found.item.id, digest=digest)
                    )
    if unknown > max(MANY, len(held) / 2):
        result.found(FindingKind.ANOTHER_LOG)
    else:
        result.findings += strays


def stray(found: Retained, digest: str, age_s: float) -> FindingKind | None:
    """Return why these bytes should not be stored, None if they may be."""
    if found.item.state is State.WITHDRAWN or digest in found.gone:
        # an item in flight may be storing them again
        return FindingKind.UNDELETED if found.item.ended else None
    if digest in found.named or age_s < ORPHAN_S or _is_in_flight(found.item):
        return None
    return FindingKind.ORPHAN
