"""What Rasa says: curated responses only, chosen and filled in from ``data/``, never generated.

Rasa asks this class for the words of every ``utter_...`` action (``nlg`` in endpoints.yml). Choosing here, in its own
process, instead of in a custom action keeps the words independent of the action server and saves the 17 ms that each
custom action costs in schema checks. The choice itself is pure (``bot.dialogue``); this reads the tracker for it.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from rasa.core.nlg.generator import NaturalLanguageGenerator
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.utils.endpoints import EndpointConfig

from bot import safety
from bot.channels.checkpoints import said_before, specs_of
from bot.content import governance
from bot.content.clinics import Clinic, load_clinics
from bot.content.files import fill
from bot.content.library import load_library
from bot.content.replies import Reply, button
from bot.content.report_words import URGENT, load_report_words
from bot.dialogue import Turn, choose
from bot.dialogue.choose import MISSES
from bot.settings import read_settings

FACTS = ("body_part", "finding", "age")
HELPER = "helper"
SHORT_WORDS = 8


class CuratedResponses(NaturalLanguageGenerator):
    """Words for an action name, from the tracker's state."""

    def __init__(self, endpoint_config: EndpointConfig | None, domain: Domain) -> None:
        self._library = load_library()
        self._clinics = load_clinics()
        settings = read_settings()
        self._default_clinic, self._production = settings.default_clinic, settings.production

    async def generate(
        self, utter_action: str, tracker: DialogueStateTracker, output_channel: str, **kwargs: Any
    ) -> dict[str, Any] | None:
        """The reply for an action, or None where there is no such response."""
        clinic = self._clinic(tracker)
        reply = _safety_reply(utter_action, tracker, clinic)
        if reply is None:
            reply = choose(utter_action, _turn(tracker), self._library, clinic, partial(self._review, clinic.id))
        if reply is not None:
            reply["metadata"] = {**reply["metadata"], **_understanding(tracker)}
            # An action's own values, for example the time of a handoff.
            values = {key: value for key, value in kwargs.items() if isinstance(value, str)}
            reply["text"] = fill(reply["text"], values)
        return reply

    def _review(self, clinic: str, version: str) -> dict[str, Any]:
        """Who has read a text for this clinic; in production one whose review has run out is withheld."""
        found = governance.review_of(version, clinic, datetime.date.today())
        if found.by is None:
            return {"state": found.state}
        about = {"state": found.state, "at": found.by.at, "reviewer": found.by.reviewer, "role": found.by.role}
        withheld = found.state == governance.EXPIRED and self._production
        return {**about, "withheld": True} if withheld else about

    def _clinic(self, tracker: DialogueStateTracker) -> Clinic:
        """The clinic of the message, with the numbers that came along: an admin may have changed them meanwhile."""
        metadata = (tracker.latest_message.metadata if tracker.latest_message else None) or {}
        clinic = self._clinics.get(metadata.get("clinic", ""), self._clinics[self._default_clinic])
        numbers = metadata.get("numbers")
        return replace(clinic, numbers={**clinic.numbers, **numbers}) if isinstance(numbers, dict) else clinic


def _safety_reply(action: str, tracker: DialogueStateTracker, clinic: Clinic) -> Reply | None:
    """Safety words and the one question, where Rasa says them itself; None for every other action."""
    found = _red_flag(tracker)
    if action == "utter_safety_notice" and found is not None:
        helper = found["scope"] == "other_now"
        words = safety.words_for(found["category"], found["tier"], clinic.numbers, helper=helper)
        return {"text": "\n\n".join(words.bubbles), "buttons": [], "metadata": {"answer_id": words.id}}
    if action == "utter_ask_safety_answer" and found is not None:
        question = safety.question_for(found["category"], clinic.numbers)
        # They send their own words: a plain No is read by the safety library, like a typed one.
        buttons = [button(title, title) for _, title in question.answers]
        text = f"{question.lead}\n\n{question.question}"
        return {"text": text, "buttons": buttons, "metadata": {"answer_id": question.id}}
    return None


def _turn(tracker: DialogueStateTracker) -> Turn:
    """What the choice of words is made from."""
    message = tracker.latest_message
    entities = (message.entities if message else None) or []
    heard = {e["entity"]: e["value"] for e in reversed(entities) if e.get("value") is not None}
    urgent = [e["value"] for e in entities if e["entity"] == "finding" and _must_be_checked(e["value"])]
    heard |= {"finding": urgent[0]} if urgent else {}
    return Turn(
        conversation=tracker.sender_id,
        heard={kind: heard[kind] for kind in FACTS if kind in heard},
        known={kind: _first(tracker.slots[kind].value) for kind in FACTS if kind in tracker.slots},
        said=(*specs_of(tracker.events), *said_before(tracker)),
        choices=tuple(_decision(tracker).get("choices") or ()),
        concerns=heard.get("answer"),
        helper=bool(message and message.parse_data.get(HELPER)),
        misses=_misses_before(tracker),
        short=len(((message.text if message else "") or "").split()) <= SHORT_WORDS,
    )


def _must_be_checked(word: str) -> bool:
    """Of several words of one report, the one that must be checked comes first."""
    known = load_report_words().get(word)
    return known is not None and known.handling == URGENT


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _newest_first(tracker: DialogueStateTracker) -> Iterator[Any]:
    return reversed(tracker.events)


def _decision(tracker: DialogueStateTracker) -> dict[str, Any]:
    message = tracker.latest_message
    return (message.parse_data.get("decision") if message else None) or {}


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


def _misses_before(tracker: DialogueStateTracker) -> int:
    """How many misses in a row came before this one."""
    count = 0
    for event in _newest_first(tracker):
        if isinstance(event, BotUttered):
            if (event.metadata or {}).get("utter_action") not in MISSES:
                break
            count += 1
    return count
