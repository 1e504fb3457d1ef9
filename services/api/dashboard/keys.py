"""API keys: create one, see it once, revoke it."""

from __future__ import annotations

from typing import cast

from flask import Response, current_app, g, request

from incidentwire.web.keys import SCOPES, Keys
from incidentwire.web.users import Users
from services.api.dashboard.layout import go_to, page, page_blueprint, render

blueprint = page_blueprint("keys")


@blueprint.get("/keys")
@page("admin")
def show() -> Response:
    """Show the keys and the people who may sign in."""
    return _list()


@blueprint.post("/keys")
@page("admin")
def create() -> Response:
    """Create a key and show its secret, once."""
    name = request.form.get("name", "").strip()
    scopes = request.form.getlist("scope")
    try:
        secret = _keys().create(name, scopes)
    except ValueError as error:
        return _list(wrong=str(error))
    return _list(secret=secret, name=name)


@blueprint.post("/keys/revoke")
@page("admin")
def revoke() -> Response:
    """Revoke a key; it is refused everywhere within seconds."""
    _keys().revoke(request.form.get("name", ""))
    return go_to("/keys", done="revoked")


def _list(wrong: str = "", secret: str = "", name: str = "") -> Response:
    users = Users(current_app.extensions["incidentwire.connection"])
    return render(
        "keys.html",
        422 if wrong else 200,
        keys=_keys().list(),
        last_used=_keys().last_used(),
        users=users.list(),
        scopes=SCOPES,
        wrong=wrong,
        secret=secret,
        name=name,
        who=g.who,
        done=request.args.get("done"),
    )


def _keys() -> Keys:
    return cast("Keys", current_app.extensions["incidentwire.keys"])
