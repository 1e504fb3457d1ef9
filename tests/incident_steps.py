"""Histories of incidents: the steps of linker and curators, in memory and on a real log."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from incidentwire import events as e
from incidentwire.incidents import decisions
from incidentwire.incidents.decisions import CommandRejected, NewEvents
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import Label, MentionRef
from incidentwire.log.event_log import EventLog, Withdrawn
from tests.harness import Harness

LEAK: Label = "data_leak"
FAKE: Label = "deepfake"
LAW: Label = "regulation"


def classified(*mentions: MentionRef) -> e.ItemClassified:
    """Return the classification of a text with these mentions and their labels."""
    labels = dict.fromkeys(label for one in mentions for label in one.labels)
    return e.ItemClassified(
        text_digest="d",
        model="test",
        scores={},
        labels=tuple(labels),
        evidence={},
        mentions=mentions,
    )


class Steps:
    """Events so far and the state they fold to, as linker and API keep it."""

    def __init__(self) -> None:
        self.facts: NewEvents = []
        self.state = IncidentsState()

    def append(self, *facts: tuple[str, e.Event]) -> None:
        for subject, event in facts:
            self.facts.append((subject, event))
            self.state.apply(subject, event)

    def classify(self, item: str, *mentions: tuple[Label, ...]) -> None:
        """Classify an item; each labelled mention opens an incident of its own."""
        refs = tuple(
            MentionRef(id=f"m{n}", start=n, end=n + 1, labels=labels)
            for n, labels in enumerate(mentions)
        )
        self.append((item, classified(*refs)))
        self.settle(item)

    def correct(self, item: str, *labels: Label, withdrawn: bool = False) -> None:
        self.append(
            (item, e.ItemCorrected(who="ann", labels=labels, withdrawn=withdrawn))
        )
        self.settle(item)

    def settle(self, item: str, into: str | None = None) -> None:
        facts, homeless = decisions.reconcile(self.state, item)
        self.append(*facts)
        for key in homeless:
            name, _, mention = key.rpartition("#")
            known = into in self.state.by_id and into not in self.state.cannot_link_for(
                key
            )
            allowed = into if known else None
            self.append(*decisions.assign(self.state, name, mention, allowed))

    def join(self, item: str, incident: str) -> None:
        """Classify an item whose one mention joins an incident."""
        ref = MentionRef(id="m0", start=0, end=1, labels=(LEAK,))
        self.append((item, classified(ref)))
        self.settle(item, incident)


class RecordedSteps(Steps):
    """Steps that are appended to a real event log too."""

    def __init__(self, log: EventLog) -> None:
        super().__init__()
        self.log = log

    def append(self, *facts: tuple[str, e.Event]) -> None:
        for subject, event in facts:
            try:
                self.log.append(subject, event)
            except Withdrawn:
                return
            super().append((subject, event))


def incident_tables(harness: Harness) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the read model's incident tables."""
    db = sqlite3.connect(harness.settings.read_model)
    try:
        return {
            name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("incidents", "memberships")
        }
    finally:
        db.close()


ITEMS = [f"i{n}" for n in range(6)]
STEP = st.tuples(
    st.sampled_from(
        [
            "link",
            "relabel",
            "withdraw",
            "move",
            "merge",
            "unmerge",
            "split",
            "unsplit",
            "status",
        ]
    ),
    st.integers(0, 99),
    st.integers(0, 99),
)


def take(log: Steps, step: tuple[str, int, int]) -> None:
    """Apply one random step; a refused command changes nothing."""
    kind, n, m = step
    ids = list(log.state.by_id)
    keys = list(log.state.links)
    pick = ids[n % len(ids)] if ids else "n_none"
    other = ids[m % len(ids)] if ids else "n_none"
    item = ITEMS[n % len(ITEMS)]
    if kind == "link":
        if item not in log.state.items:
            log.join(item, other)
        return
    if kind == "relabel":
        log.correct(item, *((LEAK,) if m % 2 else ()), withdrawn=m % 3 == 0)
        return
    if kind == "withdraw":
        if m % 4 == 0:
            log.append((item, e.ItemWithdrawn(who="ann")))
            log.settle(item)
        return
    state = log.state
    commands: dict[str, Callable[[], NewEvents]] = {
        "move": lambda: decisions.move(
            state, keys[n % len(keys)] if keys else "", other, "ann"
        ),
        "merge": lambda: decisions.merge(state, pick, other, "ann"),
        "unmerge": lambda: decisions.unmerge(state, pick, "ann"),
        "split": lambda: decisions.split(state, pick, keys[m % 5 : n % 5 + 2], "ann"),
        "unsplit": lambda: decisions.unsplit(state, pick, "ann"),
        "status": lambda: decisions.change_status(
            state, pick, ["open", "resolved"][m % 2], "ann"
        ),
    }
    with contextlib.suppress(CommandRejected):
        log.append(*commands[kind]())
