"""What a filter would have sent in the last month, before it is saved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.api.filters.parser import FIELDS, FieldRules, FilterError
from services.api.subscriptions import facts
from services.api.subscriptions.matcher import CompiledFilter
from services.api.subscriptions.model import Scope

PREVIEW_DAYS = 30
PREVIEW_ENTRIES = 5_000  # log entries that a preview reads; older ones are extrapolated
PREVIEW_PAGE = 1_000
PREVIEW_SHOWN = 20

ReadModelQuery = Callable[..., Any]  # runs query(db, *arguments) on the read model


class InvalidSubscription(ValueError):
    """A field of the request is not acceptable; `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a filter would have sent: messages per week, and the latest of them."""

    per_week: float
    days: float
    matched: int
    latest: tuple[facts.EntryFacts, ...]


def preview(
    log: EventLog,
    read: ReadModelQuery,
    text: str,
    scope: Scope,
    rules: FieldRules = FIELDS,
) -> Preview:
    """Return what the filter would have sent in the last 30 days.

    At most PREVIEW_ENTRIES log entries are read; if they reach back less far, the
    rate is that of the days they cover. `read` runs a query on the read model. `rules`
    are those of topics/asked.py for a filter that is not stored yet.
    Raises InvalidSubscription.
    """
    compiled = compile_filter(text, scope, rules)
    now = datetime.now(UTC)
    last = log.last()
    month_ago = log.position_at(now - timedelta(days=PREVIEW_DAYS))
    start = max(month_ago, last - PREVIEW_ENTRIES)
    entries: list[RecordedEvent] = []
    while page := log.after(entries[-1].position if entries else start, PREVIEW_PAGE):
        entries += page
        if page[-1].position >= last:
            break
    matched: list[facts.EntryFacts] = read(accepted, entries, compiled)
    days = float(PREVIEW_DAYS)
    if entries and start > month_ago:
        covered_ms = now.timestamp() * 1000 - entries[0].time_ms
        days = max(covered_ms / 86_400_000, 1 / 24)
    return Preview(
        per_week=7 * len(matched) / days,
        days=days,
        matched=len(matched),
        latest=tuple(reversed(matched[-PREVIEW_SHOWN:])),
    )


def accepted(
    db: sqlite3.Connection, entries: Sequence[RecordedEvent], compiled: CompiledFilter
) -> list[facts.EntryFacts]:
    """Return the entries that a filter accepts, with their facts."""
    former = db.row_factory
    db.row_factory = sqlite3.Row
    try:
        found = (
            facts.read(db, entry, texts=compiled.needs_text)
            for entry in entries
            if compiled.reports(entry.type.partition(":")[0])
        )
        return [each for each in found if compiled.accepts(each)]
    finally:
        db.row_factory = former


def compile_filter(
    text: str, scope: Scope, rules: FieldRules = FIELDS
) -> CompiledFilter:
    """Compile a filter. Raises InvalidSubscription that says where it went wrong."""
    try:
        return CompiledFilter.of(text, scope, rules)
    except FilterError as error:
        raise InvalidSubscription(
            "filter", f"{error.message} (character {error.position + 1})"
        ) from None
