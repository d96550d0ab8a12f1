"""Reading YAML under ``data/`` with errors that name the file and the place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bot.settings import ROOT

DATA = ROOT / "data"


class ContentError(Exception):
    """A file under ``data/`` is wrong. The message names the file, the id and the mend."""


def read_yaml(path: Path) -> Any:
    """The content of a YAML file. Raises ContentError that names the file and line."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise ContentError(f"{name(path)}: cannot be read: {error}") from None


def name(path: Path) -> str:
    """A path as people say it: from the project's folder on."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def bubbles(text: str) -> tuple[str, ...]:
    """The bubbles of a text: its paragraphs. Single line breaks stay inside a bubble."""
    return tuple(part.strip() for part in text.strip().split("\n\n") if part.strip())


def fill(text: str, numbers: dict[str, str]) -> str:
    """`text` with ``{emergency_number}`` and the like filled in. Unknown braces stay as they are."""
    for key, value in numbers.items():
        text = text.replace("{" + key + "}", value)
    return text
