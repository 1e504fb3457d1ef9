"""Group the rows of a file as the linker would, for `incidentwire cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.classifier.linking.merge_rule import (
    LinkIndex,
    decide,
    decode,
    fingerprint,
)

# title, text, date -> fingerprints of the labelled mentions, the main one first;
# empty for an irrelevant text
Mentions = Callable[[str, str, str | None], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class ClusterRow:
    """The incident of a mention.

    `cluster` is the id of the incident's first row, with `#<n>` for its n-th mention
    after the main one; `score` is 1.0 for the mention that opened it.
    """

    id: str
    cluster: str
    score: float


def cluster(
    rows: Iterable[Mapping[str, Any]], mentions: Mentions
) -> Iterator[ClusterRow]:
    """Yield a row per mention, the main one of each text first.

    Texts are taken in the order of their dates, if any has one. Rows have `id`, `title`,
    `text` and possibly `date` (ISO 8601).
    """
    index = LinkIndex()
    for row in in_order(list(rows)):
        title, text, date = (
            str(row.get(name) or "") for name in ("title", "text", "date")
        )
        sibling_incidents: set[str | None] = set()
        for n, encoded in enumerate(mentions(title, text, date or None)):
            name = str(row["id"]) + (f"#{n}" if n else "")
            decoded = decode(encoded)
            decision = decide(decoded, index, sibling_incidents=sibling_incidents)
            incident = decision.incident or name
            sibling_incidents.add(incident)
            index.add(incident, name, decoded)
            yield ClusterRow(
                id=str(row["id"]),
                cluster=incident,
                score=decision.score if decision.incident else 1.0,
            )


def in_order(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return rows by date; one without a date stays right after its predecessor."""
    keyed = []
    latest = ""
    for row in rows:
        latest = str(row.get("date") or latest)
        keyed.append((latest, row))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def whole(title: str, text: str, date: str | None) -> list[str]:
    """Return the fingerprint of a whole text, as if it reported one incident (`--all`)."""
    return [fingerprint(title, text, date)]
