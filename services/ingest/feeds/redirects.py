"""A feed whose publisher redirects permanently moves to the new address.

It is polled there as a feed with the id of that address. An id stands for one address,
so that one feed never has two pollers: who adds the new address later finds it known,
and a feed that moves to the address of another ends in that one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from incidentwire.events import FeedAdded, FeedRemoved
from incidentwire.log.event_log import AppendRequest, VersionConflict
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.net.urls import UrlError
from incidentwire.telemetry import event_line
from services.ingest.feeds import schedule
from services.ingest.feeds.schedule import Feed
from services.ingest.feeds.store import (
    TRIES,
    FeedStore,
    feed_id,
    membership,
)

logger = logging.getLogger(__name__)


def move(feeds: FeedStore, feed: Feed, now: float) -> Feed | None:
    """Move a feed whose redirects are permanent; return it as it is at its new address.

    Return None if it stays: it was removed meanwhile, or the address is its own or not
    one that a feed can have. Its memory moves with it, unless a feed is there already.
    """
    if not schedule.has_moved(feed, now):
        return None
    try:
        name = feed_id(feed.redirected_to)
    except UrlError:
        return None
    if name == feed.id:
        return None
    for _ in range(TRIES):
        request = _request(feeds, feed, name)
        if request is None:
            return None
        [done] = feeds.log.append_many([request])
        if isinstance(done, VersionConflict):
            continue
        if isinstance(done, Exception):
            raise done
        logger.info(event_line("feed moved", feed_id=feed.id, into=name))
        if len(request.events) == 2:
            feeds.begin(_moved(feed, name, done.last, now))
        feeds.forget(feed.id, done.first)
        return _active(feeds, name, now)
    return None


def _request(feeds: FeedStore, feed: Feed, name: str) -> AppendRequest | None:
    """Return the append that moves the feed, None if it was removed meanwhile."""
    before, there = feeds.log.histories([feed.id, name])
    member = membership(before)
    if member is None:
        return None
    removed = (feed.id, FeedRemoved(who=f"feed:{feed.id}", moved_to=name))
    added = FeedAdded(
        url=feed.redirected_to, who=member.who, title=member.title, moved_from=feed.id
    )
    is_known = membership(there) is not None
    return AppendRequest(
        events=[removed] if is_known else [removed, (name, added)],
        expected_versions={feed.id: len(before), name: len(there)},
    )


def _active(feeds: FeedStore, name: str, now: float) -> Feed | None:
    found = feeds.get(name, now)
    if found and found.state == schedule.GONE:
        return feeds.reactivate(found, now)
    return found


def _moved(feed: Feed, name: str, position: int, now: float) -> Feed:
    return replace(
        feed,
        id=name,
        url=feed.redirected_to,
        added_at=position,
        redirected_to="",
        moved=False,
        moved_from=feed.id,
        moved_at=now,
    )


def moved_to(feeds: FeedStore, name: str) -> str | None:
    """Return the id that a removed feed has now, after all its moves; None if none."""
    seen = {name}
    while True:
        history = feeds.log.history(name)
        if membership(history) is not None:
            return name if len(seen) > 1 else None
        target = _last_target(history)
        if target is None or target in seen:
            return None
        name = target
        seen.add(name)


def _last_target(history: Sequence[RecordedEvent]) -> str | None:
    for entry in reversed(history):
        event = entry.event
        if isinstance(event, FeedRemoved):
            return event.moved_to
    return None
