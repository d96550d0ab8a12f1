"""Rasa's built-in components that work without TensorFlow.

Loaded under the name ``rasa.engine.recipes.default_components`` (see `bot.rasa_light.finder`). Rasa's own
list imports all thirty-odd components at once; here a component is imported when a ``config.yml`` names it,
so that training pays only for what it uses.
"""

from __future__ import annotations

import importlib

from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.shared.exceptions import InvalidConfigException

BUILT_IN = {
    "AugmentedMemoizationPolicy": "rasa.core.policies.memoization",
    "CountVectorsFeaturizer": "rasa.nlu.featurizers.sparse_featurizer.count_vectors_featurizer",
    "DucklingEntityExtractor": "rasa.nlu.extractors.duckling_entity_extractor",
    "EntitySynonymMapper": "rasa.nlu.extractors.entity_synonyms",
    "FallbackClassifier": "rasa.nlu.classifiers.fallback_classifier",
    "KeywordIntentClassifier": "rasa.nlu.classifiers.keyword_intent_classifier",
    "LexicalSyntacticFeaturizer": "rasa.nlu.featurizers.sparse_featurizer.lexical_syntactic_featurizer",
    "LogisticRegressionClassifier": "rasa.nlu.classifiers.logistic_regression_classifier",
    "MemoizationPolicy": "rasa.core.policies.memoization",
    "RegexEntityExtractor": "rasa.nlu.extractors.regex_entity_extractor",
    "RegexFeaturizer": "rasa.nlu.featurizers.sparse_featurizer.regex_featurizer",
    "RulePolicy": "rasa.core.policies.rule_policy",
    "SklearnIntentClassifier": "rasa.nlu.classifiers.sklearn_intent_classifier",
    "SpacyEntityExtractor": "rasa.nlu.extractors.spacy_entity_extractor",
    "SpacyFeaturizer": "rasa.nlu.featurizers.dense_featurizer.spacy_featurizer",
    "SpacyNLP": "rasa.nlu.utils.spacy_utils",
    "SpacyTokenizer": "rasa.nlu.tokenizers.spacy_tokenizer",
    "WhitespaceTokenizer": "rasa.nlu.tokenizers.whitespace_tokenizer",
}

NEEDS_TENSORFLOW = frozenset(
    {
        "ConveRTFeaturizer",
        "CRFEntityExtractor",
        "DIETClassifier",
        "LanguageModelFeaturizer",
        "ResponseSelector",
        "TEDPolicy",
        "UnexpecTEDIntentPolicy",
    }
)


class _Registry(dict[str, DefaultV1Recipe.RegisteredComponent]):
    """The recipe's registry, importing a built-in component when it is first asked for."""

    def __contains__(self, name: object) -> bool:
        if name in NEEDS_TENSORFLOW:
            raise InvalidConfigException(
                f"'{name}' needs TensorFlow, which this project does not install. "
                f"Built-in components that work: {', '.join(sorted(BUILT_IN))}."
            )
        if isinstance(name, str) and name in BUILT_IN:
            # The module registers its component with the recipe, that is with this dictionary.
            importlib.import_module(BUILT_IN[name])
        return super().__contains__(name)


# Rasa imports this list for its effect, which is to fill the registry, and never looks into it.
DEFAULT_COMPONENTS: list[type] = []

DefaultV1Recipe._registered_components = _Registry(DefaultV1Recipe._registered_components)
