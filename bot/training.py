"""Train the Rasa model when what it is made of has changed, and only then.

The model's file name carries the hash of everything that goes into it; a second start finds it and trains nothing.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from bot.settings import ROOT, Settings

MODELS = ROOT / "models"
MADE_OF = (
    "config.yml",
    "domain.yml",
    "data/nlu/*.yml",
    "data/rules/*.yml",
    "data/responses/*.yml",
    "bot/nlu/*.py",
    "bot/rasa_light/*.py",
    "bot/understanding/*.py",
)
KEPT_MODELS = 3


class TrainingFailed(Exception):
    """Rasa could not train. The message says where to look."""


def model_hash(files: Iterable[Path] | None = None) -> str:
    """The hash of what the model is made of: names and contents of the files, and the Python version."""
    digest = hashlib.sha256(f"{sys.version_info[:2]}".encode())
    for path in sorted(_files() if files is None else files):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def model_path() -> Path:
    """Where the model of the present files is, or will be."""
    return MODELS / f"pne-{model_hash()}.tar.gz"


def train(settings: Settings, force: bool = False) -> Path:
    """The trained model; trains only where it is missing or `force` is set. Raises TrainingFailed."""
    target = model_path()
    if target.exists() and not force:
        return target
    settings.var_folder.mkdir(parents=True, exist_ok=True)
    log = settings.var_folder / "train.log"
    MODELS.mkdir(exist_ok=True)
    # In a folder of its own first: a training that is stopped half-way must not leave a file that looks ready, and two
    # at once must not write into each other's.
    with tempfile.TemporaryDirectory(dir=MODELS) as folder:
        command = [sys.executable, "-m", "bot.rasa_light", "train", "--fixed-model-name", "model", "--out", folder]
        with log.open("w") as output:
            done = subprocess.run(
                command, cwd=ROOT, env={**os.environ, **rasa_environment(settings)}, stdout=output, stderr=output
            )
        trained = Path(folder) / "model.tar.gz"
        if done.returncode != 0 or not trained.exists():
            raise TrainingFailed(
                f"Training failed. The last lines of {log} say why. `pne check` names faults in data/."
            )
        trained.replace(target)
    _tidy()
    return target


def rasa_environment(settings: Settings) -> dict[str, str]:
    """The variables that endpoints.yml and credentials.yml expand."""
    return {
        "PNE_ACTIONS_URL": settings.actions_url,
        "PNE_TRACKER_URL": settings.tracker_url,
        "PNE_RASA_SECRET": settings.rasa_secret,
        "PNE_DATABASE_URL": settings.database_url,
        "RASA_TELEMETRY_ENABLED": "false",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "SANIC_HOST": "127.0.0.1",
    }


def _files() -> list[Path]:
    return [path for pattern in MADE_OF for path in ROOT.glob(pattern)]


def _tidy() -> None:
    """Old models go; the last few stay, so that going back to an earlier version trains nothing."""
    models = sorted(MODELS.glob("pne-*.tar.gz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in models[KEPT_MODELS:]:
        path.unlink()
