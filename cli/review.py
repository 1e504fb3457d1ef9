"""`incidentwire review`: decide about what the model is unsure of, over the API."""

from __future__ import annotations

from typing import Any

import click

from cli import context, ids, output
from cli.items import limit_option
from incidentwire.labels import LABELS

COLUMNS: output.Columns = {
    "id": lambda row: row["id"],
    "unsure of": lambda row: row["review"],
    "score": lambda row: " ".join(
        f"{row['scores'].get(label, 0):.2f}"
        for label in row["review"]
        if label in LABELS
    ),
    "labels": lambda row: [label["label"] for label in row["labels"]],
    "host": lambda row: row["host"],
    "title": lambda row: row["title"] or row["url"],
}


@click.group()
def review() -> None:
    """Work through the review queue: list, decide, or leave as it is.

    An id may be cut short as long as only one item begins with it. `incidentwire items
    correct --undo` takes a decision back.
    """


@review.command("list")
@click.option("--text", "q", help="Only items that match this query.")
@limit_option
@output.json_option
def list_waiting(q: str | None, limit: int, as_json: bool) -> None:
    """List the items that wait for a decision, newest first."""
    settings = context.current_settings()
    asked = {"review": "true", **({"q": q} if q else {})}
    rows = ids.pages(settings, f"{settings.api_url}/v1/items", "items", asked, limit)
    output.write(rows, COLUMNS, as_json=as_json)


@review.command()
@click.argument("item")
@click.argument("labels", nargs=-1, type=click.Choice(LABELS))
@click.option("--yes", is_flag=True, help="What the model is unsure of applies.")
@click.option("--no", is_flag=True, help="It does not apply.")
@click.option("--note", default="", help="Why; kept in the history.")
@output.json_option
def decide(
    item: str, labels: tuple[str, ...], yes: bool, no: bool, note: str, as_json: bool
) -> None:
    """Decide about an item: --yes, --no, or all LABELS that apply."""
    if (bool(labels), yes, no).count(True) != 1:
        raise click.UsageError("Give --yes, --no, or all labels that apply.")
    settings = context.current_settings()
    url = f"{settings.api_url}/v1/items/{ids.item_id(settings, item)}"
    found = context.call("GET", url, settings).json()
    if not labels and not set(found["review"]) & set(LABELS):
        raise click.ClickException(
            "The model is unsure of no label of it. Name all labels that apply, or say"
            " that none does: incidentwire items correct ITEM --none"
        )
    wanted = set(labels) or {label["label"] for label in found["labels"]}
    if yes:
        wanted |= set(found["review"])
    elif no:
        wanted -= set(found["review"])
    body: dict[str, Any] = {
        "version": found["version"],
        "labels": [label for label in LABELS if label in wanted],
        "note": note,
    }
    done = context.call("POST", f"{url}/labels", settings, json=body).json()
    _write_done(done, as_json, done["labels"] or "no label")


@review.command()
@click.argument("item")
@click.option("--undo", is_flag=True, help="Let it wait for a decision again.")
@output.json_option
def leave(item: str, undo: bool, as_json: bool) -> None:
    """Mark an item as looked at: nobody is asked again, and nothing else changes."""
    settings = context.current_settings()
    url = f"{settings.api_url}/v1/items/{ids.item_id(settings, item)}/review"
    done = context.call("POST", url, settings, json={"withdrawn": undo}).json()
    _write_done(done, as_json, "waits again" if undo else "left as it is")


def _write_done(done: dict[str, Any], as_json: bool, what: object) -> None:
    columns: output.Columns = {
        "id": lambda row: row["id"],
        "position": lambda row: row["position"],
        "result": lambda row: what,
    }
    output.write([done], columns, as_json=as_json)
