"""What a link in a mail or a feed reader opens: no key, a secret token instead.

A GET changes nothing, since mail scanners follow links; the page has a button that posts.
"""

from __future__ import annotations

import html
import logging
import sqlite3
from contextlib import suppress
from functools import partial
from typing import Any, cast

from flask import Response, current_app, request

from incidentwire.telemetry import event_line
from incidentwire.web.auth import public
from services.api.http import Blueprint, QuerySchema
from services.api.read_model.reader import Reader
from services.api.subscriptions import feed
from services.api.subscriptions.access import with_service
from services.api.subscriptions.service import SubscriptionService, UnknownToken

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
}

logger = logging.getLogger(__name__)

blueprint = Blueprint(
    "subscription_links",
    __name__,
    url_prefix="/v1",
    description="Confirm, unsubscribe, and read a feed by its secret address",
)


@blueprint.route("/confirm/<token>", methods=["GET"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def show_confirm(_query: dict[str, Any], token: str) -> Response:
    """Ask whether to confirm an e-mail subscription, or to be a webhook's contact."""
    found = with_service(
        lambda service: (
            service.find_token("confirm", token) or service.find_token("contact", token)
        ),
        needs_key=False,
    )
    if found is None:
        message = "This link is unknown or has expired. Subscribe again."
        return _unknown(UnknownToken(message))
    return _page(f"Confirm the subscription “{found.name}”?", "Confirm")


@blueprint.route("/confirm/<token>", methods=["POST"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def confirm(_query: dict[str, Any], token: str) -> Response:
    """Confirm an e-mail subscription, or the contact of a webhook."""
    try:
        found = with_service(lambda service: service.confirm(token), needs_key=False)
    except UnknownToken as error:
        return _unknown(error)
    return _page(f"Confirmed: “{found.name}”.")


@blueprint.route("/unsubscribe/<token>", methods=["GET"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def show_unsubscribe(_query: dict[str, Any], token: str) -> Response:
    """Ask whether to end an e-mail subscription."""
    found = with_service(
        lambda service: service.find_token("unsubscribe_digest", token),
        needs_key=False,
    )
    if found is None:
        return _page("You are not subscribed any more.")
    return _page(f"End the subscription “{found.name}”?", "Unsubscribe")


@blueprint.route("/unsubscribe/<token>", methods=["POST"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="text/html")
def unsubscribe(_query: dict[str, Any], token: str) -> Response:
    """End an e-mail subscription; mail programs post here for one-click unsubscription."""
    with suppress(UnknownToken):  # already done: the second click is no error
        with_service(lambda service: service.unsubscribe(token), needs_key=False)
    return _page("Unsubscribed. You will get no further mail.")


@blueprint.route("/feeds/<token>.atom", methods=["GET"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "string"}, content_type="application/atom+xml")
def atom_feed(_query: dict[str, Any], token: str) -> Response:
    """Read a filter as an Atom feed at its secret address."""
    entries = _entries(token)
    return _conditional(feed.atom(entries), "application/atom+xml")


@blueprint.route("/feeds/<token>.json", methods=["GET"])
@public
@blueprint.doc(security=[])
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, {"type": "object"}, content_type="application/feed+json")
def json_feed(_query: dict[str, Any], token: str) -> Response:
    """Read a filter as a JSON Feed 1.1 at its secret address."""
    entries = _entries(token)
    return _conditional(feed.json_feed(entries), "application/feed+json")


def _entries(token: str) -> feed.FeedContent:
    def run(service: SubscriptionService) -> feed.FeedContent:
        subscription = service.find_token("feed", token)
        if subscription is None:
            raise UnknownToken(
                "This feed address is unknown or was replaced. Ask its owner for the new one."
            )
        reader = cast("Reader", current_app.extensions["incidentwire.reader"])
        found = feed.content(
            subscription,
            service.log,
            reader.read,
            service.settings.api_url,
            partial(service.recipients.sent_among, subscription.id),
        )
        _note_shown(service, found)
        return found

    return with_service(run, needs_key=False)


def _note_shown(service: SubscriptionService, found: feed.FeedContent) -> None:
    """Note what the feed shows for the first time, so that it gets its corrections."""
    positions = {g[0].subject.id: g[0].entry.position for g in found.groups}
    try:
        new = positions.keys() - service.recipients.sent_among(found.id, positions)
        if not new:
            return
        with service.database.transaction():
            for subject in sorted(new):
                service.recipients.mark_sent(found.id, [subject], positions[subject])
    except sqlite3.OperationalError as error:  # a full disk: it is noted another time
        logger.warning(event_line("feed not noted", id=found.id, error=repr(error)))


def _conditional(body: bytes, mimetype: str) -> Response:
    response = Response(
        body, 200, {"Cache-Control": "private, max-age=60"}, mimetype=mimetype
    )
    response.add_etag()
    response.make_conditional(request)
    return response


def _unknown(error: UnknownToken) -> Response:
    """Return the refusal as a page to a browser. Raises the error for programs."""
    if "text/html" not in request.headers.get("Accept", ""):
        raise error
    return _page(str(error), status=404)


def _page(text: str, button: str = "", status: int = 200) -> Response:
    """Return a page in the language of the browser, as the other pages are.

    The app's pages bring the language and the translation, see register.py.
    """
    language = current_app.extensions["incidentwire.language"]()
    translated = current_app.extensions["incidentwire.translate"]
    shown = html.escape(translated(text))
    form = (
        f'<form method="post"><button>{html.escape(translated(button))}</button></form>'
    )
    body = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Incidentwire</title></head><body>"
        f"<h1>Incidentwire</h1><p>{shown}</p>{form if button else ''}</body></html>"
    )
    response = Response(body, status, PAGE_HEADERS, mimetype="text/html")
    response.vary.update(("Cookie", "Accept-Language"))
    return response
