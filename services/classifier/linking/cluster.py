"""Groups the rows of a file by the decisions of the linker, for the command `incidentwire cluster`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.classifier.linking.decide import LinkIndex, decide, decode, fingerprint

# title, text, date -> fingerprints of the labelled mentions, the main one first; none where the text is not relevant
Mentions = Callable[[str, str, str | None], Sequence[str]]


@dataclass(frozen=True, kw_only=True)
class ClusterRow:
    """A mention's place. `cluster` is the id of the incident's first row, with `#<n>` for its n-th mention after the
    main one; `score` is 1.0 for the mention that opened it."""

    id: str
    cluster: str
    score: float


def cluster(
    rows: Iterable[Mapping[str, Any]], mentions: Mentions
) -> Iterator[ClusterRow]:
    """Group the rows' mentions: in date order where there are dates, else in the given order; a row per mention,
    the main one first. Rows have `id`, `title`, `text` and maybe `date` (ISO 8601)."""
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
    """By date where any row has one; rows without stay right behind the row that they followed."""
    keyed, latest = [], ""
    for row in rows:
        latest = str(row.get("date") or latest)
        keyed.append((latest, row))
    return [row for _, row in sorted(keyed, key=lambda pair: pair[0])]


def whole(title: str, text: str, date: str | None) -> list[str]:
    """Every text is relevant and reports one incident (`cluster --all`)."""
    return [fingerprint(title, text, None, date)]
