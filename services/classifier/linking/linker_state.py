"""The state of the linker, to arrays for its checkpoint and back, free rows included.

The first array is JSON in UTF-8, the others are the index's. No pickled object is stored.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incidentwire.incidents import codec
from incidentwire.incidents.state import IncidentsState
from services.classifier.linking.index import LinkIndex


@dataclass(kw_only=True)
class LinkerState:
    """What folding the log up to `position` gives.

    `versions` counts the events of each incident. `pending_fingerprints` holds those of
    mentions without an incident, by mention key. `pending_items` maps an item to the
    position of the event that it has to answer, the oldest first.
    """

    position: int = 0
    state: IncidentsState = field(default_factory=IncidentsState)
    index: LinkIndex = field(default_factory=LinkIndex)
    versions: Counter[str] = field(default_factory=Counter)
    pending_fingerprints: dict[str, str] = field(default_factory=dict)
    pending_items: dict[str, int] = field(default_factory=dict)

    def arrays(self) -> Iterator[NDArray[Any]]:
        """Yield the arrays that `of` needs, in its order."""
        plain, arrays = self.index.state()
        header = {
            "arrays": list(arrays),
            "position": self.position,
            "state": codec.dump(self.state),
            "index": plain,
            "versions": self.versions,
            "prints": self.pending_fingerprints,
            "news": self.pending_items,
        }
        yield np.frombuffer(
            json.dumps(header, separators=(",", ":")).encode(), dtype=np.uint8
        )
        yield from arrays.values()

    @classmethod
    def of(cls, read: Callable[[], NDArray[Any]]) -> LinkerState:
        """Return the state from its arrays, read one by one.

        Raises one of codec.DECODE_ERRORS if they are not those of a state.
        """
        header = json.loads(read().tobytes())
        arrays = {name: read() for name in header["arrays"]}
        return cls(
            position=header["position"],
            state=codec.load(header["state"]),
            index=LinkIndex.restore(header["index"], arrays),
            versions=Counter(header["versions"]),
            pending_fingerprints=header["prints"],
            pending_items=header["news"],
        )
