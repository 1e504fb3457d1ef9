"""The documents cannot lie: what is made from the code is compared with it, and what the README says to type exists."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "docs_generate", ROOT / "docs" / "generate.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES: dict[str, str] = _generator().pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name], (
        "run `make docs`"
    )


def test_no_schema_is_left_behind() -> None:
    there = {f"schemas/{path.name}" for path in (ROOT / "docs" / "schemas").iterdir()}
    assert there == {name for name in PAGES if name.startswith("schemas/")}


def test_the_readmes_make_targets_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    said = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert said
    assert said <= targets


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(
            r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), (
                f"{page.relative_to(ROOT)} links to {target}"
            )
