"""Pages that people read: in a real browser, with and without JavaScript."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from incidentwire.documents import StoredDocument
from incidentwire.events import (
    IncidentItemLinked,
    IncidentItemUnlinked,
    ItemFetched,
)
from services.api.dashboard.incident import LINES
from tests.api.dashboard.conftest import LEFT_OPEN, PASSWORD, Member, Site
from tests.newsroom import LEAK

# Colours differ between the schemes, markup does not: each page is examined once.
PAGES = {
    "light": ("/", "/review", "/feeds", "/system", "/items", "/subscriptions/new"),
    "dark": (
        "/incidents",
        "/submit",
        "/keys",
        "/search?q=clinic",
        "/items/i_clinic",
        "/incidents/{clinic}",
    ),
}


def test_a_person_signs_in_reads_evidence_and_signs_out(
    visit: Any, pages: Site
) -> None:
    page = visit().go("/incidents")  # sends to the form, and back
    page.fill("#name", "reader")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(f"{pages.base}/incidents")
    page.click(".brand")
    page.wait_for_selector("h1:text-is('What is new')")
    page.click(".row-title:has-text('Clinic chain exposed')")
    assert page.locator("mark.label-data_leak").inner_text() == LEFT_OPEN
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
    page = visit("reader").go("/")
    page.fill(".search input", "泄露")
    page.press(".search input", "Enter")
    page.wait_for_url("**/search?**")
    found = page.locator("main").inner_text()
    assert "六万名患者信息泄露" in found
    assert "news.example.cn · 2026-10-09" in " · ".join(found.split("\n"))
    assert "通知受影响的人。 …" not in found  # all of the text is shown
    page.goto(page.url.split("/search")[0] + '/search?q="open server"')
    assert "Clinic chain exposed" in page.locator("main").inner_text()


def test_the_list_as_csv_excel_json_and_atom(visit: Any, pages: Site) -> None:
    context = visit("reader").context

    def fetch(kind: str) -> Any:
        return context.request.get(
            f"{pages.base}/incidents.{kind}?label=deepfake&to=2026-11-21"
        )

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
    page = visitor.go(f"/incidents/{pages.ids['twin']}?as_of=5")
    assert "did not exist at that moment" in page.locator("main").inner_text()


def test_two_revisions_of_an_item_are_compared_by_words(pages: Site) -> None:
    harness = pages.harness
    digests = []
    pages.room.add("i_twotexts", (LEAK,), title="Bank", text="The bank lost ten files.")
    for text in ("The bank lost ten files.", "The bank lost <b>twelve</b> files."):
        document = StoredDocument(title="Bank", text=text)
        digest = harness.archive.put("i_twotexts", document.to_bytes())
        fetched = ItemFetched(
            document_digest=digest, text_digest=document.text_digest, words=5
        )
        harness.log.append("i_twotexts", fetched)
        digests.append(document.text_digest)
    last = harness.log.last()
    shown = Member(pages, "reader").see(
        f"/items/i_twotexts?from={digests[0]}&to={digests[1]}&min_position={last}"
    )
    assert "compare with the one before" in shown
    assert re.search(
        r"lost <del>ten ?</del><ins>&lt;b&gt;twelve&lt;/b&gt; ?</ins>", shown
    )


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_accessibility_fault(
    visit: Any, pages: Site, scheme: str
) -> None:
    visitor = visit("admin", color_scheme=scheme)
    found = []
    for path in PAGES[scheme]:
        page = visitor.go(path.format(**pages.ids))
        violations = Axe().run(page).response["violations"]
        found += [
            (path, v["id"], v["nodes"][0]["html"])
            for v in violations
            if v["impact"] in ("serious", "critical")
        ]
    assert found == []


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Any, pages: Site) -> None:
    visitor = visit("admin", viewport={"width": 360, "height": 740})
    for path in (
        "/",
        "/incidents",
        f"/incidents/{pages.ids['clinic']}",
        "/review",
        "/subscriptions/new",
        "/keys",
        "/system",
    ):
        page = visitor.go(path)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360, path
    tabs = page.locator(".nav a").evaluate_all(
        "tabs => tabs.map(tab => tab.getBoundingClientRect().right)"
    )
    assert len(tabs) == 8
    assert max(tabs) <= 360


def test_the_interface_speaks_chinese(visit: Any) -> None:
    page = visit("reader", locale="zh-CN").go("/")
    assert page.locator("html").get_attribute("lang") == "zh"
    assert "事件" in page.locator("nav").first.inner_text()


def test_reasons_and_history_are_chinese_too(pages: Site) -> None:
    reader = Member(pages, "reader")
    reader.headers["Accept-Language"] = "zh-CN,zh;q=0.9"
    shown = reader.see(f"/incidents/{pages.ids['clinic']}")
    assert "开启了此事件" in shown
    assert "主要涉及同一名称" in shown
    assert "“Clinic chain fined over exposed records”已关联，分数 1.00" in shown
    answer = reader.get(f"{pages.base}/v1/incidents/{pages.ids['clinic']}", timeout=30)
    assert "opened this incident" in answer.text  # programs read one language


def test_chinese_sentences_have_chinese_punctuation(pages: Site) -> None:
    incident = pages.room.add("i_marks", (LEAK,), title="Marks of a sentence")
    curator = Member(pages, "curator")
    curator.headers["Accept-Language"] = "zh-CN,zh;q=0.9"
    form = {"status": "confirmed", "version": pages.room.version(incident)}
    assert curator.fill_in(f"/incidents/{incident}/status", **form).ok
    wrong = []
    for path in (
        f"/incidents/{incident}",
        f"/incidents/{pages.ids['clinic']}",
        "/items/i_clinic",
        "/incidents?label=deepfake&q=voice",
        "/topics",
        "/system",
    ):
        shown = re.sub(r"<[^>]*>", "", curator.see(path))
        wrong += [
            (path, found[0])
            for found in re.finditer(
                r".{9}[\u4e00-\u9fff）][,;:] .|.[,;] [\u4e00-\u9fff]", shown
            )
        ]
        assert "由 open 变为" not in shown
    assert not wrong


def test_two_spellings_are_declared_one_on_a_page_and_parted_again(
    pages: Site,
) -> None:
    curator = Member(pages, "curator")
    form = {"alias": "Voice Lab <b>", "name": "VoiceLab"}
    shown = curator.fill_in("/entities", **form).text
    assert "Voice Lab &lt;b&gt;" in shown
    assert "<b>" not in shown
    again = curator.fill_in("/entities", **form)
    assert again.status_code == 409
    assert "one entity already" in again.text
    undo = re.search(r'action="(/entities/e_\w+/undo)"', shown)
    assert undo is not None
    assert "No spelling is declared yet" in curator.fill_in(undo[1]).text
    refused = Member(pages, "reader").fill_in("/entities", **form)
    assert refused.status_code == 403


def test_a_topic_of_ones_own_is_a_badge_and_a_facet(pages: Site) -> None:
    curator = Member(pages, "curator")
    form = {"name": "Voices <b>", "filter": "voice", "colour": "teal"}
    shown = curator.fill_in("/topics", **form).text
    assert "Voices &lt;b&gt;" in shown
    assert "<b>" not in shown
    assert "just so already" in curator.fill_in("/topics", **form).text
    found = Member(pages, "reader").see("/incidents?topic=voices+%3Cb%3E")
    assert 'class="tag topic topic-teal"' in found
    assert "Topic: voices &lt;b&gt;" in found
    removal = re.search(r'action="(/topics/t_\w+/remove)"', shown)
    assert removal is not None
    assert "No topic is defined yet" in curator.fill_in(removal[1]).text
    assert Member(pages, "reader").fill_in("/topics", **form).status_code == 403


def test_the_list_has_a_timeline_of_what_it_shows(pages: Site) -> None:
    reader = Member(pages, "reader")
    shown = reader.see("/incidents?language=en")
    assert "<title>deepfake, 2026-11: " in shown
    assert "/incidents?language=en&amp;month=2026-10" in shown
    facet = shown.rpartition(">Month</h2>")[2]
    assert facet.index("2026-11") < facet.index("2026-10")
    shown = reader.see("/incidents?language=en&without_label=deepfake")
    assert "<title>deepfake" not in shown


def test_a_month_of_one_country_is_one_address(pages: Site) -> None:
    reader = Member(pages, "reader")
    assert "Unknown country" in reader.get(pages.base + "/incidents?country=x").text
    list_page = reader.see("/incidents?country=Germany&label=deepfake")
    assert "/incidents.xlsx?country=Germany&amp;label=deepfake" in list_page


def test_a_long_history_shows_its_newest_events(pages: Site) -> None:
    long = pages.room.add("i_long", (LEAK,), title="Linked again and again")
    mention = {"item": "i_long", "mention": "m0"}
    for n in range(LINES // 2):
        pages.room.log.append(
            long,
            IncidentItemUnlinked(**mention, reason="moved"),
            IncidentItemLinked(**mention, score=n / 100),
        )
    reader = Member(pages, "reader")
    last = pages.room.log.last()
    shown = reader.see(f"/incidents/{long}?min_position={last}")
    assert all(f"score {n / 100:.2f}" in shown for n in range(LINES // 2))
    history = shown.partition('<ol class="history">')[2].partition("</ol>")[0]
    assert history.count("<li") == LINES
    assert f"/v1/incidents/{long}/history" in shown
    short = reader.see(f"/incidents/{pages.ids['clinic']}")
    assert "/history" not in short


@pytest.mark.parametrize("number", ["\u00b2", "\u0663", "-1", "9" * 30, "x"])
def test_what_only_looks_like_a_number_is_none(pages: Site, number: str) -> None:
    curator = Member(pages, "curator")
    for page in (
        "/topics",
        "/entities",
        "/review",
        "/review/links",
        "/items/i_hostile",
    ):
        curator.see(f"{page}?min_position={number}&before={number}")
    curator.see(f"/review/bulk?undone={number}")


def test_a_search_is_narrowed_by_its_facets(pages: Site) -> None:
    reader = Member(pages, "reader")
    counted = '<a href="/search?q=records&amp;source=law.example.net">law.example.net</a><span class="count">1</span>'
    whole = reader.see("/search?q=records")
    assert counted in whole
    assert "Clinic chain exposed records" in whole
    assert "Counted: the items that match" in whole
    only = reader.see("/search?q=records&source=law.example.net&month=2026-11")
    assert 'class="on" aria-current="true">law.example.net</a>' in only
    assert 'href="/search?q=records&amp;month=2026-11"' in only  # any again
    items = only.partition("<h2>Items")[2]
    assert "Clinic chain fined over exposed records" in items
    assert "Clinic chain exposed records" not in items
    without = reader.see("/search?q=records&without_label=data_leak")
    assert "Clinic chain fined" in without.partition("<h2>Items")[2]
    assert "No incident matches." in reader.see("/search?q=records&label=consent")
    answer = reader.get(f"{pages.base}/search?q=records&labl=x", timeout=30)
    assert answer.status_code == 422
