"""Nothing is lost, or it shows: the sum, the places in flight, the archive; and what can be put right is."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from incidentwire import queue
from incidentwire.archive import PARTS
from incidentwire.events import ItemExpired, ItemWithdrawn
from incidentwire.items import State
from incidentwire.log.event_log import IN_FLIGHT
from services.classifier.jobs import work
from services.classifier.keeping.audit import (
    Audit,
    Finding,
    FindingKind,
    IncrementalAudit,
    audit,
)
from services.classifier.keeping.periodic import PeriodicTask, periodic_tasks
from services.classifier.keeping.repair import RepairContext, repair_findings
from tests.harness import LEAK, PLAIN, Harness, Site, page

TITLE = "Benches return to the river park"
DAY_S = 86_400.0


def look(harness: Harness, days: float = 0.0) -> Audit:
    return audit(harness.log, harness.archive, time.time() + days * DAY_S)


def put_right(
    harness: Harness, findings: list[Finding], days: float = 0.0
) -> list[Finding]:
    now = time.time() + days * DAY_S
    return repair_findings(
        RepairContext(log=harness.log, archive=harness.archive, now=now),
        findings,
    )


def file_of(harness: Harness, digest: str | None) -> Path:
    return next(harness.settings.data_dir.rglob(f"{digest}.zst"))


def kinds(found: Audit) -> list[FindingKind]:
    return [finding.kind for finding in found.findings]


def busy_harness(harness: Harness, site: Site) -> dict[str, str]:
    """One item in every state."""
    ids = {"classified": harness.submit(url=site.put("/story", page(TITLE, LEAK)))}
    harness.work()
    head = f'<link rel="canonical" href="{site.url("/story")}">'
    ids["aliased"] = harness.submit(url=site.put("/amp", page(TITLE, LEAK, head)))
    ids["rejected"] = harness.submit(url=site.url("/404"))
    ids["waiting"] = harness.submit(url=site.put("/busy", b"", 503))
    ids["withdrawn"] = harness.submit(text=PLAIN, title=TITLE)
    harness.work()
    harness.log.append(ids["withdrawn"], ItemWithdrawn(who="admin"))
    harness.archive.delete(ids["withdrawn"])
    ids["queued"] = harness.submit(text=PLAIN + " ", title="Not worked on yet")
    assert {
        name: str(harness.item(item_id).state) for name, item_id in ids.items()
    } == {name: name for name in ids}
    return ids


def test_every_item_is_in_exactly_one_place(harness: Harness, web_site: Site) -> None:
    busy_harness(harness, web_site)
    found = look(harness)
    assert (found.submitted, found.in_flight, found.difference, found.findings) == (
        6,
        2,
        0,
        [],
    )
    assert found.states == dict.fromkeys(State, 1)
    assert (
        found.objects == 4
    )  # page, headers and document of the story; the text that waits


def test_an_empty_installation_has_no_fault(harness: Harness) -> None:
    assert look(harness).findings == []


@pytest.mark.parametrize("lost", ["queued", "waiting"])
def test_an_entry_that_vanishes_from_flight_breaks_the_sum_and_is_put_back(
    harness: Harness, web_site: Site, lost: str
) -> None:
    ids = busy_harness(harness, web_site)
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    harness.connection.zrem(IN_FLIGHT, ids[lost])
    found = look(harness)
    assert (found.difference, found.findings) == (
        1,
        [Finding(kind=FindingKind.NOT_IN_FLIGHT, subject=ids[lost])],
    )
    assert put_right(harness, found.findings) == []
    assert look(harness).findings == []
    # its job was lost too, and is back
    queued = {item for job in harness.queued() for item in job}
    assert ids[lost] in queued | queue.queued_for_fetch(harness.connection, [ids[lost]])


def test_an_entry_that_stays_in_flight_after_its_end_is_taken_out(
    harness: Harness, web_site: Site
) -> None:
    ids = busy_harness(harness, web_site)
    now = time.time()
    harness.connection.zadd(IN_FLIGHT, {ids["rejected"]: now, "i_nobody": now})
    found = look(harness)
    assert found.difference == -2
    assert {f.subject for f in found.findings} == {ids["rejected"], "i_nobody"}
    assert put_right(harness, found.findings) == []
    assert look(harness).findings == []


def test_an_item_that_nobody_looks_after_is_overdue_and_queued_again(
    harness: Harness,
) -> None:
    item_id = harness.submit(text=PLAIN, title=TITLE)
    for key in harness.connection.scan_iter("rq:*"):
        harness.connection.delete(key)
    found = look(harness, days=1)
    assert found.findings == [Finding(kind=FindingKind.OVERDUE, subject=item_id)]
    assert put_right(harness, found.findings, days=1) == []
    assert harness.queued() == [[item_id]]


def test_a_log_with_a_gap_is_told_and_cannot_be_mended(
    harness: Harness, web_site: Site
) -> None:
    busy_harness(harness, web_site)
    harness.connection.xdel("iw:log", "3-0")
    found = look(harness)
    assert kinds(found) == [FindingKind.LOG_HAS_GAPS]
    assert put_right(harness, found.findings) == found.findings


def test_an_index_that_has_lost_events_is_told(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    first = str(harness.log.history(item_id)[0].position)
    harness.connection.hset(f"iw:subject:{item_id}", mapping={"n": 1, "p": first})
    assert FindingKind.INDEX_DISAGREES in kinds(look(harness))


# -- the archive -------------------------------------------------------------------------------------------------------


def test_bytes_that_rot_and_bytes_that_vanish_are_told(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    rotten = file_of(harness, fetched.page_digest)
    other = file_of(harness, fetched.headers_digest)
    rotten.write_bytes(other.read_bytes())  # well-formed, and other bytes
    file_of(harness, fetched.document_digest).unlink()
    found = look(harness)
    assert sorted((f.kind, f.digest) for f in found.findings) == [
        (FindingKind.DAMAGED, fetched.page_digest),
        (FindingKind.MISSING, fetched.document_digest),
    ]
    quick = audit(harness.log, harness.archive, time.time(), read_bytes=False)
    assert kinds(quick) == [FindingKind.MISSING]


def test_emptied_and_damaged_objects_are_found_and_fetched_again(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    file_of(harness, fetched.page_digest).write_bytes(b"")
    file_of(harness, fetched.document_digest).write_bytes(b"rotten")
    found = look(harness)
    assert kinds(found) == [FindingKind.DAMAGED] * 2
    assert put_right(harness, found.findings) == []
    assert harness.item(item_id).pending == "fetch"
    assert put_right(harness, found.findings) == []  # nothing is requested twice
    assert harness.item(item_id).version == 4
    work(harness.context, [item_id])  # hands it to the fetcher
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    assert look(harness).findings == []


def test_a_supplied_text_that_is_damaged_stays_a_finding(harness: Harness) -> None:
    item_id = harness.submit(text=PLAIN, title=TITLE)
    file_of(harness, harness.item(item_id).given_digest).write_bytes(b"")
    found = look(harness)
    assert kinds(found) == [FindingKind.DAMAGED]
    assert put_right(harness, found.findings) == found.findings


def test_what_has_expired_is_not_missed(harness: Harness, web_site: Site) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    for what in ("page", "all"):
        harness.log.append(item_id, ItemExpired(what=what))
        found = look(harness)
        assert set(kinds(found)) == {FindingKind.UNDELETED}
        assert put_right(harness, found.findings) == []
        assert look(harness).findings == []
    assert harness.archive.digests(item_id) == []


def test_what_was_withdrawn_and_is_still_there_is_deleted_at_once(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["withdrawn"]
    digest = harness.archive.put(item_id, b"came too late")
    found = look(harness)
    assert found.findings == [
        Finding(kind=FindingKind.UNDELETED, subject=item_id, digest=digest)
    ]
    assert put_right(harness, found.findings) == []
    assert harness.archive.digests(item_id) == []


def test_an_orphan_is_left_alone_for_a_day_and_then_removed(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    before = harness.archive.digests(item_id)
    orphan = harness.archive.put(item_id, b"its event never came")
    stranger = harness.archive.put("i_neverheard", b"of an item that never came either")
    assert look(harness).findings == []
    assert FindingKind.ORPHAN not in kinds(look(harness, days=0.9))
    yesterday = time.time() - DAY_S - 60
    for digest in (orphan, stranger):
        os.utime(file_of(harness, digest), (yesterday, yesterday))
    found = look(harness)
    assert {(f.kind, f.digest) for f in found.findings} == {
        (FindingKind.ORPHAN, orphan),
        (FindingKind.ORPHAN, stranger),
    }
    assert put_right(harness, found.findings) == []
    assert harness.archive.digests(item_id) == before
    assert harness.archive.digests("i_neverheard") == []


def test_an_archive_whose_log_was_lost_is_left_alone(harness: Harness) -> None:
    for n in range(11):
        harness.add_item(f"i_{n}item")
    objects = list(harness.archive.objects())
    harness.connection.flushall()
    harness.add_item("i_new")
    found = look(harness, days=2)
    assert kinds(found) == [FindingKind.ANOTHER_LOG]
    assert put_right(harness, found.findings) == found.findings
    assert len(list(harness.archive.objects())) == len(objects) + 1


def test_an_orphan_of_an_item_in_flight_may_just_be_getting_its_event(
    harness: Harness, web_site: Site
) -> None:
    item_id = busy_harness(harness, web_site)["waiting"]
    digest = harness.archive.put(item_id, b"kept again by the worker that has it")
    yesterday = time.time() - DAY_S - 60
    os.utime(file_of(harness, digest), (yesterday, yesterday))
    assert look(harness).findings == []


def test_earlier_revisions_are_no_orphans(harness: Harness, web_site: Site) -> None:
    item_id = busy_harness(harness, web_site)["classified"]
    web_site.put("/story", page(TITLE, PLAIN))
    harness.post({}, f"/v1/submissions/{item_id}/retry")
    harness.work()
    assert len(harness.archive.digests(item_id)) >= 5
    assert FindingKind.ORPHAN not in kinds(look(harness, days=0.001))
    for path in harness.settings.data_dir.rglob("*.zst"):
        os.utime(path, (1, 1))
    assert FindingKind.ORPHAN not in kinds(look(harness))


# -- the keeper's look, each minute ------------------------------------------------------------------------------------


def test_the_watch_sees_what_goes_wrong_while_it_watches(
    harness: Harness, web_site: Site
) -> None:
    watch = IncrementalAudit(harness.log)
    busy_harness(harness, web_site)
    assert watch.step(time.time()) == ([], False)
    again = harness.submit(text=LEAK, title="Handed in later")
    harness.connection.zrem(IN_FLIGHT, again)
    assert watch.step(time.time()) == (
        [Finding(kind=FindingKind.NOT_IN_FLIGHT, subject=again)],
        False,
    )
    late, _ = watch.step(time.time() + DAY_S)
    assert {f.kind for f in late} == {FindingKind.OVERDUE}
    harness.connection.xdel("iw:log", "1-0")
    assert watch.step(time.time()) == ([Finding(kind=FindingKind.LOG_HAS_GAPS)], False)


def test_the_keepers_chores_say_loudly_what_is_wrong(
    harness: Harness, caplog: pytest.LogCaptureFixture
) -> None:
    beside = periodic_tasks(harness.settings, harness.connection)
    lost = harness.submit(text=PLAIN, title=TITLE)
    harness.connection.zrem(IN_FLIGHT, lost)
    with caplog.at_level(logging.ERROR):
        for chore in beside:
            chore.run(time.time())
    assert f"not conserved kind=not_in_flight item_id={lost}" in caplog.text


def test_the_keepers_chores_sweep_what_crashes_leave(harness: Harness) -> None:
    half_written = Path(harness.settings.archive, PARTS, "a")
    half_written.parent.mkdir(parents=True)
    half_written.touch()
    os.utime(half_written, (0, 0))
    harness.connection.hset(queue.FETCHED, "i_ended", "{}")
    for chore in periodic_tasks(harness.settings, harness.connection):
        chore.run(time.time())
    assert not half_written.exists()
    assert not harness.connection.exists(queue.FETCHED)


def test_a_chore_that_has_more_to_do_goes_on_at_once_and_else_waits() -> None:
    result: list[float] = []

    def step(now: float) -> bool:
        result.append(now)
        return len(result) < 3

    chore = PeriodicTask(step=step, period_s=60.0)
    for now in (0.0, 1.0, 2.0, 3.0, 30.0, 61.0, 62.0):
        chore.run(now)
    assert result == [0.0, 1.0, 2.0, 62.0]
