"""The factors of the alarm map (what turns the alarm up, what calms it), how people say them, the model that hears.

Wording and patterns are ``data/tutor/factors.yml``, the lines that the model learned from ``factors_learning.jsonl``
and its weights ``factors_model.npz`` (plain arrays, written by ``bot.tutor.factors_fit``) beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from bot.content.files import DATA, ContentError, name, read_yaml

UP, CALM = "up", "calm"
# What a factor's patterns are for, and what the patterns of the scope tell; each must be there.
SAID, DENIED, NOT_ABOUT = "said", "denied", "not_about"
SCOPES = (
    "other", "others", "self", "own", "question", "supposed", "assumed", "advised", "before", "over", "denied",
    "calmed", "not_calmed", "except",
)  # fmt: skip
_FIELDS = {"side", "title", "line", "lesson", "patterns"}


@dataclass(frozen=True)
class Factor:
    """One factor. `title` stands on its chip, `line` beside it on paper; `lesson` is where it leads."""

    id: str
    side: str
    title: str
    line: str
    lesson: str
    said: re.Pattern[str]
    denied: re.Pattern[str] | None
    not_about: re.Pattern[str] | None


@dataclass(frozen=True)
class Factors:
    """All factors by id, in the order in which they are shown; `labels` are the headings of the two sides."""

    by_id: Mapping[str, Factor]
    scope: Mapping[str, re.Pattern[str]]
    labels: Mapping[str, str]

    def side(self, side: str) -> list[Factor]:
        """The factors of one side, in order."""
        return [one for one in self.by_id.values() if one.side == side]


@dataclass(frozen=True)
class Line:
    """One line to learn from or to measure by, with the factors that it tells."""

    text: str
    factors: frozenset[str]


@dataclass(frozen=True)
class HearingModel:
    """A logistic regression for each factor. Shapes: weights (factors, features), bias and thresholds (factors,).

    Features are the sentence vector, then the n-grams of `vocabulary`, then the marks of the clause. `learned` is the
    fingerprint of the lines that it was fitted on."""

    factors: tuple[str, ...]
    vocabulary: Mapping[str, int]
    idf: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    thresholds: np.ndarray
    learned: str


@lru_cache(maxsize=4)
def load_factors(data: Path = DATA) -> Factors:
    """The factors of ``data/tutor/factors.yml``. Raises ContentError that names the file and the factor."""
    path = data / "tutor" / "factors.yml"
    content = read_yaml(path)
    if not isinstance(content, dict) or not {"factors", "scope", "labels"} <= set(content):
        raise ContentError(f"{name(path)}: write labels, factors and scope.")
    factors = {key: _factor(key, fields, f"{name(path)}: {key}") for key, fields in content["factors"].items()}
    patterns = content["scope"]["patterns"]
    if set(patterns) != set(SCOPES):
        raise ContentError(f"{name(path)}: scope: patterns must be {', '.join(SCOPES)}.")
    scope = {key: _compiled([pattern], f"{name(path)}: scope: {key}") for key, pattern in patterns.items()}
    return Factors(factors, scope, dict(content["labels"]))


def load_lines_to_learn(data: Path = DATA) -> list[Line]:
    """The lines that the model is fitted on, in their order. Raises ContentError for an unknown factor."""
    return load_told(data / "tutor" / "factors_learning.jsonl", data)


def load_told(path: Path, data: Path = DATA) -> list[Line]:
    """Lines of a JSONL file, each with its text and factors. Raises ContentError for an unknown factor."""
    known, lines = load_factors(data).by_id, []
    for number, raw in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        one = json.loads(raw)
        if unknown := set(one["factors"]) - set(known):
            raise ContentError(f"{name(path)} line {number}: unknown factor {', '.join(sorted(unknown))}.")
        lines.append(Line(one["text"], frozenset(one["factors"])))
    return lines


def fingerprint(data: Path = DATA) -> str:
    """What the model depends on: the lines to learn from and the patterns."""
    parts = (data / "tutor" / "factors_learning.jsonl").read_bytes(), repr(load_factors(data)).encode()
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def save_model(model: HearingModel, data: Path = DATA) -> Path:
    """Writes the weights as plain arrays."""
    path = data / "tutor" / "factors_model.npz"
    np.savez_compressed(
        path,
        factors=np.array(model.factors),
        vocabulary=np.array(sorted(model.vocabulary, key=model.vocabulary.__getitem__)),
        idf=model.idf.astype(np.float32),
        weights=model.weights.astype(np.float16),
        bias=model.bias.astype(np.float32),
        thresholds=model.thresholds.astype(np.float32),
        learned=np.array(model.learned),
    )
    return path


@lru_cache(maxsize=2)
def load_model(data: Path = DATA) -> HearingModel:
    """The weights of ``data/tutor/factors_model.npz``. Raises ContentError where they are missing."""
    path = data / "tutor" / "factors_model.npz"
    if not path.exists():
        raise ContentError(f"{name(path)} is missing: run python -m bot.tutor.factors_fit.")
    with np.load(path, allow_pickle=False) as arrays:
        return HearingModel(
            tuple(map(str, arrays["factors"])),
            {str(gram): place for place, gram in enumerate(arrays["vocabulary"])},
            arrays["idf"],
            arrays["weights"].astype(np.float32),
            arrays["bias"],
            arrays["thresholds"],
            str(arrays["learned"]),
        )


def _factor(key: str, fields: dict[str, object], where: str) -> Factor:
    if set(fields) != _FIELDS or fields["side"] not in (UP, CALM):
        raise ContentError(f"{where}: write side (up or calm), title, line, lesson and patterns, and nothing else.")
    patterns = fields["patterns"]
    if not isinstance(patterns, dict) or not {SAID} <= set(patterns) <= {SAID, DENIED, NOT_ABOUT}:
        raise ContentError(f"{where}: patterns are said, and may be denied and not_about.")
    compiled = {kind: _compiled(patterns[kind], f"{where}: {kind}") for kind in patterns}
    side, title, line, lesson = (str(fields[one]) for one in ("side", "title", "line", "lesson"))
    return Factor(key, side, title, line, lesson, compiled[SAID], compiled.get(DENIED), compiled.get(NOT_ABOUT))


def _compiled(patterns: list[str], where: str) -> re.Pattern[str]:
    try:
        return re.compile("|".join(patterns))
    except re.error as error:
        raise ContentError(f"{where}: not a pattern ({error}).") from error
