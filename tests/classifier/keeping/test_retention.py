"""Retention: the page first, the text later, never of what has a label; a crash between event and deletion is made up
for, and a worker brings nothing back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from incidentwire.documents import StoredDocument
from incidentwire.events import (
    ItemCorrected,
    ItemExpired,
    ItemReclassifyRequested,
    ItemWithdrawn,
)
from incidentwire.items import State
from incidentwire.settings import to_env
from services.classifier.jobs import work
from services.classifier.keeping import retention
from services.classifier.keeping.retention import Retention
from tests.eventually import eventually
from tests.harness import LEAK, PLAIN, Harness, Site, page, process
from tests.store import Store

DAY_S = 86_400.0
TITLE = "Benches return to the river park"


@pytest.fixture
def harness(connection: redis.Redis, store: Store, tmp_path: Path) -> Harness:
    return Harness(
        connection,
        store.url,
        tmp_path,
        page_retention_days=30.0,
        text_retention_days=365.0,
    )


def keeping(harness: Harness) -> Retention:
    return Retention(
        settings=harness.settings, log=harness.log, archive=harness.archive
    )


def later(days: float) -> float:
    return time.time() + days * DAY_S


def fetched_item(
    harness: Harness, site: Site, text: str = PLAIN, path: str = "/a"
) -> str:
    item_id = harness.submit(url=site.put(path, page(TITLE, text)))
    harness.work()
    assert harness.item(item_id).state is State.CLASSIFIED
    return item_id


def test_the_page_of_an_item_without_label_goes_first_and_its_text_later(
    harness: Harness, web_site: Site
) -> None:
    item_id = fetched_item(harness, web_site)
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    keeping(harness).expire(later(29))
    assert len(harness.archive.digests(item_id)) == 3
    keeping(harness).expire(later(31))
    assert harness.archive.digests(item_id) == [fetched.document_digest]
    assert harness.types(item_id)[-1] == "item.expired"
    keeping(harness).expire(later(32))
    assert harness.types(item_id).count("item.expired") == 1
    keeping(harness).expire(later(366))
    assert harness.archive.digests(item_id) == []
    assert [
        e.event.what
        for e in harness.log.history(item_id)
        if isinstance(e.event, ItemExpired)
    ] == ["page", "all"]
    assert harness.item(item_id).expired == "all"
    assert harness.item(item_id).state is State.CLASSIFIED


def test_what_has_a_label_stays_whole(harness: Harness, web_site: Site) -> None:
    by_model = fetched_item(harness, web_site, LEAK, "/leak")
    by_person = fetched_item(harness, web_site)
    harness.log.append(by_person, ItemCorrected(who="ann", labels=("consent",)))
    assert harness.item(by_model).labels
    keeping(harness).expire(later(1000))
    assert (
        len(harness.archive.digests(by_model))
        == len(harness.archive.digests(by_person))
        == 3
    )
    harness.log.append(
        by_person, ItemCorrected(who="ann", labels=(), labels_before=("consent",))
    )
    keeping(harness).expire(later(1000))  # the label has gone: so does what was kept
    assert harness.archive.digests(by_person) == []


def test_a_text_handed_in_and_a_page_that_was_rejected_expire_too(
    harness: Harness, web_site: Site
) -> None:
    text = harness.submit(text=PLAIN, title=TITLE)
    teaser = harness.submit(
        url=web_site.put("/wall", page(TITLE, "Subscribe to read the full story."))
    )
    never_came = harness.submit(url=web_site.url("/404"))
    harness.work()
    assert harness.item(teaser).state is State.REJECTED
    keeping(harness).expire(later(366))
    assert harness.archive.digests(text) == harness.archive.digests(teaser) == []
    assert "item.expired" not in harness.types(never_came)


def test_an_item_in_flight_does_not_expire(harness: Harness, web_site: Site) -> None:
    item_id = fetched_item(harness, web_site)
    harness.log.append(item_id, ItemReclassifyRequested(who="release"))
    keeping(harness).expire(later(1000))
    assert len(harness.archive.digests(item_id)) == 3
    work(harness.context, [item_id])
    keeping(harness).expire(
        later(1000)
    )  # its end is an event too, and old enough some day
    assert harness.archive.digests(item_id) == []


def test_a_page_that_has_expired_and_is_fetched_again_is_kept_again(
    harness: Harness, web_site: Site
) -> None:
    item_id = fetched_item(harness, web_site)
    keeping(harness).expire(later(31))
    assert harness.post({}, f"/v1/submissions/{item_id}/retry").status_code == 202
    harness.work()
    assert harness.item(item_id).expired is None
    assert len(harness.archive.digests(item_id)) == 3
    keeping(harness).delete(
        later(31)
    )  # the deletion that the expiry asked for, repeated: it is over
    assert len(harness.archive.digests(item_id)) == 3


def test_a_text_that_has_expired_cannot_be_judged_again_and_the_item_ends_all_the_same(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(text=PLAIN, title=TITLE)
    harness.work()
    keeping(harness).expire(later(366))
    harness.log.append(item_id, ItemReclassifyRequested(who="release"))
    work(harness.context, [item_id])
    assert (harness.item(item_id).state, harness.item(item_id).reason) == (
        State.CLASSIFIED,
        "not_kept",
    )
    assert harness.in_flight() == {}


# -- deleting follows from the event -----------------------------------------------------------------------------------


DIES_AFTER_THE_EVENT = """
import os, signal, sys
from incidentwire.archive import Archive
from incidentwire.events import ItemExpired, ItemWithdrawn
from incidentwire.log.event_log import EventLog
from incidentwire.settings import from_env
from incidentwire.store import connect

log = EventLog(connect(from_env().redis_url))
log.append(sys.argv[1], ItemWithdrawn(who="admin") if sys.argv[2] == "withdrawn" else ItemExpired(what=sys.argv[2]))
os.kill(os.getpid(), signal.SIGKILL)
Archive(from_env().archive).delete(sys.argv[1])
"""


@pytest.mark.parametrize(("what", "left"), [("withdrawn", 0), ("all", 0), ("page", 1)])
def test_kill_9_between_event_and_deletion_is_made_up_for_by_the_keeper(
    harness: Harness, web_site: Site, what: str, left: int
) -> None:
    item_id = fetched_item(harness, web_site)
    command = [sys.executable, "-c", DIES_AFTER_THE_EVENT, item_id, what]
    killed = subprocess.run(
        command, env={**os.environ, **to_env(harness.settings)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(harness.archive.digests(item_id)) == 3
    with process(harness, "services.classifier.keeper"):
        eventually(
            lambda: len(harness.archive.digests(item_id)) == left,
            "the keeper has deleted it",
        )


def test_a_worker_in_flight_cannot_bring_a_withdrawn_item_back(
    harness: Harness, web_site: Site
) -> None:
    item_id = harness.submit(url=web_site.put("/a", page(TITLE, PLAIN)))
    keep = harness.context.archive.put

    def withdrawn_meanwhile(item: str, data: bytes) -> str:
        if harness.types(item)[-1] != "item.withdrawn":
            harness.log.append(item, ItemWithdrawn(who="admin"))
            harness.archive.delete(item)
        return keep(item, data)

    harness.context.archive.put = withdrawn_meanwhile  # type: ignore[method-assign]
    harness.work()
    assert harness.types(item_id) == ["item.submitted", "item.withdrawn"]
    assert harness.archive.digests(item_id) == []


def test_what_a_dying_worker_keeps_of_a_withdrawn_item_is_deleted_an_hour_later(
    harness: Harness, web_site: Site
) -> None:
    item_id = fetched_item(harness, web_site)
    harness.log.append(item_id, ItemWithdrawn(who="admin"))
    keeping(harness).delete(time.time())
    assert harness.archive.digests(item_id) == []
    harness.archive.put(
        item_id, b"kept by a worker that was killed before it could look"
    )
    keeping(harness).delete(time.time())
    assert harness.archive.digests(item_id)
    keeping(harness).delete(time.time() + retention.RETRY_WITHDRAWN_S + 1)
    assert harness.archive.digests(item_id) == []
    assert harness.connection.zcard(retention.RETRY_SET) == 0


def test_what_is_in_flight_is_deleted_once_it_has_ended(
    harness: Harness, web_site: Site
) -> None:
    item_id = fetched_item(harness, web_site)
    given = harness.archive.put(
        item_id, StoredDocument(text="of an earlier revision").to_bytes()
    )
    fetched = harness.item(item_id).fetched
    assert fetched is not None
    harness.log.append(item_id, ItemExpired(what="page"))
    harness.log.append(item_id, ItemReclassifyRequested(who="release"))
    now = time.time()
    keeping(harness).delete(now)
    assert len(harness.archive.digests(item_id)) == 4
    work(harness.context, [item_id])
    keeping(harness).delete(now + retention.RETRY_S + 1)
    assert sorted(harness.archive.digests(item_id)) == sorted(
        [given, fetched.document_digest]
    )


def test_an_archive_that_refuses_to_delete_is_asked_again(
    harness: Harness,
    web_site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    item_id = fetched_item(harness, web_site)
    harness.log.append(item_id, ItemWithdrawn(who="admin"))
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(type(harness.archive.fs), "rm", _refuse)
        keeping(harness).delete(now)
    assert "cannot delete" in caplog.text
    assert harness.archive.digests(item_id)
    keeping(harness).delete(now + retention.RETRY_S + 1)
    assert harness.archive.digests(item_id) == []


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError("read-only file system")
