"""The product as several processes on this machine: two web, two Rasa, one action server, PostgreSQL and Redis.

The commands are the real ones (`bot.processes`). In place of the proxy, clients choose the web process by the same
rule: one conversation, one process.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from bot.processes import Part, parts
from bot.settings import Settings, read_settings
from bot.store.session import Database, connect, upgrade
from bot.training import train
from bot.web.assistants import Rasa, ranked
from tests.support.postgres import empty_database
from tests.support.stack import Patient, free_port
from tests.support.valkey import Valkey, new_valkey

READY_SECONDS = 120.0
MANY = {"PNE_RATE_PER_MINUTE": "10000", "PNE_RATE_PER_ADDRESS": "100000"}


@dataclass
class Topology:
    """Running parts by name: actions, rasa-0, rasa-1, web-0, web-1."""

    settings: list[Settings]
    parts: dict[str, Part]
    valkey: Valkey

    @classmethod
    def start(cls, folder: Path, server: Any, valkey: Valkey, databases: tuple[str, str], **more: str) -> Topology:
        """`databases`: the addresses of the event log's and of the dialogue's."""
        ports = [(free_port(), free_port()) for _ in range(2)]
        actions = free_port()
        common = {
            "PNE_VAR": str(folder),
            "PNE_DATABASE_URL": databases[0],
            "PNE_TRACKER_URL": databases[1],
            "PNE_REDIS_URL": valkey.url,
            "PNE_RASA_URLS": ",".join(f"http://127.0.0.1:{rasa}" for _, rasa in ports),
            "PNE_ACTIONS_PORT": str(actions),
            "PNE_RASA_SECRET": uuid.uuid4().hex * 2,
            "PNE_SECRET_KEY": uuid.uuid4().hex * 2,
            "PNE_RASA_TIMEOUT": "8",
            **MANY,
            **more,
        }
        made: dict[str, Part] = {}
        settings = []
        for place, (web, rasa) in enumerate(ports):
            url = f"http://127.0.0.1:{web}"
            environment = {**common, "PNE_PORT": str(web), "PNE_RASA_PORT": str(rasa), "PNE_PUBLIC_URL": url}
            here = read_settings(environment)
            settings.append(here)
            for part in parts(here, train(here)):
                name = part.name if part.name == "actions" else f"{part.name}-{place}"
                environ = {**part.environment, **environment}
                made.setdefault(name, replace(part, name=name, log=folder / f"{name}.log", environment=environ))
        upgrade(settings[0].database_url)
        topology = cls(settings, made, valkey)
        for part in made.values():
            part.start()
        for name in made:
            topology.wait(name)
        return topology

    def url(self, name: str) -> str:
        """Of a part."""
        kind, _, place = name.partition("-")
        here = self.settings[int(place or 0)]
        return f"http://127.0.0.1:{ {'web': here.port, 'rasa': here.rasa_port}.get(kind, here.actions_port) }"

    def wait(self, name: str) -> None:
        """Until a part is ready. Shows the end of its log if it does not come."""
        path = {"web": "/readyz", "rasa": "/webhooks/web/health"}.get(name.partition("-")[0], "/health")
        part, until, starts = self.parts[name], time.monotonic() + READY_SECONDS, 1
        while not _answers(self.url(name) + path):
            if not part.running() and starts < 2:  # as a supervisor does
                part.start()
                starts += 1
            if not part.running() or time.monotonic() > until:
                tail = part.log.read_text(errors="replace")[-3000:]
                self.stop()
                raise AssertionError(f"{name} did not start:\n{tail}")
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        """With signal 9."""
        process = self.parts[name].process
        if process is not None:
            process.kill()
            process.wait()

    def revive(self, *names: str) -> None:
        for name in names:
            if not self.parts[name].running():
                self.parts[name].start()
        for name in names:
            self.wait(name)

    def stop(self) -> None:
        for name in self.parts:
            self.kill(name)

    def database(self) -> Database:
        return connect(self.settings[0].database_url)

    def web_of(self, conversation: str) -> str:
        """The web process to which the proxy sends a conversation."""
        return f"web-{hashlib.sha256(conversation.encode()).digest()[0] % len(self.settings)}"

    def rasa_of(self, conversation: str) -> str:
        """The Rasa that the web processes choose for it."""
        url = ranked(conversation, [Rasa(url, 1) for url in self.settings[0].rasa_urls])[0].url
        return f"rasa-{self.settings[0].rasa_urls.index(url)}"

    def patient(self, consent: bool = True) -> Patient:
        """A new patient, at their conversation's web process."""
        patient = Patient.open(self.url("web-0"))
        self.move(patient, self.web_of(patient.conversation))
        if consent:
            patient.press("consent:accept")
            patient.wait_for(lambda event: event["body"].get("answer_id") == "notice/consent_recorded")
        return patient

    def move(self, patient: Patient, web: str) -> None:
        """The proxy sends this patient somewhere else from now on."""
        patient.client.base_url = httpx.URL(self.url(web))


@dataclass
class Stream:
    """A page that listens: the events it got with the times, by way of SSE, from a web process."""

    url: str
    conversation: str
    token: str
    got: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    ended: bool = False
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def last(self) -> int:
        """What the browser sends as Last-Event-ID."""
        return max((event["seq"] for _, event in self.got if event.get("seq")), default=0)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for _, event in self.got if event.get("seq")]

    def read(self, ready: threading.Event, after: int) -> None:
        headers = {"Authorization": f"Bearer {self.token}", "Last-Event-ID": str(after)}
        try:
            with (
                httpx.Client(timeout=httpx.Timeout(5, read=30)) as client,
                client.stream("GET", f"{self.url}/v1/conversations/{self.conversation}/events", headers=headers) as got,
            ):
                named = ""
                for line in got.iter_lines():
                    ready.set()
                    if self._stop.is_set():
                        break
                    if line.startswith("event: "):
                        named = line[7:]
                    elif line.startswith("data: ") and not named:
                        self.got.append((time.monotonic(), json.loads(line[6:])))
                    elif not line:
                        named = ""
        except httpx.HTTPError:
            pass  # the process is gone: the page opens the stream again
        self.ended = True

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool], seconds: float = 10.0) -> float:
        """When (monotonic) the first event came that `wanted` accepts."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for at, event in list(self.got):
                if wanted(event):
                    return at
            time.sleep(0.005)
        raise AssertionError(f"no such event in {seconds} s; seen: {[event['body'] for _, event in self.got]}"[:3000])


@contextmanager
def listening(topology: Topology, patient: Patient, web: str, after: int | None = None) -> Iterator[Stream]:
    """A page of the patient at a web process, open for the block; from its beginning, or from what it has read."""
    stream = Stream(topology.url(web), patient.conversation, patient.token)
    ready = threading.Event()
    start = patient.events()[-1]["seq"] if after is None else after
    reading = threading.Thread(target=stream.read, args=(ready, start), daemon=True)
    reading.start()
    assert ready.wait(10)
    try:
        yield stream
    finally:
        stream._stop.set()


@contextmanager
def running(server: Any, **more: str) -> Iterator[Topology]:
    """The whole of it, with databases of its own in the PostgreSQL `server`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pne-scale")))
        valkey = new_valkey(folder)
        stack.callback(valkey.kill)
        names = ("scale_events", "scale_dialogue")
        databases = tuple(stack.enter_context(empty_database(server, name)) for name in names)
        topology = Topology.start(folder, server, valkey, databases, **more)  # type: ignore[arg-type]
        stack.callback(topology.stop)
        yield topology


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3).status_code == 200
    except httpx.HTTPError:
        return False
