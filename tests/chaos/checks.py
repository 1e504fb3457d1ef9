"""What must be true after a run. Each check yields sentences about what is not."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import redis

from incidentwire.client import Client
from incidentwire.events import InFlight
from incidentwire.items import IN_FLIGHT, fold_all
from incidentwire.log.event_log import EventLog
from services.classifier.keeping.sweep import HASHES, JOB_AGE_S, Sweep
from tests.chaos.clients import Member, Reader
from tests.chaos.receivers import Endpoint
from tests.mail_server import MailServer

WEBHOOK_TYPE = "item.classified"
MAIL_TYPE = "incident.opened"
MAIL_LINE = "New incident."
LEFTOVERS = ("rq:job:*", "rq:failed:*", "rq:results:*", "rq:wip:*", "iw:fetch:*")


def positions_of(log: EventLog, type_name: str) -> set[int]:
    """Return the positions of all events of a type."""
    return {
        entry.position
        for entry in log.read()
        if entry.type.partition(":")[0] == type_name
    }


def items_have_ended(log: EventLog, acknowledged: set[str]) -> Iterator[str]:
    if not log.is_gapless():
        yield "the log has a gap"
    for item in sorted(acknowledged):
        state = fold_all(item, log.history(item)).state
        if state in IN_FLIGHT:
            yield f"item {item} was acknowledged and is {state}"


def seconds_to_end(log: EventLog) -> list[float]:
    """Return, for each item that ended, the time from its first request to its end."""
    began: dict[str, int] = {}
    ended: dict[str, float] = {}
    for entry in log.read():
        if entry.event.in_flight is InFlight.ENQUEUES:
            began.setdefault(entry.subject, entry.time_ms)
        elif entry.event.in_flight is InFlight.COMPLETES and entry.subject in began:
            ended.setdefault(
                entry.subject, (entry.time_ms - began[entry.subject]) / 1000
            )
    return sorted(ended.values())


def readers_have_everything(log: EventLog, readers: Sequence[Reader]) -> Iterator[str]:
    wanted = list(range(1, log.last() + 1))
    for number, reader in enumerate(readers):
        if reader.positions[: len(wanted)] != wanted:
            yield f"reader {number} has {len(reader.positions)} of {len(wanted)} events"


def groups_have_everything(log: EventLog, members: Sequence[Member]) -> Iterator[str]:
    wanted = positions_of(log, WEBHOOK_TYPE)
    for group in sorted({member.group for member in members}):
        done = set[int]().union(*(m.done for m in members if m.group == group))
        if missing := wanted - done:
            yield f"group {group} never handled {sorted(missing)[:5]}"


def endpoints_have_everything(
    log: EventLog, healed: Sequence[Endpoint]
) -> Iterator[str]:
    wanted = positions_of(log, WEBHOOK_TYPE)
    for endpoint in healed:
        if missing := wanted - {position for _, position in endpoint.accepted}:
            yield f"a {endpoint.temper} endpoint lacks {sorted(missing)[:5]}"


def nothing_came_after_410(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    for endpoint in endpoints:
        if endpoint.after_410:
            yield f"{endpoint.after_410} deliveries after 410"


def ledger_agrees(client: Client, names: dict[str, Endpoint]) -> Iterator[str]:
    """Compare the message ids that got a 2xx with those of the ledger."""
    for name, endpoint in names.items():
        accepted = {message_id for message_id, _ in endpoint.accepted}
        noted = {row["message_id"] for row in client.deliveries(name) if row["ok"]}
        if accepted != noted:
            yield (
                f"a {endpoint.temper} endpoint: {len(accepted - noted)} accepted and not"
                f" in the ledger, {len(noted - accepted)} in the ledger only"
            )


def mails_hold_each_event_once(
    log: EventLog, server: MailServer, recipients: Sequence[str]
) -> Iterator[str]:
    """Count new incidents over the distinct mails: one sent again has the same id."""
    wanted = len(positions_of(log, MAIL_TYPE))
    texts = {
        (str(message["To"]), str(message["Message-ID"])): text
        for message, text in zip(server.messages(), server.texts(), strict=True)
    }
    found = Counter[str]()
    for (recipient, _), text in texts.items():
        found[recipient] += len(re.findall(re.escape(MAIL_LINE), text))
    for recipient in recipients:
        if found[recipient] != wanted:
            yield f"{recipient} was told of {found[recipient]} of {wanted} new incidents"


def audit_is_right(client: Client, submitted: int) -> Iterator[str]:
    stats = client.stats()
    counted = sum(stats["states"].values())
    if stats["in_flight"] or counted != submitted:
        yield f"the audit: {submitted} submitted, {counted} counted, {stats['in_flight']} in flight"


def nothing_is_left(connection: redis.Redis) -> Iterator[str]:
    """Name the keys of work that remain once the keeper has swept."""
    sweep = Sweep(connection)
    while sweep.run(time.time() + JOB_AGE_S):
        pass
    for pattern in (*LEFTOVERS, *HASHES):
        left = sorted(key.decode() for key in connection.scan_iter(pattern))
        if left:
            yield f"{len(left)} keys {pattern} are left, {left[0]} among them"
