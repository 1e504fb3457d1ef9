"""Subscriptions over HTTP: create, list, change, verify, replay, and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import g

from incidentwire.web.auth import require
from incidentwire.web.problems import FieldError, Problem, as_problem, invalid_fields
from services.api.filters.parser import FIELDS, FieldRules
from services.api.http import Blueprint, QuerySchema, reader
from services.api.subscriptions.access import owned, visible, with_service
from services.api.subscriptions.mail import MailNotConfigured
from services.api.subscriptions.model import Scope, Subscription
from services.api.subscriptions.preview import InvalidSubscription, Preview, preview
from services.api.subscriptions.replays import (
    Replayed,
    replay_failed,
    replay_positions,
    replay_range,
)
from services.api.subscriptions.schemas import (
    ChangeSubscriptionSchema,
    CreatedSchema,
    DeliveriesQuerySchema,
    DeliveriesSchema,
    FilterTestSchema,
    NewSubscriptionSchema,
    PreviewSchema,
    ReplayPageSchema,
    ReplaySchema,
    SecretSchema,
    SubscriptionListSchema,
    SubscriptionSchema,
)
from services.api.subscriptions.secrets import SecretsUnreadable
from services.api.subscriptions.service import (
    NotVerified,
    SubscriptionService,
    TooFrequent,
    UnknownToken,
)
from services.api.subscriptions.shapes import (
    as_json,
    deliveries_json,
    feed_url,
    list_json,
    preview_json,
)
from services.api.subscriptions.store import UnknownSubscription
from services.api.topics.asked import rules

blueprint = Blueprint(
    "subscriptions",
    __name__,
    url_prefix="/v1",
    description="Alerts, digests, webhooks and feeds of a filter",
)

PROBLEMS = {
    UnknownSubscription: as_problem(404, "unknown-subscription"),
    UnknownToken: as_problem(404, "unknown-link"),
    TooFrequent: as_problem(422, "too-frequent"),
    NotVerified: as_problem(422, "not-verified"),
    SecretsUnreadable: as_problem(503, "secrets-unreadable"),
    MailNotConfigured: as_problem(503, "mail-not-configured"),
    InvalidSubscription: lambda error: invalid_fields(
        [FieldError(field=error.field, message=str(error))]
    ),
}


@blueprint.route("/subscriptions", methods=["POST"])
@require("read")
@blueprint.arguments(NewSubscriptionSchema)
@blueprint.response(201, CreatedSchema)
def create_subscription(body: dict[str, Any]) -> dict[str, Any]:
    """Create a subscription.

    An e-mail address is confirmed by the link that is sent to it, a webhook by
    `POST …/verify`. The answer holds the webhook's secret or the feed's address, once.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        found = _preview(service, body["filter"], body["scope"], rules())
        created = service.create(body, g.who, found)
        shown = as_json(service, created.subscription)
        if created.secret:
            shown["secret"] = created.secret
        if created.token:
            shown["feed_url"] = feed_url(service.settings, created.token)
        return shown

    return with_service(run)


@blueprint.route("/subscriptions", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SubscriptionListSchema)
def list_subscriptions(_query: dict[str, Any]) -> dict[str, Any]:
    """List the subscriptions of this key; all of them for a key with `admin`."""
    return with_service(
        lambda service: {"subscriptions": list_json(service, visible(service))}
    )


@blueprint.route("/subscriptions/<subscription_id>", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SubscriptionSchema)
def show_subscription(_query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Show one subscription and its progress."""
    return with_service(
        lambda service: as_json(service, owned(service, subscription_id))
    )


@blueprint.route("/subscriptions/<subscription_id>", methods=["PATCH"])
@require("read")
@blueprint.arguments(ChangeSubscriptionSchema)
@blueprint.response(200, SubscriptionSchema)
def change_subscription(body: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Change, pause or resume a subscription.

    `status: active` with `resume: missed` delivers what came in the meantime, with
    `resume: now` it skips that.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        before = owned(service, subscription_id)
        found = None
        if "filter" in body or "schedule" in body or "scope" in body:
            text = body.get("filter", before.filter)
            scope = body.get("scope", before.scope)
            # a stored filter may name a topic that was removed since
            known = rules() if "filter" in body else FIELDS
            found = _preview(service, text, scope, known)
        return as_json(service, service.change(subscription_id, body, found))

    return with_service(run)


@blueprint.route("/subscriptions/<subscription_id>", methods=["DELETE"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(204)
def remove_subscription(_query: dict[str, Any], subscription_id: str) -> None:
    """Remove a subscription. Its deliveries stay in the ledger until they expire."""

    def run(service: SubscriptionService) -> None:
        owned(service, subscription_id)
        service.remove(subscription_id, g.who)

    with_service(run)


@blueprint.route("/subscriptions/<subscription_id>/verify", methods=["POST"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SubscriptionSchema)
def verify_subscription(_query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Send the webhook a challenge; once it repeats it, deliveries begin."""

    def run(service: SubscriptionService) -> dict[str, Any]:
        owned(service, subscription_id)
        return as_json(service, service.verify(subscription_id))

    return with_service(run)


@blueprint.route("/subscriptions/<subscription_id>/rotate", methods=["POST"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, SecretSchema)
def rotate_secret(_query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Replace a webhook's secret (the former one signs for one more day) or a feed's address."""

    def run(service: SubscriptionService) -> dict[str, Any]:
        subscription = owned(service, subscription_id)
        if subscription.channel == "webhook":
            return {"secret": service.rotate_secret(subscription_id)}
        if subscription.channel == "feed":
            token = service.rotate_feed(subscription_id)
            return {"feed_url": feed_url(service.settings, token)}
        raise InvalidSubscription("channel", "Only webhooks and feeds have a secret.")

    return with_service(run)


@blueprint.route("/subscriptions/<subscription_id>/replay", methods=["POST"])
@require("read")
@blueprint.arguments(ReplaySchema)
@blueprint.response(202, ReplayPageSchema)
def replay_subscription(body: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """Deliver again: single events, a range, or all that failed since a time.

    One request replays up to 10,000 events; `next` says where the rest begins.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        subscription = owned(service, subscription_id)
        done = _replay(service, subscription, body)
        return {"replayed": done.count, "next": done.next}

    return with_service(run)


def _replay(
    service: SubscriptionService, subscription: Subscription, body: dict[str, Any]
) -> Replayed:
    after = body.get("after", 0)
    if "positions" in body:
        return replay_positions(service, subscription, body["positions"])
    if "failed_since" in body:
        since = body["failed_since"].timestamp()
        return replay_failed(service, subscription, since, after)
    before = body.get("before", 2**53)
    return replay_range(service, subscription, reader().read, after, before)


@blueprint.route("/subscriptions/<subscription_id>/deliveries", methods=["GET"])
@require("read")
@blueprint.arguments(DeliveriesQuerySchema, location="query")
@blueprint.response(200, DeliveriesSchema)
def list_deliveries(query: dict[str, Any], subscription_id: str) -> dict[str, Any]:
    """List every attempt of one subscription, the newest first."""

    def run(service: SubscriptionService) -> dict[str, Any]:
        owned(service, subscription_id)
        return deliveries_json(service, query, subscription_id=subscription_id)

    return with_service(run)


@blueprint.route("/events/<int:position>/deliveries", methods=["GET"])
@require("admin")
@blueprint.arguments(DeliveriesQuerySchema, location="query")
@blueprint.response(200, DeliveriesSchema)
def list_event_deliveries(query: dict[str, Any], position: int) -> dict[str, Any]:
    """List who was sent one event, and what came of it."""
    return with_service(
        lambda service: deliveries_json(service, query, position=position)
    )


@blueprint.route(
    "/subscriptions/<subscription_id>/deliveries/<message_id>/ack", methods=["POST"]
)
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(204)
def acknowledge(_query: dict[str, Any], subscription_id: str, message_id: str) -> None:
    """Note in the ledger that somebody has read a delivery, such as a correction."""

    def run(service: SubscriptionService) -> None:
        owned(service, subscription_id)
        known = service.ledger.acknowledge(
            subscription_id, message_id, datetime.now(UTC).timestamp()
        )
        if not known:
            raise Problem(
                status=404,
                slug="unknown-delivery",
                detail="This subscription has no successful delivery with this id.",
            )

    with_service(run)


@blueprint.route("/filters/test", methods=["POST"])
@require("read")
@blueprint.arguments(FilterTestSchema)
@blueprint.response(200, PreviewSchema)
def test_filter(body: dict[str, Any]) -> dict[str, Any]:
    """Say what a filter would have sent in the last 30 days."""
    return with_service(
        lambda service: preview_json(
            _preview(service, body["filter"], body["scope"], rules())
        )
    )


def _preview(
    service: SubscriptionService, text: str, scope: Scope, known: FieldRules
) -> Preview:
    return preview(service.log, reader().read, text, scope, known)
