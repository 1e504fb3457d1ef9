"""`incidentwire incidents`: look at incidents and curate them, over the API."""

from __future__ import annotations

from typing import Any

import click

from cli import context, ids, output
from cli.context import printable
from incidentwire.incidents.state import STATUSES
from incidentwire.labels import LABELS
from incidentwire.settings import Settings

COLUMNS: output.Columns = {
    "id": lambda row: row["id"],
    "status": lambda row: row["status"],
    "labels": lambda row: row["labels"],
    "items": lambda row: row["item_count"],
    "last report": lambda row: row["last_report"],
    "title": lambda row: row["title"],
}
note_option = click.option("--note", default="", help="Why; kept in the history.")
version_option = click.option(
    "--version",
    "seen",
    type=int,
    help="The version you saw; a stale one is refused.  [the current one]",
)


@click.group()
def incidents() -> None:
    """Incidents: list, show, merge, split, move, undo, set status and title.

    An id may be cut short as long as only one incident begins with it.
    """


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
@click.option("--entity", help="A name in its items' titles, in any spelling.")
@click.option("--topic", help="A topic that it is on.")
@click.option("--country", help="Country that an item names: code or name.")
@click.option("--source", help="Host or site of an item.")
@click.option("--from", "since", help="With a report on or after this day.")
@click.option("--to", "until", help="With a report on or before this day.")
@click.option("--as-of", help="As it was known at a position or a time (RFC 3339).")
@click.option(
    "--sort",
    type=click.Choice(["newest", "oldest", "last_report", "items", "updated"]),
    default="newest",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="At most so many.",
)
@output.json_option
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
    query = {name: value for name, value in asked.items() if value}
    url = f"{settings.api_url}/v1/incidents"
    rows = ids.pages(settings, url, "incidents", query, limit)
    output.write(rows, COLUMNS, as_json=as_json)


@incidents.command()
@click.argument("incident")
@click.option("--as-of", help="As it was known at a position or a time (RFC 3339).")
@click.option("--history", is_flag=True, help="Its history, line by line.")
@output.json_option
def show(incident: str, as_of: str | None, history: bool, as_json: bool) -> None:
    """Show an incident, its items and what they say of it."""
    settings = context.current_settings()
    incident = ids.incident_id(settings, incident)
    found = _get(
        settings,
        f"/{incident}" + ("/history" if history else ""),
        {"as_of": as_of} if as_of else {},
    )
    if as_json:
        output.write_json(found)
    elif history:
        for line in found["lines"]:
            note = (
                f" ({line['note']})"
                if line["note"] and line["type"] != "incident.noted"
                else ""
            )
            click.echo(
                f"{line['position']}\t{line['time']}\t{line['who'] or '-'}\t{printable(line['text'] + note)}"
            )
    else:
        _print(found)


@incidents.command()
@click.argument("incident")
@click.argument("into")
@version_option
@click.option("--into-version", type=int, help="The version of INTO you saw.")
@note_option
@output.json_option
def merge(
    incident: str,
    into: str,
    seen: int | None,
    into_version: int | None,
    note: str,
    as_json: bool,
) -> None:
    """Redirect INCIDENT to INTO, which then has the items of both."""
    settings = context.current_settings()
    into = ids.incident_id(settings, into)
    other = into_version if into_version is not None else _version(settings, into)
    body = {"into": into, "into_version": other}
    _write(_command(settings, incident, "merge", seen, note, **body), as_json)


@incidents.command()
@click.argument("incident")
@click.argument("mentions", nargs=-1, required=True)
@version_option
@note_option
@output.json_option
def split(
    incident: str,
    mentions: tuple[str, ...],
    seen: int | None,
    note: str,
    as_json: bool,
) -> None:
    """Move MENTIONS (<item>#<mention>, as in `show`) to a new incident."""
    settings = context.current_settings()
    body = {"mentions": list(mentions)}
    _write(_command(settings, incident, "split", seen, note, **body), as_json)


@incidents.command()
@click.argument("incident")
@version_option
@note_option
@output.json_option
def undo(incident: str, seen: int | None, note: str, as_json: bool) -> None:
    """Undo the merge that made INCIDENT redirect, or the split that created it."""
    settings = context.current_settings()
    incident = ids.incident_id(settings, incident)
    verb = (
        "unmerge" if "requested_id" in _get(settings, f"/{incident}", {}) else "unsplit"
    )
    _write(_command(settings, incident, verb, seen, note), as_json)


@incidents.command()
@click.argument("incident")
@click.argument("status", type=click.Choice(STATUSES))
@version_option
@note_option
@output.json_option
def status(
    incident: str, status: str, seen: int | None, note: str, as_json: bool
) -> None:
    """Set the status of an incident."""
    settings = context.current_settings()
    body = {"status": status}
    _write(_command(settings, incident, "status", seen, note, **body), as_json)


@incidents.command()
@click.argument("incident")
@click.argument("title")
@version_option
@note_option
@output.json_option
def rename(
    incident: str, title: str, seen: int | None, note: str, as_json: bool
) -> None:
    """Set the title of an incident."""
    settings = context.current_settings()
    body = {"title": title}
    _write(_command(settings, incident, "title", seen, note, **body), as_json)


@incidents.command()
@click.argument("incident")
@click.argument("text")
@version_option
@output.json_option
def note(incident: str, text: str, seen: int | None, as_json: bool) -> None:
    """Add a note to an incident's history."""
    settings = context.current_settings()
    _write(_command(settings, incident, "notes", seen, text), as_json)


@incidents.command()
@click.argument("incident")
@click.argument("mention")
@click.argument("to", required=False)
@version_option
@click.option("--to-version", type=int, help="The version of TO you saw.")
@note_option
@output.json_option
def move(
    incident: str,
    mention: str,
    to: str | None,
    seen: int | None,
    to_version: int | None,
    note: str,
    as_json: bool,
) -> None:
    """Move a mention of INCIDENT to the incident TO, or to a new one."""
    settings = context.current_settings()
    target: dict[str, Any] = {}
    if to:
        to = ids.incident_id(settings, to)
        target = {
            "to": {
                "id": to,
                "version": _version(settings, to) if to_version is None else to_version,
            }
        }
    body = {"mention": mention, **target}
    _write(_command(settings, incident, "move", seen, note, **body), as_json)


@incidents.command("open")
@click.argument("title")
@click.option(
    "--same-as",
    multiple=True,
    help="Address of a record about it elsewhere; may be given several times.",
)
@note_option
@output.json_option
def open_incident(
    title: str, same_as: tuple[str, ...], note: str, as_json: bool
) -> None:
    """Open an incident that no item reports yet; move mentions into it later."""
    settings = context.current_settings()
    body = {"title": title, "same_as": same_as, "note": note}
    url = f"{settings.api_url}/v1/incidents"
    done = context.call("POST", url, settings, json=body).json()
    columns: output.Columns = {
        name: lambda row, name=name: row[name]  # type: ignore[misc]
        for name in ("id", "status", "version", "position", "title")
    }
    output.write([done], columns, as_json=as_json)


def _command(
    settings: Settings,
    incident: str,
    verb: str,
    seen: int | None,
    note: str,
    **body: Any,
) -> output.Row:
    incident = ids.incident_id(settings, incident)
    version = seen if seen is not None else _version(settings, incident)
    body = {**body, "version": version, "note": note}
    url = f"{settings.api_url}/v1/incidents/{incident}/{verb}"
    done: output.Row = context.call("POST", url, settings, json=body).json()
    return done


def _write(done: output.Row, as_json: bool) -> None:
    cells = (
        done["id"],
        done["status"],
        f"version {done['version']}",
        f"position {done['position']}",
        done["other"] or "",
    )
    output.write_done(done, *cells, as_json=as_json)


def _version(settings: Settings, incident: str) -> int:
    return int(_get(settings, f"/{incident}", {"limit": 1})["version"])


def _get(settings: Settings, path: str, query: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = context.call(
        "GET", f"{settings.api_url}/v1/incidents{path}", settings, params=query
    ).json()
    return found


def _print(found: dict[str, Any]) -> None:
    if "requested_id" in found:
        click.echo(f"{found['requested_id']} was merged into {found['id']}")
    click.echo(f"{printable(found['title'] or '(no title)')}")
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
            f"\n{item['report'] or ''}  {printable(item['title'] or item['id'])}  {item['url'] or ''}"
        )
        for mention in item["mentions"]:
            labels = ",".join(mention["labels"])
            click.echo(
                f"  {mention['key']}  {labels}  by {mention['by']}  score {mention['score']:.2f}"
            )
            if mention["quote"]:
                quote = printable(mention["quote"])
                click.echo(f"    “{quote[:200]}{'…' if len(quote) > 200 else ''}”")
            if mention["reasons"]:
                click.echo(f"    why: {printable('; '.join(mention['reasons']))}")
    left = found["item_count"] - len(found["items"])
    if left > 0:
        click.echo(f"\nand {left} more items")
