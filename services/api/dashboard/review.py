"""The review queue: one key decides and shows the next; every decision can be undone."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, g, request

from incidentwire.labels import LABELS
from services.api.dashboard import queries
from services.api.dashboard.highlight import segments
from services.api.dashboard.layout import (
    go_to,
    page,
    page_blueprint,
    render,
    wait_for_own_change,
)
from services.api.dashboard.numbers import whole_number
from services.api.errors import StaleVersion
from services.api.http import reader
from services.api.items import corrections
from services.api.items.corrections import (
    CorrectionSchema,
    ReviewSchema,
    WithdrawCorrectionSchema,
)

blueprint = page_blueprint("review")


@blueprint.get("/review")
@page("curate")
def show() -> Response:
    """Show the next item that the model is unsure of, newest first."""
    wait_for_own_change()
    before = whole_number(request.args.get("before"))
    found = reader().read(_next, before)
    item = found["item"]
    marked = None
    if item is not None and item["text"] is not None:
        marked = segments(item["text"], _spans(item))
    return render(
        "review.html",
        item=item,
        segments=marked,
        waiting=found["waiting"],
        before=before,
        doubts=item["review"] if item else [],
        with_doubts=_with_doubts(item) if item else [],
        without_doubts=_without_doubts(item) if item else [],
        all_labels=LABELS,
        last=request.args.get("last"),
        left=request.args.get("left"),
        stale=request.args.get("stale"),
    )


@blueprint.post("/review/<item_id>")
@page("curate")
def decide(item_id: str) -> Response:
    """Set the labels and go to the next item."""
    place = whole_number(request.form.get("n"))
    body = CorrectionSchema().load(
        {
            "version": whole_number(request.form.get("version")),
            "labels": _labels(),
            "note": request.form.get("note", ""),
        }
    )
    try:
        corrections.set_labels(item_id, dict(body), g.who)
    except StaleVersion:  # somebody else decided, or the model did again
        return go_to("/review", before=place and place + 1, stale=item_id)
    return go_to("/review", before=place, last=item_id)


@blueprint.post("/review/<item_id>/leave")
@page("curate")
def leave(item_id: str) -> Response:
    """Leave the labels as they are, for everybody, and go to the next item."""
    corrections.mark_reviewed(item_id, {"about": "labels", "withdrawn": False}, g.who)
    return go_to("/review", before=whole_number(request.form.get("n")), left=item_id)


@blueprint.post("/review/<item_id>/undo-leave")
@page("curate")
def undo_leave(item_id: str) -> Response:
    """Take a mark back: the doubt waits for a decision again."""
    about = request.form.get("about") or "labels"
    body = dict(ReviewSchema().load({"about": about, "withdrawn": True}))
    done = corrections.mark_reviewed(item_id, body, g.who)
    if about != "labels":
        return go_to("/review/links", min_position=done["position"])
    place = whole_number(request.form.get("before"))
    return go_to("/review", before=place and place + 1, min_position=done["position"])


@blueprint.post("/review/<item_id>/undo")
@page("curate")
def undo(item_id: str) -> Response:
    """Take the decision on an item back and show the item again."""
    facts = reader().read(queries.item_facts, [item_id])
    version = facts[item_id][0] if item_id in facts else 0
    try:
        done = _restore(item_id, version)
    except StaleVersion as error:  # the read model is behind the log
        done = _restore(item_id, int(error.more["version"]))
    place = whole_number(request.form.get("before"))
    return go_to("/review", before=place and place + 1, min_position=done["position"])


@blueprint.get("/review/links")
@page("curate")
def show_links() -> Response:
    """Show a mention whose link is in doubt, with the other incidents that came near."""
    wait_for_own_change()
    after = _key(request.args.get("after", ""))
    found = reader().read(_links, after)
    return render("review_links.html", left=request.args.get("left"), **found)


@blueprint.post("/review/links")
@page("curate")
def leave_link() -> Response:
    """Leave a link as it is, for everybody, and go to the next."""
    key = request.form.get("key", "")
    item_id, mention = _key(key)
    body = dict(ReviewSchema().load({"about": mention}))
    corrections.mark_reviewed(item_id, body, g.who)
    return go_to("/review/links", after=key, left=key)


def _next(db: sqlite3.Connection, before: int | None) -> dict[str, Any]:
    items = queries.undecided(db, before, 1)
    return {"item": items[0] if items else None, "waiting": queries.waiting(db)}


def _links(db: sqlite3.Connection, after: tuple[str, str]) -> dict[str, Any]:
    links = queries.close_links(db, after, 1)
    link = links[0] if links else None
    return {"link": link, "waiting": queries.waiting(db)["links"]}


def _key(text: str) -> tuple[str, str]:
    item, _hash, mention = text.partition("#")
    return item, mention


def _labels() -> list[str]:
    """Return the chosen labels: of the button that names some, else of the boxes."""
    chosen = request.form.get("choice")
    if chosen is None:
        return request.form.getlist("labels")
    return [label for label in chosen.split(",") if label]


def _with_doubts(item: dict[str, Any]) -> list[str]:
    there = {label["label"] for label in item["labels"]} | set(item["review"])
    return [label for label in LABELS if label in there]


def _without_doubts(item: dict[str, Any]) -> list[str]:
    there = {label["label"] for label in item["labels"]} - set(item["review"])
    return [label for label in LABELS if label in there]


def _spans(item: dict[str, Any]) -> list[tuple[int, int, str]]:
    return [
        (passage["start"], passage["end"], label["label"])
        for label in item["labels"]
        for passage in label["evidence"]
        if passage["quote"] is not None
    ]


def _restore(item_id: str, version: int) -> dict[str, Any]:
    body = WithdrawCorrectionSchema().load({"version": version, "note": ""})
    return corrections.restore_labels(item_id, dict(body), g.who)
