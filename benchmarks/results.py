"""What was measured: values by part, figure and side; parts of several runs put together and told apart."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bot.settings import ROOT

# Sides: our Rasa process through its channel, our whole product (on SQLite, on PostgreSQL), stock Rasa.
OURS, WHOLE, POSTGRES, STOCK = "ours", "whole", "postgres", "stock"
# Of the several-process part: one web app and one Rasa, two of each, and one of each with all on one core.
ONE, TWO, CORE = "one", "two", "one_core"


@dataclass
class Samples:
    """All values measured: by figure, by side, in the order of the rounds."""

    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, side: str, **found: float | None) -> None:
        for key, value in found.items():
            if value is not None:
                self.values.setdefault(key, {}).setdefault(side, []).append(float(value))

    def of(self, key: str, side: str) -> list[float]:
        return self.values.get(key, {}).get(side, [])

    def median(self, key: str, side: str) -> float | None:
        found = self.of(key, side)
        return statistics.median(found) if found else None

    def ratio(self, key: str, side: str = OURS, to: str = STOCK) -> float | None:
        """Median over the other side's median, both of this run."""
        mine, theirs = self.median(key, side), self.median(key, to)
        return mine / theirs if mine is not None and theirs else None


@dataclass
class Part:
    """One part of the set: what it measured, when and where. `run` names the run; `failed` says why there is nothing
    new of it; `about` is whatever else it has to say."""

    name: str
    run: str = ""
    at: str = ""
    commit: str = ""
    rounds: int = 0
    seconds: float = 0.0
    quick: bool = False
    machine: dict[str, Any] = field(default_factory=dict)
    samples: Samples = field(default_factory=Samples)
    about: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    failed: str = ""

    def as_dict(self) -> dict[str, Any]:
        rounded = {
            key: {side: [round(value, 4) for value in found] for side, found in sides.items()}
            for key, sides in self.samples.values.items()
        }
        return {**asdict(self), "samples": rounded}

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Part:
        return cls(**{**kept, "samples": Samples(dict(kept["samples"]))})


def merged(earlier: Mapping[str, Part], new: Mapping[str, Part]) -> dict[str, Part]:
    """The parts of this run, and for those that it did not measure, or could not, the earlier ones as they were.

    Where a part has failed now, the earlier values stay under their own date, with the failure noted.
    """
    together = dict(earlier)
    for name, part in new.items():
        before = together.get(name)
        if part.failed and not part.samples.values and before is not None and before.samples.values:
            together[name] = Part(**{**vars(before), "failed": f"{part.at}: {part.failed}"})
        else:
            together[name] = part
    return together


def newest_run(parts: Mapping[str, Part]) -> str:
    """The name of the latest run; names are times."""
    return max((part.run for part in parts.values()), default="")


def older(parts: Mapping[str, Part]) -> list[str]:
    """Parts that are not of the newest run."""
    newest = newest_run(parts)
    return sorted(name for name, part in parts.items() if part.run != newest)


def all_samples(parts: Mapping[str, Part]) -> Samples:
    """Every value under one roof. A figure belongs to one part alone, so that no ratio is made of two runs."""
    together = Samples()
    for name, part in parts.items():
        doubled = together.values.keys() & part.samples.values.keys()
        if doubled:
            raise ValueError(f"{name} measures what another part measures too: {sorted(doubled)}")
        together.values.update(part.samples.values)
    return together


def part_of(parts: Mapping[str, Part], key: str) -> Part | None:
    """The part that a figure belongs to."""
    return next((part for part in parts.values() if key in part.samples.values), None)


def read_parts(path: Path) -> dict[str, Part]:
    """The parts of an earlier run's file; none where there is none, or one of another shape."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))["parts"]
        return {name: Part.of(part) for name, part in kept.items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def commit() -> str:
    """The commit that is measured, with a plus where files have been changed since; empty outside of a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        short = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!README.md")
        return f"{short}+" if short and changed else short
    except OSError:
        return ""
