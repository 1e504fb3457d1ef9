"""A feed whose publisher redirects for good moves: the new address is polled from then on, as a feed of its own id.

An id stands for one address, so that one feed never has two pollers: who adds the new address later finds it known,
and what moves to the address of a feed that is there already ends in that one.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from incidentwire.events import FeedAdded, FeedRemoved
from incidentwire.log.event_log import AppendRequest, VersionConflict
from incidentwire.net.urls import UrlError
from incidentwire.telemetry import event_line
from services.ingest.feeds import schedule
from services.ingest.feeds.schedule import Feed
from services.ingest.feeds.store import (
    TRIES,
    FeedStore,
    Membership,
    feed_id,
    membership,
)

logger = logging.getLogger(__name__)


def move(feeds: FeedStore, feed: Feed, now: float) -> Feed | None:
    """Move a feed to where it leads, if it does so for good: as it is there, or None where it stays (it was removed
    meanwhile, or the address is its own or none that a feed can have). What it has learned goes with it, unless a feed
    is there already."""
    if not schedule.has_moved(feed, now):
        return None
    try:
        name = feed_id(feed.redirected_to)
    except UrlError:
        return None
    for _ in range(TRIES if name != feed.id else 0):
        before, there = feeds.log.histories([feed.id, name])
        member = membership(before)
        if member is None:
            return None
        unit = _unit(feed, member, name, known=membership(there) is not None)
        unit = replace(unit, expected_versions={feed.id: len(before), name: len(there)})
        [done] = feeds.log.append_many([unit])
        if isinstance(done, VersionConflict):
            continue
        if isinstance(done, Exception):
            raise done
        logger.info(event_line("feed moved", feed_id=feed.id, into=name))
        if len(unit.events) == 2:
            feeds.begin(_moved(feed, name, done.last, now))
        feeds.forget(feed.id, done.first)
        found = feeds.get(name, now)
        return (
            feeds.reactivate(found, now)
            if found and found.state == schedule.GONE
            else found
        )
    return None


def _unit(feed: Feed, member: Membership, name: str, *, known: bool) -> AppendRequest:
    gone = (feed.id, FeedRemoved(who=f"feed:{feed.id}", moved_to=name))
    added = FeedAdded(
        url=feed.redirected_to, who=member.who, title=member.title, moved_from=feed.id
    )
    return AppendRequest(events=[gone] if known else [gone, (name, added)])


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
    """Where a feed that is gone has moved to, over as many moves as there were; None where it has not."""
    seen = {name}
    while True:
        history = feeds.log.history(name)
        last = next(
            (e.event for e in reversed(history) if e.type == FeedRemoved.type), None
        )
        if membership(history) is not None:
            return name if len(seen) > 1 else None
        if (
            not isinstance(last, FeedRemoved)
            or last.moved_to is None
            or last.moved_to in seen
        ):
            return None
        name = last.moved_to
        seen.add(name)
