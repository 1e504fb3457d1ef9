"""One label for all results of a query: the count first, then the decision, then its undo."""

from __future__ import annotations

import re

from flask import Response, g, request
from marshmallow import ValidationError

from incidentwire.labels import LABELS, Label
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.dashboard.numbers import whole_number
from services.api.filters.parser import MAX_CHARS, FilterError
from services.api.http import event_log, reader
from services.api.items import bulk
from services.api.topics.asked import parse_query

_DECISION = re.compile(r"[0-9a-f]{12}")

blueprint = page_blueprint("review_bulk")


@blueprint.get("/review/bulk")
@page("curate")
def show() -> Response:
    """Show how many items a decision would change, and the newest of them."""
    query = request.args.get("q", "").strip()[:MAX_CHARS]
    label = request.args.get("label", "")
    done = request.args.get("done", "")
    undone = request.args.get("undone", "")
    preview = None
    wrong = ""
    if query and label:
        try:
            parse_query(query)
            preview = reader().read(bulk.preview, query, _label(label))
        except FilterError as error:
            wrong = f"{error.message} (at character {error.position + 1})"
    return render(
        "review_bulk.html",
        422 if wrong else 200,
        query=query,
        label=label,
        preview=preview,
        most=bulk.MOST,
        wrong=wrong,
        done=done if _DECISION.fullmatch(done) else "",
        changed=request.args.get("changed", "0"),
        undone=undone if whole_number(undone) is not None else "",
        all_labels=LABELS,
    )


@blueprint.post("/review/bulk")
@page("curate")
def decide() -> Response:
    """Add the label to every item that matches."""
    query = request.form.get("q", "").strip()
    label = _label(request.form.get("label", ""))
    if not query:
        raise ValidationError(_("Write a query first."), "q")
    try:
        parse_query(query)
        names = reader().read(bulk.found, query, label)
    except FilterError as error:
        raise ValidationError(error.message, "q") from None
    decision, changed = bulk.add(event_log(), names, label, g.who)
    return go_to("/review/bulk", q=query, done=decision, changed=changed)


@blueprint.post("/review/bulk/undo")
@page("curate")
def undo() -> Response:
    """Restore every item that still is as the decision left it."""
    decision = request.form.get("decision", "")
    if not _DECISION.fullmatch(decision):
        raise ValidationError(_("There is no such decision."), "decision")
    names = reader().read(bulk.of_decision, decision)
    restored = bulk.undo(event_log(), names, decision, g.who)
    return go_to("/review/bulk", undone=restored)


def _label(text: str) -> Label:
    if text not in LABELS:
        raise ValidationError(f"Use one of {', '.join(LABELS)}.", "label")
    return text
