"""An inverted index that finds the few incidents worth comparing with a mention.

Scores use integers, or IEEE operations that round correctly (* / sqrt), so the same calls
give the same scores on any machine. The frequency of a term is the number of incidents it
occurred in so far, plus a prior that keeps the first incidents from looking unique.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import (
    KIND_SHIFT,
    SLOT_BITS,
    SLOT_MASK,
    FingerprintTable,
    Integers,
    Packed,
    pack,
    slots_of,
    weights_of,
)
from services.classifier.linking.fingerprints import Fingerprint, alike_all
from services.classifier.linking.idf import idf32, logs
from services.classifier.linking.lead_names import has_lead_name_of, leading
from services.classifier.linking.postings import PostingLists, unsigned
from services.classifier.linking.similarity import (
    FULL,
    Flags,
    Match,
    RowComparison,
    matches_of,
)
from services.classifier.linking.subjects import compare_subjects
from services.classifier.linking.terms import TermKind

MEMBERS = 6  # fingerprints kept per incident: the first and the newest others
PRIOR_INCIDENTS = 1000  # incidents without known terms assumed to have come before
INDEXED_TERMS = 32  # rarest, heaviest terms of a mention that are indexed and looked up
POSTINGS = 64  # newest incidents read per term; bounds the cost of a common one
CANDIDATES = 24  # incidents compared in full
COPY_SHARE = 0.7  # share of equal shingles from which two texts are copies
FOLLOW_UP_DAYS = 14  # from here on, the outcome of an incident is compared untimed
COPY_DAYS = 60  # a later copy must share the subject: boilerplate returns for years
HALF_DAYS = 7  # days that take a quarter of a similarity; time takes half at most
FREE_DAYS = 1
UNDATED_DAYS = 2  # taken for the distance of a pair whose distance is not known
_RowNumbers = NDArray[np.intp]
# Counts of terms by kind, as fields of one integer: one sum counts all.
_KIND_UNITS = np.array([1 << 12 * kind for kind in TermKind])
_KIND_MASK = (1 << 12) - 1


class LinkIndex:
    """The incidents that `decide` compares with.

    `add`, `remove`, `merge` and `unmerge` replay decisions; `matches` only reads.
    Incidents are named by their ids, mentions by any unique string.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._numbers: dict[str, int] = {}
        self._rows = FingerprintTable()
        self._members: list[array[int]] = []  # rows by incident, oldest first
        self._into: dict[int, int] = {}
        self._merged: dict[int, list[int]] = {}
        # By slot: the number of incidents in which a term occurred.
        self._incidence = np.zeros(1 << SLOT_BITS, dtype=np.uint16)
        self._postings = PostingLists()
        # By slot: where the mention being compared has a term, see _places; else zeros.
        self._scratch = np.zeros(1 << SLOT_BITS, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self.ids)

    # -- replaying decisions

    def add(self, incident: str, mention: str, fingerprint: Fingerprint) -> None:
        """Add a mention to an incident, which may be new."""
        number = self._numbers.get(incident)
        if number is None:
            number = self._numbers[incident] = len(self.ids)
            self.ids.append(incident)
            self._members.append(array("I"))
        packed = pack(fingerprint)
        members = self._members[number]
        slots = slots_of(packed)
        known = slots_of(self._rows.terms[_numbers(members)])
        new = self._without(slots, known)
        self._incidence[new] = np.minimum(self._incidence[new], 0xFFFE) + 1
        telling = self._without(self._telling(packed), known)
        self._postings.add(telling.tolist(), number)
        members.append(self._rows.add(mention, packed, fingerprint))
        if len(members) > MEMBERS:
            self._rows.free(members.pop(1))

    def remove(self, incident: str, mention: str) -> bool:
        """Remove a mention from an incident; return False if it was not kept."""
        number = self._numbers.get(incident)
        if number is None:
            return False
        members = self._members[number]
        row = self._rows.find(mention, members)
        if row is None:
            return False
        members.remove(row)
        self._rows.free(row)
        return True

    def merge(self, source: str, into: str) -> None:
        """Compare `source` as part of `into` until `unmerge`. Unknown ids are ignored."""
        one = self._numbers.get(source)
        other = self._numbers.get(into)
        if one is not None and other is not None:
            self._into[one] = other
            self._merged.setdefault(other, []).append(one)

    def unmerge(self, source: str) -> None:
        """Make `source` an incident of its own again."""
        number = self._numbers.get(source, -1)
        into = self._into.pop(number, None)
        if into is not None:
            self._merged[into].remove(number)

    # -- comparing

    def matches(
        self, fingerprint: Fingerprint, cannot_link: Iterable[str] = ()
    ) -> list[Match]:
        """Return the most similar incidents, best first, without those in `cannot_link`.

        Ties go to the older incident.
        """
        packed = pack(fingerprint)
        groups = self._groups(packed, cannot_link)
        rows = _numbers([row for _, group in groups for row in group])
        if not len(rows):
            return []
        compared = self._compare_all(packed, fingerprint, rows)
        sizes = _numbers(len(group) for _, group in groups)
        roots = [root for root, _ in groups]
        found = matches_of([self.ids[root] for root in roots], compared, sizes)
        ranked = sorted(zip(roots, found, strict=True), key=_best_and_oldest)
        return [match for _, match in ranked]

    def _groups(
        self, packed: Packed, cannot_link: Iterable[str]
    ) -> list[tuple[int, list[int]]]:
        """Return the candidates with their rows, without those that have none."""
        without = {
            self._root(self._numbers[incident])
            for incident in cannot_link
            if incident in self._numbers
        }
        roots = (root for root in self._candidates(packed) if root not in without)
        groups = ((root, self._rows_of(root)) for root in roots)
        return [(root, rows) for root, rows in groups if rows]

    def _compare_all(
        self, packed: Packed, fingerprint: Fingerprint, rows: _RowNumbers
    ) -> RowComparison:
        """Compare a mention with rows in every respect."""
        at = self._places(packed, rows)
        cosine, shared = self._compare(packed, rows, at)
        days = self._rows.days[rows]
        gap = np.abs(days.astype(np.int64) - fingerprint.day)
        dated = (days > 0) & (fingerprint.day > 0)
        timely = ~dated | (gap <= COPY_DAYS)
        alike = alike_all(fingerprint.signature, self._rows.signatures[rows])
        theirs = self._rows.terms[rows]
        subject = compare_subjects(packed, theirs, at, alike, dated, timely)
        timed = self._timed(cosine, fingerprint.day, rows)
        copies = (alike >= COPY_SHARE) & ~subject.differs
        copies &= timely | subject.same_subject
        named, retold = self._led(packed, fingerprint.part, rows)
        if fingerprint.outcome and not fingerprint.part:
            followed = ~self._rows.parts[rows] & subject.same_subject
            followed &= ~subject.differs
            named = named | followed
            retold = retold | (followed & dated & (gap > FOLLOW_UP_DAYS))
        return RowComparison(
            cosine=cosine,
            similarity=np.where(subject.differs, 0, timed),
            shared=shared,
            copies=copies,
            days=days,
            day=fingerprint.day,
            retold=retold,
            named=named,
        )

    def _compare(
        self, packed: Packed, rows: _RowNumbers, at: Integers
    ) -> tuple[Integers, Integers]:
        """Return the cosine with each row, 0 to FULL, and the shared terms by kind.

        `at` is as `_places` returns it.
        """
        theirs = self._rows.terms[rows]
        rarity = self._rarity(slots_of(theirs))
        own_weights = weights_of(packed)
        mine = np.append(0, own_weights)[at]
        weights = weights_of(theirs)
        weighted = weights * rarity
        own = own_weights * self._rarity(slots_of(packed))
        dot = (weighted * mine * rarity).sum(axis=1)
        squares = (weighted * weighted).sum(axis=1).astype(np.float64)
        lengths = np.sqrt(squares) * np.sqrt(float((own * own).sum()))
        cosine = np.floor(dot * float(FULL) / np.maximum(lengths, 1.0))
        both = (mine > 0) & (weights > 0)
        counts = (_KIND_UNITS[theirs >> KIND_SHIFT] * both).sum(axis=1)
        shared = counts[:, None] // _KIND_UNITS & _KIND_MASK
        return cosine.astype(np.int64), shared

    def _places(self, packed: Packed, rows: _RowNumbers) -> Integers:
        """Return where the mention has each term of the rows, from 1; 0 if it lacks it."""
        theirs = self._rows.terms[rows]
        own = slots_of(packed)
        self._scratch[own] = np.arange(1, len(own) + 1)
        found = self._scratch[slots_of(theirs)].astype(np.int64)
        self._scratch[own] = 0
        return np.where(theirs > 0, found, 0)

    def _without(self, slots: Packed, known: Packed) -> Packed:
        """Return the slots that are not among those known."""
        self._scratch[known] = 1
        new: Packed = slots[self._scratch[slots] == 0]
        self._scratch[known] = 0
        return new

    def _timed(self, cosine: Integers, day: int, rows: _RowNumbers) -> Integers:
        """Return the cosine reduced by the distance in time."""
        days = self._rows.days[rows].astype(np.int64)
        dated = (days > 0) & (day > 0)
        distance = np.where(dated, np.abs(days - day), UNDATED_DAYS)
        gap = np.maximum(distance - FREE_DAYS, 0)
        timed: Integers = cosine * (2 * HALF_DAYS + gap) // (2 * (HALF_DAYS + gap))
        return timed

    def _led(
        self, packed: Packed, part: bool, rows: _RowNumbers
    ) -> tuple[Flags, Flags]:
        """Return two masks of rows with a lead name in common: at all, and on top.

        One side must be an excerpt: the lead name is that of the mention if it is one,
        else that of each excerpt among the rows.
        """
        parts = np.ones_like(rows, dtype=np.bool_) if part else self._rows.parts[rows]
        if not parts.any():
            return parts, parts
        theirs = self._rows.terms[rows]
        heavy = weights_of(packed) * self._rarity(slots_of(packed))
        heavy_theirs = weights_of(theirs) * self._rarity(slots_of(theirs))
        compare = has_lead_name_of if part else leading
        named, on_top = compare(packed, heavy, theirs, heavy_theirs)
        return parts & named, parts & on_top

    def _rarity(self, slots: Packed) -> Integers:
        """Return log2((incidents + prior) / incidents with the term) in units of 1/32."""
        everything = idf32(2 * (PRIOR_INCIDENTS + len(self.ids)) + 4)
        return np.maximum(everything - logs()[self._incidence[slots]], 0)

    def _telling(self, packed: Packed) -> Packed:
        """Return the slots of the heaviest and rarest terms, best first."""
        slots = slots_of(packed)
        value = weights_of(packed) * self._rarity(slots)
        return slots[np.lexsort((slots, -value))[:INDEXED_TERMS]]

    def _candidates(self, packed: Packed) -> list[int]:
        """Return the numbers of incidents that share the rarest terms, most first."""
        telling = self._telling(packed)
        rarity = self._rarity(telling)
        votes = self._postings.votes(telling.tolist(), rarity.tolist(), POSTINGS)
        if self._into:
            found = votes
            votes = {}
            for number, vote in found.items():
                root = self._root(number)
                votes[root] = votes.get(root, 0) + vote
        roots = np.fromiter(votes.keys(), dtype=np.int64)
        totals = np.fromiter(votes.values(), dtype=np.int64)
        best = np.lexsort((roots, -totals))[:CANDIDATES]
        return [int(root) for root in roots[best]]

    def _root(self, number: int) -> int:
        while number in self._into:
            number = self._into[number]
        return number

    def _rows_of(self, root: int) -> list[int]:
        """Return rows of an incident and of what is merged into it, 4 * MEMBERS at most."""
        rows: list[int] = []
        waiting = [root]
        while waiting and len(rows) < 4 * MEMBERS:
            number = waiting.pop()
            rows += self._members[number]
            waiting += reversed(self._merged.get(number, ()))
        return rows[: 4 * MEMBERS]

    # -- reasons and checkpoint

    def nearest(
        self, fingerprint: Fingerprint, incident: str, members: Iterable[str]
    ) -> str | None:
        """Return the incident's mention that is most similar to this one, or None."""
        number = self._numbers.get(incident)
        rows = self._rows_of(self._root(number)) if number is not None else []
        if not rows:
            return None
        numbers = _numbers(rows)
        packed = pack(fingerprint)
        cosine, _ = self._compare(packed, numbers, self._places(packed, numbers))
        similarity = self._timed(cosine, fingerprint.day, numbers)
        alike = alike_all(fingerprint.signature, self._rows.signatures[numbers])
        copies = alike >= COPY_SHARE
        row = rows[int((similarity + copies * FULL).argmax())]
        for mention in members:
            if self._rows.find(mention, [row]) is not None:
                return mention
        return None

    def rarity(self, fingerprint: Fingerprint) -> list[int]:
        """Return the rarity of each term in 1/32 bit, in the order of its hashes."""
        slots = (fingerprint.hashes & SLOT_MASK).astype(np.uint32)
        found: list[int] = self._rarity(slots).tolist()
        return found

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return copies of what `restore` needs: plain values, and arrays by name."""
        members = array("I")
        for rows in self._members:
            members.extend(rows)
        arrays = self._postings.state()
        arrays["members"] = np.array(members, dtype=np.uint32)
        arrays |= self._rows.state()
        arrays["members_each"] = np.fromiter(map(len, self._members), dtype=np.uint32)
        arrays["incidence"] = self._incidence.copy()
        # Lists of pairs: the keys of a JSON object would become strings.
        plain = {
            "ids": self.ids,
            "into": list(self._into.items()),
            "merged": list(self._merged.items()),
        }
        return plain, arrays

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> LinkIndex:
        """Return the index with this state."""
        index = cls()
        index.ids = list(plain["ids"])
        index._numbers = {incident: number for number, incident in enumerate(index.ids)}
        index._into = dict(plain["into"])
        index._merged = dict(plain["merged"])
        index._incidence = arrays["incidence"]
        index._rows = FingerprintTable.restore(arrays)
        index._postings = PostingLists.restore(arrays)
        members = unsigned(arrays["members"])
        start = 0
        for end in np.cumsum(arrays["members_each"]).tolist():
            index._members.append(members[start:end])
            start = end
        return index


def _best_and_oldest(found: tuple[int, Match]) -> tuple[int, int]:
    number, match = found
    return -match.score, number


def _numbers(rows: Iterable[int]) -> _RowNumbers:
    return np.fromiter(rows, dtype=np.intp)
