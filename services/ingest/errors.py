"""The named errors of this service. HTTP maps them to problems in app.py."""

from __future__ import annotations


class IngestError(Exception):
    """A request that cannot be carried out; the message says why and what to do."""


class Overloaded(IngestError):
    """Too much is in flight, or the store is nearly full. Try again later."""


class UnknownReceipt(IngestError):
    """No item has this id."""

    def __init__(self) -> None:
        super().__init__("No item has this id. Check the id.")


class ItemInFlight(IngestError):
    """The item is being worked on; it cannot be asked for again yet."""


class ItemIsWithdrawn(IngestError):
    """The item was withdrawn; nothing can be added to it."""

    def __init__(self) -> None:
        super().__init__("The item was withdrawn. It cannot be fetched again.")


class ItemChanged(IngestError):
    """Somebody else changed the item at the same moment."""

    def __init__(self) -> None:
        super().__init__("The item has just changed. Read its receipt and try again.")


class TooManyRequests(IngestError):
    """A key asked for one item too often today."""

    def __init__(self) -> None:
        super().__init__("This key asked for the item too often. Try again tomorrow.")


class QuotaExceeded(IngestError):
    """A key has used up its quota; `retry_after_s` is the wait for the next token."""

    def __init__(self, kind: str, limit: int, retry_after_s: int) -> None:
        super().__init__(
            f"The quota of this key is {limit} {kind} a minute. "
            f"Try again in {retry_after_s} s."
        )
        self.retry_after_s = retry_after_s


class UnknownFeed(IngestError):
    """No feed has this id, or the feed has moved."""
