"""A store filled while no worker runs, then one worker: does it drain by itself?"""

from __future__ import annotations

import argparse
import time
from typing import Any

import requests

from benchmarks.stand import Stand, free_port, row, stand, wait_for_port
from incidentwire.log.event_log import IN_FLIGHT

BODY_ITEMS = 2_000
LOAD_CHECK_S = 1.1  # ingest asks the store how full it is once a second
PATIENCE_S = 900.0


def fill(here: Stand, port: int) -> int:
    """Submit texts until the service refuses; return how many were accepted."""
    headers = {**here.headers, "Content-Type": "application/x-ndjson"}
    accepted = 0
    while True:
        lines = "".join(
            f'{{"text": "Benches are back in the river park: {accepted + n}."}}\n'
            for n in range(BODY_ITEMS)
        )
        answer = requests.post(
            f"http://127.0.0.1:{port}/v1/submissions",
            data=lines,
            headers=headers,
            timeout=120,
        )
        accepted += answer.text.count('"status": 202')
        if answer.status_code == 503 or '"status": 503' in answer.text:
            return accepted
        time.sleep(LOAD_CHECK_S)


def used_share(connection: Any) -> float:
    memory = connection.info("memory")
    return float(memory["used_memory"]) / float(memory["maxmemory"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=64, help="size of the store")
    size_mb = parser.parse_args().mb
    with stand(requests_per_minute=100_000, items_per_minute=10_000_000) as here:
        connection: Any = here.connection
        connection.config_set("maxmemory", size_mb * 2**20)
        port = free_port()
        here.start("services.ingest.web", "--port", str(port))
        wait_for_port(port)
        accepted = fill(here, port)
        share = used_share(connection)
        row(f"texts accepted into a store of {size_mb} MB", f"{accepted:,}", "")
        row("store used then", f"{share:.0%}", "")
        began = time.monotonic()
        worker = here.start("services.classifier.worker")
        most = share
        while (left := connection.zcard(IN_FLIGHT)) and worker.poll() is None:
            if time.monotonic() - began > PATIENCE_S:
                break
            most = max(most, used_share(connection))
            time.sleep(0.5)
        took = time.monotonic() - began
        row("left after one worker", f"{left:,} in {took:.0f} s", "0", not left)
        row("store used at most", f"{most:.0%}", "under 100 %", most < 1)
        row(
            "the worker still runs",
            str(worker.poll() is None),
            "True",
            worker.poll() is None,
        )


if __name__ == "__main__":
    main()
