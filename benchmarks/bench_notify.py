"""Webhooks and digests: how many, how soon beside dead endpoints, and what waiting costs.

1. Deliveries per second over 20 endpoints, beside a loop with `requests` that only signs
   and posts the same bodies.
2. Time from the append to the arrival at 20 healthy endpoints, alone and with dead ones
   that accept connections and never answer.
3. CPU share of 10,000 subscriptions with 1,000 distinct filters at 60 events/s.
4. One digest of 500 events over SMTP.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from benchmarks.stand import Stand, free_port, row, stand
from incidentwire.events import IncidentOpened, ItemSubmitted
from incidentwire.labels import LABELS
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from services.api.read_model.projector import Projector
from services.api.subscriptions import webhook
from services.api.subscriptions.database import Database
from services.api.subscriptions.delivery import Delivery
from services.api.subscriptions.model import (
    Channel,
    Pace,
    Schedule,
    Scope,
    Status,
    Subscription,
)
from services.api.subscriptions.notifier import open_read_model
from services.api.subscriptions.pending import PendingPositions
from services.api.subscriptions.secrets import SecretBox, new_webhook_secret
from services.api.subscriptions.store import SubscriptionStore
from tests.eventually import eventually
from tests.mail_server import mail_server

ENDPOINTS = 20
RATE = 2.0  # events/s of the second question
EVENTS_PER_S = 60.0  # of the third
FILTERS = 1_000
PATIENCE_S = 600.0
GOOD = "127.0.2"
DEAD = "127.0.3"
HOSTS = frozenset(f"{net}.{n}" for net in (GOOD, DEAD) for n in range(1, 41))


@dataclass
class Sink:
    """The endpoints, in a process of their own."""

    port: int
    process: subprocess.Popen[str] = field(repr=False)

    def arrivals(self) -> list[tuple[float, float]]:
        """Stop it and return (seconds, latency in ms) of each delivery."""
        out, _ = self.process.communicate("", timeout=60)
        return [(at, ms) for at, ms in json.loads(out)]


@contextmanager
def sink(good: int, dead: int) -> Iterator[Sink]:
    port = free_port()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "benchmarks.webhook_sink",
            str(port),
            str(good),
            str(dead),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield Sink(port, process)
    finally:
        process.kill()
        process.wait()


def subscription(name: str, **fields: Any) -> Subscription:
    given = {
        "channel": Channel.WEBHOOK,
        "target": "",
        "filter": "type:item.submitted",
        "scope": Scope.UPDATES,
        "schedule": Schedule(),
        "status": Status.ACTIVE,
    }
    return Subscription(id=name, name=name, owner="bench", **(given | fields))


def add_hooks(here: Stand, net: str, count: int, port: int) -> None:
    """Subscribe active webhooks at `count` addresses of a net."""
    database = Database(here.settings.subscriptions)
    store = SubscriptionStore(database)
    box = SecretBox(here.settings.secrets_key, here.settings.subscriptions.parent)
    with database.transaction():
        for number in range(1, count + 1):
            address = f"{net}.{number}"
            hook = subscription(address, target=f"http://{address}:{port}/")
            store.add(hook)
            store.put_secret(hook.id, "webhook", box.seal(new_webhook_secret()))
        database.touch()
    database.close()


def start(here: Stand) -> None:
    """Start projector and notifier; return once the notifier follows the log."""
    here.start("services.api.read_model.projector")
    here.start("services.api.subscriptions.notifier")
    database = Database(here.settings.subscriptions)
    eventually(lambda: database.head()[1], "the notifier follows the log", PATIENCE_S)
    database.close()


def submitted(number: int) -> ItemSubmitted:
    url = f"https://news.example.org/bench/{number}/{time.time_ns()}"
    return ItemSubmitted(via="bench", url=url)


def append(here: Stand, count: int) -> None:
    log = EventLog(here.connection)
    for n in range(count):
        log.append(f"i_{n}", submitted(n))


def drained(here: Stand, last: int) -> Callable[[], bool]:
    """Return a function that tells whether all healthy endpoints have everything."""
    database = Database(here.settings.subscriptions)

    def is_drained() -> bool:
        head, _ = database.head()
        sql = "SELECT count(*) FROM pending WHERE subscription LIKE ?"
        left = database.db.execute(sql, (f"{GOOD}.%",)).fetchone()[0]
        time.sleep(0.1)
        return head >= last and not left

    return is_drained


# -- 1 ---------------------------------------------------------------------------------


def deliveries(events: int) -> None:
    with sink(ENDPOINTS, 0) as running, stand(allowed_hosts=HOSTS) as here:
        add_hooks(here, GOOD, ENDPOINTS, running.port)
        append(here, 1)
        start(here)
        append(here, events)
        last = EventLog(here.connection).last()
        eventually(drained(here, last), "all is delivered", PATIENCE_S)
        times = [at for at, _ in running.arrivals()]
    rate = len(times) / (times[-1] - times[0])
    limit = bare_loop(min(len(times), 1_000))
    row(
        f"webhooks to {ENDPOINTS} endpoints, {len(times):,} deliveries",
        f"{rate:.0f}/s",
        f">= 150/s (bare signing loop {limit:.0f}/s)",
        rate >= 150,
    )


def bare_loop(count: int) -> float:
    """Return the posts/s of a loop that signs a body like ours and posts it."""
    secret = new_webhook_secret()
    with sink(ENDPOINTS, 0) as running, requests.Session() as session:
        began = time.monotonic()
        for number in range(count):
            body = json.dumps({"bench": f"bench/{number}/1", "x": "y" * 800}).encode()
            now = datetime.now(UTC)
            headers = webhook.headers(f"m_{number}", body, [secret], now)
            host = f"{GOOD}.{1 + number % ENDPOINTS}"
            session.post(f"http://{host}:{running.port}/", body, headers=headers)
        return count / (time.monotonic() - began)


# -- 2 ---------------------------------------------------------------------------------


def beside_dead(seconds: float, dead: int) -> None:
    alone = latency_ms(seconds, 0)
    beside = latency_ms(seconds, dead)
    row(
        f"append to arrival at {ENDPOINTS} healthy endpoints, p95",
        f"{beside:.0f} ms",
        f"<= 2 x {alone:.0f} ms without {dead} dead ones",
        beside <= 2 * alone,
    )


def latency_ms(seconds: float, dead: int) -> float:
    """Return the p95 of the time from append to arrival."""
    with sink(ENDPOINTS, dead) as running, stand(allowed_hosts=HOSTS) as here:
        add_hooks(here, GOOD, ENDPOINTS, running.port)
        add_hooks(here, DEAD, dead, running.port)
        append(here, 1)
        start(here)
        log = EventLog(here.connection)
        began = time.monotonic()
        for number in range(int(seconds * RATE)):
            time.sleep(max(0.0, began + number / RATE - time.monotonic()))
            log.append(f"i_{number}", submitted(number))
        eventually(drained(here, log.last()), "all is delivered", PATIENCE_S)
        found = [ms for _, ms in running.arrivals()]
    return statistics.quantiles(found, n=20)[-1]


# -- 3 ---------------------------------------------------------------------------------


def cpu_share(subscriptions: int, events: int) -> None:
    with stand() as here:
        add_digests(here, subscriptions)
        start(here)
        notifier = here.processes[-1:]
        waiting = Stand(here.settings, here.key, notifier)
        time.sleep(3)
        before = waiting.cpu_s()
        time.sleep(5)
        idle = (waiting.cpu_s() - before) / 5
        before = waiting.cpu_s()
        began = time.monotonic()
        append_incidents(here, events)
        last = EventLog(here.connection).last()
        database = Database(here.settings.subscriptions)
        eventually(lambda: database.head()[0] >= last, "all is matched", PATIENCE_S)
        seconds = time.monotonic() - began
        matching = (waiting.cpu_s() - before - idle * seconds) / events * EVENTS_PER_S
    row(
        f"{subscriptions:,} subscriptions, {FILTERS:,} filters, {EVENTS_PER_S:.0f} events/s",
        f"{100 * (idle + matching):.0f} % of a core",
        f"< 50 % (idle {100 * idle:.1f} %)",
        idle + matching < 0.5,
    )


def add_digests(here: Stand, count: int) -> None:
    """Add daily digests whose filters ask for labels, names and words."""
    database = Database(here.settings.subscriptions)
    store = SubscriptionStore(database)
    with database.transaction():
        for number in range(count):
            kind = number % FILTERS
            label = LABELS[kind % len(LABELS)]
            text = f'label:{label} (entity:"Company {kind}" OR clinic{kind} OR source:news{kind}.example.org)'
            store.add(
                subscription(
                    f"s_{number}",
                    channel=Channel.EMAIL,
                    target="a@example.org",
                    filter=text,
                    schedule=Schedule(pace=Pace.DAILY),
                    next_at=time.time() + 86_400,
                )
            )
        database.touch()
    database.close()


def append_incidents(here: Stand, events: int) -> None:
    """Append items and the incidents that they open, in equal parts."""
    log = EventLog(here.connection)
    for number in range(events // 2):
        label = LABELS[number % len(LABELS)]
        opened = IncidentOpened(item=f"i_{number}", mention="m0", labels=(label,))
        log.append(f"i_{number}", submitted(number))
        log.append(f"n_{number}", opened)


# -- 4 ---------------------------------------------------------------------------------


def digest(events: int) -> None:
    with (
        mail_server() as smtp,
        stand(smtp_host="127.0.0.1", smtp_port=smtp.port, smtp_security="none") as here,
    ):
        append_incidents(here, 2 * events)
        projector = Projector(here.settings, here.connection)
        projector.catch_up()
        projector.close()
        database = Database(here.settings.subscriptions)
        box = SecretBox(here.settings.secrets_key, here.settings.subscriptions.parent)
        due = subscription("s_digest", channel=Channel.EMAIL, target="a@example.org")
        store = SubscriptionStore(database)
        store.add(due)
        store.put_secret(due.id, "unsubscribe", box.seal("token"))
        positions = range(2, 2 * events + 1, 2)
        PendingPositions(database).add_pending([(due.id, p, False) for p in positions])
        delivery = Delivery(
            settings=here.settings,
            database=database,
            read_model=open_read_model(here.settings.read_model),
            log=EventLog(here.connection),
            client=HttpClient.of(here.settings),
            box=box,
        )
        began = time.monotonic()
        delivery.deliver(due.id)
        seconds = time.monotonic() - began
        assert smtp.texts()[0].count("New incident.") == events
    row(f"a digest of {events} events", f"{seconds:.2f} s", "< 1 s", seconds < 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a fifth of everything")
    share = 5 if parser.parse_args().small else 1
    deliveries(500 // share)
    beside_dead(20 / share, dead=20)
    cpu_share(10_000, 6_000 // share)
    digest(500)


if __name__ == "__main__":
    main()
