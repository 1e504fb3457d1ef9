"""The four labels, and the small shapes that events and services share when they speak of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

Label = Literal["data_leak", "consent", "deepfake", "regulation"]
LABELS: tuple[Label, ...] = ("data_leak", "consent", "deepfake", "regulation")

Evidence = tuple[int, int]  # [start, end) in Unicode code points of the kept text


@dataclass(frozen=True, kw_only=True)
class MentionRef:
    """A stretch of an item that speaks of one happening. `id` is unique within its item and survives
    reclassification; `fingerprint` is ASCII of at most 600 bytes, keyed, and empty where there is no label."""

    id: str
    start: int
    end: int
    labels: tuple[Label, ...] = ()
    fingerprint: str = dataclasses.field(default="", repr=False)
