"""``make check-fresh``: does a clone of what is committed work on a machine that has nothing of it yet?

Clones HEAD into a temporary folder with empty caches of its own, and there makes the environment, trains, runs the fast
suites, starts everything on free ports, asks one question and stops. Prints how long each step took. About ten minutes.
Only the standard library: nothing of this folder's environment takes part.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
QUESTION = "why does my back still hurt after two years?"
READY_SECONDS = 120.0
ANSWER_SECONDS = 30.0


def main() -> int:
    """0 where everything worked. The folder goes in any case."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    with tempfile.TemporaryDirectory(prefix="pne-fresh-") as name:
        folder = Path(name)
        clone = folder / "clone"
        environ = environment(folder)
        took: dict[str, float] = {}

        def step(what: str, do: Callable[[], Any]) -> None:
            print(f"{what} …", flush=True)
            began = time.monotonic()
            do()
            took[what] = round(time.monotonic() - began, 1)

        def make(target: str) -> Callable[[], Any]:
            return lambda: subprocess.run(["make", target], cwd=clone, env=environ, check=True)

        try:
            step("clone", lambda: subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True))
            step("environment", make("install"))
            step("models", make("train"))
            step("fast suites", make("unit"))
            step("start, question, stop", lambda: talk(clone, environ))
        except (subprocess.CalledProcessError, OSError, AssertionError) as error:
            print(f"Failed: {error}")
            return 1
        finally:
            print(json.dumps({"seconds": took, "total": round(sum(took.values()), 1)}), flush=True)
    return 0


def environment(folder: Path) -> dict[str, str]:
    """The environment of a new machine: empty caches, none of our settings, and ports that nobody uses."""
    ours = ("PNE_", "UV_", "VIRTUAL_ENV", "MAKE")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    # A uv that lies in some project's own folder is no part of a new machine.
    path = [part for part in kept.get("PATH", "").split(os.pathsep) if ".venv" not in part and ".tools" not in part]
    port, rasa, actions = (str(one) for one in free_ports(3))
    return kept | {
        "PATH": os.pathsep.join(path),
        "UV_CACHE_DIR": str(folder / "uv"),
        "PIP_NO_CACHE_DIR": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PNE_PORT": port,
        "PNE_RASA_PORT": rasa,
        "PNE_ACTIONS_PORT": actions,
        "PNE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


def talk(clone: Path, environ: dict[str, str]) -> None:
    """Starts everything, asks one question and stops it all. Raises AssertionError where there is no answer."""
    url = environ["PNE_PUBLIC_URL"]
    log = clone / "up.log"
    with log.open("wb") as output:
        command = [str(clone / ".venv/bin/pne"), "up"]
        process = subprocess.Popen(command, cwd=clone, env=environ, stdout=output, stderr=output)
        try:
            until = time.monotonic() + READY_SECONDS
            while not ready(url):
                assert process.poll() is None and time.monotonic() < until, f"not ready:\n{log.read_text()}"
                time.sleep(0.5)
            answer = ask(url)
            print(f"answered with {answer}")
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0, f"it did not stop cleanly:\n{log.read_text()}"


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(url: str) -> str:
    """The id of the answer to one question of a new patient."""
    headers = {"content-type": "application/json"}

    def call(path: str, body: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(url + path, json.dumps(body).encode() if body else None, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    opened = call("/v1/session", {"clinic": "demo"})
    headers["authorization"] = f"Bearer {opened['session']}"
    here = f"/v1/conversations/{opened['conversation']}"
    call(f"{here}/messages", {"client_id": "fresh-accept", "kind": "button", "payload": "consent:accept", "text": "OK"})
    asked = call(f"{here}/messages", {"client_id": "fresh-ask", "kind": "text", "text": QUESTION})["seq"]
    until = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < until:
        for event in call(f"{here}/events?after={asked}&wait=5")["events"]:
            found = str(event["body"].get("answer_id") or "")
            if event["author"] == "bot" and found.startswith("pain/"):
                return found
    raise AssertionError("no answer about pain came")


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


if __name__ == "__main__":
    if shutil.which("git") is None:
        sys.exit("git is missing")
    sys.exit(main())
