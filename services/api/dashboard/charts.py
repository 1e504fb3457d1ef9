"""A bar chart as numbers for an SVG: incidents by label and month. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from incidentwire.labels import LABELS
from services.api.dashboard.queries import MAX_MONTHS

WIDTH = 280
HEIGHT = 150
BASE = 128  # y of the axis


def stacked(counts: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    """Return the chart of (month, label, count) rows: at most the last MAX_MONTHS."""
    by_month: dict[str, dict[str, int]] = {}
    for month, label, count in counts:
        by_month.setdefault(month, {})[label] = count
    shown = sorted(by_month)[-MAX_MONTHS:]
    months = [{"month": month, "counts": by_month[month]} for month in shown]
    most = max((sum(by_month[month].values()) for month in shown), default=1)
    step = WIDTH / max(1, len(shown))
    bars = []
    for index, month in enumerate(shown):
        top = float(BASE)
        for label in LABELS:
            count = by_month[month].get(label, 0)
            height = (BASE - 8) * count / most
            top -= height
            if count:
                bars.append(
                    {
                        "label": label,
                        "month": month,
                        "count": count,
                        "x": round(index * step + step * 0.12, 1),
                        "width": round(min(step * 0.76, 48), 1),
                        "y": round(top, 1),
                        "height": round(height, 1),
                    }
                )
    ticks = []
    if shown:
        ticks.append({"x": 0, "anchor": "start", "text": shown[0]})
    if len(shown) > 1:
        ticks.append({"x": WIDTH, "anchor": "end", "text": shown[-1]})
    return {
        "months": months,
        "bars": bars,
        "ticks": ticks,
        "width": WIDTH,
        "height": HEIGHT,
        "base": BASE,
    }
