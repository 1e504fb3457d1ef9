"""Each check of a chaos run says what is wrong with a run that lost something."""

from __future__ import annotations

import random
from email.message import EmailMessage

import pytest

from incidentwire.client import Client
from incidentwire.events import IncidentOpened
from tests.chaos import checks
from tests.chaos.clients import Crowd, Member, Reader
from tests.chaos.receivers import Endpoint
from tests.harness import Harness
from tests.mail_server import MailServer

RNG = random.Random(7)
CROWD = Crowd("http://127.0.0.1:1", "http://127.0.0.1:1", key="")  # never asked


@pytest.fixture
def run(harness: Harness) -> Harness:
    """Return the log of a run with three classified items, at 3, 6 and 9."""
    for name in ("i_a", "i_b", "i_c"):
        harness.add_item(name, labels=("data_leak",))
    return harness


def reader_of(*positions: int) -> Reader:
    reader = Reader(CROWD, RNG)
    reader.positions += positions
    return reader


@pytest.mark.parametrize(
    "positions", [range(1, 9), [1, 2, 4, 3, *range(5, 10)], [1, 1, *range(2, 10)]]
)
def test_a_reader_that_lacks_or_repeats_an_event(
    run: Harness, positions: list[int]
) -> None:
    assert (
        list(checks.readers_have_everything(run.log, [reader_of(*range(1, 10))])) == []
    )
    assert list(checks.readers_have_everything(run.log, [reader_of(*positions)]))


def test_an_acknowledged_item_that_did_not_end(run: Harness) -> None:
    waiting = run.submit(text="Benches are back in the park.")
    found = list(checks.items_have_ended(run.log, {"i_a", waiting}))
    assert found == [f"item {waiting} was acknowledged and is queued"]


def test_a_group_whose_members_left_an_event(run: Harness) -> None:
    members = [Member(CROWD, RNG, "one"), Member(CROWD, RNG, "one")]
    members[0].done |= {3}
    members[1].done |= {6}
    assert list(checks.groups_have_everything(run.log, members)) == [
        "group one never handled [9]"
    ]


def test_an_endpoint_that_lacks_an_event_or_got_one_after_410(run: Harness) -> None:
    endpoint = Endpoint("flaky", RNG, accepted=[("m_1", 3), ("m_2", 9)])
    assert list(checks.endpoints_have_everything(run.log, [endpoint])) == [
        "a flaky endpoint lacks [6]"
    ]
    assert list(checks.nothing_came_after_410([endpoint])) == []
    endpoint.after_410 = 1
    assert list(checks.nothing_came_after_410([endpoint])) == ["1 deliveries after 410"]


def mail(message_id: str, lines: int) -> bytes:
    message = EmailMessage()
    message["To"] = "a@example.org"
    message["Message-ID"] = message_id
    message.set_content("New incident.\n" * lines)
    return bytes(message)


@pytest.mark.parametrize(
    ("mails", "is_right"),
    [
        ([mail("<1>", 1), mail("<2>", 1)], True),
        ([mail("<1>", 1), mail("<1>", 1), mail("<2>", 1)], True),  # sent again
        ([mail("<1>", 1)], False),
        ([mail("<1>", 2), mail("<2>", 1)], False),
    ],
)
def test_a_digest_that_lacks_or_repeats_an_incident(
    run: Harness, mails: list[bytes], is_right: bool
) -> None:
    for incident in ("n_a", "n_b"):
        run.log.append(incident, IncidentOpened(item="i_a", mention="m0"))
    server = MailServer(raw=mails)
    found = list(checks.mails_hold_each_event_once(run.log, server, ["a@example.org"]))
    assert (found == []) is is_right


def test_an_audit_that_counts_other_items_than_were_submitted(run: Harness) -> None:
    run.projector().catch_up()
    run.run_web()
    with Client(f"http://127.0.0.1:{run.port}", key=run.key) as client:
        assert list(checks.audit_is_right(client, 3)) == []
        assert list(checks.audit_is_right(client, 4)) == [
            "the audit: 4 submitted, 3 counted, 0 in flight"
        ]
