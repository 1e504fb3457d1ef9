"""Deliver what is due to one subscription, and move its cursor by what came of it."""

from __future__ import annotations

import json
import logging
import random
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from incidentwire.events import SubscriptionDisabled
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from services.api.subscriptions import facts, mail, messages, webhook
from services.api.subscriptions.confirmation import Contacts, unsubscribe_token
from services.api.subscriptions.database import Database
from services.api.subscriptions.ledger import Ledger
from services.api.subscriptions.messages import Notification
from services.api.subscriptions.model import (
    Channel,
    Pace,
    Schedule,
    Status,
    Subscription,
)
from services.api.subscriptions.pending import PendingPositions
from services.api.subscriptions.recipients import Recipients
from services.api.subscriptions.retry_schedule import (
    Failure,
    is_exhausted,
    retry_delay_s,
    warning_due,
)
from services.api.subscriptions.secrets import SecretBox
from services.api.subscriptions.store import SubscriptionStore
from services.api.subscriptions.webhook import Outcome

DAY_S = 86_400.0
WEBHOOKS_PER_TURN = 50  # messages to one endpoint before others get their turn

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Delivery:
    """What a delivering thread needs; one object per thread."""

    settings: Settings
    database: Database
    read_model: sqlite3.Connection
    log: EventLog
    client: HttpClient
    box: SecretBox
    now: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self.store = SubscriptionStore(self.database)
        self.pending = PendingPositions(self.database)
        self.ledger = Ledger(self.database)
        self.recipients = Recipients(self.database)
        self.rng = random.Random()  # noqa: S311  # jitter is no secret
        self._notices: list[tuple[Subscription, str, int]] = []  # for `_notify`

    def close(self) -> None:
        """Close both databases."""
        self.database.close()
        self.read_model.close()

    def deliver(self, subscription_id: str) -> None:
        """Send what is due now; stop at the first failure, which sets the backoff."""
        subscription = self.store.get(subscription_id)
        if subscription.status is not Status.ACTIVE:
            return
        if subscription.channel is Channel.WEBHOOK:
            self._webhooks(subscription)
        elif subscription.channel is Channel.EMAIL:
            self._mail(subscription)

    # -- webhooks ----------------------------------------------------------------------

    def _webhooks(self, subscription: Subscription) -> None:
        sealed = self.store.secrets(subscription.id, "webhook", self.now())
        secrets = self.box.open_all(sealed)
        log_id = self.log.id
        positions = self.pending.pending(subscription.id, WEBHOOKS_PER_TURN)
        entries = self.log.get_many(positions)
        for position in positions:
            subscription = self.store.get(subscription.id)
            if subscription.status is not Status.ACTIVE:
                return  # paused meanwhile
            entry = entries.get(position)
            if entry is None:
                self.pending.drop_pending(subscription.id, [position])
                continue
            notification = Notification(
                found=facts.read(self.read_model, entry, texts=False)
            )
            body = messages.payload(
                subscription, notification, log_id, self.settings.api_url
            )
            message_id = f"{subscription.id}_{self._log_name()}_{position}"
            began = time.monotonic()
            outcome = webhook.send(
                self.client,
                subscription.target,
                message_id,
                body,
                secrets,
                datetime.fromtimestamp(self.now(), UTC),
            )
            latency_ms = round((time.monotonic() - began) * 1000)
            subscription = self._settle(
                subscription, [notification], message_id, outcome, latency_ms
            )
            if outcome.failure is not None:
                return

    # -- mail --------------------------------------------------------------------------

    def _mail(self, subscription: Subscription) -> None:
        """One mail: the digest if it is due, else only corrections.

        A mail that was begun before is sent again first, with the same events under
        the same id: it may have arrived although nobody was left to note it.
        """
        digest_due = subscription.next_at <= self.now()
        positions = self.pending.unfinished_batch(subscription.id)
        positions = positions or self.pending.pending(
            subscription.id,
            messages.MAX_EVENTS_PER_MAIL,
            urgent_only=not digest_due,
        )
        notifications = self._notifications(positions)
        self.pending.drop_pending(
            subscription.id,
            sorted(
                set(positions) - {one.found.entry.position for one in notifications}
            ),
        )
        if notifications:
            left = self.pending.pending_count(subscription.id) - len(notifications)
            self._send_mail(subscription, notifications, left if digest_due else 0)
        is_at_once = subscription.schedule.pace is Pace.AT_ONCE
        if digest_due and (
            is_at_once or self.pending.pending_count(subscription.id) == 0
        ):
            self.reschedule(subscription.id)

    def _send_mail(
        self,
        subscription: Subscription,
        notifications: Sequence[Notification],
        left: int,
    ) -> None:
        positions = [one.found.entry.position for one in notifications]
        self.pending.begin_batch(subscription.id, positions)
        message_id = (
            f"{subscription.id}.{self._log_name()}.{positions[0]}.{positions[-1]}"
        )
        token = unsubscribe_token(self.store, self.box, subscription.id)
        unsubscribe = f"{self.settings.api_url}/v1/unsubscribe/{token}"
        composed = messages.mail(
            subscription,
            notifications,
            base=self.settings.api_url,
            message_id=message_id,
            unsubscribe_url=unsubscribe,
            left=left,
        )
        began = time.monotonic()
        failure = mail.send(self.settings, composed)
        latency_ms = round((time.monotonic() - began) * 1000)
        self._settle(
            subscription,
            notifications,
            message_id,
            Outcome(failure=failure),
            latency_ms,
        )

    def _log_name(self) -> str:
        """Return what tells positions of this log from those of a replaced one."""
        return self.log.id[:8]

    def reschedule(self, subscription_id: str) -> None:
        """Set when the next digest is due.

        Alerts at once are an hourly digest while the limit of a day is reached.
        """
        schedule = self.store.get(subscription_id).schedule
        if schedule.pace is Pace.AT_ONCE and self._is_flood(subscription_id):
            schedule = Schedule(pace=Pace.HOURLY)
        due = schedule.next_due(datetime.fromtimestamp(self.now(), UTC))
        is_digest = schedule.pace is not Pace.AT_ONCE
        self.store.change(
            subscription_id, next_at=due.timestamp() if is_digest else 0.0
        )

    def _is_flood(self, subscription_id: str) -> bool:
        """Return whether the subscription was sent as many mails as a day may have."""
        limit = self.settings.max_alerts_per_day
        return self.ledger.sent_before(subscription_id, limit) > self.now() - DAY_S

    # -- results -----------------------------------------------------------------------

    def _settle(
        self,
        subscription: Subscription,
        notifications: Sequence[Notification],
        message_id: str,
        outcome: Outcome,
        latency_ms: int,
    ) -> Subscription:
        """Write the ledger row and move the cursor, in one transaction.

        Then tell the contact of a webhook what it needs to know.
        """
        self._notices.clear()
        positions = [one.found.entry.position for one in notifications]
        failure = outcome.failure
        with self.database.transaction():
            self.ledger.record_attempt(
                positions,
                subscription=subscription.id,
                at=self.now(),
                message_id=message_id,
                ok=int(failure is None),
                status=outcome.status,
                latency_ms=latency_ms,
                reason=f"{failure.reason}: {failure.detail}" if failure else "",
                excerpt=outcome.excerpt,
            )
            if not self.store.exists(subscription.id):
                return subscription  # removed meanwhile: only the ledger has it
            if failure is None:
                self.pending.drop_pending(subscription.id, positions)
                for t in notifications:
                    self.recipients.mark_sent(
                        subscription.id, t.found.related, t.found.entry.position
                    )
                settled = self._succeeded(subscription)
            else:
                settled = self._failed(subscription, failure)
        # Outside of the transaction: a slow mail server would keep every writer waiting.
        for notice in self._notices:
            self._notify(*notice)
        return settled

    def _succeeded(self, subscription: Subscription) -> Subscription:
        if not subscription.attempt:
            return subscription
        return self.store.change(
            subscription.id,
            attempt=0,
            retry_at=0.0,
            failing_since=None,
            warned=0,
            reason="",
        )

    def _failed(self, subscription: Subscription, failure: Failure) -> Subscription:
        now = self.now()
        since = subscription.failing_since if subscription.failing_since else now
        attempt = subscription.attempt + 1
        if failure.permanent or is_exhausted(since, now):
            return self._disable(subscription, failure)
        warned = warning_due(since, now, subscription.warned)
        if warned:
            self._warn(subscription, failure, warned)
        return self.store.change(
            subscription.id,
            attempt=attempt,
            retry_at=now + retry_delay_s(attempt, failure, self.rng),
            failing_since=since,
            warned=max(warned, subscription.warned),
            reason=f"{failure.reason}: {failure.detail}"[:300],
        )

    def _disable(self, subscription: Subscription, failure: Failure) -> Subscription:
        """Stop the subscription, say so in the log, and tell its contact.

        Its pending rows stay, and it is scanned no further: what it misses from now on
        can be delivered when it is enabled again.
        """
        reason = f"{failure.reason}: {failure.detail}"[:300]
        head, _ = self.database.head()
        scanned = subscription.scanned if subscription.scanned is not None else head
        changed = self.store.change(
            subscription.id,
            status=Status.DISABLED,
            reason=reason,
            scanned=scanned,
            retry_at=0.0,
        )
        self.database.touch()
        self.log.append(
            subscription.id,
            SubscriptionDisabled(reason=failure.reason),
            idempotency_key=f"disabled:{subscription.id}:{self.now():.0f}",
        )
        logger.warning(
            event_line(
                "subscription disabled", id=subscription.id, reason=failure.reason
            )
        )
        self._notices.append((subscription, reason, 100))
        return changed

    def _warn(self, subscription: Subscription, failure: Failure, percent: int) -> None:
        logger.warning(
            event_line("subscription failing", id=subscription.id, percent=percent)
        )
        reason = f"{failure.reason}: {failure.detail}"[:300]
        self._notices.append((subscription, reason, percent))

    def _notify(self, subscription: Subscription, reason: str, percent: int) -> None:
        """Mail the contact of a webhook if it has confirmed its address."""
        if not subscription.contact or not self.settings.smtp_host:
            return
        if not Contacts(self.settings, self.store).is_confirmed(subscription):
            return
        base = self.settings.api_url
        note = messages.notice(subscription, reason, percent, base=base, now=self.now())
        failure = mail.send(self.settings, note)
        if failure is not None:
            logger.warning(
                event_line(
                    "contact not notified",
                    id=subscription.id,
                    reason=failure.reason,
                )
            )

    # -- reading -----------------------------------------------------------------------

    def _notifications(self, positions: Sequence[int]) -> list[Notification]:
        """Return the entries with their facts and quotes; trimmed ones are left out."""
        found = []
        entries = self.log.get_many(positions)
        for position in positions:
            entry = entries.get(position)
            if entry is None:
                continue
            known = facts.read(self.read_model, entry, texts=False)
            found.append(
                Notification(found=known, quotes=quotes(self.read_model, known))
            )
        return found


def quotes(
    db: sqlite3.Connection, found: facts.EntryFacts
) -> tuple[tuple[str, str], ...]:
    """Return up to MAX_QUOTES (label, passage) pairs from the reports of a subject."""
    if found.subject.kind == "incident":
        sql = (
            "SELECT t.evidence, d.text, t.evidence_digest, t.text_digest FROM memberships m"
            " JOIN incidents i ON i.n = m.incident JOIN items t ON t.id = m.item"
            " JOIN documents d ON d.n = t.n WHERE i.id = ? ORDER BY t.n LIMIT 3"
        )
    else:
        sql = (
            "SELECT t.evidence, d.text, t.evidence_digest, t.text_digest FROM items t"
            " JOIN documents d ON d.n = t.n WHERE t.id = ?"
        )
    rows = db.execute(sql, (found.subject.id,)).fetchall()
    passages = [
        (label, row["text"][start:end])
        for row in rows
        if row["evidence_digest"] == row["text_digest"]
        for label, spans in json.loads(row["evidence"]).items()
        for start, end in spans[:1]
    ]
    return tuple(passages[: messages.MAX_QUOTES])
