"""Stock Rasa 3.6.21: its default DIET and TED configuration, our training data, its own environment."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.process import BenchmarkFailed, Server, folder_mb, free_port, start, status_of, until_ready
from benchmarks.talkers import REST_PATH, Rest
from bot.settings import ROOT

HERE = ROOT / "benchmarks" / "stock"
VENV = HERE / ".venv"
MODELS = HERE / "models"
ENVIRONMENT = {
    "RASA_TELEMETRY_ENABLED": "false",
    "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
_OUR_DATA = ("domain.yml", "data/nlu", "data/rules", "data/responses")
_OF_STOCK = ("config.yml", "credentials.yml", "stories.yml")


@dataclass(frozen=True)
class Trained:
    """A stock model and what its training took; None where that is not known. `note`: how it was measured."""

    model: Path
    seconds: float | None
    cpu_seconds: float | None
    note: str


def make_environment(say: Callable[[str], None]) -> None:
    """Install stock Rasa where it is not installed yet. Raises BenchmarkFailed."""
    if (VENV / "bin" / "rasa").exists():
        return
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    say("stock: installing its environment (about 2.5 GB)")
    done = subprocess.run(
        [uv, "sync", "--quiet"], cwd=HERE, env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(VENV)},
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchmarkFailed(f"uv sync failed in benchmarks/stock:\n{done.stderr[-2000:]}")


def environment_mb() -> float:
    """Megabytes of stock Rasa's environment."""
    return folder_mb(VENV)


def train(folder: Path, say: Callable[[str], None]) -> Trained:
    """The stock model of the present data: trained before, or now, which takes half an hour or more.

    The model's file name carries the hash of its data; what its training took is kept beside it.
    """
    name = f"stock-{_data_hash()}"
    model, about = MODELS / f"{name}.tar.gz", MODELS / f"{name}.json"
    if model.exists() and about.exists():
        took = json.loads(about.read_text())
        note = "measured in an earlier run on the same data"
        return Trained(model, took["seconds"], took["cpu_seconds"], note)
    make_project(folder)
    say("stock: training DIET and TED (half an hour or more on two cores)")
    log = folder / "train.log"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with log.open("wb") as output:
        done = subprocess.run(
            [VENV / "bin" / "rasa", "train", "--force", "--fixed-model-name", name, "--out", MODELS],
            cwd=folder, env={**os.environ, **ENVIRONMENT}, stdout=output, stderr=output,
        )  # fmt: skip
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if done.returncode != 0 or not model.exists():
        raise BenchmarkFailed(f"Stock Rasa could not be trained:\n{log.read_text(errors='replace')[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    about.write_text(json.dumps({"seconds": seconds, "cpu_seconds": cpu}))
    return Trained(model, seconds, cpu, "measured in this run")


def make_project(folder: Path) -> None:
    """An ordinary Rasa project in `folder`: stock configuration, our data."""
    for name in _OUR_DATA:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    for name in _OF_STOCK:
        shutil.copy(HERE / name, folder / ("data" if name == "stories.yml" else ".") / name)


@dataclass
class Stock:
    """A running stock server: ``rasa run``, the REST channel, conversations in memory as is its default."""

    server: Server
    url: str

    @classmethod
    def start(cls, folder: Path, model: Path) -> Stock:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / "credentials.yml", folder / "credentials.yml")
        port = free_port()
        command = [str(VENV / "bin" / "rasa"), "run", "--model", str(model), "--port", str(port),
                   "--interface", "127.0.0.1", "--credentials", "credentials.yml", "--enable-api"]  # fmt: skip
        server = start("stock", command, folder, ENVIRONMENT, folder / "stock.log")
        return cls(server, f"http://127.0.0.1:{port}")

    def first_answer(self, text: str) -> float:
        """Seconds from the start of the process to its first answer."""
        body = json.dumps({"sender": uuid.uuid4().hex, "message": text}).encode()
        address = f"{self.url}{REST_PATH}"
        return until_ready(self.server, lambda: status_of(address, body) == 200) - self.server.spawned

    def rest(self, http: aiohttp.ClientSession) -> Rest:
        return Rest(http, self.url)


def _data_hash() -> str:
    digest = hashlib.sha256()
    for name in _OUR_DATA:
        source = ROOT / name
        for path in sorted(source.glob("*.yml")) if source.is_dir() else [source]:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    for name in _OF_STOCK:
        digest.update((HERE / name).read_bytes())
    return digest.hexdigest()[:16]
