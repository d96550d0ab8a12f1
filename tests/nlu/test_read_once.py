"""What the web app has read and screened is not encoded a second time in Rasa's process."""

from __future__ import annotations

from typing import Any

import pytest
from rasa.shared.nlu.training_data.message import Message

from bot.rasa_light import activate

activate()

from bot.nlu import reading as reading_components  # noqa: E402
from bot.nlu import red_flags  # noqa: E402
from bot.understanding.encoder import load_encoder  # noqa: E402
from bot.understanding.reading import read  # noqa: E402


def parsed(metadata: dict[str, Any], text: str) -> Message:
    """A message after the first two components of the pipeline and the last."""
    message = Message({"text": text, "metadata": metadata})
    for component in (
        reading_components.SpellingNormaliser(),
        reading_components.SentenceEncoder(),
        red_flags.RedFlagDetector(),
    ):
        component.process([message])
    return message


def test_a_message_from_the_web_app_needs_no_encoder_in_rasa(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "my back went numb between the legs and I cannot pee"
    screened = red_flags.screened_here(text)
    metadata = {"reading": read(text, str.lower, load_encoder()).pack(), "screened": screened}

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("read a second time")

    monkeypatch.setattr(red_flags, "screen", never)
    monkeypatch.setattr(reading_components, "load_encoder", never)
    message = parsed(metadata, text)
    assert message.get("intent")["name"] == red_flags.RED_FLAG
    assert message.get("red_flag")["worst"]["category"] == screened["found"]["worst"]["category"]
    assert not {"reading", "screened"} & metadata.keys()


def test_a_message_that_came_alone_is_screened_with_both_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    both = red_flags.screen
    monkeypatch.setattr(red_flags, "screen", lambda text: heard.append(text) or both(text))
    parsed({}, "why does it hurt at night")
    assert heard == ["why does it hurt at night"]
