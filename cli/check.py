"""`incidentwire check`: compare log, queue and archive, while the system may be running."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

import click

from cli import context, output
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
    FindingKind.LOG_HAS_GAPS: "positions are missing: restore the log from a backup",
    FindingKind.INDEX_DISAGREES: "the log has more events of the item than its index:"
    " restore the store from a backup",
    FindingKind.NOT_IN_FLIGHT: "is unfinished and not in flight",
    FindingKind.IN_FLIGHT_ENDED: "has ended and is still in flight",
    FindingKind.OVERDUE: "is overdue: does the keeper run?",
    FindingKind.MISSING: "is referenced by the newest revision, not in the archive",
    FindingKind.DAMAGED: "does not match its digest: --repair fetches a page again,"
    " a submitted text must come from a backup, or be submitted again",
    FindingKind.UNDELETED: "was withdrawn or has expired, and still exists",
    FindingKind.ORPHAN: "is older than a day and referenced by no event",
    FindingKind.ANOTHER_LOG: "the log knows fewer than half of the archive's items:"
    " restore the store from a backup. Nothing is deleted from the archive",
}
COUNTS: output.Columns = {
    "items": lambda row: row["items"],
    "what": lambda row: row["what"],
}


@click.command()
@click.option(
    "--repair", is_flag=True, help="Repair what can be; nothing is lost by it."
)
@click.option("--quick", is_flag=True, help="Do not read the archived bytes.")
@output.json_option
def check(repair: bool, quick: bool, as_json: bool) -> None:
    """Check that every item is accounted for, the log whole and the archive complete.

    Exits 0 if everything is whole (with --repair: is whole again), 1 otherwise.
    """
    settings = context.current_settings()
    log = EventLog(connect(settings.redis_url))
    archive = Archive(settings.archive)
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
    except UnknownType as error:
        raise click.ClickException(str(error)) from None
    output.write(_counts(found), COUNTS, as_json=as_json)
    if as_json:
        _write_findings(found.findings, left, repair)
    else:
        _print_findings(found.findings, left, repair)
    raise SystemExit(1 if left else 0)


def _counts(found: Audit) -> Iterator[output.Row]:
    yield {"what": "submitted", "items": found.submitted}
    for state in State:
        if state not in IN_FLIGHT:
            yield {"what": str(state), "items": found.states[state]}
    yield {"what": "in flight", "items": found.in_flight}
    yield {"what": "unaccounted for", "items": found.difference}
    yield {"what": "objects in the archive", "items": found.objects}


def _write_findings(
    findings: Sequence[Finding], left: Sequence[Finding], repair: bool
) -> None:
    for finding in findings:
        output.write_json(
            {
                "finding": str(finding.kind),
                "subject": finding.subject,
                "digest": finding.digest,
                "repaired": repair and finding not in left,
            }
        )


def _print_findings(
    findings: Sequence[Finding], left: Sequence[Finding], repair: bool
) -> None:
    """Print one line per finding, at most SHOWN of each kind."""
    if not findings:
        click.echo("Everything is whole: nothing is missing, nothing is left over.")
        return
    shown = Counter[FindingKind]()
    for finding in findings:
        shown[finding.kind] += 1
        if shown[finding.kind] <= SHOWN:
            is_wrong = finding in left or not repair
            word = click.style("wrong", fg="red") if is_wrong else "repaired"
            parts = (finding.subject, finding.digest)
            name = "/".join(part for part in parts if part)
            click.echo(f"{word} {finding.kind} {name} {MESSAGES[finding.kind]}")
    for kind, count in shown.items():
        if count > SHOWN:
            click.echo(f"… {count - SHOWN} more: {kind}")
    if left and not repair:
        click.echo("Repair what can be with: incidentwire check --repair")
