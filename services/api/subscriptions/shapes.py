"""Subscriptions, previews and deliveries as JSON: what the API and the pages show."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from gettext import NullTranslations
from typing import Any

from incidentwire.settings import Settings
from services.api.catalogue import ENGLISH
from services.api.subscriptions import messages
from services.api.subscriptions.model import Subscription
from services.api.subscriptions.preview import Preview
from services.api.subscriptions.service import SubscriptionService
from services.api.topics.asked import removed_topics


def as_json(service: SubscriptionService, subscription: Subscription) -> dict[str, Any]:
    """Return the subscription with its cursor and backlog."""
    return list_json(service, [subscription])[0]


def list_json(
    service: SubscriptionService, subscriptions: Iterable[Subscription]
) -> list[dict[str, Any]]:
    """Return subscriptions with their cursors and backlogs; the log is asked once."""
    last = service.log.last()
    head, _ = service.database.head()
    return [_as_json(service, each, last, head) for each in subscriptions]


def _as_json(
    service: SubscriptionService, subscription: Subscription, last: int, head: int
) -> dict[str, Any]:
    scanned = subscription.scanned if subscription.scanned is not None else head
    return {
        **vars(subscription),
        "schedule": {
            **dataclasses.asdict(subscription.schedule),
            "pace": str(subscription.schedule.pace),
        },
        "contact_confirmed": service.contacts.is_confirmed(subscription),
        "created": _time(subscription.created),
        "next_at": _time(subscription.next_at),
        "retry_at": _time(subscription.retry_at),
        "failing_since": _time(subscription.failing_since),
        "pending": service.pending.pending_count(subscription.id),
        "lag": max(0, last - scanned),
        "removed_topics": removed_topics(subscription.filter),
    }


def preview_json(found: Preview, texts: NullTranslations = ENGLISH) -> dict[str, Any]:
    """Return a preview with its rate in words."""
    return {
        "matched": found.matched,
        "days": round(found.days, 2),
        "per_week": round(found.per_week, 1),
        "summary": rate_in_words(found.per_week, texts.gettext),
        "latest": [
            {
                "position": each.entry.position,
                "time": each.time,
                "type": each.type,
                "subject": each.subject.as_json(),
                "summary": messages.describe(each, texts),
            }
            for each in found.latest
        ],
    }


def rate_in_words(per_week: float, translate: Callable[[str], str]) -> str:
    """Return a rate as people say it."""
    if per_week >= 70:
        return translate("about {n} a day").format(n=f"{per_week / 7:,.0f}")
    if per_week >= 1:
        return translate("about {n} a week").format(n=f"{per_week:.0f}")
    return translate("less than one a week" if per_week else "none in this time")


def feed_url(settings: Settings, token: str) -> str:
    return f"{settings.api_url}/v1/feeds/{token}.atom"


def deliveries_json(
    service: SubscriptionService, query: Mapping[str, Any], **about: Any
) -> dict[str, Any]:
    """Return a page of the ledger: attempts about a subscription or an event."""
    limit = query["limit"]
    rows = service.ledger.attempts(**about, before=query.get("cursor"), limit=limit + 1)
    shown = rows[:limit]
    for row in shown:
        row["at"] = _time(row["at"])
        row["acknowledged"] = _time(row["acknowledged"])
        row["ok"] = bool(row["ok"])
    more = len(rows) > limit
    return {"deliveries": shown, "next": str(shown[-1]["n"]) if more else None}


def _time(seconds: float | None) -> str | None:
    if not seconds:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
