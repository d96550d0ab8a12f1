"""Red flags as the last component of the pipeline: whatever was understood before, a red flag wins.

The web app has screened the message before it came here; this second screening is what makes ``rasa shell`` and any
other channel safe, and what tells the dialogue to leave a form.
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
        safety.load_rules()
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            metadata = message.get(METADATA) or {}
            if metadata.get("payload"):
                continue  # a button of ours, not the patient's words
            text = message.get(TEXT) or ""
            if safety.is_plain_no(text):
                spoken = {**_PLAIN_NO, "end": len(text)}
                message.set(ENTITIES, [*message.get(ENTITIES, []), spoken], add_to_output=True)
            # Read and screened by the web app with both layers, or here.
            screening = safety.screen(text, hints_ask=False) if metadata.get("reading") else screen(text)
            # Asked and denied in the web app a moment ago: the alarm stays, the question is not put twice.
            denied = set(metadata.get("denied") or ())
            if screening.ask and denied:
                continue  # behind the web app its own questions are the ones that are shown
            if screening.ask or screening.tier not in NO_ALARM:
                message.set("red_flag", screening.as_dict(), add_to_output=True)
                name = SAFETY_CHECK if screening.ask else RED_FLAG
                message.set(INTENT, {"name": name, "confidence": 1.0}, add_to_output=True)
                if screening.ask:
                    message.set(ENTITIES, [*message.get(ENTITIES, []), _NEW_QUESTION], add_to_output=True)
        return messages
