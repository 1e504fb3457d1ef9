"""All that a linker holds, as arrays and back, for its snapshot. What comes back equals what went, free rows included.

The first array is JSON in UTF-8, the others are the index's: no object of ours is stored, so none can be smuggled in.
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
    """All that a linker holds: what folding the log up to `position` makes of it."""

    position: int = 0
    state: IncidentsState = field(default_factory=IncidentsState)
    index: LinkIndex = field(default_factory=LinkIndex)
    versions: Counter[str] = field(
        default_factory=Counter
    )  # events so far, by incident
    prints: dict[str, str] = field(
        default_factory=dict
    )  # of mentions that have no place yet, by mention key
    news: dict[str, int] = field(
        default_factory=dict
    )  # item -> position of what is to be answered, oldest first

    def arrays(self) -> Iterator[NDArray[Any]]:
        """What `of` needs, in this order."""
        plain, arrays = self.index.state()
        said = {
            "arrays": list(arrays),
            "position": self.position,
            "state": codec.dump(self.state),
            "index": plain,
            "versions": self.versions,
            "prints": self.prints,
            "news": self.news,
        }
        yield np.frombuffer(
            json.dumps(said, separators=(",", ":")).encode(), dtype=np.uint8
        )
        yield from arrays.values()

    @classmethod
    def of(cls, read: Callable[[], NDArray[Any]]) -> LinkerState:
        """The same from its arrays, which come one by one. One of incident_state.WRONG for others."""
        said = json.loads(read().tobytes())
        arrays = {name: read() for name in said["arrays"]}
        return cls(
            position=said["position"],
            state=codec.load(said["state"]),
            index=LinkIndex.restore(said["index"], arrays),
            versions=Counter(said["versions"]),
            prints=said["prints"],
            news=said["news"],
        )
