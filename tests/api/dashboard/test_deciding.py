"""People decide in a real browser: review, merge, status, submissions, refusals."""

from __future__ import annotations

from typing import Any

import requests

from tests.api.dashboard.conftest import Site
from tests.eventually import eventually
from tests.harness import kill_with_children
from tests.newsroom import FAKE


def test_ten_decisions_take_ten_keys_and_undo_one(visit: Any, pages: Site) -> None:
    page = visit("curator").go("/review")
    titles = []
    for key in "ynynynynyn":
        titles.append(page.locator("h2 a").first.inner_text())
        with page.expect_navigation():
            page.keyboard.press(key)
    assert len(set(titles)) == 10
    assert pages.harness.item("i_doubt11").labels == ("consent",)
    assert pages.harness.item("i_doubt10").labels == ()
    assert pages.harness.item("i_doubt10").corrected is not None
    with page.expect_navigation():
        page.keyboard.press("u")
    assert page.locator("h2 a").first.inner_text() == titles[-1]
    assert pages.harness.item("i_doubt02").corrected is None
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 1


def test_two_incidents_are_merged_after_a_preview_and_parted_again(
    visit: Any, pages: Site
) -> None:
    visitor = visit("curator")
    twin = pages.ids["twin"]
    clinic = pages.ids["clinic"]
    page = visitor.go(f"/incidents/{twin}")
    page.click("text=Merge into another")
    page.wait_for_selector("#into:focus")  # one can paste at once
    page.keyboard.insert_text(f"{pages.base}/incidents/{clinic}?x=1")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=3 reports")
    page.click("button:text-is('Merge')")
    page.wait_for_url(f"**/incidents/{clinic}?**")
    assert page.locator("article").count() == 3
    page.click("text=Undo the merge")
    page.wait_for_url("**done=unmerge**")
    assert pages.room.state().resolve(twin) == twin


def test_a_stale_form_says_so_and_keeps_what_was_written(
    visit: Any, pages: Site
) -> None:
    visitor = visit("curator")
    voice = pages.ids["voice"]
    page = visitor.go(f"/incidents/{voice}")
    answer = requests.post(
        f"{pages.base}/v1/incidents/{voice}/status",
        json={"status": "confirmed", "version": pages.room.version(voice)},
        headers={"Authorization": f"Bearer {pages.room.key}"},
        timeout=30,
    )
    assert answer.status_code == 200
    page.click("summary:text-is('Rename')")
    page.fill("#title", "Cloned voice of a mayor")
    page.click("button:text-is('Rename')")
    assert "Another curator changed" in page.locator("main").inner_text()
    assert page.input_value("input[name=title]") == "Cloned voice of a mayor"
    page.click("text=Repeat my change")
    page.wait_for_url("**done=title**")
    assert page.locator("h1").inner_text() == "Cloned voice of a mayor"


def test_a_submitted_address_gets_a_live_receipt(visit: Any, pages: Site) -> None:
    visitor = visit("submitter")
    page = visitor.go("/submit?url=https://news.example.org/new")
    assert page.input_value("#url") == "https://news.example.org/new"
    page.click("main button:text-is('Submit') >> nth=0")
    page.wait_for_url("**/items/i_*")
    assert "submitter" in {
        entry.event.via
        for entry in pages.harness.log.read()
        if entry.type == "item.submitted"
    }  # type: ignore[attr-defined]


def show_everything(site: Site) -> None:
    """Wait until pages show all of the log: what is new to them comes later."""
    last = site.harness.log.last()
    eventually(
        lambda: site.harness.get("/v1/stats")[1]["position"] >= last, "it is shown"
    )


def test_new_incidents_wait_behind_a_banner(visit: Any, pages: Site) -> None:
    show_everything(pages)
    visitor = visit("reader")
    with visitor.page.expect_request("**/v1/events/stream**"):
        page = visitor.go("/incidents")
    eventually(
        lambda: pages.harness.get("/v1/stats")[1]["open_streams"] > 0, "it listens"
    )
    pages.room.add("i_live", (FAKE,), title="A new deepfake of a singer")
    page.wait_for_selector("text=1 new: show")
    assert "singer" not in page.locator("#results").inner_text()


def test_a_lost_connection_catches_up(visit: Any, pages: Site) -> None:
    show_everything(pages)
    visitor = visit("reader")
    page = visitor.go("/incidents")
    running = pages.harness.processes
    (web,) = (one for one in running if "services.api.web" in str(one.args))
    kill_with_children(web)
    running.remove(web)
    pages.room.add("i_missed", (FAKE,), title="A deepfake that came meanwhile")
    pages.harness.run_web()
    page.wait_for_selector("text=1 new: show")
    lost = [fault for fault in visitor.faults if "net::ERR_" in fault]
    visitor.faults = [fault for fault in visitor.faults if fault not in lost]


def test_a_stream_that_a_proxy_refused_is_asked_for_again(
    visit: Any, pages: Site
) -> None:
    show_everything(pages)
    visitor = visit("reader")
    visitor.page.route(
        "**/v1/events/stream**", lambda route: route.fulfill(status=502), times=1
    )
    page = visitor.go("/incidents")
    pages.room.add("i_refused", (FAKE,), title="A deepfake behind a proxy")
    page.wait_for_selector("text=1 new: show")
    visitor.faults = [fault for fault in visitor.faults if "502" not in fault]


def test_changes_need_the_token_and_the_scope(visit: Any, pages: Site) -> None:
    context = visit("reader").context
    path = f"{pages.base}/incidents/{pages.ids['clinic']}/status"
    assert context.request.post(path, form={"status": "dismissed"}).status == 403
    curator = visit("curator").context
    assert curator.request.post(path, form={"status": "dismissed"}).status == 403
    api = f"{pages.base}/v1/incidents/{pages.ids['clinic']}/status"
    body = {"status": "dismissed", "version": 0}
    assert curator.request.post(api, data=body).status == 403
