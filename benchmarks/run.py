"""``python -m benchmarks.run``: this assistant beside stock Rasa, round by round, in one run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import load, ours, report, routing, stock
from benchmarks.process import BenchmarkFailed, machine
from benchmarks.report import OURS, STOCK, WHOLE, Samples
from bot.settings import ROOT

RESULTS = ROOT / "benchmarks" / "results"
CLIENTS = 8
WARM_UP = 50
HISTORY = (10, 100, 1000)
MOST_FAILURES = 0.01

Open = Callable[[aiohttp.ClientSession], load.Talker]


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds, and the turns of each drive by 1 and by 8 clients."""

    rounds: int
    turns_1: int
    turns_8: int
    history_samples: int


FULL = Plan(rounds=5, turns_1=200, turns_8=400, history_samples=5)
QUICK = Plan(rounds=2, turns_1=60, turns_8=120, history_samples=3)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results, print the table. Returns the exit status."""
    asked = _arguments(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="pne-bench-") as folder:
            plan = QUICK if asked.quick else FULL
            plan = replace(plan, rounds=asked.rounds) if asked.rounds else plan
            run = Run(Path(folder), plan, say)
            about = run.everything(asked)
    except BenchmarkFailed as error:
        say(f"The benchmark failed. {error}")
        return 1
    result = report.write(asked.out, ROOT / "README.md", run.samples, about)
    print("\n" + report.table(run.samples, about) + "\n")
    for name, value in result.items():
        if isinstance(value, float):
            print(f"{name:28} {value}")
    say(f"Written: {asked.out / 'latest.json'}")
    return 0


def say(line: str) -> None:
    """A line of progress, on standard error, so that standard output holds the table alone."""
    print(f"{datetime.now():%H:%M:%S} {line}", file=sys.stderr, flush=True)


class Run:
    """One run: the folder for what it makes, the plan, and what was measured so far."""

    def __init__(self, folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.plan = plan
        self.say = say
        self.samples = Samples()
        self.failures: dict[str, int] = {OURS: 0, WHOLE: 0, STOCK: 0}
        self.turns: dict[str, int] = {OURS: 0, WHOLE: 0, STOCK: 0}
        self.routing: dict[str, Any] = {}
        self.notes: list[str] = []
        self.questions, self.outside = routing.heldout(ROOT)
        self.texts = load.questions(ROOT)

    def everything(self, asked: argparse.Namespace) -> dict[str, Any]:
        """Train, then the rounds, ours and stock in turn. Returns what the report says about the run."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        about: dict[str, Any] = {"at": at, "machine": machine()}
        self.say("ours: training")
        self.our_model = self._train_ours()
        self.stock_model = None if asked.skip_stock else self._train_stock(asked)
        self.say(f"ours: reading {len(self.questions) + len(self.outside)} held-out texts")
        self.readings = ours.read_all([*(text for text, _ in self.questions), *self.outside])
        for number in range(1, self.plan.rounds + 1):
            self.say(f"round {number} of {self.plan.rounds}: ours")
            self._our_round(self.folder / f"ours-{number}", first=number == 1)
            if self.stock_model is not None:
                self.say(f"round {number} of {self.plan.rounds}: stock")
                self._stock_round(self.folder / f"stock-{number}", self.stock_model, first=number == 1)
            self.say(f"round {number} of {self.plan.rounds}: {self._so_far()}")
        about["machine"]["load_after"] = [round(value, 2) for value in os.getloadavg()]
        return {**about, "rounds": self.plan.rounds, "turns": self.turns, "failures": self.failures,
                "routing": self.routing, "notes": [*_NOTES, *self.notes, *asked.note]}  # fmt: skip

    def _so_far(self) -> str:
        """The latest of the main figures, for whoever watches."""
        shown = []
        for side in (OURS, WHOLE, STOCK):
            if self.samples.of("p50_ms_1", side):
                start, turn, memory = (self.samples.of(key, side)[-1] for key in ("boot_s", "p50_ms_1", "memory_mb"))
                shown.append(f"{side} start {start:.1f} s, turn {turn:.1f} ms, {memory:.0f} MB")
        return "; ".join(shown)

    def _train_ours(self) -> Path:
        folder = self.folder / "ours"
        folder.mkdir()
        model, seconds, cpu = ours.train(folder)
        needed, with_tools = ours.environment_mb()
        self.samples.add(OURS, training_s=seconds, training_cpu_s=cpu, environment_mb=needed)
        self.notes.append(f"Environment: {with_tools:.0f} MB with the tools of tests and development.")
        return model

    def _train_stock(self, asked: argparse.Namespace) -> Path:
        stock.make_environment(self.say)
        if asked.stock_model:
            trained = stock.Trained(
                asked.stock_model.resolve(), asked.stock_training_seconds, asked.stock_training_cpu_seconds,
                "measured in its own run",
            )  # fmt: skip
        else:
            trained = stock.train(self.folder / "stock", self.say)
        self.samples.add(
            STOCK,
            training_s=trained.seconds,
            training_cpu_s=trained.cpu_seconds,
            environment_mb=stock.environment_mb(),
        )
        if trained.seconds is not None:
            self.notes.append(f"Stock's training was {trained.note}.")
        return trained.model

    def _our_round(self, folder: Path, first: bool) -> None:
        folder.mkdir()
        product = ours.Ours.prepare(folder, self.our_model, self.readings)
        try:
            product.start("rasa")
            rasa = product.servers["rasa"]
            boot = product.first_answer(self.texts[0])
            self.samples.add(OURS, boot_s=boot, boot_cpu_s=rasa.cpu_seconds())
            product.start("actions", "web")
            product.wait_ready()
            self._drive(OURS, product.channel, 1, WARM_UP)
            self.samples.add(OURS, memory_mb=rasa.memory_mb(), resident_mb=rasa.resident_mb())
            self._drives(OURS, product.channel, rasa.cpu_seconds)
            self._drive(WHOLE, product.patient, 1, WARM_UP)
            everyone = product.servers.values()
            self._drives(WHOLE, product.patient, lambda: sum(server.cpu_seconds() for server in everyone))
            self.samples.add(WHOLE, memory_mb=sum(server.memory_mb() for server in everyone))
            history = product.history_ms(HISTORY, self.texts, self.plan.history_samples)
            for size, found in history.items():
                for value in found:
                    self.samples.add(OURS, **{f"history_ms_{size}": value})
            if first:
                self._route(OURS, lambda http: routing.by_channel(product.channel(http)))
            product.stop()
            product.start("actions", "rasa", "web")
            self.samples.add(WHOLE, boot_s=product.whole_first_answer(self.texts[0]))
        finally:
            product.stop()

    def _stock_round(self, folder: Path, model: Path, first: bool) -> None:
        running = stock.Stock.start(folder, model)
        server = running.server
        try:
            boot = running.first_answer(self.texts[0])
            self.samples.add(STOCK, boot_s=boot, boot_cpu_s=server.cpu_seconds())
            self._drive(STOCK, running.rest, 1, WARM_UP)
            self.samples.add(STOCK, memory_mb=server.memory_mb(), resident_mb=server.resident_mb())
            self._drives(STOCK, running.rest, server.cpu_seconds)
            if first:
                self._route(STOCK, lambda http: routing.by_parse(http, running.url))
        finally:
            server.stop()

    def _drives(self, side: str, talker: Open, cpu_seconds: Callable[[], float]) -> None:
        before = cpu_seconds()
        alone = self._drive(side, talker, 1, self.plan.turns_1)
        cpu_ms = 1000 * (cpu_seconds() - before) / self.plan.turns_1
        together = self._drive(side, talker, CLIENTS, self.plan.turns_8)
        self.samples.add(
            side,
            cpu_ms=cpu_ms,
            p50_ms_1=alone.percentile_ms(50),
            p95_ms_1=alone.percentile_ms(95),
            per_second_1=alone.per_second(),
            p50_ms_8=together.percentile_ms(50),
            p95_ms_8=together.percentile_ms(95),
            per_second_8=together.per_second(),
        )

    def _drive(self, side: str, talker: Open, clients: int, turns: int) -> load.Load:
        found: load.Load = load.with_http(
            lambda http: load.drive(lambda: talker(http), self.texts, clients, turns)
        )
        self.turns[side] += turns
        self.failures[side] += len(found.failures)
        # Stock Rasa may answer a question with nothing, and that is its result; ours may not.
        if side != STOCK and len(found.failures) > MOST_FAILURES * turns:
            count = len(found.failures)
            raise BenchmarkFailed(f"{side}: {count} of {turns} turns failed, first: {found.failures[0]}")
        if not found.seconds:
            raise BenchmarkFailed(f"{side}: no turn was answered, first: {found.failures[0]}")
        return found

    def _route(self, side: str, answer: Callable[[aiohttp.ClientSession], routing.Answer]) -> None:
        found: routing.Routing = load.with_http(
            lambda http: routing.measure(answer(http), self.questions, self.outside)
        )
        self.routing[side] = found.as_dict()
        self.samples.add(
            side,
            routing_percent=100 * found.accuracy,
            precision_percent=100 * found.right_when_answered,
            outside_percent=100 * found.outside_answered_share,
            offered_percent=100 * found.offered / found.questions,
            guess_percent=100 * found.guessed / found.questions,
        )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, to see that it works")
    parser.add_argument("--rounds", type=int, help="another number of rounds")
    parser.add_argument("--skip-stock", action="store_true", help="measure this assistant only")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for latest.json and latest.md")
    parser.add_argument(
        "--stock-model",
        type=Path,
        default=os.environ.get("PNE_STOCK_MODEL"),
        help="a stock model trained before (or PNE_STOCK_MODEL); otherwise one is trained",
    )
    for what in ("seconds", "cpu-seconds"):
        parser.add_argument(f"--stock-training-{what}", type=float, help="what training --stock-model took")
    parser.add_argument("--note", action="append", default=[], help="a sentence to keep with the results")
    asked = parser.parse_args(arguments)
    asked.stock_model = Path(asked.stock_model) if asked.stock_model else None
    if asked.stock_model and not asked.stock_model.is_file():
        parser.error(f"there is no model {asked.stock_model}")
    return asked


_NOTES = (
    "Our Rasa process is spoken to through its real channel, with the message's reading as the web app sends "
    "it, and keeps every turn in SQLite; stock Rasa answers over its REST channel and keeps conversations in "
    "memory.",
    "Our whole product is three processes (web app, Rasa, actions) and the patient API: screening, event log, "
    "reading and reply by Server-Sent Events are in each turn. The load generator shares the cores with all.",
    "Stock Rasa: 3.6.21, the configuration of `rasa init`, trained on the same intents, answers and rules.",
)


if __name__ == "__main__":
    sys.exit(main())
