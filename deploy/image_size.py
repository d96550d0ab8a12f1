"""How large the image of deploy/Dockerfile is without its base: ``python deploy/image_size.py``. JSON, in MB.

Counted, not built: the locked packages that the image gets, as they are installed here, with their bytecode; our own
files that .dockerignore lets in; and the models. The base (Debian slim with Python) and tini come on top.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import sbom

ROOT = sbom.ROOT
MB = 1_000_000


def sizes() -> dict[str, Any]:
    """The parts in MB, their sum, and the ten largest packages. Raises SystemExit where no model is trained."""
    packages = {name: _size(_installed(name)) for name in sbom.locked([sbom.uv(), *sbom.EXPORT])}
    ours = [path for name in _let_in() for path in _below(ROOT / name)]
    bytecode = [_bytecode(path) for path in ours if path.suffix == ".py"]
    largest = sorted(packages, key=lambda name: -packages[name])[:10]
    parts = {"packages": sum(packages.values()), "ours": _size([*ours, *bytecode]), "models": _size(_models())}
    return {
        "packages": len(packages),
        **{f"{name}_mb": round(size / MB, 1) for name, size in parts.items()},
        "total_mb": round(sum(parts.values()) / MB, 1),
        "largest_mb": {name: round(packages[name] / MB, 1) for name in largest},
        "base_image": "not included",
    }


def _installed(name: str) -> list[Path]:
    """The files of an installed package, less its own tests, and the bytecode of --compile-bytecode."""
    try:
        files = [Path(str(one.locate())) for one in metadata.distribution(name).files or []]
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{name} is not installed. Run: make install") from None
    kept = [path for path in files if path.suffix != ".pyc" and "tests" not in path.parts]
    return [*kept, *(_bytecode(path) for path in kept if path.suffix == ".py")]


def _bytecode(path: Path) -> Path:
    return Path(importlib.util.cache_from_source(str(path)))


def _let_in() -> list[str]:
    """What .dockerignore lets in: everything is shut out but its lines with an exclamation mark."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line[1:].strip() for line in lines if line.startswith("!")]


def _below(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    shut_out = ("__pycache__", "node_modules")
    return [one for one in path.rglob("*") if one.is_file() and not any(part in shut_out for part in one.parts)]


def _models() -> list[Path]:
    """The models of the present files only: earlier ones are not in the image."""
    from bot.training import MODELS, model_path, soft_path, trained
    from bot.understanding.encoder import unpacked_model

    if not trained():
        raise SystemExit("No models for the present files. Run: pne train")
    return [model_path(), *_below(soft_path()), *_below(unpacked_model().parent), *_below(MODELS / "phrases")]


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in set(paths) if path.is_file())


if __name__ == "__main__":
    json.dump(sizes(), sys.stdout, indent=2)
    print()
