"""`incidentwire subscriptions`, `deliveries` and `replay`, over the API."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import click

from cli import context, ids, output
from incidentwire.settings import Settings

COLUMNS: output.Columns = {
    "id": lambda row: row["id"],
    "channel": lambda row: row["channel"],
    "state": lambda row: _state(row),
    "pending": lambda row: row["pending"],
    "target": lambda row: row["target"],
    "filter": lambda row: row["filter"],
    "name": lambda row: row["name"],
    "reason": lambda row: row["reason"],
}
DELIVERIES: output.Columns = {
    "time": lambda row: row["at"],
    "subscription": lambda row: row["subscription"],
    "result": lambda row: "delivered" if row["ok"] else "failed",
    "status": lambda row: row["status"],
    "ms": lambda row: row["latency_ms"],
    "events": lambda row: row["events"],
    "first": lambda row: row["first"],
    "last": lambda row: row["last"],
    "reason": lambda row: row["reason"],
}
CHANNELS = ("email", "webhook", "feed")
PACES = ("at_once", "hourly", "daily", "weekly")
DIGEST_HOUR = 8


def _state(row: output.Row) -> str:
    is_failing = row["status"] == "active" and row["failing_since"]
    return "failing" if is_failing else str(row["status"])


@click.group()
def subscriptions() -> None:
    """Subscriptions: list, add, show, verify, pause, resume, remove.

    An id may be cut short as long as only one subscription begins with it.
    """


@subscriptions.command("list")
@click.option("--failing", is_flag=True, help="Only those that fail or are disabled.")
@output.json_option
def list_subscriptions(failing: bool, as_json: bool) -> None:
    """List the subscriptions of your key, and how they fare."""
    rows = [
        row
        for row in _all(context.current_settings())
        if not failing or _state(row) in ("failing", "disabled")
    ]
    output.write(rows, COLUMNS, as_json=as_json)


@subscriptions.command()
@click.argument("channel", type=click.Choice(CHANNELS))
@click.argument("target", default="")
@click.option("--name", help="What to call it.  [the filter]")
@click.option("--filter", "query", default="", help="As in `search`.  [everything]")
@click.option("--new-only", is_flag=True, help="New incidents, not their changes.")
@click.option("--pace", type=click.Choice(PACES), default="at_once", show_default=True)
@click.option("--hour", type=click.IntRange(0, 23), default=DIGEST_HOUR)
@click.option("--weekday", type=click.IntRange(0, 6), default=0, help="0 is Monday.")
@click.option("--zone", default="UTC", show_default=True, help="IANA time zone.")
@click.option("--template", default="standard", help="Body: standard, slack or teams.")
@click.option("--contact", default="", help="Address that is told of failures.")
@click.option(
    "--language", default="en", show_default=True, help="Of what is sent: en or zh."
)
@output.json_option
def add(
    channel: str,
    target: str,
    name: str | None,
    query: str,
    new_only: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Subscribe TARGET (an e-mail address or a webhook URL; none for a feed).

    Prints the id, the state, and the secret or the feed's address: shown this once.
    """
    settings = context.current_settings()
    body = {
        "name": name or query or "everything",
        "channel": channel,
        "target": target,
        "filter": query,
        "scope": "new" if new_only else "updates",
        "template": options["template"],
        "contact": options["contact"],
        "language": options["language"],
        "schedule": {key: options[key] for key in ("pace", "hour", "weekday", "zone")},
    }
    url = f"{settings.api_url}/v1/subscriptions"
    created = context.call("POST", url, settings, json=body).json()
    if as_json:
        output.write_json(created)
        return
    shown_once = created.get("secret") or created.get("feed_url") or ""
    click.echo(f"{created['id']}\t{created['status']}\t{shown_once}".rstrip())


@subscriptions.command()
@click.argument("subscription")
@output.json_option
def show(subscription: str, as_json: bool) -> None:
    """Show one subscription."""
    settings = context.current_settings()
    found = context.call("GET", _url(settings, subscription), settings).json()
    output.write([found], COLUMNS, as_json=as_json)


@subscriptions.command()
@click.argument("subscription")
@output.json_option
def verify(subscription: str, as_json: bool) -> None:
    """Send a webhook its challenge; once it repeats it, deliveries begin."""
    settings = context.current_settings()
    url = f"{_url(settings, subscription)}/verify"
    _write(context.call("POST", url, settings).json(), as_json)


@subscriptions.command()
@click.argument("subscription")
@output.json_option
def pause(subscription: str, as_json: bool) -> None:
    """Send nothing until it is resumed."""
    settings = context.current_settings()
    url = _url(settings, subscription)
    body = {"status": "paused"}
    _write(context.call("PATCH", url, settings, json=body).json(), as_json)


@subscriptions.command()
@click.argument("subscription")
@click.option(
    "--missed/--skip-missed",
    "missed",
    default=None,
    help="Deliver what was missed, or begin with what comes from now on.",
)
@output.json_option
def resume(subscription: str, missed: bool | None, as_json: bool) -> None:
    """Send again.

    On a terminal it asks whether to deliver what was missed, unless an option says so.
    In a script it is delivered unless --skip-missed is given.
    """
    settings = context.current_settings()
    url = _url(settings, subscription)
    if missed is None:
        missed = not sys.stdin.isatty() or click.confirm(
            "Deliver what was missed? No begins with what comes from now on.",
            default=True,
            err=True,
        )
    body = {"status": "active", "resume": "missed" if missed else "now"}
    _write(context.call("PATCH", url, settings, json=body).json(), as_json)


@subscriptions.command()
@click.argument("subscription")
@output.json_option
def remove(subscription: str, as_json: bool) -> None:
    """End a subscription; its deliveries stay in the ledger."""
    settings = context.current_settings()
    url = _url(settings, subscription)
    context.call("DELETE", url, settings)
    removed = {"id": url.rpartition("/")[2], "result": "removed"}
    output.write_done(removed, *removed.values(), as_json=as_json)


@click.group()
def deliveries() -> None:
    """Deliveries: what was sent, and what came of it."""


@deliveries.command("list")
@click.argument("subscription", required=False)
@click.option("--event", type=click.IntRange(1), help="Of the event at this position.")
@click.option("--failed", is_flag=True, help="Only failed attempts.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="Most rows.",
)
@output.json_option
def list_deliveries(
    subscription: str | None, event: int | None, failed: bool, limit: int, as_json: bool
) -> None:
    """List the attempts of a SUBSCRIPTION or about an event, newest first."""
    if (subscription is None) == (event is None):
        raise click.UsageError("Give either a subscription, or --event POSITION.")
    settings = context.current_settings()
    about = f"{settings.api_url}/v1/events/{event}"
    if subscription is not None:
        about = _url(settings, subscription)
    most = sys.maxsize if failed else limit  # the limit counts what is shown
    rows = ids.pages(settings, f"{about}/deliveries", "deliveries", {}, most)
    shown = (row for row in rows if not (failed and row["ok"]))
    output.write(islice(shown, limit), DELIVERIES, as_json=as_json)


@click.command()
@click.argument("subscription")
@click.option("--position", "positions", type=click.IntRange(1), multiple=True)
@click.option("--after", type=click.IntRange(0), help="All that match after it.")
@click.option("--before", type=click.IntRange(1), help="All that match before it.")
@click.option(
    "--failed-since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="All that failed since then (UTC).",
)
@output.json_option
def replay(
    subscription: str,
    positions: tuple[int, ...],
    after: int | None,
    before: int | None,
    failed_since: datetime | None,
    as_json: bool,
) -> None:
    """Deliver events of SUBSCRIPTION again, and print how many."""
    since = failed_since.replace(tzinfo=UTC).isoformat() if failed_since else None
    given = {
        "positions": list(positions) or None,
        "after": after,
        "before": before,
        "failed_since": since,
    }
    body = {name: value for name, value in given.items() if value is not None}
    if not body:
        raise click.UsageError(
            "Say what: --position N, --after N, --before N, or --failed-since DAY."
        )
    settings = context.current_settings()
    url = f"{_url(settings, subscription)}/replay"
    replayed = 0
    while True:
        done = context.call("POST", url, settings, json=body).json()
        replayed += done["replayed"]
        if done["next"] is None:
            break
        body["after"] = done["next"]
    output.write_done({"replayed": replayed}, replayed, as_json=as_json)


def _all(settings: Settings) -> list[dict[str, Any]]:
    url = f"{settings.api_url}/v1/subscriptions"
    rows: list[dict[str, Any]] = context.call("GET", url, settings).json()[
        "subscriptions"
    ]
    return rows


def _url(settings: Settings, given: str) -> str:
    """Return the address of a subscription; `given` may be the beginning of its id."""
    known = (row["id"] for row in _all(settings))
    found = ids.only(given, known) if given.startswith("s_") else given
    return f"{settings.api_url}/v1/subscriptions/{found}"


def _write(row: output.Row, as_json: bool) -> None:
    output.write_done(row, row["id"], _state(row), row["pending"], as_json=as_json)
