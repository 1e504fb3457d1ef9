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
    Integers,
    Packed,
    kinds_of,
    stored_weights_of,
)
from services.classifier.linking.terms import TermKind

# Stored weights that only a term of title and text reaches: 4 * 4/3 * 1.5 = 8 for a
# word, times 1.25 for a name. A term of the text alone stays below.
MIN_WORD_WEIGHT = 8
MIN_NAME_WEIGHT = 9
NAME_POINTS = 2  # a name of its own makes a subject, a word alone does not
MIN_POINTS = 2  # on both sides
SOME_SHARE = 0.06  # of the text in common: independent reports share no shingle
TEMPLATE_SHARE = 0.25  # from here on, another subject or other figures suffice
# Two versions of one report share as much and differ in figures; dates tell them apart.
UNDATED_SOME_SHARE = 0.3
UNDATED_TEMPLATE_SHARE = 0.4
MOSTLY_ALIKE = 0.5  # of a copy, all of the subject is in common

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
    own_subject = np.append(0, _subject_points(mention))
    own_figures = np.append(0, _is_figure(mention))
    shared = at > 0
    their_subject = _subject_points(others)
    their_figures = _is_figure(others)

    named_by_mention = own_subject[at].sum(axis=1)
    named_by_other = (their_subject * shared).sum(axis=1)
    only_mention = own_subject.sum() - named_by_mention
    only_other = their_subject.sum(axis=1) - named_by_other
    own_points = np.minimum(only_mention, only_other)
    common_points = np.minimum(named_by_mention, named_by_other)
    dominant = (alike >= MOSTLY_ALIKE) | (own_points >= common_points)
    other_subject = (own_points >= MIN_POINTS) & dominant

    shared_figures = (own_figures[at] & their_figures).sum(axis=1)
    own_figures_only = own_figures.sum() - own_figures[at].sum(axis=1)
    their_figures_only = (their_figures & ~shared).sum(axis=1)
    other_figures = np.minimum(own_figures_only, their_figures_only) > shared_figures
    # An update of a report corrects its figures, but names whom the report named.
    has_other_names = _has_other_names(mention, others, at)
    other_figures &= (own_points > 0) | has_other_names | ~timely
    some_alike = alike >= np.where(dated, SOME_SHARE, UNDATED_SOME_SHARE)
    return SubjectComparison(
        same_subject=(named_by_mention > 0) & (named_by_other > 0),
        related=(named_by_mention > 0) | (named_by_other > 0),
        differs=np.where(
            alike >= np.where(dated, TEMPLATE_SHARE, UNDATED_TEMPLATE_SHARE),
            other_subject | other_figures,
            other_subject & other_figures & some_alike,
        ),
    )


def _has_other_names(mention: Packed, others: Packed, at: Integers) -> Flags:
    """Return by row whether each mention has a name that the other lacks."""
    own_names = np.append(0, kinds_of(mention) == TermKind.NAME)
    their_names = kinds_of(others) == TermKind.NAME
    only_mention = own_names.sum() - own_names[at].sum(axis=1)
    only_other = (their_names & (at == 0)).sum(axis=1)
    both: Flags = (only_mention > 0) & (only_other > 0)
    return both


def _subject_points(packed: Packed) -> Integers:
    weights = stored_weights_of(packed)
    kinds = kinds_of(packed)
    names = (kinds == TermKind.NAME) & (weights >= MIN_NAME_WEIGHT)
    words = (kinds == TermKind.WORD) & (weights >= MIN_WORD_WEIGHT)
    points: Integers = NAME_POINTS * names + 1 * words
    return points


def _is_figure(packed: Packed) -> Flags:
    kinds = kinds_of(packed)
    figures: Flags = (kinds == TermKind.AMOUNT) | (kinds == TermKind.DATE)
    return figures
