"""An item is what its events make it; every sequence of events leaves it in exactly one state."""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.items import IN_FLIGHT, Item, State, fold

DIGEST = "d" * 64
FETCHED = e.ItemFetched(document_digest=DIGEST, text_digest=DIGEST, words=3)


ITEM_EVENTS = [
    cls for _, cls in sorted(e.TYPES.items()) if issubclass(cls, e.ItemEvent)
]


@pytest.mark.parametrize("cls", ITEM_EVENTS, ids=lambda cls: cls.type)
def test_every_item_event_has_a_fold(cls: type[e.Event]) -> None:
    needed = [f.name for f in dataclasses.fields(cls) if f.default is MISSING]
    event = cls(**{name: "" for name in needed})
    assert fold(Item(id="i_1"), 1, event).version == 1


def classified(*labels: str, model: tuple[str, ...] | None = None) -> e.ItemClassified:
    return e.ItemClassified(
        text_digest=DIGEST,
        model="m",
        scores={},
        evidence={},
        labels=labels,
        model_labels=model,  # type: ignore[arg-type]
    )


SUBMITTED = e.ItemSubmitted(via="t", url="https://example.org/")
SOME = st.sampled_from(
    [
        e.ItemRetryRequested(who="w"),
        e.ItemTextSupplied(who="w", given_digest=DIGEST),
        e.ItemReclassifyRequested(who="w"),
        FETCHED,
        classified("consent"),
        classified(),
        e.ItemRejected(reason="empty"),
        e.ItemDeferred(reason="timeout", attempt=1, next_try="2030-01-01T00:00:00Z"),
        e.ItemCorrected(who="a", labels=("deepfake",)),
        e.ItemCorrected(who="a", labels=(), withdrawn=True),
        e.ItemAliased(into="i_other"),
        e.ItemExpired(what="page"),
    ]
)


def folded(*facts: e.Event) -> Item:
    item = Item(id="i_a")
    for position, fact in enumerate(facts, 1):
        item = fold(item, position, fact)
    return item


@given(st.lists(SOME, max_size=12))
def test_state_and_what_is_in_flight_agree_with_the_last_event_that_says_so(
    facts: list[e.Event],
) -> None:
    item = folded(SUBMITTED, *facts)
    last = [f for f in [SUBMITTED, *facts] if f.in_flight is not e.InFlight.UNTOUCHED][
        -1
    ]
    assert item.version == len(facts) + 1
    assert (item.state in IN_FLIGHT) == (last.in_flight is not e.InFlight.COMPLETES)
    assert (item.next_try is not None) == (last.in_flight is e.InFlight.DELAYS)


@given(st.lists(SOME, max_size=12))
def test_nothing_is_left_of_a_withdrawn_items_labels(before: list[e.Event]) -> None:
    item = folded(SUBMITTED, *before, e.ItemWithdrawn(who="w"))
    assert (item.state, item.labels) == (State.WITHDRAWN, ())


def test_a_person_stands_over_the_model_until_they_take_it_back() -> None:
    correction = e.ItemCorrected(who="a", labels=("deepfake",))
    again = classified("deepfake", model=("consent",))
    item = folded(SUBMITTED, classified("data_leak"), correction, again)
    assert (item.labels, item.model_labels) == (("deepfake",), ("consent",))
    item = fold(item, 5, e.ItemCorrected(who="a", labels=("consent",), withdrawn=True))
    assert item.labels == ("consent",)


def test_each_question_has_its_own_claim() -> None:
    assert folded(SUBMITTED).completion_key() == "ended:1"
    assert (
        folded(
            SUBMITTED, e.ItemRejected(reason="x"), e.ItemRetryRequested(who="w")
        ).completion_key()
        == "ended:3"
    )


def test_another_subjects_event_is_a_fault() -> None:
    with pytest.raises(ValueError, match="feed.removed"):
        folded(SUBMITTED, e.FeedRemoved(who="x"))
