"""Facts heard in a message (body part, side, finding, age, duration, 0-10 score, for whom) by spaCy's EntityRuler."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import ENTITIES, METADATA, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.understanding.details import facts_in, load_word_lists, told_by_helper
from bot.understanding.entities import load_ruler

BUTTON_PREFIX = "/"
HELPER = "helper"


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class EntityRules(GraphComponent):
    """Adds entities by the patterns of ``data/entities.yml``; those of others stay."""

    def __init__(self) -> None:
        self._ruler = load_ruler()

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> EntityRules:
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            text = message.get(TEXT) or ""
            if (message.get(METADATA) or {}).get("payload") or text.startswith(BUTTON_PREFIX):
                continue  # a button of ours, not the patient's words
            facts = facts_in(text, self._ruler)
            if told_by_helper(text, load_word_lists()):
                message.set(HELPER, True, add_to_output=True)
            found = [
                {"entity": e.kind, "value": e.value, "start": e.start, "end": e.end, "extractor": "EntityRules"}
                for e in facts
            ]
            message.set(ENTITIES, [*message.get(ENTITIES, []), *found], add_to_output=True)
        return messages
