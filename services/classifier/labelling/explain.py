"""Why a text got its scores: the features that weigh most, in words a person can read."""

from __future__ import annotations

from dataclasses import dataclass

from incidentwire.labels import LABELS
from services.classifier.labelling.analyzed_text import AnalyzedText
from services.classifier.labelling.scoring import Scorer

TOP = 10
_MEANINGS = {
    "w": "word in the text",
    "W": "word in the title",
    "Z": "characters in the title",
    "c": "concept in some sentence",
    "C": "concept in the title",
    "L": "concept in the first sentences",
    "d": "share of sentences with concept",
    "a": "signal in some sentence",
    "e": "signal in an early sentence",
    "n": "number of sentences with signal",
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """`weight`: what the feature adds to the raw score (log-odds before calibration); a negative one speaks against."""

    feature: str
    meaning: str
    weight: float


def explain(
    scorer: Scorer, reading: AnalyzedText, top: int = TOP
) -> dict[str, tuple[Reason, ...]]:
    """Per label the `top` reasons with the largest weight, for or against, strongest first."""
    contributions = scorer.contributions(reading)
    found: dict[str, tuple[Reason, ...]] = {}
    for k, label in enumerate(LABELS):
        ranked = sorted(
            contributions, key=lambda pair: (-abs(float(pair[1][k])), pair[0])
        )
        found[label] = tuple(
            _reason(name, float(values[k]))
            for name, values in ranked[:top]
            if values[k]
        )
    return found


def _reason(name: str, weight: float) -> Reason:
    kind, mark, rest = name.partition(":")
    if not mark:
        return Reason(feature=name, meaning="characters in the text", weight=weight)
    joined = " and ".join(rest.split("&"))
    if kind == "s":
        place, _, joined = rest.partition(":")
        places = {
            "share": "share of sentences",
            "title": "the title",
            "lead": "the lead",
        }
        return Reason(feature=joined, meaning=f"signal, {places[place]}", weight=weight)
    return Reason(feature=joined, meaning=_MEANINGS[kind], weight=weight)
