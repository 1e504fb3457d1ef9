"""An inverted index that finds the few incidents worth comparing with a mention.

Scores use integers, or IEEE operations that round correctly (* / sqrt), so the same calls
give the same scores on any machine. The frequency of a term is the number of incidents it
occurred in so far, plus a prior that keeps the first incidents from looking unique.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import (
    SLOT_BITS,
    SLOT_MASK,
    FingerprintTable,
    Integers,
    Packed,
    kinds_of,
    pack,
    slots_of,
    weights_of,
)
from services.classifier.linking.fingerprints import Fingerprint, alike_all
from services.classifier.linking.idf import idf32, logs
from services.classifier.linking.lead_names import Flags, has_lead_name_of, leading
from services.classifier.linking.similarity import FULL, Match, nearest_of
from services.classifier.linking.subjects import SubjectComparison, compare_subjects
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
_RowNumbers = NDArray[np.intp]


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
        self._incidence = np.zeros(
            1 << SLOT_BITS, dtype=np.uint16
        )  # incidents in which a term occurred
        # Postings are linked lists, the newest first, of 8 bytes each: dicts and lists would cost twenty times that.
        self._heads = array(
            "I", bytes(4 << SLOT_BITS)
        )  # by slot: its first posting, 0 for none
        self._who = array("I", [0])  # by posting: the incident's number
        self._next = array("I", [0])  # by posting: the next one, 0 at the end
        self._mine = np.zeros(
            1 << SLOT_BITS, dtype=np.uint8
        )  # weights of the mention being compared, else zeros

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
        packed, members = pack(fingerprint), self._members[number]
        slots = slots_of(packed)
        new = slots[~np.isin(slots, slots_of(self._rows.terms[_numbers(members)]))]
        self._incidence[new] = np.minimum(self._incidence[new], 0xFFFE) + 1
        telling = self._telling(packed)
        for slot in telling[np.isin(telling, new)].tolist():
            self._who.append(number)
            self._next.append(self._heads[slot])
            self._heads[slot] = len(self._who) - 1
        members.append(self._rows.add(mention, packed, fingerprint))
        if len(members) > MEMBERS:
            self._rows.free(members.pop(1))

    def remove(self, incident: str, mention: str) -> bool:
        """Remove a mention from an incident; return False if it was not kept."""
        number = self._numbers.get(incident)
        row = (
            self._rows.find(mention, self._members[number])
            if number is not None
            else None
        )
        if number is None or row is None:
            return False
        self._members[number].remove(row)
        self._rows.free(row)
        return True

    def merge(self, source: str, into: str) -> None:
        """Compare `source` as part of `into` until `unmerge`. Unknown ids are ignored."""
        one, other = self._numbers.get(source), self._numbers.get(into)
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
        without = {
            self._root(self._numbers[i]) for i in cannot_link if i in self._numbers
        }
        groups = [
            (root, self._kept(root))
            for root in self._candidates(packed)
            if root not in without
        ]
        rows = _numbers([row for _, group in groups for row in group])
        if not len(rows):
            return []
        cosine, shared = self._compare(packed, rows)
        similarity = self._timed(cosine, fingerprint.day, rows)
        days = self._rows.days[rows]
        gap = np.abs(days.astype(np.int64) - fingerprint.day)
        dated = (days > 0) & (fingerprint.day > 0)
        alike = alike_all(fingerprint.signature, self._rows.signatures[rows])
        timely = ~dated | (gap <= COPY_DAYS)
        subject = self._subjects(packed, rows, alike, dated, timely)
        similarity = np.where(subject.differs, 0, similarity)
        copies = (alike >= COPY_SHARE) & ~subject.differs
        copies &= timely | subject.same_subject
        named, retold = self._led(packed, fingerprint.part, rows)
        if fingerprint.outcome and not fingerprint.part:
            followed = ~self._rows.parts[rows] & subject.same_subject
            followed &= ~subject.differs
            named = named | followed
            retold = retold | (followed & dated & (gap > FOLLOW_UP_DAYS))
        found, start = [], 0
        for root, group in groups:
            if group:
                own = slice(start, start + len(group))
                start += len(group)
                near = nearest_of(
                    self.ids[root],
                    similarity[own],
                    shared[own],
                    copies[own],
                    days[own],
                    fingerprint.day,
                )
                near_retold, near_named = (
                    int((cosine[own] * flags[own]).max()) for flags in (retold, named)
                )
                match = replace(near, retold=near_retold, named=near_named)
                found.append((-match.score, root, match))
        return [match for _, _, match in sorted(found, key=lambda one: one[:2])]

    def _compare(self, packed: Packed, rows: _RowNumbers) -> tuple[Integers, Integers]:
        """Return the cosine with each row, 0 to FULL, and the shared terms by kind."""
        theirs, own_slots = self._rows.terms[rows], slots_of(packed)
        slots = slots_of(theirs)
        rarity = self._rarity(slots)
        self._mine[own_slots] = weights_of(packed)
        mine = self._mine[slots].astype(np.int64)
        self._mine[own_slots] = 0
        weights = weights_of(theirs)
        weighted, own = weights * rarity, weights_of(packed) * self._rarity(own_slots)
        dot = (weighted * mine * rarity).sum(axis=1)
        lengths = np.sqrt(
            (weighted * weighted).sum(axis=1).astype(np.float64)
        ) * np.sqrt(float((own * own).sum()))
        cosine = np.floor(dot * float(FULL) / np.maximum(lengths, 1.0)).astype(np.int64)
        both, kinds = (mine > 0) & (weights > 0), kinds_of(theirs)
        shared = np.stack(
            [(both & (kinds == kind)).sum(axis=1) for kind in TermKind], axis=1
        ).astype(np.int64)
        return cosine, shared

    def _subjects(
        self,
        packed: Packed,
        rows: _RowNumbers,
        alike: NDArray[np.float64],
        dated: Flags,
        timely: Flags,
    ) -> SubjectComparison:
        theirs = self._rows.terms[rows]
        own_slots = slots_of(packed)
        self._mine[own_slots] = np.arange(1, len(own_slots) + 1)
        at = self._mine[slots_of(theirs)].astype(np.int64) * (theirs > 0)
        self._mine[own_slots] = 0
        return compare_subjects(packed, theirs, at, alike, dated, timely)

    def _timed(self, cosine: Integers, day: int, rows: _RowNumbers) -> Integers:
        """Return the cosine reduced by the distance in time."""
        days = self._rows.days[rows].astype(np.int64)
        gap = np.where(
            (days > 0) & (day > 0), np.maximum(np.abs(days - day) - FREE_DAYS, 0), 0
        )
        timed: Integers = cosine * (2 * HALF_DAYS + gap) // (2 * (HALF_DAYS + gap))
        return timed

    def _led(
        self, packed: Packed, part: bool, rows: _RowNumbers
    ) -> tuple[Flags, Flags]:
        """Return two masks of rows that share a lead name with the mention: at all, and on top.

        One side must be an excerpt: the lead name is that of the mention if it is one,
        else that of each excerpt among the rows.
        """
        parts = np.ones_like(rows, dtype=np.bool_) if part else self._rows.parts[rows]
        if not parts.any():
            return parts, parts
        theirs = self._rows.terms[rows]
        heavy = weights_of(packed) * self._rarity(slots_of(packed))
        heavy_theirs = weights_of(theirs) * self._rarity(slots_of(theirs))
        named, foremost = (has_lead_name_of if part else leading)(
            packed, heavy, theirs, heavy_theirs
        )
        return parts & named, parts & foremost

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
        telling, votes = self._telling(packed), dict[int, int]()
        heads, who, after = self._heads, self._who, self._next
        for slot, rarity in zip(
            telling.tolist(), self._rarity(telling).tolist(), strict=True
        ):
            at, left = heads[slot], POSTINGS
            while at and left:
                votes[who[at]] = votes.get(who[at], 0) + rarity
                at, left = after[at], left - 1
        if self._into:
            found, votes = votes, {}
            for number, vote in found.items():
                root = self._root(number)
                votes[root] = votes.get(root, 0) + vote
        roots, total = (
            np.fromiter(votes.keys(), dtype=np.int64),
            np.fromiter(votes.values(), dtype=np.int64),
        )
        return [int(root) for root in roots[np.lexsort((roots, -total))[:CANDIDATES]]]

    # -- keeping

    def _root(self, number: int) -> int:
        while number in self._into:
            number = self._into[number]
        return number

    def _kept(self, root: int) -> list[int]:
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
        rows = self._kept(self._root(number)) if number is not None else []
        if not rows:
            return None
        numbers = _numbers(rows)
        cosine, _ = self._compare(pack(fingerprint), numbers)
        similarity = self._timed(cosine, fingerprint.day, numbers)
        copies = (
            alike_all(fingerprint.signature, self._rows.signatures[numbers])
            >= COPY_SHARE
        )
        row = rows[int((similarity + copies * FULL).argmax())]
        return next(
            (
                mention
                for mention in members
                if self._rows.find(mention, [row]) is not None
            ),
            None,
        )

    def rarity(self, fingerprint: Fingerprint) -> list[int]:
        """Return the rarity of each term in 1/32 bit, in the order of its hashes."""
        found: list[int] = self._rarity(
            (fingerprint.hashes & SLOT_MASK).astype(np.uint32)
        ).tolist()
        return found

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return copies of what `restore` needs: plain values, and arrays by name."""
        members = array("I")
        for rows in self._members:
            members.extend(rows)
        numbers = {
            "heads": self._heads,
            "who": self._who,
            "next": self._next,
            "members": members,
        }
        arrays = {
            name: np.array(values, dtype=np.uint32) for name, values in numbers.items()
        } | self._rows.state()
        arrays["members_each"] = np.fromiter(map(len, self._members), dtype=np.uint32)
        arrays["incidence"] = self._incidence.copy()
        into, merged = (
            list(self._into.items()),
            list(self._merged.items()),
        )  # JSON's keys would be strings
        return {"ids": self.ids, "into": into, "merged": merged}, arrays

    @classmethod
    def restore(
        cls, plain: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
    ) -> LinkIndex:
        """Return the index with this state."""
        index = cls()
        index.ids = list(plain["ids"])
        index._numbers = {incident: number for number, incident in enumerate(index.ids)}
        index._into, index._merged = dict(plain["into"]), dict(plain["merged"])
        index._incidence, index._rows = (
            arrays["incidence"],
            FingerprintTable.restore(arrays),
        )
        index._heads, index._who, index._next = (
            _array(arrays[name]) for name in ("heads", "who", "next")
        )
        members, ends = (
            _array(arrays["members"]),
            np.cumsum(arrays["members_each"]).tolist(),
        )
        index._members = [
            members[start:end] for start, end in zip([0, *ends], ends, strict=False)
        ]
        return index


def _array(numbers: NDArray[Any]) -> array[int]:
    return array("I", numbers.astype(np.uint32).tobytes())


def _numbers(rows: Iterable[int]) -> _RowNumbers:
    return np.fromiter(rows, dtype=np.intp)
