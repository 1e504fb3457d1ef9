"""What the keeper does beside its rounds: deletes, lets expire, and looks whether everything is still there."""

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
from services.classifier.keeping.retention import Retention

MINUTE_S, HOUR_S = 60.0, 3600.0

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class PeriodicTask:
    """A step that is done every `period_s`, and at once again while it says that there is more."""

    step: Callable[[float], bool]
    period_s: float
    next_at: float = 0.0

    def run(self, now: float) -> None:
        """Do one step where it is time. `now` is in seconds since the epoch."""
        if now < self.next_at:
            return
        try:
            more = self.step(now)
        except UnknownType as error:  # loud, but the keeper's rounds must go on
            logger.error(event_line("log is newer than this code", error=str(error)))
            more = False
        self.next_at = now if more else now + self.period_s


def periodic_tasks(settings: Settings, connection: redis.Redis) -> list[PeriodicTask]:
    """The keeper's chores. Each step is short, so that no round of the keeper has to wait long."""
    log = EventLog(connection)
    retention = Retention(settings=settings, log=log, archive=Archive(settings.archive))
    watch = IncrementalAudit(log)
    return [
        PeriodicTask(step=retention.delete, period_s=MINUTE_S),
        PeriodicTask(step=retention.expire, period_s=HOUR_S),
        PeriodicTask(
            step=lambda now: _say_what_is_wrong(watch, now), period_s=MINUTE_S
        ),
    ]


def _say_what_is_wrong(watch: IncrementalAudit, now: float) -> bool:
    findings, more = watch.look(now)
    for finding in findings:
        logger.error(
            event_line("not conserved", kind=finding.kind, item_id=finding.subject)
        )
    return more
