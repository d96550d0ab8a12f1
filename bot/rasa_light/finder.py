"""The import finder behind `bot.rasa_light.activate`: defers one Rasa module and replaces two."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).parent

DEFERRED = "rasa.utils.train_utils"

REPLACED = {
    "rasa.engine.recipes.default_components": HERE / "components.py",
    "rasa.graph_components.validators.default_recipe_validator": HERE / "validator.py",
}

INTERCEPTED = frozenset({DEFERRED, *REPLACED})

DEFERRED_NAMES = frozenset(
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
)
"""The public functions that the deferred module defines itself (a test compares this with its source)."""


class RasaFinder(MetaPathFinder):
    """Finds the three Rasa modules that want TensorFlow; everything else is left to Python."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return our spec for an intercepted module, None for any other."""
        if fullname in REPLACED:
            # Under Rasa's own module name, so that what a model file records is what stock Rasa calls it.
            return spec_from_file_location(fullname, REPLACED[fullname])
        if fullname == DEFERRED:
            real = PathFinder.find_spec(fullname, path, target)
            if real is None or real.loader is None or real.origin is None:
                return None
            return spec_from_file_location(fullname, real.origin, loader=_DeferringLoader(real.loader))
        return None


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
    pickled. Asking only for the names the module really defines keeps the delay honest.
    """

    def __getattr__(self, name: str) -> Any:
        if name not in DEFERRED_NAMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        spec = self.__spec__
        assert spec is not None and isinstance(spec.loader, _DeferringLoader)
        try:
            spec.loader.real.exec_module(self)
        except ModuleNotFoundError as error:
            raise ImportError(
                f"{self.__name__}.{name} belongs to Rasa's neural components and needs '{error.name}', which "
                "this project does not install. Use a component listed in bot/rasa_light/components.py."
            ) from error
        return self.__dict__[name]
