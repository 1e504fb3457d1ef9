"""Feeds: which there are and how they fare; add and remove, through ingest."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request

from services.api.dashboard import ingest_client
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.errors import NotFound

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
    except ingest_client.IngestAway:
        return _list(_away(), url)
    if reply.status >= 400:
        return _list(ingest_client.refused(reply).detail, url)
    return go_to("/feeds", done="added")


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


def _list(wrong: str = "", url: str = "") -> Response:
    feeds: list[dict[str, Any]] | None = None
    try:
        reply = ingest_client.get("/v1/feeds")
        if reply.status == 200:
            feeds = sorted(reply.body["feeds"], key=_order)
    except ingest_client.IngestAway:
        wrong = wrong or _away()
    status = 422 if wrong and url else 200
    return render(
        "feeds.html",
        status,
        feeds=feeds,
        wrong=wrong,
        asked_url=url,
        done=request.args.get("done"),
    )


def _order(feed: dict[str, Any]) -> tuple[int, str]:
    order = ("failing", "gone", "silent", "new", "ok")
    state = feed["state"]
    return (order.index(state) if state in order else len(order), feed["title"])


def _away() -> str:
    return _("The ingest service does not answer, so nothing is known of the feeds.")
