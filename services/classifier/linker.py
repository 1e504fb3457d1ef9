"""The process classifier-linker: `python -m services.classifier.linker`.

Assigns every labelled mention to an incident. Decisions are recorded and replayed, never
made again: a changed model or threshold changes no past incident. The linker folds the log
to its head before it decides, its own events included. Each append is idempotent under the
position of the event that it answers and carries the versions of the incidents it touches;
if a second linker or a curator was faster, the linker folds again and decides again.

It starts from its checkpoint (linking/checkpoint.py) and folds the rest of the log. Without
a valid checkpoint it folds the whole log, with the same result.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import replace

from incidentwire import events as e
from incidentwire import items
from incidentwire.archive import Archive
from incidentwire.incidents.concurrency import append_request
from incidentwire.incidents.decisions import (
    NewEvents,
    assign,
    reconcile,
)
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import MentionId
from incidentwire.lifecycle import (
    run_until_shutdown,
    shutdown_event,
    touch_heartbeat,
)
from incidentwire.log.event_log import (
    EventLog,
    VersionConflict,
    Withdrawn,
)
from incidentwire.log.log_position import LogPosition
from incidentwire.log.recorded_event import RecordedEvent
from incidentwire.settings import Settings, from_env
from incidentwire.store import connect_when_ready
from incidentwire.telemetry import configure_logging, event_line
from services.classifier.linking.checkpoint import LinkerCheckpoint
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.linking.fingerprints import FingerprintError
from services.classifier.linking.index import LinkIndex
from services.classifier.linking.linker_state import LinkerState
from services.classifier.linking.merge_rule import Fingerprint, decide, decode
from services.classifier.linking.shared_spans import SharedSpans

WAIT_S = 1.0
FOLDED = e.types_where(
    lambda cls: cls.affects_labels or issubclass(cls, e.IncidentEvent)
)

logger = logging.getLogger(__name__)


class Linker:
    """Folds incidents from the log and appends link decisions to it."""

    def __init__(
        self,
        log: EventLog,
        checkpoint: LinkerCheckpoint | None = None,
        shared_spans: SharedSpans | None = None,
    ) -> None:
        """Start from `checkpoint`, if it fits the log, and write to it.

        `shared_spans` finds the passages that explain a link; without it, links have none.
        """
        self.log = log
        self.checkpoint = checkpoint
        self.shared_spans = shared_spans
        self.log_position = LogPosition(
            log_id=log.id
        )  # the checkpoint verified its own
        loaded = checkpoint.load(log) if checkpoint else None
        self.known = loaded or LinkerState()

    @property
    def position(self) -> int:
        return self.known.position

    @property
    def state(self) -> IncidentsState:
        return self.known.state

    @property
    def index(self) -> LinkIndex:
        return self.known.index

    @classmethod
    def of(cls, settings: Settings) -> Linker:
        """Return a linker as production runs it; wait for a store that is still starting."""
        connection = connect_when_ready(settings.redis_url)
        shared_spans = SharedSpans(
            archive=Archive(settings.archive), key=fingerprint_key(settings, connection)
        )
        checkpoint = LinkerCheckpoint(settings.data_dir.absolute() / "linker")
        return cls(EventLog(connection), checkpoint, shared_spans)

    def catch_up(self) -> None:
        """Fold everything that the log holds now."""
        while batch := self.log.after(self.position):
            self.take(batch)

    def take(self, batch: Iterable[RecordedEvent]) -> None:
        """Fold events in order. Raises codec.UnknownType for one from a newer release."""
        entry = None
        for entry in batch:
            self.known.position = entry.position
            if entry.name in FOLDED:
                self._fold(entry.subject, entry.event, entry.position)
        if entry is not None:
            self.log_position = LogPosition.of(self.log.id, entry)
        if self.checkpoint and self.checkpoint.is_due(self.position):
            self.save()

    def save(self) -> None:
        """Write a checkpoint unless nothing was folded since the last one."""
        if self.checkpoint:
            self.checkpoint.save(self.log, self.known)

    def settle_all(self) -> int:
        """Answer all pending items and return the number of appends."""
        answers = 0
        while self.known.pending_items:
            item = next(iter(self.known.pending_items))
            if not self._answer(item, self.known.pending_items[item]):
                self.known.pending_items.pop(item, None)
                continue
            answers += 1
            self.catch_up()
        return answers

    # -- deciding --------------------------------------------------------------------------------------------------

    def _answer(self, item: str, request_position: int) -> bool:
        """Append the next step that an item needs; return False if it needs none."""
        new_events, unassigned = reconcile(self.state, item)
        if not new_events and unassigned:
            new_events = self._assign(unassigned[0])
        if not new_events:
            return False
        is_leaving = isinstance(new_events[0][1], e.IncidentItemUnlinked)
        step = unassigned[0] if unassigned and not is_leaving else "left"
        request = replace(
            append_request(self.state, self.known.versions.__getitem__, new_events),
            idempotency_key=f"linked:{request_position}:{step}",
            idempotency_scope=item,
        )
        result = self.log.append_many([request])[0]
        if isinstance(result, VersionConflict):
            logger.info(
                event_line("folding again", item_id=item, subject=result.subject)
            )
            return True
        if isinstance(result, Withdrawn):
            return False
        if not result.new and result.last <= self.position:
            # Folded already and still open: the answer of another linker counts.
            return False
        incident, event = new_events[0]
        logger.info(
            event_line(
                event.type.replace(".", " "),
                incident_id=incident,
                item_id=item,
                position=result.last,
            )
        )
        return True

    def _assign(self, key: str) -> NewEvents:
        """Decide to which incident a mention belongs."""
        item, mention = MentionId.parse(key)
        found = self._fingerprint_of(key)
        if found is None:
            return assign(self.state, item, mention, None)
        sibling_incidents = {
            self.state.where(other)
            for other in self.state.mentions_of_item.get(item, ())
            if other != key
        }
        decision = decide(
            found, self.index, self.state.cannot_link_for(key), sibling_incidents
        )
        why = decision.why
        if decision.incident is not None:
            why = self._with_nearest(why, key, found, decision.incident)
        return assign(
            self.state,
            item,
            mention,
            decision.incident,
            score=decision.score,
            review=decision.review,
            why=why,
        )

    def _with_nearest(
        self, why: e.LinkReason, key: str, found: Fingerprint, incident: str
    ) -> e.LinkReason:
        """Add the nearest mention and the passages that both texts share.

        No decision depends on them.
        """
        nearest = self.index.nearest(found, incident, self.state.members(incident))
        other = self._fingerprint_of(nearest) if nearest is not None else None
        if other is None:
            return why
        why = replace(why, nearest=nearest)
        if self.shared_spans is None:
            return why
        item, mention = MentionId.parse(key)
        known = items.fold_all(item, self._history(item))
        spans = self.shared_spans.spans(known, mention, other, self.index.rarity(other))
        return replace(why, spans=tuple(spans))

    # -- folding ---------------------------------------------------------------------------------------------------

    def _fold(self, subject: str, event: e.Event, position: int) -> None:
        before = {key: self._owner(key) for key in self._touched(event)}
        self.state.apply(subject, event)
        if event.affects_labels:
            self.known.pending_items.pop(subject, None)
            self.known.pending_items[subject] = position
            if isinstance(event, e.ItemClassified):
                self._keep_fingerprints(subject, event)
            return
        self.known.versions[subject] += 1
        match event:
            case e.IncidentMerged():
                self.index.merge(subject, event.into)
            case e.IncidentUnmerged():
                self.index.unmerge(subject)
            case _:
                for key, owner in before.items():
                    self._reindex(key, owner)

    def _touched(self, event: e.Event) -> list[str]:
        match event:
            case e.IncidentItemLinked() | e.IncidentItemUnlinked():
                return [str(MentionId(event.item, event.mention))]
            case e.IncidentSplit():
                return list(event.mentions)
            case _:
                return []

    def _owner(self, key: str) -> str | None:
        link = self.state.links.get(key)
        return link.incident if link else None

    def _reindex(self, key: str, before: str | None) -> None:
        now = self._owner(key)
        if now == before:
            return
        found = self._fingerprint_of(key)
        if before is not None:
            self.index.remove(before, key)
        if now is not None and found is not None:
            self.index.add(now, key, found)
        if now is not None:
            self.known.pending_fingerprints.pop(key, None)

    def _keep_fingerprints(self, item: str, event: e.ItemClassified) -> None:
        for mention in event.mentions:
            key = str(MentionId(item, mention.id))
            if key not in self.state.links:
                self.known.pending_fingerprints[key] = mention.fingerprint

    def _fingerprint_of(self, key: str) -> Fingerprint | None:
        """Return the fingerprint of a mention, from the item's history if it is not in memory.

        None if it has none, or one of another version, which is compared with nothing.
        """
        encoded = self.known.pending_fingerprints.get(key)
        if encoded is None:
            item, mention = MentionId.parse(key)
            judged = [
                h.event
                for h in self._history(item)
                if h.type.startswith("item.classified")
            ]
            found = [
                m.fingerprint
                for j in judged
                if isinstance(j, e.ItemClassified)
                for m in j.mentions
                if m.id == mention
            ]
            encoded = found[-1] if found else ""
        try:
            return decode(encoded) if encoded else None
        except FingerprintError:
            return None

    def _history(self, item: str) -> list[RecordedEvent]:
        """Return the item's events up to the linker's position: later ones must not matter."""
        return [
            entry for entry in self.log.history(item) if entry.position <= self.position
        ]


def main() -> None:
    """Link until SIGTERM."""
    settings = from_env()
    configure_logging(settings.log_level, "classifier-linker")
    stopped = shutdown_event()

    def step() -> None:
        follow(Linker.of(settings), stopped, settings.heartbeat_file)

    run_until_shutdown(step, stopped, heartbeat_file=settings.heartbeat_file)


def follow(linker: Linker, stopped: threading.Event, heartbeat_file: str = "") -> None:
    """Link until shutdown, or until the log lost events that the linker has folded."""
    began = linker.position
    linker.catch_up()
    linker.settle_all()
    logger.info(
        event_line(
            "linker ready",
            began=began,
            position=linker.position,
            incidents=len(linker.state.by_id),
        )
    )
    for batch in linker.log.follow(linker.position, wait_s=WAIT_S):
        touch_heartbeat(heartbeat_file)
        if stopped.is_set():
            linker.save()
            return
        if reason := linker.log_position.mismatch(linker.log):
            logger.warning(event_line("linker starts again", why=reason))
            return
        # An append makes the linker fold its own events at once; do not fold them twice.
        linker.take(entry for entry in batch if entry.position > linker.position)
        linker.settle_all()


if __name__ == "__main__":
    main()
