"""Consumer groups, feeds at secret addresses, previews, and who may see what."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from incidentwire.web.keys import Keys
from services.api.subscriptions import database
from tests.api.subscriptions.conftest import Desk
from tests.lost_tail import cut
from tests.newsroom import FAKE, LEAK
from tests.webhook_receiver import Receiver

ATOM = "{http://www.w3.org/2005/Atom}"


def lease(desk: Desk, name: str, **body: int) -> list[int]:
    answer = desk.client.post(f"/v1/groups/{name}/lease", json=body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return [event["position"] for event in answer.get_json()["events"]]


def test_members_of_a_group_share_events_and_an_acknowledged_one_is_done(
    desk: Desk,
) -> None:
    desk.client.post("/v1/groups/team", json={"filter": "type:incident.opened"})
    desk.settle()
    for n in range(4):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    first = lease(desk, "team", limit=2)
    second = lease(desk, "team", limit=5)
    assert len(first) == len(second) == 2
    assert not set(first) & set(second)
    assert lease(desk, "team") == []
    desk.client.post("/v1/groups/team/ack", json={"positions": first})
    shown = desk.client.get("/v1/groups/team").get_json()
    assert (shown["waiting"], shown["leased"], shown["parked"]) == (0, 2, 0)


def test_a_group_of_another_key_is_not_taken_over(desk: Desk) -> None:
    assert desk.client.post("/v1/groups/team", json={}).status_code == 200
    assert desk.client.post("/v1/groups/team", json={}).status_code == 200
    bob = Keys(desk.harness.connection).create("bob", ["read"])
    desk.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {bob}"
    answer = desk.client.post("/v1/groups/team", json={})
    assert answer.status_code == 409
    assert answer.get_json()["detail"].startswith("Another key has a group team.")
    gone = desk.client.get("/v1/groups/team")
    assert gone.status_code == 404
    assert "no consumer group team" in gone.json["detail"]


def test_a_replay_of_what_is_not_sent_is_refused(desk: Desk) -> None:
    desk.client.post("/v1/groups/team", json={})
    feed = desk.create(channel="feed")
    beyond = desk.harness.log.last() + 1
    for name, position, field in (
        ("g_team", beyond, "positions"),
        (feed["id"], 1, "channel"),
    ):
        path = f"/v1/subscriptions/{name}/replay"
        answer = desk.client.post(path, json={"positions": [position]})
        assert answer.status_code == 422
        assert answer.get_json()["errors"][0]["field"] == field
        assert desk.show(name)["pending"] == 0


def test_a_lease_that_runs_out_gives_the_event_to_another_and_five_park_it(
    desk: Desk,
) -> None:
    desk.client.post("/v1/groups/team", json={"filter": "type:incident.opened"})
    desk.settle()
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    db = desk.notifier.database.db
    for _ in range(5):
        assert len(lease(desk, "team")) == 1
        db.execute("UPDATE pending SET lease_until = 1")
    assert lease(desk, "team") == []
    desk.settle()
    assert lease(desk, "team") == []
    assert desk.client.get("/v1/groups/team").get_json()["parked"] == 1
    answer = desk.client.post("/v1/groups/team/parked/replay")
    assert answer.get_json() == {"replayed": 1}
    answer = desk.client.post("/v1/groups/team/lease", json={})
    assert [event["attempt"] for event in answer.get_json()["events"]] == [1]


def test_an_acknowledgement_tells_expired_and_missing_leases(desk: Desk) -> None:
    desk.client.post("/v1/groups/team", json={"filter": "type:incident.opened"})
    desk.settle()
    for n in range(3):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    late, held = lease(desk, "team", limit=2)
    desk.notifier.database.db.execute(
        "UPDATE pending SET lease_until = 1 WHERE position = ?", (late,)
    )
    [waiting] = {
        e.position for e in desk.harness.log.read() if e.type == "incident.opened"
    } - {late, held}
    body = {"positions": [held, late, waiting]}
    first = desk.client.post("/v1/groups/team/ack", json=body)
    assert first.status_code == 200
    assert first.get_json() == {
        "acknowledged": [held],
        "expired": [late],
        "not_leased": [waiting],
    }
    again = desk.client.post("/v1/groups/team/ack", json=body).get_json()
    assert again["not_leased"] == body["positions"]
    assert lease(desk, "team", limit=5) == [waiting]


def test_a_member_returns_only_what_its_own_lease_holds(desk: Desk) -> None:
    desk.client.post("/v1/groups/team", json={"filter": "type:incident.opened"})
    desk.settle()
    for n in range(3):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    db = desk.notifier.database.db
    leases = []
    for _ in range(3):
        body = {"limit": 1}
        leases.append(desk.client.post("/v1/groups/team/lease", json=body).get_json())
        if len(leases) == 1:  # the first one is slow: another member gets its event
            db.execute("UPDATE pending SET lease_until = 1 WHERE lease_until > 0")
    slow, other, third = leases
    [position] = [event["position"] for event in slow["events"]]
    assert other["events"][0]["position"] == position
    [held] = [event["position"] for event in third["events"]]
    [waiting] = {
        e.position for e in desk.harness.log.read() if e.type == "incident.opened"
    } - {position, held}

    def nack(lease_id: str, *positions: int) -> dict[str, list[int]]:
        body = {"positions": positions, "lease_id": lease_id}
        answer = desk.client.post("/v1/groups/team/nack", json=body)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        found: dict[str, list[int]] = answer.get_json()
        return found

    assert nack(slow["lease_id"], position, held, waiting) == {
        "returned": [],
        "expired": [position, held],
        "not_leased": [waiting],
    }
    shown = desk.client.get("/v1/groups/team").get_json()
    assert (shown["waiting"], shown["leased"]) == (1, 2)
    assert nack(other["lease_id"], position)["returned"] == [position]
    assert nack(other["lease_id"], position)["expired"] == [position]
    body = {"positions": [held], "lease_id": slow["lease_id"]}
    answer = desk.client.post("/v1/groups/team/ack", json=body).get_json()
    assert answer["expired"] == [held]
    assert nack("", held, waiting) == {
        "returned": [],
        "expired": [],
        "not_leased": [held, waiting],
    }


def test_a_group_that_begins_in_the_past_gets_all_of_it_in_order(desk: Desk) -> None:
    for n in range(5):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    body = {"filter": "type:incident.opened", "after": 0}
    desk.client.post("/v1/groups/late", json=body)
    desk.settle()
    desk.settle()
    positions = lease(desk, "late", limit=50)
    assert len(positions) == 5
    assert positions == sorted(positions)


def test_a_feed_has_an_entry_per_incident_that_says_what_changed(desk: Desk) -> None:
    created = desk.create(channel="feed", filter="label:data_leak")
    path = created["feed_url"].partition("8000")[2]
    incident = desk.room.add("i_a", (LEAK,), title="Harbour & <clinics>")
    desk.room.add("i_b", (FAKE,))
    desk.settle()
    anonymous = desk.client.application.test_client()
    answer = anonymous.get(path)
    entries = ET.fromstring(answer.data).findall(f"{ATOM}entry")
    assert [entry.findtext(f"{ATOM}title") for entry in entries] == [
        "Harbour & <clinics>"
    ]
    assert incident in entries[0].find(f"{ATOM}link").attrib["href"]  # type: ignore[union-attr]
    content = entries[0].findtext(f"{ATOM}content") or ""
    assert "New incident" in content
    assert '<a href="https://news.example.org/i_a">' in content
    assert "<blockquote>Text</blockquote>" in content
    again = anonymous.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    body = anonymous.get(path.replace(".atom", ".json")).get_json(force=True)
    assert len(body["items"]) == 1
    fresh = desk.client.post(f"/v1/subscriptions/{created['id']}/rotate").get_json()
    assert anonymous.get(path).status_code == 404
    assert anonymous.get(fresh["feed_url"].partition("8000")[2]).status_code == 200


def test_a_feed_of_new_incidents_says_that_one_was_dismissed(desk: Desk) -> None:
    address = desk.create(channel="feed", scope="new")["feed_url"]
    incident = desk.room.add("i_a", (LEAK,))
    desk.settle()
    desk.room.command(incident, "status", status="dismissed")
    desk.settle()
    path = "/v1/feeds/" + address.rpartition("/")[2]
    (entry,) = ET.fromstring(desk.client.get(path).data).findall(f"{ATOM}entry")
    assert "dismissed" in (entry.findtext(f"{ATOM}content") or "")


def test_what_a_feed_has_shown_gets_a_last_entry(desk: Desk) -> None:
    paths = []
    for _ in range(2):
        address = desk.create(channel="feed", filter="status:open")["feed_url"]
        paths.append("/v1/feeds/" + address.rpartition("/")[2])
    merged = desk.room.add("i_a", (LEAK,))
    target = desk.room.add("i_b", (LEAK,))
    desk.settle()

    def entries(path: str) -> dict[str, str]:
        root = ET.fromstring(desk.client.get(path).data)
        return {
            (each.findtext(f"{ATOM}id") or "").rpartition(":")[2]: each.findtext(
                f"{ATOM}content"
            )
            or ""
            for each in root.findall(f"{ATOM}entry")
        }

    assert set(entries(paths[0])) == {merged, target}
    version = desk.room.version(target)
    desk.room.command(merged, "merge", into=target, into_version=version)
    seen = entries(paths[0])
    assert f"Merged into {target}" in seen[merged]
    assert "New incident" in seen[target]
    assert set(entries(paths[1])) == {target}
    desk.room.command(target, "status", status="dismissed")
    assert "dismissed" in entries(paths[0])[target]
    assert merged in entries(paths[0])
    assert set(entries(paths[1])) == {target}  # the merged one was never in it


def test_a_filter_is_tried_before_it_is_saved(desk: Desk) -> None:
    for n in range(3):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    body = {"filter": "label:data_leak", "scope": "new"}
    found = desk.client.post("/v1/filters/test", json=body).get_json()
    assert found["matched"] == 3
    assert len(found["latest"]) == 3
    answer = desk.client.post("/v1/filters/test", json={"filter": "label:x"})
    assert answer.status_code == 422
    error = answer.get_json()["errors"][0]
    assert error["field"] == "filter"
    assert "character 1" in error["message"]


def test_alerts_that_would_flood_must_be_a_digest(desk: Desk) -> None:
    object.__setattr__(desk.harness.settings, "max_alerts_per_day", 1)
    for n in range(40):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    body = {
        "name": "all",
        "channel": "email",
        "target": "ann@example.org",
        "scope": "new",
    }
    answer = desk.client.post("/v1/subscriptions", json=body)
    assert answer.status_code == 422
    assert "digest" in answer.get_json()["detail"]
    body["schedule"] = {"pace": "daily"}  # type: ignore[assignment]
    assert desk.client.post("/v1/subscriptions", json=body).status_code == 201


def test_a_key_has_a_quota_of_subscriptions_and_groups(desk: Desk) -> None:
    extensions = desk.client.application.extensions
    settings = desk.harness.settings
    extensions["incidentwire.settings"] = replace(settings, max_subscriptions_per_key=2)
    desk.create(channel="feed")
    group = "/v1/groups/workers"
    assert desk.client.post(group, json={}).status_code == 200
    assert desk.client.post(group, json={}).status_code == 200  # it exists already
    body = {"name": "n", "channel": "feed"}
    for path in ("/v1/subscriptions", "/v1/groups/more"):
        answer = desk.client.post(path, json=body if "sub" in path else {})
        assert answer.status_code == 422
        assert "Remove one first" in answer.get_json()["errors"][0]["message"]
    assert desk.client.delete(group).status_code == 204
    assert desk.client.post("/v1/subscriptions", json=body).status_code == 201


def test_a_stopped_writer_delays_no_page_and_is_named_to_writers(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.0)
    desk.client.post("/v1/groups/idle", json={})
    with desk.notifier.database.transaction():
        assert desk.client.get("/v1/subscriptions").status_code == 200
        assert desk.client.get("/system").status_code == 200
        assert lease(desk, "idle") == []
        body = {"name": "n", "channel": "feed"}
        answer = desk.client.post("/v1/subscriptions", json=body)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert "look at api-notifier" in answer.get_json()["detail"]
    assert desk.client.post("/v1/subscriptions", json=body).status_code == 201


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_a_damaged_file_of_subscriptions_is_named(desk: Desk, kept: float) -> None:
    desk.create(channel="feed")
    desk.notifier.close()
    path = desk.harness.settings.subscriptions
    whole = path.read_bytes()
    damaged = whole[: int(kept * len(whole))] or b"no database" * 1_000
    path.write_bytes(damaged)
    answer = desk.client.get("/v1/subscriptions")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.get_json()["type"].endswith(":subscriptions-damaged")
    page = desk.client.get("/system")
    assert page.status_code == 200
    assert "The file of subscriptions is damaged" in page.text
    assert desk.client.get("/v1/items").status_code == 200


def test_a_group_is_not_made_as_a_subscription(desk: Desk) -> None:
    body = {"name": "n", "channel": "pull"}
    answer = desk.client.post("/v1/subscriptions", json=body)
    assert answer.status_code == 422
    assert "/v1/groups/" in answer.get_json()["errors"][0]["message"]


def test_a_key_sees_its_own_subscriptions_only(desk: Desk, receiver: Receiver) -> None:
    created = desk.webhook(receiver)
    other = Keys(desk.harness.connection).create("eve", ["read"])
    headers = {"Authorization": f"Bearer {other}"}
    path = f"/v1/subscriptions/{created['id']}"
    for method in ("get", "delete", "patch"):
        answer = getattr(desk.client, method)(path, headers=headers, json={})
        assert answer.status_code in (404, 422)
    listed = desk.client.get("/v1/subscriptions", headers=headers).get_json()
    assert listed == {"subscriptions": []}
    assert desk.show(created["id"])["status"] == "active"


def test_an_event_that_replaced_a_leased_one_is_not_acknowledged_with_it(
    desk: Desk,
) -> None:
    desk.client.post("/v1/groups/team", json={"filter": "type:incident.opened"})
    desk.settle()
    kept = desk.notifier.log.last()
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    leased = lease(desk, "team")
    cut(desk.harness.connection, kept)  # a log that loses its end
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    desk.client.post("/v1/groups/team/ack", json={"positions": leased})
    assert lease(desk, "team") == leased
    desk.client.post("/v1/groups/team/ack", json={"positions": leased})
    shown = desk.client.get("/v1/groups/team").get_json()
    assert (shown["waiting"], shown["leased"]) == (0, 0)
