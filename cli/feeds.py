"""`incidentwire feeds`: add, list and remove feeds; import and export them as OPML."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import click

from cli import context, output
from cli.progress import bar
from incidentwire.settings import Settings

COLUMNS: output.Columns = {
    "id": lambda feed: feed["id"],
    "state": lambda feed: feed["state"],
    "items": lambda feed: feed["handed_in"],
    "next poll": lambda feed: (feed["next_poll"] or "")[:19],
    "url": lambda feed: feed["url"],
    "title": lambda feed: feed["title"],
    "problem": lambda feed: _problem(feed),
}


def _problem(feed: output.Row) -> str:
    parts = [part for part in (feed["reason"], feed["detail"]) if part]
    return ": ".join(parts) or feed["problem"] or ""


@click.group()
def feeds() -> None:
    """Add, list and remove feeds; import and export OPML."""


@feeds.command()
@click.argument("url")
@click.option("--title", default="", help="What to call it.  [what it calls itself]")
@output.json_option
def add(url: str, title: str, as_json: bool) -> None:
    """Poll an RSS, Atom or JSON feed, or a news sitemap, from now on."""
    settings = context.current_settings()
    _write(_add(settings, url, title), as_json)


@feeds.command("list")
@click.option("--failing", is_flag=True, help="Only those that fail or are gone.")
@output.json_option
def list_feeds(failing: bool, as_json: bool) -> None:
    """List feeds, their state and their next poll."""
    rows = [
        feed
        for feed in _all(context.current_settings())
        if not failing or feed["state"] in ("failing", "gone")
    ]
    output.write(rows, COLUMNS, as_json=as_json)


@feeds.command()
@click.argument("feed")
@output.json_option
def remove(feed: str, as_json: bool) -> None:
    """Stop polling a feed; FEED is its id or URL. Its items stay."""
    from incidentwire.net.urls import UrlError  # slow to import
    from services.ingest.feeds.store import feed_id

    settings = context.current_settings()
    try:
        name = feed_id(feed) if "://" in feed else feed
    except UrlError as error:
        raise click.ClickException(str(error)) from None
    answer = context.call(
        "DELETE", f"{settings.ingest_url}/v1/feeds/{name}", settings
    ).json()
    cells = (answer["id"], "removed", answer["position"])
    output.write_done(answer | {"result": "removed"}, *cells, as_json=as_json)


@feeds.command("import")
@click.argument("opml", type=click.File("rb"))
@output.json_option
def import_opml(opml: IO[bytes], as_json: bool) -> None:
    """Add every feed of an OPML file (- is standard input). Exits 1 when any was refused."""
    from incidentwire.opml import OpmlError, outlines  # slow to import

    settings = context.current_settings()
    try:
        wanted = list(outlines(opml.read()))
    except OpmlError as error:
        raise click.ClickException(str(error)) from None
    refused = 0
    with bar("importing", len(wanted)) as advance:
        for url, title in wanted:
            try:
                _write(_add(settings, url, title), as_json)
            except click.ClickException as error:
                refused += 1
                row = {"url": url, "result": "refused", "detail": error.message}
                output.write_done(row, *row.values(), as_json=as_json)
            advance()
    raise SystemExit(1 if refused else 0)


@feeds.command()
@click.argument("opml", type=click.Path(dir_okay=False, allow_dash=True), default="-")
def export(opml: str) -> None:
    """Write all feeds to an OPML file, or to standard output."""
    from incidentwire.opml import opml_of

    text = opml_of(_all(context.current_settings()))
    if opml == "-":
        click.echo(text, nl=False)
    else:
        Path(opml).write_text(text, encoding="utf-8")


def _add(settings: Settings, url: str, title: str) -> dict[str, Any]:
    body = {"url": url} | ({"title": title[:1000]} if title and title != url else {})
    response = context.call(
        "POST", f"{settings.ingest_url}/v1/feeds", settings, json=body
    )
    result = "added" if response.status_code == 201 else "known"
    feed: dict[str, Any] = response.json()
    return feed | {"result": result}


def _all(settings: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = context.call(
            "GET", f"{settings.ingest_url}/v1/feeds", settings, params={"after": after}
        ).json()
        rows += page["feeds"]
        after = page["next"]
    return rows


def _write(feed: output.Row, as_json: bool) -> None:
    cells = (feed["id"], feed["result"], feed["url"])
    output.write_done(feed, *cells, as_json=as_json)
