"""`incidentwire incidents`: look at incidents and decide about them, over the API."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli import context
from incidentwire.incidents.state import STATUSES
from incidentwire.labels import LABELS
from incidentwire.settings import Settings

note_option = click.option("--note", default="", help="Why; it stays in the history.")
version_option = click.option(
    "--version",
    "seen",
    type=int,
    help="The version that you looked at; a stale one is refused.  [the current one]",
)


@click.group()
def incidents() -> None:
    """Incidents: list, show, merge, split, undo, and say how they stand."""


@incidents.command("list")
@click.option(
    "--label",
    "labels",
    multiple=True,
    type=click.Choice(LABELS),
    help="Has all of these.",
)
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    help="Is any of these.",
)
@click.option("--text", "q", help="Words of its items.")
@click.option("--entity", help="Words in its items' titles.")
@click.option("--source", help="Host or site of an item.")
@click.option("--from", "since", help="With a report on or after this day.")
@click.option("--to", "until", help="With a report on or before this day.")
@click.option("--as-of", help="As it was known at a position or an RFC 3339 time.")
@click.option(
    "--sort",
    type=click.Choice(["newest", "oldest", "last_report", "items", "updated"]),
    default="newest",
)
@click.option("--limit", default=50, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_incidents(
    limit: int, as_json: bool, since: str | None, until: str | None, **options: Any
) -> None:
    """List incidents."""
    settings = context.current_settings()
    asked = {
        "label": options.pop("labels"),
        "status": options.pop("statuses"),
        "from": since,
        "to": until,
        **options,
    }
    rows = _all(
        settings, {name: value for name, value in asked.items() if value}, limit
    )
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_cells(row)))
        return
    table = Table("id", "status", "labels", "items", "last report", "title")
    for row in rows:
        table.add_row(*(cell.replace("[", r"\[") for cell in _cells(row)))
    Console().print(table)


@incidents.command()
@click.argument("incident")
@click.option("--as-of", help="As it was known at a position or an RFC 3339 time.")
@click.option("--history", is_flag=True, help="What happened to it, line by line.")
@click.option("--json", "as_json", is_flag=True, help="All that the API says.")
def show(incident: str, as_of: str | None, history: bool, as_json: bool) -> None:
    """Show an incident, its items and what they say of it."""
    settings = context.current_settings()
    found = _get(
        settings,
        f"/{incident}" + ("/history" if history else ""),
        {"as_of": as_of} if as_of else {},
    )
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
    elif history:
        for line in found["lines"]:
            note = (
                f" ({line['note']})"
                if line["note"] and line["type"] != "incident.noted"
                else ""
            )
            click.echo(
                f"{line['position']}\t{line['time']}\t{line['who'] or '-'}\t{_plain(line['text'] + note)}"
            )
    else:
        _print(found)


@incidents.command()
@click.argument("incident")
@click.argument("into")
@version_option
@click.option("--into-version", type=int, help="The same of INTO.")
@note_option
def merge(
    incident: str, into: str, seen: int | None, into_version: int | None, note: str
) -> None:
    """Let INCIDENT redirect to INTO, which then shows the items of both."""
    settings = context.current_settings()
    other = into_version if into_version is not None else _version(settings, into)
    _command(settings, incident, "merge", seen, note, into=into, into_version=other)


@incidents.command()
@click.argument("incident")
@click.argument("mentions", nargs=-1, required=True)
@version_option
@note_option
def split(
    incident: str, mentions: tuple[str, ...], seen: int | None, note: str
) -> None:
    """Let MENTIONS (<item>#<mention>, as `show` names them) leave for a new incident."""
    _command(
        context.current_settings(),
        incident,
        "split",
        seen,
        note,
        mentions=list(mentions),
    )


@incidents.command()
@click.argument("incident")
@version_option
@note_option
def undo(incident: str, seen: int | None, note: str) -> None:
    """Undo the merge that made INCIDENT redirect, or else the split that it came from."""
    settings = context.current_settings()
    verb = (
        "unmerge"
        if "redirected_from" in _get(settings, f"/{incident}", {})
        else "unsplit"
    )
    _command(settings, incident, verb, seen, note)


@incidents.command()
@click.argument("incident")
@click.argument("status", type=click.Choice(STATUSES))
@version_option
@note_option
def status(incident: str, status: str, seen: int | None, note: str) -> None:
    """Say how an incident stands."""
    _command(context.current_settings(), incident, "status", seen, note, status=status)


@incidents.command()
@click.argument("incident")
@click.argument("title")
@version_option
@note_option
def rename(incident: str, title: str, seen: int | None, note: str) -> None:
    """Give an incident a title."""
    _command(context.current_settings(), incident, "title", seen, note, title=title)


@incidents.command()
@click.argument("incident")
@click.argument("text")
@version_option
def note(incident: str, text: str, seen: int | None) -> None:
    """Add a note to an incident's history."""
    _command(context.current_settings(), incident, "notes", seen, text)


@incidents.command()
@click.argument("incident")
@click.argument("mention")
@click.argument("to", required=False)
@version_option
@click.option("--to-version", type=int, help="The same of TO.")
@note_option
def move(
    incident: str,
    mention: str,
    to: str | None,
    seen: int | None,
    to_version: int | None,
    note: str,
) -> None:
    """Move a mention of INCIDENT to the incident TO, or to one of its own."""
    settings = context.current_settings()
    target: dict[str, Any] = {}
    if to:
        target = {
            "to": {
                "id": to,
                "version": _version(settings, to) if to_version is None else to_version,
            }
        }
    _command(settings, incident, "move", seen, note, mention=mention, **target)


def _command(
    settings: Settings,
    incident: str,
    verb: str,
    seen: int | None,
    note: str,
    **body: Any,
) -> None:
    version = seen if seen is not None else _version(settings, incident)
    body = {**body, "version": version, "note": note}
    url = f"{settings.api_url}/v1/incidents/{incident}/{verb}"
    done = context.call("POST", url, settings, json=body).json()
    cells = [
        done["id"],
        done["status"],
        f"version {done['version']}",
        f"position {done['position']}",
    ]
    click.echo("\t".join(cells + ([done["other"]] if done["other"] else [])))


def _version(settings: Settings, incident: str) -> int:
    return int(_get(settings, f"/{incident}", {"limit": 1})["version"])


def _get(settings: Settings, path: str, query: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = context.call(
        "GET", f"{settings.api_url}/v1/incidents{path}", settings, params=query
    ).json()
    return found


def _all(settings: Settings, query: dict[str, Any], limit: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while len(rows) < limit:
        page = _get(settings, "", {**query, "limit": min(200, limit - len(rows))})
        rows += page["incidents"]
        if page["next"] is None:
            break
        query = {**query, "cursor": page["next"]}
    return rows


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["id"],
        row["status"],
        ",".join(row["labels"]),
        str(row["item_count"]),
        row["last_report"] or "",
        _plain(row["title"] or ""),
    )


def _print(found: dict[str, Any]) -> None:
    if "redirected_from" in found:
        click.echo(f"{found['redirected_from']} was merged into {found['id']}")
    click.echo(f"{_plain(found['title'] or '(no title)')}")
    reports = " to ".join(
        dict.fromkeys(
            day for day in (found["first_report"], found["last_report"]) if day
        )
    )
    labels = ", ".join(found["labels"]) or "no label"
    click.echo(
        f"{found['id']}  {found['status']}  version {found['version']}  {labels}  {reports}"
    )
    for item in found["items"]:
        click.echo(
            f"\n{item['report'] or ''}  {_plain(item['title'] or item['id'])}  {item['url'] or ''}"
        )
        for mention in item["mentions"]:
            labels = ",".join(mention["labels"])
            click.echo(
                f"  {mention['key']}  {labels}  by {mention['by']}  score {mention['score']:.2f}"
            )
            if mention["quote"]:
                quote = _plain(mention["quote"])
                click.echo(f"    “{quote[:200]}{'…' if len(quote) > 200 else ''}”")
            if mention["reasons"]:
                click.echo(f"    why: {_plain('; '.join(mention['reasons']))}")
    left = found["item_count"] - len(found["items"])
    if left > 0:
        click.echo(f"\nand {left} more items")


def _plain(text: str) -> str:
    """One line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text)
