"""Reading a feed in a process of its own (`python -m services.ingest.feed_apart`), with limits that hold.

A hostile feed of 100 kB can keep feedparser busy for a minute, and the interpreter's lock with it: in a thread it
would stop every other poll, and could not be ended. Starting the process takes about 0.1 s, once per changed feed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import resource
import subprocess
import sys
from collections.abc import Mapping

from incidentwire.telemetry import event_line
from services.ingest.feeds.model import Entry, ParsedFeed, unread
from services.ingest.feeds.parser import read

CPU_S = 10  # an honest feed takes 0.15 s per 100 kB
WALL_S = 60.0  # the processors may be busy with other things
MEMORY_BYTES = 2_000_000_000
HEADERS = frozenset({"content-type", "content-location", "content-language"})

logger = logging.getLogger(__name__)


def parse_in_sandbox(
    body: bytes, *, url: str, headers: Mapping[str, str], cpu_s: int = CPU_S
) -> ParsedFeed:
    """As feed_parsing.read; what takes too long or too much is `unreadable`."""
    kept = {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in HEADERS
    }
    asked = (
        json.dumps({"url": url, "headers": kept, "cpu_s": cpu_s}).encode()
        + b"\n"
        + body
    )
    command = [sys.executable, "-m", "services.ingest.feeds.sandbox"]
    try:
        done = subprocess.run(  # noqa: S603  # nothing of the feed is in the command
            command,
            input=asked,
            capture_output=True,
            timeout=WALL_S,
            check=False,
            start_new_session=True,  # Ctrl-C on a terminal is for us: a reader that it ends would look like a bad feed
        )
    except subprocess.TimeoutExpired:
        return unread("unreadable", f"reading it took longer than {WALL_S:g} s")
    if done.returncode < 0:
        return unread(
            "unreadable",
            f"reading it took more than {cpu_s} s of processor time, or too much memory",
        )
    if done.returncode > 0:
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        logger.error(event_line("feed reader failed", url=url, error=said))
        return unread(
            "unreadable", "the reader failed on it; the error has been logged"
        )
    return from_json(done.stdout)


def to_json(reading: ParsedFeed) -> bytes:
    return json.dumps(dataclasses.asdict(reading)).encode()


def from_json(text: bytes) -> ParsedFeed:
    fields = json.loads(text)
    entries = tuple(Entry(**entry) for entry in fields.pop("entries"))
    return ParsedFeed(entries=entries, parts=tuple(fields.pop("parts")), **fields)


def main() -> None:
    """Read one feed from standard input (a line of JSON, then the body), write it as JSON to standard output."""
    about = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (about["cpu_s"], about["cpu_s"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(
        ValueError, OSError
    ):  # not every system limits address space
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    reading = read(sys.stdin.buffer.read(), url=about["url"], headers=about["headers"])
    sys.stdout.buffer.write(to_json(reading))


if __name__ == "__main__":
    main()
