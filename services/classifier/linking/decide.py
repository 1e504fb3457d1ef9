"""Decides where a mention belongs: to an incident, to none yet, or to one of two that are close.

Pure: what is known comes in as a LinkIndex, the decision goes out as a value; nothing is recorded here. Thresholds
were chosen once, for all languages and kinds of news, on six public sets, by half of their happenings for the other
half; scores hardly change from 2200 to 2300.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace

from incidentwire.events import LinkReason, SharedTerms
from services.classifier.linking.fingerprints import (
    FINGERPRINT_VERSION,
    Fingerprint,
    decode,
    fingerprint,
)
from services.classifier.linking.index import LinkIndex
from services.classifier.linking.similarity import FULL, Match
from services.classifier.linking.terms import TermKind

__all__ = [
    "FINGERPRINT_VERSION",
    "Decision",
    "Fingerprint",
    "LinkIndex",
    "decide",
    "decode",
    "fingerprint",
]

LINK = 2250  # of FULL: from here on, a mention joins an incident that is the only one like it
# A mention that is like many incidents tells by its words what field it is from, not which happening: more is needed.
# The longer the stream, the more of them there are, so that one LINK does for 40 incidents and for 1500.
OTHERS = 5  # incidents after the best one that count
# Caps the penalty (of FULL), so that duplicate incidents cannot block new reports indefinitely.
CROWDING_PENALTY_MAX = 1000
CLOSE = 300  # of FULL: a runner-up that joins too and is not further behind makes the link one to review
# A part of a longer text also joins the one incident that has the name it repeats foremost, where more than the name is
# shared and no other with that name is half as near. Of 858 single paragraphs of six public sets 561 joined anyhow, and
# five more so, four of them rightly; with the right incident taken away, 7 of 789 joined another one so.
RETOLD = 1000  # of FULL
RETOLD_TERMS = 10
FOLLOW_UP_TERMS = 2  # the subject is shared in both directions anyway
AHEAD = 2


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`incident` is the one to link to, None to open a new one. `score` is 0 to 1: for a new incident, how near the
    nearest one was. `review` names the incident that was nearly as good, empty where the link is clear. `why` is the
    reason without the nearest mention and the spans."""

    incident: str | None
    score: float
    review: tuple[str, ...]
    why: LinkReason


def decide(
    mention: Fingerprint,
    index: LinkIndex,
    cannot_link: Iterable[str] = (),
    sibling_incidents: Container[str | None] = frozenset(),
) -> Decision:
    """Where the mention belongs. `barred` are incidents from which people took it away, `kin` those that other parts of
    its text are in: what was told apart there, one name does not bring together."""
    matches = index.matches(mention, cannot_link)
    if not matches:
        return Decision(incident=None, score=0.0, review=(), why=LinkReason())
    best, needed = matches[0], _needed(matches)
    is_outcome = mention.outcome and not mention.part
    if best.score < needed or (is_outcome and not (best.copy or best.retold)):
        earlier = _lookback_match(
            [match for match in matches if match.incident not in sibling_incidents],
            FOLLOW_UP_TERMS if is_outcome else RETOLD_TERMS,
        )
        if earlier:
            return Decision(
                incident=earlier.incident,
                score=earlier.score / FULL,
                review=(),
                why=replace(_why(earlier), retold=True),
            )
    if best.score < needed:
        return Decision(
            incident=None, score=best.score / FULL, review=(), why=_why(best)
        )
    rivals = [
        m
        for m in matches[1:]
        if m.score >= max(needed, best.score - CLOSE) and not best.copy
    ]
    review = tuple(m.incident for m in rivals[:1])
    return Decision(
        incident=best.incident, score=best.score / FULL, review=review, why=_why(best)
    )


def _lookback_match(matches: Sequence[Match], min_terms: int) -> Match | None:
    """Return the earlier incident that is reported again, scored regardless of time.

    An excerpt of a feature looks back; a fine, settlement or trial follows.
    """
    best = max(matches, key=lambda match: match.retold, default=None)
    if best is None or best.retold < RETOLD or sum(best.shared) < min_terms:
        return None
    rival = max((match.named for match in matches if match is not best), default=0)
    return replace(best, score=best.retold) if best.retold >= AHEAD * rival else None


def _needed(matches: Sequence[Match]) -> int:
    """The score from which the best match is joined: LINK, and half of what the next ones score on average (as if
    there were always OTHERS of them), but not more than CROWDING_PENALTY_MAX."""
    others = sum(match.score for match in matches[1 : 1 + OTHERS])
    return LINK + min(others // (2 * OTHERS), CROWDING_PENALTY_MAX)


def _why(match: Match) -> LinkReason:
    return LinkReason(
        score=match.score / FULL,
        shared=SharedTerms(
            names=match.shared[TermKind.NAME],
            terms=match.shared[TermKind.WORD],
            amounts=match.shared[TermKind.AMOUNT],
            dates=match.shared[TermKind.DATE],
        ),
        days=match.days,
        copy=bool(match.copy),
    )
