"""Ask the owner of an address before anything else is sent to it.

An e-mail subscription stays pending until its address is confirmed. The contact of a
webhook is told of failures only after its own confirmation; the webhook does not wait.
"""

from __future__ import annotations

import time
from contextlib import suppress

from incidentwire.settings import Settings
from services.api.catalogue import catalogue
from services.api.subscriptions import mail
from services.api.subscriptions.model import Channel, Subscription
from services.api.subscriptions.retry_schedule import Failure
from services.api.subscriptions.secrets import (
    SecretBox,
    SecretsUnreadable,
    new_token,
    token_digest,
)
from services.api.subscriptions.store import SubscriptionStore

CONFIRM_S = 7 * 86_400.0


def ask(
    settings: Settings, subscription: Subscription, to: str, token: str
) -> Failure | None:
    """Mail a link that confirms the address. Return the failure, None if it was sent."""
    _ = catalogue(subscription.language).gettext
    is_contact = subscription.channel is not Channel.EMAIL
    if is_contact:
        why = _(
            "Somebody named this address to be told when a webhook fails: “%(name)s”."
        )
    else:
        why = _("Somebody asked for alerts to this address: “%(name)s”.")
    link = f"{settings.api_url}/v1/confirm/{token}"
    how = _("Confirm within seven days: %(link)s") % {"link": link}
    otherwise = _("If it was not you, do nothing; you will get no further mail.")
    text = f"{why % {'name': subscription.name}}\n\n{how}\n\n{otherwise}"
    message = mail.Mail(
        to=to,
        subject=_("Confirm your Incidentwire subscription"),
        text=text,
        html=f"<p>{mail.as_html(text)}</p>",
        message_id=f"{subscription.id}.confirm{token[:8] if is_contact else ''}",
    )
    return mail.send(settings, message)


def unsubscribe_token(
    store: SubscriptionStore, box: SecretBox, subscription_id: str
) -> str:
    """Return the token of the link that ends a subscription, a new one at first.

    Links of earlier mails stay valid: their digests stay.
    """
    sealed = store.secrets(subscription_id, "unsubscribe", time.time())
    with suppress(SecretsUnreadable):
        for token in box.open_all(sealed):
            return token
    made = new_token()
    with store.database.transaction():
        store.put_secret(subscription_id, "unsubscribe", box.seal(made))
        store.put_secret(subscription_id, "unsubscribe_digest", token_digest(made))
    return made


class Contacts:
    """The confirmed contact addresses, as digests beside the other secrets."""

    def __init__(self, settings: Settings, store: SubscriptionStore) -> None:
        self.settings = settings
        self.store = store

    def ask(self, subscription: Subscription) -> Failure | None:
        """Ask the contact of a webhook, unless it has confirmed already.

        Returns the failure, None if it was sent or nothing was to be asked.
        """
        if subscription.channel is Channel.EMAIL or not subscription.contact:
            return None
        if self.is_confirmed(subscription):
            return None
        token = new_token()
        now = time.time()
        self.store.expire_secrets(subscription.id, "contact", now)
        self.store.put_secret(
            subscription.id, "contact", token_digest(token), expires=now + CONFIRM_S
        )
        return ask(self.settings, subscription, subscription.contact, token)

    def confirm(self, token: str) -> Subscription | None:
        """Note that the contact confirmed; None if the link is no contact's."""
        found = self.store.by_secret("contact", token_digest(token), time.time())
        if found is not None:
            address = token_digest(found.contact)
            self.store.put_secret(found.id, "contact_confirmed", address)
        return found

    def is_confirmed(self, subscription: Subscription) -> bool:
        """Return whether the contact as it is now has confirmed."""
        confirmed = self.store.secrets(
            subscription.id, "contact_confirmed", time.time()
        )
        return token_digest(subscription.contact) in confirmed
