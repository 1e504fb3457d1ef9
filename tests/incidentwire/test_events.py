"""Events: what is stored can be read again, schemas hold, and what is unknown is loud."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incidentwire import events
from incidentwire.labels import LABELS, MentionRef
from incidentwire.log import cloudevents, codec, schemas
from incidentwire.log.recorded_event import RecordedEvent

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
SPAN = st.tuples(st.integers(0, 9999), st.integers(0, 9999))
st.register_type_strategy(float, FINITE)  # also those within a LinkReason
LABEL_TUPLES = st.lists(st.sampled_from(LABELS), unique=True).map(tuple)


def any_event(type_name: str) -> st.SearchStrategy[events.Event]:
    cls = events.TYPES[type_name]
    hints = typing.get_type_hints(cls)
    return st.builds(
        cls, **{f.name: _values(f.name, hints[f.name]) for f in dataclasses.fields(cls)}
    )


def _values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name in ("labels", "labels_before"):
        return LABEL_TUPLES
    if name == "evidence":
        return st.dictionaries(
            st.sampled_from(LABELS), st.lists(SPAN, max_size=3).map(tuple), max_size=4
        )
    if name == "mentions" and hint == tuple[MentionRef, ...]:
        one = st.builds(
            MentionRef,
            id=WORDS,
            start=st.integers(0),
            end=st.integers(0),
            labels=LABEL_TUPLES,
        )
        return st.lists(one, max_size=3).map(tuple)
    if name == "scores":
        return st.dictionaries(st.sampled_from(LABELS), FINITE)
    return st.from_type(hint)


@pytest.mark.parametrize("type_name", sorted(events.TYPES))
@settings(max_examples=20)
@given(data=st.data())
def test_every_event_is_read_back_as_it_was_and_fits_its_schema(
    type_name: str, data: st.DataObject
) -> None:
    event = data.draw(any_event(type_name))
    stored = codec.encode(event)
    assert codec.decode(codec.stored_type(event), stored) == event
    jsonschema.validate(json.loads(stored), schemas.data_schema(type_name))
    entry = RecordedEvent(
        position=7,
        type=type_name,
        subject="i_a",
        time_ms=1_700_000_000_123,
        data=stored,
    )
    envelope = cloudevents.envelope(entry, "abc")
    jsonschema.validate(envelope, schemas.envelope_schema(type_name))
    assert (envelope["id"], envelope["sequence"], envelope["time"]) == (
        "7",
        7,
        "2023-11-14T22:13:20.123Z",
    )


@pytest.mark.parametrize("type_name", sorted(events.TYPES))
def test_schemas_are_schemas(type_name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas.envelope_schema(type_name))


@pytest.mark.parametrize(
    ("type_name", "data"),
    [
        ("item.vanished", "{}"),
        ("item.rejected:2", '{"reason":"x"}'),
        ("item.rejected", '{"reason":"x","colour":"red"}'),
    ],
)
def test_what_a_newer_release_wrote_stops_the_reader(type_name: str, data: str) -> None:
    with pytest.raises(codec.UnknownType):
        codec.decode(type_name, data)
    if (
        type_name != "item.rejected"
    ):  # data of a known version is passed on as it stands
        entry = RecordedEvent(
            position=1, type=type_name, subject="i_a", time_ms=0, data=data
        )
        with pytest.raises(codec.UnknownType):
            cloudevents.envelope_json(entry, "abc")


def test_an_old_shape_goes_through_its_upcast(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Moved(events.Event):
        type = "test.moved"
        version = 2
        place: str

    monkeypatch.setattr(events, "TYPES", {**events.TYPES, "test.moved": Moved})
    monkeypatch.setattr(
        codec, "UPCASTS", {"test.moved": {1: lambda data: {"place": data["location"]}}}
    )
    assert codec.decode("test.moved", '{"location":"here"}') == Moved(place="here")
    assert codec.stored_type(Moved(place="here")) == "test.moved:2"
    old = RecordedEvent(
        position=1,
        type="test.moved",
        subject="s",
        time_ms=0,
        data='{"location":"here"}',
    )
    assert cloudevents.envelope(old, "abc")["data"] == {"place": "here"}
    new = RecordedEvent(
        position=2,
        type="test.moved:2",
        subject="s",
        time_ms=0,
        data='{"place":"there"}',
    )
    assert cloudevents.envelope(new, "abc")["type"] == "test.moved"


def test_what_is_no_json_is_not_stored() -> None:
    with pytest.raises(ValueError, match="JSON"):
        codec.encode(
            events.ItemFetched(
                document_digest="d", text_digest="t", words=1, completeness=float("nan")
            )
        )


LINKED = (
    '{"item":"i_b","mention":"m0","score":0.7,"why":{"score":0.7,"shared":{"names":4,'
    '"dates":1},"days":2,"retold":true,"with":"i_a#m0","spans":[[3,12],[40,47]]}}'
)


@pytest.mark.parametrize(
    "stored",
    [
        LINKED,
        '{"item":"i_b","mention":"m0","why":{"score":0.0,"shared":{},"copy":true}}',
        '{"item":"i_b","mention":"m0"}',
    ],
)
def test_the_reason_of_a_link_keeps_its_stored_form(stored: str) -> None:
    event = codec.decode("incident.item_linked", stored)
    assert codec.encode(event) == stored
    jsonschema.validate(json.loads(stored), schemas.data_schema("incident.item_linked"))


def test_a_reason_with_an_unknown_part_stops_the_reader() -> None:
    with pytest.raises(codec.UnknownType, match="colour"):
        codec.decode(
            "incident.item_linked", '{"item":"i","mention":"m0","why":{"colour":1}}'
        )


def test_lists_of_types_follow_from_what_each_type_does() -> None:
    assert events.types_where(lambda cls: cls.affects_labels) == {
        "item.classified",
        "item.corrected",
        "item.withdrawn",
        "item.aliased",
    }
    assert events.types_where(lambda cls: cls.seals) == {"item.withdrawn"}
    kinds = (
        events.ItemEvent,
        events.IncidentEvent,
        events.FeedEvent,
        events.SubscriptionEvent,
        events.EntityEvent,
        events.TopicEvent,
    )
    for name, cls in events.TYPES.items():
        (kind,) = [kind for kind in kinds if issubclass(cls, kind)]
        assert name.startswith(kind.__name__.removesuffix("Event").lower() + ".")
