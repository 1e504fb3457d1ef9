"""Why a text got its scores: the features that weigh most, in words a person can read."""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import analyze, term_names
from services.classifier.labelling.features import KINDS
from services.classifier.labelling.hashing import HASH_BITS
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.scoring import Scorer

TOP = 10


@dataclass(frozen=True, kw_only=True)
class Reason:
    """What a feature adds to the raw score (log-odds before calibration).

    A negative `weight` speaks against the label.
    """

    feature: str
    meaning: str
    weight: float


def explain(
    scorer: Scorer, title: str, text: str, lexicon: Lexicon, top: int = TOP
) -> dict[str, tuple[Reason, ...]]:
    """Return, per label, the `top` strongest reasons for or against it."""
    contributions = scorer.contributions(
        analyze(title, text, lexicon), term_names(f"{title}\n{text}")
    )
    found: dict[str, tuple[Reason, ...]] = {}
    for k, label in enumerate(LABELS):
        ranked = sorted(
            contributions, key=lambda one: (-abs(float(one[2][k])), one[0], one[1])
        )
        found[label] = tuple(
            Reason(
                feature=name,
                meaning=KINDS[feature >> HASH_BITS].meaning,
                weight=float(added[k]),
            )
            for feature, name, added in ranked[:top]
            if added[k]
        )
    return found
