"""Words that say nothing about what a text reports: one list for labels and links."""

from __future__ import annotations

STOP_WORDS = frozenset(
    """
    a about after all also an and any are as at be been but by can could de der die du
    el en for from had has have he her his how i if in into is it its la las le les los
    may might more most my new no not of on one or other our out over s said say says
    she so some such t than that the their them then there these they this those to two
    und up was we were what when where which who will with would y you your
    """.split()
)
