"""Sign in with an API key or with name and password; sign out; choose a language."""

from __future__ import annotations

from flask import Response, current_app, g, request

from incidentwire.web import sign_in_links
from incidentwire.web.sessions import COOKIE, MAX_AGE_S, TooManyAttempts
from incidentwire.web.users import is_password
from services.api.catalogue import LANGUAGES
from services.api.dashboard import language
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import (
    go_to,
    local_path,
    page,
    page_blueprint,
    render,
    require_form_token,
    sessions,
)
from services.api.http import reader

MAX_FIELD = 1_000  # characters
YEAR_S = 365 * 24 * 3600

blueprint = page_blueprint("session")


@blueprint.get("/sign-in")
@page()
def show_form() -> Response:
    """Show the form."""
    return _form()


@blueprint.post("/sign-in")
@page()
def sign_in() -> Response:
    """Start a session, or say why not.

    No token is needed: the cookie is SameSite=Lax, and a foreign form could only sign
    somebody in to an account whose password it knows.
    """
    secret = request.form.get("key", "").strip()[:MAX_FIELD]
    name = request.form.get("name", "").strip()[:MAX_FIELD]
    password = request.form.get("password", "")[:MAX_FIELD]
    store = sessions()
    asked = [f"address:{request.remote_addr}", f"name:{name}" if name else "key"]
    counted = asked if name else asked[:1]
    try:
        store.check_attempts(*counted)
    except TooManyAttempts as error:
        return _form(str(error), 429, name=name)
    cookie = _of_key(secret) if secret else _of_user(name, password)
    if cookie is None:
        store.count_failure(*counted)
        wrong = _("No such key.") if secret else _("Name or password is wrong.")
        return _form(wrong, 403, name=name)
    answer = go_to(_next())
    _set_cookie(answer, cookie, MAX_AGE_S)
    return answer


@blueprint.get(sign_in_links.PATH)
@page()
def sign_in_by_link() -> Response:
    """Start the session of a link that works once, and show the front page.

    HEAD and a browser's prefetch do not use it up. The redirect keeps the token out of
    the address bar and of every Referer.
    """
    if request.method == "HEAD" or "Sec-Purpose" in request.headers:
        return Response(status=204)
    token = request.args.get("token", "")
    found = sign_in_links.use(current_app.extensions["incidentwire.connection"], token)
    if found is None:
        wrong = _(
            "This link was used already, or is too old. Get a new one: incidentwire users link"
        )
        return _form(wrong, 403)
    answer = go_to("/")
    cookie = sessions().start(found.name, found.scopes, found.issuer)
    _set_cookie(answer, cookie, MAX_AGE_S)
    return answer


@blueprint.post("/sign-out")
@page()
def sign_out() -> Response:
    """End the session."""
    require_form_token()
    sessions().end(request.cookies.get(COOKIE, ""))
    answer = go_to("/sign-in")
    _set_cookie(answer, "", 0)
    return answer


@blueprint.post("/language")
@page()
def choose_language() -> Response:
    """Keep the chosen language of the interface in a cookie."""
    chosen = request.form.get("language", "")
    answer = go_to(_next())
    if chosen in LANGUAGES:
        answer.set_cookie(
            language.COOKIE, chosen, YEAR_S, samesite="Lax", secure=request.is_secure
        )
    return answer


def _of_key(secret: str) -> str | None:
    """Return the cookie of a new session for the key, or None."""
    key = current_app.extensions["incidentwire.keys"].find(secret)
    if key is None:
        return None
    return sessions().start(key.name, key.scopes, f"key:{key.digest}")


def _of_user(name: str, password: str) -> str | None:
    """Return the cookie of a new session for the person, or None."""
    if not name or not password:
        return None
    users = sessions().users
    stored = users.stored_hash(name)
    # scrypt takes a while: in a thread, so that no stream waits.
    if not reader().run(is_password, (stored, password)):
        return None
    user = users.find(name)
    if user is None:
        return None
    return sessions().start(user.name, user.scopes, f"user:{user.name}:{user.serial}")


def _form(wrong: str = "", status: int = 200, name: str = "") -> Response:
    return render("sign_in.html", status, wrong=wrong, name=name, next=_next())


def _next() -> str:
    """Return the page to show afterwards: only a path of ours."""
    return local_path(request.values.get("next", ""), "/")


def _set_cookie(answer: Response, value: str, age_s: int) -> None:
    answer.set_cookie(
        COOKIE,
        value,
        max_age=age_s,
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
    g.pop("session", None)
