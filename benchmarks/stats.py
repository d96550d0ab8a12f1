"""Percentiles and spreads, in one place, so that every figure means the same."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that `percent` of 100 values do not exceed.

    Raises ValueError where there are no values or `percent` is not above 0 and at most 100.
    """
    if not values or not 0 < percent <= 100:
        raise ValueError("a percentile needs values, and a percent above 0 and at most 100")
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, lowest, highest and all `values`, rounded to three places. Raises ValueError where there are none."""
    if not values:
        raise ValueError("no values")
    return {
        "median": round(statistics.median(values), 3),
        "low": round(min(values), 3),
        "high": round(max(values), 3),
        "values": [round(value, 3) for value in values],
    }
