"""4,000 subscribers on one api process, 5 events/s: latency beside nginx's nchan module, and what got lost.

The peer keeps messages in memory and answers its publisher after it has sent them; ours are first made durable. So
ours are timed from the moment at which the append was answered, the peer's from its request; our time from the
request, which is the disk's too, stands beside. Both run in turns, with the same client. Needs nginx with Debian's
libnginx-mod-nchan; without it our figures stand alone.
"""

from __future__ import annotations

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import stream_client
from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from incidentwire.events import ItemSubmitted
from incidentwire.log.event_log import EventLog

SUBSCRIBERS = 4000
EVENTS_PER_S = 5
SECONDS = 7
ROUNDS = 3
SETTLE_S = 2.0
# A key may hold 1,000 streams.
KEYS = 8
# Each of the 50 filters matches the bench's events, so that all streams get them all.
FILTERED = "/v1/events/stream?q=type:item.submitted+-subject:i_none{n}"
NCHAN = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
CONFIG = """
daemon off; worker_processes 1; worker_rlimit_nofile 16000; pid {folder}/pid; error_log {folder}/error.log;
load_module {module};
events {{ worker_connections 12000; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /pub {{ nchan_publisher; nchan_channel_id bench; }}
    location /sub {{ nchan_subscriber eventsource; nchan_subscriber_first_message newest; nchan_channel_id bench; }}
  }}
}}
"""


def measure(
    port: int, path: str, publish: Callable[[int], None], keys: Sequence[str] = ()
) -> dict[str, Any]:
    """Return what the client saw of SECONDS * EVENTS_PER_S events."""
    seconds = SECONDS + 2 * SETTLE_S
    arguments = ["127.0.0.1", str(port), path, str(SUBSCRIBERS), str(seconds), *keys]
    client = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stream_client", *arguments],
        stdout=subprocess.PIPE,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"
    began = time.monotonic() + SETTLE_S
    published_ms = []
    for n in range(SECONDS * EVENTS_PER_S):
        time.sleep(max(0.0, began + n / EVENTS_PER_S - time.monotonic()))
        began_publishing = time.monotonic()
        publish(n)
        published_ms.append((time.monotonic() - began_publishing) * 1000)
    found: dict[str, Any] = json.loads(client.stdout.read())
    client.wait()
    whole = [ms for _, ms in found["latencies_ms"]]
    answered = [max(0.0, ms - published_ms[n]) for n, ms in found["latencies_ms"]]
    return {"whole_ms": whole, "answered_ms": answered, "events": found["events"]}


def ours(
    here: Stand, port: int, keys: Sequence[str], path: str = "/v1/events/stream"
) -> dict[str, Any]:
    log = EventLog(here.connection)

    def publish(n: int) -> None:
        log.append(
            "i_bench",
            ItemSubmitted(
                via="bench", url=f"https://news.example.org/bench/{n}/{time.time_ns()}"
            ),
        )

    return measure(port, path, publish, keys)


def nchan(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def publish(n: int) -> None:
        data = {
            "via": "bench",
            "url": f"https://news.example.org/bench/{n}/{time.time_ns()}",
        }
        envelope = {
            "specversion": "1.0",
            "id": str(n),
            "source": "urn:incidentwire:0123456789abcdef",
            "data": data,
            "type": "item.submitted",
            "subject": "i_bench",
            "time": "2026-05-31T10:00:00.000Z",
            "sequence": n,
            "datacontenttype": "application/json",
        }
        connection.request("POST", "/pub", json.dumps(envelope))
        connection.getresponse().read()

    return measure(port, "/sub", publish)


def nginx(folder: Path, port: int) -> subprocess.Popen[bytes]:
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, module=NCHAN, port=port))
    process = subprocess.Popen(
        [
            shutil.which("nginx") or "/usr/sbin/nginx",
            "-c",
            str(config),
            "-p",
            str(folder),
        ]
    )
    wait_for_port(port)
    return process


def quantiles(rounds: list[dict[str, Any]], what: str) -> tuple[float, float]:
    """p50 and p99 in ms."""
    cuts = statistics.quantiles([ms for found in rounds for ms in found[what]], n=100)
    return cuts[49], cuts[98]


def lost(rounds: list[dict[str, Any]]) -> int:
    return len(rounds) * SUBSCRIBERS * SECONDS * EVENTS_PER_S - sum(
        int(found["events"]) for found in rounds
    )


def main() -> None:
    """Print latency and loss of both."""
    with stand() as here, tempfile.TemporaryDirectory() as folder:
        port = free_port()
        peer_port = free_port()
        here.start("services.api.web", "--port", str(port))
        wait_for_port(port)
        keys = [here.new_key(f"subscriber-{n}") for n in range(KEYS)]
        peer = nginx(Path(folder), peer_port) if NCHAN.exists() else None
        mine = []
        theirs = []
        filtered = []
        cpu_s = 0.0
        try:
            for _ in range(ROUNDS):
                before = here.cpu_s()
                mine.append(ours(here, port, keys))
                cpu_s += here.cpu_s() - before
                filtered.append(ours(here, port, keys, FILTERED))
                if peer:
                    theirs.append(nchan(peer_port))
        finally:
            if peer:
                peer.terminate()
                peer.wait()
    p50, p99 = quantiles(mine, "answered_ms")
    what = f"{SUBSCRIBERS:,} streams, {EVENTS_PER_S} events/s"
    figure = f"p50 {p50:.0f} ms, p99 {p99:.0f} ms"
    if theirs:
        peer_p50, peer_p99 = quantiles(theirs, "whole_ms")
        limit = f"nchan p50 {peer_p50:.0f} ms, p99 {peer_p99:.0f} ms (x1.5)"
        row(what, figure, limit, p99 <= 1.5 * peer_p99)
    else:
        row(what, figure, "no nginx with nchan here")
    filtered_p50, filtered_p99 = quantiles(filtered, "answered_ms")
    row(
        f"  with {stream_client.FILTERS} filters",
        f"p50 {filtered_p50:.0f} ms, p99 {filtered_p99:.0f} ms",
        "x2 of the unfiltered p99",
        filtered_p99 <= 2 * p99 and lost(filtered) == 0,
    )
    whole_p50, whole_p99 = quantiles(mine, "whole_ms")
    row(
        "  with the durable append",
        f"p50 {whole_p50:.0f} ms, p99 {whole_p99:.0f} ms",
        "",
    )
    row(
        "  events lost",
        f"{lost(mine)}",
        f"0 (nchan {lost(theirs) if theirs else '-'})",
        lost(mine) == 0,
    )
    row(
        "  CPU time per event and subscriber",
        f"{cpu_s / sum(m['events'] for m in mine) * 1e6:.0f} µs",
        "",
    )


if __name__ == "__main__":
    main()
