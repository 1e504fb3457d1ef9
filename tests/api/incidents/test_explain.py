"""Why a mention is where it is, in words: in the answer, in the history, and after everything that may come later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from incidentwire import events as e
from incidentwire.documents import StoredDocument
from incidentwire.labels import MentionRef
from incidentwire.log import codec
from services.api.incidents.explain import sentences
from tests.harness import Harness
from tests.newsroom import FAKE, LEAK, Newsroom

TEXT = "On 30 August the face app Zao let people star in films;\nMoMo had made it."
SPANS = ((26, 29), (56, 60), (3, 12))
WHY = {
    "score": 0.83,
    "shared": e.SharedTerms(names=4, terms=11, amounts=1),
    "days": 1,
    "spans": SPANS,
    "nearest": "i_a1#m0",
}


@pytest.fixture
def room(harness: Harness) -> Newsroom:
    room = Newsroom(harness)
    room.ids["a"] = room.add(
        "i_a1", (LEAK,), title="Zao wants all faces", published="2019-08-29"
    )
    room.add(
        "i_a2", (LEAK,), into=room.ids["a"], text=TEXT, why=WHY, published="2019-08-30"
    )
    room.ids["b"] = room.add("i_b1", (FAKE,), title="A cloned voice")
    room.grow()
    return room


def mention(room: Newsroom, key: str, query: str = "") -> Any:
    incident = room.state().where(key)
    items = room.get(f"/{incident}{query}")["items"]
    return next(
        mention
        for item in items
        for mention in item["mentions"]
        if mention["key"] == key
    )


def test_a_link_tells_what_it_shares_with_the_nearest_report_in_its_own_words(
    room: Newsroom,
) -> None:
    found = mention(room, "i_a2#m0")
    assert found["reasons"] == [
        "shares 4 names, 11 words and 1 amount with “Zao wants all faces”",
        "shares the passages “Zao”, “MoMo”, “30 August” with it",
        "one day apart",
    ]
    assert found["shared"] == [
        {"start": start, "end": end, "quote": TEXT[start:end]} for start, end in SPANS
    ]
    linked = room.log.get(found["linked"])
    assert linked is not None
    assert isinstance(linked.event, e.IncidentItemLinked)
    assert linked.event.item == "i_a2"
    first = mention(room, "i_a1#m0")
    assert (first["reasons"], first["shared"]) == (["opened this incident"], [])
    assert mention(room, "i_a2#m0", f"?as_of={room.log.last()}") == found


def test_the_history_gives_the_same_reasons(room: Newsroom) -> None:
    lines = [line["text"] for line in room.get(f"/{room.ids['a']}/history")["lines"]]
    assert lines == [
        "opened by “Zao wants all faces”",
        "“Zao wants all faces” was linked with score 1.00",
        "“Title of i_a2” was linked with score 1.00: shares 4 names, 11 words and 1 amount with"
        " “Zao wants all faces”, one day apart",
    ]


def linked(why: dict[str, Any]) -> e.IncidentItemLinked:
    """Return an event with this reason, as the log stores it."""
    data = json.dumps({"item": "i_b", "mention": "m0", "why": why})
    event = codec.decode("incident.item_linked", data)
    assert isinstance(event, e.IncidentItemLinked)
    return event


@pytest.mark.parametrize(
    ("why", "message"),
    [
        ({}, []),
        ({"score": 0.9, "shared": {}, "days": 0}, ["on the same day"]),
        (
            {"shared": {"names": 1, "dates": 2}},
            ["shares 1 name and 2 dates with another report"],
        ),
        (
            {"shared": {"terms": 1}, "with": "i_gone#m0"},
            ["shares 1 word with another report"],
        ),
        (
            {"copy": True, "shared": {"terms": 3}, "days": 12, "with": "i_a#m0"},
            ["the same text as “Ash”", "shares 3 words with it", "12 days apart"],
        ),
        (
            {"retold": True, "shared": {"names": 1}, "days": 93, "with": "i_a#m0"},
            [
                "is mainly about the same name as “Ash”",
                "shares 1 name with it",
                "93 days apart",
            ],
        ),
    ],
)
def test_what_is_not_known_is_left_out(why: dict[str, Any], message: list[str]) -> None:
    assert sentences(linked(why), {"i_a": "Ash"}) == message


def test_no_quote_stays_of_a_text_that_is_gone_or_is_another_one_now(
    room: Newsroom,
) -> None:
    changed = StoredDocument(
        title="Second edition",
        text="Another text altogether, with Zao somewhere else in it.",
    )
    digest = room.harness.archive.put("i_a2", changed.to_bytes())
    ref = MentionRef(id="m0", start=0, end=40, labels=(LEAK,))
    fetched = e.ItemFetched(
        document_digest=digest, text_digest=changed.text_digest, words=9
    )
    room.log.append("i_a2", fetched)
    room.grow()
    assert [passage["quote"] for passage in mention(room, "i_a2#m0")["shared"]] == [
        None
    ] * 3
    room.log.append(
        "i_a2",
        e.ItemClassified(
            text_digest=changed.text_digest,
            model="m",
            labels=(LEAK,),
            scores={},
            evidence={},
            mentions=(ref,),
        ),
    )
    room.grow()
    found = mention(room, "i_a2#m0")
    assert found["quote"] == changed.text[:40]
    assert [passage["quote"] for passage in found["shared"]] == [None] * 3
    assert found["reasons"][1:] == ["one day apart"]


def test_quotes_stay_when_the_same_text_is_judged_again(room: Newsroom) -> None:
    before = mention(room, "i_a2#m0")
    ref = MentionRef(id="m0", start=0, end=40, labels=(LEAK,))
    digest = StoredDocument(title="", text=TEXT).text_digest
    room.log.append(
        "i_a2",
        e.ItemClassified(
            text_digest=digest,
            model="m2",
            labels=(LEAK,),
            scores={},
            evidence={},
            mentions=(ref,),
        ),
    )
    room.grow()
    found = mention(room, "i_a2#m0")
    assert (found["shared"], found["reasons"]) == (before["shared"], before["reasons"])


def test_what_people_did_is_said_as_such_until_it_is_undone(room: Newsroom) -> None:
    a = room.ids["a"]
    b = room.ids["b"]
    before = mention(room, "i_a2#m0")
    new = room.command(a, "split", mentions=["i_a2#m0"])["other"]
    assert mention(room, "i_a2#m0")["reasons"] == [f"split off from {a} by a curator"]
    room.command(new, "unsplit")
    assert mention(room, "i_a2#m0")["reasons"] == before["reasons"]
    room.command(a, "merge", into=b, into_version=room.version(b))
    assert mention(room, "i_a1#m0")["reasons"] == [f"opened {a}"]
    assert mention(room, "i_a2#m0")["reasons"] == before["reasons"]
    room.command(a, "unmerge")
    room.command(
        a,
        "move",
        mention="i_a2#m0",
        to={"id": b, "version": room.version(b)},
        note="another clinic",
    )
    assert mention(room, "i_a2#m0")["reasons"] == ["placed here by ann"]
