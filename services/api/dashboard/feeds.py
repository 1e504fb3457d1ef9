"""Feeds: which there are and how they fare; add and remove, through ingest."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request

from incidentwire.opml import OpmlError, opml_of, outlines
from services.api.dashboard import ingest_client, messages
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.errors import NotFound

MAX_IMPORT = 300  # feeds of one file: each is one request to ingest
_ID = re.compile(r"f_[A-Za-z0-9_-]{1,64}")

blueprint = page_blueprint("feeds")


@blueprint.get("/feeds")
@page("read")
def show() -> Response:
    """Show all feeds, those that fail first."""
    return _list()


@blueprint.post("/feeds")
@page("curate")
def add() -> Response:
    """Add a feed."""
    url = request.form.get("url", "").strip()
    try:
        reply = ingest_client.post("/v1/feeds", {"url": url})
    except ingest_client.IngestUnavailable:
        return _list(_away(), url)
    if reply.status >= 400:
        return _list(ingest_client.refused(reply).detail, url)
    return go_to("/feeds", done="added")


@blueprint.post("/feeds/test")
@page("curate")
def test() -> Response:
    """Show what a feed would bring; nothing is stored."""
    url = request.form.get("url", "").strip()
    try:
        reply = ingest_client.post("/v1/feeds/test", {"url": url})
    except ingest_client.IngestUnavailable:
        return _list(_away(), url)
    if reply.status >= 400:
        return _list(ingest_client.refused(reply).detail, url)
    return _list(url=url, trial=reply.body)


@blueprint.get("/feeds.opml")
@page("read")
def export() -> Response:
    """Download the addresses of all feeds."""
    try:
        reply = ingest_client.get("/v1/feeds")
    except ingest_client.IngestUnavailable:
        return _list(_away())
    if reply.status != 200:
        raise ingest_client.refused(reply)
    answer = Response(opml_of(reply.body["feeds"]), mimetype="text/x-opml")
    answer.headers["Content-Disposition"] = 'attachment; filename="feeds.opml"'
    return answer


@blueprint.post("/feeds/opml")
@page("curate")
def import_opml() -> Response:
    """Add every feed of an OPML file; what is refused is named."""
    upload = request.files.get("opml")
    try:
        wanted = list(outlines(upload.read() if upload else b""))
    except OpmlError as error:
        return _list(
            _("Choose an OPML file.") + f" {messages.translate(error)}", status=422
        )
    if len(wanted) > MAX_IMPORT:
        wrong = _("That is more than 300 feeds. Import it on the command line.")
        return _list(wrong, status=422)
    refused = []
    try:
        for url, title in wanted:
            about = {"title": title[:1000]} if title and title != url else {}
            reply = ingest_client.post("/v1/feeds", {"url": url, **about})
            if reply.status >= 400:
                refused.append(f"{url}: {ingest_client.refused(reply).detail}")
    except ingest_client.IngestUnavailable:
        return _list(_away(), status=503)
    added = _("%(added)d of %(all)d feeds are there.") % {
        "added": len(wanted) - len(refused),
        "all": len(wanted),
    }
    return _list(" ".join(refused), result=added)


@blueprint.post("/feeds/<feed_id>/remove")
@page("curate")
def remove(feed_id: str) -> Response:
    """Remove a feed; what it brought stays."""
    if not _ID.fullmatch(feed_id):
        raise NotFound(_("There is no such feed."))
    reply = ingest_client.delete(f"/v1/feeds/{feed_id}")
    if reply.status >= 400:
        raise ingest_client.refused(reply)
    return go_to("/feeds", done="removed")


def _list(
    wrong: str = "",
    url: str = "",
    *,
    status: int = 200,
    result: str = "",
    trial: dict[str, Any] | None = None,
) -> Response:
    feeds: list[dict[str, Any]] | None = None
    try:
        reply = ingest_client.get("/v1/feeds")
        if reply.status == 200:
            feeds = sorted(reply.body["feeds"], key=_order)
    except ingest_client.IngestUnavailable:
        wrong = wrong or _away()
    return render(
        "feeds.html",
        422 if wrong and url else status,
        feeds=feeds,
        wrong=wrong,
        asked_url=url,
        trial=trial,
        done=result or request.args.get("done"),
        result=result,
    )


def _order(feed: dict[str, Any]) -> tuple[int, str]:
    order = ("failing", "gone", "silent", "new", "ok")
    state = feed["state"]
    return (order.index(state) if state in order else len(order), feed["title"])


def _away() -> str:
    return _("The ingest service does not answer, so nothing is known of the feeds.")
