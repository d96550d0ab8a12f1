"""Does a question reach its answer? Both assistants on the same held-out questions, and on messages that are not for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from benchmarks.load import QUESTIONS, Channel, NoReply

OUTSIDE = Path("tests/nlu/heldout_out_of_scope.yml")
# Stock Rasa's ways of not answering: below its threshold, or recognised as out of scope.
DECLINED = ("nlu_fallback", "out_of_scope")

Answer = Callable[[str], Awaitable[str]]
"""From a text to the label of the answer given; empty where none was given."""


@dataclass(frozen=True)
class Routing:
    """Counts. `answered` is right or wrong; the rest of `questions` was asked back, declined or taken for an alarm."""

    questions: int
    right: int
    answered: int
    outside: int
    outside_answered: int

    @property
    def accuracy(self) -> float:
        return self.right / self.questions

    @property
    def right_when_answered(self) -> float:
        return self.right / self.answered if self.answered else 0.0

    @property
    def outside_answered_share(self) -> float:
        return self.outside_answered / self.outside

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def heldout(root: Path) -> tuple[list[tuple[str, set[str]]], list[str]]:
    """The held-out questions with the labels a fair reader accepts, and the messages that nobody should answer."""
    questions = yaml.safe_load((root / QUESTIONS).read_text(encoding="utf-8"))["questions"]
    outside = yaml.safe_load((root / OUTSIDE).read_text(encoding="utf-8"))["messages"]
    accepted = [(str(q["text"]), {str(q["answer"]), *map(str, q.get("also", ()))}) for q in questions]
    return accepted, [str(message["text"]) for message in outside]


async def measure(answer: Answer, questions: Sequence[tuple[str, set[str]]], outside: Sequence[str]) -> Routing:
    """Ask everything once."""
    given = [(await answer(text), accepted) for text, accepted in questions]
    wrongly = [await answer(text) for text in outside]
    return Routing(
        questions=len(given),
        right=sum(label in accepted for label, accepted in given),
        answered=sum(bool(label) for label, _ in given),
        outside=len(outside),
        outside_answered=sum(map(bool, wrongly)),
    )


def by_channel(channel: Channel) -> Answer:
    """Our assistant as patients meet it: an alarm or a question back is no answer, whatever the classifier thought."""

    async def answer(text: str) -> str:
        await channel.open()
        try:
            await channel.ask(text)
        except NoReply:
            return ""
        about = channel.said[0].get("metadata") or {}
        if about.get("understood") != "answer" or str(about.get("answer_id", "")).startswith("safety/"):
            return ""
        return str(about["nearest"])

    return answer


def by_parse(http: aiohttp.ClientSession, url: str) -> Answer:
    """Stock Rasa's NLU: the intent, and where that holds answers, the one its response selector chooses."""

    async def answer(text: str) -> str:
        async with http.post(f"{url}/model/parse", json={"text": text}) as response:
            parsed = await response.json()
        intent = (parsed.get("intent") or {}).get("name") or ""
        if intent in DECLINED:
            return ""
        selector = parsed.get("response_selector") or {}
        if intent in selector.get("all_retrieval_intents", ()):
            chosen = selector.get(intent) or selector["default"]
            return str(chosen["response"]["intent_response_key"])
        return str(intent)

    return answer
