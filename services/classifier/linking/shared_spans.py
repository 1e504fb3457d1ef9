"""The passages that explain a link, as offsets: what a text shares with another mention.

For readers only: no decision depends on them. A deleted text has no spans.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from incidentwire.archive import Archive, ContentNotFound
from incidentwire.documents import StoredDocument
from incidentwire.items import Item
from incidentwire.telemetry import event_line
from services.classifier.linking.fingerprints import Fingerprint, shared_terms
from services.classifier.linking.terms import TermKind

MAX_SPANS = 8
# The order of kinds, the most informative first.
_ORDER = {
    TermKind.NAME: 0,
    TermKind.AMOUNT: 1,
    TermKind.DATE: 1,
    TermKind.WORD: 2,
}
_JOINS = frozenset(" \u00a0-\u2010'\u2019&")  # between two words of one name
Span = tuple[int, int]  # [start, end) in code points

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SharedSpans:
    """Reads stored texts and compares them with fingerprints made with `key`."""

    archive: Archive
    key: bytes

    def spans(
        self, item: Item, mention: str, other: Fingerprint, rarity: Sequence[int]
    ) -> list[Span]:
        """Return at most MAX_SPANS spans of the mention that `other` shares.

        They are offsets into the item's text, the most informative first. `rarity` is
        that of the other's terms. Return none if the text cannot be read.
        """
        classified = item.classified
        if classified is None:
            return []
        ref = next((one for one in classified.mentions if one.id == mention), None)
        document = self._document(item)
        if ref is None or document is None:
            return []
        if document.text_digest != classified.text_digest:
            return []
        text = document.text[ref.start : ref.end]
        return [
            (ref.start + start, ref.start + end)
            for start, end in informative_spans(text, other, rarity, self.key)
        ]

    def _document(self, item: Item) -> StoredDocument | None:
        if item.fetched is None:
            return None
        try:
            stored = self.archive.get(item.id, item.fetched.document_digest)
            return StoredDocument.from_bytes(stored)
        except ContentNotFound:
            return None
        # Object stores raise errors of their own. None of them may prevent a link.
        except Exception as error:
            logger.warning(
                event_line(
                    "text unreadable", item_id=item.id, error=type(error).__name__
                )
            )
            return None


def informative_spans(
    text: str, other: Fingerprint, rarity: Sequence[int], key: bytes
) -> list[Span]:
    """Return the spans that the text shares with the other mention.

    Names come before amounts, dates and words, and rare terms first. Neighbours are one
    span; a span with no new term is omitted.
    """
    covered: set[int] = set()
    found: list[Span] = []
    groups = _joined(text, _ranked(text, other, rarity, key))
    for span, ranks in sorted(
        groups, key=lambda group: (min(group[1]), -len(group[1]), group[0])
    ):
        if not ranks <= covered and len(found) < MAX_SPANS:
            found.append(span)
            covered |= ranks
    return found


def _ranked(
    text: str, other: Fingerprint, rarity: Sequence[int], key: bytes
) -> dict[Span, int]:
    """Map each shared word of the text to the rank of its term, 0 for the best."""
    kinds = [_ORDER[TermKind(kind)] for kind in other.kinds.tolist()]
    order = sorted(
        range(len(kinds)), key=lambda index: (kinds[index], -rarity[index], index)
    )
    rank = {index: place for place, index in enumerate(order)}
    return {
        (start, end): rank[index]
        for start, end, index in shared_terms(text, other, key)
    }


def _joined(text: str, ranked: dict[Span, int]) -> list[tuple[Span, set[int]]]:
    """Return spans with their ranks; those that overlap or touch are joined.

    So are two with only a blank, hyphen or the like between them.
    """
    groups: list[tuple[Span, set[int]]] = []
    for (start, end), rank in sorted(ranked.items()):
        if groups:
            (first, last), ranks = groups[-1]
            if start <= last or (start == last + 1 and text[last] in _JOINS):
                groups[-1] = (first, max(last, end)), ranks | {rank}
                continue
        groups.append(((start, end), {rank}))
    return groups
