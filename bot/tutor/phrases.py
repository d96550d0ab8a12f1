"""Vectors of our own phrases, with which people's words are compared: encoded once and kept beside the models."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from bot.understanding.encoder import DIMENSIONS, MODEL_SHA256, MODELS, Encode, Encoder


def vectors_of(phrases: Sequence[str], encode: Encode, folder: Path = MODELS / "phrases") -> np.ndarray:
    """Unit vectors, shape (len(phrases), DIMENSIONS). At a start they come from the file that training has left; some
    seconds of encoding otherwise, and where the folder cannot be written. A scripted encoder's are not kept."""
    if not isinstance(encode, Encoder):
        return encode(phrases)
    told = json.dumps([MODEL_SHA256, *phrases]).encode()
    path = folder / f"{hashlib.sha256(told).hexdigest()[:16]}.npy"
    with suppress(OSError, ValueError):
        kept: np.ndarray = np.load(path, allow_pickle=False)
        if kept.shape == (len(phrases), DIMENSIONS):
            return kept
    made = encode(phrases)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, made)
        part.replace(path)
    return made
