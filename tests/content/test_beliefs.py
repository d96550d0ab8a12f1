"""``data/beliefs.yml``: what the check sees, and that the list as it stands is right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from bot.content.beliefs import load_beliefs, load_telling
from bot.content.checks.beliefs import FEWEST, beliefs
from bot.content.files import DATA, ContentError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The content that the check reads, to be changed."""
    for folder in ("responses", "sources", "lessons"):
        shutil.copytree(DATA / folder, tmp_path / folder)
    shutil.copy(DATA / "beliefs.yml", tmp_path)
    return tmp_path


def changed(data: Path, belief: str, **fields) -> Path:
    content = yaml.safe_load((data / "beliefs.yml").read_text())
    content[belief].update(fields)
    (data / "beliefs.yml").write_text(yaml.safe_dump(content))
    return data


def test_all_beliefs_are_there_and_in_order() -> None:
    assert list(load_beliefs()) == [f"M{number:02}" for number in range(1, 26)] and len(load_beliefs()) >= FEWEST
    assert list(beliefs(DATA)) == []
    assert load_telling().others and load_telling().turned and load_telling().asks


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"answers": ["scans/not_there"]}, "scans/not_there"), ({"answers": []}, "an answer"),
        ({"statement": "My scan shows damage."}, "in quotes"), ({"sources": []}, "rests on"),
        ({"sources": ["nobody_1900"]}, "nobody_1900"), ({"phrases": ["one", "one"]}, "1 phrases"),
        ({"concept": "C99"}, "C99"), ({"lesson": "none"}, "lesson none"), ({"short": "word " * 26}, "26 words"),
        ({"phrases": [f"my disc has slipped {n}" for n in range(9)] + ["my disc has slipped"]}, "M02"),
    ],
)  # fmt: skip
def test_a_slip_is_found_and_named(data: Path, fields: dict, told: str) -> None:
    faults = [str(fault) for fault in beliefs(changed(data, "M01", **fields))]
    assert any(told in fault for fault in faults), faults


def test_too_few_beliefs_are_a_fault(data: Path) -> None:
    content = yaml.safe_load((data / "beliefs.yml").read_text())
    kept = {key: value for key, value in content.items() if not key.startswith("M") or key < "M10"}
    (data / "beliefs.yml").write_text(yaml.safe_dump(kept))
    assert any("9 beliefs" in fault.what for fault in beliefs(data))


def test_a_missing_field_names_belief_and_field(data: Path) -> None:
    content = yaml.safe_load((data / "beliefs.yml").read_text())
    del content["M07"]["short"]
    (data / "beliefs.yml").write_text(yaml.safe_dump(content))
    with pytest.raises(ContentError, match=r"M07.*short"):
        load_beliefs(data)
