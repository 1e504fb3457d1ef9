"""E-mail alerts and digests through a real SMTP server."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html import unescape

import pytest

from incidentwire.events import ItemClassified, ItemWithdrawn
from services.api.subscriptions import messages
from tests.api.subscriptions.conftest import Desk
from tests.mail_server import MailServer
from tests.newsroom import FAKE, LEAK

ANN = "ann@example.org"


def confirmed(desk: Desk, smtp: MailServer, **fields: object) -> str:
    """Subscribe Ann, follow the link in her mail, and return the subscription's id."""
    created = desk.create(channel="email", target=ANN, **fields)
    token = re.findall(r"/v1/confirm/(\S+)", smtp.texts()[-1])[0]
    assert desk.client.get(f"/v1/confirm/{token}").status_code == 200
    assert (
        desk.show(created["id"])["status"] == "pending"
    )  # a scanner's GET is no consent
    assert desk.client.post(f"/v1/confirm/{token}").status_code == 200
    desk.settle()
    smtp.raw.clear()
    identity: str = created["id"]
    return identity


def test_nothing_but_the_confirmation_is_sent_before_it_is_confirmed(
    desk: Desk, smtp: MailServer
) -> None:
    desk.create(channel="email", target=ANN)
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert len(smtp.raw) == 1
    assert "Confirm" in smtp.messages()[0]["Subject"]
    link = re.findall(r"/v1/confirm/\S+", smtp.texts()[0])[0]
    desk.notifier.database.db.execute(
        "UPDATE secrets SET expires = expires - 7 * 86400 WHERE kind = 'confirm'"
    )
    assert desk.client.get(link).status_code == 404
    assert desk.client.post(link).status_code == 404


def test_an_alert_quotes_its_evidence_and_can_be_ended_with_one_click(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(desk, smtp, filter="label:data_leak", scope="new")
    desk.room.add("i_a", (LEAK,), title="医院泄露病历，人脸识别数据在网上出售")
    desk.settle()
    message = smtp.messages()[0]
    text = smtp.texts()[0]
    assert message["To"] == ANN
    assert "医院泄露病历" in message["Subject"]
    assert "医院泄露病历，人脸识别数据在网上出售" in text
    assert "data leak" in text
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = re.findall(r"<.*?(/v1/unsubscribe/[^>]+)>", message["List-Unsubscribe"])[0]
    assert desk.client.get(link).status_code == 200
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    assert len(smtp.raw) == 2  # the GET changed nothing
    for _ in range(2):
        body = {"List-Unsubscribe": "One-Click"}
        assert desk.client.post(link, data=body).status_code == 200
    desk.room.add("i_c", (LEAK,))
    desk.settle()
    assert len(smtp.raw) == 2


def test_both_parts_of_a_mail_have_the_same_links_and_changes(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(desk, smtp, filter="type:item.classified", schedule={"pace": "daily"})
    incident = desk.room.add("i_a", (LEAK,), title="<Clinics> & more")
    desk.room.add("i_b", (FAKE,))
    events = [each.event for each in desk.harness.log.read()]
    first = next(each for each in events if isinstance(each, ItemClassified))
    for n in range(messages.MAX_LINES_PER_SUBJECT):
        desk.harness.log.append("i_a", replace(first, model=f"model-{n + 2}"))
    desk.notifier.database.db.execute("UPDATE subscriptions SET next_at = 1")
    desk.settle()
    (message,) = smtp.messages()
    markup = message.get_body(("html",))
    assert markup is not None
    shown = str(markup.get_content())
    in_text = re.findall(r"https?://\S+", smtp.texts()[0])
    in_html = [unescape(each) for each in re.findall(r'href="([^"]+)"', shown)]
    assert in_text == in_html
    assert any(each.endswith(f"/incidents/{incident}") for each in in_html)
    assert "and 1 more change" in smtp.texts()[0]
    assert "and 1 more change" in shown
    assert "&lt;Clinics&gt; &amp; more" in shown


def test_a_digest_waits_for_its_hour_and_holds_each_matching_event_once(
    desk: Desk, smtp: MailServer
) -> None:
    digest = confirmed(
        desk,
        smtp,
        scope="new",
        filter="label:data_leak",
        schedule={"pace": "daily", "hour": 8},
    )
    names = [desk.room.add(f"i_{n}", (LEAK,)) for n in range(3)]
    desk.room.add("i_f", (FAKE,))
    desk.settle()
    assert smtp.raw == []
    desk.notifier.database.db.execute(
        "UPDATE subscriptions SET next_at = ?", (time.time() - 1,)
    )
    desk.settle()
    desk.settle()
    assert len(smtp.raw) == 1
    text = smtp.texts()[0]
    assert all(text.count(f"/incidents/{name}") == 1 for name in names)
    assert text.count("/incidents/") == 3
    due = desk.show(digest)["next_at"]
    assert due is not None
    assert "T08:00:00" in due


def test_a_digest_larger_than_a_mail_comes_in_parts(
    desk: Desk, smtp: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MAX_EVENTS_PER_MAIL", 2)
    confirmed(desk, smtp, scope="new", schedule={"pace": "daily"})
    names = [desk.room.add(f"i_{n}", (LEAK,)) for n in range(3)]
    desk.notifier.database.db.execute("UPDATE subscriptions SET next_at = 1")
    desk.settle()
    first, second = smtp.texts()
    assert "1 more change follows in the next mail." in first
    assert "in the next mail" not in second
    assert all((first + second).count(f"/incidents/{name}") == 1 for name in names)


def test_alerts_that_become_a_flood_come_hourly_until_it_is_over(
    desk: Desk, smtp: MailServer
) -> None:
    alerts = confirmed(desk, smtp, scope="new")
    desk.restart(replace(desk.harness.settings, max_alerts_per_day=2))
    for n in range(4):
        desk.room.add(f"i_{n}", (LEAK,))
        desk.settle()
    assert len(smtp.raw) == 2
    shown = desk.show(alerts)
    assert shown["pending"] == 2
    assert ":00:00" in shown["next_at"]
    page = f"/subscriptions/{alerts}"
    assert "sent once an hour" in desk.client.get(page).text
    db = desk.notifier.database.db
    db.execute("UPDATE subscriptions SET next_at = 1")
    desk.settle()
    assert smtp.texts()[2].count("New incident.") == 2
    assert ":00:00" in desk.show(alerts)["next_at"]
    db.execute("UPDATE attempts SET at = at - 86400")
    db.execute("UPDATE subscriptions SET next_at = 1")
    desk.settle()
    assert desk.show(alerts)["next_at"] is None
    assert "sent once an hour" not in desk.client.get(page).text
    desk.room.add("i_5", (LEAK,))
    desk.settle()
    assert len(smtp.raw) == 4


def test_an_empty_digest_is_not_sent_and_its_time_moves_on(
    desk: Desk, smtp: MailServer
) -> None:
    digest = confirmed(desk, smtp, schedule={"pace": "weekly", "weekday": 0})
    past = time.time() - 1
    desk.notifier.database.db.execute("UPDATE subscriptions SET next_at = ?", (past,))
    desk.settle()
    assert smtp.raw == []
    assert desk.show(digest)["next_at"] is not None
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert smtp.raw == []


def test_a_correction_does_not_wait_for_the_digest(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(desk, smtp, scope="new", schedule={"pace": "daily"})
    desk.room.add("i_a", (LEAK,), title="Harbour clinics")
    desk.settle()
    desk.notifier.database.db.execute(
        "UPDATE subscriptions SET next_at = ?", (time.time() - 1,)
    )
    desk.settle()
    smtp.raw.clear()
    desk.harness.log.append("i_a", ItemWithdrawn(who="ann", labels_before=(LEAK,)))
    desk.settle()
    assert [m["Subject"].startswith("Correction") for m in smtp.messages()] == [True]


def test_a_refused_recipient_disables_and_a_busy_server_is_tried_again(
    desk: Desk, smtp: MailServer
) -> None:
    busy = confirmed(desk, smtp, scope="new", name="busy")
    smtp.reply = "451 try later"
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    assert desk.show(busy)["attempt"] == 1
    smtp.reply = "250 OK"
    desk.retry_now()
    assert len(smtp.raw) == 1
    assert desk.show(busy)["pending"] == 0
    smtp.refuse[ANN] = "550 no such user"
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    shown = desk.show(busy)
    assert shown["status"] == "disabled"
    assert shown["reason"].startswith("recipient_refused")


def test_a_mail_waits_while_no_mail_server_is_configured(
    desk: Desk, smtp: MailServer
) -> None:
    alerts = confirmed(desk, smtp, scope="new")
    settings = desk.harness.settings
    desk.restart(replace(settings, smtp_host=""))
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    shown = desk.show(alerts)
    assert shown["reason"].startswith("mail_not_configured: No mail server")
    assert (shown["attempt"], shown["pending"]) == (1, 1)
    desk.restart(settings)
    desk.retry_now()
    assert len(smtp.raw) == 1


def test_mails_under_another_key_have_a_new_link_and_old_links_work(
    desk: Desk, smtp: MailServer
) -> None:
    alerts = confirmed(desk, smtp, scope="new")
    for n, key in enumerate(("first", "second")):
        desk.restart(replace(desk.harness.settings, secrets_key=key))
        desk.room.add(f"i_{n}", (LEAK,))
        desk.settle()
    first, second = (
        re.findall(r"/v1/unsubscribe/\S+", text)[0] for text in smtp.texts()
    )
    assert first != second
    assert desk.show(alerts)["reason"] == ""
    desk.client.post(first)
    assert desk.client.get(f"/v1/subscriptions/{alerts}").status_code == 404


def test_a_mail_whose_answer_was_lost_comes_again_as_it_was(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(desk, smtp, scope="new")
    smtp.reply = "451 try later"
    smtp.keeps_all = True
    desk.room.add("i_a", (LEAK,), title="Harbour clinics")
    desk.settle()
    desk.room.add("i_b", (LEAK,), title="Another thing")
    smtp.reply = "250 OK"
    desk.retry_now()
    lost, again, second = smtp.messages()
    assert lost["Message-ID"] == again["Message-ID"] != second["Message-ID"]
    assert ["Another thing" in text for text in smtp.texts()] == [False, False, True]


def test_a_time_zone_that_does_not_exist_is_refused_by_name(
    desk: Desk, smtp: MailServer
) -> None:
    identity = confirmed(desk, smtp)
    for zone in ("Mars/Olympus", "../../etc/passwd", "x" * 64, "/UTC"):
        schedule = {"pace": "daily", "zone": zone}
        made = {"name": "n", "channel": "email", "target": ANN, "schedule": schedule}
        answers = [
            desk.client.post("/v1/subscriptions", json=made),
            desk.client.patch(
                f"/v1/subscriptions/{identity}", json={"schedule": schedule}
            ),
        ]
        for answer in answers:
            assert answer.status_code == 422, zone
            assert answer.get_json()["errors"][0]["field"] == "schedule.zone"
    good = {"schedule": {"pace": "daily", "zone": "Asia/Shanghai"}}
    path = f"/v1/subscriptions/{identity}"
    assert desk.client.patch(path, json=good).status_code == 200


def test_addresses_with_line_breaks_or_names_are_refused(desk: Desk) -> None:
    for target in (
        "ann@example.org\r\nBcc: eve@example.org",
        "Ann <ann@example.org>",
        "ann",
        "ann@localhost",
        "a..b@example.org",
        "@example.org",
        "a" * 250 + "@example.org",
        "é@example.org",
        "a\u202eb@example.org",
        "=?utf-8?q?a=0aBcc:_eve?=@example.org",
        "ann@-example.org",
    ):
        answer = desk.client.post(
            "/v1/subscriptions",
            json={"name": "n", "channel": "email", "target": target},
        )
        assert answer.status_code == 422, target
        assert answer.get_json()["errors"][0]["field"] == "target"


def test_a_name_with_a_line_break_adds_no_header(desk: Desk, smtp: MailServer) -> None:
    confirmed(desk, smtp, scope="new", name="x\r\nBcc: eve@example.org")
    desk.room.add("i_a", (LEAK,), title="Title\r\nBcc: eve@example.org")
    desk.settle()
    assert smtp.messages()[0]["Bcc"] is None


def test_a_title_with_an_encoded_line_break_adds_no_header(
    desk: Desk, smtp: MailServer
) -> None:
    confirmed(desk, smtp, scope="new")
    desk.room.add("i_a", (LEAK,), title="=?utf-8?q?A=0aBcc:_eve@example.org=0a?=")
    desk.settle()
    (message,) = smtp.messages()
    assert message["Bcc"] is None
    assert "eve@example.org" in message["Subject"]


def test_the_pages_of_links_speak_the_language_of_the_browser(
    desk: Desk, smtp: MailServer
) -> None:
    desk.create(channel="email", target=ANN)
    link = re.findall(r"/v1/confirm/\S+", smtp.texts()[-1])[0]
    chinese = {"Accept-Language": "zh", "Accept": "text/html"}
    page = desk.client.get(link, headers=chinese).text
    assert '<html lang="zh">' in page
    assert "确认订阅" in page
    assert "Confirm the subscription" in desk.client.get(link).text
    lost = desk.client.get("/v1/confirm/nothing", headers=chinese)
    assert lost.status_code == 404
    assert "请重新订阅" in lost.text
    assert desk.client.get("/v1/confirm/nothing").is_json
    assert "已确认" in desk.client.post(link, headers=chinese).text


def test_mails_and_feeds_are_in_the_language_of_the_subscription(
    desk: Desk, smtp: MailServer
) -> None:
    created = desk.create(channel="email", target=ANN, language="zh", name="<泄露>")
    (question,) = smtp.messages()
    assert question["Subject"] == "请确认您的 Incidentwire 订阅"
    assert "有人申请向此地址发送提醒：“<泄露>”" in smtp.texts()[0]
    link = re.findall(r"/v1/confirm/\S+", smtp.texts()[0])[0]
    assert desk.client.post(link).status_code == 200
    address = desk.create(channel="feed", language="zh")["feed_url"]
    desk.settle()
    title = "Harbour 100 %s clinics"
    incident = desk.room.add("i_a", (LEAK, FAKE), title=title)
    desk.settle()
    desk.room.command(incident, "status", status="dismissed")
    desk.settle()
    alert, correction = smtp.messages()[1:]
    for part in ("plain", "html"):
        body = alert.get_body((part,))
        assert body is not None
        text = unescape(str(body.get_content()))
        facts = "数据泄露、深度伪造；未结；1 篇报道，来自 1 个来源；"
        for words in ("新事件。", facts, "退订"):
            assert words in text, (part, words)
        assert "New incident" not in text
    assert correction["Subject"] == f"更正：{title}"
    assert "状态：未结 → 已驳回。" in smtp.texts()[2]
    feed = desk.client.get("/v1/feeds/" + address.rpartition("/")[2]).text
    assert "新事件。" in feed
    path = f"/v1/subscriptions/{created['id']}"
    assert desk.client.patch(path, json={"language": "fr"}).status_code == 422
    assert desk.client.patch(path, json={"language": "en"}).status_code == 200
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    assert "New incident." in smtp.texts()[-1]
