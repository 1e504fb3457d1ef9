"""The merge rule: decide which incident a mention belongs to, if any. Pure.

The state comes in as a LinkIndex, the decision goes out as a value; nothing is recorded
here. Thresholds were chosen once for all languages and kinds of news, on six public sets,
each half tuned on the other half; scores hardly change from 2200 to 2300.
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

# Of FULL: a mention joins the only similar incident from this score on.
JOIN_THRESHOLD = 2250
# A mention that resembles many incidents shares the field's words with them rather than
# the event's, so it needs a higher score. The longer the stream, the more of them there
# are; that lets one threshold serve for 40 incidents and for 1,500.
CROWDING_RIVALS = 5  # incidents after the best one that count
# Caps the penalty (of FULL), so that duplicate incidents cannot block new reports indefinitely.
CROWDING_PENALTY_MAX = 1000
# Of FULL: a runner-up that is this near to the best makes the link one to review.
REVIEW_MARGIN = 300
# An excerpt of a longer text also joins the one incident whose lead name it repeats, if
# they share more than the name and no rival with that name is half as similar. Of 858
# paragraphs of six public sets, 561 joined without this rule and five more with it, four
# of them correctly; with the right incident removed, 7 of 789 joined a wrong one.
LOOKBACK_THRESHOLD = 1000  # of FULL
LOOKBACK_TERMS = 10
FOLLOW_UP_TERMS = 2  # the subject is shared in both directions anyway
MIN_RATIO = 2


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Which incident to link to; None opens a new one.

    `score` is 0 to 1; for a new incident it is that of the nearest one. `review` names a
    rival that was nearly as good, or is empty. `why` is the reason, still without the
    nearest mention and the shared spans.
    """

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
    """Return the incident that a mention belongs to.

    A curator removed the mention from those in `cannot_link`. `sibling_incidents` hold
    other mentions of the same text, which a shared name must not bring together.
    """
    matches = index.matches(mention, cannot_link)
    if not matches:
        return Decision(incident=None, score=0.0, review=(), why=LinkReason())
    best = matches[0]
    needed = _needed(matches)
    is_outcome = mention.outcome and not mention.part
    if best.score < needed or (is_outcome and not (best.copy or best.retold)):
        earlier = _lookback_match(
            [match for match in matches if match.incident not in sibling_incidents],
            FOLLOW_UP_TERMS if is_outcome else LOOKBACK_TERMS,
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
        if m.score >= max(needed, best.score - REVIEW_MARGIN) and not best.copy
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
    if best is None or best.retold < LOOKBACK_THRESHOLD or sum(best.shared) < min_terms:
        return None
    rival = max((match.named for match in matches if match is not best), default=0)
    return (
        replace(best, score=best.retold) if best.retold >= MIN_RATIO * rival else None
    )


def _needed(matches: Sequence[Match]) -> int:
    """Return the score from which the best match is joined.

    The threshold plus half the mean score of the CROWDING_RIVALS next matches (missing
    ones count 0), at most CROWDING_PENALTY_MAX.
    """
    others = sum(match.score for match in matches[1 : 1 + CROWDING_RIVALS])
    return JOIN_THRESHOLD + min(others // (2 * CROWDING_RIVALS), CROWDING_PENALTY_MAX)


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
