"""`incidentwire check`: is everything there? Straight in store and archive, while the system may be at work."""

from __future__ import annotations

import time
from collections import Counter

import click
import redis
from rich.console import Console
from rich.table import Table

from cli import context
from cli.progress import bar
from incidentwire.archive import Archive
from incidentwire.items import IN_FLIGHT, State
from incidentwire.log.codec import UnknownType
from incidentwire.log.event_log import EventLog
from incidentwire.store import connect
from services.classifier.keeping import audit
from services.classifier.keeping import repair as repairing
from services.classifier.keeping.audit import Audit, Finding, FindingKind

SHOWN = 20  # findings of one kind that are named one by one
MESSAGES = {
    FindingKind.LOG_HAS_GAPS: "positions are missing from the log: restore it from a backup",
    FindingKind.INDEX_DISAGREES: "the log has more events of the item than its index: restore the store from a backup",
    FindingKind.NOT_IN_FLIGHT: "waits for an answer, and nobody knows",
    FindingKind.IN_FLIGHT_ENDED: "has ended, and is kept in flight",
    FindingKind.OVERDUE: "is overdue: does the keeper run?",
    FindingKind.MISSING: "is named by the newest revision, and not in the archive",
    FindingKind.DAMAGED: "is not what its digest says: restore it from a backup",
    FindingKind.UNDELETED: "was withdrawn or has expired, and is still there",
    FindingKind.ORPHAN: "is older than a day, and no event names it",
}


@click.command()
@click.option(
    "--repair",
    is_flag=True,
    help="Put right what can be: nothing that counts is lost by it.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Only look whether archived bytes are there; do not read them.",
)
def check(repair: bool, quick: bool) -> None:
    """Check that nothing is lost: every item counted, the log whole, the archive complete and without strays.

    Exits 0 when everything is whole (with --repair: is whole again), 1 otherwise.
    """
    settings = context.current_settings()
    log, archive = EventLog(connect(settings.redis_url)), Archive(settings.archive)
    try:
        with bar("items") as advance:
            found = audit.audit(
                log, archive, time.time(), read_bytes=not quick, advance=advance
            )
        left = found.findings
        if repair:
            tools = repairing.RepairContext(
                log=log,
                archive=archive,
                now=time.time(),
            )
            left = repairing.repair_findings(tools, found.findings)
    except redis.exceptions.ConnectionError:
        raise click.ClickException(
            "the store does not answer: is INCIDENTWIRE_REDIS_URL right?"
        ) from None
    except UnknownType as error:
        raise click.ClickException(str(error)) from None
    console = Console(highlight=False, soft_wrap=True)
    console.print(_sum(found))
    _name(console, found.findings, left, repair)
    raise SystemExit(1 if left else 0)


def _sum(found: Audit) -> Table:
    table = Table("what", "items")
    table.columns[1].justify = "right"
    table.add_row("submitted", str(found.submitted), end_section=True)
    for state in State:
        if state not in IN_FLIGHT:
            table.add_row(str(state), str(found.states[state]))
    table.add_row("in flight", str(found.in_flight), end_section=True)
    table.add_row("unaccounted for", str(found.difference), end_section=True)
    table.add_row("objects in the archive", str(found.objects))
    return table


def _name(
    console: Console, findings: list[Finding], left: list[Finding], repair: bool
) -> None:
    """One line per finding, the first of each kind; what was put right is said too."""
    if not findings:
        console.print(
            "[green]whole[/green]: nothing is missing, and nothing is there that should not be"
        )
        return
    shown = Counter[FindingKind]()
    for finding in findings:
        shown[finding.kind] += 1
        if shown[finding.kind] <= SHOWN:
            word = (
                "[red]wrong[/red]"
                if finding in left or not repair
                else "[yellow]put right[/yellow]"
            )
            what = "/".join(part for part in (finding.subject, finding.digest) if part)
            console.print(f"{word} {finding.kind} {what} {MESSAGES[finding.kind]}")
    for kind, count in shown.items():
        if count > SHOWN:
            console.print(f"… {count - SHOWN} more: {kind}")
    if left and not repair:
        console.print("put right what can be with: incidentwire check --repair")
