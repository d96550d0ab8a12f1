"""The classifier and its training, on a small fixed part of the real examples."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from bot.content.checks import examples
from bot.understanding import training
from bot.understanding.classifier import (
    OUT_OF_SCOPE,
    SPARSE_WEIGHT,
    Classifier,
    load,
    ngram_row,
    ngrams,
    prediction,
)
from bot.understanding.encoder import load_encoder
from bot.understanding.spelling import fold

LABELS = {"life/sleep": 10, "scans/bone_on_bone": 10, "flare/what_to_do": 10, "affirm": 6, OUT_OF_SCOPE: 20}
NEW = [
    ("i lie awake every night with this", "life/sleep"),
    ("they told me my knee is bone on bone", "scans/bone_on_bone"),
    ("i am in a bad flare up what can i do now", "flare/what_to_do"),
]


@pytest.fixture(scope="module")
def small() -> SimpleNamespace:
    """Texts and labels, a few of each, and a classifier of them."""
    left, texts, labels = dict(LABELS), [], []
    for _, label, text in examples():
        if left.get(label):
            left[label] -= 1
            texts.append(text)
            labels.append(label)
    classifier = training.train(texts, labels, fold, load_encoder())
    return SimpleNamespace(texts=texts, labels=labels, classifier=classifier)


def predictions(classifier: Classifier, texts: list[str]):
    vectors = load_encoder()(texts)
    return classifier.predict(texts, vectors)


@pytest.mark.parametrize(("text", "label"), NEW)
def test_a_few_examples_are_enough_for_plain_questions(small: SimpleNamespace, text: str, label: str) -> None:
    (guess,) = predictions(small.classifier, [text])
    assert guess.label == label
    assert 0.0 < guess.score <= guess.ranking[0][1] <= 1.0


def test_training_twice_gives_the_same_answers_and_thresholds(small: SimpleNamespace) -> None:
    again = training.train(small.texts, small.labels, fold, load_encoder())
    assert again.thresholds == small.classifier.thresholds
    assert again.sparse.tobytes() == small.classifier.sparse.tobytes()
    texts = [text for text, _ in NEW]
    assert predictions(again, texts) == predictions(small.classifier, texts)


def test_a_classifier_is_kept_as_plain_arrays_and_comes_back(small: SimpleNamespace, tmp_path: Path) -> None:
    small.classifier.save(tmp_path / "new" / "folder")
    kept = load(tmp_path / "new" / "folder")
    assert (kept.labels, kept.vocabulary) == (small.classifier.labels, small.classifier.vocabulary)
    assert kept.thresholds == small.classifier.thresholds
    for before, after in zip(predictions(small.classifier, small.texts), predictions(kept, small.texts), strict=True):
        assert after.label == before.label
        assert after.score == pytest.approx(before.score, abs=0.01)
        assert after.out_of_scope == pytest.approx(before.out_of_scope, abs=0.01)


def test_thresholds_are_in_order(small: SimpleNamespace) -> None:
    thresholds = small.classifier.thresholds
    assert 0.0 <= thresholds["ask"] <= thresholds["answer"] <= 1.0
    assert 0.0 <= thresholds["cv_stated_right"] <= 1.0


def test_the_ranking_is_falling_and_leaves_out_what_is_outside(small: SimpleNamespace) -> None:
    (guess,) = predictions(small.classifier, ["who won the football last night"])
    shares = [p for _, p in guess.ranking]
    assert shares == sorted(shares, reverse=True)
    assert set(dict(guess.ranking)) == set(LABELS) - {OUT_OF_SCOPE}
    assert sum(shares) + guess.out_of_scope == pytest.approx(1.0, abs=1e-4)
    assert guess.out_of_scope > 0.5


def test_the_word_and_the_character_block_weigh_the_same(small: SimpleNamespace) -> None:
    vocabulary, idf = small.classifier.vocabulary, small.classifier.idf
    index, value = ngram_row(fold(small.texts[0]), vocabulary, idf)
    names = {place: ngram for ngram, place in vocabulary.items()}
    words = np.array([names[place][0] == "w" for place in index])
    assert np.linalg.norm(value[words]) == pytest.approx(SPARSE_WEIGHT, abs=1e-5)
    assert np.linalg.norm(value[~words]) == pytest.approx(SPARSE_WEIGHT, abs=1e-5)


def test_a_text_of_unknown_ngrams_has_an_empty_row(small: SimpleNamespace) -> None:
    for text in ("", "ééé", "§§§"):
        index, value = ngram_row(text, small.classifier.vocabulary, small.classifier.idf)
        assert (len(index), len(value)) == (0, 0)


def test_ngrams_are_words_pairs_and_letters_inside_words() -> None:
    counts = Counter(ngrams("it hurts"))
    assert counts["w it"] == counts["w it hurts"] == 1
    assert {"c it ", "c hu", "curts", "churts", "cts "} <= set(counts)
    assert not any(len(ngram) > 6 for ngram in counts if ngram[0] == "c")
    assert not any("t h" in ngram for ngram in counts if ngram[0] == "c")


def test_too_few_examples_are_refused_by_name() -> None:
    texts, labels = ["a b", "c d", "e f"], ["life/sleep", "life/sleep", "pain/alarm"]
    with pytest.raises(ValueError, match=r"Fewer than two examples for: pain/alarm\. Add examples under data/nlu"):
        training.train(texts, labels, fold, load_encoder())


def test_two_answers_alone_cannot_be_trained() -> None:
    with pytest.raises(ValueError, match="Fewer than three labels"):
        training.train(["a b", "c d", "e f", "g h"], ["x", "x", "y", "y"], fold, load_encoder())


def test_without_an_outside_class_nothing_is_outside() -> None:
    guess = prediction(("a", "b"), np.array([2.0, 1.0]), nearest=1.2)
    assert (guess.label, guess.out_of_scope, guess.nearest) == ("a", 0.0, 1.0)
    assert prediction(("a", "b"), np.array([2.0, 1.0]), nearest=-0.3).score == 0.0
