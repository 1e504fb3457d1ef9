"""Check the fields of a subscription against each other."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.api.subscriptions import mail
from services.api.subscriptions.model import Channel, Pace, Schedule, Subscription
from services.api.subscriptions.preview import InvalidSubscription, compile_filter


def checked(subscription: Subscription) -> Subscription:
    """Return the subscription if its fields go together. Raises InvalidSubscription."""
    compile_filter(subscription.filter, subscription.scope)
    known_zone(subscription.schedule)
    is_digest = subscription.schedule.pace is not Pace.AT_ONCE
    if is_digest and subscription.channel is not Channel.EMAIL:
        raise InvalidSubscription(
            "schedule.pace", "Only e-mail has digests. Use at_once for other channels."
        )
    if subscription.contact and not mail.is_address(subscription.contact):
        raise InvalidSubscription("contact", "Not an e-mail address.")
    return subscription


def known_zone(schedule: Schedule) -> Schedule:
    """Return the schedule if its zone exists. Raises InvalidSubscription."""
    try:
        ZoneInfo(schedule.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidSubscription(
            "schedule.zone",
            "Unknown time zone. Use an IANA name such as Europe/Berlin.",
        ) from None
    return schedule
