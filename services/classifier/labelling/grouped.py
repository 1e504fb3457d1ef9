"""Count over many stretches of text at once, to pay for each call of numpy once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.classifier.text.bigrams import Codes, distinct

_CODE_BITS = 33
CODE_LIMIT = 1 << _CODE_BITS


def counted(codes: Sequence[Sequence[Codes]]) -> tuple[Codes, Codes, Codes]:
    """Return the distinct codes of each stretch: stretch (ascending), code, count."""
    parts = [part for stretch in codes for part in stretch]
    if not parts:
        return _NONE, _NONE, _NONE
    owners = np.repeat(
        np.arange(len(codes)), [sum(map(len, stretch)) for stretch in codes]
    )
    keys, counts = distinct(owners << _CODE_BITS | np.concatenate(parts))
    return keys >> _CODE_BITS, keys & CODE_LIMIT - 1, counts


_NONE = np.zeros(0, dtype=np.int64)
