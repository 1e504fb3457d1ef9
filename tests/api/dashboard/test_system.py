"""The system page is green only if nothing is wrong: each red state is made, and seen."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from incidentwire.log.event_log import IN_FLIGHT
from tests.api.dashboard.conftest import Member, Site
from tests.eventually import eventually


@contextmanager
def a_lost_item(pages: Site) -> Iterator[None]:
    connection = pages.harness.connection
    connection.zadd(IN_FLIGHT, {"i_lost": time.time() - 3_600})
    yield
    connection.zrem(IN_FLIGHT, "i_lost")


@contextmanager
def a_full_store(pages: Site) -> Iterator[None]:
    connection = pages.harness.connection
    used = connection.info("memory")["used_memory"]
    connection.config_set("maxmemory", used * 10 // 9)
    yield
    connection.config_set("maxmemory", 0)


@contextmanager
def a_frozen_ingest(pages: Site) -> Iterator[None]:
    (ingest,) = (
        process
        for process in pages.harness.processes
        if "services.ingest.web" in map(str, process.args)
    )
    os.killpg(ingest.pid, signal.SIGSTOP)
    yield
    os.killpg(ingest.pid, signal.SIGCONT)


def test_each_fault_turns_the_page_red_and_its_end_turns_it_back(pages: Site) -> None:
    admin = Member(pages, "admin")
    page = admin.see("/system")
    assert "Everything works" not in page
    assert "It has not run yet" in page
    pages.harness.run("services.api.subscriptions.notifier")
    eventually(lambda: "Everything works" in admin.see("/system"), "it is green")
    for fault, words in (
        (a_lost_item, "Start classifier-keeper"),
        (a_full_store, "of the memory is in use"),
        (a_frozen_ingest, "nothing can be submitted"),
    ):
        with fault(pages):
            page = admin.see("/system")
            assert words in page, fault.__name__
            assert "Everything works" not in page
            assert "thing is wrong" in page or "things are wrong" in page
        assert "Everything works" in admin.see("/system"), fault.__name__
