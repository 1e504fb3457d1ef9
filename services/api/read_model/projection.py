"""Folds batches of events into the read model: rows and position in one transaction."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence

from incidentwire.items import Item
from incidentwire.log.cursor import event_digest
from incidentwire.log.recorded_event import RecordedEvent
from services.api.read_model import alias_rows, incident_rows, item_rows, topic_rows
from services.api.read_model.changes import Changes, ItemState, apply, apply_to_item
from services.api.read_model.incident_state import IncidentProjection

REMEMBERED = 20_000  # items whose state is kept between batches, about 5 kB each

Histories = Callable[[Sequence[str]], Sequence[Sequence[RecordedEvent]]]
IncidentsAt = Callable[[int], IncidentProjection]


class Projection:
    """Folds batches into one database.

    `histories` returns the events of subjects, `documents` the documents of (item, digest)
    pairs, None for each that is gone, and `incidents_at` all incidents at a position, to
    fold on from there. `incidents` is what this object wrote last.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        histories: Histories,
        documents: item_rows.Documents,
        incidents_at: IncidentsAt,
    ) -> None:
        self.db = db
        self.histories = histories
        self.documents = documents
        self.incidents_at = incidents_at
        (self.log_id,) = db.execute("SELECT log_id FROM checkpoint").fetchone()
        self.incidents: IncidentProjection | None = None
        self._remembered: OrderedDict[str, ItemState] = OrderedDict()

    def fold(self, batch: Sequence[RecordedEvent]) -> Changes:
        """Fold consecutive events in one transaction.

        Raises UnknownType, and ValueError if the batch does not continue the checkpoint;
        nothing is changed then.
        """
        self.db.execute("BEGIN IMMEDIATE")
        try:
            changes = self._write(batch)
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            self.incidents = None  # they are ahead of the rows now
            raise
        self._remember(changes)
        return changes

    def _write(self, batch: Sequence[RecordedEvent]) -> Changes:
        (position,) = self.db.execute("SELECT position FROM checkpoint").fetchone()
        if batch[0].position != position + 1:
            raise ValueError(
                f"the batch begins at {batch[0].position}, not after {position}"
            )
        incidents = self._incidents_at(position)
        changes = Changes(self._states_before(batch), incidents)
        for entry in batch:
            apply(changes, entry)
        item_rows.write(self.db, changes.changed, self.documents)
        alias_rows.write(self.db, changes.aliases)
        is_redefined = topic_rows.write(self.db, changes)
        incident_rows.write(self.db, changes.incidents)
        if is_redefined:
            topic_rows.write_incidents(self.db)
        last = batch[-1]
        changes.incidents.position = last.position
        self.db.execute(
            "UPDATE checkpoint SET position = ?, event = ?",
            (last.position, event_digest(last)),
        )
        return changes

    def _incidents_at(self, position: int) -> IncidentProjection:
        """Return all incidents at the checkpoint, kept between batches.

        If another process wrote meanwhile, nothing that is remembered holds any more.
        """
        if self.incidents is None or self.incidents.position != position:
            self._remembered.clear()
            self.incidents = self.incidents_at(position)
        return self.incidents

    def _states_before(self, batch: Sequence[RecordedEvent]) -> dict[str, ItemState]:
        """Return the state of every item of the batch before it."""
        names = {entry.subject for entry in batch if entry.type.startswith("item.")}
        states = {}
        unknown = []
        for name in sorted(names):
            state = self._remembered.get(name)
            if state is None:
                unknown.append(name)
            states[name] = state or ItemState(item=Item(id=name))
        existing = self._existing(unknown)
        histories = self.histories(existing) if existing else ()
        for name, history in zip(existing, histories, strict=True):
            for entry in history:
                if entry.position < batch[0].position:
                    states[name] = apply_to_item(states[name], entry)
        return states

    def _existing(self, names: Sequence[str]) -> list[str]:
        marks = ",".join("?" * len(names))
        rows = self.db.execute(f"SELECT id FROM items WHERE id IN ({marks})", names)
        return [name for (name,) in rows]

    def _remember(self, changes: Changes) -> None:
        for name, state in changes.changed.items():
            self._remembered[name] = state
            self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
