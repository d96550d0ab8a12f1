"""This assistant for measuring: trained afresh, its parts started on ports and databases of their own."""

from __future__ import annotations

import importlib.metadata
import os
import re
import resource
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import aiohttp
import httpx

from benchmarks.load import CHANNEL_PATH, SECRET_HEADER, Channel, NoReply, Patient, message, with_http
from benchmarks.process import BenchmarkFailed, Server, folder_mb, free_port, start
from bot.processes import Part, parts
from bot.settings import ROOT, Settings, read_settings
from bot.store.session import upgrade
from bot.training import rasa_environment
from bot.web.app import message_reader

READY_SECONDS = 300.0
_PROJECT = "pne-tutor"
_SEED_CONVERSATION = "benchmark-history"
_COLUMNS = "type_name, timestamp, intent_name, action_name, data"


def train(folder: Path) -> tuple[Path, float, float]:
    """Train our model into `folder` without any cache. Returns it, the seconds and the CPU seconds."""
    settings = _settings(folder)
    log = folder / "train.log"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "bot.rasa_light", "train", "--force", "--fixed-model-name", "ours"]
    environment = {**os.environ, **rasa_environment(settings)}
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, "--out", str(folder)], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    after, model = resource.getrusage(resource.RUSAGE_CHILDREN), folder / "ours.tar.gz"
    if done.returncode != 0 or not model.exists():
        raise BenchmarkFailed(f"Our model could not be trained:\n{log.read_text(errors='replace')[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return model, time.perf_counter() - began, cpu


def environment_mb() -> tuple[float, float]:
    """Megabytes of this environment: what the product needs, and with the tools of tests and development."""
    needed = _needed_packages(_PROJECT)
    extra = [
        Path(str(item.locate_file(file)))
        for item in importlib.metadata.distributions()
        if _canonical(item.metadata["Name"]) not in needed
        for file in item.files or ()
    ]
    prefix = Path(sys.prefix)
    return folder_mb(prefix, without=extra), folder_mb(prefix)


@dataclass
class Ours:
    """Our processes. `servers` holds those that run, by name."""

    settings: Settings
    parts: dict[str, Part]
    environment: dict[str, str]
    url: str
    servers: dict[str, Server] = field(default_factory=dict)
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def prepare(cls, folder: Path, model: Path, readings: dict[str, dict[str, Any]]) -> Ours:
        """New databases in `folder` and the commands of all parts; nothing is started yet."""
        settings = _settings(folder)
        upgrade(settings.database_url)
        made = {part.name: part for part in parts(settings, model)}
        return cls(settings, made, _environment(settings), settings.public_url, readings=readings)

    def start(self, *names: str) -> None:
        for name in names:
            part = self.parts[name]
            self.servers[name] = start(
                name, part.command, ROOT, {**part.environment, **self.environment}, part.log
            )

    def stop(self) -> None:
        for server in self.servers.values():
            server.stop()
        self.servers.clear()

    def channel(self, http: aiohttp.ClientSession) -> Channel:
        return Channel(http, self.settings.rasa_url, self.settings.rasa_secret, self.readings)

    def patient(self, http: aiohttp.ClientSession) -> Patient:
        return Patient(http, self.url)

    def first_answer(self, text: str) -> float:
        """Seconds from the start of the Rasa process to its first answer."""
        body = message(uuid.uuid4().hex, text, self.readings[text])
        headers = {SECRET_HEADER: self.settings.rasa_secret}
        address = f"{self.settings.rasa_url}{CHANNEL_PATH}"
        rasa = self.servers["rasa"]
        return until_answered(rasa, lambda: httpx.post(address, json=body, headers=headers, timeout=30)) - rasa.spawned

    def whole_first_answer(self, text: str) -> float:
        """Seconds from the start of all processes to the first answer that a patient sees."""
        began = min(server.spawned for server in self.servers.values())
        self.wait_ready()

        async def ask(http: aiohttp.ClientSession) -> None:
            patient = self.patient(http)
            await patient.open()
            await patient.ask(text)
            await patient.close()

        with_http(ask)
        return time.perf_counter() - began

    def wait_ready(self) -> None:
        until_answered(self.servers["web"], lambda: httpx.get(f"{self.url}/readyz", timeout=2))

    def history_ms(self, sizes: Sequence[int], texts: Sequence[str], samples: int) -> dict[int, list[float]]:
        """Milliseconds of one turn in conversations that already hold so many events, `samples` of each size.

        One long conversation is talked for real; the others are copies of its beginning in the table.
        """
        table = sqlite3.connect(self.settings.tracker_url.removeprefix("sqlite:///"), timeout=30)

        async def measure(http: aiohttp.ClientSession) -> dict[int, list[float]]:
            channel = self.channel(http)
            channel.conversation = _SEED_CONVERSATION
            turn = 0
            while _events(table, _SEED_CONVERSATION) < max(sizes) + 10:
                await channel.ask(texts[turn % len(texts)])
                turn += 1
            found: dict[int, list[float]] = {size: [] for size in sizes}
            for sample in range(samples):
                for size in sizes:
                    channel.conversation = uuid.uuid4().hex
                    _copy_beginning(table, channel.conversation, size)
                    found[size].append(1000 * await channel.ask(texts[(turn + sample) % len(texts)]))
            return found

        try:
            return dict(with_http(measure))
        except NoReply as error:
            raise BenchmarkFailed(f"No answer in a long conversation: {error}") from None
        finally:
            table.close()


def until_answered(server: Server, ask: Callable[[], httpx.Response]) -> float:
    """The moment at which `ask` first gets a 200. Raises BenchmarkFailed with the server's log."""
    until = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < until and server.alive():
        try:
            if ask().status_code == 200:
                return time.perf_counter()
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise BenchmarkFailed(f"{server.name} gave no answer:\n{server.tail()}")


def read_all(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The packed reading of each text, made once as the web app makes it for each message."""
    read = message_reader()
    return {text: read(text) for text in texts}


def _settings(folder: Path) -> Settings:
    port = free_port()
    return read_settings(
        {
            "PNE_VAR": str(folder),
            "PNE_PORT": str(port),
            "PNE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "PNE_RASA_PORT": str(free_port()),
            "PNE_ACTIONS_PORT": str(free_port()),
            "PNE_DATABASE_URL": f"sqlite:///{folder}/pne.db",
            "PNE_TRACKER_URL": f"sqlite:///{folder}/tracker.db",
            "PNE_RASA_SECRET": uuid.uuid4().hex * 2,
            # Limits are there to stop what a load generator does.
            "PNE_RATE_PER_MINUTE": "1000000",
            "PNE_RATE_PER_ADDRESS": "1000000",
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    """`settings` as variables for the processes, which read them again for themselves."""
    return {item.metadata["variable"]: str(getattr(settings, item.name)) for item in fields(settings)}


def _needed_packages(project: str) -> set[str]:
    """The installed packages that `project` needs, itself included, without those of its dependency groups."""
    needed: set[str] = set()
    queue = [project]
    while queue:
        name = _canonical(queue.pop())
        if name in needed:
            continue
        needed.add(name)
        try:
            required = importlib.metadata.requires(name) or ()
        except importlib.metadata.PackageNotFoundError:
            continue  # left out on purpose, such as TensorFlow
        queue.extend(re.match(r"[A-Za-z0-9._-]+", line).group() for line in required)  # type: ignore[union-attr]
    return needed


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _events(table: sqlite3.Connection, conversation: str) -> int:
    found = table.execute("SELECT count(*) FROM events WHERE sender_id = ?", (conversation,))
    return int(found.fetchone()[0])


def _copy_beginning(table: sqlite3.Connection, conversation: str, size: int) -> None:
    """The first events of the long conversation: whole turns only, `size` events or a few fewer."""
    rows = table.execute(
        f"SELECT {_COLUMNS} FROM events WHERE sender_id = ? ORDER BY id LIMIT ?",
        (_SEED_CONVERSATION, size),
    ).fetchall()
    while rows and rows[-1][3] != "action_listen":
        rows.pop()
    table.executemany(
        f"INSERT INTO events (sender_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",
        [(conversation, *row) for row in rows],
    )
    table.commit()
