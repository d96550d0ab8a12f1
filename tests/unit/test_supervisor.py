"""The supervisor of ``pne up``: it restarts what dies, with growing pauses, and stops everything at the end."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import processes
from bot.processes import LIVED_WELL, LONGEST_PAUSE, Part, Supervisor, parts
from bot.settings import Settings, read_settings


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Mortal(Part):
    """A part whose process is a name only; `die` ends it."""

    def start(self) -> None:
        self.process: Any = SimpleNamespace(returncode=None, poll=lambda: self.process.returncode)
        self.started = processes.time.monotonic()

    def die(self, code: int = 1) -> None:
        self.process.returncode = code


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(processes, "time", clock)
    return clock


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def part(tmp_path: Path) -> Mortal:
    return Mortal("rasa", ["rasa"], tmp_path / "rasa.log")


@pytest.fixture
def supervisor(part: Mortal, said: list[str], time: Time) -> Supervisor:
    made = Supervisor([part], said.append)
    made.start()
    return made


def pause_after_death(supervisor: Supervisor, part: Mortal, time: Time) -> float:
    """Lets the part die, and gives how long it took until it ran again."""
    part.die()
    supervisor.look_after()
    died = time.now
    while not part.running():
        time.sleep(0.5)
        supervisor.look_after()
    return time.now - died


def test_what_runs_is_left_alone(supervisor: Supervisor, part: Mortal, said: list[str]) -> None:
    process = part.process
    supervisor.look_after()
    assert part.process is process
    assert said == []


def test_what_dies_is_started_again_and_said_with_its_log(
    supervisor: Supervisor, part: Mortal, time: Time, said: list[str]
) -> None:
    assert pause_after_death(supervisor, part, time) == 1.0
    assert said == [f"rasa stopped (code 1); starting it again in 1 s. Log: {part.log}"]


def test_the_pause_grows_but_not_for_ever(supervisor: Supervisor, part: Mortal, time: Time) -> None:
    pauses = [pause_after_death(supervisor, part, time) for _ in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_part_that_lived_well_starts_from_the_shortest_pause(
    supervisor: Supervisor, part: Mortal, time: Time
) -> None:
    for _ in range(4):
        pause_after_death(supervisor, part, time)
    time.sleep(LIVED_WELL + 1)
    assert pause_after_death(supervisor, part, time) == 1.0


def test_a_part_that_cannot_start_is_tried_again_and_the_others_go_on(
    time: Time, said: list[str], tmp_path: Path
) -> None:
    class Unlucky(Mortal):
        def start(self) -> None:
            raise OSError("no memory")

    unlucky = Unlucky("rasa", [], tmp_path / "rasa.log")
    other = Mortal("web", [], tmp_path / "web.log")
    other.start()
    other.die()
    supervisor = Supervisor([unlucky, other], said.append)
    for _ in range(5):
        supervisor.look_after()
        time.sleep(1.0)
    assert other.running()
    assert said[0].startswith("rasa could not start (no memory); starting it again in 1 s.")
    assert sum("could not start" in line for line in said) == 3


def test_nothing_is_started_once_it_is_stopping(supervisor: Supervisor, part: Mortal) -> None:
    part.die()
    supervisor.stopping = True
    supervisor.look_after()
    supervisor.watch()
    assert not part.running()


def test_ready_is_what_readyz_says(
    supervisor: Supervisor, part: Mortal, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ready(url: str) -> bool:
        asked.append(url)
        return len(asked) == 3

    monkeypatch.setattr(processes, "_ready", ready)
    assert supervisor.wait_until_ready("http://here", seconds=5)
    assert asked == ["http://here"] * 3
    monkeypatch.setattr(processes, "_ready", lambda url: False)
    assert not supervisor.wait_until_ready("http://here", seconds=5)


def test_a_part_that_dies_while_starting_is_started_again(
    supervisor: Supervisor, part: Mortal, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    part.die()
    monkeypatch.setattr(processes, "_ready", lambda url: part.running())
    assert supervisor.wait_until_ready("http://here", seconds=10)


def test_real_processes_log_get_their_environment_and_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.3)
    script = "import os, time; print(os.environ['PNE_X'], flush=True); time.sleep(60)"
    kind = Part("one", [sys.executable, "-c", script], tmp_path / "log" / "one.log", environment={"PNE_X": "here"})
    deaf = Part("two", ["sh", "-c", "trap '' TERM; echo ready; while :; do read x; done"], tmp_path / "log" / "two.log")
    supervisor = Supervisor([kind, deaf], print)
    supervisor.start()
    try:
        for part in supervisor.parts:
            while not part.log.read_bytes():
                processes.time.sleep(0.01)
        assert kind.log.read_text() == "here\n"
    finally:
        supervisor.stop()
    assert not kind.running() and not deaf.running()


def test_every_part_but_the_web_app_listens_on_loopback_only(tmp_path: Path) -> None:
    settings = Settings(host="0.0.0.0", var=str(tmp_path), rasa_secret="s" * 40)
    made = {part.name: part for part in parts(settings, tmp_path / "model.tar.gz")}
    assert list(made) == ["actions", "rasa", "web"]
    assert made["rasa"].command[-2:] == ["--interface", "127.0.0.1"]
    assert made["actions"].environment["SANIC_HOST"] == "127.0.0.1"
    assert "0.0.0.0" in made["web"].command
    assert not any("s" * 40 in word for part in made.values() for word in part.command), "a secret in a command line"


def test_a_port_that_is_taken_is_named_with_the_variable_to_change() -> None:
    import socket

    from bot.processes import refuse_busy_ports
    from bot.settings import SettingsError

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = read_settings({"PNE_PORT": str(taken.getsockname()[1]), "PNE_RASA_SECRET": "s" * 40})
        with pytest.raises(SettingsError, match="PNE_PORT"):
            refuse_busy_ports(settings)
