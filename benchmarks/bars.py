"""The figures at the top of the results, and the bars: what was asked for, what was measured, whether it is met."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.results import CORE, ONE, OURS, POSTGRES, STOCK, TWO, WHOLE, Part, Samples, all_samples, part_of

AT_MOST, AT_LEAST = "≤", "≥"


@dataclass(frozen=True)
class Bar:
    """A figure and its limit. `key`: a sample of the part that it belongs to."""

    name: str
    figure: str
    sign: str
    limit: float
    unit: str
    key: str

    def met(self, value: float | None) -> bool | None:
        """None where it was not measured."""
        if value is None:
            return None
        return value <= self.limit if self.sign == AT_MOST else value >= self.limit


_X = "× stock"
BARS = (
    Bar("Start to first answer, whole product", "boot_s_whole", AT_MOST, 6, "s", "boot_s"),
    Bar("The same beside stock Rasa", "boot_ratio_whole", AT_MOST, 0.2, _X, "boot_s"),
    Bar("Start to first answer, our Rasa process", "boot_ratio", AT_MOST, 0.2, _X, "boot_s"),
    Bar("Memory of all our processes", "total_memory_mb", AT_MOST, 700, "MB", "memory_mb"),
    Bar("Memory of our Rasa process", "rasa_memory_ratio", AT_MOST, 0.3333, _X, "memory_mb"),
    Bar("One turn end to end, median, SQLite", "turn_p50_ratio_whole", AT_MOST, 0.4, f"{_X}'s bare turn", "p50_ms_1"),
    Bar("The same on PostgreSQL", "turn_p50_ratio_postgres", AT_MOST, 0.4, f"{_X}'s bare turn", "p50_ms_1"),
    Bar("One turn end to end, 99 of 100, SQLite", "turn_p99_ms_whole", AT_MOST, 100, "ms", "p99_ms_1"),
    Bar("The same on PostgreSQL", "turn_p99_ms_postgres", AT_MOST, 100, "ms", "p99_ms_1"),
    Bar("Turns a second, 8 clients, SQLite", "turns_per_s_ratio_8_whole", AT_LEAST, 3, _X, "per_second_8"),
    Bar("The same on PostgreSQL", "turns_per_s_ratio_8_postgres", AT_LEAST, 3, _X, "per_second_8"),
    Bar("Turn after 1000 events / after 10, Rasa", "history_growth_1000", AT_MOST, 1.2, "×", "history_ms_10"),
    Bar("Turn after 1000 events / after 10, patient API", "history_growth_1000_whole", AT_MOST, 1.2, "×",
        "history_ms_10"),
    Bar("Environment on disk", "environment_mb", AT_MOST, 1024, "MB", "environment_mb"),
    Bar("Two web + two Rasa / one of each, 8 clients", "scale_ratio_8", AT_LEAST, 1.7, "×", "scale_per_second_8"),
    Bar("The same, 32 clients", "scale_ratio_32", AT_LEAST, 1.7, "×", "scale_per_second_32"),
    Bar("Web process with 1,000 open chats", "chats_web_mb", AT_MOST, 300, "MB", "chats_web_mb"),
    Bar("A clinician's reply seen, 95 of 100", "chats_reply_p95_ms", AT_MOST, 1000, "ms", "chats_reply_p95_ms"),
)  # fmt: skip


def figures(parts: Mapping[str, Part]) -> dict[str, float | None]:
    """The named figures: ratios of medians of one run, ours / stock, and medians. None where not measured."""
    samples = all_samples(parts)
    found = {
        "boot_ratio": samples.ratio("boot_s"),
        "boot_s_whole": samples.median("boot_s", WHOLE),
        "boot_ratio_whole": samples.ratio("boot_s", WHOLE),
        "rasa_memory_ratio": samples.ratio("memory_mb"),
        "total_memory_mb": samples.median("memory_mb", WHOLE),
        "turn_p50_ratio": samples.ratio("p50_ms_1"),
        "turn_p50_ratio_8": samples.ratio("p50_ms_8"),
        "turn_p50_ratio_whole": samples.ratio("p50_ms_1", WHOLE),
        "turn_p50_ratio_postgres": samples.ratio("p50_ms_1", POSTGRES),
        "turn_p99_ms_whole": samples.median("p99_ms_1", WHOLE),
        "turn_p99_ms_postgres": samples.median("p99_ms_1", POSTGRES),
        "turns_per_s_ratio_8": samples.ratio("per_second_8"),
        "turns_per_s_ratio_8_whole": samples.ratio("per_second_8", WHOLE),
        "turns_per_s_ratio_8_postgres": samples.ratio("per_second_8", POSTGRES),
        "turns_per_s_ratio_32_whole": samples.ratio("per_second_32", WHOLE),
        "cpu_per_turn_ratio": samples.ratio("cpu_ms"),
        "cpu_per_turn_ratio_whole": samples.ratio("cpu_ms", WHOLE),
        "history_growth_1000": _growth(samples, OURS),
        "history_growth_1000_whole": _growth(samples, WHOLE),
        "environment_mb": samples.median("environment_mb", OURS),
        "image_mb": samples.median("image_mb", OURS),
        "training_s": samples.median("training_s", OURS),
        "soft_training_s": samples.median("soft_training_s", OURS),
        "screening_p95_ms": samples.median("screening_p95_ms", OURS),
        "chats_web_mb": samples.median("chats_web_mb", WHOLE),
        "chats_reply_p95_ms": samples.median("chats_reply_p95_ms", WHOLE),
        "inbox_page_ms": samples.median("inbox_page_ms", WHOLE),
        "scale_ratio_8": samples.ratio("scale_per_second_8", TWO, ONE),
        "scale_ratio_32": samples.ratio("scale_per_second_32", TWO, ONE),
        "scale_ratio_of_cores_8": samples.ratio("scale_per_second_8", TWO, CORE),
        "scale_ratio_of_cores_32": samples.ratio("scale_per_second_32", TWO, CORE),
        "scale_ceiling_8": samples.median("scale_ceiling_8", ONE),
        "routing_accuracy": _share(samples.median("guess_percent", OURS)),
        "stock_routing_accuracy": _share(samples.median("guess_percent", STOCK)),
        "answered_right": _share(samples.median("routing_percent", OURS)),
        "stock_answered_right": _share(samples.median("routing_percent", STOCK)),
    }
    return {name: None if value is None else round(value, 4) for name, value in found.items()}


def bars(parts: Mapping[str, Part]) -> list[dict[str, Any]]:
    """Every bar with its measured value, whether it is met (None: not measured), and when that was measured."""
    measured = figures(parts)
    found = []
    for bar in BARS:
        value, part = measured[bar.figure], part_of(parts, bar.key)
        found.append(
            {
                "name": bar.name,
                "figure": bar.figure,
                "bar": f"{bar.sign} {bar.limit:g} {bar.unit}",
                "measured": value,
                "met": bar.met(value),
                "part": part.name if part else None,
                "at": part.at if part else None,
                "commit": part.commit if part else None,
            }
        )
    return found


def _growth(samples: Samples, side: str) -> float | None:
    ten, thousand = samples.median("history_ms_10", side), samples.median("history_ms_1000", side)
    return thousand / ten if ten and thousand else None


def _share(percent: float | None) -> float | None:
    return percent / 100 if percent is not None else None
