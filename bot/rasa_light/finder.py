"""The import finder behind `bot.rasa_light.activate`: defers some of Rasa's modules and replaces others.

``rasa.utils.train_utils`` and the two replaced modules about components are here because they import
TensorFlow; the others for the sake of the start: nothing that serves uses them, and they cost a third of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent

DEFERRED = {
    # Imported with every entity extractor; imports TensorFlow.
    "rasa.utils.train_utils": frozenset(
        {
            "align_token_features",
            "check_core_deprecated_options",
            "check_deprecated_options",
            "create_common_callbacks",
            "create_data_generators",
            "entity_label_to_tags",
            "init_split_entities",
            "load_tf_hub_model",
            "rank_and_mask",
            "update_confidence_type",
            "update_evaluation_parameters",
            "update_similarity_type",
            "validate_configuration_settings",
        }
    ),
    # Imported with every model; imports Matplotlib, for the reports of ``rasa test`` only.
    "rasa.utils.plotting": frozenset(
        {"FuncType", "ReturnType", "plot_confusion_matrix", "plot_curve", "plot_paired_histogram"}
    ),
    # Imported with every policy; import scikit-learn and half of SciPy, for neural training only.
    "rasa.utils.tensorflow.model_data": frozenset(
        {"Data", "FeatureArray", "FeatureSignature", "RasaModelData", "ragged_array_to_ndarray"}
    ),
    "rasa.utils.tensorflow.model_data_utils": frozenset(
        {"TAG_ID_ORIGIN", "convert_to_data_format", "featurize_training_examples", "get_tag_ids"}
    ),
}
"""The deferred modules and the names others may take from them (a test compares them with the sources)."""

FORWARDED = {("rasa.utils.tensorflow.model_data", "ragged_array_to_ndarray")}
"""Functions that another module takes by ``from … import`` at its own import: they defer until called."""

REPLACED = {
    "rasa.core.channels": HERE / "channels.py",
    "rasa.engine.recipes.default_components": HERE / "components.py",
    "rasa.graph_components.validators.default_recipe_validator": HERE / "validator.py",
}

INTERCEPTED = frozenset({*DEFERRED, *REPLACED})


class RasaFinder(MetaPathFinder):
    """Finds the intercepted modules of Rasa; everything else is left to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return our spec for an intercepted module, None for any other."""
        if fullname not in INTERCEPTED:
            return None
        real = PathFinder.find_spec(fullname, path, target)
        if real is None or real.loader is None or real.origin is None:
            return None
        # Under Rasa's own module name, so that what a model file records is what stock Rasa calls it.
        return spec_from_file_location(
            fullname,
            REPLACED.get(fullname, real.origin),
            loader=_DeferringLoader(real.loader) if fullname in DEFERRED else None,
            submodule_search_locations=real.submodule_search_locations,
        )


class _DeferringLoader(Loader):
    """Makes an empty module that is filled by the real loader when one of its own names is asked for."""

    def __init__(self, real: Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Make the deferred module."""
        return _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing yet: `_DeferredModule` runs the real module when it is used."""


class _DeferredModule(ModuleType):
    """A module that is run on first use of a name of its own.

    The standard library's LazyLoader runs a module on the use of *any* name, and pickle asks every module in
    ``sys.modules`` for the names of the objects it writes; so that would run this one as soon as anything is
    pickled. Asking only for the names the module really has keeps the delay honest.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in DEFERRED[self.__name__]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if (self.__name__, name) in FORWARDED:
            return _forward(self, name)
        return _run(self, name)


def _forward(module: _DeferredModule, name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        return _run(module, name)(*arguments, **named)

    return call


def _run(module: _DeferredModule, name: str) -> Any:
    if name in vars(module):
        return vars(module)[name]
    spec = module.__spec__
    assert spec is not None and isinstance(spec.loader, _DeferringLoader)
    try:
        spec.loader.real.exec_module(module)
    except ModuleNotFoundError as error:
        raise ImportError(
            f"{module.__name__}.{name} belongs to Rasa's neural components and needs '{error.name}', which "
            "this project does not install. Use a component listed in bot/rasa_light/components.py."
        ) from error
    return vars(module)[name]
