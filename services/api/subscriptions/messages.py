"""The content of deliveries: webhook payloads, chat messages and mails. Pure."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from typing import Any

from incidentwire.labels import plain_name
from incidentwire.log.cloudevents import envelope
from services.api.catalogue import ENGLISH, catalogue
from services.api.subscriptions.facts import EntryFacts, Subject
from services.api.subscriptions.mail import Mail, as_html
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


def describe(found: EntryFacts, texts: NullTranslations = ENGLISH) -> str:
    """Return the change as a sentence of a language."""
    _ = texts.gettext
    data: dict[str, Any] = json.loads(found.entry.data)
    match found.type:
        case "incident.opened":
            return _("New incident.")
        case "incident.created":
            return _("New incident, opened by hand.")
        case "incident.noted":
            return _("Note: %(note)s") % data
        case "incident.item_linked":
            return _("Another report was added.")
        case "incident.item_unlinked":
            return _("A report was removed.")
        case "incident.merged":
            return _("Merged into %(into)s.") % data
        case "incident.unmerged":
            return _("No longer merged into %(into)s.") % data
        case "incident.split":
            return _("Reports were split off into %(into)s.") % data
        case "incident.status_changed":
            statuses = {name: _(data[name]) for name in ("old", "new")}
            return _("Status: %(old)s → %(new)s.") % statuses
        case "incident.renamed":
            old = data.get("old") or _("(no title)")
            return _("Renamed: %(old)s → %(new)s.") % {**data, "old": old}
        case "item.corrected":
            return _("Labels corrected: %(before)s → %(now)s.") % {
                "before": _names(data.get("labels_before", ()), texts) or _("none"),
                "now": _names(data.get("labels", ()), texts) or _("none"),
            }
        case "item.withdrawn":
            return _("A report was withdrawn; do not use it any more.")
        case "item.classified":
            labels = _names(data.get("labels", ()), texts) or _("none")
            return _("Labelled: %(labels)s.") % {"labels": labels}
        case name:
            return f"{name}."


def _names(labels: Iterable[str], texts: NullTranslations) -> str:
    comma = texts.pgettext("list", ", ")
    return comma.join(texts.gettext(plain_name(label)) for label in labels)


def link(base: str, subject: Subject) -> str:
    """Return the address at which a person can open the subject."""
    folder = "incidents" if subject.kind == "incident" else "items"
    return f"{base}/{folder}/{subject.id}"


# -- webhooks ------------------------------------------------------------------------


def payload(
    subscription: Subscription, notification: Notification, log_id: str, base: str
) -> dict[str, Any]:
    """Return the body of a webhook in the subscription's template."""
    texts = catalogue(subscription.language)
    if subscription.template in ("slack", "teams"):
        return {"text": _chat_text(notification, base, texts)}
    found = notification.found
    body: dict[str, Any] = {
        "type": found.type,
        "timestamp": found.time,
        "data": {
            "event": envelope(found.entry, log_id),
            found.subject.kind: found.subject.as_json(),
            "summary": describe(found, texts),
            "is_correction": found.is_correction,
            "link": link(base, found.subject),
        },
    }
    return body


def _chat_text(notification: Notification, base: str, texts: NullTranslations) -> str:
    found = notification.found
    title = found.subject.title or found.subject.id
    # Slack and Teams read <…> as markup: a title must stay text.
    plain = title.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    labels = _names(found.subject.labels, texts)
    return "\n".join(
        part
        for part in (plain, labels, describe(found, texts), link(base, found.subject))
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
    texts = catalogue(subscription.language)
    groups: dict[str, list[Notification]] = {}
    for notification in entries:
        groups.setdefault(notification.found.subject.id, []).append(notification)
    text: list[str] = []
    markup: list[str] = []
    for group in groups.values():
        shown = _shown(group, base, texts)
        text += [*shown.as_text(), ""]
        markup.append(shown.as_html())
    if left:
        note = texts.ngettext(
            "%(num)s more change follows in the next mail.",
            "%(num)s more changes follow in the next mail.",
            left,
        ) % {"num": f"{left:,}"}
        text += [note, ""]
        markup.append(f"<p>{note}</p>")
    why = texts.gettext("You get this because of your subscription “%(name)s”.") % {
        "name": subscription.name
    }
    end = texts.gettext("Unsubscribe")
    text += [why, f"{end}: {unsubscribe_url}"]
    footer = (
        f"<hr><p>{html.escape(why)}"
        f' <a href="{html.escape(unsubscribe_url)}">{html.escape(end)}</a></p>'
    )
    return Mail(
        to=subscription.target,
        subject=_mail_subject(subscription, groups, texts),
        text="\n".join(text),
        html=f'<!doctype html><html lang="{subscription.language}"><body'
        f' style="font-family:sans-serif">{"".join(markup)}{footer}</body></html>',
        message_id=message_id,
        unsubscribe_url=unsubscribe_url,
    )


def _mail_subject(
    subscription: Subscription,
    groups: Mapping[str, Sequence[Notification]],
    texts: NullTranslations,
) -> str:
    first = next(iter(groups.values()))[0].found
    subject = first.subject.title or first.subject.id
    if len(groups) > 1:
        subject = texts.gettext("%(name)s: %(title)s and %(num)s more") % {
            "name": subscription.name,
            "title": subject,
            "num": len(groups) - 1,
        }
    if not first.is_correction:
        return subject
    return texts.gettext("Correction: %(subject)s") % {"subject": subject}


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a mail says about one subject, before it is plain text or HTML."""

    title: str
    facts: str
    changes: Sequence[str]
    quotes: Sequence[tuple[str, str]]  # (names of the label, quoted passage)
    links: Sequence[str]

    def as_text(self) -> list[str]:
        facts = [self.facts] if self.facts else []
        changes = [f"- {change}" for change in self.changes]
        quotes = [f"  {label}: “{quote}”" for label, quote in self.quotes]
        return [self.title, *facts, *changes, *quotes, *self.links]

    def as_html(self) -> str:
        address, *others = map(html.escape, self.links)
        changes = "".join(f"<li>{html.escape(change)}</li>" for change in self.changes)
        quotes = "".join(
            f"<blockquote>{html.escape(quote)} <small>({html.escape(label)})</small></blockquote>"
            for label, quote in self.quotes
        )
        incidents = "".join(f'<p><a href="{each}">{each}</a></p>' for each in others)
        return (
            f'<h3><a href="{address}">{html.escape(self.title)}</a></h3>'
            f"<p>{html.escape(self.facts)}</p><ul>{changes}</ul>{quotes}{incidents}"
        )


def _shown(group: Sequence[Notification], base: str, texts: NullTranslations) -> _Shown:
    subject = group[-1].found.subject
    return _Shown(
        title=subject.title or subject.id,
        facts=_facts_line(subject, texts),
        changes=_changes(group, texts),
        quotes=_quotes(group, texts),
        links=_links(subject, base),
    )


def _changes(group: Sequence[Notification], texts: NullTranslations) -> list[str]:
    """Return a line per change, and how many are left out."""
    lines = [
        f"{each.found.time[:16].replace('T', ' ')} UTC  {describe(each.found, texts)}"
        for each in group[:MAX_LINES_PER_SUBJECT]
    ]
    more = len(group) - MAX_LINES_PER_SUBJECT
    if more > 0:
        line = texts.ngettext(
            "and %(num)s more change", "and %(num)s more changes", more
        )
        lines.append(line % {"num": more})
    return lines


def _links(subject: Subject, base: str) -> list[str]:
    """Return the address of the subject, then those of the incidents of an item."""
    return [
        link(base, subject),
        *(f"{base}/incidents/{name}" for name in subject.incidents),
    ]


def _facts_line(subject: Subject, texts: NullTranslations) -> str:
    _ = texts.gettext
    days = " – ".join(
        dict.fromkeys(day for day in (subject.first_report, subject.last_report) if day)
    )
    reports = ""
    if subject.kind == "incident" and subject.items:
        reports = _("%(reports)s from %(sources)s") % {
            "reports": _count(
                "%(num)s report", "%(num)s reports", subject.items, texts
            ),
            "sources": _count(
                "%(num)s source", "%(num)s sources", subject.sources, texts
            ),
        }
    status = _(subject.status) if subject.status else ""
    parts = (_names(subject.labels, texts), status, reports, days)
    return _("; ").join(part for part in parts if part)


def _count(one: str, many: str, n: int, texts: NullTranslations) -> str:
    return texts.ngettext(one, many, n) % {"num": n}


def _quotes(
    group: Sequence[Notification], texts: NullTranslations
) -> list[tuple[str, str]]:
    distinct = dict.fromkeys(
        quote for notification in group for quote in notification.quotes
    )
    return [
        (_names([label], texts), quote[:MAX_QUOTE_CHARS])
        for label, quote in list(distinct)[:MAX_QUOTES]
    ]


def notice(
    subscription: Subscription, reason: str, percent: int, *, base: str, now: float
) -> Mail:
    """Return what the contact of a failing webhook is told.

    `percent` of the disabling period has passed; 100 means that it is disabled.
    """
    _ = catalogue(subscription.language).gettext
    about = {"name": subscription.name, "percent": percent}
    if percent < 100:
        kind = "failing"
        subject = _("Subscription “%(name)s” is failing") % about
        warning = _(
            "It will be disabled when it has failed for five days (%(percent)s %% passed)."
        )
        reason = f"{reason}\n{warning % about}"
    else:
        kind = "disabled"
        subject = _("Subscription “%(name)s” was disabled") % about
    text = f"{subject}.\n\n{reason}\n\n{base}/subscriptions/{subscription.id}"
    return Mail(
        to=subscription.contact,
        subject=subject,
        text=text,
        html=f"<p>{as_html(text)}</p>",
        message_id=f"{subscription.id}.{kind}.{now:.0f}",
    )
