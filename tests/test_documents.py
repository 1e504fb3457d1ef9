"""The documents cannot lie: what is made from the code is compared with it, and what the README says to type exists."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest
from jsonschema import Draft202012Validator

from cli import demo_pages
from incidentwire.web.api_docs.merge import operations
from incidentwire.web.api_docs.views import DOCUMENT
from services.classifier.extraction.extract import extract
from services.classifier.labelling.classifier import Classifier

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


GENERATOR = _generator()
PAGES: dict[str, str] = GENERATOR.pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_generated_pages_are_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name], (
        "run `make docs`"
    )


def test_the_openapi_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == GENERATOR.openapi_document(), (
        "run `make docs`"
    )


def test_examples_in_the_openapi_document_fit_their_schemas() -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    checked = 0
    for operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            content = body.get("content", {}).get("application/json", {})
            if "example" in content:
                checked += 1
                schema = content["schema"] | {"components": document["components"]}
                Draft202012Validator(schema).validate(content["example"])
    assert checked > 10


def test_every_body_that_can_be_tried_has_an_example() -> None:
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    without = {
        operation["operationId"]
        for operation in operations(document)
        if "requestBody" in operation
        and "example" not in operation["requestBody"]["content"]["application/json"]
    }
    assert without == set()


def test_no_schema_is_left_behind() -> None:
    there = {f"schemas/{path.name}" for path in (ROOT / "docs" / "schemas").iterdir()}
    assert there == {name for name in PAGES if name.startswith("schemas/")}


def test_the_readme_shows_the_scores_that_the_demo_prints() -> None:
    article = demo_pages.articles(None)[0]
    page = extract(
        demo_pages.page(article),
        media_type="text/html",
        charset="utf-8",
        url="https://courier.example/7",
    )
    found = Classifier.load().classify(page.title or "", page.text)
    shown = " ".join(f"{label} {found.scores[label]:.2f}" for label in found.labels)
    assert f"{article['title']}\n    {shown}\n" in (ROOT / "README.md").read_text()


def test_the_readmes_make_targets_exist() -> None:
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    )
    result = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    assert result
    assert result <= targets


def test_links_between_documents_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(
            r"\]\(([^)#:]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")
        ):
            assert (page.parent / target).exists(), (
                f"{page.relative_to(ROOT)} links to {target}"
            )


def test_files_that_documents_name_exist() -> None:
    parts = "incidentwire|services|cli|tests|compose_tests|benchmarks|tools|deploy"
    named = re.compile(rf"`((?:{parts})/[\w./-]+)`")
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    missing = {
        (str(page.relative_to(ROOT)), path)
        for page in documents
        for path in named.findall(page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    }
    assert missing == set()
