"""Subscriptions of the person: list, state, deliveries, replay, pause and resume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response, g, request

from incidentwire.web.problems import FieldError, Problem, invalid_fields
from services.api.dashboard.language import translate as _
from services.api.dashboard.layout import (
    ask_to_sign_in,
    go_to,
    page,
    page_blueprint,
    render,
    sessions,
)
from services.api.dashboard.numbers import whole_number
from services.api.http import reader
from services.api.subscriptions.access import owned, visible, with_service
from services.api.subscriptions.model import Subscription
from services.api.subscriptions.preview import InvalidSubscription
from services.api.subscriptions.replays import (
    replay_failed,
    replay_positions,
    replay_range,
)
from services.api.subscriptions.service import NotVerified, SubscriptionService
from services.api.subscriptions.shapes import (
    as_json,
    deliveries_json,
    feed_url,
    list_json,
)

DELIVERIES = 50  # per page

blueprint = page_blueprint("subscriptions")


@blueprint.before_request
def sign_in_first() -> Response | None:
    """Ask a visitor to sign in: a subscription has an owner, even if reading is public."""
    if sessions().current() is None and "Authorization" not in request.headers:
        return ask_to_sign_in()
    return None


@blueprint.get("/subscriptions")
@page("read")
def show_all() -> Response:
    """Show the person's subscriptions, those that need attention first."""
    rows = with_service(
        lambda service: list(map(_shown, list_json(service, visible(service))))
    )
    return render(
        "subscriptions.html",
        subscriptions=sorted(rows, key=lambda row: not row["needs_attention"]),
        troubled=[row for row in rows if row["needs_attention"]],
        done=request.args.get("done"),
    )


@blueprint.get("/subscriptions/<subscription_id>")
@page("read")
def show(subscription_id: str) -> Response:
    """Show one subscription, its state and what was sent."""
    return show_one(subscription_id)


@blueprint.post("/subscriptions/<subscription_id>/<verb>")
@page("read")
def change(subscription_id: str, verb: str) -> Response:
    """Run a command on a subscription and show it again."""
    command = COMMANDS.get(verb)
    if command is None:
        raise Problem(status=404, slug="not-found", detail=_("No such action."))

    def run(service: SubscriptionService) -> Mapping[str, Any]:
        return command(service, owned(service, subscription_id))

    try:
        result = with_service(run)
    except NotVerified as error:
        return show_one(subscription_id, 422, wrong=str(error))
    if verb == "rotate":
        return show_one(subscription_id, **result)
    if verb == "remove":
        return go_to("/subscriptions", done=verb)
    return go_to(f"/subscriptions/{subscription_id}", done=verb, **result)


def show_one(subscription_id: str, status: int = 200, **shown_once: Any) -> Response:
    """Return the page of a subscription; `secret` and `address` are shown this once."""
    cursor = whole_number(request.args.get("cursor"))

    def run(service: SubscriptionService) -> dict[str, Any]:
        subscription = owned(service, subscription_id)
        query = {"limit": DELIVERIES, "cursor": cursor}
        return {
            "subscription": _shown(as_json(service, subscription)),
            "ledger": deliveries_json(service, query, subscription_id=subscription_id),
        }

    found = with_service(run)
    return render(
        "subscription.html",
        status,
        done=request.args.get("done"),
        replayed=whole_number(request.args.get("replayed")),
        rest={
            name: request.args[name]
            for name in ("after", "before", "failed_since")
            if "after" in request.args and name in request.args
        },
        **found,
        **shown_once,
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription with its state as a word for people."""
    is_failing = row["status"] == "active" and row["failing_since"] is not None
    row["state"] = "failing" if is_failing else str(row["status"])
    row["needs_attention"] = (
        row["state"] in ("failing", "disabled") or row["removed_topics"]
    )
    return row


# -- commands --------------------------------------------------------------------------


def _pause(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    service.change(subscription.id, {"status": "paused"}, None)
    return {}


def _resume(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    resume = "now" if request.form.get("resume") == "now" else "missed"
    service.change(subscription.id, {"status": "active", "resume": resume}, None)
    return {}


def _verify(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    service.verify(subscription.id)
    return {}


def _rotate(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    if subscription.channel == "webhook":
        return {"secret": service.rotate_secret(subscription.id)}
    if subscription.channel == "feed":
        token = service.rotate_feed(subscription.id)
        return {"address": feed_url(service.settings, token)}
    raise InvalidSubscription("channel", "Only webhooks and feeds have a secret.")


def _remove(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    service.remove(subscription.id, g.who)
    return {}


def _replay(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    """Deliver again: one attempt, a range, or all that failed since a day."""
    attempt = whole_number(request.form.get("attempt"))
    after = whole_number(request.form.get("after"))
    if attempt is not None:
        positions = service.ledger.positions(subscription.id, attempt)
        done = replay_positions(service, subscription, positions)
    elif after is not None and "failed_since" not in request.form:
        before = whole_number(request.form.get("before")) or 2**53
        done = replay_range(service, subscription, reader().read, after, before)
    else:
        since = _day(request.form.get("failed_since", ""))
        done = replay_failed(service, subscription, since, after or 0)
    shown = {"replayed": done.count}
    return shown if done.next is None else {**shown, **_rest(done.next)}


def _rest(after: int) -> dict[str, Any]:
    """Return the form that replays the rest of a long replay."""
    names = ("before", "failed_since")
    given = {name: request.form[name] for name in names if request.form.get(name)}
    return {"after": after, **given}


COMMANDS: Mapping[
    str, Callable[[SubscriptionService, Subscription], Mapping[str, Any]]
] = {
    "pause": _pause,
    "resume": _resume,
    "verify": _verify,
    "rotate": _rotate,
    "remove": _remove,
    "replay": _replay,
}


def _day(text: str) -> float:
    """Return the start of a day (UTC) in epoch seconds. Raises Problem 422."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
    except ValueError:
        message = _("Use a day such as 2026-03-31.")
        raise invalid_fields(
            [FieldError(field="failed_since", message=message)]
        ) from None
