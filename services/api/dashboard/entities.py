"""Spellings that are one entity: the list, a form to declare one, and undo."""

from __future__ import annotations

from flask import Response, g, request

from services.api.dashboard.layout import (
    go_to,
    page,
    page_blueprint,
    render,
    wait_for_own_change,
)
from services.api.entities import commands, queries
from services.api.entities.views import NewAliasSchema
from services.api.errors import CommandConflict
from services.api.http import event_log, reader

blueprint = page_blueprint("entities")


@blueprint.get("/entities")
@page("read")
def show() -> Response:
    """Show the declared spellings; `alias` and `name` prefill the form."""
    wait_for_own_change()
    return _list()


@blueprint.post("/entities")
@page("curate")
def declare() -> Response:
    """Declare that two spellings are one entity."""
    given = {name: request.form.get(name, "").strip() for name in ("alias", "name")}
    body = dict(NewAliasSchema().load(given))
    try:
        done = commands.declare(
            event_log(), reader(), body["alias"], body["name"], g.who
        )
    except CommandConflict as conflict:
        return _list(str(conflict))
    return go_to("/entities", done="declared", min_position=done["position"])


@blueprint.post("/entities/<alias_id>/undo")
@page("curate")
def take_back(alias_id: str) -> Response:
    """Take a declaration back."""
    done = commands.take_back(event_log(), alias_id, g.who)
    return go_to("/entities", done="undone", min_position=done["position"])


def _list(wrong: str = "") -> Response:
    return render(
        "entities.html",
        409 if wrong else 200,
        aliases=reader().read(queries.declared)["aliases"],
        asked=request.form or request.args,
        wrong=wrong,
        done=request.args.get("done"),
    )
