"""``python -m benchmarks.national``: from what was measured to a service for a country; writes it into docs/scale.md.

Everything that is assumed is in `Assumed`, in one place, and printed with the figures. Everything else was measured, or
is simulated from what was measured.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks import closed
from benchmarks.queueing import MANY, SHARED, Box, Cost, Simulation, aside_visits, turn_visits
from benchmarks.report import between_marks
from benchmarks.results import ONE, POSTGRES, TWO, WHOLE, Part, all_samples
from benchmarks.stats import percentile
from bot.settings import ROOT

PAGE = ROOT / "docs" / "scale.md"
START, END = "<!-- scale:start -->", "<!-- scale:end -->"
SEED = 10
SIMULATED_SECONDS, WARM_UP_SECONDS = 900.0, 120.0
LONGEST_SECONDS = 1.0
HEADROOM = 2.0
CHATS_MEASURED = 1000
MONTH_HOURS = 730
# Share of a day's turns in each hour, midnight first: pain keeps people awake, and the evening is the peak.
DAY = (2, 1.6, 1.6, 1.8, 1.6, 1.6, 2, 3, 4.2, 5.2, 5.6, 5.4, 4.8, 4.6, 4.8, 5, 5.2, 5.6, 6, 6.6, 7, 6.4, 5, 3.4)


@dataclass(frozen=True)
class Assumed:
    """What nobody has measured. Each is said beside the figures."""

    people: float = 10_000_000
    enrolled: float = 0.05
    sessions_a_week: float = 2
    turns_a_session: float = 12
    think_seconds: float = 40
    open_minutes: float = 20
    busiest_day: float = 2.0
    core_hour: float = 0.04
    gigabyte_month: float = 0.12
    disk_flushes: float = 2000

    def said(self) -> list[str]:
        return [f"{_ASSUMED[item.name]}: {getattr(self, item.name):,.10g}" for item in fields(self)]


_ASSUMED = {
    "people": "adults with pain that has lasted",
    "enrolled": "share of them that uses the service",
    "sessions_a_week": "sessions of a person a week",
    "turns_a_session": "turns of a session (geometric)",
    "think_seconds": "seconds between an answer and the next message (log-normal, mean)",
    "open_minutes": "minutes that a chat stays open on a screen",
    "busiest_day": "busiest day / average day",
    "core_hour": "price of a core for an hour, any currency (an assumption: put in your own)",
    "gigabyte_month": "price of a gigabyte on replicated disks for a month (the same)",
    "disk_flushes": "flushes a second that the database's disk takes",
}


@dataclass(frozen=True)
class Measured:
    """What the benchmarks say, in seconds, megabytes and kilobytes."""

    cost: Cost
    kept_kb: float
    kept_sqlite_kb: float
    wal_kb: float
    commits: float
    flushes: float
    rows: float
    redis_commands: float
    chats_web_mb: float
    chats_idle_core: float
    web_mb: float
    rasa_mb: float

    @classmethod
    def of(cls, parts: Mapping[str, Part]) -> Measured:
        """Raises KeyError where a part has not been measured."""
        samples = all_samples(parts)

        def median(key: str, side: str) -> float:
            found = samples.median(key, side)
            if found is None:
                raise KeyError(key)
            return found

        return cls(
            cost=closed.cost_of(parts["scale"], ONE, 8).without("generator"),
            kept_kb=median("kept_kb", POSTGRES),
            kept_sqlite_kb=median("kept_kb", WHOLE),
            wal_kb=median("wal_kb", POSTGRES),
            commits=median("commits", POSTGRES),
            flushes=median("flushes", POSTGRES),
            rows=median("written_rows", POSTGRES),
            redis_commands=median("scale_redis_commands_8", TWO),
            chats_web_mb=median("chats_web_mb", WHOLE),
            chats_idle_core=median("chats_idle_core_percent", WHOLE) / 100,
            web_mb=median("memory_web_mb", WHOLE),
            rasa_mb=median("memory_rasa_mb", WHOLE),
        )


@dataclass(frozen=True)
class Load:
    """The service's load in its busiest hour: turns and sessions a second, chats open at once; turns a year."""

    turns: float
    sessions: float
    chats: float
    a_year: float

    @classmethod
    def of(cls, assumed: Assumed) -> Load:
        users = assumed.people * assumed.enrolled
        a_day = users * assumed.sessions_a_week * assumed.turns_a_session / 7
        turns = a_day * assumed.busiest_day * max(DAY) / sum(DAY) / 3600
        sessions = turns / assumed.turns_a_session
        return cls(turns, sessions, sessions * assumed.open_minutes * 60, a_day * 365)


def simulated(cost: Cost, assumed: Assumed, rate: float, webs: int, rasas: int, cores: float) -> tuple[float, float]:
    """Patients who come, ask, think and leave: the 95th percentile of a turn in seconds, and turns a second answered.

    `rate` turns a second over `webs` and `rasas` processes that a conversation is hashed to, each with a core of its
    own, and a database of `cores`.
    """
    simulation = Simulation(SEED)
    web = [Box(1).station(SHARED) for _ in range(webs)]
    rasa = [Box(1).station(SHARED) for _ in range(rasas)]
    common = {"postgres": Box(cores).station(MANY), "redis": Box(1).station(SHARED), "actions": Box(1).station(SHARED)}
    chance, taken = simulation.chance, []
    spread = 1.0  # of the logarithm of the thinking times
    middle = math.log(assumed.think_seconds) - spread**2 / 2

    def arrive() -> None:
        stations = {**common, "web": chance.choice(web), "rasa": chance.choice(rasa)}
        opening = [(stations[name], cost.opening / 2) for name in ("web", "postgres")]
        simulation.visit(opening, lambda: say(stations))
        simulation.after(chance.expovariate(rate / assumed.turns_a_session), arrive)

    def say(stations: dict[str, Any]) -> None:
        began, factor = simulation.now, cost.factor(chance)

        def answered() -> None:
            if began > WARM_UP_SECONDS:
                taken.append(simulation.now - began)
            simulation.visit(aside_visits(cost, stations, factor), lambda: None)
            if chance.random() >= 1 / assumed.turns_a_session:
                simulation.after(chance.lognormvariate(middle, spread), lambda: say(stations))

        simulation.visit(turn_visits(cost, stations, factor), answered)

    arrive()
    simulation.run(WARM_UP_SECONDS + SIMULATED_SECONDS)
    return percentile(taken, 95), len(taken) / SIMULATED_SECONDS


@dataclass(frozen=True)
class Needed:
    """Processes and cores for the busiest hour, with the headroom in it, and what the simulation says of them."""

    webs: int
    rasas: int
    cores: int
    p95: float
    p95_one_gone: float


def needed(measured: Measured, assumed: Assumed, load: Load) -> Needed:
    """By the work first: half of every process may be busy. Then more, until simulated p95 is below the limit."""
    work = measured.cost.work
    by_chats = load.chats / CHATS_MEASURED
    webs = _count(HEADROOM * load.turns * work["web"] + HEADROOM * by_chats * measured.chats_idle_core, by_chats)
    rasas = _count(HEADROOM * load.turns * work["rasa"])
    cores = _count(HEADROOM * load.turns * work["postgres"])
    while True:
        p95, _ = simulated(measured.cost, assumed, load.turns, webs, rasas, cores)
        if p95 < LONGEST_SECONDS:
            gone, _ = simulated(measured.cost, assumed, load.turns, max(1, webs - 1), max(1, rasas - 1), cores)
            return Needed(webs, rasas, cores, p95, gone)
        webs, rasas = webs + 1, rasas + 1


def breaks_first(measured: Measured, assumed: Assumed, load: Load, found: Needed) -> list[tuple[str, float]]:
    """How many times the busiest hour each part could take before it is full, the weakest first."""
    work = measured.cost.work
    idle = load.chats / CHATS_MEASURED * measured.chats_idle_core
    takes = {
        "Rasa processes (processor)": found.rasas / (load.turns * work["rasa"]),
        "web processes (processor, open chats in it)": found.webs / (load.turns * work["web"] + idle),
        "open chats (1,000 a web process, as measured)": found.webs * CHATS_MEASURED / load.chats,
        "PostgreSQL (processor)": found.cores / (load.turns * work["postgres"]),
        "PostgreSQL (flushes of one disk)": assumed.disk_flushes / (load.turns * measured.flushes),
        "Redis (one core)": 1 / max(load.turns * work.get("redis", 0.0), 1e-9),
    }
    return sorted(takes.items(), key=lambda pair: pair[1])


def page(parts: Mapping[str, Part], assumed: Assumed | None = None) -> str:
    """The measured half of docs/scale.md. Raises KeyError where a part it needs has not been measured."""
    assumed = assumed or Assumed()
    measured, load = Measured.of(parts), Load.of(assumed)
    found, work = needed(measured, assumed, load), measured.cost.work
    person = assumed.sessions_a_week * 52 * assumed.turns_a_session
    gigabytes = load.a_year * measured.kept_kb / 2**20
    cores = found.webs + found.rasas + found.cores + 1
    money = (cores * MONTH_HOURS * 12 * assumed.core_hour, gigabytes * 12 * assumed.gigabyte_month)
    of_year = load.a_year * sum(work.values()) / 3600
    lines = [
        f"From the benchmarks of {parts['scale'].at[:10]} at {parts['scale'].commit or '?'}.",
        "",
        "**A turn costs** (PostgreSQL, Redis, eight clients; processor time): "
        + ", ".join(f"{name} {1000 * seconds:.1f} ms" for name, seconds in work.items() if name != "actions")
        + f"; {measured.commits:.0f} transactions, {measured.rows:.0f} rows written, {measured.flushes:.1f} flushes to "
        f"disk, {measured.wal_kb:.0f} kB of write-ahead log, {measured.redis_commands:.1f} Redis commands. It leaves "
        f"{measured.kept_kb:.1f} kB in PostgreSQL "
        f"({measured.kept_sqlite_kb:.1f} kB in SQLite).",
        "",
        f"**One of each can do** {min(1 / work['web'], 1 / work['rasa']):.0f} turns a second at most (web app "
        f"{1 / work['web']:.0f}, Rasa {1 / work['rasa']:.0f}, a core of PostgreSQL {1 / work['postgres']:.0f}); half "
        "of that is planned for.",
        "",
        "**The simulation against what was measured**",
        "",
        *closed.shown(closed.check(parts["scale"])),
        "",
        "**A country.** Assumed: " + "; ".join(assumed.said()) + ".",
        "",
        "| | |",
        "|---|---|",
        f"| Busiest hour | {load.turns:.0f} turns/s, {load.sessions:.1f} new sessions/s, {load.chats:,.0f} open "
        "chats |",
        f"| Processes, every one half idle | {found.webs} web, {found.rasas} Rasa, {found.cores} cores of PostgreSQL, "
        "1 Redis, 2 actions |",
        f"| 95 of 100 turns within (simulated) | {1000 * found.p95:.0f} ms; with one web and one Rasa gone "
        f"{1000 * found.p95_one_gone:.0f} ms |",
        f"| Memory | {(found.webs * measured.chats_web_mb + found.rasas * measured.rasa_mb) / 1024:.1f} GB without the "
        "database's cache |",
        f"| Written | {load.turns * measured.flushes:,.0f} flushes/s, {load.turns * measured.rows:,.0f} rows/s, "
        f"{load.turns * measured.wal_kb / 1024:.1f} MB/s of write-ahead log |",
        f"| Redis | {load.turns * measured.redis_commands:,.0f} commands/s |",
        f"| Kept of one person a year | {person * measured.kept_kb / 1024:.1f} MB in PostgreSQL |",
        f"| Kept of all a year | {gigabytes:,.0f} GB, were nothing ever deleted |",
        f"| Processor time of a year's turns | {of_year:,.0f} core-hours; {cores} cores that always run: "
        f"{cores * 8760:,.0f} |",
        f"| Costs a year, by the prices assumed | {money[0]:,.0f} for cores, {money[1]:,.0f} for a full year's data |",
        "",
        "**What breaks first**: how many times the busiest hour each part takes before it is full",
        "",
        "| Part | times |",
        "|---|---|",
        *(f"| {name} | {times:.1f} |" for name, times in breaks_first(measured, assumed, load, found)),
    ]
    return "\n".join(lines)


def _count(work: float, least: float = 0.0) -> int:
    """Whole processes for so much work; two at least, so that one may die."""
    return max(2, math.ceil(work), math.ceil(least))


def main() -> int:
    """Write docs/scale.md's section from the latest results; 1 where they do not hold what it needs."""
    from benchmarks.results import read_parts
    from benchmarks.run import RESULTS

    file = Path(sys.argv[1]) if sys.argv[1:] else RESULTS / "latest.json"
    try:
        text = page(read_parts(file))
    except (KeyError, json.JSONDecodeError) as error:
        print(f"Not measured yet: {error}. Run: pne bench", file=sys.stderr)
        return 1
    if not between_marks(PAGE, text, START, END):
        print(f"{PAGE} has no marks", file=sys.stderr)
        return 1
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
