"""The simulation held against what was measured: clients that ask, wait and ask again, on the same machine.

    python -m benchmarks.closed        # from benchmarks/results/latest.json: measured, simulated, the error of each
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import MESSAGES_PER_CONVERSATION
from benchmarks.queueing import MANY, SHARED, Box, Cost, Simulation, Station, aside_visits, turn_visits
from benchmarks.results import CORE, ONE, TWO, Part
from benchmarks.stats import percentile

SEED = 8
SECONDS, WARM_UP = 100.0, 10.0
CLIENTS = (8, 32)
# Cores, and how many web apps and Rasas, of each arrangement that was measured.
ARRANGED = {ONE: (None, 1), TWO: (None, 2), CORE: (1, 1)}
_OPENING = ("generator", "web", "postgres")


@dataclass(frozen=True)
class Point:
    """One arrangement under so many clients: turns a second and the 95th percentile in ms, measured and simulated."""

    arrangement: str
    clients: int
    measured: tuple[float, float]
    simulated: tuple[float, float]
    loaded: tuple[float, float]

    def errors(self) -> tuple[float, float, float, float]:
        """How far the simulation is off, as shares of what was measured: turns a second and the percentile, from what a
        turn cost one client (`simulated`), and from what it cost under this load (`loaded`)."""
        (rate, p95), (own, own_p95), (loaded, loaded_p95) = self.measured, self.simulated, self.loaded
        return own / rate - 1, own_p95 / p95 - 1, loaded / rate - 1, loaded_p95 / p95 - 1


def cost_of(part: Part, arrangement: str = "", clients: int = 1) -> Cost:
    """What a turn costs, as the several-process part measured it: with one client, or under a load (threads that want
    the same interpreter lock, processes that want the same cache make it dearer).

    Opening a chat is in the processor time a turn, once in ten turns: it is taken out again.
    """
    about = part.about
    work = {name: ms / 1000 for name, ms in about["cpu_ms"].items()}
    for name in work:
        found = part.samples.median(f"scale_cpu_{name}_ms_{clients}", arrangement)
        work[name] = work[name] if found is None else found / 1000
    opening = about["opening_ms"] / 1000
    shares = _shares(work)
    for name, share in shares.items():
        work[name] = max(0.0, work[name] - share * opening / MESSAGES_PER_CONVERSATION)
    return Cost(work, tuple(ms / 1000 for ms in about["turns_ms"]), opening)


def check(part: Part) -> list[Point]:
    """Every measured point beside its simulation."""
    cost, points = cost_of(part), []
    for arrangement, (cores, count) in ARRANGED.items():
        for clients in CLIENTS:
            rate = part.samples.median(f"scale_per_second_{clients}", arrangement)
            p95 = part.samples.median(f"scale_p95_ms_{clients}", arrangement)
            if rate and p95:
                has = cores or int(part.machine["cores"])
                loaded = closed_loop(cost_of(part, arrangement, clients), has, count, clients)
                found = closed_loop(cost, has, count, clients)
                points.append(Point(arrangement, clients, (rate, p95), found, loaded))
    return points


def closed_loop(
    cost: Cost, cores: float, count: int, clients: int, seconds: float = SECONDS, seed: int = SEED
) -> tuple[float, float]:
    """Turns a second, and the 95th percentile in ms, of clients that never pause; `count` web apps and Rasas."""
    simulation, box = Simulation(seed), Box(cores)
    pairs = [{"web": box.station(SHARED), "rasa": box.station(SHARED)} for _ in range(count)]
    common = {name: box.station(SHARED) for name in ("generator", "redis", "actions")}
    common["postgres"] = box.station(MANY)
    taken: list[float] = []

    def ask(turn: int, stations: Mapping[str, Station]) -> None:
        if turn % MESSAGES_PER_CONVERSATION == 0:
            own = {**common, **simulation.chance.choice(pairs)}
            shares = _shares(cost.work)
            way = [(own[name], cost.opening * share) for name, share in shares.items()]
            simulation.visit(way, lambda: say(turn, own))
        else:
            say(turn, stations)

    def say(turn: int, stations: Mapping[str, Station]) -> None:
        began, factor, own = simulation.now, cost.factor(simulation.chance), dict(stations)

        def answered() -> None:
            if began > WARM_UP:
                taken.append(simulation.now - began)
            simulation.visit(aside_visits(cost, own, factor), lambda: None)
            ask(turn + 1, own)

        simulation.visit(turn_visits(cost, own, factor), answered)

    for number in range(clients):
        simulation.after(number * 0.001, lambda: ask(0, common))
    simulation.run(WARM_UP + seconds)
    return len(taken) / seconds, 1000 * percentile(taken, 95)


def shown(points: list[Point]) -> list[str]:
    """The check as a Markdown table."""
    names = {ONE: "1 web + 1 Rasa", TWO: "2 + 2", CORE: "1 + 1, all on one core"}
    lines = [
        "| | clients | turns/s measured | simulated: a turn costs as for one client | as under this load | p95 "
        "measured | simulated | as under this load |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for point in points:
        rate, p95, loaded, loaded_p95 = point.errors()
        lines.append(
            f"| {names[point.arrangement]} | {point.clients} | {point.measured[0]:.0f} | {point.simulated[0]:.0f} "
            f"({rate:+.0%}) | {point.loaded[0]:.0f} ({loaded:+.0%}) | {point.measured[1]:.0f} ms | "
            f"{point.simulated[1]:.0f} ms ({p95:+.0%}) | {point.loaded[1]:.0f} ms ({loaded_p95:+.0%}) |"
        )
    return lines


def _shares(work: Mapping[str, float]) -> dict[str, float]:
    """How opening a chat is split over the processes that have to do with it."""
    total = sum(work.get(name, 0.0) for name in _OPENING)
    return {name: work[name] / total for name in _OPENING if work.get(name)}


def main() -> int:
    """Print the check of the latest results; 1 where there is nothing to check."""
    from benchmarks.run import RESULTS

    file = Path(sys.argv[1]) if sys.argv[1:] else RESULTS / "latest.json"
    try:
        part = Part.of(json.loads(file.read_text(encoding="utf-8"))["parts"]["scale"])
    except (OSError, KeyError, ValueError):
        print("Nothing has been measured to check this by: python -m benchmarks.scale", file=sys.stderr)
        return 1
    print("\n".join(shown(check(part))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
