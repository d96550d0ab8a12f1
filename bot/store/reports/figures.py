"""Medians, percentiles and intervals, of enough people only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from bot.store.reports.small import FEWEST, HIDDEN, Count

# Two-sided 95 % of the normal distribution.
_Z = 1.959963984540054


def spread(values: Sequence[float], n: Count) -> dict[str, Any]:
    """The median and the 90th percentile (nearest rank), of five values or more. `n`: what is given of their number."""
    enough = len(values) >= FEWEST
    ordered = sorted(values)
    return {
        "n": n,
        "median": round(median(ordered), 1) if enough else None,
        "p90": round(ordered[math.ceil(0.9 * len(ordered)) - 1], 1) if enough else None,
    }


def share(part: Count, rest: Count) -> dict[str, Any]:
    """A share with its 95 % interval (Wilson), where both numbers are given and are five or more together."""
    if isinstance(part, str) or isinstance(rest, str) or part + rest < FEWEST:
        n: Count = HIDDEN if isinstance(part, str) or isinstance(rest, str) else part + rest
        return {"n": n, "share": None, "low": None, "high": None}
    n = part + rest
    low, high = wilson(part, n)
    return {"n": n, "share": round(part / n, 3), "low": round(low, 3), "high": round(high, 3)}


def wilson(part: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share after Wilson (J. Am. Stat. Assoc. 22, 1927, 209); n is more than 0."""
    rate, square = part / n, _Z * _Z
    middle = rate + square / (2 * n)
    reach = _Z * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    return max(0.0, (middle - reach) / (1 + square / n)), min(1.0, (middle + reach) / (1 + square / n))
