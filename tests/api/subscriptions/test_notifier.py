"""The process api-notifier: kill -9 loses no event and delivers each under one id."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest

from incidentwire.client import verify_webhook
from incidentwire.log.event_log import LOG_ID
from services.api.subscriptions import notifier
from tests import lost_tail
from tests.api.subscriptions.conftest import Desk
from tests.eventually import eventually
from tests.harness import kill_with_children
from tests.newsroom import LEAK
from tests.webhook_receiver import Receiver, receiving

NOTIFIER = "services.api.subscriptions.notifier"


def test_kill_9_while_delivering_loses_no_event(desk: Desk, receiver: Receiver) -> None:
    desk.webhook(receiver, scope="new")
    for n in range(60):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.room.projector.catch_up()
    for kills in range(1, 4):
        process = desk.harness.run(NOTIFIER)
        eventually(lambda wanted=kills * 8: len(receiver.ids()) > wanted, "it delivers")  # type: ignore[misc]
        kill_with_children(process)
    desk.harness.run(NOTIFIER)
    eventually(lambda: len(set(receiver.ids())) == 60, "every event has arrived")
    positions = [body["data"]["event"]["sequence"] for body in receiver.bodies()]
    firsts = list(dict.fromkeys(positions))
    assert firsts == sorted(firsts)
    assert len(positions) <= 60 + 4  # at most the one in flight at each kill


def test_a_dead_endpoint_costs_others_nothing(desk: Desk, receiver: Receiver) -> None:
    dead = desk.create(channel="webhook", target="http://127.0.0.1:8080/none")
    desk.notifier.store.change(dead["id"], status="active")
    desk.webhook(receiver, scope="new")
    for n in range(10):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.settle()
    assert len(receiver.ids()) == 10
    shown = desk.show(dead["id"])
    assert shown["pending"] > 0
    assert shown["reason"].startswith("connect_failed: no connection to 127.0.0.1")


def test_secrets_of_another_key_are_named_to_the_owner(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    other = replace(desk.harness.settings, secrets_key="another")
    desk.restart(other)
    desk.client.application.extensions["incidentwire.settings"] = other
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    shown = desk.show(created["id"])
    assert "encrypted with another key" in shown["reason"]
    assert (shown["status"], shown["pending"]) == ("active", 1)
    path = f"/v1/subscriptions/{created['id']}"
    refused = desk.client.post(f"{path}/verify")
    assert refused.status_code == 503
    assert "INCIDENTWIRE_SECRETS_KEY" in refused.get_json()["detail"]
    fresh = desk.client.post(f"{path}/rotate").get_json()["secret"]
    desk.retry_now()
    (asked,) = receiver.requests
    assert verify_webhook(fresh, asked.headers, asked.body)


def test_endpoints_that_never_answer_leave_threads_and_turns_to_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifier, "THREADS", 2)
    monkeypatch.setattr(notifier, "DUE_AT_ONCE", 2)
    with ExitStack() as stack:
        hooks = {}
        for _ in range(4):
            receiver = stack.enter_context(receiving())
            stack.callback(receiver.gate.set)
            hooks[desk.webhook(receiver, scope="new")["id"]] = receiver
        *silent, healthy = sorted(hooks)
        for name in silent:
            hooks[name].gate.clear()
            desk.notifier.store.change(name, attempt=1)
        desk.room.add("i_a", (LEAK,))
        desk.room.projector.catch_up()

        def has_arrived() -> bool:
            desk.notifier.step()
            return bool(hooks[healthy].requests)

        eventually(has_arrived, "the healthy endpoint has its event", 10)
        assert sum(len(hooks[name].requests) for name in silent) == 1


@pytest.mark.parametrize("step", [-3_600.0, 3_600.0], ids=["back", "forward"])
def test_a_clock_that_is_set_moves_leases_and_retries_with_it(
    desk: Desk, receiver: Receiver, step: float
) -> None:
    created = desk.webhook(receiver, scope="new")
    digest = desk.create(
        channel="email", target="a@example.org", schedule={"pace": "hourly"}
    )
    before = desk.notifier._clock
    db = desk.notifier.database.db
    db.execute("UPDATE subscriptions SET retry_at = ?", (before.wall + 5,))
    db.execute("UPDATE subscriptions SET next_at = ?", (before.wall + 1_800,))
    db.execute(
        "INSERT INTO pending (subscription, position, urgent, lease_until)"
        " VALUES ('g_team', 1, 0, ?)",
        (before.wall + 30,),
    )
    # A step of the clock and the opposite change of the steady one look the same.
    earlier = replace(before, wall=before.wall - step)
    for table, column in (("subscriptions", "retry_at"), ("pending", "lease_until")):
        db.execute(f"UPDATE {table} SET {column} = {column} - ?", (step,))
    if step < 0:
        db.execute("UPDATE subscriptions SET next_at = next_at - ?", (step,))
    desk.notifier._clock = earlier
    desk.notifier.step()
    (lease_until,) = db.execute("SELECT lease_until FROM pending").fetchone()
    assert lease_until == pytest.approx(before.wall + 30, abs=1)
    retry_at = desk.notifier.store.get(created["id"]).retry_at
    assert retry_at <= before.wall + 6
    assert desk.notifier.store.get(digest["id"]).next_at <= before.wall + 3_600


def test_pausing_ends_a_run_of_deliveries_after_the_one_under_way(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    for n in range(3):
        desk.room.add(f"i_{n}", (LEAK,))
    desk.room.projector.catch_up()
    receiver.gate.clear()

    def has_begun() -> bool:
        desk.notifier.step()
        return bool(receiver.requests)

    eventually(has_begun, "the first delivery is under way")
    path = f"/v1/subscriptions/{created['id']}"
    desk.client.patch(path, json={"status": "paused"})
    receiver.gate.set()
    desk.settle()
    assert len(receiver.requests) == 1
    assert desk.show(created["id"])["pending"] == 2


def test_after_a_restore_nothing_is_left_out_and_ids_are_new(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    desk.room.add("i_b", (LEAK,))  # the notifier has not seen it
    desk.harness.connection.delete(LOG_ID)  # as `restore` leaves it
    desk.notifier.pending.add_pending([(created["id"], 10_000, False)])
    desk.settle()
    assert len(set(receiver.ids())) == 2
    of_logs = {name.rpartition("_")[0] for name in receiver.ids()}
    assert len(of_logs) == 2
    assert desk.show(created["id"])["pending"] == 0


def test_what_follows_in_a_log_that_lost_its_tail_is_delivered(
    desk: Desk, receiver: Receiver
) -> None:
    created = desk.webhook(receiver, scope="new")
    desk.room.add("i_a", (LEAK,))
    desk.settle()
    kept = desk.notifier.log.last()
    desk.room.add("i_b", (LEAK,))
    desk.settle()
    lost_tail.cut(desk.harness.connection, kept)
    desk.room.add("i_c", (LEAK,))  # at the positions of i_b
    desk.settle()
    assert "i_c" in str(receiver.bodies()[-1])
    assert desk.show(created["id"])["pending"] == 0


def test_a_subscription_with_too_much_waiting_reads_the_log_later(
    desk: Desk, receiver: Receiver
) -> None:
    from services.api.subscriptions import matcher

    matcher.MAX_PENDING = 5
    matcher.REFILL_BELOW = 2
    try:
        created = desk.webhook(receiver, scope="new")
        receiver.status = 503
        for n in range(20):
            desk.room.add(f"i_{n}", (LEAK,))
            desk.settle()
        assert desk.show(created["id"])["pending"] <= 8
        receiver.status = 200
        desk.retry_now()
        desk.settle()
        delivered = {
            body["data"]["event"]["sequence"] for body in receiver.bodies()[1:]
        }
        assert len(delivered) == 20
    finally:
        matcher.MAX_PENDING = 5_000
        matcher.REFILL_BELOW = 1_000
