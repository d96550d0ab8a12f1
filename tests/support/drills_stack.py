"""The product under its own supervisor, and parts of it that can be killed, hung or made slow."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bot.processes import Supervisor
from tests.support.stack import Stack


@dataclass
class Supervised:
    """A stack that `bot.processes.Supervisor` looks after, as in `pne up`."""

    stack: Stack
    said: list[str] = field(default_factory=list)

    def pid(self, name: str) -> int:
        process = self.stack.parts[name].process
        assert process is not None
        return process.pid

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        psutil.Process(self.pid(name)).send_signal(number)

    def wait(self, *names: str) -> None:
        self.stack.wait(names)


@contextmanager
def supervised(folder: Path, **more: str) -> Iterator[Supervised]:
    """All parts, running and looked after until the block ends."""
    stack = Stack.start(folder, ("actions", "rasa", "web"), **more)
    made = Supervised(stack)
    supervisor = Supervisor(list(stack.parts.values()), made.said.append)
    watching = threading.Thread(target=supervisor.watch, daemon=True)
    watching.start()
    try:
        yield made
    finally:
        supervisor.stopping = True
        watching.join(5)
        supervisor.stop()
