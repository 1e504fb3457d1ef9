"""Named errors of the API's domain. services/api/problem_table.py maps them to HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RELOAD = "Load /v1/items and continue after the position it answers with."


class ApiError(Exception):
    """An expected failure; the message says what to do, `more` what a client needs."""

    def __init__(self, message: str, more: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.more = dict(more or {})


# -- what was asked for does not exist, or no longer ---------------------------------


class NotFound(ApiError):
    """Nothing of this id or name exists."""


class UnknownItem(NotFound):
    """No item has this id."""

    def __init__(self) -> None:
        super().__init__("No item has this id. Look it up in GET /v1/items.")


class UnknownIncident(NotFound):
    """No incident has this id, now or as of the position asked for."""

    def __init__(self, as_of: int | None = None) -> None:
        when = f" at position {as_of}" if as_of is not None else ""
        super().__init__(
            f"No incident has this id{when}. Look it up in GET /v1/incidents."
        )


class UnknownAlias(NotFound):
    """No declaration of this spelling is in force."""

    def __init__(self) -> None:
        super().__init__(
            "No spelling with this id is declared. GET /v1/entities/aliases lists them."
        )


class UnknownTopic(NotFound):
    """No topic with this id is defined."""

    def __init__(self) -> None:
        super().__init__("No topic has this id. GET /v1/topics lists them.")


class UnknownEventType(NotFound):
    """No event type has this name."""

    def __init__(self) -> None:
        super().__init__("No event type has this name. GET /v1/schemas lists them.")


class NoText(NotFound):
    """Nothing was stored as the item's text."""

    def __init__(self) -> None:
        super().__init__("No text is stored for this item yet.")


class NoEvidence(NotFound):
    """Nothing was stored of the item."""

    def __init__(self) -> None:
        super().__init__("Nothing is stored for this item yet.")


class NoPage(NotFound):
    """The item's text was submitted without a page."""

    def __init__(self, item_id: str) -> None:
        super().__init__(
            "The text was submitted and no page was fetched. "
            f"See /v1/items/{item_id}/text."
        )


class UnknownRevision(NotFound):
    """The item has no revision with this digest."""

    def __init__(self) -> None:
        super().__init__(
            "No revision of this item has this digest. "
            "GET /v1/items/<id>/events lists the digests."
        )


class Gone(ApiError):
    """What was asked for was deleted."""


class WithdrawnItem(Gone):
    """The item was withdrawn."""

    def __init__(self) -> None:
        super().__init__("The item was withdrawn and its stored content deleted.")


class TextGone(Gone):
    """The item's text was withdrawn or has expired."""

    def __init__(self) -> None:
        super().__init__(
            "The text was withdrawn, or deleted after its retention period."
        )


class ContentExpired(Gone):
    """The retention period of a page or text has ended."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} was deleted after its retention period.")


class PositionGone(Gone):
    """The log no longer reaches back to the position."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        super().__init__(f"The log no longer reaches back so far. {RELOAD}", held)


# -- conflicts with the current state -------------------------------------------------


class StaleVersion(ApiError):
    """The object has changed since the client saw it."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"The item is at version {version} now. Read it again, then decide.",
            {"version": version},
        )


class NotCorrected(ApiError):
    """There is no correction to withdraw."""

    def __init__(self) -> None:
        super().__init__("This item has no correction to withdraw.")


class IsAlias(ApiError):
    """The item stands for another one."""

    def __init__(self, item_id: str) -> None:
        super().__init__(
            f"The item is an alias. Send the command for {item_id}.",
            {"alias_of": item_id},
        )


class PositionAhead(ApiError):
    """The log has not reached the position, or is another one."""

    def __init__(self, last: int, held: Mapping[str, Any] | None = None) -> None:
        super().__init__(
            f"The log ends at position {last}. The position is of another log, or wrong."
            " Load the lists again, and follow the log from their position.",
            held,
        )


class AnotherLog(ApiError):
    """The position is of another log."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        super().__init__(f"The position is of another log. {RELOAD}", held)


class AnotherEvent(ApiError):
    """The log has another event at the cursor: it lost its end and grew again."""

    def __init__(self, held: Mapping[str, Any]) -> None:
        super().__init__(
            "The log lost the event that the cursor names, and perhaps some before it. "
            + RELOAD,
            held,
        )


class CursorOfAnotherList(ApiError):
    """The cursor belongs to a list in another order."""

    def __init__(self, of: str, asked: str) -> None:
        super().__init__(
            f"The cursor is of a list with sort={of}, not sort={asked}. "
            "Keep sort and filters while you page."
        )


class CommandConflict(ApiError):
    """A curator's command does not fit the current state; `slug` says why."""

    def __init__(self, slug: str, message: str, more: Mapping[str, Any]) -> None:
        super().__init__(message, more)
        self.slug = slug


# -- cannot be served at the moment -----------------------------------------------------


class Unavailable(ApiError):
    """A temporary failure: the same request may succeed later."""


class ReadModelUnavailable(Unavailable):
    """The projector is still building the read model."""

    def __init__(self) -> None:
        super().__init__("The read model is being built. Try again soon.")


class ReadModelDamaged(Unavailable):
    """The file of the read model is damaged; the projector rebuilds it."""

    def __init__(self) -> None:
        super().__init__("The read model is damaged and will be rebuilt. Try again.")


class SubscriptionsLocked(Unavailable):
    """Another process holds the file of subscriptions, or its disk is full."""

    def __init__(self) -> None:
        super().__init__(
            "The file of subscriptions cannot be written. Try again;"
            " if it stays so, look at api-notifier and at the disk."
        )


class SubscriptionsDamaged(Unavailable):
    """The file of subscriptions cannot be read; only a backup has what it held."""

    def __init__(self) -> None:
        super().__init__(
            "The file of subscriptions is damaged. Restore it from a backup."
        )


class QueryTimeout(Unavailable):
    """The query ran into its time limit."""

    def __init__(self) -> None:
        super().__init__("Query timed out. Narrow the filters.")


class RenditionTimeout(Unavailable):
    """Preparing stored content ran into its time limit."""

    def __init__(self) -> None:
        super().__init__(
            "Preparing the page timed out. Download evidence.warc.gz instead."
        )


class NotCaughtUp(Unavailable):
    """The read model has not reached the position in time."""

    def __init__(self, reached: int, position: int) -> None:
        super().__init__(
            f"The read model is at position {reached} and has not reached "
            f"{position} yet. Try again."
        )


class StillFolding(Unavailable):
    """The log up to a position is more than one request may fold."""

    def __init__(self, reached: int, position: int) -> None:
        super().__init__(
            f"Incidents are known up to position {reached} of {position}. Try again:"
            " each request goes on from there."
        )


class Busy(Unavailable):
    """Others changed the same object faster than the command could be decided."""

    def __init__(self, what: str) -> None:
        super().__init__(f"The {what} is being changed by others. Try again.")


class TooManyStreams(Unavailable):
    """This process holds as many streams as it may."""

    def __init__(self, count: int) -> None:
        super().__init__(
            f"This process holds {count} streams and takes no more. Try again soon."
        )


class TooManyStreamsOfKey(ApiError):
    """This key holds as many streams as it may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"This key has {most} open streams here. Close one, or share a stream."
        )


class StreamsStopped(Unavailable):
    """This process cannot follow the log any more."""


class EvidenceDamaged(ApiError):
    """The archive lacks bytes that the log names, or has others."""

    def __init__(self) -> None:
        super().__init__(
            "The archive does not have these bytes as they were stored. "
            "Run `incidentwire check`."
        )
