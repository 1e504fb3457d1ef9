"""Webhooks by the Standard Webhooks specification, to real receivers on loopback."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from incidentwire.events import SubscriptionDisabled
from services.api.subscriptions import notifier
from services.api.subscriptions.retry_schedule import DISABLE_AFTER_S
from tests.api.subscriptions.conftest import Desk
from tests.eventually import eventually
from tests.mail_server import MailServer
from tests.newsroom import FAKE, LEAK
from tests.webhook_receiver import Receiver, receiving


def test_a_new_incident_is_delivered_signed_and_once(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, filter="label:data_leak", scope="new")
    desk.room.add("i_a", (LEAK,), title="Harbour clinics left files open")
    desk.room.add("i_b", (FAKE,), title="A mayor who never spoke")
    desk.settle()
    desk.settle()
    assert receiver.types() == ["incident.opened"]
    asked = receiver.requests[0]
    verified = Webhook(created["secret"]).verify(asked.body, dict(asked.headers))
    assert verified["data"]["incident"]["title"] == "Harbour clinics left files open"
    assert verified["data"]["incident"]["labels"] == ["data_leak"]
    assert len(asked.body) < 20_000


def test_nothing_is_sent_before_the_endpoint_has_proved_that_it_wants_it(
    desk: Desk,
) -> None:
    with receiving(repeats_challenge=False) as receiver:
        created = desk.create(channel="webhook", target=receiver.url)
        answer = desk.client.post(f"/v1/subscriptions/{created['id']}/verify")
        desk.room.add("i_a", (LEAK,))
        desk.settle()
        assert answer.status_code == 422
        assert "webhook-challenge-response" in answer.get_json()["detail"]
        assert receiver.requests == []
        assert desk.show(created["id"])["status"] == "pending"


def test_a_failing_endpoint_is_retried_under_the_same_id_and_in_order(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 503
    receiver.headers = {"Retry-After": "7200"}
    desk.room.add("i_a", (LEAK,))
    desk.room.add("i_b", (FAKE,))
    desk.settle()
    shown = desk.show(created["id"])
    assert (shown["attempt"], shown["pending"]) == (1, 2)
    waits = datetime.fromisoformat(shown["retry_at"]) - datetime.now(UTC)
    assert waits > timedelta(hours=1)
    assert len(set(receiver.ids())) == 1
    receiver.status = 200
    desk.retry_now()
    assert len(receiver.ids()) == 3
    assert receiver.ids()[0] == receiver.ids()[1]
    positions = [body["data"]["event"]["sequence"] for body in receiver.bodies()[1:]]
    assert positions == sorted(positions)
    shown = desk.show(created["id"])
    assert (shown["pending"], shown["reason"]) == (0, "")


def test_410_disables_at_once_and_what_was_missed_is_delivered_after_resuming(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 410
    first = desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert desk.show(created["id"])["status"] == "disabled"
    (*_, disabled) = desk.harness.log.history(created["id"])
    assert disabled.event == SubscriptionDisabled(reason="http_status")
    receiver.status = 204
    second = desk.room.add("i_b", (FAKE,))
    desk.settle()
    assert len(receiver.requests) == 1
    path = f"/v1/subscriptions/{created['id']}"
    desk.client.patch(path, json={"status": "active", "resume": "missed"})
    desk.settle()
    subjects = [body["data"]["incident"]["id"] for body in receiver.bodies()[1:]]
    assert subjects == [first, second]


def test_resuming_from_now_skips_what_was_missed(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    path = f"/v1/subscriptions/{created['id']}"
    desk.client.patch(path, json={"status": "paused"})
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    desk.client.patch(path, json={"status": "active", "resume": "now"})
    desk.settle()
    assert receiver.requests == []
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    assert len(receiver.requests) == 1


def test_five_days_of_failure_disable_and_the_contact_is_warned_and_told(
    desk: Desk, receiver: Receiver, smtp: MailServer
) -> None:
    created = desk.webhook(receiver, scope="new", contact="ops@example.org")
    confirm_newest(desk, smtp)
    receiver.status = 500
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    db = desk.notifier.database.db
    path = f"/v1/subscriptions/{created['id']}"
    steps = ((0.6, "en"), (0.01, "en"), (0.2, "zh"), (0.01, "zh"), (0.3, "en"))
    for share, language in steps:  # each warning comes once
        desk.client.patch(path, json={"language": language})
        db.execute(
            "UPDATE subscriptions SET failing_since = failing_since - ?",
            (DISABLE_AFTER_S * share,),
        )
        desk.retry_now()
    assert desk.show(created["id"])["status"] == "disabled"
    result = [(message["To"], message["Subject"]) for message in smtp.messages()]
    assert result[1:] == [
        ("ops@example.org", "Subscription “Test” is failing"),
        ("ops@example.org", "订阅“Test”投递失败"),
        ("ops@example.org", "Subscription “Test” was disabled"),
    ]
    shares = ("five days (50 % passed)", "（已过 70 %）", "answered 500")
    for text, words in zip(smtp.texts()[1:], shares, strict=True):
        assert words in text


def confirm_newest(desk: Desk, smtp: MailServer) -> None:
    """Open the link of the newest mail as its reader would."""
    link = re.search(r"/v1/confirm/\S+", smtp.texts()[-1])
    assert link is not None
    assert desk.client.get(link[0]).status_code == 200
    assert desk.client.post(link[0]).status_code == 200


def test_others_can_write_while_a_mail_server_takes_a_warning(
    desk: Desk, receiver: Receiver, smtp: MailServer
) -> None:
    desk.webhook(receiver, scope="new", contact="ops@example.org")
    confirm_newest(desk, smtp)
    written = []

    def write() -> None:
        path = desk.harness.settings.subscriptions
        with closing(sqlite3.connect(path, timeout=3)) as db, db:
            db.execute("UPDATE subscriptions SET name = name")
        written.append(path)

    smtp.on_data = write
    receiver.status = 410
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert len(written) == 1


def test_a_contact_that_did_not_confirm_gets_no_further_mail(
    desk: Desk, receiver: Receiver, smtp: MailServer
) -> None:
    created = desk.webhook(receiver, scope="new", contact="ops@example.org")
    confirm_newest(desk, smtp)
    path = f"/v1/subscriptions/{created['id']}"
    assert desk.show(created["id"])["contact_confirmed"] is True
    smtp.refuse["none@example.org"] = "550 no such user"
    shown = desk.client.patch(path, json={"contact": "none@example.org"}).get_json()
    assert shown["reason"] == "recipient_refused: 550 no such user"
    shown = desk.client.patch(path, json={"contact": "other@example.org"}).get_json()
    assert (shown["contact_confirmed"], shown["reason"]) == (False, "")
    receiver.status = 410
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert desk.show(created["id"])["status"] == "disabled"
    assert [message["To"] for message in smtp.messages()] == [
        "ops@example.org",
        "other@example.org",
    ]
    assert all("Confirm within" in text for text in smtp.texts())


def test_a_contact_needs_a_mail_server(desk: Desk, receiver: Receiver) -> None:
    settings = replace(desk.harness.settings, smtp_host="")
    desk.client.application.extensions["incidentwire.settings"] = settings
    created = desk.create(channel="webhook", target=receiver.url)
    body = {"name": "n", "channel": "webhook", "target": receiver.url}
    contact = {"contact": "ops@example.org"}
    for answer in (
        desk.client.post("/v1/subscriptions", json=body | contact),
        desk.client.patch(f"/v1/subscriptions/{created['id']}", json=contact),
    ):
        assert answer.status_code == 422
        (error,) = answer.get_json()["errors"]
        assert error["field"] == "contact"
        assert error["message"].startswith("No mail server is configured.")


def test_a_redirect_is_a_failure_and_is_not_followed(desk: Desk) -> None:
    with receiving() as other, receiving() as receiver:
        created = desk.webhook(receiver, scope="new")
        receiver.headers = {"Location": other.url}
        desk.room.add("i_a", (LEAK,))
        for attempt, status in enumerate((302, 300, 304, 400), start=1):
            receiver.status = status
            desk.retry_now()
            assert desk.show(created["id"])["attempt"] == attempt
        assert other.requests == []


def test_an_endpoint_that_moved_to_a_private_address_is_disabled(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    desk.notifier.store.change(created["id"], target="http://10.0.0.1/hook")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    shown = desk.show(created["id"])
    assert shown["status"] == "disabled"
    assert shown["reason"].startswith("refused_address: 10.0.0.1 is not on the public")


def test_one_endpoint_has_a_bounded_number_of_messages_at_once(
    desk: Desk, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "PER_HOST", 2)
    for _ in range(4):
        desk.webhook(receiver, scope="new")
    receiver.gate.clear()
    desk.room.add("i_a", (LEAK,))
    desk.room.projector.catch_up()

    def are_two() -> bool:
        desk.notifier.step()
        return len(receiver.requests) == 2

    eventually(are_two, "two deliveries are under way")
    desk.notifier.step()
    assert len(desk.notifier._busy) == 2
    receiver.gate.set()
    desk.settle()
    assert len(set(receiver.ids())) == 4


def test_an_answer_without_end_is_cut_and_the_ledger_says_why(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.body = b"x" * 10_000_000
    receiver.status = 200
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    path = f"/v1/subscriptions/{created['id']}/deliveries"
    ledger = desk.client.get(path).get_json()["deliveries"]
    assert ledger[0]["ok"] is False
    assert ledger[0]["reason"].startswith("too_large")


def test_during_a_rotation_both_secrets_verify(desk: Desk, receiver: Receiver) -> None:
    created = desk.webhook(receiver, scope="new")
    path = f"/v1/subscriptions/{created['id']}/rotate"
    fresh = desk.client.post(path).get_json()["secret"]
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    asked = receiver.requests[0]
    for secret in (created["secret"], fresh):
        assert Webhook(secret).verify(asked.body, dict(asked.headers))
    db = desk.notifier.database.db
    ended = db.execute("UPDATE secrets SET expires = 1 WHERE expires IS NOT NULL")
    assert ended.rowcount == 1
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    asked = receiver.requests[1]
    assert Webhook(fresh).verify(asked.body, dict(asked.headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(created["secret"]).verify(asked.body, dict(asked.headers))
    desk.notifier._trimmed_at = 0.0
    desk.notifier.step()
    assert db.execute("SELECT count(*) FROM secrets").fetchone()[0] == 1


def test_secrets_are_encrypted_at_rest(desk: Desk, receiver: Receiver) -> None:
    created = desk.webhook(receiver)
    folder = desk.harness.settings.subscriptions.parent
    raw = b"".join(path.read_bytes() for path in folder.glob("*.sqlite*"))
    assert created["secret"].removeprefix("whsec_").encode() not in raw
    assert (folder / "secrets.key").stat().st_mode & 0o077 == 0


def test_an_address_that_cannot_work_is_refused_when_the_webhook_is_created(
    desk: Desk,
) -> None:
    for target in (
        "http://10.0.0.1/x",
        "http://[::1]/x",
        "ftp://example.org/",
        "x",
        "https://example.org/in#part",
    ):
        answer = desk.client.post(
            "/v1/subscriptions",
            json={"name": "n", "channel": "webhook", "target": target},
        )
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == "target"


def test_only_a_private_address_is_answered_with_the_list_of_hosts(desk: Desk) -> None:
    targets = (
        "https://10.0.0.1/x",
        "https://a:b@example.org/",
        "https://example.org:1/",
    )
    shown = []
    for target in targets:
        body = {"name": "n", "channel": "webhook", "target": target}
        answer = desk.client.post("/v1/subscriptions", json=body).get_json()
        shown.append("ALLOWED_HOSTS" in answer["errors"][0]["message"])
    assert shown == [True, False, False]


def test_a_removal_during_a_delivery_leaves_its_attempt_in_the_ledger(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    receiver.status = 500
    receiver.gate.clear()
    desk.room.add("i_a", (LEAK,))
    desk.room.projector.catch_up()

    def has_begun() -> bool:
        desk.notifier.step()
        return bool(receiver.requests)

    eventually(has_begun, "the delivery is under way")
    path = f"/v1/subscriptions/{created['id']}"
    assert desk.client.delete(path).status_code == 204
    receiver.gate.set()
    desk.settle()
    (attempt,) = desk.notifier.ledger.attempts(subscription_id=created["id"])
    assert attempt["status"] == 500


def test_a_correction_reaches_who_was_told_past_the_filter(
    desk: Desk, receiver: Receiver
) -> None:
    desk.webhook(receiver, filter="label:data_leak", scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    version = desk.client.get("/v1/items/i_a").get_json()["version"]
    answer = desk.client.post(
        "/v1/items/i_a/labels", json={"labels": ["deepfake"], "version": version}
    )
    assert answer.status_code == 200
    desk.settle()
    assert receiver.types()[-1] == "item.corrected"
    assert receiver.bodies()[-1]["data"]["is_correction"] is True


def test_a_correction_during_a_pause_comes_with_what_was_missed(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, filter="label:data_leak", scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    path = f"/v1/subscriptions/{created['id']}"
    desk.client.patch(path, json={"status": "paused"})
    version = desk.client.get("/v1/items/i_a").get_json()["version"]
    desk.client.post(
        "/v1/items/i_a/labels", json={"labels": ["deepfake"], "version": version}
    )
    desk.settle()
    desk.client.patch(path, json={"status": "active", "resume": "missed"})
    desk.settle()
    assert receiver.types()[-1] == "item.corrected"


def test_a_replay_sends_a_delivered_event_again(desk: Desk, receiver: Receiver) -> None:
    created = desk.webhook(receiver, scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    position = receiver.bodies()[0]["data"]["event"]["sequence"]
    path = f"/v1/subscriptions/{created['id']}/replay"
    columns = {"message_id": "m", "latency_ms": 1, "reason": "", "ok": 0}
    desk.notifier.ledger.record_attempt(
        [position], subscription=created["id"], at=time.time(), **columns
    )
    for body in (
        {"failed_since": "2026-01-01T00:00:00Z"},
        {"positions": [position]},
        {"after": position - 1, "before": position + 1},
    ):
        replayed = desk.client.post(path, json=body).get_json()
        assert replayed == {"replayed": 1, "next": None}
        desk.settle()
    assert len(receiver.ids()) == 4
    assert len(set(receiver.ids())) == 1
    assert desk.client.post(path, json={}).status_code == 422


def test_chat_templates_hold_no_markup_of_a_title(
    desk: Desk, receiver: Receiver
) -> None:
    desk.webhook(receiver, scope="new", template="slack")
    desk.room.add("i_a", (LEAK,), title="<!channel> & <script>")
    desk.settle()
    assert "&lt;!channel&gt; &amp; &lt;script&gt;" in receiver.bodies()[0]["text"]
