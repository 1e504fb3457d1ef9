"""Every text of the pages exists in Chinese."""

from __future__ import annotations

import ast
import gettext
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import extract_from_ast

import services.api.dashboard
from incidentwire.labels import LABEL_TABLE

FOLDER = Path(services.api.dashboard.__file__).parent
NAMES = ("_", "gettext", "ngettext")


def _texts() -> Iterator[str]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in FOLDER.rglob("*.html"):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        for _, _, found in extract_from_ast(tree, NAMES):
            texts = found if isinstance(found, tuple) else (found,)
            yield from [text for text in texts[:1] if text]
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func) == "_"
            if is_call and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def test_every_text_of_the_pages_is_translated() -> None:
    catalogue = gettext.translation("dashboard", FOLDER / "locale", ["zh"])
    known = {key if isinstance(key, str) else key[0] for key in catalogue._catalog}
    meanings = {one.meaning for one in LABEL_TABLE.values()}
    missing = {*_texts(), *meanings} - known
    assert not missing
