"""One message, read once: its repaired text, its sentences and their vectors.

The web app reads each message and hands the result to Rasa, so that nothing is encoded twice;
Rasa's components read the message themselves only when none came (``rasa shell``, tests).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bot.understanding.encoder import DIMENSIONS, Encode

LONG_MESSAGE_WORDS = 18
MOST_PARTS = 6
_SENTENCE = re.compile(r"(?<=[.?!;])\s+|\n+")


@dataclass(frozen=True)
class Reading:
    """`texts[0]` is the whole message, the rest its sentences if it is long; `vectors` has a row for each."""

    texts: tuple[str, ...]
    vectors: np.ndarray

    def pack(self) -> dict[str, object]:
        """A form that travels as JSON: texts and base64 of float16 vectors."""
        raw = self.vectors.astype("<f2").tobytes()
        return {"texts": list(self.texts), "vectors": base64.b64encode(raw).decode("ascii")}


def read(text: str, normalise: Callable[[str], str], encode: Encode) -> Reading:
    """Read a patient's message. Never raises for any text."""
    texts = split(text, normalise)
    return Reading(texts, encode(texts))


def split(text: str, normalise: Callable[[str], str]) -> tuple[str, ...]:
    """The repaired message, then its sentences if it is long."""
    whole = normalise(text)
    return (whole, *(part for part in map(normalise, _parts(text)) if part and part != whole))


def unpack(packed: object) -> Reading | None:
    """The reading of `Reading.pack`, or None where the value is not one."""
    try:
        texts = tuple(str(text) for text in packed["texts"])  # type: ignore[index]
        raw = base64.b64decode(packed["vectors"], validate=True)  # type: ignore[index]
        vectors = np.frombuffer(raw, dtype="<f2").astype(np.float32).reshape(len(texts), DIMENSIONS)
    except (KeyError, TypeError, ValueError):
        return None
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not texts or not np.isfinite(norms).all() or (norms < 0.5).any():
        return None
    return Reading(texts, vectors / norms)


def _parts(text: str) -> Sequence[str]:
    if len(text.split()) < LONG_MESSAGE_WORDS:
        return ()
    parts = [part.strip() for part in _SENTENCE.split(text) if len(part.split()) >= 3]
    return parts[:MOST_PARTS] if len(parts) > 1 else ()
