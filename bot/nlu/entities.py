"""Facts heard in a message (body part, side, finding, age, duration, 0-10 score) by spaCy's EntityRuler."""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import ENTITIES, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.understanding.entities import find_entities, load_ruler


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
            found = [
                {"entity": e.kind, "value": e.value, "start": e.start, "end": e.end, "extractor": "EntityRules"}
                for e in find_entities(message.get(TEXT) or "", self._ruler)
            ]
            message.set(ENTITIES, [*message.get(ENTITIES, []), *found], add_to_output=True)
        return messages
