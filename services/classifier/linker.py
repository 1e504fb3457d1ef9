"""The process classifier-linker: `python -m services.classifier.linker`. Puts every labelled mention into an incident.

What was decided is recorded, and a fold replays it without deciding anew: a changed model or threshold changes no past
incident. The state is folded up to the head of the log before anything is decided, so the linker's own events come to
it like everybody's. Each answer to an item's news is one unit of the log, claimed by the position of that news and
carrying the versions of the incidents it touches: a second linker started by mistake, or a person who was faster,
makes it fold again and decide again.

It starts from a snapshot of what it knew (linking/snapshot.py) and folds the rest of the log; without one that fits, it
folds all of it, and knows the same.
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
from services.classifier.linking.decide import Fingerprint, decide, decode
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.linking.fingerprints import FingerprintError
from services.classifier.linking.linker_state import LinkerState
from services.classifier.linking.shared_spans import SharedSpans

WAIT_S = 1.0
FOLDED = e.types_where(
    lambda cls: cls.affects_labels or issubclass(cls, e.IncidentEvent)
)

logger = logging.getLogger(__name__)


class Linker:
    """The incidents as the log has them, and the hand that adds to them."""

    def __init__(
        self,
        log: EventLog,
        snapshots: LinkerCheckpoint | None = None,
        reasons: SharedSpans | None = None,
    ) -> None:
        """`snapshots` is where to start from and what to write to; `reasons` finds which words made a link."""
        self.log, self.snapshots, self.reasons = log, snapshots, reasons
        self.held = LogPosition(log_id=log.id)  # the checkpoint verified its own
        known = (snapshots.load(log) if snapshots else None) or LinkerState()
        self.position, self.state, self.index = known.position, known.state, known.index
        self.versions, self.prints, self.news = known.versions, known.prints, known.news

    @classmethod
    def of(cls, settings: Settings) -> Linker:
        """As production runs it, on a store that may still be starting."""
        connection = connect_when_ready(settings.redis_url)
        reasons = SharedSpans(
            archive=Archive(settings.archive), key=fingerprint_key(settings, connection)
        )
        return cls(
            EventLog(connection),
            LinkerCheckpoint(settings.data_dir.absolute() / "linker"),
            reasons,
        )

    def catch_up(self) -> None:
        """Fold everything that is in the log now."""
        while batch := self.log.after(self.position):
            self.take(batch)

    def take(self, batch: Iterable[RecordedEvent]) -> None:
        """Fold events in their order. Raises event_codec.UnknownType for one that a newer release wrote."""
        entry = None
        for entry in batch:
            self.position = entry.position
            if entry.name in FOLDED:
                self._fold(entry.subject, entry.event, entry.position)
        if entry is not None:
            self.held = LogPosition.of(self.log.id, entry)
        if self.snapshots and self.snapshots.is_due(self.position):
            self.save()

    def save(self) -> None:
        """Write a snapshot, unless nothing was folded since the last one."""
        if self.snapshots:
            self.snapshots.save(self.log, LinkerState(
                position=self.position, state=self.state, index=self.index, versions=self.versions,
                prints=self.prints, news=self.news,
            ))  # fmt: skip

    def settle_all(self) -> int:
        """Answer all news of items; returns how many answers were appended."""
        answers = 0
        while self.news:
            item = next(iter(self.news))
            if not self._answer(item, self.news[item]):
                self.news.pop(item, None)
                continue
            answers += 1
            self.catch_up()
        return answers

    # -- deciding --------------------------------------------------------------------------------------------------

    def _answer(self, item: str, request_position: int) -> bool:
        """Append what follows from the news of an item, one step at a time; False where nothing (more) does."""
        facts, homeless = reconcile(self.state, item)
        if not facts and homeless:
            facts = self._place(homeless[0])
        if not facts:
            return False
        step = f"{request_position}:{homeless[0] if homeless and not self._leaves(facts) else 'left'}"
        unit = replace(
            append_request(self.state, self.versions.__getitem__, facts),
            idempotency_key=f"linked:{step}",
            idempotency_scope=item,
        )
        result = self.log.append_many([unit])[0]
        if isinstance(result, VersionConflict):
            logger.info(
                event_line("folding again", item_id=item, subject=result.subject)
            )
        elif isinstance(result, Withdrawn):
            return False
        elif not result.new and result.last <= self.position:
            return False  # claimed and folded, yet still open: another linker's answer stands
        else:
            said = facts[0][1].type.replace(".", " ")
            logger.info(
                event_line(
                    said, incident_id=facts[0][0], item_id=item, position=result.last
                )
            )
        return True

    def _place(self, key: str) -> NewEvents:
        item, mention = MentionId.parse(key)
        found = self._print_of(key)
        if found is None:
            return assign(self.state, item, mention, None)
        sibling_incidents = {
            self.state.where(other)
            for other in self.state.mentions_of_item.get(item, ())
            if other != key
        }
        said = decide(
            found, self.index, self.state.cannot_link_for(key), sibling_incidents
        )
        why = said.why
        if said.incident is not None:
            why = self._with_nearest(why, key, found, said.incident)
        return assign(
            self.state,
            item,
            mention,
            said.incident,
            score=said.score,
            review=said.review,
            why=why,
        )

    def _with_nearest(
        self, why: e.LinkReason, key: str, found: Fingerprint, incident: str
    ) -> e.LinkReason:
        """Add the nearest mention of the incident, and the passages found in both texts. No decision depends on it."""
        nearest = self.index.nearest(found, incident, self.state.members(incident))
        other = self._print_of(nearest) if nearest is not None else None
        if other is None:
            return why
        why = replace(why, nearest=nearest)
        if self.reasons is None:
            return why
        item, mention = MentionId.parse(key)
        known = items.fold_all(item, self._history(item))
        spans = self.reasons.spans(known, mention, other, self.index.rarity(other))
        return replace(why, spans=tuple(spans))

    @staticmethod
    def _leaves(facts: NewEvents) -> bool:
        return isinstance(facts[0][1], e.IncidentItemUnlinked)

    # -- folding ---------------------------------------------------------------------------------------------------

    def _fold(self, subject: str, event: e.Event, position: int) -> None:
        before = {key: self._owner(key) for key in self._touched(event)}
        self.state.apply(subject, event)
        if event.affects_labels:
            self.news.pop(subject, None)
            self.news[subject] = position
            if isinstance(event, e.ItemClassified):
                self._keep_prints(subject, event)
            return
        self.versions[subject] += 1
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
        found = self._print_of(key)
        if before is not None:
            self.index.remove(before, key)
        if now is not None and found is not None:
            self.index.add(now, key, found)
        if now is not None:
            self.prints.pop(key, None)

    def _keep_prints(self, item: str, event: e.ItemClassified) -> None:
        for mention in event.mentions:
            key = str(MentionId(item, mention.id))
            if key not in self.state.links:
                self.prints[key] = mention.fingerprint

    def _print_of(self, key: str) -> Fingerprint | None:
        """The mention's fingerprint; from the item's history where it is not at hand. None where it has none, or one
        of another version: it is compared with nothing then."""
        encoded = self.prints.get(key)
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
        """The item's events up to where the linker is: what comes later must not change what a fold makes of them."""
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
        if reason := linker.held.mismatch(linker.log):
            logger.warning(event_line("linker starts again", why=reason))
            return
        # what an answer made the linker fold already must not be folded twice
        linker.take(entry for entry in batch if entry.position > linker.position)
        linker.settle_all()


if __name__ == "__main__":
    main()
