"""Whether two mentions are about one subject, or fill one template with two.

A term that stands in the title and again in the text names the subject. Notices of
breaches, penalties and lawsuits are written from templates: two about different firms
share most of their words, but neither the subject nor the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.linking.fingerprint_table import (
    SLOT_BITS,
    WEIGHTS,
    Integers,
    Packed,
)
from services.classifier.linking.terms import TermKind

# Stored weights that only a term of title and text reaches: 4 * 4/3 * 1.5 = 8 for a
# word, times 1.25 for a name. A term of the text alone stays below.
MIN_WORD_WEIGHT = 8
MIN_NAME_WEIGHT = 9
NAME_POINTS = 2  # a name of its own makes a subject, a word alone does not
MIN_POINTS = 2  # on both sides
SOME_SHARE = 0.06  # of the text in common: independent reports share no shingle
FEW_FIGURES_SHARE = 0.12  # the same, for texts with few figures, or as many in common
TEMPLATE_SHARE = 0.25  # from here on, another subject or other figures suffice
# Two versions of one report share as much and differ in figures; dates tell them apart.
UNDATED_SOME_SHARE = 0.2
UNDATED_TEMPLATE_SHARE = 0.4
MOSTLY_ALIKE = 0.5  # of a copy, all of the subject is in common
# Of the subject that both have: from here on, each is about its own. A title such as
# "Ash Clinic fined over leak of data" has fewer words of its own than of the template.
OWN_SHARE = 0.75

# What is counted of a mention's terms, as fields of one integer: one sum counts all.
_FIELD_BITS = 12  # 124 terms have 248 points at most
_POINT, _FIGURE, _NAME = (1 << _FIELD_BITS * n for n in range(3))

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class SubjectComparison:
    """One mention against rows of others; each array has one value per row."""

    same_subject: Flags  # each has a subject term of the other
    related: Flags  # one has a subject term of the other
    differs: Flags  # one template, but another subject or other figures


def compare_subjects(
    mention: Packed,
    others: Packed,
    at: Integers,
    alike: NDArray[np.float64],
    dated: Flags,
    timely: Flags,
) -> SubjectComparison:
    """Compare a mention with others, a row each.

    `at` has the shape of `others`: the place of the same term in `mention`, plus one;
    0 if the mention lacks it. `alike` is the share of text in common, 0 to 1.
    Pairs that are not `dated` need more in common to count as one template. In pairs
    that are not `timely`, too far apart for two versions of one report, other figures
    alone make another incident.
    """
    own = np.append(0, _COUNTS[mention >> SLOT_BITS])
    theirs = _COUNTS[others >> SLOT_BITS]
    own_at = own[at]
    own_common = own_at.sum(axis=1)
    their_common = (theirs * (at > 0)).sum(axis=1)
    own_only = own.sum() - own_common
    their_only = theirs.sum(axis=1) - their_common

    named_by_mention = _field(own_common, _POINT)
    named_by_other = _field(their_common, _POINT)
    own_points = np.minimum(_field(own_only, _POINT), _field(their_only, _POINT))
    common_points = np.minimum(named_by_mention, named_by_other)
    dominant = (alike >= MOSTLY_ALIKE) | (own_points >= OWN_SHARE * common_points)
    other_subject = (own_points >= MIN_POINTS) & dominant
    related = (named_by_mention > 0) | (named_by_other > 0)
    # A subject may be one word, as in Korean.
    other_subject |= ~related & (own_points > 0)

    figures_only = np.minimum(_field(own_only, _FIGURE), _field(their_only, _FIGURE))
    shared_figures = (own_at & theirs & _FIGURE).sum(axis=1) // _FIGURE
    other_figures = figures_only > shared_figures
    other_names = (_field(own_only, _NAME) > 0) & (_field(their_only, _NAME) > 0)
    # An update of a report corrects its figures, but names whom the report named.
    other_figures &= (own_points > 0) | other_names | ~timely
    few_other_figures = figures_only >= np.maximum(shared_figures, 1)
    few_other_figures &= alike >= np.where(dated, FEW_FIGURES_SHARE, UNDATED_SOME_SHARE)
    some_alike = alike >= np.where(dated, SOME_SHARE, UNDATED_SOME_SHARE)
    return SubjectComparison(
        same_subject=(named_by_mention > 0) & (named_by_other > 0),
        related=related,
        differs=np.where(
            alike >= np.where(dated, TEMPLATE_SHARE, UNDATED_TEMPLATE_SHARE),
            other_subject | other_figures,
            other_subject & (other_figures & some_alike | few_other_figures),
        ),
    )


def _counts() -> Integers:
    """Return what a term counts, by its kind and stored weight as they are packed."""
    counts = np.zeros((len(TermKind), WEIGHTS), dtype=np.int64)
    counts[TermKind.WORD, MIN_WORD_WEIGHT:] += _POINT
    counts[TermKind.NAME, MIN_NAME_WEIGHT:] += NAME_POINTS * _POINT
    counts[TermKind.NAME] += _NAME
    counts[[TermKind.AMOUNT, TermKind.DATE]] += _FIGURE
    return counts.reshape(-1)


_COUNTS = _counts()


def _field(counts: Integers, unit: int) -> Integers:
    """Return one of the counts that are added up in fields of `unit`."""
    found: Integers = counts // unit & ((1 << _FIELD_BITS) - 1)
    return found
