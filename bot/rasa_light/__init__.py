"""The one entry to everything Rasa, without TensorFlow.

Rasa 3.6.21 wants TensorFlow in three places, none of which this assistant uses:

* ``rasa.utils.train_utils``, imported at start for helpers of the neural components;
* ``rasa.engine.recipes.default_components``, the list of every built-in component;
* ``rasa.graph_components.validators.default_recipe_validator``, which names neural components.

`activate` puts one finder in front of Python's own. It defers the first and takes the other two from
``components.py`` and ``validator.py`` beside this file. Nothing stands in for TensorFlow itself, and
nothing in Rasa is edited: ``config.yml`` stays an ordinary ``default.v1``. The same finder defers a few more
modules that only slow the start, and leaves ``rasa.core.channels`` with the console alone.
See ``docs/decisions/001-rasa-without-tensorflow.md``.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Sequence

from bot.rasa_light.finder import INTERCEPTED, RasaFinder

__all__ = ["RASA_VERSION", "UnsupportedRasa", "activate", "main"]

RASA_VERSION = "3.6.21"
"""The only version whose imports are known and tested."""

LOOPBACK = "127.0.0.1"


def activate() -> None:
    """Make Rasa importable without TensorFlow and keep it from calling home. Call before any ``import rasa``.

    Safe to call more than once. Raises `UnsupportedRasa` where Rasa is missing, is another version, or has
    already been imported far enough for the change to come too late.
    """
    # Rasa reads both while it is being imported.
    os.environ["RASA_TELEMETRY_ENABLED"] = "false"
    os.environ.setdefault("SQLALCHEMY_SILENCE_UBER_WARNING", "1")
    if any(isinstance(finder, RasaFinder) for finder in sys.meta_path):
        return
    _check_version()
    too_late = sorted(name for name in INTERCEPTED if name in sys.modules)
    if too_late:
        raise UnsupportedRasa(f"bot.rasa_light.activate() came after the import of {', '.join(too_late)}")
    sys.meta_path.insert(0, RasaFinder())


def main(argv: Sequence[str] | None = None) -> None:
    """Run Rasa's own command line: ``train``, ``shell``, ``test``, ``data validate``, ``run`` and the rest.

    `argv` is what follows ``rasa``. Servers listen on loopback unless ``--interface`` says otherwise, and
    ``run`` refuses ``--enable-api``: whoever reaches that interface can read and replace everything.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        activate()
    except UnsupportedRasa as error:
        sys.exit(str(error))
    if arguments[:1] == ["run"] and "--enable-api" in arguments:
        sys.exit(
            "--enable-api is refused: Rasa's HTTP API lets anyone who reaches it read every conversation."
        )
    # rasa_sdk takes its address from the environment only.
    os.environ.setdefault("SANIC_HOST", LOOPBACK)

    import rasa.core.constants

    # Rasa's default is 0.0.0.0; its argument parser reads the constant when it is built.
    rasa.core.constants.DEFAULT_SERVER_INTERFACE = LOOPBACK

    import rasa.__main__

    # Rasa's command line reads sys.argv itself, so it has to be there for the length of the call.
    before = sys.argv
    sys.argv = ["rasa", *arguments]
    try:
        rasa.__main__.main()
    finally:
        sys.argv = before


def _check_version() -> None:
    try:
        version = importlib.metadata.version("rasa")
    except importlib.metadata.PackageNotFoundError:
        raise UnsupportedRasa(f"Rasa is not installed; this project needs rasa=={RASA_VERSION}") from None
    if version != RASA_VERSION:
        raise UnsupportedRasa(
            f"Rasa {version} is installed, but bot.rasa_light is written and tested for {RASA_VERSION} only. "
            f"Install rasa=={RASA_VERSION}, or check the three modules that bot/rasa_light/finder.py names."
        )


class UnsupportedRasa(RuntimeError):
    """Rasa is missing, is not the one supported version, or was imported before `activate`."""
