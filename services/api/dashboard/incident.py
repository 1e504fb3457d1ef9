"""The page of one incident: what is known, why, since when, and who decided."""

from __future__ import annotations

import sqlite3
from typing import Any

from flask import Response, request
from marshmallow import ValidationError

from incidentwire.incidents.state import STATUSES
from services.api.dashboard import citation, queries
from services.api.dashboard.highlight import segments
from services.api.dashboard.language import translate
from services.api.dashboard.layout import go_to, page, page_blueprint, render
from services.api.errors import NotCaughtUp, UnknownIncident
from services.api.http import event_log, public_url, reader, wait_for
from services.api.incidents import detail_query, explain, history
from services.api.incidents.past import as_of
from services.api.incidents.schemas import ShowQuerySchema

PER_PAGE = 20  # items: with the forms of a curator a page weighs less than 150 kB
LINES = 60  # of the history, the newest
SUGGESTED = 10  # likely duplicates
NAMED = 3  # reports that came near a likely duplicate

blueprint = page_blueprint("incident")


@blueprint.get("/incidents/<incident_id>")
@page("read")
def show(incident_id: str) -> Response:
    """Show an incident now or as of an earlier position; a merged id redirects."""
    query = _query()
    try:
        wait_for(query.get("min_position"))
    except NotCaughtUp:
        # After a decision the page says that it is done, and the history has it.
        if "done" not in request.args:
            raise
    past = as_of(query)
    cursor = detail_query.parse_cursor(query.get("cursor"))
    found = reader().read(detail_query.one, incident_id, cursor, PER_PAGE, past)
    if found is None:
        raise UnknownIncident(past.position if past else None)
    if "requested_id" in found and past is None:
        return go_to(f"/incidents/{found['id']}", merged=incident_id)
    explain.explain(found["items"], found["id"], event_log(), reader(), translate)
    lines, has_earlier = history.newest_lines(incident_id, LINES, translate)
    against = _against()
    difference = None
    if against:
        since = against
        until = query.get("as_of")
        difference = history.diff_of(incident_id, since, until)
    facts = reader().read(_facts, found)
    return render(
        "incident.html",
        incident=found,
        items=[_item(item, facts["items"]) for item in found["items"]],
        scores=_scores(found, facts["items"]),
        likely=facts["likely"],
        lines=lines,
        has_earlier=has_earlier,
        positions=[line["position"] for line in lines],
        as_of=query.get("as_of"),
        against=against,
        difference=difference,
        statuses=STATUSES,
        cite=citation.of(found, public_url(f"/incidents/{found['id']}")),
        done=request.args.get("done"),
        other=request.args.get("other"),
        merged_from=request.args.get("merged"),
    )


def _query() -> dict[str, Any]:
    known = ("as_of", "min_position", "cursor")
    given = {name: request.args[name] for name in known if request.args.get(name)}
    return dict(ShowQuerySchema().load(given))


def _against() -> str | None:
    """Return the moment to compare with, if one is given. Raises ValidationError."""
    given = request.args.get("against")
    if not given:
        return None
    try:
        ShowQuerySchema(only=("as_of",)).load({"as_of": given})
    except ValidationError as error:
        raise ValidationError(error.messages_dict["as_of"], "against") from None
    return given


def _facts(db: sqlite3.Connection, found: dict[str, Any]) -> dict[str, Any]:
    near: dict[str, list[str]] = {}
    for item in found["items"]:
        close = [name for mention in item["mentions"] for name in mention["review"]]
        for name in dict.fromkeys(close):
            near.setdefault(name, []).append(item["title"] or item["id"])
    near.pop(found["id"], None)
    likely = queries.named(db, list(near)[:SUGGESTED])
    return {
        "items": queries.item_facts(db, [item["id"] for item in found["items"]]),
        "likely": [one | {"near": near[one["id"]][:NAMED]} for one in likely],
    }


def _item(item: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the item with its mentions' quotes cut into segments."""
    version, scores = facts.get(item["id"], (None, {}))
    for mention in item["mentions"]:
        spans = [(e["start"], e["end"], e["label"]) for e in mention["evidence"]]
        quote = mention["quote"]
        mention["segments"] = (
            segments(quote, spans, mention["start"]) if quote is not None else None
        )
    return {**item, "version": version, "scores": scores}


def _scores(
    found: dict[str, Any], facts: dict[str, Any]
) -> list[tuple[str, float | None]]:
    """Return (label, best score among the items shown) of the incident's labels."""
    scores = []
    for label in found["labels"]:
        given = [one.get(label) for _version, one in facts.values()]
        known = [score for score in given if score is not None]
        scores.append((label, max(known, default=None)))
    return scores
