"""``pne model-card``: what the classifier of answers was trained on, its thresholds, and how it does on held-out messages.

The thresholds are set by cross-validation in training and are written down here, never by hand.
"""

from __future__ import annotations

import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.content.checks import examples
from bot.content.files import read_yaml
from bot.settings import ROOT
from bot.understanding.classifier import Classifier, load
from bot.understanding.decide import ANSWER, DID_YOU_MEAN, FINDING, Decision, decide_message
from bot.understanding.details import facts_in
from bot.understanding.entities import load_ruler

CARD = ROOT / "docs" / "model-card.md"
HELD_OUT = ROOT / "tests" / "nlu" / "heldout.yml"
OUTSIDE = ROOT / "tests" / "nlu" / "heldout_out_of_scope.yml"


@dataclass(frozen=True)
class Routing:
    """Shares of held-out messages, 0 to 1: best-ranked right, right one among what is shown, a wrong answer stated
    without a question, anything stated; and of messages that no answer fits, wrongly answered."""

    questions: int
    top1: float
    shown: float
    wrong: float
    stated: float
    outside: int
    outside_answered: float


def trained_classifier(model: Path) -> Classifier:
    """The classifier inside a trained Rasa model."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(model) as archive:
        members = [m for m in archive.getmembers() if Path(m.name).name in ("classifier.json", "classifier.npz")]
        for member in members:
            member.name = Path(member.name).name
            archive.extract(member, folder, filter="data") if hasattr(tarfile, "data_filter") else archive.extract(
                member, folder
            )
        return load(Path(folder))


def decision_for(text: str, classifier: Classifier) -> Decision:
    """What is decided about one message, as Rasa's components do it."""
    from bot.understanding.encoder import load_encoder
    from bot.understanding.reading import read
    from bot.understanding.spelling import load_normaliser

    reading = read(text, load_normaliser(), load_encoder())
    return decide_message(text, facts_in(text, load_ruler()), reading, classifier)


def measure(
    classifier: Classifier, questions: Sequence[Mapping[str, Any]], outside: Sequence[Mapping[str, Any]]
) -> Routing:
    """How held-out messages fare."""
    asked = [(frozenset([q["answer"], *q.get("also", ())]), decision_for(q["text"], classifier)) for q in questions]
    beyond = [decision_for(message["text"], classifier) for message in outside]
    right = [top_of(d) in fits for fits, d in asked]
    stated = [d.kind == ANSWER for _, d in asked]
    count = len(asked)
    return Routing(
        count,
        sum(right) / count,
        sum(bool(shown_by(d) & fits) for fits, d in asked) / count,
        sum(s and not r for s, r in zip(stated, right, strict=True)) / count,
        sum(stated) / count,
        len(beyond),
        sum(d.kind == ANSWER and "/" in d.choices[0] for d in beyond) / max(len(beyond), 1),
    )


def top_of(decision: Decision) -> str:
    """The label ranked first, whether or not it was given; a report word's card counts as ``finding``."""
    label = decision.choices[0] if decision.kind == ANSWER else decision.ranking[0][0] if decision.ranking else ""
    return FINDING if label.startswith(FINDING) else label


def shown_by(decision: Decision) -> set[str]:
    """The labels that a patient sees: the answer, or the buttons."""
    shown = decision.choices if decision.kind in (ANSWER, DID_YOU_MEAN) else ()
    return {FINDING if label.startswith(FINDING) else label for label in shown}


def write_card(model: Path, path: Path = CARD) -> Routing:
    """Measure, write the card, and return what was measured."""
    classifier = trained_classifier(model)
    found = measure(classifier, read_yaml(HELD_OUT)["questions"], read_yaml(OUTSIDE)["messages"])
    path.write_text(_card(classifier, found), encoding="utf-8")
    return found


def _card(classifier: Classifier, found: Routing) -> str:
    counts = Counter(label for _, label, _ in examples())
    answers = [n for label, n in counts.items() if "/" in label]
    limits = classifier.thresholds
    return f"""# Model card: which answer a message asks for

Written by `pne model-card`; do not edit. Red flags are measured in `docs/safety-card.md`, rounds in `docs/routing-rounds.md`.

**Model.** Logistic regression on sentence vectors (all-MiniLM-L6-v2, int8) and character and word n-grams, over {len(classifier.labels)} labels.
**Trained on** {sum(counts.values()):,} examples: {len(answers)} answers with {min(answers)} to {max(answers)} each (median {sorted(answers)[len(answers) // 2]}), {counts["finding"]} about words of
scan reports, {counts["out_of_scope"]} that no answer fits. Written for this product by several hands; none is a patient's message.

**Thresholds**, chosen in training by three-fold cross-validation (`bot/understanding/training.py` has the bars):

| | score |
|---|---|
| answer outright at or above | {limits["answer"]:.3f} |
| ask "Did you mean ..." at or above | {limits["ask"]:.3f} |

Cross-validation, on examples written to be hard: best-ranked right {limits["cv_top1"]:.1%}; stated outright {limits["cv_stated"]:.1%}, of these right {limits["cv_stated_right"]:.1%};
messages that no answer fits, answered {limits["cv_outside_stated"]:.1%}.

**Held-out messages** ({found.questions} questions and {found.outside} that no answer fits, by two writers who had seen only the list of answers):

| | |
|---|---|
| best-ranked answer right | {found.top1:.1%} |
| right answer given or among the buttons | {found.shown:.1%} |
| a wrong answer stated without a question | {found.wrong:.1%} |
| answered outright | {found.stated:.1%} |
| messages that no answer fits, wrongly answered | {found.outside_answered:.1%} |

**Limits.** Held-out writers are no patients: their messages are clearer than a bad night's. English only. Not measured for
dialects, or for people who write very little.
"""
