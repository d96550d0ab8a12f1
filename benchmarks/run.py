"""``python -m benchmarks.run``, or ``pne bench``: this assistant measured part by part, beside stock Rasa.

Everything is run where --only names nothing. A part that fails is named at the end, and the others go on; parts that
were not run keep their earlier values in the results, marked as older.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from benchmarks import fanout, history, inbox, national, report, rounds, scale, screening, training
from benchmarks.bench import FULL, QUICK, Bench, Plan
from benchmarks.process import BenchmarkFailed, machine
from benchmarks.results import Part, commit, merged, read_parts
from bot.settings import ROOT

RESULTS = ROOT / "benchmarks" / "results"
PAGES = {ROOT / "README.md": report.short, ROOT / "docs" / "performance.md": report.full}
SHARED_ROUNDS = (rounds.BOOT, rounds.TURNS, rounds.ROUTING)
ALONE: Mapping[str, Callable[[Bench], Part]] = {
    training.NAME: training.measure,
    screening.NAME: screening.measure,
    history.NAME: history.measure,
    fanout.NAME: fanout.measure,
    inbox.NAME: inbox.measure,
    scale.NAME: scale.measure,
}
PARTS = (*SHARED_ROUNDS, *ALONE)
# Minutes on two quiet cores where no earlier run says better; of the rounds with stock, together.
MINUTES = {"training": 4.0, "screening": 0.5, "history": 1.0, "sse": 3.0, "inbox": 1.5, "scale": 5.0, "rounds": 13.0}
WITHOUT_STOCK = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results, print the tables. Returns the exit status: 1 where a part failed."""
    asked = _arguments(arguments)
    earlier = read_parts(asked.out / report.JSON_FILE)
    names = [name for name in PARTS if name in asked.only]
    say(f"parts: {', '.join(names)}; about {_minutes(asked, names, earlier):.0f} minutes on a quiet machine")
    with tempfile.TemporaryDirectory(prefix="pne-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), _plan(asked), say, asked.skip_stock, asked.stock_model)
        try:
            new = measure(bench, names, asked.quick)
        finally:
            bench.close()
    for part in new.values():
        part.notes += asked.note
    parts = merged(earlier, new)
    pages = {} if asked.out != RESULTS else {page: text(parts) for page, text in PAGES.items()}
    result = report.write(asked.out, parts, pages)
    if pages:
        _plan_for_a_country(parts)
    print("\n" + report.full(parts) + "\n")
    for name, value in result.items():
        if isinstance(value, float):
            print(f"{name:30} {value}")
    failed = {name: part.failed for name, part in new.items() if part.failed}
    for name, why in failed.items():
        say(f"{name} FAILED: {why}")
    say(f"Written: {asked.out / report.JSON_FILE}")
    return 1 if failed else 0


def _plan_for_a_country(parts: Mapping[str, Part]) -> None:
    """docs/scale.md again, where everything that it needs has been measured."""
    try:
        text = national.page(parts)
    except KeyError as missing:
        say(f"{national.PAGE.name} stays as it is: {missing} has not been measured")
        return
    report.between_marks(national.PAGE, text, national.START, national.END)
    say(f"{national.PAGE.name}: written")


def say(line: str) -> None:
    """A line of progress, on standard error, so that standard output holds the tables alone."""
    print(f"{datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)


def measure(bench: Bench, names: Sequence[str], quick: bool) -> dict[str, Part]:
    """The parts by name, in order. A failure of one, whatever it is, is written down and the others go on."""
    run = datetime.now(timezone.utc).isoformat(timespec="seconds")
    shared = [name for name in names if name in SHARED_ROUNDS]
    work: list[tuple[list[str], Callable[[], dict[str, Part]]]] = [
        ([name], partial(_alone, bench, name)) for name in names if name in ALONE
    ]
    if shared:
        work.insert(0, (shared, lambda: rounds.measure(bench, shared)))
    found: dict[str, Part] = {}
    for group, act in work:
        began, about = time.perf_counter(), machine()
        stamp = {"run": run, "at": _now(), "commit": commit(), "quick": quick, "machine": about}
        bench.say(f"{', '.join(group)}: begins")
        try:
            made = act()
        except Exception as error:  # the other parts are worth having all the same
            made = {name: Part(name, failed=_why(error)) for name in group}
            bench.say(f"{', '.join(group)}: failed, {_why(error)}")
        about["load_after"] = [round(value, 2) for value in os.getloadavg()]
        seconds = time.perf_counter() - began
        for part in made.values():
            vars(part).update(stamp, seconds=round(seconds, 1))
        bench.say(f"{', '.join(group)}: {seconds:.0f} s")
        found |= made
    return found


def _alone(bench: Bench, name: str) -> dict[str, Part]:
    return {name: ALONE[name](bench)}


def _why(error: Exception) -> str:
    if isinstance(error, BenchmarkFailed):
        return str(error)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"


def _plan(asked: argparse.Namespace) -> Plan:
    plan = QUICK if asked.quick else FULL
    return replace(plan, rounds=asked.rounds) if asked.rounds else plan


def _minutes(asked: argparse.Namespace, names: Sequence[str], earlier: Mapping[str, Part]) -> float:
    """How long it will take: as long as the last time, where that is known and was no quick run."""
    if asked.quick:
        return 1.0 * len(names)
    total = 0.0
    for name in {"rounds" if name in SHARED_ROUNDS else name for name in names}:
        part = earlier.get(rounds.TURNS if name == "rounds" else name)
        known = part is not None and not part.quick and not part.failed and part.seconds
        guess = MINUTES[name] * (WITHOUT_STOCK if asked.skip_stock and name == "rounds" else 1)
        total += part.seconds / 60 if known and part is not None and not asked.skip_stock else guess
    return total


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pne bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"parts, with commas between them: {','.join(PARTS)}")
    parser.add_argument("--quick", action="store_true", help="little of everything, to see that it works; in var/bench")
    parser.add_argument("--rounds", type=int, help="another number of rounds than 5")
    parser.add_argument("--skip-stock", action="store_true", help="measure this assistant only")
    parser.add_argument("--out", type=Path, help="another folder for the results; no page is changed then")
    parser.add_argument(
        "--stock-model",
        type=Path,
        default=os.environ.get("PNE_STOCK_MODEL"),
        help="a stock model trained before (or PNE_STOCK_MODEL); otherwise the kept one, or a new one",
    )
    parser.add_argument("--note", action="append", default=[], help="a sentence to keep with the results")
    asked = parser.parse_args(arguments)
    asked.only = [name.strip() for name in asked.only.split(",")] if asked.only else list(PARTS)
    unknown = [name for name in asked.only if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    asked.out = (asked.out or (ROOT / "var" / "bench" if asked.quick else RESULTS)).resolve()
    asked.stock_model = Path(asked.stock_model).resolve() if asked.stock_model else None
    if asked.stock_model and not asked.stock_model.is_file():
        parser.error(f"there is no model {asked.stock_model}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
