"""Who may see an item's receipt, and whose text of it is used. Pure.

docs/decisions/0014 gives the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence

from incidentwire import events as e
from incidentwire.items import Item, State
from incidentwire.log.recorded_event import RecordedEvent

DAY_MS = 86_400_000
MAX_REQUESTS = 20  # retries and texts for one item by one key in a day


def submitters(history: Sequence[RecordedEvent]) -> set[str]:
    """Return the keys that submitted the item or a text for it."""
    found = set()
    for entry in history:
        event = entry.event
        if isinstance(event, e.ItemSubmitted):
            found.add(event.via)
        elif isinstance(event, e.ItemTextSupplied):
            found.add(event.who)
    return found


def may_use_text(item: Item, history: Sequence[RecordedEvent], who: str) -> bool:
    """Return whether a text that `who` supplies for a known item is used.

    It never displaces a fetched page, the text of another submitter, or one that a
    person has corrected the labels of.
    """
    if item.state in (State.WITHDRAWN, State.ALIASED) or item.corrected:
        return False
    if item.classified and item.fetched and not item.fetched.given:
        return False
    texts = [entry.event for entry in history if entry.type == e.ItemTextSupplied.type]
    return all(isinstance(t, e.ItemTextSupplied) and t.who == who for t in texts)


def is_request_left(history: Sequence[RecordedEvent], who: str, now_ms: float) -> bool:
    """Return whether `who` may ask for the item once more today."""
    made = 0
    for entry in history:
        event = entry.event
        if isinstance(event, e.ItemRetryRequested | e.ItemTextSupplied):
            made += event.who == who and entry.time_ms > now_ms - DAY_MS
    return made < MAX_REQUESTS
