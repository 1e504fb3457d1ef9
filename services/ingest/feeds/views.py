"""The HTTP side of feeds: /v1/feeds."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any, cast

from flask import Response, current_app, g
from marshmallow import Schema, fields, validate

from incidentwire.dates import rfc3339
from incidentwire.net.client import HttpClient, OutboundError
from incidentwire.net.rate_limit import HostRateLimiter
from incidentwire.web.auth import require
from incidentwire.web.blueprint import Blueprint, QuerySchema
from incidentwire.web.problems import FieldError, invalid_fields
from incidentwire.web.text_checks import clean
from services.ingest.errors import UnknownFeed
from services.ingest.feeds import redirects, schedule
from services.ingest.feeds.poll import Poller
from services.ingest.feeds.schedule import Feed
from services.ingest.feeds.store import FeedStore
from services.ingest.feeds.trial import try_feed
from services.ingest.schemas import (
    MAX_TITLE,
    AddressField,
    StrictSchema,
)

PAGE = 1000  # feeds per answer at most
UNKNOWN = "There is no such feed"

blueprint = Blueprint(
    "feeds",
    __name__,
    url_prefix="/v1",
    description="Feeds that are polled for news items",
)


class NewFeedSchema(StrictSchema):
    """A feed to be polled."""

    url = AddressField(
        required=True,
        metadata={
            "description": "RSS, Atom, JSON Feed, or a news sitemap",
            "example": "https://example.org/feed.xml",
        },
    )
    title = fields.String(
        validate=[validate.Length(max=MAX_TITLE), clean],
        metadata={"description": "a name for it; empty: the feed's own title"},
    )


class FeedAddressSchema(StrictSchema):
    """The address of a feed."""

    url = AddressField(
        required=True, metadata={"example": "https://example.org/feed.xml"}
    )


class TrialEntrySchema(Schema):
    """An entry of a feed that is not added."""

    url = fields.String(required=True, allow_none=True)
    title = fields.String(required=True)
    published = fields.String(required=True, allow_none=True)
    item = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "the item that its address already is"},
    )


class TrialSchema(Schema):
    """What one reading of a feed found."""

    kind = fields.String(allow_none=True)
    title = fields.String(allow_none=True)
    problem = fields.String(
        allow_none=True,
        metadata={"description": "what is wrong with a document that could be read"},
    )
    reason = fields.String(
        allow_none=True,
        metadata={"description": "why it cannot be read: a stable slug"},
    )
    detail = fields.String(allow_none=True)
    redirected_to = fields.String(allow_none=True)
    entries = fields.Integer(required=True)
    usable = fields.Integer(
        required=True, metadata={"description": "entries with an address"}
    )
    new = fields.Integer(
        required=True,
        metadata={"description": "items that the first poll would submit, at most 500"},
    )
    first = fields.List(fields.Nested(TrialEntrySchema), required=True)


class FeedsQuerySchema(QuerySchema):
    """A page of the list of feeds."""

    limit = fields.Integer(load_default=PAGE, validate=validate.Range(1, PAGE))
    after = fields.String(
        load_default="", metadata={"description": "`next` of the previous page"}
    )


class FeedSchema(Schema):
    """A feed and its state. Times are RFC 3339, or null for never."""

    id = fields.String(required=True, metadata={"example": "f_mfrggzdfmztwq2lkmfrg"})
    url = fields.String(required=True)
    title = fields.String(required=True)
    added_by = fields.String(required=True)
    position = fields.Integer(
        required=True, metadata={"description": "of the event that added it"}
    )
    state = fields.String(
        required=True,
        validate=validate.OneOf(schedule.STATES),
        metadata={
            "description": "new: not polled yet; silent: it answers, but see `silent`; "
            "gone: the server said 410, and it is polled no more"
        },
    )
    kind = fields.String(
        required=True,
        metadata={"description": "rss, atom, json, sitemap or sitemap_index"},
    )
    problem = fields.String(
        allow_none=True,
        metadata={
            "description": "what is wrong with the document, even if it could be read"
        },
    )
    reason = fields.String(
        allow_none=True, metadata={"description": "why it fails: a stable slug"}
    )
    detail = fields.String(allow_none=True)
    silent = fields.String(
        allow_none=True,
        metadata={
            "description": "empty: no entry that can be used; quiet: no new entry for "
            "longer than ever before"
        },
    )
    failures = fields.Integer(required=True, metadata={"description": "in a row"})
    failing_since = fields.String(allow_none=True)
    last_poll = fields.String(allow_none=True)
    last_success = fields.String(allow_none=True)
    last_new = fields.String(
        allow_none=True, metadata={"description": "when it last had a new entry"}
    )
    next_poll = fields.String(allow_none=True)
    interval_s = fields.Float(
        required=True,
        metadata={"description": "between polls, by how often it changes"},
    )
    redirected_to = fields.String(
        allow_none=True, metadata={"description": "where its address redirects to"}
    )
    moved_from = fields.String(
        allow_none=True,
        metadata={
            "description": "the id of the feed that redirects here permanently, and became this one"
        },
    )
    entries = fields.Integer(
        required=True, metadata={"description": "in the last reading"}
    )
    handed_in = fields.Integer(
        required=True, metadata={"description": "items that it was the first to bring"}
    )


class FeedListSchema(Schema):
    """A page of feeds, by id, and the number of all feeds in each state."""

    states = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    feeds = fields.List(fields.Nested(FeedSchema), required=True)
    next = fields.String(
        allow_none=True, metadata={"description": "send as `after` for the next page"}
    )


class FeedRemovedSchema(Schema):
    """The removal of a feed."""

    id = fields.String(required=True)
    position = fields.Integer(
        required=True, metadata={"description": "of the event that removed it"}
    )


@blueprint.route("/feeds", methods=["POST"])
@require("curate")
@blueprint.arguments(NewFeedSchema)
@blueprint.response(
    201, FeedSchema, description="Added, and on disk; it is polled within seconds"
)
@blueprint.alt_response(
    200,
    schema=FeedSchema,
    description="Known already; one that was gone is polled again",
)
def add(asked: dict[str, Any]) -> Any:
    """Add a feed."""
    url = asked["url"].url
    _refuse_address(url)
    feed, _, new = _feeds().add(
        url, who=g.who, title=asked.get("title", "").strip(), now=time.time()
    )
    headers = {"Location": f"/v1/feeds/{feed.id}"}
    return Response(
        json.dumps(_shown(feed)),
        201 if new else 200,
        headers,
        mimetype="application/json",
    )


@blueprint.route("/feeds/test", methods=["POST"])
@require("curate")
@blueprint.arguments(FeedAddressSchema)
@blueprint.response(200, TrialSchema)
@blueprint.alt_response(503, description="The host is busy with other requests of ours")
def test(asked: dict[str, Any]) -> dict[str, Any]:
    """Read a feed once and show what it would bring; nothing is stored.

    A feed that cannot be read is answered with 200 and a `reason`.
    """
    url = asked["url"].url
    _refuse_address(url)
    with HttpClient.of(current_app.config["SETTINGS"]) as client:
        trial = try_feed(_poller(client), url)
    return {
        **{name: getattr(trial, name) for name in ("entries", "usable", "new")},
        **{name: getattr(trial, name) or None for name in TRIAL_TEXTS},
        "first": [
            {
                "url": entry.url,
                "title": entry.title,
                "published": entry.published,
                "item": item_id,
            }
            for entry, item_id in trial.shown
        ],
    }


@blueprint.route("/feeds", methods=["GET"])
@require("read", "curate")
@blueprint.arguments(FeedsQuerySchema, location="query")
@blueprint.response(200, FeedListSchema)
def list_feeds(query: dict[str, Any]) -> dict[str, Any]:
    """List the feeds, by id."""
    feeds = _feeds()
    names = [name for name in feeds.names() if name > query["after"]]
    page = names[: query["limit"]]
    more = len(names) > len(page)
    states = Counter(feed.state for feed in feeds.get_many(names))
    return {
        "states": dict(states),
        "feeds": [_shown(feed) for feed in feeds.get_many(page)],
        "next": page[-1] if more else None,
    }


@blueprint.route("/feeds/<feed_id>", methods=["GET"])
@blueprint.response(200, FeedSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@require("read", "curate")
def show(feed_id: str) -> dict[str, Any]:
    """Show a feed and its state; for one that has moved, the feed that it is now."""
    feeds = _feeds()
    now = time.time()
    feed = feeds.get(feed_id, now)
    if feed is None:
        name = redirects.moved_to(feeds, feed_id)
        feed = feeds.get(name, now) if name else None
    if feed is None:
        raise UnknownFeed("No feed has this id. Check the id.")
    return _shown(feed)


@blueprint.route("/feeds/<feed_id>", methods=["DELETE"])
@blueprint.response(200, FeedRemovedSchema)
@blueprint.alt_response(404, description=UNKNOWN)
@require("curate")
def remove(feed_id: str) -> dict[str, Any]:
    """Remove a feed; its items stay."""
    feeds = _feeds()
    position = feeds.remove(feed_id, who=g.who)
    if position is None:
        target = redirects.moved_to(feeds, feed_id)
        if target:
            raise UnknownFeed(f"The feed has moved. Use its new id, {target}.")
        raise UnknownFeed("No feed has this id. Check the id.")
    return {"id": feed_id, "position": position}


def _feeds() -> FeedStore:
    return cast("FeedStore", current_app.extensions["incidentwire.feeds"])


def _poller(client: HttpClient) -> Poller:
    settings = current_app.config["SETTINGS"]
    feeds = _feeds()
    return Poller(
        feeds=feeds,
        submitter=current_app.extensions["incidentwire.submitter"],
        client=client,
        limiter=HostRateLimiter.of(settings, feeds.connection),
        clock=time.time,
    )


def _refuse_address(url: str) -> None:
    """Refuse an address that can never be polled, now and not in a failure later."""
    with HttpClient.of(current_app.config["SETTINGS"]) as client:
        try:
            client.check(url)
        except OutboundError as error:
            field_error = FieldError(field="url", message=error.detail)
            raise invalid_fields([field_error]) from None


PLAIN = (
    "id",
    "url",
    "title",
    "state",
    "kind",
    "failures",
    "interval_s",
    "entries",
    "handed_in",
)
TIMES = ("failing_since", "last_poll", "last_success", "last_new", "next_poll")
TEXTS = ("problem", "reason", "detail", "silent", "redirected_to", "moved_from")


TRIAL_TEXTS = ("kind", "title", "problem", "reason", "detail", "redirected_to")


def _shown(feed: Feed) -> dict[str, Any]:
    """Return a feed in the form of FeedSchema."""
    shown: dict[str, Any] = {name: getattr(feed, name) for name in PLAIN}
    shown |= {name: _time(getattr(feed, name)) for name in TIMES}
    shown |= {name: getattr(feed, name) or None for name in TEXTS}
    return shown | {"added_by": feed.who, "position": feed.added_at}


def _time(seconds: float | None) -> str | None:
    return rfc3339(datetime.fromtimestamp(seconds, UTC)) if seconds else None
