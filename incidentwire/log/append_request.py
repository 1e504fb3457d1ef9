"""What is appended to the log at once, and what becomes of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from incidentwire.events import Event


class VersionConflict(Exception):
    """The subject changed since it was read. `version` is its current version."""

    def __init__(self, subject: str, version: int) -> None:
        super().__init__(f"{subject} is at version {version}")
        self.subject = subject
        self.version = version


class Withdrawn(Exception):
    """The subject is sealed; nothing can be appended to it."""


@dataclass(frozen=True, kw_only=True)
class Fence:
    """A counter under `subject` that must have the value `expected`, and `next` afterwards.

    It detects changes that the versions of the subjects concerned do not show.
    """

    subject: str
    expected: int
    next: int


@dataclass(frozen=True, kw_only=True)
class AppendRequest:
    """One atomic append: (subject, event) pairs, committed together or not at all.

    A second request with the same `idempotency_key` on the same subject is a no-op.
    `idempotency_scope` names that subject; the default is the subject of the first event.
    `expected_versions` maps subjects to the number of events that each must have.
    """

    events: Sequence[tuple[str, Event]]
    idempotency_key: str = ""
    idempotency_scope: str = ""
    expected_versions: Mapping[str, int] = field(default_factory=dict)
    fence: Fence | None = None
    traceparent: str = ""


@dataclass(frozen=True, kw_only=True)
class Appended:
    """First and last position of an append.

    `new` is False if the idempotency key was used before; `last` is then its position.
    """

    first: int
    last: int
    new: bool = True
