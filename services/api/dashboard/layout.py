"""What all pages share: access, rendering, errors and security headers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    redirect,
    render_template,
    request,
)
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException, NotFound

from incidentwire.labels import LABEL_TABLE, Label
from incidentwire.telemetry import event_line
from incidentwire.web import auth
from incidentwire.web.problems import (
    Problem,
    field_errors,
    http_error,
    invalid_fields,
    outage_problem,
    problem_of,
)
from incidentwire.web.sessions import Session, SessionStore, check_csrf
from services.api.catalogue import LANGUAGES
from services.api.dashboard import assets, language, messages
from services.api.dashboard.language import translate as _
from services.api.dashboard.numbers import whole_number
from services.api.http import reader, wait_for
from services.api.sanitize import printable
from services.api.text.countries import shown_name
from services.api.topics.queries import colours

P = ParamSpec("P")
R = TypeVar("R")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# Fields that a form carries by itself, and secrets; an error page shows all others again.
NOT_WRITTEN = frozenset(
    {
        "action",
        "before",
        "csrf",
        "into_version",
        "key",
        "mention",
        "n",
        "next",
        "password",
        "then",
        "version",
    }
)
FASTER = ("stale",)  # slugs of refusals because somebody else decided first
TOO_LARGE = "too-large"
STRONG = 0.65  # a score from which a label is called strong
MODERATE = 0.4  # most labels are assigned from about here on

logger = logging.getLogger(__name__)


def page_blueprint(name: str) -> Blueprint:
    """Return a blueprint for pages: errors are pages too, and headers are strict."""
    blueprint = Blueprint(f"page_{name}", __name__, template_folder="templates")
    blueprint.register_error_handler(Exception, show_error)
    blueprint.after_request(_secured)
    return blueprint


def prepare(app: Flask) -> None:
    """Give the app's templates the catalogue and the helpers of the pages."""
    app.extensions["incidentwire.sessions"] = SessionStore(
        app.extensions["incidentwire.connection"]
    )
    environment = app.jinja_env
    environment.filters["label_name"] = label_name
    environment.filters["message"] = messages.translate
    environment.filters["plain"] = printable
    environment.globals.update(
        asset=assets.address,
        band=band,
        country_name=country_name,
        label_meaning=label_meaning,
        label_name=label_name,
        label_table=LABEL_TABLE,
        topic_colour=topic_colour,
        languages=LANGUAGES,
    )


def page(*scopes: str) -> Callable[[Callable[P, R]], Callable[P, Any]]:
    """Let a page answer to a session or key with one of these scopes.

    Without arguments, everybody may see the page. A person who has not signed in is
    sent to do so, and comes back. `g.session` is the Session or None.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, Any]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            g.session = sessions().current()
            if not scopes:
                return view(*args, **kwargs)
            try:
                auth.authorize(scopes)
            except Problem as problem:
                if problem.status != 401:
                    raise
                return ask_to_sign_in()
            return view(*args, **kwargs)

        guarded._scope = scopes or ("public",)  # type: ignore[attr-defined]
        return guarded

    return decorate


def sessions() -> SessionStore:
    """Return the session store of the current app."""
    return cast("SessionStore", current_app.extensions["incidentwire.sessions"])


def session() -> Session | None:
    """Return the session of the current request, or None."""
    return cast("Session | None", g.get("session"))


def allows(scope: str) -> bool:
    """Return whether the current request may do what needs this scope."""
    found = session()
    if found is None:
        return scope == "read" and bool(current_app.config["PUBLIC_READ"])
    return found.allows(scope)


def require_form_token() -> None:
    """Raise Problem 403 for a form of a signed-in person without its token."""
    found = session()
    if found is not None:
        check_csrf(found.csrf)


def address(path: str, /, **query: Any) -> str:
    """Return a path of ours as a link, with the query parameters that are not None."""
    return _link(request.script_root, path, **query)


def _link(root: str, path: str, /, **query: Any) -> str:
    asked = {name: value for name, value in query.items() if value not in (None, "")}
    tail = f"?{urlencode(asked, doseq=True)}" if asked else ""
    return root + path + tail


def go_to(path: str, **query: Any) -> Response:
    """Return a redirect (303) to a page of ours after a form was sent."""
    return cast("Response", redirect(address(path, **query), 303))


def wait_for_own_change() -> None:
    """Wait until the page shows the change that led here, if the address names one."""
    wait_for(whole_number(request.args.get("min_position")))


def local_path(wanted: str, default: str) -> str:
    """Return the path if it is one of ours, else the default: no way to another host."""
    parts = urlsplit(wanted)
    is_path = wanted.startswith("/") and not wanted.startswith("//")
    is_plain = not parts.scheme and not parts.netloc and wanted.isprintable()
    return wanted if is_path and is_plain and "\\" not in wanted else default


def render(template: str, status: int = 200, **context: Any) -> Response:
    """Return a page."""
    lang = language.current()
    shown = {
        **language.of_templates(lang),
        "url": partial(_link, request.script_root),
        "session": session(),
        "allows": allows,
        "lang": lang,
        "here": request.path,
        "full_path": _path_to_return_to(),
        **context,
    }
    body = render_template(f"dashboard/{template}", **shown)
    return Response(body, status, mimetype="text/html")


def _path_to_return_to() -> str:
    """Return the path of this page, or of the one whose form it answers."""
    if request.method != "POST":
        return request.full_path.rstrip("?")
    path = request.path
    while path.count("/") > 1 and not _is_page(path):
        path = path.rpartition("/")[0]
    return path if _is_page(path) else "/"


def _is_page(path: str) -> bool:
    return current_app.url_map.bind("").test(path, "GET")


def band(score: float | None) -> str:
    """Return how strong a label's score is, in one word."""
    if score is None:
        return _("set by a person")
    if score >= STRONG:
        return _("strong")
    return _("moderate") if score >= MODERATE else _("weak")


def label_name(label: str) -> str:
    """Return the name of a label as people read it."""
    return _label_names(language.current()).get(label, label)


@cache
def _label_names(_language: str) -> Mapping[str, str]:
    """Return the names of all labels in the language of the current request."""
    return {
        "data_leak": _("data leak"),
        "consent": _("consent"),
        "deepfake": _("deepfake"),
        "regulation": _("regulation"),
    }


def label_meaning(label: str) -> str:
    """Return what a label means, empty for one that is not in use any more."""
    known = LABEL_TABLE.get(cast("Label", label))
    return _(known.meaning) if known else ""


def country_name(code: str) -> str:
    """Return the name of a country in the language of the current request."""
    return shown_name(code, language.current())


def topic_colour(name: str) -> str:
    """Return the colour of a topic, read once per request; grey if it is gone."""
    if "topic_colours" not in g:
        g.topic_colours = reader().read(colours)
    return str(g.topic_colours.get(name, "grey"))


# -- errors ----------------------------------------------------------------------------


def show_error(error: Exception) -> Any:
    """Return an error as a page that says what is wrong and what to do."""
    if isinstance(error, HTTPException) and (error.code or 500) < 400:
        return error.get_response()
    problem = _as_problem(error)
    if "session" not in g:
        g.session = None
    return render(
        "error.html",
        problem.status,
        title=_title(problem),
        detail=_detail(problem),
        errors=problem.errors,
        written=_written(),
        next=_referring_path() if problem.status == 401 else None,
        back=request.referrer if _is_ours(request.referrer) else None,
    )


def show_unknown_path(error: NotFound) -> Any:
    """Return a page to a browser, and a problem to a program."""
    is_program = request.path.startswith("/v1/")
    if is_program or "text/html" not in request.headers.get("Accept", ""):
        return http_error(error)
    g.session = sessions().current()
    return _secured(show_error(error))


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, ValidationError):
        named = isinstance(error.messages, Mapping)
        messages = error.messages if named else {error.field_name: error.messages}
        return invalid_fields(field_errors(messages))
    if isinstance(error, HTTPException):
        status = error.code or 500
        slug = {404: "not-found", 413: TOO_LARGE}.get(status, "http")
        return Problem(status=status, slug=slug, detail=error.description or "")
    found = problem_of(error) or outage_problem(error)
    if found is not None:
        return found
    logger.error(event_line("page failed", error=repr(error)), exc_info=error)
    detail = _("Internal error. It has been logged.")
    return Problem(status=500, slug="internal", detail=detail)


def _title(problem: Problem) -> str:
    if problem.slug in FASTER:
        return _("Somebody was faster")
    return _titles().get(problem.status, _("Something went wrong"))


def _detail(problem: Problem) -> str:
    """Return what is wrong and what to do, as people need to know it."""
    if problem.slug == "unknown-incident" and request.args.get("as_of"):
        return _("This incident did not exist at that moment. Choose a later one.")
    return _details().get(problem.slug, problem.detail)


def _details() -> Mapping[str, str]:
    """Return by slug what people should do, if it is not what programs should do."""
    unknown = _("Nothing has this id. Search for it, or look through the lists.")
    return {
        "not-found": unknown,
        "unknown-incident": unknown,
        "unknown-item": unknown,
        TOO_LARGE: _(
            "This is too large to send: use less than 1 MB. Go back; what you wrote is still in the form."
        ),
    }


def _titles() -> Mapping[int, str]:
    return {
        400: _("That request cannot be read"),
        401: _("Your session has ended"),
        403: _("You may not do this"),
        404: _("Nothing here"),
        409: _("This is not possible"),
        410: _("This was deleted"),
        413: _("Too much at once"),
        422: _("Some fields need another look"),
        429: _("Too many attempts"),
        503: _("Not available at the moment"),
    }


def _ended() -> Problem:
    detail = _("Nothing was saved. Sign in again; what you wrote is kept below.")
    return Problem(status=401, slug="session-ended", detail=detail)


def _written() -> list[tuple[str, str]]:
    """Return what a person wrote into the form that was sent, without secrets."""
    if request.method != "POST":
        return []
    try:
        fields = list(request.form.items(multi=True))
    except HTTPException:  # too large to be read
        return []
    return [
        (name, value) for name, value in fields if value and name not in NOT_WRITTEN
    ]


def _referring_path() -> str:
    """Return the page of ours that the form was on, else the front page."""
    referrer = request.referrer or ""
    return local_path(urlsplit(referrer).path, "/") if _is_ours(referrer) else "/"


def _is_ours(link: str | None) -> bool:
    return bool(link) and str(link).startswith(request.host_url)


def ask_to_sign_in() -> Response:
    """Return a redirect to the form, which leads back here.

    Raises Problem 401 if a form was sent: its page keeps what was written.
    """
    if _written():
        raise _ended() from None
    wanted = request.full_path if request.method == "GET" else "/"
    return go_to("/sign-in", next=wanted.rstrip("?"))


def _secured(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.vary.update(("Cookie", "Accept-Language"))
    return response
