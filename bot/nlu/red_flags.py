"""Red flags as the last component of the pipeline: whatever was understood before, a red flag wins.

The web app has screened the message before it came here, with both layers and with what was said before, and sends what
it found: the dialogue must know it to leave a form. A message that comes alone (``rasa shell``, any other channel) is
screened here. See ``docs/decisions/014-a-message-is-read-once.md``.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import ENTITIES, INTENT, METADATA, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot import safety
from bot.screening import screen

RED_FLAG, SAFETY_CHECK = "red_flag", "safety_check"
# What the web app found: {"found": a screening as data or null, "plain_no": true or false}.
SCREENED = "screened"
NO_ALARM = {None, "T4"}
# Empties the slot of the answer (domain.yml): an earlier "no" must never answer a new question.
_NEW_QUESTION = {"entity": "safety_open", "value": None, "start": 0, "end": 0, "extractor": "RedFlagDetector"}
# A plain No is decided by the safety library: a classifier once took "not sure" for one.
_PLAIN_NO = {**_NEW_QUESTION, "entity": "plain_no", "value": "no"}


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=False)
class RedFlagDetector(GraphComponent):
    """Overwrites the intent with ``red_flag`` (an alarm) or ``safety_check`` (one question first)."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> RedFlagDetector:
        safety.load_rules()  # a fault in them is named at the start
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            metadata = message.get(METADATA) or {}
            if metadata.get("payload"):
                continue  # a button of ours, not the patient's words
            text = message.get(TEXT) or ""
            screened = metadata.pop(SCREENED, None)
            if not isinstance(screened, dict):
                screened = screened_here(text)
            if screened.get("plain_no"):
                spoken = {**_PLAIN_NO, "end": len(text)}
                message.set(ENTITIES, [*message.get(ENTITIES, []), spoken], add_to_output=True)
            found = screened.get("found")
            if found:
                message.set("red_flag", found, add_to_output=True)
                name = SAFETY_CHECK if found["ask"] else RED_FLAG
                message.set(INTENT, {"name": name, "confidence": 1.0}, add_to_output=True)
                if found["ask"]:
                    message.set(ENTITIES, [*message.get(ENTITIES, []), _NEW_QUESTION], add_to_output=True)
        return messages


def screened_here(text: str) -> dict[str, Any]:
    """What a message tells by itself, in the form in which the web app sends it."""
    screening = screen(text)
    raised = screening.ask or screening.tier not in NO_ALARM
    return {"found": screening.as_dict() if raised else None, "plain_no": safety.is_plain_no(text)}
