"""The public check runs on files of the public form, and says what it wants where they are missing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from benchmarks import intents

TOPICS = {
    "card_lost": "I have lost my bank card near the {}",
    "transfer": "how do I send money to my {}",
    "rate": "which exchange rate do I get for {}",
}
THINGS = [
    *("shop", "station", "school", "park", "church", "cinema", "brother", "sister"),
    *("friend", "landlord", "office", "dentist", "euros", "dollars"),
]


def rows() -> list[tuple[str, str]]:
    return [(text.format(thing), label) for label, text in TOPICS.items() for thing in THINGS]


def test_banking77(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("train.csv", "test.csv"):
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows([("text", "category"), *rows()])
    assert intents.main(["banking77", "--data", str(tmp_path), "--draws", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] > 90


def test_clinc150(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = [[f"what is the {word} of a {thing}", "oos"] for word in ("colour", "weight") for thing in THINGS]
    data = {part: rows() for part in ("train", "val", "test")}
    (tmp_path / "data.json").write_text(json.dumps({**data, "oos_train": outside, "oos_test": outside}))
    assert intents.main(["clinc150", "--data", str(tmp_path / "data.json"), "--draws", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["accuracy"] > 90 and found["oos_recall"] > 50


def test_missing_files_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert intents.main(["banking77", "--data", str(tmp_path)]) == 2
    assert "train.csv" in capsys.readouterr().err
