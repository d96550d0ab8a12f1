"""How long a safety question waits for its answer before silence counts as a yes (``data/silence.yml``)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from bot.content.files import DATA, ContentError, name, read_yaml

# The tiers that a question can be about, the gravest first.
ASKED_TIERS = ("T0", "T1", "T2", "T3")
REVIEW_STATES = ("pending", "signed")
LONGEST_MINUTES = 24 * 60


@lru_cache(maxsize=4)
def load_silence(data: Path = DATA) -> Mapping[str, timedelta]:
    """The time by tier. Raises ContentError that names the file and the tier."""
    path = data / "silence.yml"
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != {"review", "minutes"}:
        raise ContentError(f"{name(path)}: write `review` and `minutes`, and nothing else.")
    review, minutes = content["review"], content["minutes"]
    if not isinstance(review, dict) or review.get("state") not in REVIEW_STATES:
        raise ContentError(f"{name(path)}: review: state must be one of {', '.join(REVIEW_STATES)}.")
    if not isinstance(minutes, dict) or set(minutes) != set(ASKED_TIERS):
        raise ContentError(f"{name(path)}: minutes: write one number for each of {', '.join(ASKED_TIERS)}.")
    before = 0.0
    for tier in ASKED_TIERS:
        value = minutes[tier]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= LONGEST_MINUTES:
            raise ContentError(f"{name(path)}: {tier}: {value!r} must be a number from 1 to {LONGEST_MINUTES}.")
        if value < before:
            raise ContentError(f"{name(path)}: {tier}: {value} is less than the time of a graver tier.")
        before = value
    return MappingProxyType({tier: timedelta(minutes=minutes[tier]) for tier in ASKED_TIERS})
