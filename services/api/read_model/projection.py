"""A batch of events into the read model: rows and position in one transaction."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Sequence

from incidentwire.items import Item
from incidentwire.log.recorded_event import RecordedEvent
from services.api.read_model import incident_rows, item_rows
from services.api.read_model.changes import Changes, ItemState, apply, apply_to_item
from services.api.read_model.incident_state import IncidentProjection

REMEMBERED = 20_000  # items whose state is kept between batches, about 5 kB each

Histories = Callable[[Sequence[str]], Sequence[Sequence[RecordedEvent]]]
IncidentsAt = Callable[[int], IncidentProjection]


class Projection:
    """Folds batches into one database. `histories` gives subjects' events, `documents` what (item, digest) pairs
    name, None for each that is gone, and `incidents_at` all incidents at a position, to fold on from there."""

    def __init__(
        self,
        db: sqlite3.Connection,
        histories: Histories,
        documents: item_rows.Documents,
        incidents_at: IncidentsAt,
    ) -> None:
        self.db, self.histories, self.documents, self.incidents_at = (
            db,
            histories,
            documents,
            incidents_at,
        )
        (self.log_id,) = db.execute("SELECT log_id FROM checkpoint").fetchone()
        self.incidents: IncidentProjection | None = (
            None  # as they are in the database, where this folder wrote last
        )
        self._remembered: OrderedDict[str, ItemState] = OrderedDict()

    def fold(self, batch: Sequence[RecordedEvent]) -> Changes:
        """Fold consecutive events. Raises UnknownType, having changed nothing, and ValueError where the batch does
        not continue the checkpoint."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            (position,) = self.db.execute("SELECT position FROM checkpoint").fetchone()
            if batch[0].position != position + 1:
                raise ValueError(
                    f"the log goes on at {batch[0].position}, the read model stands at {position}"
                )
            incidents = self._incidents_at(position)
            changes = Changes(self._before(batch), incidents)
            for entry in batch:
                apply(changes, entry)
            item_rows.write(self.db, changes.changed, self.documents)
            incident_rows.write(self.db, changes.incidents)
            changes.incidents.position = batch[-1].position
            self.db.execute("UPDATE checkpoint SET position = ?", (batch[-1].position,))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            self.incidents = None  # they are ahead of the rows now
            raise
        self._remember(changes)
        return changes

    def _incidents_at(self, position: int) -> IncidentProjection:
        """All incidents at the checkpoint: kept from batch to batch, unless somebody else wrote meanwhile."""
        if self.incidents is None or self.incidents.position != position:
            self._remembered.clear()
            self.incidents = self.incidents_at(position)
        return self.incidents

    def _before(self, batch: Sequence[RecordedEvent]) -> dict[str, ItemState]:
        """The standing of every item of the batch, as it was before it."""
        names = {entry.subject for entry in batch if entry.type.startswith("item.")}
        missing = sorted(name for name in names if name not in self._remembered)
        standings = {
            name: self._remembered.get(name) or ItemState(item=Item(id=name))
            for name in names
        }
        known = self._known(missing)
        for name, history in zip(
            known, self.histories(known) if known else (), strict=True
        ):
            for entry in history:
                if entry.position < batch[0].position:
                    standings[name] = apply_to_item(standings[name], entry)
        return standings

    def _known(self, names: Sequence[str]) -> list[str]:
        marks = ",".join("?" * len(names))
        return [
            row[0]
            for row in self.db.execute(
                f"SELECT id FROM items WHERE id IN ({marks})",
                names,
            )
        ]

    def _remember(self, changes: Changes) -> None:
        for name, standing in changes.changed.items():
            self._remembered[name] = standing
            self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
