"""Shapes of subscriptions over HTTP."""

from __future__ import annotations

from typing import Any

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    post_load,
    validate,
    validates_schema,
)

from services.api.catalogue import LANGUAGES
from services.api.http import QuerySchema, text
from services.api.subscriptions.model import Channel, Pace, Schedule, Scope, Status

TEMPLATES = ("standard", "slack", "teams")
MAX_FILTER = 2_000
LANGUAGE = {"description": "of what is sent; titles and quotes stay as they are"}


def _enum(kind: type[Any], description: str, **options: Any) -> fields.Enum[Any]:
    return fields.Enum(
        kind, by_value=True, metadata={"description": description}, **options
    )


class ScheduleSchema(Schema):
    pace = _enum(Pace, "at_once, hourly, daily or weekly", load_default=Pace.AT_ONCE)
    hour = fields.Integer(
        validate=validate.Range(min=0, max=23),
        load_default=8,
        metadata={"description": "hour of a daily or weekly digest"},
    )
    weekday = fields.Integer(
        validate=validate.Range(min=0, max=6),
        load_default=0,
        metadata={"description": "day of a weekly digest; 0 is Monday"},
    )
    zone = fields.String(
        validate=validate.Length(min=1, max=64),
        load_default="UTC",
        metadata={"description": "IANA time zone of the hour"},
    )

    @post_load
    def make(self, data: dict[str, Any], **_: Any) -> Schedule:
        return Schedule(**data)


class FilterTestSchema(Schema):
    filter = fields.String(
        load_default="",
        validate=validate.Length(max=MAX_FILTER),
        metadata={"description": "filter in the language of GET /v1/search"},
    )
    scope = _enum(
        Scope,
        "new: only new incidents; updates: also what changes in known ones",
        load_default=Scope.UPDATES,
    )


class NewSubscriptionSchema(FilterTestSchema):
    name = text("what the owner calls it", most=100, required=True)
    channel = _enum(Channel, "email, webhook or feed", required=True)
    target = fields.String(
        load_default="",
        validate=validate.Length(max=2_000),
        metadata={"description": "e-mail address or webhook URL; empty for others"},
    )
    schedule = fields.Nested(ScheduleSchema, load_default=Schedule)
    template = fields.String(
        validate=validate.OneOf(TEMPLATES),
        load_default="standard",
        metadata={"description": "shape of a webhook's body"},
    )
    contact = fields.String(
        load_default="",
        validate=validate.Length(max=254),
        metadata={"description": "address that is told when a webhook keeps failing"},
    )
    language = fields.String(
        validate=validate.OneOf(list(LANGUAGES)), load_default="en", metadata=LANGUAGE
    )


class ChangeSubscriptionSchema(Schema):
    name = text("what the owner calls it", most=100)
    filter = fields.String(validate=validate.Length(max=MAX_FILTER))
    scope = _enum(Scope, "new or updates")
    schedule = fields.Nested(ScheduleSchema)
    template = fields.String(validate=validate.OneOf(TEMPLATES))
    contact = fields.String(validate=validate.Length(max=254))
    language = fields.String(
        validate=validate.OneOf(list(LANGUAGES)), metadata=LANGUAGE
    )
    status = fields.String(validate=validate.OneOf(("active", "paused")))
    resume = fields.String(
        validate=validate.OneOf(("missed", "now")),
        metadata={
            "description": "with status=active: deliver what was missed, or go on from now"
        },
    )


class SubscriptionSchema(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    owner = fields.String(required=True)
    channel = _enum(Channel, "how it is delivered", required=True)
    target = fields.String(required=True)
    filter = fields.String(required=True)
    scope = _enum(Scope, "new or updates", required=True)
    schedule = fields.Dict(required=True)
    template = fields.String(required=True)
    contact = fields.String(required=True)
    contact_confirmed = fields.Boolean(
        required=True, metadata={"description": "until then the contact is not told"}
    )
    language = fields.String(required=True, metadata=LANGUAGE)
    status = _enum(Status, "pending, active, paused or disabled", required=True)
    reason = fields.String(
        required=True, metadata={"description": "why it fails or stopped"}
    )
    created = fields.String(required=True)
    next_at = fields.String(allow_none=True, required=True)
    retry_at = fields.String(allow_none=True, required=True)
    failing_since = fields.String(allow_none=True, required=True)
    attempt = fields.Integer(required=True)
    pending = fields.Integer(
        required=True, metadata={"description": "events that wait for delivery"}
    )
    removed_topics = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "topics that its filter names and nobody defines now"},
    )
    lag = fields.Integer(
        required=True, metadata={"description": "log entries not held against it yet"}
    )


class CreatedSchema(SubscriptionSchema):
    secret = fields.String(metadata={"description": "webhook secret, shown this once"})
    feed_url = fields.String(
        metadata={"description": "secret feed address, shown this once"}
    )


class SubscriptionListSchema(Schema):
    subscriptions = fields.List(fields.Nested(SubscriptionSchema), required=True)


class MatchSchema(Schema):
    position = fields.Integer(required=True)
    time = fields.String(required=True)
    type = fields.String(required=True)
    subject = fields.Dict(required=True)
    summary = fields.String(required=True)


class PreviewSchema(Schema):
    matched = fields.Integer(required=True)
    days = fields.Float(
        required=True, metadata={"description": "days that were looked at"}
    )
    per_week = fields.Float(required=True)
    summary = fields.String(
        required=True, metadata={"description": "such as: about 12 a week"}
    )
    latest = fields.List(fields.Nested(MatchSchema), required=True)


class AttemptSchema(Schema):
    n = fields.Integer(required=True)
    subscription = fields.String(required=True)
    at = fields.String(required=True)
    message_id = fields.String(required=True)
    first = fields.Integer(required=True)
    last = fields.Integer(required=True)
    events = fields.Integer(required=True)
    ok = fields.Boolean(required=True)
    status = fields.Integer(allow_none=True, required=True)
    latency_ms = fields.Integer(required=True)
    reason = fields.String(required=True)
    excerpt = fields.String(required=True)
    acknowledged = fields.String(allow_none=True, required=True)


class DeliveriesSchema(Schema):
    deliveries = fields.List(fields.Nested(AttemptSchema), required=True)
    next = fields.String(allow_none=True, required=True)


class DeliveriesQuerySchema(QuerySchema):
    limit = fields.Integer(validate=validate.Range(min=1, max=200), load_default=100)
    cursor = fields.Integer(validate=validate.Range(min=1, max=2**53 - 1))


class ReplaySchema(Schema):
    positions = fields.List(
        fields.Integer(validate=validate.Range(min=1, max=2**53 - 1)),
        validate=validate.Length(min=1, max=1_000),
        metadata={"description": "events to deliver again"},
    )
    after = fields.Integer(validate=validate.Range(min=0, max=2**53 - 1))
    before = fields.Integer(validate=validate.Range(min=1, max=2**53 - 1))
    failed_since = fields.AwareDateTime(
        metadata={
            "description": "deliver again all that failed since then; with `after`,"
            " only what lies after that position"
        }
    )

    @validates_schema
    def one_kind(self, data: dict[str, Any], **_: Any) -> None:
        kinds = data.keys() - {"after"} or data.keys()
        if len(kinds) != 1 or ("positions" in data and "after" in data):
            raise ValidationError(
                "Give either positions, or after and before, or failed_since."
            )


class ReplayedSchema(Schema):
    replayed = fields.Integer(required=True)


class ReplayPageSchema(ReplayedSchema):
    next = fields.Integer(
        required=True,
        allow_none=True,
        metadata={
            "description": "null at the end; else the same request with `after` set to"
            " this position replays the rest"
        },
    )


class SecretSchema(Schema):
    secret = fields.String()
    feed_url = fields.String()


class NewGroupSchema(FilterTestSchema):
    after = fields.Integer(
        validate=validate.Range(min=0, max=2**53 - 1),
        metadata={"description": "begin after this position; default: from now on"},
    )


class GroupSchema(Schema):
    name = fields.String(required=True)
    filter = fields.String(required=True)
    waiting = fields.Integer(required=True)
    leased = fields.Integer(required=True)
    parked = fields.Integer(required=True)
    lag = fields.Integer(required=True)


class LeaseQuerySchema(Schema):
    limit = fields.Integer(validate=validate.Range(min=1, max=100), load_default=10)
    lease_s = fields.Integer(validate=validate.Range(min=1, max=3_600), load_default=30)
    wait_s = fields.Integer(validate=validate.Range(min=0, max=30), load_default=0)


class LeasedSchema(Schema):
    position = fields.Integer(required=True)
    attempt = fields.Integer(required=True)
    event = fields.Dict(required=True)


class LeaseSchema(Schema):
    lease_id = fields.String(
        required=True,
        metadata={"description": "name it when you acknowledge or return the events"},
    )
    events = fields.List(fields.Nested(LeasedSchema), required=True)


class PositionsSchema(Schema):
    positions = fields.List(
        fields.Integer(validate=validate.Range(min=1, max=2**53 - 1)),
        required=True,
        validate=validate.Length(min=1, max=1_000),
    )
    lease_id = fields.String(
        load_default="",
        validate=validate.Length(max=64),
        metadata={"description": "the lease that the events were given out with"},
    )


def _positions(description: str) -> fields.List[Any]:
    return fields.List(
        fields.Integer(), required=True, metadata={"description": description}
    )


class AcknowledgedSchema(Schema):
    """What became of the acknowledged positions."""

    acknowledged = _positions("leased, and done now")
    expired = _positions(
        "the lease had run out: done now, but another member may have had it too"
    )
    not_leased = _positions("acknowledged before, or never leased")


class ReturnedSchema(Schema):
    """What became of the returned positions."""

    returned = _positions("held by this lease, and returned now")
    expired = _positions(
        "held by this lease no longer: left to the member who has it now, if any"
    )
    not_leased = _positions("acknowledged before, or never leased")
