"""Links that sign in to the pages, made in the store itself."""

from __future__ import annotations

from incidentwire.settings import Settings
from incidentwire.store import connect
from incidentwire.web import sign_in_links
from incidentwire.web.keys import Keys
from incidentwire.web.users import Users


def of_key(settings: Settings) -> str | None:
    """Return a link that signs in with the installation's key; None without one."""
    connection = connect(settings.redis_url)
    key = Keys(connection).find(settings.key) if settings.key else None
    if key is None:
        return None
    issuer = f"key:{key.digest}"
    path = sign_in_links.create(connection, key.name, key.scopes, issuer)
    return settings.api_url.rstrip("/") + path


def of_user(settings: Settings, name: str) -> str | None:
    """Return a link that signs in a person; None if there is nobody of that name."""
    connection = connect(settings.redis_url)
    user = Users(connection).find(name)
    if user is None:
        return None
    issuer = f"user:{user.name}:{user.serial}"
    path = sign_in_links.create(connection, user.name, user.scopes, issuer)
    return settings.api_url.rstrip("/") + path
