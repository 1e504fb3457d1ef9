"""Kill everything at random under load, then check that nothing was lost: `make chaos`.

python -m tests.chaos --minutes 10 --seed 7
"""

from __future__ import annotations

import argparse
import math
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from incidentwire.client import Client, ClientError
from incidentwire.log.event_log import EventLog
from incidentwire.settings import Settings
from tests.chaos import checks, faults
from tests.chaos.clients import Crowd, Member, Reader, Submitter
from tests.chaos.receivers import HEALABLE, Endpoint, calm, endpoints, resetting, upset
from tests.eventually import eventually
from tests.mail_server import MailServer, mail_server
from tests.running_up import Up, running_up

SETTLE_S = 300.0
RECIPIENTS = ("ann@example.org", "ben@example.org")  # at once; a daily digest
REFUSED = "nobody@example.org"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much of everything."""

    seconds: float
    seed: int
    rate: float = 20.0  # items/s
    readers: int = 50
    groups: int = 5
    of_each: int = 2  # endpoints of every temper


@dataclass
class Run:
    """A system under load, with everyone who uses it."""

    plan: Plan
    up: Up
    crowd: Crowd
    mail: MailServer
    hooks: dict[str, Endpoint] = field(default_factory=dict)  # by subscription id
    mails: list[str] = field(default_factory=list)  # subscription ids
    readers: list[Reader] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(f"{self.plan.seed}/submitter")
        self.submitter = Submitter(self.crowd, rng, self.plan.rate)

    # -- before ------------------------------------------------------------------------

    def subscribe(self, made: Sequence[Endpoint], reset_port: int) -> None:
        """Create all subscriptions and groups, verified and confirmed."""
        with self.crowd.client() as client:
            for endpoint in made:
                created = client.subscribe(
                    name=endpoint.temper,
                    channel="webhook",
                    target=endpoint.url,
                    filter=f"type:{checks.WEBHOOK_TYPE}",
                )
                client.verify(created["id"])
                self.hooks[created["id"]] = endpoint
            client.subscribe(
                name="resetting",
                channel="webhook",
                target=f"http://127.0.0.1:{reset_port}/",
            )
            for group in range(self.plan.groups):
                client.create_group(
                    f"g{group}", filter=f"type:{checks.WEBHOOK_TYPE}", after=0
                )
            self._subscribe_mails(client)

    def _subscribe_mails(self, client: Client) -> None:
        paces = {RECIPIENTS[0]: "at_once", RECIPIENTS[1]: "daily", REFUSED: "at_once"}
        for recipient, pace in paces.items():
            created = client.subscribe(
                name=recipient,
                channel="email",
                target=recipient,
                filter="",
                scope="new",
                schedule={"pace": pace},
            )
            self.mails.append(created["id"])
            link = self.mail.texts()[-1].split("Confirm within seven days: ")[1]
            requests.post(link.split()[0], timeout=30).raise_for_status()
        self.mail.refuse[REFUSED] = "550 no such user"
        self.mail.raw.clear()

    def start(self) -> None:
        """Let everyone begin."""
        seed = self.plan.seed
        for number in range(self.plan.readers):
            self.readers.append(
                Reader(self.crowd, random.Random(f"{seed}/reader/{number}"))
            )
        for number in range(self.plan.groups):
            rng = random.Random(f"{seed}/member/{number}")
            self.members.append(Member(self.crowd, rng, f"g{number}"))
        self.crowd.start(self.submitter.run)
        for one in (*self.readers, *self.members):
            self.crowd.start(one.run)

    # -- meanwhile ---------------------------------------------------------------------

    def suffer(self) -> None:
        """Apply the faults of the schedule at their times."""
        rng = random.Random(f"{self.plan.seed}/mail")
        began = time.monotonic()
        for fault in faults.schedule(self.plan.seed, self.plan.seconds):
            wait_s = fault.at_s - (time.monotonic() - began)
            time.sleep(max(0.0, wait_s))
            print(
                f"{time.monotonic() - began:6.1f} s  {fault.kind} {fault.target}",
                flush=True,
            )
            upset(self.mail, rng)
            faults.apply(fault, self.up)
        time.sleep(max(0.0, self.plan.seconds - (time.monotonic() - began)))

    # -- afterwards --------------------------------------------------------------------

    def settle(self) -> None:
        """End the load, heal what can be healed, and wait until everything has arrived."""
        self.submitter.finished.set()
        calm(self.mail)
        for endpoint in self.hooks.values():
            endpoint.healed = True
        eventually(self.up.is_ready, "both services are ready again", SETTLE_S)
        with self.crowd.client() as client, faults.store(self.up) as connection:
            log = EventLog(connection)
            eventually(lambda: self._is_idle(client), "every item has ended", SETTLE_S)
            self._heal(client)
            self._deliver(client, "all is delivered")
            self._send_digests()
            self._deliver(client, "digests are sent")
            for member in self.members:
                self._drain(client, member)
            last = log.last()
            eventually(
                lambda: all(
                    r.positions and r.positions[-1] >= last for r in self.readers
                ),
                "every reader has read to the end",
                SETTLE_S,
            )
            self.crowd.stopped.set()

    def _is_idle(self, client: Client) -> bool:
        stats = _trying(client.stats)
        return bool(stats) and not stats["in_flight"] and not stats["lag"]

    def _heal(self, client: Client) -> None:
        """Enable what is failing, with everything missed, as its owner would."""
        for name in self._mendable():
            _trying(lambda name=name: client.resume(name))

    def _mendable(self) -> list[str]:
        healable = [n for n, e in self.hooks.items() if e.temper in HEALABLE]
        return [*healable, *self.mails[:2]]

    def _deliver(self, client: Client, what: str) -> None:
        """Wait until all is delivered; fail if no more is for SETTLE_S."""
        least = math.inf
        while least:
            eventually(
                lambda least=least: self._waiting(client) < least, what, SETTLE_S
            )
            least = min(least, self._waiting(client))

    def _waiting(self, client: Client) -> float:
        """Return how many events wait for the healable receivers; they are enabled."""
        shown = _trying(client.subscriptions) or []
        mine = [s for s in shown if s["id"] in self._mendable()]
        if not mine:
            return math.inf
        if any(s["failing_since"] for s in mine):
            self._heal(client)
        now = datetime.now(UTC).isoformat()
        due = [s for s in mine if (s["next_at"] or "") < now or s["failing_since"]]
        return float(sum(s["pending"] + s["lag"] for s in due))

    def _send_digests(self) -> None:
        """Let the hour of the daily digest come."""
        file = Settings(data_dir=self.up.data_dir).subscriptions
        with closing(sqlite3.connect(file, timeout=30)) as db, db:
            db.execute("UPDATE subscriptions SET next_at = 1 WHERE next_at > 0")

    def _drain(self, client: Client, member: Member) -> None:
        """Handle what is left of a group, parked events too."""

        def is_empty() -> bool:
            client.replay_parked(member.group)
            member.turn(client, careless=False)
            group = client.group(member.group)
            return not (group["waiting"] or group["leased"] or group["parked"])

        eventually(is_empty, f"group {member.group} is empty", SETTLE_S)

    def faults_found(self) -> Iterator[str]:
        with self.crowd.client() as client, faults.store(self.up) as connection:
            log = EventLog(connection)
            healed = [e for e in self.hooks.values() if e.temper in HEALABLE]
            names = {n: self.hooks[n] for n in self._mendable() if n in self.hooks}
            submitted = len(checks.positions_of(log, "item.submitted"))
            yield from checks.items_have_ended(log, self.submitter.acknowledged)
            yield from checks.readers_have_everything(log, self.readers)
            yield from checks.groups_have_everything(log, self.members)
            yield from checks.endpoints_have_everything(log, healed)
            yield from checks.nothing_came_after_410(list(self.hooks.values()))
            yield from checks.ledger_agrees(client, names)
            yield from checks.mails_hold_each_event_once(log, self.mail, RECIPIENTS)
            yield from checks.audit_is_right(client, submitted)
            yield from checks.nothing_is_left(connection)

    def summary(self) -> str:
        accepted = sum(len(e.accepted) for e in self.hooks.values())
        with faults.store(self.up) as connection:
            times = checks.seconds_to_end(EventLog(connection)) or [0.0]
        return (
            f"time to end: p50 {times[len(times) // 2]:.1f} s,"
            f" p95 {times[int(len(times) * 0.95)]:.1f} s, most {times[-1]:.1f} s\n"
            f"{len(self.submitter.acknowledged)} items acknowledged in"
            f" {self.plan.seconds:.0f} s after {self.submitter.refused} refusals, {len(self.readers)} readers,"
            f" {accepted} webhooks accepted, {len(self.mail.raw)} mails"
        )


def _trying(call: Callable[[], Any]) -> Any:
    """Return what the call returns; None while the services are away."""
    try:
        return call()
    except (requests.RequestException, ClientError):
        return None


def run(plan: Plan, folder: Path) -> list[str]:
    """Run the plan and return what was wrong afterwards."""
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server())
        made = stack.enter_context(endpoints(plan.seed, plan.of_each))
        reset_port = stack.enter_context(resetting())
        up = stack.enter_context(
            running_up(
                folder / "data",
                INCIDENTWIRE_ALLOWED_HOSTS="127.0.0.1",
                INCIDENTWIRE_SMTP_HOST="127.0.0.1",
                INCIDENTWIRE_SMTP_PORT=str(mail.port),
                INCIDENTWIRE_SMTP_SECURITY="none",
                INCIDENTWIRE_MAIL_FROM="wire@example.org",
                INCIDENTWIRE_HEARTBEAT_S="2",
            )
        )
        key = up.auth["Authorization"].removeprefix("Bearer ")
        crowd = Crowd(up.api, up.ingest, key)
        stack.callback(crowd.stopped.set)
        running = Run(plan=plan, up=up, crowd=crowd, mail=mail)
        stack.callback(running.submitter.finished.set)
        running.subscribe(made, reset_port)
        running.start()
        running.suffer()
        running.settle()
        print(running.summary(), flush=True)
        return list(running.faults_found())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument(
        "--seed", type=int, default=random.SystemRandom().randrange(10**6)
    )
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--readers", type=int, default=50)
    parser.add_argument("--of-each", type=int, default=2)
    given = parser.parse_args()
    plan = Plan(
        seconds=60 * given.minutes,
        seed=given.seed,
        rate=given.rate,
        readers=given.readers,
        of_each=given.of_each,
    )
    print(f"seed {plan.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        wrong = run(plan, Path(folder))
    for sentence in wrong:
        print(f"WRONG: {sentence}")
    print(
        "0 wrong" if not wrong else f"{len(wrong)} wrong; replay with SEED={plan.seed}"
    )
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
