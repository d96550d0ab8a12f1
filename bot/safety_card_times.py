"""Times for the Safety Card: how long a message takes here. They depend on the machine and on what else it is doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

LONG = 4000
_TIMED, _LONG_TEXTS = 500, 30


def measure_times(every: Sequence[str], ordinary: Iterable[str], red: Iterable[str]) -> dict[str, Any]:
    """Milliseconds, rules alone and both layers: single messages, and long texts of ordinary talk and of red flags."""
    from threadpoolctl import threadpool_limits

    from bot import safety, screening

    threadpool_limits(1)  # as the web app runs
    some = every[:: max(1, len(every) // _TIMED)][:_TIMED]
    screening.warm_up()
    rows = [
        {"kind": f"{layers}_{of}", **_spread(texts, screen)}
        for of, texts in (("one", some), ("long", _long(ordinary)), ("dense", _long(red)))
        for layers, screen in (("rules", safety.screen), ("both", screening.screen))
    ]
    return {"processor": _processor(), "rows": rows}


def _long(texts: Iterable[str]) -> list[str]:
    """Texts of 4,000 characters, of messages put together."""
    joined = " ".join(texts)
    return [joined[start : start + LONG] for start in range(0, len(joined), LONG)][:_LONG_TEXTS]


def _spread(texts: Sequence[str], screen: Callable[[str], object]) -> dict[str, Any]:
    from bot.safety.screening import read

    read.cache_clear()  # what the layer before has read is remembered, and would be read in no time
    wall, processor = [], []
    for text in texts:
        started, used = time.perf_counter(), time.process_time()
        screen(text)
        wall.append((time.perf_counter() - started) * 1000)
        processor.append((time.process_time() - used) * 1000)
    found: dict[str, Any] = {"n": len(texts)}
    for name, taken in (("wall", sorted(wall)), ("processor", sorted(processor))):
        found |= {f"{name}_p50": taken[len(taken) // 2], f"{name}_p99": taken[len(taken) * 99 // 100]}
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
