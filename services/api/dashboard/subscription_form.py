"""The form of a new subscription, with what it would have sent in the last 30 days."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, g, request
from marshmallow import ValidationError

from incidentwire.web.problems import field_errors
from services.api.catalogue import catalogue
from services.api.dashboard.language import current
from services.api.dashboard.layout import page, page_blueprint, render
from services.api.dashboard.subscriptions import show_one, sign_in_first
from services.api.http import reader, settings
from services.api.subscriptions.access import with_service
from services.api.subscriptions.mail import MailNotConfigured
from services.api.subscriptions.preview import InvalidSubscription, Preview, preview
from services.api.subscriptions.schemas import TEMPLATES, NewSubscriptionSchema
from services.api.subscriptions.service import SubscriptionService, TooFrequent
from services.api.subscriptions.shapes import feed_url, preview_json
from services.api.topics.asked import rules

DEFAULTS = {
    "name": "",
    "channel": "email",
    "target": "",
    "filter": "",
    "scope": "new",
    "pace": "daily",
    "hour": "8",
    "weekday": "0",
    "zone": "UTC",
    "template": "standard",
    "contact": "",
}
SCHEDULE = ("pace", "hour", "weekday", "zone")
DIGESTS = ("hourly", "daily", "weekly")

blueprint = page_blueprint("subscription_form")
blueprint.before_request(sign_in_first)


@blueprint.get("/subscriptions/new")
@page("read")
def show() -> Response:
    """Show the form, filled in from the query: ?filter=…&channel=…"""
    return _form(_given(request.args))


@blueprint.post("/subscriptions/new")
@page("read")
def preview_or_create() -> Response:
    """Preview the filter, or create the subscription; a refusal keeps what was written."""
    given = _given(request.form)
    wants_preview = request.form.get("action") == "preview"
    try:
        return _preview(given) if wants_preview else _create(given)
    except ValidationError as error:
        found = {one.field: one.message for one in field_errors(error.messages)}
        return _form(given, found, 422)
    except InvalidSubscription as error:
        return _form(given, {error.field: str(error)}, 422)
    except TooFrequent as error:
        return _form(given, {"schedule.pace": str(error)}, 422)
    except MailNotConfigured as error:
        return _form(given, {"channel": str(error)}, 503)


def _preview(given: Mapping[str, str]) -> Response:
    """Return the form with the rate of the filter and its latest matches."""

    def run(service: SubscriptionService) -> dict[str, Any]:
        body = NewSubscriptionSchema(only=("filter", "scope")).load(
            {"filter": given["filter"], "scope": given["scope"]}
        )
        return preview_json(_found(service, body), catalogue(current()))

    return _form(given, found=with_service(run))


def _create(given: Mapping[str, str]) -> Response:
    """Create the subscription and show it, with what is shown only this once."""
    body = NewSubscriptionSchema().load(_body(given))

    def run(service: SubscriptionService) -> tuple[str, dict[str, Any]]:
        found = _found(service, body)
        created = service.create(body, g.who, found)
        shown: dict[str, Any] = {"created": True}
        if created.secret:
            shown["secret"] = created.secret
        if created.token:
            shown["address"] = feed_url(service.settings, created.token)
        return created.subscription.id, shown

    subscription_id, shown = with_service(run)
    return show_one(subscription_id, **shown)


def _found(service: SubscriptionService, body: Mapping[str, Any]) -> Preview:
    asked = body["filter"], body["scope"]
    return preview(service.log, reader().read, *asked, rules())


def _given(values: Mapping[str, str]) -> dict[str, str]:
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


def _body(given: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of POST /v1/subscriptions; only what the channel uses."""
    channel = given["channel"]
    body: dict[str, Any] = {
        "name": given["name"].strip(),
        "channel": channel,
        "filter": given["filter"],
        "scope": given["scope"],
        "language": current(),
    }
    if channel in ("email", "webhook"):
        body["target"] = given["target"].strip()
    if channel == "email":
        body["schedule"] = {name: given[name] for name in SCHEDULE}
    if channel == "webhook":
        body["template"] = given["template"]
        body["contact"] = given["contact"].strip()
    return body


def _form(
    given: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
    status: int = 200,
    found: Mapping[str, Any] | None = None,
) -> Response:
    return render(
        "subscription_new.html",
        status,
        given=given,
        wrong=wrong or {},
        preview=found,
        templates=TEMPLATES,
        digests=DIGESTS,
        has_mail=bool(settings().smtp_host),
    )
