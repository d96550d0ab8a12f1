"""Training examples, rules, intents and responses fit one another. Rasa's own validation exits 0 on most of this."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bot.content.answers import load_answers
from bot.content.checks.fault import Fault
from bot.content.files import DATA, name, read_yaml

FEWEST_EXAMPLES, FEWEST_OUTSIDE = 30, 150


def examples(data: Path = DATA) -> Iterator[tuple[str, str, str]]:
    """Every training example as (file, label, text)."""
    for path in sorted((data / "nlu").glob("*.yml")):
        for block in read_yaml(path).get("nlu") or ():
            for line in block["examples"].splitlines():
                if line.strip().startswith("- "):
                    yield name(path), block["intent"], line.strip()[2:].strip()


def enough_examples(data: Path) -> Iterator[Fault]:
    """Enough examples for every answer, each once, none for an answer that is not there."""
    answers = set(load_answers(data))
    counts: Counter[str] = Counter()
    seen: dict[str, str] = {}
    for file, label, text in examples(data):
        counts[label] += 1
        plain = re.sub(r"\W+", " ", text.lower()).strip()
        if plain in seen:
            yield Fault(file, label, f"the example {text!r} stands under {seen[plain]} too")
        seen[plain] = label
        if "/" in label and label not in answers:
            yield Fault(file, label, "there is no such answer in data/responses")
    for answer in sorted(answers):
        if counts[answer] < FEWEST_EXAMPLES:
            yield Fault(
                f"data/nlu/{answer.split('/')[0]}.yml", answer, f"{counts[answer]} examples; {FEWEST_EXAMPLES} at least"
            )
    if counts["out_of_scope"] < FEWEST_OUTSIDE:
        yield Fault(
            "data/nlu/out_of_scope.yml", "out_of_scope", f"{counts['out_of_scope']} examples; {FEWEST_OUTSIDE} at least"
        )


def consistent(data: Path) -> Iterator[Fault]:
    """Every intent has a rule, every rule an intent and an action that exist."""
    answers = set(load_answers(data))
    domain = read_yaml(data.parent / "domain.yml")
    intents = {item if isinstance(item, str) else next(iter(item)) for item in domain["intents"]}
    actions = set(domain["actions"]) | {f"{form}" for form in domain["forms"]}
    responses = {action for path in (data / "responses").glob("*.yml") for action in read_yaml(path)["responses"]}
    subjects = {answer.split("/")[0] for answer in answers}
    used: set[str] = set()
    for path in sorted((data / "rules").glob("*.yml")):
        for rule in read_yaml(path)["rules"]:
            for step in rule["steps"]:
                if "intent" in step:
                    used.add(step["intent"])
                    if step["intent"] not in intents:
                        yield Fault(name(path), rule["rule"], f"intent {step['intent']} is not in domain.yml")
                action = step.get("action", "")
                built_in = action.startswith("action_") and action in ("action_deactivate_loop", "action_listen")
                of_subject = action.removeprefix("utter_") in subjects
                if action and not (action in actions or action in responses or built_in or of_subject):
                    yield Fault(name(path), rule["rule"], f"{action} is neither a response nor an action of domain.yml")
    for intent in sorted(intents - used):
        yield Fault("data/rules", intent, "no rule answers this intent of domain.yml; the patient would read nothing")
