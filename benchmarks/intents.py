"""The answer classifier on public intent data sets, through the product's own training and scoring.

    python -m benchmarks.intents banking77 --data FOLDER     # train.csv and test.csv of task-specific-datasets
    python -m benchmarks.intents clinc150 --data FILE        # data_full.json (clinc/oos-eval)

The files are not in this repository and in no package that we know; give their path. Prints JSON: ten examples a
class, mean and spread over seeded draws; for CLINC150 also how many out-of-scope messages are told apart at a threshold
that keeps 95 % of the in-scope ones (chosen on the validation part).
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.understanding.classifier import OUT_OF_SCOPE, Classifier
from bot.understanding.encoder import load_encoder
from bot.understanding.spelling import load_normaliser
from bot.understanding.training import train

SHOTS, DRAWS, KEPT = 10, 3, 0.95
Rows = Sequence[tuple[str, str]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one data set; 2 where its files are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", choices=["banking77", "clinc150"])
    parser.add_argument("--data", type=Path, required=True, help="folder of banking77, or CLINC150's data_full.json")
    parser.add_argument("--draws", type=int, default=DRAWS)
    chosen = parser.parse_args(arguments)
    measure = banking77 if chosen.dataset == "banking77" else clinc150
    try:
        found = [measure(chosen.data, seed) for seed in range(chosen.draws)]
    except OSError as error:
        print(f"The data cannot be read: {error}. Give the path of the files named in --help.", file=sys.stderr)
        return 2
    summary = {key: round(statistics.mean(one[key] for one in found), 2) for key in found[0]}
    spread = {f"{key}_spread": round(max(o[key] for o in found) - min(o[key] for o in found), 2) for key in found[0]}
    print(json.dumps({"dataset": chosen.dataset, "shots": SHOTS, "draws": chosen.draws, **summary, **spread}, indent=1))
    return 0


def banking77(folder: Path, seed: int) -> dict[str, float]:
    """Accuracy in percent on the whole test part, trained on ten examples a class."""
    parts = []
    for name in ("train.csv", "test.csv"):
        with (folder / name).open(newline="", encoding="utf-8") as file:
            parts.append([(row["text"], row["category"]) for row in csv.DictReader(file)])
    classifier = fitted(few(parts[0], seed))
    return {"accuracy": accuracy(classifier, parts[1])}


def clinc150(file: Path, seed: int) -> dict[str, float]:
    """In-scope accuracy, and out-of-scope recall at a threshold that keeps 95 % of in-scope validation messages."""
    data = json.loads(file.read_text(encoding="utf-8"))
    rows = {part: [(text, label) for text, label in data[part]] for part in ("train", "val", "test")}
    outside = [(text, OUT_OF_SCOPE) for text, _ in data["oos_train"]]
    classifier = fitted([*few(rows["train"], seed), *outside])
    kept = sorted(scores(classifier, [text for text, _ in rows["val"]]))
    limit = kept[int((1 - KEPT) * len(kept))]
    beyond = scores(classifier, [text for text, _ in data["oos_test"]])
    return {
        "accuracy": accuracy(classifier, rows["test"]),
        "oos_recall": 100 * sum(score < limit for score in beyond) / len(beyond),
    }


def few(rows: Rows, seed: int) -> list[tuple[str, str]]:
    """Ten examples of each class, drawn with a seed."""
    chance, by_label = random.Random(seed), dict[str, list[str]]()
    for text, label in rows:
        by_label.setdefault(label, []).append(text)
    return [(text, label) for label in sorted(by_label) for text in chance.sample(by_label[label], SHOTS)]


def fitted(rows: Rows) -> Classifier:
    return train([text for text, _ in rows], [label for _, label in rows], load_normaliser(), load_encoder())


def accuracy(classifier: Classifier, rows: Rows) -> float:
    """Percent of messages whose best-ranked label is theirs."""
    normalise, encode = load_normaliser(), load_encoder()
    cleaned = [normalise(text) for text, _ in rows]
    guesses = classifier.predict(cleaned, encode(cleaned))
    right = [guess.label == label for guess, (_, label) in zip(guesses, rows, strict=True)]
    return 100 * sum(right) / len(right)


def scores(classifier: Classifier, texts: Sequence[str]) -> list[float]:
    normalise, encode = load_normaliser(), load_encoder()
    cleaned = [normalise(text) for text in texts]
    return [guess.score for guess in classifier.predict(cleaned, encode(cleaned))]


if __name__ == "__main__":
    sys.exit(main())
