"""Who may see and change which subscription."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar, cast

from flask import current_app, g

from incidentwire.log.event_log import EventLog
from incidentwire.net.client import HttpClient
from incidentwire.settings import Settings
from incidentwire.telemetry import event_line
from incidentwire.web.problems import Problem
from services.api.errors import SubscriptionsDamaged, SubscriptionsLocked
from services.api.subscriptions.model import Subscription
from services.api.subscriptions.service import SubscriptionService
from services.api.subscriptions.store import UnknownSubscription

T = TypeVar("T")
UNWRITABLE = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL})
UNREADABLE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN}
)

logger = logging.getLogger(__name__)


def with_service(
    function: Callable[[SubscriptionService], T], *, needs_key: bool = True
) -> T:
    """Call a function with the subscriptions of this installation.

    Reading may be public; a subscription always belongs to a key. Raises
    SubscriptionsLocked if the file cannot be written, SubscriptionsDamaged if it cannot
    be read.
    """
    if needs_key and g.get("who", "anyone") == "anyone":
        raise Problem(
            status=401,
            slug="key-missing",
            detail="Subscriptions belong to a key. Send one: Authorization: Bearer iwk_…",
        )
    settings = cast("Settings", current_app.extensions["incidentwire.settings"])
    log = EventLog(current_app.extensions["incidentwire.connection"])
    client = cast("HttpClient", current_app.extensions["incidentwire.client"])
    try:
        with closing(SubscriptionService(settings, log, client)) as service:
            return function(service)
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)  # its low byte is the kind
        if code & 0xFF in UNWRITABLE:
            raise SubscriptionsLocked from None
        if code & 0xFF in UNREADABLE:
            logger.error(event_line("subscriptions damaged", error=str(error)))
            raise SubscriptionsDamaged from None
        raise


def visible(service: SubscriptionService) -> list[Subscription]:
    """Return the subscriptions that the current key may see."""
    return service.store.all(None if _is_admin() else g.who)


def owned(service: SubscriptionService, subscription_id: str) -> Subscription:
    """Return a subscription of the current key. Raises UnknownSubscription."""
    found = service.store.get(subscription_id)
    if found.owner != g.who and not _is_admin():
        raise UnknownSubscription(f"There is no subscription {subscription_id}.")
    return found


def _is_admin() -> bool:
    key = getattr(g, "key", None)
    return key is not None and key.allows("admin")
