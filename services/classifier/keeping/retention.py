"""Retention: what was kept of items without label goes when its time is over, what was withdrawn goes at once.

Events come first (`item.withdrawn`, `item.expired`), and deleting is what follows from them: whoever appends one
deletes, and the keeper follows the log and deletes again, so that a crash between the two leaves nothing behind. Which
items have outlived their time needs no list: the keeper follows the log a second and a third time, as far as it is
old enough. Where it stands, and what it has to come back to, is in Redis, for all keepers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import redis

from incidentwire import events as e
from incidentwire.archive import Archive
from incidentwire.items import State
from incidentwire.log.event_log import EventLog, VersionConflict, Withdrawn
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from services.classifier.keeping.retained import Retained, expires, kept

CHECKPOINTS = "iw:retention"  # hash: "<log id>:erase", ":page", ":all" -> position
AGAIN = "iw:retention:again"  # zset: item -> time (s since the epoch) at which to delete once more
AGAIN_S = 3600  # later than any job that had begun before a withdrawal could still keep something
SOON_S = 60
STEP = 1000  # events looked at per step, so that a step stays short
DAY_MS = 86_400_000

DELETING = e.types_where(lambda cls: cls.affects_archive is e.ArchiveEffect.DELETES)
# the events after which an item may be without labels for good, and so expire
SETTLING = e.types_where(
    lambda cls: cls.in_flight is e.InFlight.COMPLETES or cls.affects_labels
) - e.types_where(lambda cls: cls.seals)

logger = logging.getLogger(__name__)


def erase(archive: Archive, found: Retained) -> bool:
    """Delete what the item's events say is gone; False where an item in flight may be keeping the same bytes anew."""
    item = found.item
    if item.state is State.WITHDRAWN:
        archive.delete(item.id)
    elif found.gone and not item.ended:
        return False
    else:
        for digest in sorted(found.gone):
            archive.delete(item.id, digest)
    return True


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What the keeper does of it. Every step may be run twice, and by two keepers; it returns whether more is due.
    `now` is in seconds since the epoch."""

    settings: Settings
    log: EventLog
    archive: Archive

    def delete(self, now: float) -> bool:
        """Delete what events since the last time ask for, and what had to wait."""
        store = cast("Any", self.log.connection)
        batch = self.log.after(self._position("erase"), STEP)
        fresh = {entry.subject for entry in batch if entry.name in DELETING}
        waiting = {
            _text(item)
            for item in store.zrangebyscore(AGAIN, "-inf", now, start=0, num=STEP)
        }
        self._delete(sorted(fresh | waiting), fresh, now)
        if batch:
            self._advance("erase", batch[-1].position)
        return len(batch) == STEP

    def expire(self, now: float) -> bool:
        """Let expire what has outlived its time."""
        s = self.settings
        more = self._expire("page", now * 1000 - s.page_retention_days * DAY_MS, now)
        return (
            self._expire("all", now * 1000 - s.text_retention_days * DAY_MS, now)
            or more
        )

    def _expire(
        self, what: Literal["page", "all"], before_ms: float, now: float
    ) -> bool:
        batch = [
            entry
            for entry in self.log.after(self._position(what), STEP)
            if entry.time_ms <= before_ms
        ]
        expired = []
        for found in self._kept(
            {entry.subject for entry in batch if entry.name in SETTLING}
        ):
            if expires(
                found,
                before_ms if what == "page" else -1,
                before_ms if what == "all" else -1,
            ):
                try:  # the version that was looked at: a label that comes at this moment saves what it speaks of
                    self.log.append(
                        found.item.id,
                        e.ItemExpired(what=what),
                        expected_versions={found.item.id: found.item.version},
                    )
                except (VersionConflict, Withdrawn):
                    continue
                expired.append(found.item.id)
        self._delete(expired, (), now)
        if expired:
            logger.info(
                event_line(
                    "kept bytes expired",
                    what=what,
                    items=len(expired),
                    first=expired[0],
                )
            )
        if batch:
            self._advance(what, batch[-1].position)
        return len(batch) == STEP

    def _delete(self, ids: Sequence[str], fresh: Iterable[str], now: float) -> None:
        again: dict[str, float] = {}
        for found in self._kept(ids):
            item = found.item
            try:
                done = erase(self.archive, found)
            except OSError as error:  # the archive's trouble: everything else goes on, and this comes back
                logger.error(
                    event_line("cannot delete", item_id=item.id, error=str(error))
                )
                done = False
            if not done:
                again[item.id] = now + SOON_S
            elif item.state is State.WITHDRAWN and item.id in fresh:
                again[item.id] = now + AGAIN_S
        with self.log.connection.pipeline(transaction=True) as pipe:
            for item_id in ids:
                pipe.zrem(AGAIN, item_id)
            if again:
                pipe.zadd(AGAIN, again)
            pipe.execute()

    def _kept(self, ids: Iterable[str]) -> list[Retained]:
        names = sorted(ids)
        return [
            kept(name, history)
            for name, history in zip(names, self.log.histories(names), strict=True)
        ]

    def _position(self, what: str) -> int:
        store: redis.Redis = self.log.connection
        return int(
            cast("bytes | None", store.hget(CHECKPOINTS, f"{self.log.id}:{what}")) or 0
        )

    def _advance(self, what: str, position: int) -> None:
        self.log.connection.hset(CHECKPOINTS, f"{self.log.id}:{what}", position)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
