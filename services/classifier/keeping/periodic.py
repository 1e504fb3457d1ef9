"""The keeper's periodic tasks: retention, the incremental audit, sweeping."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import redis

from incidentwire.archive import Archive
from incidentwire.log.codec import UnknownType
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from services.classifier.keeping.audit import IncrementalAudit
from services.classifier.keeping.requeue import bring_forward
from services.classifier.keeping.retention import Retention
from services.classifier.keeping.sweep import Sweep

MINUTE_S = 60.0
HOUR_S = 3600.0

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class PeriodicTask:
    """A step that runs every `period_s` seconds, and again at once while it returns
    True: there is more to do."""

    step: Callable[[float], bool]
    period_s: float
    next_at: float = 0.0

    def run(self, now: float) -> None:
        """Run one step if it is time. `now` is in seconds since the epoch."""
        if now < self.next_at:
            return
        more = False
        try:
            more = self.step(now)
        except UnknownType as error:
            logger.error(event_line("log cannot be read", error=str(error)))
        self.next_at = now if more else now + self.period_s


def periodic_tasks(settings: Settings, connection: redis.Redis) -> list[PeriodicTask]:
    """Return the tasks. Each step is short, so that no round of the keeper is long."""
    log = EventLog(connection)
    archive = Archive(settings.archive)
    retention = Retention(settings=settings, log=log, archive=archive)
    audit = IncrementalAudit(log)
    sweep = Sweep(connection)
    return [
        PeriodicTask(step=retention.delete, period_s=MINUTE_S),
        PeriodicTask(step=retention.expire, period_s=HOUR_S),
        PeriodicTask(step=lambda now: _report(audit, now), period_s=MINUTE_S),
        PeriodicTask(step=sweep.run, period_s=HOUR_S),
        PeriodicTask(
            step=lambda now: _bring_forward(connection, now), period_s=MINUTE_S
        ),
        PeriodicTask(step=lambda now: _sweep_archive(archive), period_s=HOUR_S),
    ]


def _bring_forward(connection: redis.Redis, now: float) -> bool:
    bring_forward(connection, now)
    return False


def _sweep_archive(archive: Archive) -> bool:
    swept = archive.sweep()
    if swept:
        logger.info(event_line("half-written files removed", files=swept))
    return False


def _report(audit: IncrementalAudit, now: float) -> bool:
    findings, more = audit.step(now)
    for finding in findings:
        logger.error(
            event_line("not conserved", kind=finding.kind, item_id=finding.subject)
        )
    return more
