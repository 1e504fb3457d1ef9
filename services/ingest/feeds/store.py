"""The feeds that are polled, and the state of each.

The log says which feeds there are (feed.added, feed.removed). The state in Redis can be
rebuilt: a lost one costs one poll whose entries are all known.

`iw:feeds` is a sorted set of feed ids by the time of their next poll (+inf once gone).
`iw:feed:<id>` is a hash of `added` (position of its feed.added), `state` (JSON), `seen`
and, while a poller has the feed, `lease`.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import redis

from incidentwire.events import FeedAdded, FeedRemoved
from incidentwire.log.event_log import EventLog, VersionConflict
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.net import urls
from incidentwire.telemetry import event_line
from services.ingest.feeds import schedule
from services.ingest.feeds.schedule import Feed

FEEDS = "iw:feeds"
FEED = "iw:feed:"
# "<log id>:<position>" up to which membership events were applied
CHECKPOINT = "iw:feed:checkpoint"
# Longer than any poll can take: six fetches and parses, each with its own limit.
LEASE_S = 900.0
TRIES = 10  # a command that lost this many races meets something else than a race
ID = re.compile(r"f_[a-z2-7]{20}")

logger = logging.getLogger(__name__)

# KEYS: feeds, feed. Each script checks and writes in one step: pollers and people race.
# ARGV id, added, state, next poll, seen. A state of this feed.added or a later one stays.
ENSURE = """
if tonumber(redis.call('HGET', KEYS[2], 'added') or '0') >= tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], 'added', ARGV[2], 'state', ARGV[3], 'seen', ARGV[5])
redis.call('ZADD', KEYS[1], ARGV[4], ARGV[1])
return 1
"""
# ARGV id, position of feed.removed. A state of a feed.added after that stays.
REMOVE = """
if tonumber(redis.call('HGET', KEYS[2], 'added') or '0') > tonumber(ARGV[2]) then return 0 end
redis.call('DEL', KEYS[2])
return redis.call('ZREM', KEYS[1], ARGV[1])
"""
# ARGV id, now, lease until, token. Nil if another poller has it, or it is not due.
TAKE = """
local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not due or tonumber(due) > tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[2], 'state') == 0 then return false end
redis.call('ZADD', KEYS[1], 'XX', ARGV[3], ARGV[1])
redis.call('HSET', KEYS[2], 'lease', ARGV[4])
return redis.call('HMGET', KEYS[2], 'state', 'seen')
"""
# ARGV id, token, state, seen, next poll. 0 if the lease has passed on, or the feed is gone.
FINISH = """
if redis.call('HGET', KEYS[2], 'lease') ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[2], 'lease')
redis.call('HSET', KEYS[2], 'state', ARGV[3], 'seen', ARGV[4])
redis.call('ZADD', KEYS[1], 'XX', ARGV[5], ARGV[1])
return 1
"""


@dataclass(frozen=True, kw_only=True)
class Membership:
    """The membership of a feed, by the log."""

    url: str
    who: str
    title: str
    moved_from: str
    position: int  # of its feed.added


@dataclass(frozen=True, kw_only=True)
class FeedLease:
    """A feed that one poller has until the lease ends."""

    feed: Feed
    token: str


def feed_id(url: str) -> str:
    """Return the id of the feed at a URL: `f_`, and 100 bits of SHA-256 in base32.

    Raises urls.UrlError.
    """
    digest = hashlib.sha256(urls.canonicalize(url).encode()).digest()
    return "f_" + base64.b32encode(digest)[:20].decode("ascii").lower()


def is_feed_id(name: str) -> bool:
    """Return whether a name from outside has the form of a feed's id."""
    return ID.fullmatch(name) is not None


def membership(history: Sequence[RecordedEvent]) -> Membership | None:
    """Return the membership after a feed's own events, None if it is not a member."""
    member = None
    for entry in history:
        match entry.event:
            case FeedAdded() as added if member is None:
                member = Membership(
                    url=added.url,
                    who=added.who,
                    title=added.title,
                    moved_from=added.moved_from or "",
                    position=entry.position,
                )
            case FeedRemoved():
                member = None
            case _:
                pass
    return member


class FeedStore:
    """The feeds on one Redis. Times are given by the caller, in seconds since the epoch."""

    def __init__(self, connection: redis.Redis) -> None:
        self.connection = connection
        self.log = EventLog(connection)

    # -- membership ------------------------------------------------------------------------------------------------

    def add(
        self, url: str, *, who: str, title: str = "", now: float
    ) -> tuple[Feed, int, bool]:
        """Add a feed; return it, the position of its feed.added, and whether it is new.

        A known feed that was gone is polled again. Raises urls.UrlError.
        """
        name = feed_id(url)
        for _ in range(TRIES):
            history = self.log.history(name)
            member = membership(history)
            if member is None:
                fact = FeedAdded(url=url, who=who, title=title)
                try:
                    self.log.append(name, fact, expected_versions={name: len(history)})
                except VersionConflict:
                    continue
            self.apply(name, now)
            feed = self.get(name, now)
            if feed is None:
                continue  # removed at this very moment
            if member is not None and feed.state == schedule.GONE:
                feed = self.reactivate(feed, now)
            return feed, feed.added_at, member is None
        raise RuntimeError(f"{name}: {TRIES} lost races")

    def remove(self, name: str, *, who: str) -> int | None:
        """Remove a feed; return the position of its feed.removed, None if unknown."""
        if not is_feed_id(name):
            return None
        for _ in range(TRIES):
            history = self.log.history(name)
            if membership(history) is None:
                return None
            try:
                done = self.log.append(
                    name, FeedRemoved(who=who), expected_versions={name: len(history)}
                )
            except VersionConflict:
                continue
            self.forget(name, done.last)
            return done.last
        raise RuntimeError(f"{name}: {TRIES} lost races")

    def apply(self, name: str, now: float) -> bool:
        """Make the state agree with the log; return whether the feed is a member."""
        history = self.log.history(name)
        member = membership(history)
        if member is None:
            self.forget(name, history[-1].position if history else 0)
            return False
        feed = Feed(
            id=name,
            url=member.url,
            who=member.who,
            title=member.title,
            moved_from=member.moved_from,
            added_at=member.position,
            healthy_since=now,
            next_poll=now,
        )
        self.begin(feed)
        # Removed between reading the log and now? Then `begin` came after `forget`.
        after = self.log.history(name)
        if len(after) > len(history) and membership(after) is None:
            self.forget(name, after[-1].position)
            return False
        return True

    def catch_up(self, now: float) -> int:
        """Apply the membership events after the checkpoint; return the number of feeds.

        Without a checkpoint of this log all are applied: a lost state is rebuilt.
        """
        store: Any = self.connection
        log_id, _, position = (store.get(CHECKPOINT) or b"").decode().partition(":")
        begin = int(position) if log_id == self.log.id else 0
        last = begin
        names = set[str]()
        for entry in self.log.read(begin):
            last = entry.position
            if entry.type.partition(":")[0] in (FeedAdded.type, FeedRemoved.type):
                names.add(entry.subject)
        for name in sorted(names):
            self.apply(name, now)
        if last != begin:
            store.set(CHECKPOINT, f"{self.log.id}:{last}")
        return len(names)

    def begin(self, feed: Feed) -> None:
        """Save the first state of an added feed, unless it has one."""
        args = (
            feed.id,
            feed.added_at,
            _state(feed),
            feed.next_poll or 0.0,
            _seen_text(feed.seen),
        )
        self.connection.eval(ENSURE, 2, FEEDS, FEED + feed.id, *args)

    def forget(self, name: str, position: int) -> None:
        """Delete the state of a feed that was removed at that position."""
        self.connection.eval(REMOVE, 2, FEEDS, FEED + name, name, position)

    # -- states ----------------------------------------------------------------------------------------------------

    def get(self, name: str, now: float) -> Feed | None:
        """Return a feed without its memory of entries; a lost or damaged state is
        rebuilt."""
        if not is_feed_id(name):
            return None
        found = self.get_many([name])
        if not found and self._rebuilt(name, now):
            found = self.get_many([name])
        return found[0] if found else None

    def _rebuilt(self, name: str, now: float) -> bool:
        if self.connection.exists(FEED + name):
            logger.error(event_line("state of a feed damaged", feed_id=name))
            self.connection.delete(FEED + name)
        return self.apply(name, now)

    def names(self) -> list[str]:
        """Return the ids of all feeds, in order."""
        rows: Any = self.connection.zrange(FEEDS, 0, -1)
        return sorted(row.decode() for row in rows)

    def get_many(self, names: Sequence[str]) -> list[Feed]:
        """Return those that exist, in this order, without their memory of entries.

        Those whose state is damaged are left out.
        """
        with self.connection.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hget(FEED + name, "state")
            found = [_feed(text, None) for text in pipe.execute() if text]
        return [feed for feed in found if feed is not None]

    def due(self, now: float, limit: int) -> list[Feed]:
        """Return feeds that are due, those that wait longest first.

        A lost or damaged state is rebuilt.
        """
        store: Any = self.connection
        rows = store.zrangebyscore(FEEDS, "-inf", now, start=0, num=limit)
        names = [row.decode() for row in rows]
        found = self.get_many(names)
        if len(found) < len(names):
            each = [self.get(name, now) for name in names]
            found = [feed for feed in each if feed is not None]
        return found

    def take(self, name: str, now: float) -> FeedLease | None:
        """Lease a feed for LEASE_S; None if it is not due or another poller has it."""
        token = secrets.token_hex(8)
        args = (name, now, now + LEASE_S, token)
        row: Any = self.connection.eval(TAKE, 2, FEEDS, FEED + name, *args)
        if not row:
            return None
        state, seen = row
        feed = _feed(state, seen)
        return FeedLease(feed=feed, token=token) if feed else None

    def finish(self, lease: FeedLease, feed: Feed) -> bool:
        """Save the state and end the lease; False if the lease had passed on."""
        when = "+inf" if feed.next_poll is None else feed.next_poll
        state = _state(feed)
        seen = _seen_text(feed.seen)
        args = (feed.id, lease.token, state, seen, when)
        return bool(self.connection.eval(FINISH, 2, FEEDS, FEED + feed.id, *args))

    def reactivate(self, feed: Feed, now: float) -> Feed:
        """Make a feed that was gone due again, at once."""
        reactivated = schedule.reactivated(feed, now)
        with self.connection.pipeline(transaction=True) as pipe:
            pipe.hset(
                FEED + feed.id, "state", _state(reactivated)
            )  # nobody polls a feed that is gone
            pipe.zadd(FEEDS, {feed.id: now}, xx=True)
            pipe.execute()
        return reactivated


def _state(feed: Feed) -> str:
    return json.dumps(dataclasses.asdict(replace(feed, seen={})))


def _feed(state: bytes, seen: bytes | None) -> Feed | None:
    """Return the feed, None if its state is damaged."""
    known = {spec.name for spec in dataclasses.fields(Feed)}
    try:
        stored = json.loads(state)
        fields = {name: stored[name] for name in known & stored.keys()}
        return Feed(**fields | {"seen": _seen(seen)})
    except (AttributeError, TypeError, ValueError):
        return None


def _seen_text(seen: Mapping[str, str]) -> str:
    return "\n".join(f"{item}:{mark}" for item, mark in seen.items())


def _seen(text: bytes | None) -> dict[str, str]:
    rows = (line.partition(":") for line in (text or b"").decode().splitlines())
    return {item: mark for item, _, mark in rows}
