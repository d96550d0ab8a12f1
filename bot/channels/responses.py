"""What Rasa says: curated responses only, chosen and filled in from ``data/``, never generated.

Rasa asks this class for the words of every ``utter_...`` action (``nlg`` in endpoints.yml). Choosing here, in its own
process, instead of in a custom action keeps the words independent of the action server and saves the 17 ms that each
custom action costs in schema checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot import safety
from bot.content import replies
from bot.content.answers import Answer, load_answers, load_controls, load_sources
from bot.content.clinics import Clinic, load_clinics
from bot.content.files import fill
from bot.content.wording import load_wording
from bot.settings import read_settings

MISSES = ("utter_did_you_mean", "utter_not_understood", "utter_out_of_scope", "utter_none_of_these")
PREFIX = "utter_"


class CuratedResponses(NaturalLanguageGenerator):
    """Words for an action name, from the tracker's state."""

    def __init__(self, endpoint_config: EndpointConfig | None, domain: Domain) -> None:
        self._controls = load_controls()
        self._answers = load_answers()
        self._sources = load_sources()
        self._wording = load_wording()
        self._clinics = load_clinics()
        self._default_clinic = read_settings().default_clinic
        self._special: dict[str, Callable[[str, DialogueStateTracker], dict[str, Any] | None]] = {
            "utter_did_you_mean": self._did_you_mean,
            "utter_not_understood": self._miss,
            "utter_out_of_scope": self._miss,
            "utter_none_of_these": self._miss,
            "utter_repeat": self._repeat,
            "utter_tell_more": self._about_last(self._more),
            "utter_why": self._about_last(self._why),
            "utter_safety_notice": self._safety_notice,
            "utter_ask_safety_answer": self._safety_question,
            "utter_ask_contact_note": self._contact_note,
        }

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The reply for an action, or None where there is no such response."""
        answer = self._answers.get(utter_action.removeprefix(PREFIX))
        if answer is not None:
            reply: dict[str, Any] | None = self._answer(answer, tracker)
        else:
            special = self._special.get(utter_action, self._plain)
            reply = special(utter_action, tracker)
        if reply is not None:
            reply["metadata"] = {**reply.get("metadata", {}), **_understanding(tracker)}
            # An action's own values, for example the time of a handoff.
            values = {key: value for key, value in kwargs.items() if isinstance(value, str)}
            reply["text"] = fill(reply["text"], values)
        return reply

    def _clinic(self, tracker: DialogueStateTracker) -> Clinic:
        metadata = (tracker.latest_message.metadata if tracker.latest_message else None) or {}
        return self._clinics.get(metadata.get("clinic", ""), self._clinics[self._default_clinic])

    def _answer(self, answer: Answer, tracker: DialogueStateTracker) -> dict[str, Any]:
        second = (_decision(tracker).get("choices") or [])[1:2]
        # Asked for the same answer twice running: the words did not help, so the next layer comes instead.
        if _last_answer_id(tracker) == answer.id and answer.more and not _pressed(tracker):
            return replies.more_reply(answer, self._answers, self._clinic(tracker), self._wording)
        return replies.answer_reply(answer, self._answers, self._clinic(tracker), self._wording, *second)

    def _plain(self, action: str, tracker: DialogueStateTracker, turn: int = 0) -> dict[str, Any] | None:
        variants = self._controls.get(action)
        if not variants:
            return None
        variant = variants[turn % len(variants)]
        text = fill(variant.text, self._clinic(tracker).numbers)
        return {"text": text, "buttons": [], "metadata": {"answer_id": variant.id, "version": variant.version}}

    def _miss(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        reply = self._plain(action, tracker, _misses_before(tracker))
        return reply and {**reply, "buttons": replies.way_out(self._wording)}

    def _did_you_mean(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        reply = self._plain(action, tracker, _misses_before(tracker))
        labels = _decision(tracker).get("choices") or []
        return reply and {
            **reply,
            "buttons": replies.choices(labels, self._answers, self._wording, none=True),
        }

    def _contact_note(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        reply = self._plain(action, tracker)
        return reply and {**reply, "buttons": [replies.button(self._wording.labels["skip"], "/affirm")]}

    def _repeat(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        last = next((e for e in _newest_first(tracker) if isinstance(e, BotUttered) and e.text), None)
        if last is None:
            return self._plain(action, tracker)
        return {
            "text": last.text,
            "buttons": (last.data or {}).get("buttons") or [],
            "metadata": {"answer_id": _id_of(last), "repeated": True},
        }

    def _about_last(self, words: Callable[[Answer, DialogueStateTracker], dict[str, Any]]) -> Any:
        def reply(action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
            answer = self._answers.get(_meant_answer(tracker) or "")
            return words(answer, tracker) if answer else self._miss(action, tracker)

        return reply

    def _more(self, answer: Answer, tracker: DialogueStateTracker) -> dict[str, Any]:
        return replies.more_reply(answer, self._answers, self._clinic(tracker), self._wording)

    def _why(self, answer: Answer, tracker: DialogueStateTracker) -> dict[str, Any]:
        return replies.why_reply(answer, self._answers, self._sources, self._clinic(tracker), self._wording)

    def _safety_notice(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        found = _red_flag(tracker)
        if found is None:
            return self._plain(action, tracker)
        words = safety.words_for(
            found["category"],
            found["tier"],
            self._clinic(tracker).numbers,
            helper=found["scope"] == "other_now",
        )
        return {"text": "\n\n".join(words.bubbles), "buttons": [], "metadata": {"answer_id": words.id}}

    def _safety_question(self, action: str, tracker: DialogueStateTracker) -> dict[str, Any] | None:
        found = _red_flag(tracker)
        if found is None:
            return self._plain(action, tracker)
        question = safety.question_for(found["category"], self._clinic(tracker).numbers)
        # They send their own words: a plain No is read by the safety library, like a typed one.
        buttons = [replies.button(title, title) for _, title in question.answers]
        return {
            "text": f"{question.lead}\n\n{question.question}",
            "buttons": buttons,
            "metadata": {"answer_id": question.id},
        }


def _newest_first(tracker: DialogueStateTracker) -> Iterator[Any]:
    return reversed(tracker.events)


def _decision(tracker: DialogueStateTracker) -> dict[str, Any]:
    message = tracker.latest_message
    return (message.parse_data.get("decision") if message else None) or {}


def _pressed(tracker: DialogueStateTracker) -> bool:
    return bool(tracker.latest_message and (tracker.latest_message.metadata or {}).get("payload"))


def _understanding(tracker: DialogueStateTracker) -> dict[str, Any]:
    """How the message was understood: kind, score and out-of-scope probability, for audits and the gap log."""
    decision = _decision(tracker)
    nearest = decision.get("choices") or [r["name"] for r in _ranking(tracker)]
    return {
        "understood": decision.get("kind"),
        "score": decision.get("score"),
        "oos": decision.get("oos"),
        "nearest": nearest[0] if nearest else None,
    }


def _ranking(tracker: DialogueStateTracker) -> list[dict[str, Any]]:
    message = tracker.latest_message
    return (message.parse_data.get("intent_ranking") if message else None) or []


def _red_flag(tracker: DialogueStateTracker) -> dict[str, Any] | None:
    """The worst finding of the newest message that had one."""
    for event in _newest_first(tracker):
        if isinstance(event, UserUttered) and event.parse_data.get("red_flag"):
            worst: dict[str, Any] | None = event.parse_data["red_flag"].get("worst")
            return worst
    return None


def _id_of(event: BotUttered) -> str:
    return str(((event.metadata or {}).get("metadata") or {}).get("answer_id") or "")


def _last_answer_id(tracker: DialogueStateTracker) -> str | None:
    last = next((e for e in _newest_first(tracker) if isinstance(e, BotUttered)), None)
    return _id_of(last) if last is not None else None


def _meant_answer(tracker: DialogueStateTracker) -> str | None:
    """The answer that a button names, or the one that was given last."""
    for entity in tracker.latest_message.entities if tracker.latest_message else ():
        if entity.get("entity") == "answer":
            return str(entity.get("value"))
    for event in _newest_first(tracker):
        if isinstance(event, BotUttered) and "/" in _id_of(event):
            return _id_of(event).split("#")[0]
    return None


def _misses_before(tracker: DialogueStateTracker) -> int:
    """How many misses in a row came before this one."""
    count = 0
    for event in _newest_first(tracker):
        if isinstance(event, BotUttered):
            if (event.metadata or {}).get("utter_action") not in MISSES:
                break
            count += 1
    return count
