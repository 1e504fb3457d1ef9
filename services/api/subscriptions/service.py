"""Create, change and confirm subscriptions. Raises named errors; knows no HTTP."""

from __future__ import annotations

import base64
import dataclasses
import secrets as random_secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from incidentwire.events import (
    SubscriptionCreated,
    SubscriptionRemoved,
)
from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient, OutboundError
from incidentwire.settings import Settings
from services.api.subscriptions import confirmation, mail, webhook
from services.api.subscriptions.database import Database
from services.api.subscriptions.ledger import Ledger
from services.api.subscriptions.model import (
    Channel,
    Pace,
    Schedule,
    Scope,
    Status,
    Subscription,
)
from services.api.subscriptions.pending import PendingPositions
from services.api.subscriptions.preview import (
    InvalidSubscription,
    Preview,
)
from services.api.subscriptions.recipients import Recipients
from services.api.subscriptions.retry_schedule import Failure
from services.api.subscriptions.secrets import (
    SecretBox,
    new_token,
    new_webhook_secret,
    token_digest,
)
from services.api.subscriptions.store import SubscriptionStore
from services.api.subscriptions.validation import checked, known_zone

ROTATION_S = 86_400.0  # how long a replaced webhook secret still signs


class TooFrequent(ValueError):
    """The filter matches too often for delivery at once."""


class NotVerified(Exception):
    """The webhook endpoint did not prove that it wants messages."""


class UnknownToken(LookupError):
    """The token of a link is unknown or has expired."""


@dataclass(frozen=True, kw_only=True)
class Created:
    """A new subscription; `secret` and `token` are shown this once."""

    subscription: Subscription
    secret: str = ""
    token: str = ""


class SubscriptionService:
    """The commands of the API on one database."""

    def __init__(self, settings: Settings, log: EventLog, client: HttpClient) -> None:
        self.settings = settings
        self.log = log
        self.client = client
        self.database = Database(settings.subscriptions)
        self.store = SubscriptionStore(self.database)
        self.contacts = confirmation.Contacts(settings, self.store)
        self.pending = PendingPositions(self.database)
        self.ledger = Ledger(self.database)
        self.recipients = Recipients(self.database)
        self.box = SecretBox(settings.secrets_key, settings.subscriptions.parent)

    def close(self) -> None:
        self.database.close()

    # -- create and change -------------------------------------------------------------

    def create(
        self, fields: Mapping[str, Any], owner: str, preview: Preview
    ) -> Created:
        """Create a subscription. Raises InvalidSubscription, TooFrequent, MailNotConfigured."""
        self.check_target(fields["channel"], fields.get("target", ""))
        self._check_contact(fields.get("contact", ""))
        subscription = self._new(fields, owner)
        self._check_rate(subscription, preview)
        secret = new_webhook_secret() if subscription.channel is Channel.WEBHOOK else ""
        token = new_token()
        with self.database.transaction():
            self.add(subscription)
            if secret:
                self.store.put_secret(subscription.id, "webhook", self.box.seal(secret))
            if subscription.channel is Channel.FEED:
                self.store.put_secret(subscription.id, "feed", token_digest(token))
            if subscription.channel is Channel.EMAIL:
                self._prepare_mail(subscription.id, token)
            self.database.touch()
        self.log.append(
            subscription.id,
            SubscriptionCreated(who=owner, channel=str(subscription.channel)),
        )
        if subscription.channel is Channel.EMAIL:
            failure = confirmation.ask(
                self.settings, subscription, subscription.target, token
            )
        else:
            failure = self.contacts.ask(subscription)
        self._note(subscription, failure)
        shown = token if subscription.channel is Channel.FEED else ""
        created = self.store.get(subscription.id)
        return Created(subscription=created, secret=secret, token=shown)

    def add(self, subscription: Subscription) -> None:
        """Store a subscription or group. Raises InvalidSubscription past the quota."""
        most = self.settings.max_subscriptions_per_key
        if self.store.count(subscription.owner) >= most:
            raise InvalidSubscription(
                "name",
                f"This key has {most:,} subscriptions and groups, the most allowed."
                " Remove one first.",
            )
        self.store.add(subscription)

    def change(
        self, subscription_id: str, fields: Mapping[str, Any], preview: Preview | None
    ) -> Subscription:
        """Change name, filter, scope, schedule, template, contact, language or status.

        `resume` says what a re-enabled subscription does with what it missed: "missed"
        delivers it, "now" skips it.
        """
        before = self.store.get(subscription_id)
        allowed = {k: v for k, v in fields.items() if k not in ("status", "resume")}
        after = checked(dataclasses.replace(before, **allowed))
        if after.contact != before.contact:
            self._check_contact(after.contact)
        if preview is not None:
            self._check_rate(after, preview)
        if after.schedule != before.schedule:
            after = dataclasses.replace(after, next_at=after.schedule.first_due())
        with self.database.transaction():
            self.store.change(subscription_id, **_differences(before, after))
            match fields.get("status"):
                case "paused":
                    self._pause(before)
                case "active":
                    self._resume(before, fields.get("resume", "missed"))
            self.database.touch()
        changed = self.store.get(subscription_id)
        if changed.contact == before.contact:
            return changed
        self._note(changed, self.contacts.ask(changed))
        return self.store.get(subscription_id)

    def remove(self, subscription_id: str, who: str) -> None:
        self.store.remove(subscription_id)
        self.log.append(subscription_id, SubscriptionRemoved(who=who))

    def _pause(self, subscription: Subscription) -> None:
        if subscription.status is not Status.ACTIVE:
            return
        head, _ = self.database.head()
        scanned = subscription.scanned if subscription.scanned is not None else head
        self.store.change(subscription.id, status=Status.PAUSED, scanned=scanned)

    def _resume(self, subscription: Subscription, what: str) -> None:
        if subscription.status is Status.PENDING:
            raise InvalidSubscription(
                "status", "Not confirmed yet. Confirm it before it can be active."
            )
        changes: dict[str, Any] = {
            "status": Status.ACTIVE,
            "reason": "",
            "attempt": 0,
            "retry_at": 0.0,
            "failing_since": None,
            "warned": 0,
        }
        if what == "now":
            self.pending.clear_pending(subscription.id)
            changes["scanned"] = None
        self.store.change(subscription.id, **changes)

    def _new(self, fields: Mapping[str, Any], owner: str) -> Subscription:
        random_id = base64.b32encode(random_secrets.token_bytes(12)).decode().lower()
        schedule = known_zone(fields.get("schedule", Schedule()))
        needs_proof = fields["channel"] in (Channel.EMAIL, Channel.WEBHOOK)
        return checked(
            Subscription(
                id=f"s_{random_id.rstrip('=')}",
                name=fields["name"],
                owner=owner,
                channel=fields["channel"],
                target=fields.get("target", ""),
                filter=fields.get("filter", ""),
                scope=fields.get("scope", Scope.UPDATES),
                schedule=schedule,
                template=fields.get("template", "standard"),
                contact=fields.get("contact", ""),
                language=fields.get("language", "en"),
                status=Status.PENDING if needs_proof else Status.ACTIVE,
                created=time.time(),
                next_at=schedule.first_due(),
            )
        )

    def _check_rate(self, subscription: Subscription, preview: Preview) -> None:
        if subscription.channel is not Channel.EMAIL:
            return
        if subscription.schedule.pace is not Pace.AT_ONCE:
            return
        limit = self.settings.max_alerts_per_day
        if preview.per_week / 7 > limit:
            raise TooFrequent(
                f"This filter would send about {preview.per_week / 7:,.0f} mails a day;"
                f" at most {limit} are allowed. Narrow the filter, or choose an hourly,"
                " daily or weekly digest."
            )

    # -- e-mail ------------------------------------------------------------------------

    def _prepare_mail(self, subscription_id: str, token: str) -> None:
        if not self.settings.smtp_host:
            raise mail.MailNotConfigured(mail.NOT_CONFIGURED)
        expires = time.time() + confirmation.CONFIRM_S
        self.store.put_secret(
            subscription_id, "confirm", token_digest(token), expires=expires
        )
        confirmation.unsubscribe_token(self.store, self.box, subscription_id)

    def _check_contact(self, contact: str) -> None:
        """Refuse an address that nobody could write to. Raises InvalidSubscription."""
        if contact and not self.settings.smtp_host:
            raise InvalidSubscription("contact", mail.NOT_CONFIGURED)

    def _note(self, subscription: Subscription, failure: Failure | None) -> None:
        """Show the owner whether a question for confirmation could be sent."""
        if failure is not None:
            reason = f"{failure.reason}: {failure.detail}"[:300]
            self.store.change(subscription.id, reason=reason)
        elif not subscription.attempt and subscription.status is not Status.DISABLED:
            self.store.change(subscription.id, reason="")

    def confirm(self, token: str) -> Subscription:
        """Confirm the address of a link: activate its subscription, or note its contact.

        Raises UnknownToken.
        """
        with_contact = self.contacts.confirm(token)
        if with_contact is not None:
            return with_contact
        found = self.store.by_secret("confirm", token_digest(token), time.time())
        if found is None:
            raise UnknownToken("This link is unknown or has expired. Subscribe again.")
        if found.status is not Status.PENDING:
            return found
        return self._activate(found)

    def unsubscribe(self, token: str) -> Subscription:
        """Remove the subscription of an unsubscription link. Raises UnknownToken."""
        found = self.store.by_secret(
            "unsubscribe_digest", token_digest(token), time.time()
        )
        if found is None:
            raise UnknownToken("This link is unknown: you are not subscribed any more.")
        self.remove(found.id, who="recipient")
        return found

    def find_token(self, kind: str, token: str) -> Subscription | None:
        """Return the subscription that a link's token belongs to, or None."""
        return self.store.by_secret(kind, token_digest(token), time.time())

    # -- webhooks ----------------------------------------------------------------------

    def verify(self, subscription_id: str) -> Subscription:
        """Have the endpoint prove that it wants messages. Raises NotVerified."""
        subscription = self.store.get(subscription_id)
        outcome = webhook.verify(
            self.client,
            subscription.target,
            self._webhook_secrets(subscription_id),
            datetime.now(UTC),
        )
        if outcome.failure is not None:
            raise NotVerified(f"{outcome.failure.reason}: {outcome.failure.detail}")
        if subscription.status is Status.PENDING:
            return self._activate(subscription)
        return subscription

    def rotate_secret(self, subscription_id: str) -> str:
        """Return a new webhook secret; the former ones still sign for a day."""
        self.store.get(subscription_id)
        secret = new_webhook_secret()
        with self.database.transaction():
            self.store.expire_secrets(
                subscription_id, "webhook", time.time() + ROTATION_S
            )
            self.store.put_secret(subscription_id, "webhook", self.box.seal(secret))
        return secret

    def rotate_feed(self, subscription_id: str) -> str:
        """Return a new feed token; the former address stops working at once."""
        self.store.get(subscription_id)
        token = new_token()
        with self.database.transaction():
            self.store.expire_secrets(subscription_id, "feed", time.time())
            self.store.put_secret(subscription_id, "feed", token_digest(token))
        return token

    def _webhook_secrets(self, subscription_id: str) -> list[str]:
        sealed = self.store.secrets(subscription_id, "webhook", time.time())
        return self.box.open_all(sealed)

    def check_target(self, channel: Channel, target: str) -> None:
        """Refuse a target that can never work. Raises InvalidSubscription."""
        if channel is Channel.EMAIL and not mail.is_address(target):
            raise InvalidSubscription(
                "target", "Not an e-mail address. Use one such as name@example.org."
            )
        if channel is Channel.WEBHOOK:
            try:
                self.client.check(target)
            except OutboundError as error:
                raise InvalidSubscription("target", _remedy(error)) from None
            if "#" in target:
                raise InvalidSubscription(
                    "target", "What follows # is never sent to a server. Leave it out."
                )
        if channel is Channel.PULL:
            raise InvalidSubscription(
                "channel", "Create a consumer group with POST /v1/groups/<name>."
            )
        if channel is Channel.FEED and target:
            raise InvalidSubscription("target", "A feed has no target. Leave it out.")

    def _activate(self, subscription: Subscription) -> Subscription:
        changed = self.store.change(
            subscription.id, status=Status.ACTIVE, reason="", scanned=None
        )
        self.database.touch()
        return changed


def _remedy(error: OutboundError) -> str:
    """Return a refusal of a webhook's URL with what helps."""
    if error.reason != "refused_address":
        return f"{error}."
    return (
        f"{error}. Use a public address, or let the operator list the host"
        " in INCIDENTWIRE_ALLOWED_HOSTS."
    )


def _differences(before: Subscription, after: Subscription) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(after).items()
        if value != getattr(before, name)
    }
