"""The event types of the log, one frozen dataclass each.

What a type does (changes labels, changes the archive, seals its subject, moves the item in
or out of flight) is a class attribute; every list of types is derived with `types_where`.
log/codec.py defines the stored form.

No event holds words of a page: titles and texts live in the archive, and events name them
by digest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Literal

from incidentwire.labels import Evidence, Label, MentionRef


class InFlight(StrEnum):
    """The effect of an event type on its item's entry in the in-flight set."""

    UNTOUCHED = ""
    ENQUEUES = "asks"  # opens a request: in flight until an event that completes it
    DELAYS = "waits"  # still in flight, not due before `next_try`
    COMPLETES = "ends"


class ArchiveEffect(StrEnum):
    """The effect of an event type on the stored revisions of its item."""

    UNTOUCHED = ""
    ADDS = "adds"
    DELETES = "deletes"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A recorded fact. `type` is stable; `version` counts incompatible shapes of it."""

    type: ClassVar[str]
    version: ClassVar[int] = 1
    in_flight: ClassVar[InFlight] = InFlight.UNTOUCHED
    affects_labels: ClassVar[bool] = False  # which labels of the item count
    affects_archive: ClassVar[ArchiveEffect] = ArchiveEffect.UNTOUCHED
    seals: ClassVar[bool] = False  # nothing can be appended to the subject any more


class ItemEvent(Event):
    """An event whose subject is an item."""


class IncidentEvent(Event):
    """An event whose subject is an incident."""

    @property
    def by_person(self) -> bool:
        """Return whether a curator, not the linker, caused the event."""
        return bool(getattr(self, "who", None))


class FeedEvent(Event):
    """An event whose subject is a feed."""


class SubscriptionEvent(Event):
    """An event whose subject is a subscription."""


class EntityEvent(Event):
    """An event whose subject is a spelling of an entity's name."""


class TopicEvent(Event):
    """An event whose subject is a topic, a named filter."""


# -- items ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ItemSubmitted(ItemEvent):
    """An item was submitted. `url` is null for a text without a URL. `given_digest` names the archived document of the
    submitted title, text, date and language. `canonical_url` is omitted if it equals `url`."""

    type = "item.submitted"
    in_flight = InFlight.ENQUEUES
    via: str
    url: str | None = None
    canonical_url: str | None = None
    given_digest: str | None = None
    feed: str | None = None


@dataclass(frozen=True, kw_only=True)
class ItemRetryRequested(ItemEvent):
    """A new fetch of the item was requested."""

    type = "item.retry_requested"
    in_flight = InFlight.ENQUEUES
    who: str


@dataclass(frozen=True, kw_only=True)
class ItemTextSupplied(ItemEvent):
    """A submitter supplied the text of a URL. It is used instead of the page."""

    type = "item.text_supplied"
    in_flight = InFlight.ENQUEUES
    who: str
    given_digest: str


@dataclass(frozen=True, kw_only=True)
class ItemReclassifyRequested(ItemEvent):
    """A new classification of the stored text, by the model installed at that time, was requested."""

    type = "item.reclassify_requested"
    in_flight = InFlight.ENQUEUES
    who: str


@dataclass(frozen=True, kw_only=True)
class ItemFetched(ItemEvent):
    """A revision of the item was stored. Digests are SHA-256 in hex and name archive objects of the item: the page as
    received (null for a supplied text) and the document (title, byline, text). `text_digest` is the digest of the text
    alone, to which evidence offsets refer. `bytes` is the size of the page after content decoding."""

    type = "item.fetched"
    affects_archive = ArchiveEffect.ADDS
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
class ItemRejected(ItemEvent):
    """Processing of the item ended without labels. `reason` is a stable slug. `detail` never quotes the page."""

    type = "item.rejected"
    in_flight = InFlight.COMPLETES
    reason: str
    detail: str = ""
    retryable: bool = False


@dataclass(frozen=True, kw_only=True)
class ItemDeferred(ItemEvent):
    """The item waits for another attempt. `attempt` counts failed attempts since the request. `next_try` is an
    RFC 3339 time."""

    type = "item.deferred"
    in_flight = InFlight.DELAYS
    reason: str
    attempt: int
    next_try: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemClassified(ItemEvent):
    """The model classified one text. `labels` are the item's effective labels after this event, `labels_before` those
    before it. A curator's correction takes precedence over `model_labels`, which are omitted if both agree."""

    type = "item.classified"
    in_flight = InFlight.COMPLETES
    affects_labels = True
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
class ItemCorrected(ItemEvent):
    """A curator set the labels. With `withdrawn`, the correction was revoked and `labels` are the model's again."""

    type = "item.corrected"
    affects_labels = True
    who: str
    labels: tuple[Label, ...]
    labels_before: tuple[Label, ...] = ()
    withdrawn: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class ItemReviewed(ItemEvent):
    """A curator looked at a doubt and left everything as it is. `about` is "labels", or the mention whose link is in
    doubt; with `withdrawn`, the doubt waits for a decision again."""

    type = "item.reviewed"
    who: str
    about: str = "labels"
    withdrawn: bool = False


@dataclass(frozen=True, kw_only=True)
class ItemWithdrawn(ItemEvent):
    """The item was withdrawn: stored content is deleted, and nothing can be appended to the item any more."""

    type = "item.withdrawn"
    in_flight = InFlight.COMPLETES
    affects_labels = True
    affects_archive = ArchiveEffect.DELETES
    seals = True
    who: str
    why: str = ""
    labels_before: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ItemExpired(ItemEvent):
    """The retention period of stored content ended. `what` is `page` or `all`. Deletion follows asynchronously."""

    type = "item.expired"
    affects_archive = ArchiveEffect.DELETES
    what: Literal["page", "all"]


@dataclass(frozen=True, kw_only=True)
class ItemAliased(ItemEvent):
    """The page names another item as its canonical version. Both ids resolve to that item."""

    type = "item.aliased"
    in_flight = InFlight.COMPLETES
    affects_labels = True
    into: str
    canonical_url: str | None = None


# -- incidents -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SharedTerms:
    """Counts of terms that two mentions share, by kind."""

    names: int = 0
    terms: int = 0
    amounts: int = 0
    dates: int = 0


@dataclass(frozen=True, kw_only=True)
class LinkReason:
    """Why the linker placed a mention: counts and offsets, never words.

    `score` is 0 to 1, `days` the time between the mention and the nearest one, which
    `nearest` (stored as `with`) names as `<item>#<mention>`. `copy` marks a copy of a text
    in the incident. `retold` marks an excerpt, or a text with an excerpt, that repeats the
    lead name of the other one. `spans` lists at most 8 passages `[start, end)` found in
    both, most telling first, in code points of the text of the item's newest
    `item.classified` before this event; it is omitted if that text could not be read.
    """

    score: float | None = None
    shared: SharedTerms | None = None
    days: int | None = None
    copy: bool = False
    retold: bool = False
    nearest: str | None = dataclasses.field(default=None, metadata={"stored": "with"})
    spans: tuple[Evidence, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IncidentOpened(IncidentEvent):
    """A mention opened a new incident."""

    type = "incident.opened"
    item: str
    mention: str
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IncidentCreated(IncidentEvent):
    """A curator opened an incident before any item reports it. The title is their own text. `same_as` names the records
    of other databases about it."""

    type = "incident.created"
    title: str
    who: str
    same_as: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentItemLinked(IncidentEvent):
    """A mention joined the incident. `who` is null for the linker; `why` then gives its reason: counts of shared terms,
    `days` apart, `copy` for a copy of a text in the incident, `retold` for an excerpt that repeats the lead name of
    another text, the nearest mention there (`with`, as `<item>#<mention>`), and `spans`, at most 8 passages
    `[start, end)` found in both, most telling first: code points of the text of the item's newest `item.classified`
    before. `spans` is omitted if that text could not be read."""

    type = "incident.item_linked"
    item: str
    mention: str
    score: float = 1.0
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    review: tuple[str, ...] = ()
    why: LinkReason = LinkReason()
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentItemUnlinked(IncidentEvent):
    """A mention left the incident. `who` is null for the linker."""

    type = "incident.item_unlinked"
    item: str
    mention: str
    reason: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentMerged(IncidentEvent):
    """The subject was merged: its id redirects to `into`."""

    type = "incident.merged"
    into: str
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentUnmerged(IncidentEvent):
    """The merge of the subject into `into` was undone."""

    type = "incident.unmerged"
    into: str
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentSplit(IncidentEvent):
    """The named mentions (`<item>#<mention>`) left the subject for the new incident `into`. With `undone`, they
    returned."""

    type = "incident.split"
    into: str
    mentions: tuple[str, ...]
    who: str
    labels: tuple[Label, ...] = ()
    labels_before: tuple[Label, ...] = ()
    undone: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentStatusChanged(IncidentEvent):
    """The status changed. `who` is null if it followed from the mentions alone."""

    type = "incident.status_changed"
    old: str
    new: str
    labels: tuple[Label, ...] = ()
    who: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentRenamed(IncidentEvent):
    """A curator chose a title. It is their own text, not the page's, and may therefore appear in the log."""

    type = "incident.renamed"
    new: str
    who: str
    old: str = ""
    labels: tuple[Label, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class IncidentNoted(IncidentEvent):
    """A curator added a note."""

    type = "incident.noted"
    who: str
    note: str
    labels: tuple[Label, ...] = ()


# -- entities ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class EntityAliased(EntityEvent):
    """A curator declared that `alias` is another spelling of `name`. Both are the curator's own text."""

    type = "entity.aliased"
    alias: str
    name: str
    who: str
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class EntityAliasRemoved(EntityEvent):
    """A curator took back that `alias` is another spelling of `name`."""

    type = "entity.alias_removed"
    alias: str
    name: str
    who: str
    note: str = ""


# -- topics --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TopicDefined(TopicEvent):
    """A curator defined a topic, or defined it anew: the items that `filter` matches. Name, description and filter are
    the curator's own text."""

    type = "topic.defined"
    name: str
    filter: str
    colour: str
    who: str
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class TopicRemoved(TopicEvent):
    """A curator removed a topic."""

    type = "topic.removed"
    name: str
    who: str


# -- feeds and subscriptions ---------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class FeedAdded(FeedEvent):
    """A feed was added. `moved_from` is the feed that redirects here permanently, null if a person added it."""

    type = "feed.added"
    url: str
    who: str
    title: str = ""
    moved_from: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeedRemoved(FeedEvent):
    """A feed was removed. `moved_to` is the feed to which its publisher redirects permanently, null if a person removed
    it."""

    type = "feed.removed"
    who: str
    moved_to: str | None = None


@dataclass(frozen=True, kw_only=True)
class FeedFailed(FeedEvent):
    """A poll failed after a success. Further failures in a row are visible in the feed's state only."""

    type = "feed.failed"
    reason: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class FeedSilent(FeedEvent):
    """A feed that answers has yielded nothing: no usable entry (`reason` is `empty`), or no new one for longer than
    ever before (`quiet`). `since` is the time of its last new entry; `longest_pause_s` is the longest pause before."""

    type = "feed.silent"
    reason: str
    since: str | None = None
    longest_pause_s: int = 0


@dataclass(frozen=True, kw_only=True)
class SubscriptionCreated(SubscriptionEvent):
    type = "subscription.created"
    who: str
    url: str = ""
    channel: str = ""
    types: tuple[str, ...] = ()
    labels: tuple[Label, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SubscriptionDisabled(SubscriptionEvent):
    type = "subscription.disabled"
    reason: str
    who: str | None = None


@dataclass(frozen=True, kw_only=True)
class SubscriptionRemoved(SubscriptionEvent):
    type = "subscription.removed"
    who: str


def _concrete(cls: type[Event]) -> Iterator[type[Event]]:
    for subclass in cls.__subclasses__():
        if "type" in vars(subclass):
            yield subclass
        yield from _concrete(subclass)


TYPES: Mapping[str, type[Event]] = {cls.type: cls for cls in _concrete(Event)}


def types_where(condition: Callable[[type[Event]], bool]) -> frozenset[str]:
    """Return the names of the event types whose class meets the condition."""
    return frozenset(name for name, cls in TYPES.items() if condition(cls))


def base_type(stored_type: str) -> str:
    """Return a stored type without its version."""
    return stored_type.partition(":")[0]
