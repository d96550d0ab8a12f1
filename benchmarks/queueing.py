"""A discrete-event simulation of queues in front of processes that share cores. Small, seeded, standard library only.

A `Box` is a machine with so many cores. A `Station` on it is one process (jobs wait their turn, or share one core's
worth as the threads of a Python process do) or a server of many processes, such as a database. A job is a list of
visits: a station and the seconds of work there, or no station and seconds of plain waiting (a disk, a person). Where
more cores are wanted than there are, all get the same share.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

# How a station serves: one job after the other; all at once on one core; all at once on as many cores as there are.
IN_TURN, SHARED, MANY = "in turn", "shared", "many"
_NEVER = math.inf
_SAME = 1e-12


@dataclass
class Box:
    """A machine."""

    cores: float
    stations: list[Station] = field(default_factory=list)

    def station(self, kind: str) -> Station:
        made = Station(kind, self)
        self.stations.append(made)
        return made

    def share(self) -> float:
        """What part of the cores that it wants each station gets."""
        wanted = sum(station.wanted() for station in self.stations)
        return min(1.0, self.cores / wanted) if wanted else 1.0


@dataclass(eq=False)
class Station:
    """A process. `done` counts the work that each job in service has had since the beginning of time, so that a change
    of speed touches one number and not every job."""

    kind: str
    box: Box
    done: float = 0.0
    busy: float = 0.0
    serving: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    waiting: deque[tuple[float, Callable[[], None]]] = field(default_factory=deque)

    def wanted(self) -> int:
        """Cores that could be used now."""
        return len(self.serving) if self.kind == MANY else int(bool(self.serving))

    def speed(self, share: float) -> float:
        """Seconds of work that each job in service gets a second, where the box gives this share."""
        return share / len(self.serving) if self.kind == SHARED else share


class Simulation:
    """The clock, what is to happen, and the boxes. Seconds throughout."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.chance = random.Random(seed)
        self._numbers = itertools.count()
        self._planned: list[tuple[float, int, Callable[[], None]]] = []
        self._touched: dict[int, float] = {}
        self._versions: dict[int, int] = {}

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something later."""
        heapq.heappush(self._planned, (self.now + seconds, next(self._numbers), act))

    def visit(self, visits: Sequence[tuple[Station | None, float]], then: Callable[[], None]) -> None:
        """Send a job through its visits, then call `then`."""
        left: Iterator[tuple[Station | None, float]] = iter(visits)

        def onwards() -> None:
            station, seconds = next(left, (None, _NEVER))
            if seconds == _NEVER:
                then()
            elif station is None:
                self.after(seconds, onwards)
            else:
                self._enter(station, seconds, onwards)

        onwards()

    def run(self, until: float) -> None:
        """Until the clock stands at `until`, or nothing is left to happen."""
        while self._planned and self._planned[0][0] <= until:
            self.now, _, act = heapq.heappop(self._planned)
            act()
        self.now = until

    def _enter(self, station: Station, seconds: float, then: Callable[[], None]) -> None:
        self._catch_up(station.box)
        if station.kind == IN_TURN and station.serving:
            station.waiting.append((seconds, then))
            return
        heapq.heappush(station.serving, (station.done + seconds, next(self._numbers), then))
        self._look_ahead(station.box)

    def _catch_up(self, box: Box) -> None:
        """Credit the work done on a box since it was last looked at."""
        passed = self.now - self._touched.get(id(box), self.now)
        self._touched[id(box)] = self.now
        if passed <= 0:
            return
        share = box.share()
        for station in box.stations:
            if station.serving:
                station.done += passed * station.speed(share)
                station.busy += passed * share * station.wanted()

    def _look_ahead(self, box: Box) -> None:
        """Plan the next job's end on a box; an earlier plan for it no longer holds."""
        version = self._versions[id(box)] = self._versions.get(id(box), 0) + 1
        share, soonest = box.share(), _NEVER
        for one in box.stations:
            if one.serving:
                soonest = min(soonest, (one.serving[0][0] - one.done) / one.speed(share))
        if soonest < _NEVER:
            self.after(max(0.0, soonest), lambda: self._finish(box, version))

    def _finish(self, box: Box, version: int) -> None:
        if self._versions[id(box)] != version:
            return
        self._catch_up(box)
        ended = []
        for station in box.stations:
            while station.serving and station.serving[0][0] <= station.done + _SAME * max(1.0, station.done):
                ended.append(heapq.heappop(station.serving)[2])
                if station.kind == IN_TURN and station.waiting:
                    seconds, then = station.waiting.popleft()
                    heapq.heappush(station.serving, (station.done + seconds, next(self._numbers), then))
        self._look_ahead(box)
        for then in ended:
            then()


@dataclass(frozen=True)
class Cost:
    """What a turn costs, in seconds of work by process (web, rasa, postgres …, as means), from a measured run.

    `turns`: how long turns took where nobody waited, in seconds; `opening`: opening a chat.
    """

    work: dict[str, float]
    turns: tuple[float, ...]
    opening: float

    @property
    def total(self) -> float:
        return sum(self.work.values())

    @property
    def mean(self) -> float:
        return sum(self.turns) / len(self.turns)

    def factor(self, chance: random.Random) -> float:
        """How much heavier than the mean one turn is: drawn from the measured ones."""
        return chance.choice(self.turns) / self.mean

    def aside(self) -> float:
        """The part of a turn's work that nobody waits for: done after the first reply."""
        return max(0.0, 1 - self.mean / self.total)

    def waiting(self) -> float:
        """Seconds of a turn that are no work: disks, sleeping."""
        return max(0.0, self.mean - self.total)

    def without(self, *names: str) -> Cost:
        """The same where some processes stand elsewhere or are real people: their share of the time is gone too."""
        work = {name: seconds for name, seconds in self.work.items() if name not in names}
        less = sum(self.work[name] for name in names if name in self.work) * (1 - self.aside())
        scaled = max(0.1, (self.mean - less) / self.mean)
        return Cost(work, tuple(seconds * scaled for seconds in self.turns), self.opening)


def turn_visits(cost: Cost, stations: dict[str, Station], factor: float) -> list[tuple[Station | None, float]]:
    """The way of one turn until its first reply: to the web app, the log, Rasa, its table, and back."""
    kept = {name: seconds * factor * (1 - cost.aside()) for name, seconds in cost.work.items()}

    def part(name: str, share: float) -> list[tuple[Station | None, float]]:
        return [(stations[name], kept[name] * share)] if kept.get(name) and name in stations else []

    return [
        *part("generator", 0.5),
        *part("web", 0.5),
        *part("postgres", 0.4),
        (None, cost.waiting() * factor),
        *part("redis", 1),
        *part("rasa", 1),
        *part("actions", 1),
        *part("postgres", 0.6),
        *part("web", 0.5),
        *part("generator", 0.5),
    ]


def aside_visits(cost: Cost, stations: dict[str, Station], factor: float) -> list[tuple[Station | None, float]]:
    """What a turn still costs after its first reply."""
    left = {name: seconds * factor * cost.aside() for name, seconds in cost.work.items()}
    return [(stations[name], seconds) for name, seconds in left.items() if seconds and name in stations]
