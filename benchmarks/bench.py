"""What all parts share in one run: how much is measured, the folder, the texts, the model, PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import backing, load, ours, routing, stock
from benchmarks.process import BenchmarkFailed
from bot.settings import ROOT
from bot.training import model_path, trained
from bot.web.app import message_reader

# Above this share of turns without an answer a figure says nothing any more; below, the share is shown with it.
MOST_FAILURES = 0.1
WARM_UP = 50

Open = Callable[[aiohttp.ClientSession], load.Talker]


@dataclass(frozen=True)
class Plan:
    """How much is measured: rounds; turns of each drive by 1, by 8 and by 32 clients; of each history; open chats;
    clinicians' replies a round; open items."""

    rounds: int = 5
    turns_1: int = 200
    turns_8: int = 240
    turns_32: int = 320
    warm_up: int = WARM_UP
    history_samples: int = 8
    histories: tuple[int, ...] = (10, 100, 1000)
    chats: int = 1000
    replies: int = 100
    items: int = 2000
    soft_training: bool = True

    def turns(self, clients: int) -> int:
        return {1: self.turns_1, 8: self.turns_8, 32: self.turns_32}[clients]


FULL = Plan()
QUICK = Plan(
    2, 20, 32, 32, 10, history_samples=2, histories=(10, 100), chats=50, replies=8, items=200, soft_training=False
)


@dataclass
class Bench:
    """One run. What is costly is made when it is first asked for, and once."""

    folder: Path
    plan: Plan
    say: Callable[[str], None]
    skip_stock: bool = False
    stock_model: Path | None = None
    # How many questions were asked so far; set to 0 where new processes are to be asked the same ones.
    asked: int = 0
    _open: ExitStack = field(default_factory=ExitStack)
    _databases: int = 0

    @cached_property
    def questions(self) -> list[tuple[str, set[str]]]:
        return routing.heldout(ROOT)[0]

    @cached_property
    def outside(self) -> list[str]:
        return routing.heldout(ROOT)[1]

    @cached_property
    def texts(self) -> list[str]:
        """The questions of all load."""
        return load.questions(ROOT, lambda text: self.screened[text]["found"] is None)

    @cached_property
    def screened(self) -> dict[str, dict[str, Any]]:
        """What the screening finds in each held-out text."""
        _ = self.model  # its layer is trained with it
        self.say(f"screening {len(self.questions) + len(self.outside)} held-out texts, as the web app does")
        return {text: ours.screened(text) for text in (*(text for text, _ in self.questions), *self.outside)}

    @cached_property
    def told(self) -> dict[str, dict[str, Any]]:
        """What the web app sends Rasa with each held-out text."""
        found = self.screened
        self.say(f"reading {len(found)} held-out texts, as the web app does")
        read = message_reader()
        return {text: {"reading": read(text), "screened": found[text]} for text in found}

    @cached_property
    def model(self) -> Path:
        """The product's own model, trained where it is missing: in a process of its own, because this one measures."""
        if not trained():
            self.say("our models: being trained (some minutes; only when data or code of them has changed)")
            done = subprocess.run([sys.executable, "-m", "bot.cli", "train"], cwd=ROOT, capture_output=True, text=True)
            if done.returncode != 0:
                raise BenchmarkFailed(f"The models could not be trained:\n{done.stderr[-2000:]}")
        return model_path()

    @cached_property
    def stock_trained(self) -> stock.Trained | None:
        """Stock's model; None where stock is left out."""
        if self.skip_stock:
            return None
        stock.make_environment(self.say)
        if self.stock_model is not None:
            return stock.Trained(self.stock_model, None, None, "measured in no run of this command")
        return stock.train(self.folder / "stock", self.say)

    @cached_property
    def postgres(self) -> backing.Postgres:
        """A PostgreSQL that runs until the end of the run."""
        self.say("PostgreSQL: starting")
        return self._open.enter_context(backing.postgres())

    def close(self) -> None:
        self._open.close()

    @contextmanager
    def product(
        self, on_postgres: bool = False, told: dict[str, dict[str, Any]] | None = None, **more: str
    ) -> Iterator[ours.Ours]:
        """Our product with databases of its own, not started yet; stopped and its databases dropped at the end.

        `told` is wanted where its Rasa is spoken to without the web app.
        """
        self._databases += 1
        folder = self.folder / f"ours-{self._databases}"
        folder.mkdir()
        names = (f"pne{self._databases}", f"tracker{self._databases}") if on_postgres else ()
        if names:
            more |= {"PNE_DATABASE_URL": self.postgres.database(names[0])}
            more |= {"PNE_TRACKER_URL": self.postgres.database(names[1])}
        product = ours.Ours.prepare(folder, self.model, told or {}, **more)
        try:
            yield product
        finally:
            product.stop()
            for name in names:
                self.postgres.drop(name)

    def drive(
        self, talker: Open, clients: int, turns: int, may_fail: bool = False, as_they_are: bool = False
    ) -> load.Load:
        """One drive. Raises BenchmarkFailed where more than one turn in ten has no answer, unless that is a result
        (`may_fail`): stock Rasa may answer a question with nothing, ours may not.

        No text is asked twice, unless only the listed ones can be asked (`as_they_are`).
        """
        texts, most = self.texts, turns if may_fail else int(MOST_FAILURES * turns)
        if not as_they_are:
            texts, self.asked = load.fresh(texts, self.asked, turns), self.asked + turns
        found: load.Load = load.with_http(
            lambda http: load.drive(lambda: talker(http), texts, clients, turns, most)
        )
        if not found.seconds or len(found.failures) > most:
            why = f"{len(found.failures)} of {turns} turns by {clients} clients failed"
            raise BenchmarkFailed(f"{why}: {'; '.join(sorted(set(found.failures))[:3])}")
        return found
