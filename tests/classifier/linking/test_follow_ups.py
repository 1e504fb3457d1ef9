"""The report of a fine, settlement or trial joins the incident that it is about.

Each of the invented stories has two reports, a line in a round-up, and a follow-up
some months later. The rows marked `tuning` were at hand while the rule was made, those
marked `validation` were written after it.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from services.classifier.linking.merge_rule import (
    LinkIndex,
    decide,
    decode,
    fingerprint,
)

STORIES = [
    json.loads(line)
    for line in Path(__file__)
    .with_name("follow_ups.jsonl")
    .read_text(encoding="utf-8")
    .splitlines()
]
ROUND_UP = {"en": "The week in privacy", "zh": "一周隐私要闻"}


def events() -> list[tuple[str, str, str, str, str]]:
    """Date, kind, story, title and text of all that is published, in order."""
    found = []
    for number, story in enumerate(STORIES):
        same = [one for one in STORIES if one["language"] == story["language"]]
        lines = [story["line"], same[number % len(same) - 3]["line"]]
        first, second = story["reports"]
        day = datetime.date.fromisoformat(second[2]) + datetime.timedelta(30)
        title = ROUND_UP[story["language"]]
        found += [
            (first[2], "report", story["id"], first[0], first[1]),
            (second[2], "second report", story["id"], second[0], second[1]),
            (day.isoformat(), "round-up", story["id"], title, "\n".join(lines)),
            (
                story["follow_up"][2],
                "follow-up",
                story["id"],
                story["follow_up"][0],
                story["follow_up"][1],
            ),
        ]
    return sorted(found)


def right() -> dict[str, Any]:
    """Link all stories in one stream; count right follow-ups by use and language."""
    index = LinkIndex()
    home: dict[str, str] = {}
    joined = {}
    for day, kind, story, title, text in events():
        made = decode(fingerprint(title, text, day))
        incident = decide(made, index).incident or f"n_{story}_{kind}"
        if kind == "report":
            home[story] = incident
        elif kind == "round-up":
            incident = f"n_round_up_{story}"  # split off by a curator: the worst case
        elif kind == "follow-up":
            joined[story] = incident == home[story]
        index.add(incident, f"{story}#{kind}", made)
    counts: dict[str, Any] = defaultdict(int)
    for story in STORIES:
        counts[story["used_for"]] += joined[story["id"]]
    return counts


@pytest.fixture(scope="module")
def counts() -> dict[str, Any]:
    return right()


def test_follow_ups_join_their_incident_and_not_a_round_up(
    counts: dict[str, Any],
) -> None:
    assert counts["tuning"] >= 17
    assert counts["validation"] >= 19


def test_a_fine_is_an_outcome_and_a_look_back_is_none() -> None:
    story = STORIES[0]
    index = LinkIndex()
    title, text, day = story["reports"][0]
    index.add("n_a", "a#m0", decode(fingerprint(title, text, day)))
    late = decode(fingerprint(*story["follow_up"][:2], story["follow_up"][2]))
    assert late.outcome
    assert decide(late, index).why.retold
    title = "A year on, guests of the Marlowe hotels wait"
    plain = decode(fingerprint(title, "Marlowe is silent.", "2025-02-06"))
    assert not plain.outcome
