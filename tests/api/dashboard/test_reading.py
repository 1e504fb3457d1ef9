"""Pages that people read: in a real browser, with and without JavaScript."""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from services.api.dashboard import assets
from tests.api.dashboard.conftest import Site

# htmx.org 2.0.11 from its npm package, dist/htmx.min.js
HTMX_SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"


def test_the_vendored_script_is_the_published_one() -> None:
    script = (assets.FOLDER / "htmx.min.js").read_bytes()
    assert hashlib.sha256(script).hexdigest() == HTMX_SHA256
    assert "Zero-Clause BSD" in (assets.FOLDER / "htmx.LICENSE.txt").read_text()


def test_a_person_signs_in_reads_evidence_and_signs_out(
    visit: Any, pages: Site
) -> None:
    page = visit("reader").page
    assert "What is new" in page.content()
    page.click(".row-title:has-text('Clinic chain exposed')")
    assert page.locator("mark.label-data_leak").inner_text() == "A ch"
    assert "is mainly about the same name" in page.content()
    assert page.locator("text=Decide").count() == 0  # a reader decides nothing
    cookie = next(c for c in page.context.cookies() if c["name"] == "iw_session")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.click("text=Sign out")
    page.goto(f"{pages.base}/incidents")
    assert "/sign-in" in page.url


def test_without_javascript_facets_narrow_and_every_state_is_a_url(visit: Any) -> None:
    visitor = visit("reader", java_script_enabled=False)
    page = visitor.go("/incidents")
    page.click(".facet a:text-is('deepfake')")
    assert "label=deepfake" in page.url
    results = page.locator("#results").inner_text()
    assert "Cloned voice" in results
    assert "Clinic chain" not in results
    page = visitor.go("/incidents?without_label=deepfake&language=zh")
    rows = page.locator("#results .row-title").all_inner_texts()
    assert rows == ["六万名患者信息泄露 监管部门介入调查"]


def test_the_search_box_finds_a_two_character_chinese_word(visit: Any) -> None:
    page = visit("reader").page
    page.fill(".search input", "泄露")
    page.press(".search input", "Enter")
    page.wait_for_url("**/search?**")
    assert "六万名患者信息泄露" in page.locator("main").inner_text()
    page.goto(page.url.split("/search")[0] + '/search?q="open server"')
    assert "Clinic chain exposed" in page.locator("main").inner_text()


def test_the_list_as_csv_excel_json_and_atom(visit: Any, pages: Site) -> None:
    context = visit("reader").context

    def fetch(kind: str) -> Any:
        return context.request.get(f"{pages.base}/incidents.{kind}?label=deepfake")

    rows = fetch("csv").text().splitlines()
    assert rows[0].lstrip("\ufeff").startswith("title,data_leak,consent,deepfake")
    assert len(rows) == 3
    with zipfile.ZipFile(io.BytesIO(fetch("xlsx").body())) as book:
        assert "xl/worksheets/sheet2.xml" in book.namelist()  # the data dictionary
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")
    assert len(fetch("json").json()["items"]) == 2
    assert "<feed" in fetch("atom").text()


def test_as_of_shows_the_past_and_compares_two_moments(visit: Any, pages: Site) -> None:
    visitor = visit("reader")
    clinic = pages.ids["clinic"]
    page = visitor.go(f"/incidents/{clinic}?as_of=5")
    assert "Clinic chain fined" not in page.locator("article").all_inner_texts()
    assert page.locator("article").count() == 1
    page = visitor.go(f"/incidents/{clinic}?against=5")
    assert "gained" in page.locator("main").inner_text()


def test_hostile_words_stay_words(visit: Any, pages: Site) -> None:
    visitor = visit("curator")
    for path in (
        "/",
        "/incidents",
        f"/incidents/{pages.ids['hostile']}",
        "/items/i_hostile",
    ):
        page = visitor.go(path)
        assert "owned" not in page.title() or "<script>" in page.title()
        assert page.locator("main img, main script").count() == 0
        assert "\u202e" not in page.locator("h1").inner_text()


@pytest.mark.parametrize("path", ["/", "/incidents", "/review", "/submit", "/feeds", "/keys", "/system", "/search?q=clinic", "/items", "/items/i_clinic", "/subscriptions/new", "INCIDENT"])  # fmt: skip
def test_no_page_has_a_serious_accessibility_fault(
    visit: Any, pages: Site, path: str
) -> None:
    visitor = visit("admin", color_scheme="dark" if len(path) % 2 else "light")
    page = visitor.go(path.replace("INCIDENT", f"/incidents/{pages.ids['clinic']}"))
    found = Axe().run(page).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Any, pages: Site) -> None:
    visitor = visit("admin", viewport={"width": 360, "height": 740})
    for path in (
        "/",
        "/incidents",
        f"/incidents/{pages.ids['clinic']}",
        "/review",
        "/subscriptions/new",
    ):
        page = visitor.go(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path


def test_the_interface_speaks_chinese(visit: Any) -> None:
    page = visit("reader", locale="zh-CN").page
    assert page.locator("html").get_attribute("lang") == "zh"
    assert "事件" in page.locator("nav").first.inner_text()
