"""Pages that people read: in a real browser, with and without JavaScript."""

from __future__ import annotations

from typing import Any

from tests.api.dashboard.conftest import Site


def test_a_person_signs_in_reads_and_signs_out(visit: Any, pages: Site) -> None:
    page = visit("reader").page
    assert "What is new" in page.content()
    page.click("text=Clinic chain exposed records >> nth=0")
    assert page.locator("mark.label-data_leak").count() >= 1
    assert "is mainly about the same name" in page.content()
    assert page.locator("text=Decide").count() == 0
    page.click("text=Sign out")
    page.goto(f"{pages.base}/incidents")
    assert "/sign-in" in page.url


def test_facets_narrow_exclude_and_every_state_is_a_url(visit: Any) -> None:
    visitor = visit("reader", java_script_enabled=False)
    page = visitor.go("/incidents")
    page.click(".facet a:text-is('deepfake')")
    assert "label=deepfake" in page.url
    assert "Cloned voice" in page.content()
    assert "Clinic chain" not in page.locator("#results").inner_text()
    page = visitor.go("/incidents?without_label=deepfake&language=zh")
    rows = page.locator("#results .row-title").all_inner_texts()
    assert rows == ["六万名患者信息泄露 监管部门介入调查"]
