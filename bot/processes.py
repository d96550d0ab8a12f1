"""``pne up``: start every part, show progress, print the addresses, restart a part that dies, stop cleanly."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from bot.settings import ROOT, Settings, SettingsError
from bot.training import rasa_environment

READY_SECONDS = 120.0
STOP_SECONDS = 10.0
RESTART_PAUSE = 1.0
LONGEST_PAUSE = 30.0
LIVED_WELL = 60.0
# A serving process multiplies small matrices: a second BLAS thread only burns 50 ms of waiting after each turn.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass
class Part:
    """One process of ours: how it is started, where it logs, when it was started and how often it died of late."""

    name: str
    command: list[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    not_before: float = 0.0
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            # A session of its own, so that Ctrl-C reaches this program only, which then stops the parts in order.
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.started = time.monotonic()

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def parts(settings: Settings, model: Path) -> list[Part]:
    """The processes of one installation: actions, Rasa and the web app; the first two on loopback only."""
    logs = settings.var_folder / "log"
    python = sys.executable
    environment = {**rasa_environment(settings), **ONE_THREAD}
    return [
        Part(
            "actions",
            [python, "-m", "rasa_sdk", "--actions", "actions", "--port", str(settings.actions_port)],
            logs / "actions.log",
            environment=environment,
        ),
        Part(
            "rasa",
            [python, "-m", "bot.rasa_light", "run", "--model", str(model), "--port", str(settings.rasa_port),
             "--endpoints", "endpoints.yml", "--credentials", "credentials.yml", "--interface", settings.rasa_host],
            logs / "rasa.log",
            environment=environment,
        ),
        Part(
            "web",
            [python, "-m", "uvicorn", "bot.web.main:app", "--factory", "--host", settings.host, "--port",
             str(settings.port), "--ws", "none", "--no-access-log",
             "--timeout-graceful-shutdown", "2", *_believed(settings.proxies)],
            logs / "web.log",
            environment={"PNE_RASA_SECRET": settings.rasa_secret, **ONE_THREAD},
        ),
    ]  # fmt: skip


def _believed(proxies: str) -> list[str]:
    """Whose word about where a request came from the web process takes. Never anybody's: the limits count addresses."""
    given = ",".join(one.strip() for one in proxies.split(",") if one.strip())
    return ["--forwarded-allow-ips", given] if given else ["--no-proxy-headers"]


def refuse_busy_ports(settings: Settings) -> None:
    """Raises SettingsError with the variable to change where a port of ours is taken already."""
    ports = {"PNE_PORT": settings.port, "PNE_RASA_PORT": settings.rasa_port, "PNE_ACTIONS_PORT": settings.actions_port}
    for variable, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                raise SettingsError(
                    f"Port {port} is in use, perhaps by another `pne up`. Stop that, or choose another: {variable}=…"
                ) from None


class Supervisor:
    """Starts parts, watches them and restarts one that dies, with a growing pause. `say` gets lines for people."""

    def __init__(self, parts: list[Part], say: Callable[[str], None]) -> None:
        self.parts = parts
        self.say = say
        self.stopping = False

    def start(self) -> None:
        for part in self.parts:
            part.start()

    def wait_until_ready(self, url: str, seconds: float = READY_SECONDS) -> bool:
        """Whether ``/readyz`` said 200 in time. Parts that die meanwhile are restarted."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.stopping:
            if _ready(url):
                return True
            self.look_after()
            time.sleep(0.2)
        return False

    def watch(self) -> None:
        """Look after the parts until told to stop."""
        while not self.stopping:
            self.look_after()
            time.sleep(0.5)

    def look_after(self) -> None:
        now = time.monotonic()
        for part in self.parts:
            if self.stopping or part.running():
                continue
            if part.process is not None:
                code = part.process.returncode
                part.process = None
                part.deaths = 0 if now - part.started > LIVED_WELL else part.deaths
                self._rest(part, now, f"stopped (code {code})")
            elif now >= part.not_before:
                try:
                    part.start()
                except OSError as error:  # no memory for a process, say: the other parts go on meanwhile
                    self._rest(part, now, f"could not start ({error})")

    def _rest(self, part: Part, now: float, what: str) -> None:
        """Leave a part alone for a while, longer each time it dies soon."""
        part.deaths += 1
        pause = min(LONGEST_PAUSE, RESTART_PAUSE * 2 ** min(part.deaths - 1, 10))
        part.not_before = now + pause
        self.say(f"{part.name} {what}; starting it again in {pause:.0f} s. Log: {part.log}")

    def stop(self) -> None:
        """Stop the parts, the web app first, so that no new message comes in; then wait, then insist."""
        self.stopping = True
        for part in reversed(self.parts):
            if part.running() and part.process is not None:
                part.process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for part in self.parts:
            if part.process is None:
                continue
            try:
                part.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                part.process.kill()
                part.process.wait()

    def stop_on_signals(self) -> None:
        def on_signal(number: int, frame: FrameType | None) -> None:
            self.stopping = True

        signal.signal(signal.SIGINT, on_signal)
        signal.signal(signal.SIGTERM, on_signal)


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False
