"""When a model is trained: what it is made of has changed, and at no other time."""

from __future__ import annotations

import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import training
from bot.settings import ROOT, Settings
from bot.training import (
    KEPT_MODELS,
    MADE_OF,
    SOFT_MADE_OF,
    TrainingFailed,
    model_hash,
    model_path,
    soft_path,
    train,
    train_soft_layer,
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three files, in place of the real one."""
    monkeypatch.setattr(training, "ROOT", tmp_path)
    monkeypatch.setattr(training, "MODELS", tmp_path / "models")
    monkeypatch.setattr(training, "train_soft_layer", lambda force=False: soft_path())
    (tmp_path / "models").mkdir()
    (tmp_path / "data" / "nlu").mkdir(parents=True)
    (tmp_path / "config.yml").write_text("pipeline: []")
    (tmp_path / "data" / "nlu" / "pain.yml").write_text("nlu: []")
    (tmp_path / "README.md").write_text("read me")
    return tmp_path


@pytest.fixture
def runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The trainings that were started. Each leaves a model, as Rasa does."""
    started: list[list[str]] = []

    def run(command: list[str], **_options: Any) -> SimpleNamespace:
        started.append(command)
        (Path(command[command.index("--out") + 1]) / "model.tar.gz").write_text("model")
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(training, "subprocess", SimpleNamespace(run=run))
    return started


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=str(tmp_path / "var"), rasa_secret="s" * 40)


def test_everything_that_is_named_is_there() -> None:
    for pattern in (*MADE_OF, *SOFT_MADE_OF):
        assert list(ROOT.glob(pattern)), pattern


def test_a_soft_layer_that_is_there_is_not_trained_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def trained_again() -> None:
        raise AssertionError("it is there")

    monkeypatch.setattr("bot.safety.learning.train_soft", trained_again)
    soft_path().mkdir(parents=True)
    assert train_soft_layer() == soft_path()


def test_the_hash_changes_with_content_and_with_names_only(project: Path) -> None:
    before = model_hash()
    (project / "README.md").write_text("read me again")
    (project / "config.yml").touch()
    assert model_hash() == before
    (project / "config.yml").write_text("pipeline: [x]")
    changed = model_hash()
    (project / "data" / "nlu" / "pain.yml").rename(project / "data" / "nlu" / "scans.yml")
    assert len({before, changed, model_hash()}) == 3


def test_the_order_of_the_files_does_not_matter(project: Path) -> None:
    files = [project / "config.yml", project / "data" / "nlu" / "pain.yml"]
    assert model_hash(files) == model_hash(reversed(files)) == model_hash()


def test_content_that_moves_from_one_file_to_another_is_a_change(project: Path) -> None:
    one, two = project / "config.yml", project / "data" / "nlu" / "pain.yml"
    one.write_text("ab")
    two.write_text("c")
    before = model_hash()
    one.write_text("a")
    two.write_text("bc")
    assert model_hash() != before


def test_a_second_start_trains_nothing(settings: Settings, runs: list[list[str]]) -> None:
    first = train(settings)
    assert train(settings) == first == model_path()
    assert first.read_text() == "model"
    assert len(runs) == 1


def test_a_change_and_force_train_again(project: Path, settings: Settings, runs: list[list[str]]) -> None:
    first = train(settings)
    train(settings, force=True)
    (project / "config.yml").write_text("pipeline: [x]")
    assert train(settings) != first
    assert len(runs) == 3


def test_a_failed_training_leaves_nothing_that_looks_ready(
    project: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = SimpleNamespace(run=lambda *_args, **_options: SimpleNamespace(returncode=1))
    monkeypatch.setattr(training, "subprocess", failed)
    with pytest.raises(TrainingFailed, match=r"train\.log say why"):
        train(settings)
    assert not model_path().exists()


def test_two_trainings_at_once_do_not_write_into_each_others_model(settings: Settings, runs: list[list[str]]) -> None:
    train(settings)
    train(settings, force=True)
    folders = [command[command.index("--out") + 1] for command in runs]
    assert len(set(folders)) == 2
    assert not any(Path(folder).exists() for folder in folders)


def test_the_last_few_models_are_kept(project: Path, settings: Settings, runs: list[list[str]]) -> None:
    for age in range(6):
        path = project / "models" / f"pne-{age}.tar.gz"
        path.write_text("old")
        os.utime(path, (1000 - age, 1000 - age))
    newest = train(settings)
    kept = sorted(path.name for path in (project / "models").glob("pne-*"))
    assert kept == sorted([newest.name, "pne-0.tar.gz", "pne-1.tar.gz"])
    assert len(kept) == KEPT_MODELS


def test_rasa_gets_everything_that_its_files_expand(settings: Settings) -> None:
    given = set(training.rasa_environment(settings))
    for name in ("endpoints.yml", "credentials.yml"):
        text = (ROOT / name).read_text()
        assert set(re.findall(r"\$\{(\w+)\}", text)) <= given, name


def test_training_runs_our_rasa_without_tensorflow(settings: Settings, runs: list[list[str]]) -> None:
    train(settings)
    assert runs[0][1:4] == ["-m", "bot.rasa_light", "train"]
