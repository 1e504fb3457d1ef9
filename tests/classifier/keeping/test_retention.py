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
from tests.house import LEAK, PLAIN, House, Site, page, process
from tests.store import Store

DAY_S = 86_400.0
TITLE = "Benches return to the river park"


@pytest.fixture
def house(connection: redis.Redis, store: Store, tmp_path: Path) -> House:
    return House(
        connection,
        store.url,
        tmp_path,
        page_retention_days=30.0,
        text_retention_days=365.0,
    )


def keeping(house: House) -> Retention:
    return Retention(settings=house.settings, log=house.log, archive=house.archive)


def later(days: float) -> float:
    return time.time() + days * DAY_S


def fetched_item(house: House, site: Site, text: str = PLAIN, path: str = "/a") -> str:
    item_id = house.submit(url=site.put(path, page(TITLE, text)))
    house.work()
    assert house.item(item_id).state is State.CLASSIFIED
    return item_id


def test_the_page_of_an_item_without_label_goes_first_and_its_text_later(
    house: House, web_site: Site
) -> None:
    item_id = fetched_item(house, web_site)
    fetched = house.item(item_id).fetched
    assert fetched is not None
    keeping(house).expire(later(29))
    assert len(house.archive.digests(item_id)) == 3
    keeping(house).expire(later(31))
    assert house.archive.digests(item_id) == [fetched.document_digest]
    assert house.types(item_id)[-1] == "item.expired"
    keeping(house).expire(later(32))
    assert house.types(item_id).count("item.expired") == 1
    keeping(house).expire(later(366))
    assert house.archive.digests(item_id) == []
    assert [
        e.event.what
        for e in house.log.history(item_id)
        if isinstance(e.event, ItemExpired)
    ] == ["page", "all"]
    assert house.item(item_id).expired == "all"
    assert house.item(item_id).state is State.CLASSIFIED


def test_what_has_a_label_stays_whole(house: House, web_site: Site) -> None:
    by_model = fetched_item(house, web_site, LEAK, "/leak")
    by_person = fetched_item(house, web_site)
    house.log.append(by_person, ItemCorrected(who="ann", labels=("consent",)))
    assert house.item(by_model).labels
    keeping(house).expire(later(1000))
    assert (
        len(house.archive.digests(by_model))
        == len(house.archive.digests(by_person))
        == 3
    )
    house.log.append(
        by_person, ItemCorrected(who="ann", labels=(), labels_before=("consent",))
    )
    keeping(house).expire(later(1000))  # the label has gone: so does what was kept
    assert house.archive.digests(by_person) == []


def test_a_text_handed_in_and_a_page_that_was_rejected_expire_too(
    house: House, web_site: Site
) -> None:
    text = house.submit(text=PLAIN, title=TITLE)
    teaser = house.submit(
        url=web_site.put("/wall", page(TITLE, "Subscribe to read the full story."))
    )
    never_came = house.submit(url=web_site.url("/404"))
    house.work()
    assert house.item(teaser).state is State.REJECTED
    keeping(house).expire(later(366))
    assert house.archive.digests(text) == house.archive.digests(teaser) == []
    assert "item.expired" not in house.types(never_came)


def test_an_item_in_flight_does_not_expire(house: House, web_site: Site) -> None:
    item_id = fetched_item(house, web_site)
    house.log.append(item_id, ItemReclassifyRequested(who="release"))
    keeping(house).expire(later(1000))
    assert len(house.archive.digests(item_id)) == 3
    work(house.context, [item_id])
    keeping(house).expire(
        later(1000)
    )  # its end is an event too, and old enough some day
    assert house.archive.digests(item_id) == []


def test_a_page_that_has_expired_and_is_fetched_again_is_kept_again(
    house: House, web_site: Site
) -> None:
    item_id = fetched_item(house, web_site)
    keeping(house).expire(later(31))
    assert house.post({}, f"/v1/submissions/{item_id}/retry").status_code == 202
    house.work()
    assert house.item(item_id).expired is None
    assert len(house.archive.digests(item_id)) == 3
    keeping(house).delete(
        later(31)
    )  # the deletion that the expiry asked for, repeated: it is over
    assert len(house.archive.digests(item_id)) == 3


def test_a_text_that_has_expired_cannot_be_judged_again_and_the_item_ends_all_the_same(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(text=PLAIN, title=TITLE)
    house.work()
    keeping(house).expire(later(366))
    house.log.append(item_id, ItemReclassifyRequested(who="release"))
    work(house.context, [item_id])
    assert (house.item(item_id).state, house.item(item_id).reason) == (
        State.CLASSIFIED,
        "not_kept",
    )
    assert house.in_flight() == {}


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
    house: House, web_site: Site, what: str, left: int
) -> None:
    item_id = fetched_item(house, web_site)
    command = [sys.executable, "-c", DIES_AFTER_THE_EVENT, item_id, what]
    killed = subprocess.run(
        command, env={**os.environ, **to_env(house.settings)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert len(house.archive.digests(item_id)) == 3
    with process(house, "services.classifier.keeper"):
        eventually(
            lambda: len(house.archive.digests(item_id)) == left,
            "the keeper has deleted it",
        )


def test_a_worker_in_flight_cannot_bring_a_withdrawn_item_back(
    house: House, web_site: Site
) -> None:
    item_id = house.submit(url=web_site.put("/a", page(TITLE, PLAIN)))
    keep = house.context.archive.put

    def withdrawn_meanwhile(item: str, data: bytes) -> str:
        if house.types(item)[-1] != "item.withdrawn":
            house.log.append(item, ItemWithdrawn(who="admin"))
            house.archive.delete(item)
        return keep(item, data)

    house.context.archive.put = withdrawn_meanwhile  # type: ignore[method-assign]
    house.work()
    assert house.types(item_id) == ["item.submitted", "item.withdrawn"]
    assert house.archive.digests(item_id) == []


def test_what_a_dying_worker_keeps_of_a_withdrawn_item_is_deleted_an_hour_later(
    house: House, web_site: Site
) -> None:
    item_id = fetched_item(house, web_site)
    house.log.append(item_id, ItemWithdrawn(who="admin"))
    keeping(house).delete(time.time())
    assert house.archive.digests(item_id) == []
    house.archive.put(item_id, b"kept by a worker that was killed before it could look")
    keeping(house).delete(time.time())
    assert house.archive.digests(item_id)
    keeping(house).delete(time.time() + retention.RETRY_WITHDRAWN_S + 1)
    assert house.archive.digests(item_id) == []
    assert house.connection.zcard(retention.RETRY_SET) == 0


def test_what_is_in_flight_is_deleted_once_it_has_ended(
    house: House, web_site: Site
) -> None:
    item_id = fetched_item(house, web_site)
    given = house.archive.put(
        item_id, StoredDocument(text="of an earlier revision").to_bytes()
    )
    fetched = house.item(item_id).fetched
    assert fetched is not None
    house.log.append(item_id, ItemExpired(what="page"))
    house.log.append(item_id, ItemReclassifyRequested(who="release"))
    now = time.time()
    keeping(house).delete(now)
    assert len(house.archive.digests(item_id)) == 4
    work(house.context, [item_id])
    keeping(house).delete(now + retention.RETRY_S + 1)
    assert sorted(house.archive.digests(item_id)) == sorted(
        [given, fetched.document_digest]
    )


def test_an_archive_that_refuses_to_delete_is_asked_again(
    house: House,
    web_site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    item_id = fetched_item(house, web_site)
    house.log.append(item_id, ItemWithdrawn(who="admin"))
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(type(house.archive.fs), "rm", _refuse)
        keeping(house).delete(now)
    assert "cannot delete" in caplog.text
    assert house.archive.digests(item_id)
    keeping(house).delete(now + retention.RETRY_S + 1)
    assert house.archive.digests(item_id) == []


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError("read-only file system")
