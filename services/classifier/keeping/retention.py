"""Retention: deletes expired content of unlabelled items, and withdrawn content at once.

Events come first (`item.withdrawn`, `item.expired`); deletion follows from them. The
process that appends one deletes, and the keeper follows the log and deletes again, so that
a crash in between leaves nothing. Expiry needs no list: the keeper follows the log a second
and a third time, up to events that are old enough. Its positions, and the items to delete
again later, are in Redis, shared by all keepers.
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
from services.classifier.keeping.retained import Retained, expires, retained

CHECKPOINTS = "iw:retention"  # hash: "<log id>:erase", ":page", ":all" -> position
RETRY_SET = (
    "iw:retention:again"  # zset: item -> when to delete again, s since the epoch
)
RETRY_WITHDRAWN_S = 3600  # no job that began before a withdrawal still runs by then
RETRY_S = 60
STEP = 1000  # events per step, so that a step stays short
DAY_MS = 86_400_000

DELETING = e.types_where(lambda cls: cls.affects_archive is e.ArchiveEffect.DELETES)
# the events after which an item may be without labels for good, and so expire
SETTLING = e.types_where(
    lambda cls: cls.in_flight is e.InFlight.COMPLETES or cls.affects_labels
) - e.types_where(lambda cls: cls.seals)

logger = logging.getLogger(__name__)


def erase(archive: Archive, found: Retained) -> bool:
    """Delete what the item's events say is gone, and return whether all of it was.

    Nothing is deleted of an item in flight, which may be storing the same bytes again.
    """
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
    """The keeper's part. Every step may run twice, and in two keepers at once.

    A step returns whether more is due. `now` is in seconds since the epoch.
    """

    settings: Settings
    log: EventLog
    archive: Archive

    def delete(self, now: float) -> bool:
        """Delete what new events ask for, and what had to wait."""
        store = cast("Any", self.log.connection)
        batch = self.log.after(self._position("erase"), STEP)
        fresh = {entry.subject for entry in batch if entry.name in DELETING}
        waiting = {
            _text(item)
            for item in store.zrangebyscore(RETRY_SET, "-inf", now, start=0, num=STEP)
        }
        self._delete(sorted(fresh | waiting), fresh, now)
        if batch:
            self._advance("erase", batch[-1].position)
        return len(batch) == STEP

    def expire(self, now: float) -> bool:
        """Append the expiry of content whose retention period ended, and delete it."""
        now_ms = now * 1000
        page_before_ms = now_ms - self.settings.page_retention_days * DAY_MS
        text_before_ms = now_ms - self.settings.text_retention_days * DAY_MS
        more_pages = self._expire("page", page_before_ms, now)
        more_texts = self._expire("all", text_before_ms, now)
        return more_pages or more_texts

    def _expire(
        self, what: Literal["page", "all"], before_ms: float, now: float
    ) -> bool:
        batch = [
            entry
            for entry in self.log.after(self._position(what), STEP)
            if entry.time_ms <= before_ms
        ]
        settled = {entry.subject for entry in batch if entry.name in SETTLING}
        page_before_ms = before_ms if what == "page" else -1
        text_before_ms = before_ms if what == "all" else -1
        expired = [
            found.item.id
            for found in self._retained(settled)
            if expires(found, page_before_ms, text_before_ms)
            and self._append_expiry(found, what)
        ]
        self._delete(expired, (), now)
        if expired:
            line = event_line(
                "content expired", what=what, items=len(expired), first=expired[0]
            )
            logger.info(line)
        if batch:
            self._advance(what, batch[-1].position)
        return len(batch) == STEP

    def _append_expiry(self, found: Retained, what: Literal["page", "all"]) -> bool:
        """Append the expiry unless the item changed: a new label saves its content."""
        item = found.item
        try:
            self.log.append(
                item.id,
                e.ItemExpired(what=what),
                expected_versions={item.id: item.version},
            )
        except (VersionConflict, Withdrawn):
            return False
        return True

    def _delete(self, ids: Sequence[str], fresh: Iterable[str], now: float) -> None:
        again: dict[str, float] = {}
        for found in self._retained(ids):
            item = found.item
            try:
                done = erase(self.archive, found)
            except OSError as error:  # an outage of the archive: try again later
                logger.error(
                    event_line("cannot delete", item_id=item.id, error=str(error))
                )
                done = False
            if not done:
                again[item.id] = now + RETRY_S
            elif item.state is State.WITHDRAWN and item.id in fresh:
                again[item.id] = now + RETRY_WITHDRAWN_S
        with self.log.connection.pipeline(transaction=True) as pipe:
            for item_id in ids:
                pipe.zrem(RETRY_SET, item_id)
            if again:
                pipe.zadd(RETRY_SET, again)
            pipe.execute()

    def _retained(self, ids: Iterable[str]) -> list[Retained]:
        names = sorted(ids)
        return [
            retained(name, history)
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
