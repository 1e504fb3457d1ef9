"""Every text of the pages, and of what subscriptions send, exists in Chinese."""

from __future__ import annotations

import ast
import gettext
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import extract_from_ast

import services.api.dashboard
from incidentwire import events as e
from incidentwire.labels import LABEL_TABLE
from services.api.incidents import explain, narrative

FOLDER = Path(services.api.dashboard.__file__).parent
SENT = FOLDER.parent / "subscriptions"
NAMES = ("_", "gettext", "ngettext")
CALLS = ("_", "texts.gettext", "texts.ngettext", "translate", "_count")


def _texts() -> Iterator[str]:
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for path in FOLDER.rglob("*.html"):
        tree = environment.parse(path.read_text(encoding="utf-8"))
        for _, _, found in extract_from_ast(tree, NAMES):
            texts = found if isinstance(found, tuple) else (found,)
            yield from [text for text in texts[:1] if text]
    for path in (*FOLDER.rglob("*.py"), *SENT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_call = isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS
            if is_call and node.args and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value


def _known() -> set[str]:
    catalogue = gettext.translation("dashboard", FOLDER / "locale", ["zh"])
    return {key if isinstance(key, str) else key[0] for key in catalogue._catalog}


def test_every_text_is_translated() -> None:
    known = _known()
    meanings = {one.meaning for one in LABEL_TABLE.values()}
    missing = {*_texts(), *meanings} - known
    assert not missing


MENTION = {"item": "i_1", "mention": "m0"}
MERGE = {"into": "n_2", "who": "ann"}
ALL_SHARED = e.SharedTerms(names=1, terms=2, amounts=1, dates=2)
MANY_SHARED = e.SharedTerms(names=2, terms=1, amounts=2, dates=1)
REASONS = (
    e.LinkReason(copy=True, retold=True, shared=ALL_SHARED, days=0),
    e.LinkReason(shared=MANY_SHARED, days=1),
    e.LinkReason(nearest="i_2#m0", days=2),
)
EVENTS: tuple[e.Event, ...] = (
    e.IncidentOpened(**MENTION),
    e.IncidentCreated(title="By hand", who="ann"),
    *(e.IncidentItemLinked(**MENTION, who=who, review=review)
      for who in (None, "ann") for review in ((), ("n_2",))),
    e.IncidentItemUnlinked(**MENTION, reason="moved"),
    e.IncidentMerged(**MERGE),
    e.IncidentUnmerged(**MERGE),
    *(e.IncidentSplit(**MERGE, mentions=mentions, undone=undone)
      for mentions in (("m0",), ("m0", "m1")) for undone in (False, True)),
    e.IncidentStatusChanged(old="open", new="confirmed"),
    e.IncidentRenamed(new="New", who="ann"),
    e.IncidentRenamed(new="New", old="Old", who="ann"),
    e.IncidentNoted(note="50 % sure", who="ann"),
)  # fmt: skip


def test_every_sentence_of_a_history_is_translated() -> None:
    asked = set()

    def translate(clause: str) -> str:
        asked.add(clause)
        return clause

    for event in EVENTS:
        narrative.words(event, "n_1", {"i_1": "100 %"}, translate)
    for why in REASONS:
        linked = e.IncidentItemLinked(**MENTION, why=why)
        explain.sentences(linked, {}, ["a passage"], translate)
    placed = e.IncidentItemLinked(**MENTION, who="ann")
    explain.sentences(placed, {}, translate=translate)
    assert len(asked) > 30
    assert not asked - _known()
