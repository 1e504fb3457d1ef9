"""The list of items, and the page of one: text, evidence, receipt, revisions, snapshot."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, g, request

from incidentwire.items import State
from incidentwire.labels import LABELS
from incidentwire.log.cloudevents import rfc3339
from incidentwire.log.recorded_event import RecordedEvent
from services.api.dashboard import ingest_client, queries, word_diff
from services.api.dashboard.highlight import segments
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import (
    address,
    go_to,
    page,
    page_blueprint,
    render,
    wait_for_own_change,
)
from services.api.dashboard.numbers import whole_number
from services.api.errors import ApiError, StaleVersion, UnknownItem
from services.api.http import archive, event_log, filters_of, reader
from services.api.items import corrections, revisions
from services.api.items import queries as item_queries
from services.api.items.corrections import CorrectionSchema, WithdrawCorrectionSchema
from services.api.items.lookup import item_of
from services.api.items.views import ItemsQuerySchema

PER_PAGE = 25

blueprint = page_blueprint("item")


@blueprint.get("/items")
@page("read")
def show_list() -> Response:
    """Show a page of the items, newest first."""
    given = {name: value for name, value in request.args.items() if value}
    if "label" in given:
        given["label"] = request.args.getlist("label")  # type: ignore[assignment]
    query = dict(ItemsQuerySchema().load(given))
    before = int(query["cursor"][1:]) if "cursor" in query else None
    found = reader().read(item_queries.page, filters_of(query), PER_PAGE, before)
    asked = request.args.to_dict(flat=False)
    following = None
    if found.before:
        following = address("/items", **{**asked, "cursor": f"n{found.before}"})
    return render(
        "items.html",
        items=found.items,
        q=request.args.get("q", ""),
        states=[str(state) for state in State],
        asked=request.args,
        next_page=following,
    )


@blueprint.get("/items/<item_id>")
@page("read")
def show(item_id: str) -> Response:
    """Show one item; an alias redirects to its target."""
    wait_for_own_change()
    facts = reader().read(_facts, item_id)
    history = event_log().history(item_id) if item_id.startswith("i_") else []
    if facts is None:
        return _not_read_yet(item_id, history)
    item = facts["item"]
    if item["id"] != item_id:
        return go_to(f"/items/{item['id']}")
    in_flight = item["state"] in ("queued", "waiting")
    return render(
        "item.html",
        item=item,
        incidents=facts["incidents"],
        segments=_segments(item, facts["text"]),
        history=[_line(entry) for entry in history],
        revisions=_revisions(history),
        difference=_difference(
            history, request.args.get("from"), request.args.get("to")
        ),
        all_labels=LABELS,
        in_flight=in_flight,
        done=request.args.get("done"),
    )


@blueprint.post("/items/<item_id>/labels")
@page("curate")
def correct(item_id: str) -> Response:
    """Correct the labels, or withdraw the correction."""
    given: dict[str, Any] = {
        "version": whole_number(request.form.get("version")) or 0,
        "note": request.form.get("note", ""),
    }
    try:
        if request.form.get("withdraw"):
            body = dict(WithdrawCorrectionSchema().load(given))
            done = corrections.restore_labels(item_id, body, g.who)
        else:
            given["labels"] = request.form.getlist("labels")
            body = dict(CorrectionSchema().load(given))
            done = corrections.set_labels(item_id, body, g.who)
    except StaleVersion as error:
        message = _(
            "Somebody changed this item since you opened it. Your choice is kept below: look again, then save."
        )
        return _again(item_id, error, message)
    return go_to(f"/items/{item_id}", done="labels", min_position=done["position"])


@blueprint.post("/items/<item_id>/retry")
@page("submit")
def retry(item_id: str) -> Response:
    """Ask ingest for another attempt."""
    item_of(event_log(), item_id)
    reply = ingest_client.post(f"/v1/submissions/{item_id}/retry", {})
    if reply.status >= 400:
        raise ingest_client.refused(reply)
    return go_to(f"/items/{item_id}", done="retry")


def _again(item_id: str, error: StaleVersion, message: str) -> Response:
    facts = reader().read(_facts, item_id)
    if facts is None:
        raise UnknownItem
    return render(
        "labels_again.html",
        409,
        item=facts["item"],
        version=error.more["version"],
        labels=request.form.getlist("labels"),
        note=request.form.get("note", ""),
        message=message,
        all_labels=LABELS,
    )


def _facts(db: sqlite3.Connection, item_id: str) -> dict[str, Any] | None:
    item = item_queries.one(db, item_id)
    if item is None:
        return None
    words = item_queries.words(db, item_id)
    return {
        "item": item,
        "text": words["text"] if words else None,
        "incidents": queries.incidents_of(db, item["id"]),
    }


def _not_read_yet(item_id: str, history: Any) -> Response:
    """Return the page of an item that the log has and the read model not yet."""
    if not history:
        raise UnknownItem
    return render("item_new.html", item_id=item_id, history=[_line(e) for e in history])


def _segments(item: dict[str, Any], text: str | None) -> list[Any] | None:
    if text is None:
        return None
    spans = [
        (passage["start"], passage["end"], label["label"])
        for label in item["labels"]
        for passage in label["evidence"]
        if passage["quote"] is not None
    ]
    return segments(text, spans)


def _line(entry: RecordedEvent) -> dict[str, Any]:
    event = entry.event
    return {
        "position": entry.position,
        "time": rfc3339(entry.time_ms),
        "type": entry.type,
        "who": getattr(event, "who", "") or getattr(event, "via", ""),
        "reason": getattr(event, "reason", "") or "",
        "detail": getattr(event, "detail", "") or getattr(event, "note", "") or "",
        "labels": list(getattr(event, "labels", ()) or ()),
    }


def _revisions(history: Any) -> list[dict[str, Any]]:
    """Return the stored revisions, the newest first."""
    found = [
        {
            "digest": one.fetched.text_digest,
            "time": rfc3339(one.time_ms),
            "words": one.fetched.words,
            "text_expired": one.text_expired,
            "page_expired": one.page_expired or one.fetched.page_digest is None,
        }
        for one in revisions.revisions(history)
    ]
    return found[::-1]


def _difference(history: Any, old: str | None, new: str | None) -> list[Any] | None:
    """Return the word difference of two revisions by the digests of their texts."""
    if not old or not new:
        return None
    stored = revisions.revisions(history)
    texts = []
    for digest in (old, new):
        named = [one for one in stored if one.is_named(digest)]
        if not named:
            return None
        try:
            _data, document = revisions.document(archive(), named[-1])
        except ApiError:
            return None
        texts.append(document.text)
    compared: list[Any] = reader().run(word_diff.compare, (texts[0], texts[1]))
    return compared
