"""Which words made a link: where a text says what the nearest mention of its incident says too, as offsets.

For readers only: decisions do not depend on it, and a text that is gone has no spans.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from incidentwire.archive import Archive, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import Item
from incidentwire.telemetry import event_line
from services.classifier.linking.fingerprints import Fingerprint, shared_spans
from services.classifier.linking.terms import TermKind

MAX_SPANS = 8
_TELLING = {
    TermKind.NAME: 0,
    TermKind.AMOUNT: 1,
    TermKind.DATE: 1,
    TermKind.WORD: 2,
}  # what says more comes first
_JOINS = frozenset(" \u00a0-\u2010'\u2019&")  # between two words of one name
Span = tuple[int, int]  # [start, end) in code points

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SharedSpans:
    """Reads kept texts and tells what they share with fingerprints that were made with `key`."""

    archive: Archive
    key: bytes

    def spans(
        self, item: Item, mention: str, other: Fingerprint, rarity: Sequence[int]
    ) -> list[Span]:
        """At most MAX_SPANS stretches of the mention that the other one has too, the most telling first: offsets into
        the item's text. `rarity` is that of the other's terms. Empty where the text cannot be read."""
        judged = item.classified
        ref = (
            next((m for m in judged.mentions if m.id == mention), None)
            if judged
            else None
        )
        document = self._document(item)
        if (
            judged is None
            or ref is None
            or document is None
            or document.text_digest != judged.text_digest
        ):
            return []
        found = telling_spans(
            document.text[ref.start : ref.end], other, rarity, self.key
        )
        return [(ref.start + start, ref.start + end) for start, end in found]

    def _document(self, item: Item) -> StoredDocument | None:
        if item.fetched is None:
            return None
        try:
            return StoredDocument.from_bytes(
                self.archive.get(item.id, item.fetched.document_digest)
            )
        except ContentNotFound:
            return None
        except Exception as error:  # each object store has its own: none of them may keep a link from being made
            logger.warning(
                event_line(
                    "text unreadable", item_id=item.id, error=type(error).__name__
                )
            )
            return None


def telling_spans(
    text: str, other: Fingerprint, rarity: Sequence[int], key: bytes
) -> list[Span]:
    """Return the spans that the text shares with the other mention.

    Names come before amounts, dates and words, rare ones first, nothing twice;
    neighbours are one span.
    """
    said: set[int] = set()
    found: list[Span] = []
    runs = _runs(text, _ranked(text, other, rarity, key))
    for span, ranks in sorted(
        runs, key=lambda run: (min(run[1]), -len(run[1]), run[0])
    ):
        if not ranks <= said and len(found) < MAX_SPANS:
            found.append(span)
            said |= ranks
    return found


def _ranked(
    text: str, other: Fingerprint, rarity: Sequence[int], key: bytes
) -> dict[Span, int]:
    """Each word of the text that the other mention has too, and the rank of the term that it is: 0 tells most."""
    kinds = other.kinds.tolist()
    order = sorted(
        range(len(kinds)),
        key=lambda at: (_TELLING[TermKind(kinds[at])], -rarity[at], at),
    )
    spans = shared_spans(text, other, key)
    words = list(dict.fromkeys(text[start:end] for start, end in spans))
    listed, starts = (
        "\n".join(words),
        np.cumsum([0, *(len(word) + 1 for word in words)]).tolist(),
    )
    numbers = dict.fromkeys(words, 0)
    # It is told where a term is, not which one it is: so one question for each bit of the rank, of distinct words only.
    for bit in range(len(order).bit_length()):
        asked = [at for rank, at in enumerate(order) if rank >> bit & 1]
        some = dataclasses.replace(other, hashes=other.hashes[asked])
        there = {start for start, _ in shared_spans(listed, some, key)}
        for word, start in zip(words, starts, strict=False):
            numbers[word] |= (start in there) << bit
    return {(start, end): numbers[text[start:end]] for start, end in spans}


def _runs(text: str, ranked: dict[Span, int]) -> list[tuple[Span, set[int]]]:
    """Spans that overlap, touch, or have nothing but a blank or a hyphen between them, joined; with their ranks."""
    runs: list[tuple[Span, set[int]]] = []
    for (start, end), rank in sorted(ranked.items()):
        (first, last), ranks = runs[-1] if runs else ((0, -1), set())
        if start <= last or (start == last + 1 and text[last] in _JOINS):
            runs[-1] = (first, max(last, end)), ranks | {rank}
        else:
            runs.append(((start, end), {rank}))
    return runs
