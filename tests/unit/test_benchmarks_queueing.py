"""The simulation against the theory of queues, and the plan that is made with it."""

from __future__ import annotations

import pytest

from benchmarks import closed, national
from benchmarks.national import Assumed, Load
from benchmarks.queueing import IN_TURN, MANY, SHARED, Box, Cost, Simulation, Station, aside_visits, turn_visits
from benchmarks.results import CORE, ONE, TWO, Part, Samples

WORK = {"web": 0.020, "rasa": 0.010, "postgres": 0.005, "generator": 0.002}
COST = Cost(WORK, (0.030, 0.035, 0.040, 0.045), 0.02)
QUIET = Cost(WORK, COST.turns, 0.0)


def mean_wait(kind: str, cores: float, rate: float, fixed: bool = False, jobs: int = 40_000) -> float:
    """Mean seconds that jobs spend beyond their own work; a mean second of work each, Poisson arrivals."""
    simulation = Simulation(seed=11)
    station, waited, sent = Box(cores).station(kind), [], [0]

    def arrive() -> None:
        began, work = simulation.now, 1.0 if fixed else simulation.chance.expovariate(1)
        simulation.visit([(station, work)], lambda: waited.append(simulation.now - began - work))
        sent[0] += 1
        if sent[0] < jobs:
            simulation.after(simulation.chance.expovariate(rate), arrive)

    arrive()
    simulation.run(10.0 * jobs)
    assert len(waited) == jobs
    return sum(waited) / jobs


def test_one_server_in_turn_waits_as_theory_says() -> None:
    assert mean_wait(IN_TURN, 1, 0.5) == pytest.approx(0.5 / 0.5, rel=0.05)


def test_fixed_work_waits_half_as_long() -> None:
    assert mean_wait(IN_TURN, 1, 0.5, fixed=True) == pytest.approx(0.5, rel=0.05)


def test_a_shared_server_does_not_care_how_work_is_distributed() -> None:
    assert mean_wait(SHARED, 1, 0.5) == pytest.approx(1.0, rel=0.06)
    assert mean_wait(SHARED, 1, 0.5, fixed=True) == pytest.approx(1.0, rel=0.06)


def test_two_cores_wait_as_erlang_says() -> None:
    load = 1.2  # two cores 60 % busy
    last = load**2 / 2 / (1 - load / 2)
    waits = last / (1 + load + last)
    assert mean_wait(MANY, 2, load) == pytest.approx(waits / (2 - load), rel=0.06)


def test_a_box_shares_its_cores_between_processes() -> None:
    """Three processes on two cores, each with a long job: each runs at two thirds of its speed."""
    simulation, box, ended = Simulation(1), Box(2), []
    for _ in range(3):
        simulation.visit([(box.station(IN_TURN), 10.0)], lambda: ended.append(simulation.now))
    simulation.run(100)
    assert ended == pytest.approx([15, 15, 15])
    assert sum(station.busy for station in box.stations) == pytest.approx(30)


def test_waiting_takes_no_core() -> None:
    simulation, box, ended = Simulation(1), Box(1), []
    station = box.station(IN_TURN)
    simulation.visit([(None, 5.0), (station, 1.0)], lambda: ended.append(simulation.now))
    simulation.visit([(station, 4.0)], lambda: ended.append(simulation.now))
    simulation.run(100)
    assert ended == [4.0, 6.0]


def test_the_same_seed_gives_the_same_run() -> None:
    assert closed.closed_loop(COST, 2, 1, 8, seconds=10) == closed.closed_loop(COST, 2, 1, 8, seconds=10)


def test_clients_that_never_pause_meet_the_slowest_process_or_the_cores() -> None:
    per_turn = sum(WORK.values()) + COST.opening / 10
    web = WORK["web"] + COST.opening / 10 * WORK["web"] / (WORK["web"] + WORK["postgres"] + WORK["generator"])
    one, _ = closed.closed_loop(COST, 8, 1, 32, seconds=40)
    assert one == pytest.approx(1 / web, rel=0.07)  # cores enough: the web process is full
    two, _ = closed.closed_loop(COST, 2, 2, 32, seconds=40)
    assert two == pytest.approx(2 / per_turn, rel=0.07)  # two of each: both cores are full
    core, _ = closed.closed_loop(COST, 1, 1, 32, seconds=40)
    assert core == pytest.approx(1 / per_turn, rel=0.05)


def test_one_client_takes_what_was_measured() -> None:
    rate, p95 = closed.closed_loop(COST, 8, 1, 1, seconds=40)
    assert rate == pytest.approx(1 / (COST.mean + COST.opening / 10), rel=0.05)
    assert p95 == pytest.approx(45, rel=0.05)


def test_all_work_of_a_turn_is_done_once() -> None:
    box = Box(2)
    stations: dict[str, Station] = {name: box.station(SHARED) for name in WORK}
    ways = [*turn_visits(COST, stations, 1.0), *aside_visits(COST, stations, 1.0)]
    for name, station in stations.items():
        assert sum(seconds for where, seconds in ways if where is station) == pytest.approx(WORK[name])
    busy = Cost({"web": 0.05}, (0.04,), 0.0)
    assert busy.aside() == pytest.approx(0.2) and busy.waiting() == 0
    idle = Cost({"web": 0.03}, (0.04,), 0.0)
    assert idle.aside() == 0 and idle.waiting() == pytest.approx(0.01)


def measured_part() -> Part:
    """A scale part whose one-client run is QUIET, with the points that the simulation itself gives."""
    samples = Samples()
    for side, (cores, count) in {ONE: (2, 1), TWO: (2, 2), CORE: (1, 1)}.items():
        for clients in closed.CLIENTS:
            rate, p95 = closed.closed_loop(QUIET, cores, count, clients)
            samples.add(side, **{f"scale_per_second_{clients}": rate, f"scale_p95_ms_{clients}": p95})
    about = {
        "cpu_ms": {name: 1000 * seconds for name, seconds in WORK.items()},
        "turns_ms": [1000 * seconds for seconds in COST.turns],
        "opening_ms": 0.0,
    }
    return Part("scale", machine={"cores": 2}, samples=samples, about=about)


def test_the_check_names_every_point_and_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed.closed_loop, "__defaults__", (6.0, closed.SEED))
    part = measured_part()
    part.samples.values["scale_per_second_8"][TWO] = [2 * part.samples.of("scale_per_second_8", TWO)[0]]
    points = closed.check(part)
    assert len(points) == len(closed.shown(points)) - 2 == 6
    errors = {(point.arrangement, point.clients): point.errors()[0] for point in points}
    assert errors[TWO, 8] == pytest.approx(-0.5, abs=0.05)  # measured twice as fast as simulated
    assert all(abs(error) < 0.1 for key, error in errors.items() if key != (TWO, 8))


def test_a_turn_that_costs_more_under_load_is_simulated_so() -> None:
    part = measured_part()
    part.samples.add(ONE, scale_cpu_web_ms_8=40.0)
    dear, cheap = closed.cost_of(part, ONE, 8), closed.cost_of(part)
    assert dear.work == {**cheap.work, "web": 0.04}


def test_the_busiest_hour_follows_from_what_is_assumed() -> None:
    load = Load.of(Assumed(people=7_000_000, enrolled=0.1, sessions_a_week=1, turns_a_session=12, busiest_day=1))
    assert load.a_year == pytest.approx(100_000 * 12 * 365)
    assert load.turns == pytest.approx(1_200_000 * 0.07 / 3600, rel=0.05)  # 7 of 100 turns in the busiest hour
    assert sum(national.DAY) == pytest.approx(100, abs=2)


def test_more_processes_are_planned_for_more_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(national, "SIMULATED_SECONDS", 60.0)
    monkeypatch.setattr(national, "WARM_UP_SECONDS", 30.0)
    measured = national.Measured(COST.without("generator"), 10, 12, 20, 5, 3, 9, 4, 250, 0.02, 200, 150)
    found = {}
    for people in (1_000_000, 10_000_000):
        assumed = Assumed(people=people)
        load = Load.of(assumed)
        found[people] = national.needed(measured, assumed, load)
        assert found[people].p95 < national.LONGEST_SECONDS
        weakest = national.breaks_first(measured, assumed, load, found[people])
        assert [times for _, times in weakest] == sorted(times for _, times in weakest)
        assert min(times for name, times in weakest if "processor" in name) >= national.HEADROOM * 0.95
    assert found[10_000_000].webs > found[1_000_000].webs >= 2
