"""``pne screen``: texts in, one JSON object a line out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot import screening, training
from bot.cli import app

RED = "since this morning I can't pee and I am numb between my legs"
QUIET = "my back hurts after sitting"


def rows(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


@pytest.fixture(autouse=True)
def rules_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soft layer has tests of its own (tests/nlu); training it takes minutes."""
    monkeypatch.setattr(training, "train_soft_layer", lambda force=False: None)
    monkeypatch.setattr(screening, "soft_layer", lambda: None)


def screened(given: str | bytes) -> list[dict[str, Any]]:
    done = CliRunner().invoke(app, ["screen"], input=given)
    assert done.exit_code == 0, done.output
    return rows(done.stdout)


def test_each_line_gets_its_row_in_order() -> None:
    quiet, red = screened(f"{QUIET}\n\n{RED}\n")
    assert (quiet["text"], quiet["tier"], quiet["ask"], quiet["findings"]) == (QUIET, None, False, [])
    assert (red["text"], red["tier"]) == (RED, "T1")
    finding = red["findings"][0]
    assert {"rule", "category", "tier", "span", "words"} <= set(finding)
    assert set(red) == {"text", "tier", "ask", "findings", "ms"}


def test_a_file_of_texts_or_jsonl_is_read(tmp_path: Path) -> None:
    path = tmp_path / "texts.jsonl"
    path.write_text("\n".join([json.dumps({"text": RED, "id": 7}), QUIET, '{"other": 1}', "123", '"in quotes"']))
    done = CliRunner().invoke(app, ["screen", str(path)])
    texts = [row["text"] for row in rows(done.stdout)]
    assert texts == [RED, QUIET, '{"other": 1}', "123", '"in quotes"']
    assert rows(done.stdout)[0]["tier"] == "T1"


@pytest.mark.parametrize(
    "raw",
    [
        b"\xff\xfe my back",
        b"\x00\x01",
        json.dumps({"text": "\ud83d lone"}).encode(),
        json.dumps({"text": "a\nb\nc"}).encode(),
        ("x" * 10_000).encode(),
        b"[" * 5000,
    ],
)
def test_any_line_gives_one_row_of_plain_ascii(raw: bytes) -> None:
    done = CliRunner().invoke(app, ["screen"], input=raw + b"\n")
    assert done.exit_code == 0, done.output
    assert done.stdout.isascii()
    assert len(rows(done.stdout)) == 1


def test_nothing_in_nothing_out() -> None:
    assert screened("") == []


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["screen", str(tmp_path / "no.txt")])
    assert done.exit_code == 2
    assert "does not exist" in " ".join(done.output.replace("│", " ").split())
