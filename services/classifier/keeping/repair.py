"""Puts right what conservation.py finds, where that can be done without losing anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from incidentwire.archive import Archive
from incidentwire.log.event_log import IN_FLIGHT, EventLog
from services.classifier.keeping.audit import (
    ORPHAN_S,
    Finding,
    FindingKind,
    snapshot,
    stray,
)
from services.classifier.keeping.requeue import requeue_expired
from services.classifier.keeping.retained import kept
from services.classifier.keeping.retention import erase


@dataclass(frozen=True, kw_only=True)
class RepairContext:
    """What mending needs. `now` is in seconds since the epoch."""

    log: EventLog
    archive: Archive
    now: float


def repair_findings(tools: RepairContext, findings: Iterable[Finding]) -> list[Finding]:
    """Put right what can be, each after a second look; returns what stays wrong."""
    left = [finding for finding in findings if not _mended(tools, finding)]
    _queue_what_is_due(tools)
    return left


def _mended(tools: RepairContext, finding: Finding) -> bool:
    remedy = REMEDIES.get(finding.kind)
    return remedy is not None and remedy(tools, finding)


def _queue_what_is_due(tools: RepairContext) -> None:
    while requeue_expired(tools.log.connection, tools.now):
        pass


def _put_in_flight(tools: RepairContext, finding: Finding) -> bool:
    """Due now, so that it is queued; where the item ends at this very moment, that job finds nothing to do."""
    item, is_there = snapshot(tools.log, finding.subject)
    if item is not None and not item.ended and not is_there:
        cast("Any", tools.log.connection).zadd(IN_FLIGHT, {item.id: tools.now}, nx=True)
    return _is_in_order(tools, finding)


def _take_out_of_flight(tools: RepairContext, finding: Finding) -> bool:
    item, _ = snapshot(tools.log, finding.subject)
    if item is not None and (item.ended or not item.version):
        tools.log.connection.zrem(IN_FLIGHT, finding.subject)
    return _is_in_order(tools, finding)


def _is_looked_after(tools: RepairContext, _: Finding) -> bool:
    return True  # _queue_what_is_due does it for all at once


def _delete_again(tools: RepairContext, finding: Finding) -> bool:
    return erase(
        tools.archive, kept(finding.subject, tools.log.history(finding.subject))
    )


def _remove_orphan(tools: RepairContext, finding: Finding) -> bool:
    found = kept(finding.subject, tools.log.history(finding.subject))
    if (
        stray(found, finding.digest, ORPHAN_S) is FindingKind.ORPHAN
    ):  # no event has come to name it meanwhile
        tools.archive.delete(finding.subject, finding.digest)
    return True


def _is_in_order(tools: RepairContext, finding: Finding) -> bool:
    item, is_there = snapshot(tools.log, finding.subject)
    return item is not None and is_there is (item.version > 0 and not item.ended)


REMEDIES: Mapping[FindingKind, Callable[[RepairContext, Finding], bool]] = {
    FindingKind.NOT_IN_FLIGHT: _put_in_flight,
    FindingKind.IN_FLIGHT_ENDED: _take_out_of_flight,
    FindingKind.OVERDUE: _is_looked_after,
    FindingKind.UNDELETED: _delete_again,
    FindingKind.ORPHAN: _remove_orphan,
}
