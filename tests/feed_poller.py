"""What tests of feeds use: feeds written for them, a server on loopback that answers as told, a clock set by hand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from incidentwire.events import FeedFailed, ItemRetryRequested, ItemSubmitted
from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.net.client import HttpClient
from incidentwire.net.rate_limit import HostRateLimiter
from incidentwire.settings import Settings
from services.ingest.feeds import parser, poll
from services.ingest.feeds.poll import Poller
from services.ingest.feeds.schedule import Feed
from services.ingest.feeds.store import FeedStore
from services.ingest.submit import Submitter
from tests.loopback import Asked, Reply, answering

Behaviour = Callable[[Mapping[str, str]], Reply]


def rss(*links: str, head: str = "", more: str = "") -> bytes:
    """Return an RSS feed of ours with one item per link."""
    items = "".join(
        f"<item><title>News of {link}</title><link>{link}</link>{more}</item>"
        for link in links
    )
    channel = f"<channel><title>Quay Herald</title>{head}{items}</channel>"
    return f'<?xml version="1.0"?><rss version="2.0">{channel}</rss>'.encode()


def atom(**updated: str) -> bytes:
    """Return an Atom feed of ours: path -> when it was updated."""
    entries = "".join(
        f'<entry><id>urn:quay:{name}</id><title>On {name}</title><link href="https://quay.example/{name}"/>'
        f"<updated>{when}</updated></entry>"
        for name, when in updated.items()
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>Quay Herald</title>{entries}</feed>'.encode()


def ok(body: bytes, **headers: str) -> Reply:
    return (
        200,
        {"Content-Type": "application/xml"}
        | {k.replace("_", "-"): v for k, v in headers.items()},
        body,
    )


@dataclass
class FeedServer:
    """path -> a reply, or a function of the request's headers that gives one. `asked` lists (path, headers)."""

    replies: dict[str, Reply | Behaviour] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    port: int = 0

    def put(self, path: str, reply: Reply | Behaviour) -> str:
        self.replies[path] = reply
        return f"http://127.0.0.1:{self.port}{path}"

    def put_versioned(self, path: str, body: bytes, etag: str) -> str:
        """Return a feed that answers 304 to whoever knows its ETag."""

        def reply(headers: Mapping[str, str]) -> Reply:
            return (
                (304, {"ETag": etag}, b"")
                if headers.get("If-None-Match") == etag
                else ok(body, ETag=etag)
            )

        return self.put(path, reply)

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@contextmanager
def feed_server() -> Iterator[FeedServer]:
    """Yield a running FeedServer."""
    here = FeedServer()

    def answer(asked: Asked) -> Reply:
        here.asked.append((asked.path, asked.headers))
        reply = here.replies.get(asked.path, (404, {}, b"nothing here"))
        return reply(asked.headers) if callable(reply) else reply

    with answering(answer) as here.port:
        yield here


class FeedPolling:
    """Feeds on a real store, polled when a test says so. `now` is the clock: real at first, then set by hand."""

    def __init__(
        self, connection: redis.Redis, url: str, data_dir: Path, **more: object
    ) -> None:
        defaults: dict[str, object] = {
            "allowed_hosts": frozenset({"127.0.0.1"}),
            "host_pause_s": 0.0,
        }
        self.settings = Settings(redis_url=url, data_dir=data_dir, **(defaults | more))  # type: ignore[arg-type]
        self.log = EventLog(connection)
        self.feeds = FeedStore(connection)
        self.now = time.time()
        self.client = HttpClient.of(self.settings)
        self.poller = Poller(
            feeds=self.feeds,
            submitter=Submitter(self.settings, connection),
            client=self.client,
            limiter=HostRateLimiter.of(self.settings, connection),
            clock=lambda: self.now,
            parse=parser.read,
        )

    def add(self, url: str) -> str:
        return self.feeds.add(url, who="tester", now=self.now)[0].id

    def poll(self, feed_id: str) -> Feed:
        """Poll a feed at the moment when it is due."""
        known = self.feed(feed_id)
        assert known.next_poll is not None
        self.now = max(self.now, known.next_poll)
        taken = self.feeds.take(feed_id, self.now)
        assert taken is not None
        after = poll.poll(self.poller, taken)
        assert after is not None
        return after

    def feed(self, feed_id: str) -> Feed:
        found = self.feeds.get(feed_id, self.now)
        assert found is not None
        return found

    def submitted(self) -> list[str]:
        """Return the URLs of the items in the log, in order."""
        return [
            e.event.url or ""
            for e in self.log.read()
            if isinstance(e.event, ItemSubmitted)
        ]

    def failures(self) -> list[str]:
        """Return the reasons of the feed.failed events, in order."""
        return [
            e.event.reason for e in self.log.read() if isinstance(e.event, FeedFailed)
        ]

    def refetches(self) -> list[RecordedEvent]:
        return [e for e in self.log.read() if isinstance(e.event, ItemRetryRequested)]
