"""The content of deliveries: webhook payloads, chat messages and mails. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from incidentwire.labels import plain_name
from incidentwire.log.cloudevents import envelope
from services.api.subscriptions.facts import EntryFacts, Subject
from services.api.subscriptions.mail import Mail
from services.api.subscriptions.model import Subscription

MAX_EVENTS_PER_MAIL = 500
MAX_LINES_PER_SUBJECT = 20
MAX_QUOTES = 3
MAX_QUOTE_CHARS = 400


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One entry of the log as a message has it: its facts, and quotes from its reports."""

    found: EntryFacts
    quotes: tuple[tuple[str, str], ...] = ()  # (label, quoted passage)


def describe(found: EntryFacts) -> str:
    """Return the change as a sentence."""
    data = json.loads(found.entry.data)
    match found.type:
        case "incident.opened":
            return "New incident."
        case "incident.item_linked":
            return "Another report was added."
        case "incident.item_unlinked":
            return "A report was removed."
        case "incident.merged":
            return f"Merged into {data.get('into')}."
        case "incident.unmerged":
            return f"No longer merged into {data.get('into')}."
        case "incident.split":
            return f"Reports were split off into {data.get('into')}."
        case "incident.status_changed":
            return f"Status: {data.get('old')} → {data.get('new')}."
        case "incident.renamed":
            return f"Renamed: {data.get('old') or '(no title)'} → {data.get('new')}."
        case "item.corrected":
            return f"Labels corrected: {_change(data)}."
        case "item.withdrawn":
            return "A report was withdrawn; do not use it any more."
        case "item.classified":
            return f"Labelled: {_names(data.get('labels', ())) or 'none'}."
        case name:
            return f"{name}."


def _change(data: Mapping[str, Any]) -> str:
    before = _names(data.get("labels_before", ())) or "none"
    return f"{before} → {_names(data.get('labels', ())) or 'none'}"


def _names(labels: Iterable[str]) -> str:
    return ", ".join(plain_name(label) for label in labels)


def link(base: str, subject: Subject) -> str:
    """Return the address at which a person can open the subject."""
    folder = "incidents" if subject.kind == "incident" else "items"
    return f"{base}/{folder}/{subject.id}"


# -- webhooks ------------------------------------------------------------------------


def payload(
    subscription: Subscription, notification: Notification, log_id: str, base: str
) -> dict[str, Any]:
    """Return the body of a webhook in the subscription's template."""
    if subscription.template in ("slack", "teams"):
        return {"text": _chat_text(notification, base)}
    found = notification.found
    body: dict[str, Any] = {
        "type": found.type,
        "timestamp": found.time,
        "data": {
            "event": envelope(found.entry, log_id),
            found.subject.kind: found.subject.as_json(),
            "summary": describe(found),
            "is_correction": found.is_correction,
            "link": link(base, found.subject),
        },
    }
    return body


def _chat_text(notification: Notification, base: str) -> str:
    found = notification.found
    title = found.subject.title or found.subject.id
    # Slack and Teams read <…> as markup: a title must stay text.
    plain = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    labels = _names(found.subject.labels)
    return "\n".join(
        part
        for part in (plain, labels, describe(found), link(base, found.subject))
        if part
    )


# -- mail ----------------------------------------------------------------------------


def mail(
    subscription: Subscription,
    entries: Sequence[Notification],
    *,
    base: str,
    message_id: str,
    unsubscribe_url: str,
    left: int = 0,
) -> Mail:
    """Return one mail about these entries, grouped by incident, newest group last."""
    groups: dict[str, list[Notification]] = {}
    for notification in entries:
        groups.setdefault(notification.found.subject.id, []).append(notification)
    text: list[str] = []
    markup: list[str] = []
    for group in groups.values():
        text += [*_group_text(group, base), ""]
        markup += _group_html(group, base)
    if left:
        note = f"{left:,} more changes follow in the next mail."
        text += [note, ""]
        markup.append(f"<p>{note}</p>")
    text += [f"You get this because of your subscription “{subscription.name}”."]
    text += [f"Unsubscribe: {unsubscribe_url}"]
    footer = (
        f"<hr><p>You get this because of your subscription “{html.escape(subscription.name)}”."
        f' <a href="{html.escape(unsubscribe_url)}">Unsubscribe</a></p>'
    )
    return Mail(
        to=subscription.target,
        subject=_mail_subject(subscription, groups),
        text="\n".join(text),
        html=f'<!doctype html><html><body style="font-family:sans-serif">{"".join(markup)}{footer}</body></html>',
        message_id=message_id,
        unsubscribe_url=unsubscribe_url,
    )


def _mail_subject(
    subscription: Subscription, groups: Mapping[str, Sequence[Notification]]
) -> str:
    first = next(iter(groups.values()))[0].found
    prefix = "Correction: " if first.is_correction else ""
    title = first.subject.title or first.subject.id
    if len(groups) == 1:
        return f"{prefix}{title}"
    return f"{prefix}{subscription.name}: {title} and {len(groups) - 1} more"


def _group_text(group: Sequence[Notification], base: str) -> list[str]:
    subject = group[-1].found.subject
    lines = [subject.title or subject.id]
    facts = _facts_line(subject)
    if facts:
        lines.append(facts)
    lines += [f"- {change}" for change in _changes(group)]
    for label, quote in _quotes(group):
        lines.append(f"  {_names([label])}: “{quote}”")
    return lines + _links(subject, base)


def _group_html(group: Sequence[Notification], base: str) -> list[str]:
    subject = group[-1].found.subject
    address = html.escape(link(base, subject))
    title = html.escape(subject.title or subject.id)
    changes = "".join(f"<li>{html.escape(change)}</li>" for change in _changes(group))
    quotes = "".join(
        f"<blockquote>{html.escape(quote)} <small>({html.escape(_names([label]))})</small></blockquote>"
        for label, quote in _quotes(group)
    )
    facts = html.escape(_facts_line(subject))
    incidents = "".join(
        f'<p><a href="{html.escape(each)}">{html.escape(each)}</a></p>'
        for each in _links(subject, base)[1:]
    )
    return [
        f'<h3><a href="{address}">{title}</a></h3><p>{facts}</p><ul>{changes}</ul>'
        f"{quotes}{incidents}"
    ]


def _changes(group: Sequence[Notification]) -> list[str]:
    """Return a line per change, and how many are left out."""
    lines = [
        f"{each.found.time[:16].replace('T', ' ')} UTC  {describe(each.found)}"
        for each in group[:MAX_LINES_PER_SUBJECT]
    ]
    if len(group) > MAX_LINES_PER_SUBJECT:
        lines.append(f"and {len(group) - MAX_LINES_PER_SUBJECT} more changes")
    return lines


def _links(subject: Subject, base: str) -> list[str]:
    """Return the address of the subject, then those of the incidents of an item."""
    return [
        link(base, subject),
        *(f"{base}/incidents/{name}" for name in subject.incidents),
    ]


def _facts_line(subject: Subject) -> str:
    days = " to ".join(
        dict.fromkeys(day for day in (subject.first_report, subject.last_report) if day)
    )
    reports = ""
    if subject.kind == "incident" and subject.items:
        reports = (
            f"{subject.items} report{'s' if subject.items != 1 else ''}"
            f" from {subject.sources} source{'s' if subject.sources != 1 else ''}"
        )
    parts = (_names(subject.labels), subject.status, reports, days)
    return "; ".join(part for part in parts if part)


def _quotes(group: Sequence[Notification]) -> list[tuple[str, str]]:
    distinct = dict.fromkeys(
        quote for notification in group for quote in notification.quotes
    )
    return [
        (label, quote[:MAX_QUOTE_CHARS]) for label, quote in list(distinct)[:MAX_QUOTES]
    ]
