"""The labels of a text, their probabilities, and the sentences that show them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from incidentwire.labels import LABELS
from incidentwire.latin_languages import UNKNOWN
from services.classifier.labelling import evidence, mentions, model_file
from services.classifier.labelling.analyzed_text import (
    TITLE_CHARS,
    AnalyzedText,
    analyze,
    sentences_in,
    untitled,
)
from services.classifier.labelling.explain import Reason, explain
from services.classifier.labelling.lexicon import Lexicon
from services.classifier.labelling.mentions import Labelled, Mention
from services.classifier.labelling.model_file import (
    LEXICON_FILE,
    WEIGHTS_FILE,
    Decisions,
)
from services.classifier.labelling.passages import Passage, article_end, passages
from services.classifier.labelling.scoring import Scorer, Scores, probabilities
from services.classifier.linking.fingerprints import fingerprint
from services.classifier.text.hard_wraps import unwrapped
from services.classifier.text.language import SUPPORTED, detect
from services.classifier.text.sentences import HEAD_CHARS, Span

MODEL_FOLDER = Path(__file__).parent.parent / "model"
# In a language without training texts, labels need unmistakable terms.
OTHER_LANGUAGE_SCORE = 0.97
# From here an item of a list has a label that the list as a whole does not have.
LIST_ITEM_SCORE = 0.75
# A short ground deep in a long text is outvoted by the rest. Two sentences that signal one
# of these labels, and are as sure of it alone, give it to the whole text. On real texts of
# publishers that the model had not seen, this raised strict and lenient F1 in both languages.
PASSAGE_SURE = 0.96
PASSAGE_LABELS = frozenset({"data_leak", "consent", "regulation"})
# So does a paragraph that is as sure, with as many sentences that signal it.
MIN_SIGNALS = 2
MIN_ROUND_UP_CHARS = 1_500  # a shorter text without list marks reports one incident

# title, text, published (ISO 8601 or None), key, whether it is part of a longer text
# -> ASCII of at most 600 bytes
Fingerprinter = Callable[[str, str, str | None, bytes, bool], str]


@dataclass(frozen=True, kw_only=True)
class Classification:
    """The model's judgement of a text.

    `scores` are calibrated probabilities by label; `evidence` has spans of the text by
    label, in code points. `review` names the labels in doubt, or "language"; it is empty
    if the model is sure. `mentions` are the labelled ones only.
    """

    labels: tuple[str, ...]
    scores: dict[str, float]
    evidence: dict[str, tuple[Span, ...]]
    review: tuple[str, ...]
    language: str
    mentions: tuple[Mention, ...]


class Classifier:
    """Answers for any pair of strings, in time bounded by sentences.HEAD_CHARS + TAIL_CHARS."""

    def __init__(
        self,
        model: model_file.Weights,
        lexicon: Lexicon,
        fingerprinter: Fingerprinter = fingerprint,
    ) -> None:
        self.version = model.version
        self._lexicon = lexicon
        self._scorer = Scorer(model)
        self._decisions = model.decisions
        self._fingerprinter = fingerprinter

    @classmethod
    def load(
        cls, path: Path | None = None, *, fingerprinter: Fingerprinter = fingerprint
    ) -> Classifier:
        """Load the model in a folder of weights and lexicon. Raises OSError or ValueError."""
        folder = path or MODEL_FOLDER
        return cls(
            model_file.load(folder / WEIGHTS_FILE),
            Lexicon.load(folder / LEXICON_FILE),
            fingerprinter,
        )

    def classify(
        self,
        title: str,
        text: str,
        language: str | None = None,
        *,
        published: str | None = None,
        key: bytes = b"",
    ) -> Classification:
        """Return labels, scores, evidence and mentions of a text.

        `language` (ISO 639-1) is what the page states, used if the text does not show
        its own. `published` and `key` go into the fingerprints of the mentions.
        """
        language_read = language_of(title, text, language)
        text = article(text)
        reading = analyze(title, text, self._lexicon)
        # A title without text is judged as a text of one sentence, for the review.
        judged = reading if reading.body else analyze(title, title, self._lexicon)
        raw = self._scorer.raw([judged])[0]
        scores = probabilities(raw, self._decisions_in(language_read))
        scores = self._raised(scores, reading, language_read)
        labels, review = self._decide(scores, language_read, bool(reading.body))

        def fingerprint_of(heading: str, passage: str, part: bool) -> str:
            return self._fingerprinter(
                heading[:TITLE_CHARS], passage[:HEAD_CHARS], published, key, part
            )

        groups = self._mention_groups(title, text, reading, labels, language_read)
        found: tuple[Mention, ...] = ()
        if len(groups) > 1:
            found = mentions.several(groups, text, fingerprint_of)
            labels = tuple(
                k
                for k in LABELS
                if k in labels or any(k in mention.labels for mention in found)
            )
        elif labels:
            found = mentions.single(title, text, labels, fingerprint_of)
        spans = evidence.choose(reading, self._scorer.sentences, labels)
        return Classification(
            labels=labels,
            scores=scores,
            evidence=spans,
            review=review,
            language=language_read,
            mentions=found,
        )

    def explain(
        self, title: str, text: str, top: int = 10
    ) -> dict[str, tuple[Reason, ...]]:
        """Return by label what weighed most for or against it, strongest first."""
        return explain(self._scorer, title, article(text), self._lexicon, top)

    def _decide(
        self, scores: dict[str, float], language: str, has_text: bool
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the labels, and those to review."""
        found = self._labels_by_threshold(scores, language)
        if not has_text:
            # Without a sentence as evidence, a label is only proposed.
            return (), found
        if language not in (*SUPPORTED, UNKNOWN):
            return found, ("language",)
        decisions = self._decisions_in(language)
        return found, tuple(
            k for k in LABELS if decisions[k].low <= scores[k] < decisions[k].high
        )

    def _raised(
        self, scores: dict[str, float], text: AnalyzedText, language: str
    ) -> dict[str, float]:
        """Return the scores, past the band of doubt if a passage alone is sure."""
        if language not in (*SUPPORTED, UNKNOWN):
            return scores
        decisions = self._decisions_in(language)
        open_labels = {k for k in PASSAGE_LABELS if scores[k] < decisions[k].high}
        starts = [
            start
            for start, sentence in enumerate(text.body)
            if sentence.signals and open_labels.intersection(sentence.signals)
        ]
        if not starts:
            return scores
        raw = self._scorer.raw(
            [untitled(text.body[start : start + 2]) for start in starts]
        )
        raised = dict(scores)
        for start, row in zip(starts, raw, strict=True):
            alone = probabilities(row, decisions)
            for label in open_labels.intersection(text.body[start].signals):
                if alone[label] >= PASSAGE_SURE:
                    raised[label] = decisions[label].high
        return raised

    def _decisions_in(self, language: str) -> Decisions:
        return self._decisions.get(language, self._decisions[SUPPORTED[0]])

    def _labels_by_threshold(
        self, scores: dict[str, float], language: str
    ) -> tuple[str, ...]:
        if language not in (*SUPPORTED, UNKNOWN):
            return tuple(k for k in LABELS if scores[k] >= OTHER_LANGUAGE_SCORE)
        decisions = self._decisions_in(language)
        return tuple(k for k in LABELS if scores[k] >= decisions[k].threshold)

    def _mention_groups(
        self,
        title: str,
        text: str,
        reading: AnalyzedText,
        labels: tuple[str, ...],
        language: str,
    ) -> list[list[Labelled]]:
        """Return groups of labelled passages; fewer than two if the text reports one incident."""
        found = passages(text)
        if (not labels or len(text) < MIN_ROUND_UP_CHARS) and not any(
            passage.item for passage in found
        ):
            return []
        carrying = self._labelled(found, reading, labels, language)
        return mentions.group_by_incident(
            title, text, [one for one in carrying if one.labels]
        )

    def _labelled(
        self,
        found: Sequence[Passage],
        reading: AnalyzedText,
        labels: tuple[str, ...],
        language: str,
    ) -> list[Labelled]:
        """Return the passages that signal a label, each read by itself."""
        bodies = sentences_in(reading, (passage.span for passage in found))
        signalling = [
            (passage, untitled(body))
            for passage, body in zip(found, bodies, strict=True)
            if any(sentence.signals for sentence in body)
        ]
        if not signalling:
            return []
        raw = self._scorer.raw([own for _, own in signalling])
        return [
            Labelled(
                passage=passage,
                labels=self._labels_of(passage, own, scores, labels, language),
            )
            for (passage, own), scores in zip(signalling, raw, strict=True)
        ]

    def _labels_of(
        self,
        passage: Passage,
        own: AnalyzedText,
        raw: Scores,
        labels: tuple[str, ...],
        language: str,
    ) -> tuple[str, ...]:
        """Return the labels of a passage: those of the document that it signals.

        An item of a list may have labels of its own, if it is sure of them.
        """
        signals = Counter(name for sentence in own.body for name in sentence.signals)
        decisions = self._decisions_in(language)
        scores = probabilities(raw, decisions)
        clear = {k for k in signals if scores[k] >= decisions[k].high}
        alone = {
            k
            for k in clear
            if scores[k] >= LIST_ITEM_SCORE
            and (passage.item or signals[k] >= MIN_SIGNALS)
        }
        candidates = clear
        if passage.item:
            candidates = signals.keys() & self._labels_by_threshold(scores, language)
        return tuple(
            k for k in LABELS if k in candidates and (k in labels or k in alone)
        )


def language_of(title: str, text: str, stated: str | None) -> str:
    """Return the language of a text (ISO 639-1), or the stated one if it shows none."""
    found = detect(f"{title[:TITLE_CHARS]}\n{text[: 2 * TITLE_CHARS]}")
    return stated.lower()[:2] if found == UNKNOWN and stated else found


def article(text: str) -> str:
    """Return the text with hard wraps joined and the page's foot blanked; offsets stay."""
    return unwrapped(text[: article_end(text)])
