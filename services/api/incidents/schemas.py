"""The shapes of incidents in queries and answers, for validation and OpenAPI."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from incidentwire.incidents.state import STATUSES
from incidentwire.labels import LABELS
from services.api.filters.field import CountryField
from services.api.http import (
    DATE,
    Names,
    PageSchema,
    PassageSchema,
    QuerySchema,
    ReadAnswerSchema,
    ReadQuerySchema,
    check_filters,
    cursor,
    host,
    limit,
    nullable_text,
    position,
    text,
)
from services.api.incidents.list_query import FILTERS, NUMERIC, SORTS
from services.api.incidents.reports import MAX_REPORTS
from services.api.topics.asked import QueryField, TopicField

_N = "[1-9][0-9]{0,15}"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
ITEMS_CURSOR = f"^({_DAY})?[.](0|{_N})$"
# RFC 3339 in the years 1000 to 2999; an unquoted + of an offset arrives as a space. The
# OpenAPI document has this pattern, and clients made from it send whatever it allows: so
# it allows no date that does not exist.
_LEAP = "([12][0-9](0[48]|[2468][048]|[13579][26])|(12|16|20|24|28)00)-02-29"
_DATE = (
    "([12][0-9]{3}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
    f"|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)|{_LEAP})"
)
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+ -]([01][0-9]|2[0-3]):[0-5][0-9])"
MOMENT_PATTERN = f"^([0-9]{{1,16}}|{_DATE}T{_TIME})$"
MOMENT = "a position, or an RFC 3339 time"


def _cursors_of(sort: str) -> str:
    """Return the pattern of cursors of a list in this order: order, key and n."""
    if sort in NUMERIC:
        key = "[0-9]{1,16}"
    elif SORTS[sort][0] == "''":
        key = ""
    else:
        key = f"({_DAY})?"
    return f"{sort}[.]{key}[.]{_N}"


CURSOR = f"^({'|'.join(map(_cursors_of, SORTS))})$"


def _moment(description: str, **options: Any) -> fields.String:
    must = f"Use {MOMENT} with its offset, such as 2024-05-01T12:00:00Z."
    return fields.String(
        validate=validate.Regexp(MOMENT_PATTERN, error=must),
        metadata={"description": description},
        **options,
    )


class AsOfSchema(ReadQuerySchema):
    """The moment that an answer describes."""

    as_of = _moment(
        f"as the system knew it then: {MOMENT}; titles and quotes are the current ones"
    )


class IncidentFilterSchema(AsOfSchema):
    """The filters of every list of incidents, including feeds and exports."""

    label = Names(LABELS, "incidents that have all of these labels")
    status = Names(
        STATUSES,
        "incidents in any of these statuses; without it, all but those that lost their"
        " last item",
    )
    entity = text("a name in a title of its items, in any of its spellings", most=200)
    country = CountryField()
    topic = TopicField("name of a topic that one of its items is on")
    source = host("host of an item's URL, or the site's name as its pages give it")
    q = QueryField()
    since = fields.Date(
        error_messages=DATE,
        data_key="from",
        metadata={"description": "with a report on or after this day"},
    )
    until = fields.Date(
        error_messages=DATE,
        data_key="to",
        metadata={"description": "with a report on or before this day"},
    )


class ListQuerySchema(IncidentFilterSchema):
    """The query of GET /v1/incidents."""

    sort = fields.String(
        validate=validate.OneOf(list(SORTS)),
        load_default="newest",
        metadata={
            "description": "newest and oldest: by when the incident was opened; "
            "the others: largest first"
        },
    )
    limit = limit()
    cursor = cursor(CURSOR)


check_filters(IncidentFilterSchema, FILTERS)


class ShowQuerySchema(AsOfSchema):
    """The page of an incident's items."""

    limit = limit(most=500, default=100)
    cursor = cursor(ITEMS_CURSOR)


class HistoryQuerySchema(ReadQuerySchema):
    """The page of an incident's history."""

    limit = limit(most=500, default=200)
    after = position("only events after this position", load_default=0)


class DiffQuerySchema(QuerySchema):
    """The two moments that are compared."""

    since = _moment(MOMENT, required=True, data_key="from")
    until = _moment(f"{MOMENT}; now, if left out", data_key="to")


# -- answers -------------------------------------------------------------------------------------------------------


class IncidentSchema(Schema):
    """An incident as lists show it."""

    id = fields.String(required=True)
    title = nullable_text("as a person named it, else of the item that says it best")
    title_by = fields.String(
        required=True, allow_none=True, validate=validate.OneOf(["person", "item"])
    )
    labels = fields.List(fields.String(validate=validate.OneOf(LABELS)), required=True)
    status = fields.String(required=True, validate=validate.OneOf(STATUSES))
    closed_empty = fields.Boolean(
        required=True,
        metadata={"description": "nobody dismissed it: no items were left"},
    )
    first_report = nullable_text("day of the earliest item")
    last_report = nullable_text("day of the latest item")
    item_count = fields.Integer(required=True)
    item_ids = fields.List(
        fields.String(),
        metadata={
            "description": f"in lists: its items by date, the first {MAX_REPORTS} submitted"
        },
    )
    mention_count = fields.Integer(required=True)
    source_count = fields.Integer(
        required=True,
        metadata={"description": "distinct hosts (sites for texts handed in)"},
    )
    version = fields.Integer(
        required=True,
        metadata={
            "description": "rises with what people do to it or to what it shows; commands carry it"
        },
    )
    split_from = nullable_text()
    same_as = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "addresses of records about it in other databases"},
    )
    countries = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "that its items name, ISO 3166-1 codes"},
    )
    topics = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "names of the topics that it is on"},
    )
    position = fields.Integer(
        required=True, metadata={"description": "of the last event that changed it"}
    )
    opened_at = fields.String(required=True)
    updated_at = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class IncidentPageSchema(PageSchema):
    incidents = fields.List(fields.Nested(IncidentSchema), required=True)
    is_exact = fields.Boolean(
        required=True,
        metadata={
            "description": "false: only the newest 5,000 items with the words of `q` "
            "were looked at (the oldest, for that sort)"
        },
    )


class LabelPassageSchema(PassageSchema):
    label = fields.String(required=True, validate=validate.OneOf(LABELS))


class SharedPassageSchema(PassageSchema):
    """A passage that the nearest other report has too, in the text as it was linked."""


class MentionSchema(Schema):
    """The passage of an item that reports this incident."""

    key = fields.String(
        required=True,
        metadata={"description": "`<item>#<mention>`: what commands call it"},
    )
    id = fields.String(required=True)
    start = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "in code points of the text"},
    )
    end = fields.Integer(required=True, allow_none=True)
    quote = nullable_text("null if the text is not stored or is another revision")
    is_cut = fields.Boolean(
        required=True, metadata={"description": "the quote is shortened"}
    )
    labels = fields.List(fields.String(), required=True)
    score = fields.Float(required=True, metadata={"description": "of the link, 0 to 1"})
    review = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "incidents that were close too"},
    )
    by = fields.String(required=True, validate=validate.OneOf(["linker", "person"]))
    linked = fields.Integer(
        required=True, metadata={"description": "position of the event that linked it"}
    )
    reasons = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "why it is here, in words"},
    )
    shared = fields.List(
        fields.Nested(SharedPassageSchema),
        required=True,
        metadata={"description": "the most telling first"},
    )
    evidence = fields.List(fields.Nested(LabelPassageSchema), required=True)


class IncidentItemSchema(Schema):
    id = fields.String(required=True)
    title = nullable_text()
    url = nullable_text()
    host = nullable_text()
    site = nullable_text()
    published = nullable_text()
    language = nullable_text()
    state = nullable_text()
    report = nullable_text("day of publication; of submission where that is unknown")
    mentions = fields.List(fields.Nested(MentionSchema), required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class SourceSchema(Schema):
    name = fields.String(required=True)
    site = nullable_text()
    items = fields.Integer(required=True)


class NameSchema(Schema):
    name = fields.String(required=True)
    items = fields.Integer(required=True)


class IncidentDetailSchema(IncidentSchema):
    """An incident in full. A merged id answers with the one it redirects to."""

    requested_id = fields.String(
        metadata={"description": "the id asked for, if it redirects to this one"}
    )
    items = fields.List(fields.Nested(IncidentItemSchema), required=True)
    next_items = nullable_text("cursor of the next page of items; null on the last")
    sources = fields.List(fields.Nested(SourceSchema), required=True)
    entities = fields.List(
        fields.Nested(NameSchema),
        required=True,
        metadata={"description": "capitalised names in titles: a rough guide"},
    )
    merged = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "ids that redirect here"},
    )
    as_of = fields.Integer(
        required=True, metadata={"description": "the log up to here is in this answer"}
    )
    log_id = fields.String(required=True)


class LineSchema(Schema):
    position = fields.Integer(required=True)
    time = fields.String(required=True)
    type = fields.String(required=True)
    who = nullable_text("null for the linker and the model")
    text = fields.String(required=True)
    note = nullable_text()
    subject = fields.String(required=True)


class HistorySchema(ReadAnswerSchema):
    id = fields.String(required=True)
    requested_id = fields.String()
    lines = fields.List(fields.Nested(LineSchema), required=True)
    next = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "send as `after` for the next page; null on the last"},
    )
    events = fields.List(
        fields.Dict(),
        required=True,
        metadata={"description": "the same as CloudEvents"},
    )


class ChangedSchema(Schema):
    before = fields.Raw(required=True, allow_none=True)
    after = fields.Raw(required=True, allow_none=True)


class DiffSchema(Schema):
    """What changed between two positions; `changes` names only what did."""

    id = fields.String(required=True)
    since = fields.Integer(required=True, data_key="from")
    until = fields.Integer(required=True, data_key="to")
    shown_as = fields.Nested(
        ChangedSchema,
        required=True,
        metadata={"description": "the id that stands for it"},
    )
    items_gained = fields.List(fields.Nested(lambda: ItemNameSchema()), required=True)
    items_lost = fields.List(fields.Nested(lambda: ItemNameSchema()), required=True)
    mentions_gained = fields.List(fields.String(), required=True)
    mentions_lost = fields.List(fields.String(), required=True)
    merged_gained = fields.List(fields.String(), required=True)
    merged_lost = fields.List(fields.String(), required=True)
    changes = fields.Dict(
        keys=fields.String(), values=fields.Nested(ChangedSchema), required=True
    )
    lines = fields.List(
        fields.String(), required=True, metadata={"description": "the same in words"}
    )


class ItemNameSchema(Schema):
    id = fields.String(required=True)
    title = nullable_text()
