"""The pages of subscriptions, as forms that a browser without JavaScript sends."""

from __future__ import annotations

import re
import time

import pytest
from flask.testing import FlaskClient

from services.api.subscriptions import replays
from tests.api.subscriptions.conftest import Desk
from tests.mail_server import MailServer
from tests.newsroom import FAKE, LEAK
from tests.webhook_receiver import Receiver


class Person:
    """Somebody signed in with the newsroom's key."""

    def __init__(self, client: FlaskClient, key: str) -> None:
        self.client = client
        client.post("/sign-in", data={"key": key})
        self.csrf = re.findall(r'name="csrf" value="([^"]+)"', self.get("/"))[0]

    def get(self, path: str, **headers: str) -> str:
        answer = self.client.get(path, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, status: int = 200, **form: str) -> str:
        """Send a form and return the page that it leads to."""
        answer = self.client.post(
            path, data={"csrf": self.csrf} | form, follow_redirects=True
        )
        assert answer.status_code == status, answer.text
        return answer.text


@pytest.fixture
def person(desk: Desk) -> Person:
    return Person(desk.client.application.test_client(), desk.room.key)


def created_id(page: str) -> str:
    """Return the id of the subscription that a page shows."""
    return re.findall(r"/subscriptions/(s_[a-z0-9]+)/remove", page)[0]


def test_a_preview_tells_the_rate_and_keeps_what_was_written(
    desk: Desk, person: Person
) -> None:
    desk.room.add("i_a", (LEAK,), title="Harbour clinics left files open")
    desk.room.add("i_b", (FAKE,), title="A mayor who never spoke")
    desk.settle()
    form = {"filter": "label:data_leak", "scope": "new", "name": "My “leaks”"}
    page = person.post("/subscriptions/new", action="preview", **form)
    assert "less than one a week" in page
    assert "Harbour clinics left files open" in page
    assert "A mayor who never spoke" not in page
    assert "My “leaks”" in page


def test_a_preview_shows_a_hostile_title_as_words_in_both_languages(
    desk: Desk, person: Person
) -> None:
    incident = desk.room.add("i_a", (LEAK,), title="Harbour clinics left files open")
    desk.room.command(incident, "title", title="100 % <b>open</b>")
    desk.settle()
    form = {"csrf": person.csrf, "action": "preview", "scope": "updates"}
    for language, renamed in (("en", "Renamed: "), ("zh", "标题已更改：")):
        answer = person.client.post(
            "/subscriptions/new", data=form, headers={"Accept-Language": language}
        )
        assert answer.status_code == 200
        assert renamed in answer.text
        assert "100 % &lt;b&gt;open&lt;/b&gt;" in answer.text
        assert "<b>open" not in answer.text


def test_each_refused_field_says_what_is_wrong(person: Person) -> None:
    refused = {
        "filter": "label:nonsense",
        "target": "no address",
        "zone": "Mars/Olympus",
        "hour": "99",
        "name": "",
    }
    good = {"filter": "", "target": "a@example.org", "zone": "UTC", "hour": "8"}
    for field, value in refused.items():
        form = {"name": "n", "channel": "email"} | good | {field: value}
        page = person.post("/subscriptions/new", 422, action="create", **form)
        identity = "schedule-" + field if field in ("zone", "hour") else field
        assert f'id="wrong-{identity}"' in page, field


def test_a_webhook_is_made_verified_paused_and_resumed(
    desk: Desk, person: Person, receiver: Receiver
) -> None:
    form = {"name": "<b>Hook</b>", "channel": "webhook", "target": receiver.url}
    page = person.post("/subscriptions/new", action="create", scope="new", **form)
    assert len(re.findall("whsec_[A-Za-z0-9+/=]+", page)) == 1
    assert "<b>Hook" not in page
    here = f"/subscriptions/{created_id(page)}"
    assert "whsec_" not in person.get(here)
    assert "webhook-challenge" in person.get(here)
    assert "Pause" in person.post(f"{here}/verify")
    person.post(f"{here}/pause")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert receiver.requests == []
    person.post(f"{here}/resume", resume="missed")
    desk.settle()
    assert receiver.types() == ["incident.opened"]
    assert "delivered" in person.get(here)


def test_a_disabled_webhook_has_a_banner_and_is_enabled_from_here(
    desk: Desk, person: Person, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 410
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert "The endpoint answered 410." in person.get("/subscriptions")
    receiver.status = 200
    person.post(f"/subscriptions/{created['id']}/resume", resume="now")
    desk.settle()
    assert len(receiver.requests) == 1
    assert 'role="alert"' not in person.get("/subscriptions")


def test_an_attempt_and_all_failed_ones_are_sent_again(
    desk: Desk, person: Person, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    here = f"/subscriptions/{created['id']}"
    attempt = re.findall(r'name="attempt" value="(\d+)"', person.get(here))[0]
    page = person.post(f"{here}/replay", attempt=attempt)
    assert "1 event is delivered again" in page
    desk.settle()
    assert len(receiver.ids()) == 2
    page = person.post(f"{here}/replay", failed_since="2026-01-01")
    assert "0 events are delivered again" in page
    assert "2026-03-31" in person.post(f"{here}/replay", 422, failed_since="soon")


def send_the_rest(person: Person, here: str, page: str) -> list[int]:
    """Press "Send the rest again" until it is gone; return how many each time."""
    counts = []
    for _ in range(50):
        counts += map(int, re.findall(r"(\d+) events? (?:is|are) delivered", page))
        form = re.findall(r'<form class="notice warn".*?</form>', page, re.S)
        if not form:
            return counts
        assert "Send the rest again" in form[0]
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[0]))
        page = person.post(f"{here}/replay", **fields)
    raise AssertionError(f"It never ends: {counts}")


def test_the_rest_of_a_long_replay_is_sent_from_its_form(
    desk: Desk, person: Person, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 410
    for n in range(5):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    log = desk.harness.log.read()
    opened = [entry.position for entry in log if entry.type == "incident.opened"]
    failed = [*range(1, 6)]
    columns = {"message_id": "m", "latency_ms": 1, "reason": "", "ok": 0}
    desk.notifier.ledger.record_attempt(
        failed, subscription=created["id"], at=time.time(), **columns
    )
    monkeypatch.setattr(replays, "PAGE", 2)
    monkeypatch.setattr(replays, "MAX_REPLAY", 2)
    here = f"/subscriptions/{created['id']}"
    page = person.post(f"{here}/replay", after="0", before=str(opened[-1]))
    counts = send_the_rest(person, here, page)
    assert len(counts) > 2
    assert sum(counts) == len(opened) - 1
    page = person.post(f"{here}/replay", failed_since="2026-01-01")
    assert sum(send_the_rest(person, here, page)) == len({*failed, opened[0]})


def test_a_feed_shows_its_address_once_and_a_new_one_replaces_it(
    desk: Desk, person: Person
) -> None:
    page = person.post("/subscriptions/new", action="create", name="F", channel="feed")
    first = re.findall(r"/v1/feeds/[\w-]+\.atom", page)[0]
    assert desk.client.get(first).status_code == 200
    page = person.post(f"/subscriptions/{created_id(page)}/rotate")
    second = re.findall(r"/v1/feeds/[\w-]+\.atom", page)[0]
    assert desk.client.get(first).status_code == 404
    assert desk.client.get(second).status_code == 200


def test_an_address_waits_for_its_confirmation_and_the_page_says_so(
    person: Person, smtp: MailServer
) -> None:
    form = {"name": "Mine", "channel": "email", "target": "ann@example.org"}
    page = person.post("/subscriptions/new", action="create", **form)
    assert "A link was sent to ann@example.org" in page
    assert len(smtp.messages()) == 1
    page = person.post(f"/subscriptions/{created_id(page)}/remove")
    assert "No subscription yet" in page


def test_others_neither_see_nor_change_a_subscription(
    desk: Desk, person: Person
) -> None:
    created = desk.create(channel="feed")
    other = Person(desk.client.application.test_client(), desk.harness.key)
    here = f"/subscriptions/{created['id']}"
    assert created["id"] not in other.get("/subscriptions")
    other.post(f"{here}/remove", 404)
    assert person.client.post(f"{here}/remove").status_code == 403  # no token
    visitor = desk.client.application.test_client()
    assert "/sign-in" in visitor.get("/subscriptions").headers["Location"]


def test_the_pages_speak_chinese(person: Person) -> None:
    for path in ("/subscriptions", "/subscriptions/new"):
        page = person.get(path, **{"Accept-Language": "zh"})
        assert "订阅" in page
        for left in ("Subscri", "Filter", "Channel", "Pace"):
            assert left not in re.sub(r"<[^>]+>", "", page), (path, left)


def test_a_form_subscribes_in_the_language_of_its_page(
    desk: Desk, person: Person, smtp: MailServer
) -> None:
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    person.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "zh"
    form = {"name": "n", "channel": "email", "target": "ann@example.org"}
    shown = person.post("/subscriptions/new", action="preview", **form)
    assert "新事件。" in shown
    page = person.post("/subscriptions/new", action="create", **form)
    assert desk.show(created_id(page))["language"] == "zh"
    assert smtp.messages()[0]["Subject"] == "请确认您的 Incidentwire 订阅"
