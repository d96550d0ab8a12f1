"""The answer classifier as a Rasa component: one classifier over all answers, in place of DIET and ResponseSelector."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.nlu.constants import ENTITIES, INTENT, METADATA, TEXT
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from bot.nlu.reading import READING
from bot.understanding import training
from bot.understanding.classifier import Classifier, load
from bot.understanding.decide import ANSWER, Decision, decide_message, told
from bot.understanding.details import FINDING, TELL_AGE, TELL_REGION
from bot.understanding.encoder import load_encoder
from bot.understanding.entities import Entity
from bot.understanding.spelling import load_normaliser

DECISION = "decision"
UNDERSTANDING = Path(training.__file__).parent
MOST_RANKED = 5
# What a button of ours sends: the channel puts it into the metadata, `rasa shell` types it after a slash.
BUTTON_PREFIX = "/"
# Intents that no example trains: told by buttons, or by a message that names a fact and nothing else.
# `tutor` is a button of the tutor, where Rasa is alone.
TOLD = (TELL_AGE, TELL_REGION, FINDING, "tutor")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class AnswerClassifier(GraphComponent):
    """Sets intent, ranking and the chosen answer (as ResponseSelector would), or asks, or admits not to know."""

    def __init__(self, storage: ModelStorage, resource: Resource, classifier: Classifier | None = None) -> None:
        self._storage = storage
        self._resource = resource
        self._classifier = classifier

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> AnswerClassifier:
        return cls(model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> AnswerClassifier:
        with model_storage.read_from(resource) as folder:
            return cls(model_storage, resource, load(folder))

    @staticmethod
    def fingerprint_addon(config: dict[str, Any]) -> str:
        """The code that fits and decides, which Rasa's cache of trained components would not see otherwise."""
        digest = hashlib.sha256()
        for path in sorted(UNDERSTANDING.glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def train(self, training_data: TrainingData) -> Resource:
        examples = training_data.intent_examples
        self._classifier = training.train(
            [example.get(TEXT) for example in examples],
            [example.get_full_intent() for example in examples],
            load_normaliser(),
            load_encoder(),
        )
        with self._storage.write_to(self._resource) as folder:
            self._classifier.save(folder)
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        assert self._classifier is not None, "train or load the classifier first"
        for message in messages:
            pressed, named = _pressed(message)
            if pressed in self._classifier.labels or pressed in TOLD:
                decision = told(pressed)
            else:
                text, reading = message.get(TEXT) or "", message.get(READING)
                decision = decide_message(text, _facts(message), reading, self._classifier)
            _set(message, decision)
            own = [
                {"entity": kind, "value": value, "start": 0, "end": 0, "extractor": "AnswerClassifier"}
                for kind, value in named.items()
            ]
            message.set(ENTITIES, [*own, *message.get(ENTITIES, [])], add_to_output=True)
        return messages


def _facts(message: Message) -> list[Entity]:
    """What the entity rules heard in a message."""
    return [Entity(e["entity"], str(e["value"]), e["start"], e["end"]) for e in message.get(ENTITIES, [])]


def _pressed(message: Message) -> tuple[str, dict[str, str]]:
    """The label that a button of ours stands for, and what it names: ``/why{"answer": "pain/alarm"}``."""
    typed = message.get(TEXT) or ""
    payload = (message.get(METADATA) or {}).get("payload") or (typed if typed.startswith(BUTTON_PREFIX) else "")
    name, brace, rest = str(payload).removeprefix(BUTTON_PREFIX).partition("{")
    try:
        named = json.loads(brace + rest) if brace else {}
        return name, {str(kind): str(value) for kind, value in named.items()}
    except (ValueError, AttributeError):
        return "", {}


def _set(message: Message, decision: Decision) -> None:
    label = decision.choices[0] if decision.kind == ANSWER else decision.kind
    intent = label.split("/")[0]
    message.set(INTENT, {"name": intent, "confidence": decision.score}, add_to_output=True)
    ranking = [{"name": name, "confidence": p} for name, p in decision.ranking[:MOST_RANKED]]
    message.set("intent_ranking", ranking, add_to_output=True)
    message.set(
        DECISION,
        {
            "kind": decision.kind,
            "choices": list(decision.choices),
            "score": round(decision.score, 4),
            "oos": round(decision.out_of_scope, 4),
        },
        add_to_output=True,
    )
    if "/" in label:
        chosen = {"intent_response_key": label, "utter_action": f"utter_{label}", "confidence": decision.score}
        message.set(
            "response_selector",
            {"all_retrieval_intents": [intent], intent: {"response": {**chosen, "responses": []}, "ranking": [chosen]}},
            add_to_output=True,
        )
