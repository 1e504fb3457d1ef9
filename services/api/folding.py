"""A batch of events into the read model: rows and position in one transaction."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile

from incidentwire.items import Item
from incidentwire.log import Recorded
from services.api import incident_rows, rows
from services.api.fold import Changes, Standing, advance, change
from services.api.incident_folding import Happenings

REMEMBERED = 20_000  # items whose state is kept between batches, about 5 kB each

Histories = Callable[[Sequence[str]], Sequence[Sequence[Recorded]]]
Past = Callable[[], Iterable[Recorded]]


class Folder:
    """Folds batches into one database. `histories` gives subjects' events, `documents` what (item, digest) pairs
    name, None for each that is gone, and `past` the log from its beginning."""

    def __init__(self, db: sqlite3.Connection, histories: Histories, documents: rows.Documents, past: Past) -> None:
        self.db, self.histories, self.documents, self.past = db, histories, documents, past
        self._happenings: Happenings | None = None
        self._remembered: OrderedDict[str, Standing] = OrderedDict()

    def fold(self, batch: Sequence[Recorded]) -> Changes:
        """Fold consecutive events. Raises UnknownType, having changed nothing, and ValueError where the batch does
        not continue the checkpoint."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            (position,) = self.db.execute("SELECT position FROM checkpoint").fetchone()
            if batch[0].position != position + 1:
                raise ValueError(f"the log goes on at {batch[0].position}, the read model stands at {position}")
            changes = Changes(self._before(batch), self._incidents_at(position))
            for entry in batch:
                change(entry.type)(changes, entry)
            rows.write(self.db, changes.changed, self.documents)
            incident_rows.write(self.db, changes.happenings)
            self.db.execute("UPDATE checkpoint SET position = ?", (batch[-1].position,))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            self._happenings = None  # they are ahead of the rows now
            raise
        self._remember(changes)
        return changes

    def _incidents_at(self, position: int) -> Happenings:
        """All incidents at the checkpoint: kept from batch to batch, folded from the log once."""
        if self._happenings is None:
            self._happenings = Happenings()
            if position:
                self._happenings.fold(takewhile(lambda entry: entry.position <= position, self.past()))
            self._happenings.clear()
        return self._happenings

    def _before(self, batch: Sequence[Recorded]) -> dict[str, Standing]:
        """The standing of every item of the batch, as it was before it."""
        names = {entry.subject for entry in batch if entry.type.startswith("item.")}
        missing = sorted(name for name in names if name not in self._remembered)
        standings = {name: self._remembered.get(name) or Standing(item=Item(id=name)) for name in names}
        known = self._known(missing)
        for name, history in zip(known, self.histories(known) if known else (), strict=True):
            for entry in history:
                if entry.position < batch[0].position:
                    standings[name] = advance(standings[name], entry)
        return standings

    def _known(self, names: Sequence[str]) -> list[str]:
        marks = ",".join("?" * len(names))
        return [row[0] for row in self.db.execute(f"SELECT id FROM items WHERE id IN ({marks})", names)]  # noqa: S608

    def _remember(self, changes: Changes) -> None:
        for name, standing in changes.changed.items():
            self._remembered[name] = standing
            self._remembered.move_to_end(name)
        while len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
