"""`make screenshots`: write the pictures of the README from a newsroom in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.dashboard.conftest import Site

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


def test_the_pictures_of_the_readme_are_taken(visit: Any, pages: Site) -> None:
    PICTURES.mkdir(exist_ok=True)
    visitor = visit("curator", viewport={"width": 1280, "height": 800}, locale="en-GB")
    for name, path in (
        ("incident", f"/incidents/{pages.ids['clinic']}"),
        ("incidents", "/incidents?without_source=evil.example.org"),
        ("review", "/review"),
        ("search", "/search?q=泄露"),
    ):
        page = visitor.go(path)
        page.screenshot(path=PICTURES / f"{name}.png")
