"""How long the red-flag screening of one message takes: in this process, on held-out texts, each read once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.load import SEED
from benchmarks.results import OURS, Part
from benchmarks.stats import percentile
from bot import safety, screening

NAME = "screening"
HISTORY = 3


def measure(bench: Bench) -> Part:
    """With the soft layer (as the product screens) and by the rules alone; every round has texts of its own, and the
    rules others, so that nothing that was just read is remembered."""
    _ = bench.model  # the soft layer is trained with it
    screening.warm_up()
    texts = [*(text for text, _ in bench.questions), *bench.outside]
    random.Random(SEED).shuffle(texts)
    part = Part(NAME, rounds=bench.plan.rounds, about={"texts": len(texts)})
    rounds = bench.plan.rounds
    share = len(texts) // rounds
    for number in range(rounds):
        own, others = (texts[place * share : (place + 1) * share] for place in (number, (number + 2) % rounds))
        both, rules = _timed(screening.screen, own), _timed(safety.screen, others)
        alone = {f"rules_p{percent}_ms": percentile(rules, percent) for percent in (50, 95, 99)}
        part.samples.add(OURS, **{f"screening_p{percent}_ms": percentile(both, percent) for percent in (50, 95, 99)})
        part.samples.add(OURS, **alone)
    return part


def _timed(screen: Callable[..., object], texts: list[str]) -> list[float]:
    """Milliseconds of each text, with the texts before it as what was said earlier."""
    taken = []
    for place, text in enumerate(texts):
        earlier = tuple(texts[max(0, place - HISTORY) : place])
        began = time.perf_counter()
        screen(text, earlier)
        taken.append(1000 * (time.perf_counter() - began))
    return taken
