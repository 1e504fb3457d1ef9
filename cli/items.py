"""`incidentwire items`: look at items and decide about them, over the API."""

from __future__ import annotations

import sys
from typing import Any

import click

from cli import context, ids, output
from incidentwire.items import State
from incidentwire.labels import LABELS
from incidentwire.settings import Settings

COLUMNS: output.Columns = {
    "id": lambda row: row["id"],
    "state": lambda row: row["state"],
    "labels": lambda row: [label["label"] for label in row["labels"]],
    "published": lambda row: (row["published"] or "")[:10],
    "host": lambda row: row["host"],
    "title": lambda row: row["title"] or row["reason"] or row["url"],
}
RECEIPT: output.Columns = {
    "position": lambda row: row["position"],
    "time": lambda row: row["time"],
    "type": lambda row: row["type"],
    "detail": lambda row: ": ".join(
        part for part in (row.get("reason"), row.get("detail")) if part
    ),
}

label_option = click.option(
    "--label", multiple=True, type=click.Choice(LABELS), help="Has all of these."
)
limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Most rows.",
)
note_option = click.option("--note", default="", help="Why; kept in the history.")


@click.group()
def items() -> None:
    """Items: list, show, correct, withdraw, retry, and their receipts.

    An id may be cut short as long as only one item begins with it.
    """


@items.command("list")
@label_option
@click.option("--state", type=click.Choice([*map(str, State)]))
@click.option("--topic", help="Is on this topic.")
@click.option("--host", help="Of this host.")
@click.option("--text", "q", help="Contains these words.")
@limit_option
@output.json_option
def list_items(as_json: bool, limit: int, **query: Any) -> None:
    """List items, newest first."""
    _list(query, limit, as_json)


@items.command()
@click.argument("item")
@click.option("--text", "with_text", is_flag=True, help="The stored text too.")
@output.json_option
def show(item: str, with_text: bool, as_json: bool) -> None:
    """Show an item, its labels and the passages they rest on."""
    settings = context.current_settings()
    url = _url(settings, item)
    found = context.call("GET", url, settings).json()
    if with_text:
        found["text"] = context.call("GET", f"{url}/text", settings).json()["text"]
    if as_json:
        output.write_json(found)
        return
    _print(found)
    if with_text:
        lines = found["text"].splitlines()
        click.echo("\n" + "\n".join(map(context.printable, lines)))


@items.command()
@click.argument("item")
@click.argument("labels", nargs=-1, type=click.Choice(LABELS))
@click.option("--none", "no_label", is_flag=True, help="No label applies.")
@click.option("--undo", is_flag=True, help="Take a correction back.")
@note_option
@output.json_option
def correct(
    item: str,
    labels: tuple[str, ...],
    no_label: bool,
    undo: bool,
    note: str,
    as_json: bool,
) -> None:
    """Set the labels of an item; LABELS are all that apply."""
    if (bool(labels), no_label, undo).count(True) != 1:
        raise click.UsageError("Give the labels that apply, or --none, or --undo.")
    settings = context.current_settings()
    url = _url(settings, item)
    version = context.call("GET", url, settings).json()["version"]
    body: dict[str, Any] = {"version": version, "note": note}
    if not undo:
        body["labels"] = list(labels)
    method = "DELETE" if undo else "POST"
    done = context.call(method, f"{url}/labels", settings, json=body).json()
    _write_done(done, as_json, done["labels"] or "no label")


@items.command()
@click.argument("item")
@click.option("--why", default="", help="Kept in the log; never words of the page.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output.json_option
def withdraw(item: str, why: str, yes: bool, as_json: bool) -> None:
    """Delete an item's page and text everywhere, for good."""
    settings = context.current_settings()
    url = _url(settings, item)
    if not yes:
        title = context.call("GET", url, settings).json()["title"] or item
        question = f"Delete the page and text of “{context.printable(title)}” for good?"
        if not _agreed(question):
            raise click.Abort
    done = context.call("DELETE", url, settings, json={"why": why}).json()
    _write_done(done, as_json, "withdrawn")


def _agreed(question: str) -> bool:
    """Ask, and say what to add where nobody can answer."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("Nobody answered. Add --yes to do it unasked.") from None


@items.command()
@click.argument("item")
@output.json_option
def retry(item: str, as_json: bool) -> None:
    """Fetch or classify an item again."""
    settings = context.current_settings()
    url = f"{_receipt_url(settings, item)}/retry"
    _write_done(context.call("POST", url, settings).json(), as_json, "queued")


@items.command()
@click.argument("item")
@output.json_option
def receipt(item: str, as_json: bool) -> None:
    """Show what has become of a submitted item, event by event."""
    settings = context.current_settings()
    found = context.call("GET", _receipt_url(settings, item), settings).json()
    if as_json:
        output.write_json(found)
        return
    output.write(found["history"], RECEIPT, as_json=False)


def _list(query: dict[str, Any], limit: int, as_json: bool) -> None:
    settings = context.current_settings()
    asked = {name: value for name, value in query.items() if value}
    url = f"{settings.api_url}/v1/items"
    rows = ids.pages(settings, url, "items", asked, limit)
    output.write(rows, COLUMNS, as_json=as_json)


def _url(settings: Settings, item: str) -> str:
    return f"{settings.api_url}/v1/items/{ids.item_id(settings, item)}"


def _receipt_url(settings: Settings, item: str) -> str:
    return f"{settings.ingest_url}/v1/submissions/{ids.item_id(settings, item)}"


def _write_done(done: dict[str, Any], as_json: bool, what: object) -> None:
    columns: output.Columns = {
        "id": lambda row: row["id"],
        "position": lambda row: row.get("position"),
        "result": lambda row: what,
    }
    output.write([done], columns, as_json=as_json)


def _print(found: dict[str, Any]) -> None:
    click.secho(context.printable(found["title"] or "(no title)"), bold=True)
    line = (found["id"], found["state"], found["published"], found["url"])
    click.echo("  ".join(context.printable(part) for part in line if part))
    if found["reason"]:
        detail = found["detail"] or ""
        click.echo(context.printable(f"reason: {found['reason']} {detail}"))
    for name, field in (("unsure of", "review"), ("incidents", "incidents")):
        if found[field]:
            click.echo(f"{name}: {', '.join(found[field])}")
    for row in found["labels"]:
        is_scored = row["by"] == "model" and row["score"] is not None
        score = f" {row['score']:.2f}" if is_scored else ""
        click.echo(f"\n{row['label']}{score} by {row['by']}")
        for passage in row["evidence"]:
            if passage["quote"]:
                click.echo(f"  “{context.printable(passage['quote'])}”")
