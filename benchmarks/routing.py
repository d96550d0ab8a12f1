"""Does a question reach its answer? Both assistants on the same held-out questions, and on what is not for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from benchmarks.load import QUESTIONS, NoReply
from benchmarks.talkers import Channel

OUTSIDE = Path("tests/nlu/heldout_out_of_scope.yml")
# Stock Rasa's ways of not answering: below its threshold, or recognised as out of scope.
DECLINED = ("nlu_fallback", "out_of_scope")


@dataclass(frozen=True)
class Heard:
    """What became of one text: the label answered (empty: none), those offered as buttons, and the best guess."""

    answered: str = ""
    offered: tuple[str, ...] = ()
    guess: str = ""


Answer = Callable[[str], Awaitable[Heard]]


@dataclass(frozen=True)
class Routing:
    """Counts. `right` of the `questions` were answered rightly, `offered` rightly or with the right button beside
    others, `guessed` were understood best as what they were; `outside_answered` of the `outside` should not have been.
    """

    questions: int
    right: int
    offered: int
    guessed: int
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


async def measure(
    answer: Answer, questions: Sequence[tuple[str, set[str]]], outside: Sequence[str]
) -> Routing:
    """Ask everything once."""
    heard = [(await answer(text), accepted) for text, accepted in questions]
    wrongly = [await answer(text) for text in outside]
    return Routing(
        questions=len(heard),
        right=sum(one.answered in accepted for one, accepted in heard),
        offered=sum(bool({one.answered, *one.offered} & accepted) for one, accepted in heard),
        guessed=sum(one.guess in accepted for one, accepted in heard),
        answered=sum(bool(one.answered) for one, _ in heard),
        outside=len(wrongly),
        outside_answered=sum(bool(one.answered) for one in wrongly),
    )


def by_channel(channel: Channel) -> Answer:
    """Our assistant as patients meet it: an alarm or a question back is no answer, whatever was understood."""

    async def answer(text: str) -> Heard:
        await channel.open()
        try:
            await channel.ask(text)
        except NoReply:
            return Heard()
        first = channel.said[0]
        about = first.get("metadata") or {}
        guess = str(about.get("nearest") or "")
        if str(about.get("answer_id", "")).startswith("safety/"):
            return Heard(guess=guess)
        if about.get("understood") == "answer":
            return Heard(guess, (), guess)
        buttons = first.get("buttons") or () if about.get("understood") == "did_you_mean" else ()
        return Heard("", tuple(str(button["payload"]).removeprefix("/") for button in buttons), guess)

    return answer


def by_parse(http: aiohttp.ClientSession, url: str) -> Answer:
    """Stock Rasa's NLU: the intent, and where that holds answers, the one its response selector chooses."""

    async def answer(text: str) -> Heard:
        async with http.post(f"{url}/model/parse", json={"text": text}) as response:
            parsed = await response.json()
        intent = str((parsed.get("intent") or {}).get("name") or "")
        selector = parsed.get("response_selector") or {}
        if intent not in DECLINED:
            label = _label(intent, selector)
            return Heard(label, (), label)
        ranked = [str(one["name"]) for one in parsed.get("intent_ranking") or ()]
        return Heard(guess=next((_label(name, selector) for name in ranked if name not in DECLINED), ""))

    return answer


def _label(intent: str, selector: dict[str, Any]) -> str:
    if intent not in selector.get("all_retrieval_intents", ()):
        return intent
    chosen = selector.get(intent) or selector["default"]
    return str(chosen["response"]["intent_response_key"])
