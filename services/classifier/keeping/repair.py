"""Repairs what the audit finds, as far as nothing can be lost by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from incidentwire.archive import Archive
from incidentwire.events import ItemRetryRequested
from incidentwire.log.event_log import IN_FLIGHT, EventLog, VersionConflict, Withdrawn
from services.classifier.keeping.audit import (
    ORPHAN_S,
    Finding,
    FindingKind,
    consistent_item,
    stray,
)
from services.classifier.keeping.requeue import requeue_expired
from services.classifier.keeping.retained import Retained, retained
from services.classifier.keeping.retention import erase

REQUESTED_BY = "repair"


@dataclass(frozen=True, kw_only=True)
class RepairContext:
    """What repairs need. `now` is in seconds since the epoch."""

    log: EventLog
    archive: Archive
    now: float


def repair_findings(ctx: RepairContext, findings: Iterable[Finding]) -> list[Finding]:
    """Repair each finding after a second look, and return those that remain.

    A page to fetch again counts as repaired: the next audit finds it if that failed.
    """
    remaining = [finding for finding in findings if not _repaired(ctx, finding)]
    _requeue_all_due(ctx)
    ctx.archive.sweep()
    return remaining


def _repaired(ctx: RepairContext, finding: Finding) -> bool:
    remedy = REMEDIES.get(finding.kind)
    return remedy is not None and remedy(ctx, finding)


def _requeue_all_due(ctx: RepairContext) -> None:
    while requeue_expired(ctx.log.connection, ctx.now):
        pass


def _put_in_flight(ctx: RepairContext, finding: Finding) -> bool:
    """Make the item due now; if it ends meanwhile, its job finds nothing to do."""
    item, is_there = consistent_item(ctx.log, finding.subject)
    if item is not None and not item.ended and not is_there:
        store = cast("Any", ctx.log.connection)
        store.zadd(IN_FLIGHT, {item.id: ctx.now}, nx=True)
    return _is_consistent(ctx, finding)


def _take_out_of_flight(ctx: RepairContext, finding: Finding) -> bool:
    item, _ = consistent_item(ctx.log, finding.subject)
    if item is not None and (item.ended or not item.version):
        ctx.log.connection.zrem(IN_FLIGHT, finding.subject)
    return _is_consistent(ctx, finding)


def _is_requeued(ctx: RepairContext, _: Finding) -> bool:
    return True  # _requeue_all_due does it for all at once


def _delete_again(ctx: RepairContext, finding: Finding) -> bool:
    return erase(ctx.archive, _retained(ctx, finding))


def _remove_orphan(ctx: RepairContext, finding: Finding) -> bool:
    found = _retained(ctx, finding)
    # unless an event came to name it meanwhile
    if stray(found, finding.digest, ORPHAN_S) is FindingKind.ORPHAN:
        ctx.archive.delete(finding.subject, finding.digest)
    return True


def _fetch_again(ctx: RepairContext, finding: Finding) -> bool:
    """Request a fetch of the page, which stores the same bytes again if it is unchanged.

    Supplied text cannot be fetched: only a backup has it.
    """
    found = _retained(ctx, finding)
    item = found.item
    if item.url is None or item.is_text_given:
        return False
    if not item.ended or finding.digest not in found.needed:
        return True  # a request is open already, or the bytes are not needed any more
    try:
        ctx.log.append(
            item.id,
            ItemRetryRequested(who=REQUESTED_BY),
            expected_versions={item.id: item.version},
        )
    except (VersionConflict, Withdrawn):
        return False
    return True


def _retained(ctx: RepairContext, finding: Finding) -> Retained:
    return retained(finding.subject, ctx.log.history(finding.subject))


def _is_consistent(ctx: RepairContext, finding: Finding) -> bool:
    item, is_there = consistent_item(ctx.log, finding.subject)
    return item is not None and is_there is (item.version > 0 and not item.ended)


REMEDIES: Mapping[FindingKind, Callable[[RepairContext, Finding], bool]] = {
    FindingKind.NOT_IN_FLIGHT: _put_in_flight,
    FindingKind.IN_FLIGHT_ENDED: _take_out_of_flight,
    FindingKind.OVERDUE: _is_requeued,
    FindingKind.UNDELETED: _delete_again,
    FindingKind.ORPHAN: _remove_orphan,
    FindingKind.MISSING: _fetch_again,
    FindingKind.DAMAGED: _fetch_again,
}
