"""`incidentwire feeds`: add, list and remove feeds; import and export them as OPML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from cli import context, output
from cli.progress import bar
from incidentwire.net.urls import UrlError
from incidentwire.settings import Settings
from services.ingest.feeds import repair
from services.ingest.feeds.store import feed_id

# Characters that XML 1.0 cannot hold, and controls that a terminal would obey.
NO_XML = re.compile(
    "[^\t\n\r\x20-\x7e\xa0-\u200d\u2010-\u2029\u202f-\u2065\u206a-\ud7ff"
    "\ue000-\ufffd\U00010000-\U0010ffff]"
)


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
def add(url: str, title: str) -> None:
    """Poll an RSS, Atom or JSON feed, or a news sitemap, from now on."""
    settings = context.current_settings()
    click.echo(_line(*_add(settings, url, title)))


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
def remove(feed: str) -> None:
    """Stop polling a feed; FEED is its id or URL. Its items stay."""
    settings = context.current_settings()
    try:
        name = feed_id(feed) if "://" in feed else feed
    except UrlError as error:
        raise click.ClickException(str(error)) from None
    answer = context.call(
        "DELETE", f"{settings.ingest_url}/v1/feeds/{name}", settings
    ).json()
    click.echo(f"{answer['id']}\tremoved\t{answer['position']}")


@feeds.command("import")
@click.argument("opml", type=click.File("rb"))
def import_opml(opml: IO[bytes]) -> None:
    """Add every feed of an OPML file (- is standard input). Exits 1 when any was refused."""
    settings = context.current_settings()
    wanted = list(outlines(opml.read()))
    refused = 0
    with bar("importing", len(wanted)) as advance:
        for url, title in wanted:
            try:
                click.echo(_line(*_add(settings, url, title)))
            except click.ClickException as error:
                refused += 1
                click.echo(f"{url}\trefused\t{error.message}")
            advance()
    raise SystemExit(1 if refused else 0)


@feeds.command()
@click.argument("opml", type=click.Path(dir_okay=False, allow_dash=True), default="-")
def export(opml: str) -> None:
    """Write all feeds to an OPML file, or to standard output."""
    text = opml_of(_all(context.current_settings()))
    if opml == "-":
        click.echo(text, nl=False)
    else:
        Path(opml).write_text(text, encoding="utf-8")


def outlines(text: bytes) -> Iterator[tuple[str, str]]:
    """Yield address and title of each feed in an OPML document, each address once.

    Raises click.ClickException.
    """
    root = _opml_root(text)
    if root.tag.lower() != "opml":
        raise click.ClickException(f"This is not OPML: its root is <{root.tag}>.")
    known = set[str]()
    for outline in root.iter("outline"):
        about = {name.lower(): value.strip() for name, value in outline.attrib.items()}
        url = re.sub(r"^feed:(//)?(?=https?:)", "", about.get("xmlurl", ""))
        url = re.sub(r"^feed://", "http://", url)
        if url and url not in known:
            known.add(url)
            yield url, about.get("title") or about.get("text") or ""


def _opml_root(text: bytes) -> Any:
    """Parse OPML; bare ampersands, which many lists have, are escaped."""
    for attempt in (text, repair.with_escaped_ampersands(text)):
        try:
            return fromstring(attempt, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError) as error:
            problem = str(error)
    raise click.ClickException(f"This is not OPML: {problem}")


def opml_of(rows: list[dict[str, Any]]) -> str:
    """Return an OPML 2.0 document of feeds as the API shows them."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<opml version="2.0">']
    lines += ["  <head><title>Feeds of Incidentwire</title></head>", "  <body>"]
    for feed in rows:
        url, title = (
            html.escape(NO_XML.sub(" ", feed[name])) for name in ("url", "title")
        )
        lines.append(
            f'    <outline type="rss" text="{title or url}" title="{title or url}" xmlUrl="{url}"/>'
        )
    return "\n".join([*lines, "  </body>", "</opml>", ""])


def _add(settings: Settings, url: str, title: str) -> tuple[dict[str, Any], bool]:
    body = {"url": url} | ({"title": title[:1000]} if title and title != url else {})
    response = context.call(
        "POST", f"{settings.ingest_url}/v1/feeds", settings, json=body
    )
    return response.json(), response.status_code == 201


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


def _line(feed: dict[str, Any], new: bool) -> str:
    return f"{feed['id']}\t{'added' if new else 'known'}\t{feed['url']}"
