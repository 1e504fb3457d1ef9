"""Who loses a stream, and who gets one: revoked keys, and ids that are not ours."""

from __future__ import annotations

import pytest

from incidentwire.events import ItemSubmitted
from incidentwire.web.keys import Keys
from tests.harness import Harness


def append(harness: Harness, name: str) -> None:
    harness.log.append(
        name, ItemSubmitted(url=f"https://news.example.org/{name}", via="t")
    )


def test_a_revoked_key_loses_its_stream_and_another_keeps_its_own(
    harness: Harness,
) -> None:
    secret = Keys(harness.connection).create("leaver", ["read"])
    harness.run_web()
    theirs = harness.subscribe(Authorization=f"Bearer {secret}")
    ours = harness.subscribe()
    append(harness, "i_a")
    assert theirs.take(1) == ours.take(1) == [1]
    Keys(harness.connection).revoke("leaver")
    messages, is_clean = theirs.until_closed()
    assert {message.event for message in messages} <= {"checkpoint"}
    assert not is_clean
    append(harness, "i_b")
    assert ours.take(1) == [2]


@pytest.mark.parametrize(
    "foreign", ["abc", "-1", "1.0", "urn:uuid:6ba7b810-9dad-11d1", "9" * 40]
)
def test_an_id_of_another_source_gets_a_gap_and_then_the_stream(
    harness: Harness, foreign: str
) -> None:
    append(harness, "i_a")
    harness.run_web()
    stream = harness.subscribe(**{"Last-Event-ID": foreign})
    assert stream.status == 200
    assert stream.next().event == "gap"
    append(harness, "i_b")
    assert stream.take(1)[0] in (1, 2)
