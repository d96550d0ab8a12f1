"""The real processes (actions, Rasa, web app) on free ports with a database of their own, for integration tests."""

from __future__ import annotations

import json
import socket
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bot.processes import Part, parts
from bot.settings import Settings, read_settings
from bot.store.session import Database, connect, upgrade
from bot.training import train

READY_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Stack:
    """Running parts by name; `url` is the web app's."""

    settings: Settings
    parts: dict[str, Part]
    url: str

    @classmethod
    def start(cls, folder: Path, names: tuple[str, ...] = ("actions", "rasa", "web"), **more: str) -> Stack:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {
            "PNE_VAR": str(folder),
            "PNE_PORT": str(port),
            "PNE_PUBLIC_URL": url,
            "PNE_RASA_PORT": str(free_port()),
            "PNE_ACTIONS_PORT": str(free_port()),
            "PNE_DATABASE_URL": f"sqlite:///{folder}/pne.db",
            "PNE_TRACKER_URL": f"sqlite:///{folder}/tracker.db",
            "PNE_RASA_SECRET": uuid.uuid4().hex * 2,
            "PNE_RASA_TIMEOUT": "8",
            "PNE_RATE_PER_MINUTE": "1000",
            "PNE_RATE_PER_ADDRESS": "10000",
            **more,
        }
        settings = read_settings(environment)
        upgrade(settings.database_url)
        made = {part.name: part for part in parts(settings, train(settings))}
        for part in made.values():
            part.environment = {**part.environment, **environment}
        stack = cls(settings, made, url)
        for name in names:
            made[name].start()
        stack.wait(names)
        return stack

    def wait(self, names: tuple[str, ...]) -> None:
        """Until the parts named answer. Shows the end of their logs if they do not."""
        probes = {
            "web": f"{self.url}/healthz",
            "rasa": f"{self.settings.rasa_url}/webhooks/web/health",
            "actions": f"http://127.0.0.1:{self.settings.actions_port}/health",
        }
        until = time.monotonic() + READY_SECONDS
        for name in names:
            while not _answers(probes[name]):
                part = self.parts[name]
                if not part.running() or time.monotonic() > until:
                    tail = part.log.read_text(errors="replace")[-3000:]
                    self.stop()
                    raise AssertionError(f"{name} did not start:\n{tail}")
                time.sleep(0.1)

    def stop_part(self, name: str) -> None:
        process = self.parts[name].process
        if process is not None:
            process.kill()
            process.wait()

    def start_part(self, name: str) -> None:
        self.parts[name].start()
        self.wait((name,))

    def stop(self) -> None:
        for name in self.parts:
            self.stop_part(name)

    def database(self) -> Database:
        return connect(self.settings.database_url)

    def patient(self, consent: bool = True) -> Patient:
        patient = Patient.open(self.url)
        if consent:
            patient.press("consent:accept")
            patient.wait_for(lambda event: event["body"].get("answer_id") == "notice/consent_recorded")
        return patient


@dataclass
class Patient:
    """A patient's client over the public API."""

    client: httpx.Client
    conversation: str
    token: str

    @classmethod
    def open(cls, url: str) -> Patient:
        client = httpx.Client(base_url=url, timeout=15)
        made = client.post("/v1/session", json={"clinic": "demo"})
        assert made.status_code == 201, made.text
        client.headers["Authorization"] = f"Bearer {made.json()['session']}"
        return cls(client, made.json()["conversation"], made.json()["session"])

    def send(self, body: dict[str, Any]) -> httpx.Response:
        return self.client.post(f"/v1/conversations/{self.conversation}/messages", json=body)

    def say(self, text: str, client_id: str | None = None) -> int:
        answer = self.send({"client_id": client_id or str(uuid.uuid4()), "kind": "text", "text": text})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["seq"])

    def press(self, payload: str, title: str = "button") -> int:
        answer = self.send({"client_id": str(uuid.uuid4()), "kind": "button", "payload": payload, "text": title})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["seq"])

    def events(self, after: int = 0, wait: int = 0) -> list[dict[str, Any]]:
        answer = self.client.get(
            f"/v1/conversations/{self.conversation}/events", params={"after": after, "wait": wait}
        )
        assert answer.status_code == 200, answer.text
        return list(answer.json()["events"])

    def wait_for(self, wanted: Any, after: int = 0, seconds: float = 10.0) -> dict[str, Any]:
        """The first event after a number that `wanted` accepts."""
        until = time.monotonic() + seconds
        seen: list[dict[str, Any]] = []
        while time.monotonic() < until:
            found = self.events(after, wait=2)
            for event in found:
                if event["seq"] is not None:
                    after = max(after, event["seq"])
                seen.append(event)
                if wanted(event):
                    return event
        raise AssertionError("no such event; seen: " + json.dumps([e["body"] for e in seen])[:3000])

    def ask(self, text: str, **more: Any) -> dict[str, Any]:
        """Say something and wait for the next thing that is not the patient's."""
        seq = self.say(text, **more)
        return self.wait_for(lambda event: event["author"] != "patient", after=seq)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
