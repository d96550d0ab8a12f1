"""Train the models, Rasa's and the safety's soft layer, when what they are made of has changed, and only then.

A model's name carries the hash of everything that goes into it; a second start finds it and trains nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from bot.settings import ROOT, Settings
from bot.understanding.encoder import unpack_model, unpacked_model

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
# What the screening is made of: the check, the cues and the wording do not change what the soft layer learns.
SCREENING_MODULES = (
    "frames", "learning", "matching", "normalise", "rules", "schema", "scope", "screening", "soft",
)  # fmt: skip
# The safety's messages are its own: a new answer with its examples must not shift what is raised.
SOFT_MADE_OF = (
    "data/safety/*.yml",
    "data/safety/learning/*.jsonl",
    *(f"bot/safety/{name}.py" for name in SCREENING_MODULES),
    "bot/understanding/encoder.py",
    "bot/understanding/spelling.py",
)
KEPT_MODELS = 3
OUT_OF_FOLD = "oof.json"


class TrainingFailed(Exception):
    """Rasa could not train. The message says where to look."""


def model_hash(files: Iterable[Path] | None = None) -> str:
    """The hash of what Rasa's model is made of: names and contents of the files, and the Python version."""
    return _hash(_files(MADE_OF) if files is None else files, f"{sys.version_info[:2]}")


def _hash(files: Iterable[Path], more: str = "") -> str:
    digest = hashlib.sha256(more.encode())
    for path in sorted(files):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def model_path() -> Path:
    """Where the model of the present files is, or will be."""
    return MODELS / f"pne-{model_hash()}.tar.gz"


def soft_path() -> Path:
    """Where the safety's soft layer of the present files is, or will be."""
    return MODELS / f"soft-{_hash(_files(SOFT_MADE_OF))}"  # plain arrays: the same for every Python version


def trained() -> bool:
    """Whether the models of the present files are there."""
    return model_path().exists() and soft_path().exists() and unpacked_model().exists()


def train(settings: Settings, force: bool = False) -> Path:
    """The trained Rasa model, and the soft layer beside it; trains only what is missing, unless `force` is set.

    Raises TrainingFailed.
    """
    from bot.tutor import areas

    with _one_at_a_time():
        unpack_model()
        with ThreadPoolExecutor(1) as beside:
            soft = beside.submit(train_soft_layer, force)
            model = _train_rasa(settings, force)
            soft.result()
        areas.warm()  # leaves the vectors of the tutor's phrases, so that no start encodes them
    return model


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Whoever comes while another process trains waits, and then finds it done."""
    MODELS.mkdir(exist_ok=True)
    with (MODELS / ".training").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def train_soft_layer(force: bool = False) -> Path:
    """The safety's soft layer, trained where it is missing. Raises ValueError for a wrong message to learn from."""
    target = soft_path()
    if target.exists() and not force:
        return target
    from bot.safety.learning import load_learning, train_soft
    from bot.safety.rules import load_rules
    from bot.screening import sentence_encoder

    encode = sentence_encoder()
    if encode is None:
        raise TrainingFailed("The sentence encoder cannot be loaded. Run: make install")
    trained = train_soft(load_learning(), load_rules(), encode)
    MODELS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MODELS) as folder:
        trained.layer.save(Path(folder) / "soft")
        (Path(folder) / "soft" / OUT_OF_FOLD).write_text(json.dumps(trained.out_of_fold))
        if target.exists():
            shutil.rmtree(target)
        (Path(folder) / "soft").rename(target)
    _tidy("soft-*")
    return target


def _train_rasa(settings: Settings, force: bool) -> Path:
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
        # Rasa would read every YAML file under data/ twice, the safety's rules and messages among them.
        command += ["--data", *(f"data/{part}" for part in ("nlu", "rules", "responses"))]
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
    _tidy("pne-*.tar.gz")
    return target


def rasa_environment(settings: Settings) -> dict[str, str]:
    """The variables that endpoints.yml and credentials.yml expand."""
    return {
        "PNE_ACTIONS_URL": settings.actions_url,
        "PNE_TRACKER_URL": settings.tracker_url,
        "PNE_RASA_SECRET": settings.rasa_secret,
        "PNE_DATABASE_URL": settings.database_url,
        "PNE_REDIS_URL": settings.redis_url,
        "RASA_TELEMETRY_ENABLED": "false",
        "SQLALCHEMY_SILENCE_UBER_WARNING": "1",
        "SANIC_HOST": settings.rasa_host,
    }


def _files(patterns: Iterable[str]) -> list[Path]:
    return [path for pattern in patterns for path in ROOT.glob(pattern)]


def _tidy(pattern: str) -> None:
    """Old models go; the last few stay, so that going back to an earlier version trains nothing."""
    models = sorted(MODELS.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in models[KEPT_MODELS:]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
