"""A filter as a feed: one entry per incident or item, updated when it changes.

The entry's text says what changed, newest first, so that a reader shows corrections too.
What a feed has shown gets a last entry when it is corrected out of the filter or merged.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from incidentwire.log.event_log import EventLog
from incidentwire.log.recorded_event import RecordedEvent
from services.api.atom import add, document, new_feed
from services.api.catalogue import catalogue
from services.api.incidents.reports import Report, report_html, reports
from services.api.subscriptions import messages
from services.api.subscriptions.facts import (
    CORRECTING_TYPES,
    EntryFacts,
    Subject,
)
from services.api.subscriptions.model import Scope, Subscription
from services.api.subscriptions.preview import ReadModelQuery, accepted, compile_filter

ENTRIES = 50
LOG_ENTRIES = 10_000  # how far back a feed looks
PAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class FeedContent:
    """A feed before it has a form. `groups` holds the changes of one subject each, newest
    first; `reports` the items of a subject."""

    id: str
    title: str
    base: str
    log_id: str
    groups: tuple[tuple[EntryFacts, ...], ...]
    language: str = "en"
    reports: Mapping[str, Sequence[Report]] = field(default_factory=dict)


SentAmong = Callable[[set[str]], set[str]]  # those subjects that the feed has shown


def content(
    subscription: Subscription,
    log: EventLog,
    read: ReadModelQuery,
    base: str,
    sent_among: SentAmong,
) -> FeedContent:
    """Return the latest changes that the subscription's filter accepts."""
    compiled = compile_filter(subscription.filter, subscription.scope)
    last = log.last()
    entries: list[RecordedEvent] = []
    position = max(0, last - LOG_ENTRIES)
    while page := log.after(position, PAGE):
        entries += page
        position = page[-1].position
    matched: list[EntryFacts] = read(accepted, entries, compiled)
    matched += _corrections(read, entries, matched, sent_among)
    matched.sort(key=lambda found: found.entry.position)
    groups: dict[str, list[EntryFacts]] = {}
    for found in reversed(matched):
        groups.setdefault(found.subject.id, []).append(found)
    newest = list(groups.values())[:ENTRIES]
    items = {group[0].subject.id: _items(group[0].subject) for group in newest}
    return FeedContent(
        id=subscription.id,
        title=subscription.name,
        base=base,
        log_id=log.id,
        groups=tuple(tuple(group) for group in newest),
        language=subscription.language,
        reports=read(reports, items),
    )


def _corrections(
    read: ReadModelQuery,
    entries: Sequence[RecordedEvent],
    matched: Sequence[EntryFacts],
    sent_among: SentAmong,
) -> list[EntryFacts]:
    """Return what corrects a subject that the feed shows or has shown.

    The filter leaves it out, or the subject was merged and needs an entry of its own.
    """
    known = {found.entry.position for found in matched}
    shown = {found.subject.id for found in matched}
    rest = [
        entry
        for entry in entries
        if entry.type.partition(":")[0] in CORRECTING_TYPES
        and entry.position not in known
    ]
    every = compile_filter("", Scope.UPDATES)
    left_out = [found for found in read(accepted, rest, every) if found.is_correction]
    merged = [found for found in matched if found.is_correction and _is_merged(found)]
    named = {name for found in (*left_out, *merged) for name in found.related}
    shown |= sent_among(named)
    return [
        _as_itself(found) if found.entry.subject in shown else found
        for found in left_out
        if shown.intersection(found.related)
    ] + [_as_itself(found) for found in merged if found.entry.subject in shown]


def _is_merged(found: EntryFacts) -> bool:
    """Return whether the subject of the event redirects to another one."""
    return found.subject.id != found.entry.subject


def _as_itself(found: EntryFacts) -> EntryFacts:
    """Return the change with a merged incident as its subject, not the one it is in."""
    if not _is_merged(found):
        return found
    subject = replace(found.subject, id=found.entry.subject, item_ids=())
    return replace(found, subject=subject)


def atom(found: FeedContent) -> bytes:
    """Return the feed as Atom (RFC 4287)."""
    newest = found.groups[0][0].time if found.groups else "1970-01-01T00:00:00Z"
    feed_id = f"urn:incidentwire:{found.log_id}:{found.id}"
    root = new_feed(feed_id, _plain(found.title), newest)
    for group in found.groups:
        subject = group[0].subject
        entry = add(root, "entry")
        add(entry, "id", f"urn:incidentwire:{found.log_id}:{subject.id}")
        add(entry, "title", _plain(subject.title or subject.id))
        add(entry, "updated", group[0].time)
        add(entry, "link", rel="alternate", href=messages.link(found.base, subject))
        for label in subject.labels:
            add(entry, "category", term=label)
        body = add(entry, "content", _plain(_html(found, group)))
        body.set("type", "html")
    return document(root)


def json_feed(found: FeedContent) -> bytes:
    """Return the feed as JSON Feed 1.1."""
    items = [
        {
            "id": f"urn:incidentwire:{found.log_id}:{group[0].subject.id}",
            "url": messages.link(found.base, group[0].subject),
            "title": _plain(group[0].subject.title or group[0].subject.id),
            "content_html": _html(found, group),
            "date_modified": group[0].time,
            "date_published": group[-1].time,
            "tags": list(group[0].subject.labels),
        }
        for group in found.groups
    ]
    body = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": _plain(found.title),
        "items": items,
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _items(subject: Subject) -> Sequence[str]:
    return subject.item_ids if subject.kind == "incident" else (subject.id,)


def _html(found: FeedContent, group: tuple[EntryFacts, ...]) -> str:
    """Return what changed, then the quotes and sources, and the incidents of an item."""
    subject = group[0].subject
    texts = catalogue(found.language)
    changes = "".join(
        f"<li>{each.time[:16].replace('T', ' ')} UTC: {html.escape(messages.describe(each, texts))}</li>"
        for each in group[: messages.MAX_LINES_PER_SUBJECT]
    )
    incidents = "".join(
        f'<li><a href="{html.escape(found.base)}/incidents/{name}">{name}</a></li>'
        for name in subject.incidents
    )
    return (
        f"<ul>{changes}</ul>"
        + report_html(found.reports.get(subject.id, ()), found.base)
        + (f"<ul>{incidents}</ul>" if incidents else "")
    )


def _plain(text: str) -> str:
    """XML 1.0 has no control characters; none belongs in a title either."""
    return "".join(c for c in text if c >= " " and c not in "\ufffe\uffff")
