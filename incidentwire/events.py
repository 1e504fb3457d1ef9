"""The facts of the log: one frozen dataclass per type. event_codec.py says how they are stored and read.

No event holds words of a page: titles and texts live in the archive under the digests that events name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Literal

from incidentwire.labels import Evidence, Label, MentionRef


class InFlight(StrEnum):
    """What a type does to its item's place among the items in flight."""

    UNTOUCHED = ""
    ENQUEUES = "asks"  # somebody wants an answer: the item is in flight until an event that ends it
    DELAYS = "waits"  # in flight still, not to be looked at before `next_try`
    COMPLETES = "ends"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact. Subclasses name their stable `type`; `version` counts incompatible shapes of it."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    in_flight: ClassVar[InFlight] = InFlight.UNTOUCHED


# -- items ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ItemSubmitted(Event):
    """Somebody handed in an item. `url` is None for a text without URL; `given_digest` names the archived document
    of title, text, date and language that came along; `canonical_url` is left out where it equals `url`."""

    type = "item.submitted"
    in_flight = InFlight.ENQUEUES
    via: str
    url: str | None = None
    canonical_url: str | None = None
    given_digest: str | None = None
    feed: str | None = None


@dataclass(frozen=True, kw_only=True)
class ItemRetryRequested(Event):
    """Somebody asked for the item to be fetched again."""

    type = "item.retry_requested"
    in_flight = InFlight.ENQUEUES
    who: str


@dataclass(frozen=True, kw_only=True)
class ItemTextSupplied(Event):
    """A submitter handed in the text that goes with a URL; it is used instead of the page."""

    type = "item.text_supplied"
    in_flight = InFlight.ENQUEUES
    who: str
    given_digest: str


@dataclass(frozen=True, kw_only=True)
class ItemReclassifyRequested(Event):
    """The kept text is to be classified again, by the model that is installed then."""

    type = "item.reclassify_requested"
    in_flight = InFlight.ENQUEUES
    who: str


@dataclass(frozen=True, kw_only=True)
class ItemFetched(Event):
    """A revision of the item was kept. Digests are SHA-256 in hex and name what the archive holds under the item:
    the page as it came (None for a text handed in) and the document (title, byline, text). `text_digest` is the
    digest of the text alone, to which evidence offsets refer. `bytes` counts the page after content decoding."""

    type = "item.fetched"
    document_digest: str
    text_digest: str
    words: int
    final_url: str | None = None
    status: int | None = None
    media_type: str | None = None
    bytes: int | None = None
    page_digest: str | None = None
    headers_digest: str | None = None
    site: str | None = None
    published: str | None = None
    language: str | None = None
    completeness: float = 1.0
    given: bool = False
    robots_allowed: bool | None = None


@dataclass(frozen=True, kw_only=True)
class ItemRejected(Event):
    """The item came to an end without labels. `reason` is a stable slug; `detail` never quotes the page."""

    type = "item.rejected"
    in_flight = InFlight.COMPLETES
    reason: str
    detail: str = ""
    retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class ItemDeferred(Event):
    """The item waits for another attempt. `attempt` counts those that failed since it was asked for; `next_try` is
    an RFC 3339 time."""

    type = "item.deferred"
    in_flight = InFlight.DELAYS
    reason: str
    attempt: int
    next_try: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemClassified(Event):
    """The model's judgement of one text. `labels` are the item's effective labels after this event, `labels_before`
    those before it (people's corrections stand over the model's `model_labels`, left out where they agree)."""

    type = "item.classified"
    in_flight = InFlight.COMPLETES
    text_digest: str
    model: str
    scores: Mapping[str, float]
    labels: tuple[Label, ...]
    evidence: Mapping[str, tuple[Evidence, ...]]
    labels_before: tuple[Label, ...] = ()
    model_labels: tuple[Label, ...] | None = None
    review: tuple[str, ...] = ()
    mentions: tuple[MentionRef, ...] = ()
    language: str | None = None
    second_opinion: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class ItemCorrected(Event):
    """A person set the labels; with `withdrawn`, took that back, so that `labels` are the model's again."""

    type = "item.corrected"
    who: str
    labels: tuple[Label, ...]
    labels_before: tuple[Label, ...] = ()
    withdrawn: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemWithdrawn(Event):
    """What was kept of the item is deleted; only the bare fact stays. Nothing can be appended to it any more."""

    type = "item.withdrawn"
    in_flight = InFlight.COMPLETES
    who: str
    why: str = ""
    labels_before: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemExpired(Event):
    """Retention has come for what was kept: `what` is `page` or `all`. The deletion itself is a job."""

    type = "item.expired"
    what: Literal["page", "all"]


@dataclass(frozen=True, kw_only=True)
class ItemAliased(Event):
    """The page says that it stands for another item; both ids resolve to that one."""

    type = "item.aliased"
    in_flight = InFlight.COMPLETES
    into: str
    canonical_url: str | None = None


# -- incidents -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class IncidentOpened(Event):
    type = "incident.opened"
    item: str
    mention: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IncidentItemLinked(Event):
    """`why` holds offsets of what is shared and counts, never words. `who` is None for the linker.

    In the `why` of a mention that joins an incident, `copy` says that it is a copy of a text there, and `retold` that
    one of the two is a part of a longer text and repeats the name that the other is about; `with` names the nearest
    mention there as `<item>#<mention>`, and `spans` lists `[start, end)` of what both say, the most telling first, at
    most 8: code points of the text of the item's newest `item.classified` before. It is left out where that text could
    not be read."""

    type = "incident.item_linked"
    item: str
    mention: str
    score: float = 1.0
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    review: tuple[str, ...] = ()
    why: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentItemUnlinked(Event):
    type = "incident.item_unlinked"
    item: str
    mention: str
    reason: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentMerged(Event):
    """The subject redirects to `into` from now on."""

    type = "incident.merged"
    into: str
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentUnmerged(Event):
    type = "incident.unmerged"
    into: str
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentSplit(Event):
    """The mentions named (`<item>#<mention>`) leave the subject for the new incident `into`; with `undone`, they
    come back."""

    type = "incident.split"
    into: str
    mentions: tuple[str, ...]
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    undone: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentStatusChanged(Event):
    type = "incident.status_changed"
    old: str
    new: str
    labels: tuple[Label, ...] = ()
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentRenamed(Event):
    """A title chosen by a person (it is theirs, not the page's, so it may stand in the log)."""

    type = "incident.renamed"
    new: str
    who: str
    old: str = ""
    labels: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentNoted(Event):
    type = "incident.noted"
    who: str
    note: str
    labels: tuple[Label, ...] = ()


# -- feeds and subscriptions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FeedAdded(Event):
    """`moved_from` is the feed whose publisher sends everybody here for good; None where somebody added it."""

    type = "feed.added"
    url: str
    who: str
    title: str = ""
    moved_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeedRemoved(Event):
    """`moved_to` is the feed at the address to which the publisher redirects for good; None where somebody removed
    it."""

    type = "feed.removed"
    who: str
    moved_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeedFailed(Event):
    """The first failure after a success; further ones in a row show in the feed's state only."""

    type = "feed.failed"
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class SubscriptionCreated(Event):
    type = "subscription.created"
    url: str
    who: str
    types: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SubscriptionDisabled(Event):
    type = "subscription.disabled"
    reason: str
    who: str | None = None


@dataclass(frozen=True, kw_only=True)
class SubscriptionRemoved(Event):
    type = "subscription.removed"
    who: str


def _all_types() -> dict[str, type[Event]]:
    return {cls.type: cls for cls in Event.__subclasses__()}


TYPES: Mapping[str, type[Event]] = _all_types()
