"""Consumer groups: members lease events, and acknowledge or return them.

A group is a subscription that is pulled: events that match its filter wait for it, each
is leased to one member, and one that is never acknowledged is parked after five leases.
"""

from __future__ import annotations

import json
import time
from typing import Any

from flask import g

from incidentwire.log.cloudevents import envelope_json
from incidentwire.web.auth import require
from incidentwire.web.problems import Problem
from services.api.http import Blueprint, QuerySchema
from services.api.subscriptions.access import owned, with_service
from services.api.subscriptions.model import (
    Channel,
    Schedule,
    Scope,
    Status,
    Subscription,
)
from services.api.subscriptions.notifier import PARK_AFTER
from services.api.subscriptions.preview import InvalidSubscription, compile_filter
from services.api.subscriptions.schemas import (
    AcknowledgedSchema,
    GroupSchema,
    LeaseQuerySchema,
    LeaseSchema,
    NewGroupSchema,
    PositionsSchema,
    ReplayedSchema,
    ReturnedSchema,
)
from services.api.subscriptions.service import SubscriptionService
from services.api.subscriptions.store import UnknownSubscription
from services.api.topics.asked import rules

POLL_S = 0.25
NACK_DELAY_S = 5.0
MAX_NAME = 60

blueprint = Blueprint(
    "groups",
    __name__,
    url_prefix="/v1/groups",
    description="Consumer groups: share the events of a filter among workers",
)


@blueprint.route("/<name>", methods=["POST"])
@require("read")
@blueprint.arguments(NewGroupSchema)
@blueprint.response(200, GroupSchema)
def create_group(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Create the group if it does not exist yet, and show it."""
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > MAX_NAME:
        raise InvalidSubscription("name", "Use up to 60 letters, digits, - and _.")
    compile_filter(body["filter"], Scope.UPDATES)

    def run(service: SubscriptionService) -> dict[str, Any]:
        group_id = _group_id(name)
        with service.database.transaction():  # two members may ask at once
            if not service.store.exists(group_id):
                compile_filter(body["filter"], Scope.UPDATES, rules())
                service.add(_new_group(group_id, name, body))
                service.database.touch()
        try:
            return _as_json(service, name, _owned(service, name))
        except UnknownSubscription:
            raise Problem(
                status=409,
                slug="group-taken",
                detail=f"Another key has a group {name}. Choose another name.",
            ) from None

    return with_service(run)


@blueprint.route("/<name>", methods=["GET"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, GroupSchema)
def show_group(_query: dict[str, Any], name: str) -> dict[str, Any]:
    """Show how much waits, is leased and is parked, and the lag behind the log."""
    return with_service(lambda service: _as_json(service, name, _owned(service, name)))


@blueprint.route("/<name>", methods=["DELETE"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(204)
def remove_group(_query: dict[str, Any], name: str) -> None:
    """Remove the group with everything that waits for it."""

    def run(service: SubscriptionService) -> None:
        _owned(service, name)
        service.store.remove(_group_id(name))

    with_service(run)


@blueprint.route("/<name>/lease", methods=["POST"])
@require("read")
@blueprint.arguments(LeaseQuerySchema)
@blueprint.response(200, LeaseSchema)
def lease(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Take up to `limit` events; they come back after `lease_s` unless acknowledged.

    Name the `lease_id` of the answer when you acknowledge or return them.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        group = _owned(service, name)
        deadline = time.monotonic() + body["wait_s"]
        while True:
            leased = service.pending.lease(
                group.id,
                body["limit"],
                time.time(),
                body["lease_s"],
                park_after=PARK_AFTER,
            )
            if leased.events or time.monotonic() >= deadline:
                events = _events(service, group, leased.events)
                return {"lease_id": leased.id, "events": events}
            time.sleep(POLL_S)

    return with_service(run)


@blueprint.route("/<name>/ack", methods=["POST"])
@require("read")
@blueprint.arguments(PositionsSchema)
@blueprint.response(200, AcknowledgedSchema)
def acknowledge(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Acknowledge leased events: they are done. Others stay as they are.

    The answer says which leases had expired: those events are done as well, but another
    member may have handled them too.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        group = _owned(service, name)
        with service.database.transaction():
            return service.pending.acknowledge(
                group.id, body["positions"], time.time(), body["lease_id"]
            )

    return with_service(run)


@blueprint.route("/<name>/nack", methods=["POST"])
@require("read")
@blueprint.arguments(PositionsSchema)
@blueprint.response(200, ReturnedSchema)
def refuse(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return events: another member gets them after five seconds, or they are parked.

    Only what the lease still holds is returned; without `lease_id`, what any member's
    lease holds. The answer says what is not held: another member may be at work on it.
    """

    def run(service: SubscriptionService) -> dict[str, Any]:
        group = _owned(service, name)
        with service.database.transaction():
            return service.pending.release(
                group.id,
                body["positions"],
                body["lease_id"],
                time.time(),
                delay_s=NACK_DELAY_S,
                park_after=PARK_AFTER,
            )

    return with_service(run)


@blueprint.route("/<name>/parked/replay", methods=["POST"])
@require("read")
@blueprint.arguments(QuerySchema, location="query")
@blueprint.response(200, ReplayedSchema)
def replay_parked(_query: dict[str, Any], name: str) -> dict[str, Any]:
    """Make all parked events available again."""

    def run(service: SubscriptionService) -> dict[str, Any]:
        group = _owned(service, name)
        return {"replayed": service.pending.unpark(group.id)}

    return with_service(run)


def _group_id(name: str) -> str:
    return f"g_{name[:MAX_NAME]}"


def _owned(service: SubscriptionService, name: str) -> Subscription:
    """Return a group of the current key. Raises UnknownSubscription."""
    try:
        return owned(service, _group_id(name))
    except UnknownSubscription:
        raise UnknownSubscription(
            f"Your key has no consumer group {name}. POST to it makes one."
        ) from None


def _new_group(group_id: str, name: str, body: dict[str, Any]) -> Subscription:
    return Subscription(
        id=group_id,
        name=name,
        owner=g.who,
        channel=Channel.PULL,
        target="",
        filter=body["filter"],
        scope=body["scope"],
        schedule=Schedule(),
        status=Status.ACTIVE,
        created=time.time(),
        scanned=body.get("after"),
    )


def _as_json(
    service: SubscriptionService, name: str, group: Subscription
) -> dict[str, Any]:
    head, _ = service.database.head()
    scanned = group.scanned if group.scanned is not None else head
    return {
        "name": name,
        "filter": group.filter,
        **service.pending.group_counts(group.id, time.time()),
        "lag": max(0, service.log.last() - scanned),
    }


def _events(
    service: SubscriptionService, group: Subscription, leased: list[tuple[int, int]]
) -> list[dict[str, Any]]:
    shown = []
    gone = []
    entries = service.log.get_many([position for position, _ in leased])
    for position, attempt in leased:
        entry = entries.get(position)
        if entry is None:
            gone.append(position)
            continue
        event = json.loads(envelope_json(entry, service.log.id))
        shown.append({"position": position, "attempt": attempt, "event": event})
    service.pending.drop_pending(group.id, gone)
    return shown
