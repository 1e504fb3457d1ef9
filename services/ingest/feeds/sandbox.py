"""Parsing in a process of its own (`python -m services.ingest.feeds.sandbox`).

A hostile feed of 100 kB can keep feedparser busy for a minute, and the interpreter's
lock with it: in a thread it would stop every other poll, and could not be ended.
Starting the process takes about 0.1 s, once per changed feed.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Mapping

from incidentwire.sandbox import limit_process
from incidentwire.telemetry import event_line
from services.ingest.feeds.model import Entry, ParsedFeed, unread
from services.ingest.feeds.parser import read

CPU_S = 10  # an honest feed takes 0.15 s per 100 kB
WALL_S = 60.0  # the processors may be busy with other things
MEMORY_BYTES = 2_000_000_000
HEADERS = frozenset({"content-type", "content-language"})

logger = logging.getLogger(__name__)


def parse_in_sandbox(
    body: bytes, *, url: str, headers: Mapping[str, str], cpu_s: int = CPU_S
) -> ParsedFeed:
    """Return what parser.read does; `unreadable` if that takes too much."""
    kept = {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in HEADERS
    }
    about = json.dumps({"url": url, "headers": kept, "cpu_s": cpu_s})
    command = [sys.executable, "-m", "services.ingest.feeds.sandbox"]
    try:
        done = subprocess.run(  # noqa: S603  # nothing of the feed is in the command
            command,
            input=about.encode() + b"\n" + body,
            capture_output=True,
            timeout=WALL_S,
            check=False,
            # Ctrl-C on a terminal is for the poller: a parser that it ended would look
            # like a bad feed.
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        return unread("unreadable", f"reading it took longer than {WALL_S:g} s")
    if done.returncode < 0:
        return unread(
            "unreadable",
            f"reading it took more than {cpu_s} s of processor time, "
            "or too much memory",
        )
    if done.returncode > 0:
        error = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        logger.error(event_line("feed parser failed", url=url, error=error[:300]))
        return unread(
            "unreadable", "the parser failed on it; the error has been logged"
        )
    return from_json(done.stdout)


def to_json(parsed: ParsedFeed) -> bytes:
    """Return a parsed feed as JSON."""
    return json.dumps(dataclasses.asdict(parsed)).encode()


def from_json(text: bytes) -> ParsedFeed:
    """Return the parsed feed of `to_json`."""
    fields = json.loads(text)
    entries = tuple(Entry(**entry) for entry in fields.pop("entries"))
    parts = tuple(fields.pop("parts"))
    return ParsedFeed(entries=entries, parts=parts, **fields)


def main() -> None:
    """Parse standard input (a line of JSON, then the body) to JSON on standard output."""
    about = json.loads(sys.stdin.buffer.readline())
    limit_process(cpu_s=about["cpu_s"], memory_bytes=MEMORY_BYTES)
    parsed = read(sys.stdin.buffer.read(), url=about["url"], headers=about["headers"])
    sys.stdout.buffer.write(to_json(parsed))


if __name__ == "__main__":
    main()
