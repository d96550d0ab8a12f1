"""A tiny Rasa project in a temporary folder, and Rasa's command line and server run on it in processes.

Every process is started with a guard that notes, at its end, whether TensorFlow was imported and which
addresses other than loopback it asked for.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
SECRET = "a secret for tests only"
UNAVAILABLE = "I cannot answer right now."

FILES = {
    "config.yml": """
        recipe: default.v1
        assistant_id: tiny
        language: en
        pipeline:
          - name: WhitespaceTokenizer
          - name: KeywordIntentClassifier
          - name: tiny.Quirks
        policies:
          - name: RulePolicy
          - name: AugmentedMemoizationPolicy
        """,
    "domain.yml": """
        version: "3.1"
        intents: [hello, pain, yes, slash, offered]
        responses:
          utter_hello:
            - text: "first part\\n\\nsecond part"
              buttons: [{title: More, payload: more}]
              image: picture.svg
              custom: {kind: visual}
              metadata: {answer_id: hello, version: 1}
          utter_ask_pain: [{text: Shall I go on}]
          utter_relief: [{text: going on}]
          utter_slash: [{text: plain text}]
          utter_offered: [{text: offered}]
        session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}
        """,
    "data/nlu.yml": """
        version: "3.1"
        nlu:
        - intent: hello
          examples: |
            - hello
            - hi
        - intent: pain
          examples: |
            - pain
            - hurts
        - intent: yes
          examples: |
            - yes
            - yeah
        """,
    "data/rules.yml": """
        version: "3.1"
        rules:
        - rule: hello
          steps: [{intent: hello}, {action: utter_hello}]
        - rule: a leading slash
          steps: [{intent: slash}, {action: utter_slash}]
        - rule: a button
          steps: [{intent: offered}, {action: utter_offered}]
        """,
    "data/stories.yml": """
        version: "3.1"
        stories:
        - story: yes means something only after the question
          steps: [{intent: pain}, {action: utter_ask_pain}, {intent: yes}, {action: utter_relief}]
        """,
    "tests/test_stories.yml": """
        version: "3.1"
        stories:
        - story: hello
          steps: [{user: hello, intent: hello}, {action: utter_hello}]
        """,
    "tiny.py": '''
        """A component that reads the message's metadata, and fails on demand with the message's words."""
        from rasa.engine.graph import GraphComponent
        from rasa.engine.recipes.default_recipe import DefaultV1Recipe
        from rasa.shared.nlu.training_data.message import Message


        @DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
        class Quirks(GraphComponent):
            @classmethod
            def create(cls, config, model_storage, resource, execution_context):
                return cls()

            def process(self, messages: list[Message]) -> list[Message]:
                for message in messages:
                    text, metadata = message.get("text"), message.get("metadata") or {}
                    if "explode" in text:
                        raise ValueError(text)
                    if text.startswith("\\u2215"):
                        message.set("intent", {"name": "slash", "confidence": 1.0}, add_to_output=True)
                    if metadata.get("payload") == "offer" and metadata["reading"] and metadata["clinic"]:
                        message.set("intent", {"name": "offered", "confidence": 1.0}, add_to_output=True)
                return messages
        ''',
    "messages.yml": f"""
        messages:
          rasa_unavailable: "{UNAVAILABLE}"
        """,
    "credentials.yml": """
        bot.channels.web.WebInput:
          secret: ${PNE_RASA_SECRET}
          unavailable_text: messages.yml
        """,
    "endpoints.yml": """
        tracker_store:
          type: bot.channels.tracker_store.TrackerStore
          db: ${PNE_TRACKER_URL}
        """,
    "guard/sitecustomize.py": '''
        """Runs at the start of every Python process of the project."""
        import atexit, json, os, sys

        seen = []

        def hook(event, arguments):
            if event == "socket.connect":
                address = arguments[1]
                host = address[0] if isinstance(address, tuple) else "unix"
            elif event == "socket.getaddrinfo":
                host = arguments[0]
            else:
                return
            host = host.decode() if isinstance(host, bytes) else host
            if host not in (None, "unix", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
                seen.append(str(host))
                raise OSError("only loopback in tests")

        def report():
            with open(os.environ["PNE_GUARD_REPORT"], "a") as file:
                file.write(json.dumps({"outside": seen, "tensorflow": "tensorflow" in sys.modules}) + "\\n")

        sys.addaudithook(hook)
        atexit.register(report)
        ''',
}


@dataclass(frozen=True)
class Finished:
    """A process that has ended: its exit code, all it printed, and what the guard noted."""

    code: int
    output: str
    guard: list[dict[str, Any]]


@dataclass(frozen=True)
class Server:
    """A running Rasa server."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def post(self, body: Any, **options: Any) -> httpx.Response:
        """Post a body (raw bytes as they are) to the channel with the right secret, unless told otherwise."""
        options.setdefault("headers", {"X-PNE-Secret": SECRET})
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.post(f"{self.url}/webhooks/web/message", content=content, timeout=30, **options)

    def say(self, conversation: str, text: str, message_id: str = "", **more: Any) -> httpx.Response:
        """Send one message."""
        message_id = message_id or f"m-{time.monotonic_ns()}"
        return self.post({"conversation": conversation, "message_id": message_id, "text": text, **more})

    def health(self) -> httpx.Response:
        """Ask the channel how it is."""
        return httpx.get(f"{self.url}/webhooks/web/health", timeout=30)


def make_project(folder: Path, **changed: str) -> Path:
    """Write the project's files, with some replaced: ``config_yml="..."``."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = changed.get(name.replace(".", "_").replace("/", "_"), text)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return folder


def environment(project: Path, tracker_url: str = "") -> dict[str, str]:
    """The environment of a process of the project. Telemetry is left for our entry to turn off."""
    kept = {key: value for key, value in os.environ.items() if key not in ("RASA_TELEMETRY_ENABLED", "CI")}
    return kept | {
        "PYTHONPATH": f"{project / 'guard'}{os.pathsep}{ROOT}",
        "PNE_GUARD_REPORT": str(project / "guard.jsonl"),
        "PNE_RASA_SECRET": SECRET,
        "PNE_TRACKER_URL": tracker_url or f"sqlite:///{project}/var/tracker.db",
        "HOME": str(project),
    }


def run(project: Path, *arguments: str, stdin: str = "", **changed: str) -> Finished:
    """Run Python in the project to its end and return what came of it."""
    report = project / "guard.jsonl"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=environment(project) | changed,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = report.read_text().splitlines() if report.exists() else []
    return Finished(done.returncode, done.stdout + done.stderr, [json.loads(line) for line in lines])


@lru_cache(maxsize=1)
def trained() -> tuple[Path, Finished]:
    """The project with a model, trained once in a test run by ``python -m bot.rasa_light train``."""
    folder = Path(tempfile.mkdtemp(prefix="pne-rasa-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    project = make_project(folder)
    return project, run(project, "-m", "bot.rasa_light", "train", "--fixed-model-name", "tiny")


@contextmanager
def serving(project: Path, tracker_url: str = "") -> Iterator[Server]:
    """Run ``python -m bot.rasa_light run`` on a free port until the block ends."""
    port = free_port()
    log = project / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot.rasa_light", "run", "--port", str(port)],
            cwd=project,
            env=environment(project, tracker_url),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(f"http://127.0.0.1:{port}", log, process)
    try:
        _wait_until_healthy(server)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _wait_until_healthy(server: Server) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            if server.health().status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise AssertionError(f"the server did not come up:\n{server.log.read_text()[-3000:]}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
