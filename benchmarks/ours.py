"""This assistant for measuring: its parts started on ports and databases of their own."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.load import with_http
from benchmarks.process import Server, free_port, start, status_of, text_of, until_ready
from benchmarks.talkers import CHANNEL_PATH, SECRET_HEADER, Channel, Patient, message
from bot import safety
from bot.processes import Part, parts
from bot.screening import screen
from bot.settings import ROOT, Settings, read_settings
from bot.store.session import Database, connect, upgrade
from bot.web.plan import NO_ALARM

READY_PATHS = {"web": "/healthz", "rasa": "/webhooks/web/health", "actions": "/health"}
NAMES = ("web", "rasa", "actions")


@dataclass
class Ours:
    """Our processes. `servers` holds those that run, by name; a second of a kind is ``web2``, ``rasa2``."""

    settings: Settings
    parts: dict[str, Part]
    urls: dict[str, str]
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    servers: dict[str, Server] = field(default_factory=dict)

    @classmethod
    def prepare(
        cls, folder: Path, model: Path, told: dict[str, dict[str, Any]], **more: str
    ) -> Ours:
        """The commands of one web app, one Rasa and one action server; nothing is started yet.

        Their databases are new SQLite files in `folder`, unless `more` (PNE_ variables) names others.
        """
        settings = settings_for(folder, **more)
        upgrade(settings.database_url)
        made = cls(settings, {}, {}, told)
        for part in parts(settings, model):
            made.add(part.name, part, settings)
        return made

    def add(self, name: str, part: Part, settings: Settings) -> None:
        """One more process under a name of its own, with its settings as variables."""
        kind = part.name
        port = {"web": settings.port, "rasa": settings.rasa_port, "actions": settings.actions_port}[kind]
        part.environment = {**as_environment(settings), **part.environment}
        part.log = part.log.with_name(f"{name}.log")
        self.parts[name] = part
        self.urls[name] = f"http://127.0.0.1:{port}"

    def start(self, *names: str) -> None:
        for name in names:
            part = self.parts[name]
            self.servers[name] = start(name, part.command, ROOT, part.environment, part.log)

    def stop(self) -> None:
        for server in reversed(list(self.servers.values())):
            server.stop()
        self.servers.clear()

    def channel(self, http: aiohttp.ClientSession) -> Channel:
        return Channel(http, self.settings.rasa_url, self.settings.rasa_secret, self.told)

    def patient(self, http: aiohttp.ClientSession) -> Patient:
        return Patient(http, [self.urls["web"]])

    def database(self) -> Database:
        return connect(self.settings.database_url)

    def first_answer(self, text: str) -> float:
        """Seconds from the start of the Rasa process to its first answer."""
        body = json.dumps(message(uuid.uuid4().hex, text, self.told[text])).encode()
        headers = {SECRET_HEADER: self.settings.rasa_secret}
        rasa, address = self.servers["rasa"], f"{self.settings.rasa_url}{CHANNEL_PATH}"
        return until_ready(rasa, lambda: status_of(address, body, headers) == 200) - rasa.spawned

    def whole_first_answer(self, text: str) -> tuple[float, dict[str, float]]:
        """Seconds from the start of all processes to the first answer that a patient sees, and for each process the
        seconds until it answered."""
        began = min(server.spawned for server in self.servers.values())
        ready: dict[str, float] = {}

        def all_ready() -> bool:
            for name, server in self.servers.items():
                if name not in ready and self.answers(name):
                    ready[name] = time.perf_counter() - server.spawned
            return len(ready) == len(self.servers) and self.everything_ready()

        until_ready(self.servers["web"], all_ready, self.why_not)

        async def ask(http: aiohttp.ClientSession) -> None:
            patient = self.patient(http)
            await patient.open()
            await patient.ask(text)
            await patient.close()

        with_http(ask)
        return time.perf_counter() - began, ready

    def answers(self, name: str) -> bool:
        """Whether the process answers at all."""
        return status_of(self.urls[name] + READY_PATHS[name.rstrip("0123456789")]) == 200

    def everything_ready(self) -> bool:
        return status_of(f"{self.urls['web']}/readyz") == 200

    def wait_ready(self) -> None:
        """Until every running process answers, and, where web app and Rasa run, the web app says that all is ready."""
        for name, server in self.servers.items():
            until_ready(server, partial(self.answers, name))
        if {"web", "rasa"} <= self.servers.keys():
            until_ready(self.servers["web"], self.everything_ready, self.why_not)

    def why_not(self) -> str:
        """What the web app says is missing, and who does not answer at all."""
        silent = [name for name in self.servers if not self.answers(name)]
        return f"no answer from: {', '.join(silent) or 'nobody'}; {text_of(self.urls['web'] + '/readyz')}"


def settings_for(folder: Path, **more: str) -> Settings:
    """Settings with free ports, databases in `folder`, and no limit on how much one address may ask."""
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
            **more,
        }
    )


def as_environment(settings: Settings) -> dict[str, str]:
    """`settings` as variables for the processes, which read them again for themselves."""
    return {item.metadata["variable"]: str(getattr(settings, item.name)) for item in fields(settings)}


def screened(text: str) -> dict[str, Any]:
    """What the web app tells Rasa of the screening of a message: what was raised, if anything was."""
    found = screen(text)
    raised = found.ask or found.tier not in NO_ALARM
    return {"found": found.as_dict() if raised else None, "plain_no": safety.is_plain_no(text)}
