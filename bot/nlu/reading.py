"""Spelling normaliser and sentence encoder as Rasa components.

A message that comes from the web app brings its reading (repaired texts and vectors) in the metadata; these
components compute it only where none came, so that Rasa's process need not load dictionary and encoder at all. They
are registered as extractors because Rasa leaves those out of training, where the classifier reads all examples together;
as featurizers they would have it pass and fingerprint twelve thousand messages twice more for nothing.
"""

from __future__ import annotations

from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import METADATA, TEXT
from rasa.shared.nlu.training_data.message import Message

from bot.understanding.encoder import load_encoder
from bot.understanding.reading import Reading, split, unpack
from bot.understanding.spelling import load_normaliser

READING = "reading"
READING_TEXTS = "reading_texts"


class _Component(GraphComponent):
    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> _Component:
        return cls()

    def process(self, messages: list[Message]) -> list[Message]:
        for message in messages:
            self.process_message(message)
        return messages

    def process_message(self, message: Message) -> None:
        raise NotImplementedError


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class SpellingNormaliser(_Component):
    """Sets the message's repaired text, whole and by sentence. The text itself stays as it was typed."""

    def process_message(self, message: Message) -> None:
        # Taken out of the metadata, which is the very object that Rasa stores with the turn: vectors are not history.
        packed = (message.get(METADATA) or {}).pop(READING, None)
        reading = unpack(packed) if packed else None
        if reading is not None:
            message.set(READING, reading)
        else:
            message.set(READING_TEXTS, split(message.get(TEXT) or "", load_normaliser()))


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.ENTITY_EXTRACTOR, is_trainable=False)
class SentenceEncoder(_Component):
    """Sets the vectors of the message and of its sentences."""

    def process_message(self, message: Message) -> None:
        texts = message.get(READING_TEXTS)
        if message.get(READING) is None and texts:
            message.set(READING, Reading(texts, load_encoder()(texts)))
