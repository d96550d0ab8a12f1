"""Boot, memory and turns, round by round: our Rasa process, our whole product on both databases, and stock in turn."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks import load, routing, stock
from benchmarks.bench import Bench, Open
from benchmarks.ours import NAMES, Ours
from benchmarks.process import GENERATOR, BenchmarkFailed, metered
from benchmarks.results import OURS, POSTGRES, STOCK, WHOLE, Part

BOOT, TURNS, ROUTING = "boot", "turns", "routing"
CLIENTS = (1, 8, 32)
Groups = dict[str, Callable[[], Sequence[int]]]


def measure(bench: Bench, asked: Sequence[str]) -> dict[str, Part]:
    """The parts asked for (boot, turns, routing) in rounds that they share: a process is started once for all."""
    rounds = Rounds(bench, {name: Part(name, rounds=bench.plan.rounds) for name in asked})
    trained = bench.stock_trained
    for number in range(1, bench.plan.rounds + 1):
        first = number == 1
        bench.say(f"round {number} of {bench.plan.rounds}: ours")
        rounds.attempt(number, OURS, partial(rounds.our_rasa, first))
        if BOOT in asked or TURNS in asked:
            rounds.attempt(number, WHOLE, partial(rounds.our_whole, on_postgres=False))
        if TURNS in asked:
            rounds.attempt(number, POSTGRES, partial(rounds.our_whole, on_postgres=True))
        if trained is not None:
            bench.say(f"round {number} of {bench.plan.rounds}: stock")
            folder = bench.folder / f"stock-{number}"
            rounds.attempt(number, STOCK, partial(rounds.stock, folder, trained.model, first))
        bench.say(f"round {number} of {bench.plan.rounds}: {rounds.so_far()}")
        if asked == [ROUTING]:
            break
    return rounds.parts


class Rounds:
    """The rounds so far: `parts` by name."""

    def __init__(self, bench: Bench, parts: dict[str, Part]) -> None:
        self.bench = bench
        self.plan = bench.plan
        self.parts = parts
        self.failures: dict[str, int] = {}
        self.turns: dict[str, int] = {}
        if TURNS in parts:
            parts[TURNS].about = {"turns": self.turns, "failures": self.failures}

    def add(self, name: str, side: str, **found: float | None) -> None:
        """Values of a part; dropped where that part was not asked for."""
        if name in self.parts:
            self.parts[name].samples.add(side, **found)

    def attempt(self, number: int, side: str, act: Callable[[], None]) -> None:
        """One side of a round. What it measured before it failed is kept, the failure is written down, the rest goes
        on."""
        try:
            act()
        except BenchmarkFailed as error:
            self.bench.say(f"round {number}, {side}: failed, {error}")
            for part in self.parts.values():
                part.failed += f"round {number}, {side}: {error}. "

    def so_far(self) -> str:
        """The latest of the main figures, for whoever watches."""
        shown = []
        for side in (OURS, WHOLE, POSTGRES, STOCK):
            latest = [
                f"{title} {found[-1]:.{digits}f} {unit}"
                for part in self.parts.values()
                for key, title, unit, digits in _SHOWN
                if (found := part.samples.of(key, side))
            ]
            if latest:
                shown.append(f"{side}: {', '.join(latest)}")
        return "; ".join(shown)

    def our_rasa(self, first: bool) -> None:
        """Our Rasa process alone, through its channel, on SQLite."""
        with self.bench.product(told=self.bench.told) as product:
            product.start("rasa")
            rasa = product.servers["rasa"]
            boot = product.first_answer(self.bench.texts[0])
            self.add(BOOT, OURS, boot_s=boot, boot_cpu_s=rasa.cpu_seconds())
            product.start("actions")
            product.wait_ready()
            if TURNS in self.parts or BOOT in self.parts:
                self._drive(OURS, product.channel, 1, self.plan.warm_up)
                self.add(BOOT, OURS, memory_mb=rasa.memory_mb(), resident_mb=rasa.resident_mb())
            if TURNS in self.parts:
                self._drives(OURS, product.channel, {"rasa": rasa.pids}, CLIENTS[:2])
            if first and ROUTING in self.parts:
                self._route(OURS, lambda http: routing.by_channel(product.channel(http)))

    def our_whole(self, on_postgres: bool) -> None:
        """The three processes at once, as ``pne up`` starts them, and the patient API."""
        side = POSTGRES if on_postgres else WHOLE
        self.bench.asked = 0
        with self.bench.product(on_postgres) as product:
            product.start(*NAMES)
            whole, ready = product.whole_first_answer(self.bench.texts[0])
            self.add(BOOT, side, boot_s=whole, **{f"ready_{name}_s": at for name, at in ready.items()})
            self._drive(side, product.patient, 1, self.plan.warm_up)
            memory = {name: server.memory_mb() for name, server in product.servers.items()}
            self.add(BOOT, side, memory_mb=sum(memory.values()), **{f"memory_{n}_mb": mb for n, mb in memory.items()})
            if TURNS not in self.parts:
                return
            groups: Groups = {name: server.pids for name, server in product.servers.items()}
            if on_postgres:
                groups["postgres"] = self.bench.postgres.pids
            size = _Size(self.bench, product, on_postgres)
            self._drives(side, product.patient, groups, CLIENTS)
            self.add(TURNS, side, **size.a_turn(sum(self.plan.turns(clients) for clients in CLIENTS)))
            memory = {name: server.memory_mb() for name, server in product.servers.items()}
            self.add(TURNS, side, memory_after_mb=sum(memory.values()))
            if on_postgres:
                self.add(TURNS, side, memory_postgres_mb=self.bench.postgres.memory_mb())

    def stock(self, folder: Path, model: Path, first: bool) -> None:
        """Stock Rasa through its REST channel."""
        self.bench.asked = 0
        running = stock.Stock.start(folder, model)
        server = running.server
        try:
            boot = running.first_answer(self.bench.texts[0])
            self.add(BOOT, STOCK, boot_s=boot, boot_cpu_s=server.cpu_seconds())
            if TURNS in self.parts or BOOT in self.parts:
                self._drive(STOCK, running.rest, 1, self.plan.warm_up)
                self.add(BOOT, STOCK, memory_mb=server.memory_mb(), resident_mb=server.resident_mb())
            if TURNS in self.parts:
                self._drives(STOCK, running.rest, {"rasa": server.pids}, CLIENTS)
            if first and ROUTING in self.parts:
                self._route(STOCK, lambda http: routing.by_parse(http, running.url))
        finally:
            server.stop()

    def _drives(self, side: str, talker: Open, groups: Groups, clients: Sequence[int]) -> None:
        for count in clients:
            turns = self.plan.turns(count)
            with metered(groups) as used:
                found = self._drive(side, talker, count, turns)
            sizes = {f"p{percent}_ms_{count}": found.percentile_ms(percent) for percent in (50, 95, 99)}
            self.add(TURNS, side, **sizes, **{f"per_second_{count}": found.per_second()})
            self.add(TURNS, side, **{f"unanswered_{count}": 100 * len(found.failures) / turns})
            serving = sum(seconds for name, seconds in used.cpu.items() if name != GENERATOR)
            self.add(TURNS, side, **{f"generator_core_{count}": 100 * used.cores(GENERATOR)})
            if count == 1:
                each = {f"cpu_{name}_ms": 1000 * used.cpu[name] / turns for name in (*groups, GENERATOR)}
                self.add(TURNS, side, cpu_ms=1000 * serving / turns, opening_ms=found.opening_ms(), **each)
                self._keep_turns(side, found)
            else:
                busy = 100 * used.cores() / (os.cpu_count() or 1)
                self.add(TURNS, side, **{f"cpu_ms_{count}": 1000 * serving / turns, f"busy_percent_{count}": busy})

    def _drive(self, side: str, talker: Open, clients: int, turns: int) -> load.Load:
        # Our Rasa's channel wants each text's reading with it: there are those of the listed texts alone.
        found = self.bench.drive(talker, clients, turns, may_fail=side == STOCK, as_they_are=side == OURS)
        self.turns[side] = self.turns.get(side, 0) + turns
        self.failures[side] = self.failures.get(side, 0) + len(found.failures)
        return found

    def _keep_turns(self, side: str, found: load.Load) -> None:
        """Every turn of one client, in milliseconds: what the simulation and a p99 over all rounds are drawn from."""
        kept = self.parts[TURNS].about.setdefault("turns_ms_1", {}).setdefault(side, [])
        kept.extend(round(1000 * seconds, 2) for seconds in found.seconds)

    def _route(self, side: str, answer: Any) -> None:
        found: routing.Routing = load.with_http(
            lambda http: routing.measure(answer(http), self.bench.questions, self.bench.outside)
        )
        self.parts[ROUTING].about[side] = found.as_dict()
        self.add(
            ROUTING,
            side,
            routing_percent=100 * found.accuracy,
            precision_percent=100 * found.right_when_answered,
            outside_percent=100 * found.outside_answered_share,
            offered_percent=100 * found.offered / found.questions,
            guess_percent=100 * found.guessed / found.questions,
        )


class _Size:
    """What turns leave behind in the databases, from its making on."""

    def __init__(self, bench: Bench, product: Ours, on_postgres: bool) -> None:
        self.bench = bench
        urls = (product.settings.database_url, product.settings.tracker_url)
        self.names = [str(make_url(url).database) for url in urls]
        self.on_postgres = on_postgres
        self.before = self._read()

    def a_turn(self, turns: int) -> dict[str, float]:
        """Kilobytes kept a turn, and on PostgreSQL the write-ahead log, commits and written rows of a turn."""
        after = self._read()
        return {key: (after[key] - self.before[key]) / turns for key in after}

    def _read(self) -> dict[str, float]:
        if not self.on_postgres:
            return {"kept_kb": sum(_sqlite_kb(file) for file in self.names)}
        return {
            "kept_kb": float(self._sum("pg_database_size(datname)", "pg_database")) / 1024,
            "wal_kb": float(self.bench.postgres.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")) / 1024,
            **{kind: float(self._sum(columns, "pg_stat_database")) for kind, columns in _COUNTED.items()},
            "flushes": float(self.bench.postgres.flushes()),
        }

    def _sum(self, what: str, table: str) -> Any:
        named = ", ".join(f"'{name}'" for name in self.names)
        return self.bench.postgres.value(f"SELECT sum({what}) FROM {table} WHERE datname IN ({named})")


def _sqlite_kb(file: str) -> float:
    """What is in the file's pages, after the write-ahead log has been folded back."""
    table = sqlite3.connect(file, timeout=30)
    try:
        table.execute("PRAGMA wal_checkpoint(PASSIVE)")
        pages, free, size = (table.execute(f"PRAGMA {name}").fetchone()[0] for name in _PAGES)
        return (pages - free) * size / 1024
    finally:
        table.close()


_PAGES = ("page_count", "freelist_count", "page_size")
_COUNTED = {"commits": "xact_commit", "written_rows": "tup_inserted + tup_updated + tup_deleted"}
_SHOWN = (("boot_s", "start", "s", 1), ("p50_ms_1", "turn", "ms", 1), ("per_second_8", "8 clients", "/s", 0))

