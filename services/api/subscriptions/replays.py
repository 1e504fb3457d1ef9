"""Deliver events of a subscription again: a few, a range, or all that failed.

One call is bounded. `Replayed.next` is the position after which the same call finds the
rest, None at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from services.api.subscriptions import facts
from services.api.subscriptions.model import Channel, Subscription
from services.api.subscriptions.preview import (
    InvalidSubscription,
    ReadModelQuery,
    accepted,
    compile_filter,
)
from services.api.subscriptions.service import SubscriptionService

MAX_REPLAY = 10_000  # events of one call
MAX_READ = 20_000  # log entries of one call
PAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """How many events will be delivered again, and after which position to go on."""

    count: int
    next: int | None = None


def replay_positions(
    service: SubscriptionService, subscription: Subscription, positions: Sequence[int]
) -> Replayed:
    """Deliver these positions again. Raises InvalidSubscription."""
    _check_channel(subscription)
    last = service.log.last()
    if positions and max(positions) > last:
        raise InvalidSubscription(
            "positions", f"The log ends at {last}. Give positions up to there."
        )
    _add(service, subscription, positions)
    return Replayed(count=len(positions))


def replay_failed(
    service: SubscriptionService, subscription: Subscription, since: float, after: int
) -> Replayed:
    """Deliver again what failed since a time (epoch s) and lies after a position.

    Raises InvalidSubscription.
    """
    _check_channel(subscription)
    failed = service.ledger.failed_positions(subscription.id, since)
    found = [position for position in failed if position > after]
    chosen = found[:MAX_REPLAY]
    _add(service, subscription, chosen)
    return Replayed(
        count=len(chosen), next=chosen[-1] if len(found) > len(chosen) else None
    )


def replay_range(
    service: SubscriptionService,
    subscription: Subscription,
    read: ReadModelQuery,
    after: int,
    before: int,
) -> Replayed:
    """Deliver again what the filter accepts in `(after, before)`.

    Raises InvalidSubscription.
    """
    _check_channel(subscription)
    compiled = compile_filter(subscription.filter, subscription.scope)
    positions: list[int] = []
    entries_read = 0
    while len(positions) + PAGE <= MAX_REPLAY and entries_read < MAX_READ:
        page = [e for e in service.log.after(after, PAGE) if e.position < before]
        if not page:
            break
        after = page[-1].position
        entries_read += len(page)
        positions += [each.entry.position for each in read(accepted, page, compiled)]
    _add(service, subscription, positions)
    rest = [e for e in service.log.after(after, 1) if e.position < before]
    return Replayed(count=len(positions), next=after if rest else None)


def _check_channel(subscription: Subscription) -> None:
    if subscription.channel is Channel.FEED:
        raise InvalidSubscription(
            "channel", "A feed is read, not sent. Its address shows the latest."
        )


def _add(
    service: SubscriptionService, subscription: Subscription, positions: Sequence[int]
) -> None:
    entries = service.log.get_many(positions)
    with service.database.transaction():
        service.pending.add_pending(
            [(subscription.id, position, True) for position in positions]
        )
        service.recipients.add_subjects(facts.subjects_by_position(entries))
