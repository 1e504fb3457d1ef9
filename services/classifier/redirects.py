"""Which item reached a page by a redirect, so that the page itself is no second item.

The index is a hint: the item found is read from the log again, and a missing entry only
means that both stay items of their own.
"""

from __future__ import annotations

import redis

from incidentwire.net import urls

TARGETS = "iw:fetch_targets"  # hash: item id of the target -> item id; 71 bytes each


def remember(connection: redis.Redis, item_id: str, final_url: str) -> None:
    """Note the page that an item was redirected to; nothing for its own page."""
    target = _item_id(final_url)
    if target and target != item_id:
        connection.hset(TARGETS, target, item_id)


def reached_before(connection: redis.Redis, item_id: str) -> str | None:
    """Return the id of the item that was redirected to this item's page, if any."""
    found: bytes | None = connection.hget(TARGETS, item_id)  # type: ignore[assignment]
    return found.decode() if found else None


def _item_id(url: str) -> str | None:
    try:
        return urls.item_id(urls.canonicalize(url))
    except urls.UrlError:
        return None
