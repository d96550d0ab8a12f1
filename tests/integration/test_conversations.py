"""Whole conversations: Rasa's own end-to-end test over tests/conversations, and a thousand chats at random."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.content import load_clinics
from bot.content.checks import examples
from bot.content.files import bubbles
from bot.content.library import load_library
from bot.content.replies import render
from bot.settings import ROOT, read_settings
from bot.training import model_path, rasa_environment, train

pytestmark = pytest.mark.rasa
CONVERSATIONS = ROOT / "tests" / "conversations"
FEWEST_CONVERSATIONS = 150
# Models are trained where they run; a message near a threshold may be asked about on one machine and not on another.
LEAST_RIGHT = 0.97  # 1.0
CHATS, TURNS, SEED = 1000, 5, 20


@pytest.fixture(scope="module")
def model() -> Path:
    train(read_settings())
    return model_path()


def test_rasa_tests_every_conversation_by_its_response_ids(model: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "bot.rasa_light", "test", "core", "--e2e", "--no-plot", "--model", str(model),
        "--stories", str(CONVERSATIONS), "--out", str(tmp_path),
    ]  # fmt: skip
    environment = {**os.environ, **rasa_environment(read_settings())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "story_report.json").read_text())
    counted = report["conversation_accuracy"]
    failed = tmp_path / "failed_test_stories.yml"
    assert counted["total"] >= FEWEST_CONVERSATIONS
    right = counted["correct"] / counted["total"]
    assert right >= LEAST_RIGHT, failed.read_text()[:4000] if failed.exists() else report


@pytest.fixture(scope="module")
def say(model: Path) -> Any:
    from bot.channels.in_process import open_agent

    return open_agent(model)


@pytest.fixture(scope="module")
def messages() -> list[tuple[str, dict[str, Any]]]:
    """Short examples of every label with their readings, made once: encoding is not what is tested here."""
    from bot.understanding.encoder import load_encoder
    from bot.understanding.reading import Reading
    from bot.understanding.spelling import load_normaliser

    texts = [text for _, label, text in examples() if len(text.split()) < 18 and label != "talk_to_person"]
    chosen = (
        random.Random(SEED).sample(texts, 1500)
        + ["and for the knee?", "52", "no, my shoulder", "why?", "will it heal?"] * 20
    )
    normalise, encode = load_normaliser(), load_encoder()
    cleaned = [normalise(text) for text in chosen]
    return [
        (text, Reading((clean,), vector[None, :]).pack())
        for text, clean, vector in zip(chosen, cleaned, encode(cleaned), strict=True)
    ]


async def test_a_thousand_chats_have_no_empty_turn_and_no_bubble_twice_running(
    say: Any, messages: list[tuple[str, dict[str, Any]]]
) -> None:
    chance = random.Random(SEED)
    for chat in range(CHATS):
        last: list[str] = []
        offered: list[dict[str, str]] = []
        for turn in range(TURNS):
            text, reading = chance.choice(messages)
            metadata: dict[str, Any] = {"reading": reading}
            pressed = [b for b in offered if b["payload"] != "/talk_to_person"]
            if pressed and chance.random() < 0.5:
                choice = chance.choice(pressed)
                text, metadata = choice["title"], {"payload": choice["payload"]}
            replies = await say(f"walk-{SEED}-{chat}", text, metadata)
            where = f"chat {chat}, turn {turn}: {text!r} {metadata.get('payload', '')}"
            assert replies, where
            shown = [bubble for reply in replies for bubble in bubbles(reply.get("text") or "")]
            assert shown, where
            asked_again = any((reply["metadata"].get("spec") or {}).get("again") for reply in replies)
            said_here = str(replies[0]["metadata"].get("answer_id", "")).startswith(
                "safety/"
            )  # words of safety repeat on purpose
            assert asked_again or said_here or last != shown, where
            for reply in replies:  # what was said can be said again, byte for byte, from what was kept of it
                spec = reply["metadata"].get("spec")
                if spec:
                    again = render(json.loads(json.dumps(spec)), load_library(), load_clinics()["demo"])
                    assert (again["text"], again["buttons"]) == (reply["text"], reply.get("buttons") or []), where
                assert reply["metadata"].get("answer_id"), where
            last, offered = shown, [b for reply in replies for b in reply.get("buttons") or ()]
