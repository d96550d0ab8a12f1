"""Checks of ``config.yml`` against the training data and the domain, before training.

Loaded under the name ``rasa.graph_components.validators.default_recipe_validator`` (see
`bot.rasa_light.finder`), because a model file records it by that name. It keeps every check of Rasa's own
validator that concerns tokenizers, featurizers, rules, forms and policies, drops those about neural
components, and adds one: a story or rule with an intent or action that the domain does not have is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import rasa.shared.utils.io
from rasa.core.constants import POLICY_PRIORITY
from rasa.core.policies.policy import Policy, SupportedData
from rasa.core.policies.rule_policy import RulePolicy
from rasa.engine.graph import ExecutionContext, GraphComponent, GraphSchema, SchemaNode
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.featurizers.featurizer import Featurizer
from rasa.nlu.tokenizers.tokenizer import Tokenizer
from rasa.shared.constants import DOCS_URL_COMPONENTS, DOCS_URL_POLICIES, DOCS_URL_RULES
from rasa.shared.core.domain import Domain, InvalidDomain
from rasa.shared.core.events import ActionExecuted, Event, UserUttered
from rasa.shared.core.training_data.structures import RuleStep, StoryGraph
from rasa.shared.exceptions import InvalidConfigException
from rasa.shared.importers.importer import TrainingDataImporter
from rasa.shared.nlu.training_data.training_data import TrainingData

RULE_DATA = (SupportedData.RULE_DATA, SupportedData.ML_AND_RULE_DATA)
STORY_DATA = (SupportedData.ML_DATA, SupportedData.ML_AND_RULE_DATA)


def _warn(text: str, docs: str) -> None:
    rasa.shared.utils.io.raise_warning(text, docs=docs)


def _events(story_graph: StoryGraph) -> Iterator[tuple[str, Event]]:
    """Each event of the stories and rules with the name of its block; alternatives (``or:``) one by one."""
    for step in story_graph.story_steps:
        for event in step.events:
            for single in event if isinstance(event, list) else [event]:
                yield step.block_name, single


class DefaultV1RecipeValidator(GraphComponent):
    """Validates a ``default.v1`` configuration; the first node of every training graph."""

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> DefaultV1RecipeValidator:
        """Create the validator for one training graph."""
        return cls(execution_context.graph_schema)

    def __init__(self, graph_schema: GraphSchema) -> None:
        self._nodes: dict[str, SchemaNode] = graph_schema.nodes
        self._component_names = {node.uses.__name__ for node in self._nodes.values()}
        self._policies = [node for node in self._nodes.values() if issubclass(node.uses, Policy)]

    def validate(self, importer: TrainingDataImporter) -> TrainingDataImporter:
        """Return the importer unchanged where all is well.

        Raises `InvalidConfigException` or `InvalidDomain` where training would give a broken assistant, and
        warns where something is merely unused.
        """
        self._check_nlu(importer.get_nlu_data())
        if self._policies:
            self._check_dialogue(importer.get_stories(), importer.get_domain())
        elif importer.get_stories().story_steps:
            _warn("Found stories or rules but no policy was configured.", DOCS_URL_POLICIES)
        return importer

    def _check_nlu(self, training_data: TrainingData) -> None:
        training_data.validate()
        nodes = [n for n in self._nodes.values() if issubclass(n.uses, Tokenizer) and n.fn != "train"]
        # A pipeline that also reads whole stories as text runs its one tokenizer twice.
        if len(nodes) > (2 if "CoreFeaturizationInputConverter" in self._component_names else 1):
            names = ", ".join(node.uses.__name__ for node in nodes)
            raise InvalidConfigException(f"Only one tokenizer is possible, but config.yml has: {names}.")
        Featurizer.raise_if_featurizer_configs_are_not_compatible(
            [
                node.config
                for name, node in self._nodes.items()
                if issubclass(node.uses, Featurizer)
                and node.fn == "process_training_data"
                and not name.startswith("e2e")
            ]
        )
        if training_data.response_examples:
            _warn("There are examples for a response selector, but none is configured.", DOCS_URL_COMPONENTS)
        uses_patterns = self._component_names & {"RegexFeaturizer", "RegexEntityExtractor"}
        if (training_data.regex_features or training_data.lookup_tables) and not uses_patterns:
            _warn(
                "There are regexes or lookup tables in the training data, but neither RegexFeaturizer nor "
                "RegexEntityExtractor is configured.",
                DOCS_URL_COMPONENTS,
            )
        if training_data.entity_synonyms and "EntitySynonymMapper" not in self._component_names:
            _warn("There are synonyms in the training data, but no EntitySynonymMapper.", DOCS_URL_COMPONENTS)

    def _check_dialogue(self, story_graph: StoryGraph, domain: Domain) -> None:
        rule_policies = [node for node in self._policies if issubclass(node.uses, RulePolicy)]
        if not rule_policies:
            if domain.form_names:
                raise InvalidDomain("The domain has forms, which need a RulePolicy in config.yml.")
            _warn("Without RulePolicy the intents 'restart' and 'back' do nothing.", DOCS_URL_POLICIES)
        for node in rule_policies:
            RulePolicy.raise_if_incompatible_with_domain(config=node.config, domain=domain)
        self._check_priorities()
        self._check_data_is_used(story_graph)
        self._check_names(story_graph, domain)

    def _check_priorities(self) -> None:
        by_priority: dict[int, list[str]] = defaultdict(list)
        for node in self._policies:
            defaults = node.uses.get_default_config()
            if POLICY_PRIORITY not in defaults:
                raise InvalidConfigException(f"The policy {node.uses.__name__} has no default priority.")
            priority = node.config.get(POLICY_PRIORITY, defaults[POLICY_PRIORITY])
            by_priority[priority].append(node.uses.__name__)
        for priority, names in by_priority.items():
            if len(names) > 1:
                _warn(f"{', '.join(names)} have the same priority {priority}.", DOCS_URL_POLICIES)

    def _check_data_is_used(self, story_graph: StoryGraph) -> None:
        steps = story_graph.ordered_steps()
        has_rules = any(isinstance(step, RuleStep) for step in steps)
        has_stories = any(not isinstance(step, RuleStep) for step in steps)
        supported = {node.uses.supported_data() for node in self._policies}
        reads_rules, reads_stories = supported & set(RULE_DATA), supported & set(STORY_DATA)
        if has_rules and not reads_rules:
            _warn("There are rules, but no policy that uses them; add RulePolicy.", DOCS_URL_RULES)
        if reads_rules and not has_rules:
            _warn("A policy for rules is configured, but there are no rules.", DOCS_URL_RULES)
        if has_stories and not reads_stories:
            _warn("There are stories, but no policy uses them; add MemoizationPolicy.", DOCS_URL_POLICIES)

    def _check_names(self, story_graph: StoryGraph, domain: Domain) -> None:
        intents, actions = set(domain.intents), set(domain.action_names_or_texts)
        unknown = []
        for block, event in _events(story_graph):
            if isinstance(event, UserUttered) and event.intent_name and event.intent_name not in intents:
                unknown.append(f"intent '{event.intent_name}' in '{block}'")
            if isinstance(event, ActionExecuted) and event.action_name and event.action_name not in actions:
                unknown.append(f"action '{event.action_name}' in '{block}'")
        if unknown:
            raise InvalidDomain(f"The domain lacks what stories or rules name: {'; '.join(unknown)}")
