"""What this assistant takes before it runs: training, the environment on disk, the container image."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.process import BenchmarkFailed, folder_mb
from bot.settings import ROOT, read_settings
from bot.training import model_path, rasa_environment, soft_path

IMAGE_SIZE = ROOT / "deploy" / "image_size.py"
_PROJECT = "pne-tutor"
_CODE = ("bot", "actions", "data", "widget")


def train(folder: Path) -> tuple[float, float]:
    """Train our Rasa model into `folder` from nothing. Seconds, CPU seconds. Raises BenchmarkFailed."""
    environment = rasa_environment(read_settings({"PNE_VAR": str(folder)}))
    command = [sys.executable, "-m", "bot.rasa_light", "train", "--force", "--fixed-model-name", "ours"]
    data = ["--data", *(f"data/{part}" for part in ("nlu", "rules", "responses"))]
    return _timed(folder, [*command, "--out", str(folder), *data], environment)


def train_soft(folder: Path) -> tuple[float, float]:
    """Train the safety's soft layer from nothing, and keep nothing. Seconds, CPU seconds. Raises BenchmarkFailed."""
    code = (
        "from bot.safety.learning import load_learning, train_soft; from bot.safety.rules import load_rules; "
        "from bot.screening import sentence_encoder; train_soft(load_learning(), load_rules(), sentence_encoder())"
    )
    return _timed(folder, [sys.executable, "-c", code], {})


def environment_mb() -> tuple[float, float]:
    """Megabytes of this environment: what the product needs, and with the tools of tests and development."""
    needed = needed_packages(_PROJECT)
    extra = [
        Path(str(item.locate_file(file)))
        for item in importlib.metadata.distributions()
        if _canonical(item.metadata["Name"]) not in needed
        for file in item.files or ()
    ]
    prefix = Path(sys.prefix)
    return folder_mb(prefix, without=extra), folder_mb(prefix)


def image_mb(environment: float, say: Callable[[str], None]) -> tuple[float, str]:
    """Megabytes of the container image without its base, and how they were counted."""
    if IMAGE_SIZE.exists():
        done = subprocess.run([sys.executable, str(IMAGE_SIZE)], cwd=ROOT, capture_output=True, text=True)
        try:
            return float(json.loads(done.stdout)["total_mb"]), "by deploy/image_size.py, without the base image"
        except (ValueError, KeyError, TypeError):
            say(f"deploy/image_size.py gave no size (exit {done.returncode}); environment, models and code instead")
    models = [path for path in (model_path(), soft_path()) if path.exists()]
    sizes = [folder_mb(path) if path.is_dir() else path.stat().st_size / 2**20 for path in models]
    code = sum(folder_mb(ROOT / name) for name in _CODE)
    return environment + sum(sizes) + code, "environment, models and code; the base image is not in it"


def needed_packages(project: str) -> set[str]:
    """The installed packages that `project` needs, itself included, without its extras and dependency groups."""
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
        queue.extend(
            re.match(r"[A-Za-z0-9._-]+", line).group()  # type: ignore[union-attr]
            for line in required
            if name != project or "extra ==" not in line
        )
    return needed


def _timed(folder: Path, command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    log = folder / "train.log"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, stdout=output, stderr=output)
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    if done.returncode != 0:
        raise BenchmarkFailed(f"Training failed:\n{log.read_text(errors='replace')[-3000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
