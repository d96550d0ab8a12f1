"""``pne check``: the gate for everything under ``data/``, in seconds. Rasa's own validation exits 0 on most of this."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.content.answers import Answer, load_answers, load_controls, load_sources
from bot.content.clinics import load_clinics
from bot.content.files import DATA, ContentError, name, read_yaml
from bot.content.inbox import load_inbox_wording
from bot.content.silence import load_silence
from bot.content.wording import load_wording

MOST_BUBBLES, MOST_WORDS, MOST_FLARE_WORDS, MOST_WHY_WORDS = 3, 60, 25, 75
MOST_TITLE = 40
FEWEST_EXAMPLES, FEWEST_OUTSIDE = 25, 150
UNCITED_SUBJECTS = {"about", "chat"}
MARKS = {"V", "K"}
PLACEHOLDERS = {"emergency_number", "urgent_line", "crisis_line", "poison_line", "abuse_line", "clinic"}
# Kinds of statements that no answer may make (docs/content.md). Patterns, so that "not always" and the like may stand.
BANNED = {
    "dismisses the pain": r"\bpsychosomatic\b|(?<!not )\bmaking it up\b|(?<!not )\ball in your head\b",
    "claims what it cannot know": r"\bnothing is wrong with you\b|\bthere is no damage\b|\byour tissues have healed\b",
    "decides on a scan, an operation or a medicine": r"\byou (?:do not|don't) need (?:(?:a|an|the|your|any) )?"
    r"(?:scan|mri|x-ray|operation|surgery|medicine)|\bignore your scan\b|\byour scan is normal\b",
    "blames or labels": r"\bcatastrophi|\bkinesiophob|\bmaladaptive\b|\bnon-complian|\bhypervigilan",
    "pushes": r"\bpush through\b|\bno pain,? no gain\b|\bjust relax\b|\bthink positive\b",
    "claims to feel": r"\bi understand how you feel\b|\bi know how you feel\b|\bdon't worry\b|\bdo not worry\b",
    "promises": r"\bwill cure\b|\bguarantee|\bpain-free forever\b",
    "shouts": r"!",
}


@dataclass(frozen=True)
class Fault:
    """One thing to mend: where it is and what is wrong."""

    file: str
    id: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.id}: {self.what}"


def check_all(data: Path = DATA) -> list[Fault]:
    """All faults under `data`. Never raises for wrong content."""
    from bot import safety

    faults: list[Fault] = []
    loaders = (load_answers, load_controls, load_sources, load_wording, load_inbox_wording, load_clinics, load_silence)
    for load in loaders:
        faults += _loading(lambda load=load: load(data))  # type: ignore[misc]
    faults += _loading(lambda: safety.load_rules(data / "safety"))
    if (data / "safety_check.yml").exists():
        faults += _loading(lambda: safety.load_cues(safety.load_check(data / "safety_check.yml")))
    if faults:
        return faults
    answers = load_answers(data)
    for check in (_shape, _links, _banned, _numbers):
        for answer in answers.values():
            faults += check(answer, data)
    ids = set(answers)
    for found in (_examples(data, ids), _rules(data, ids), _dates(data), _unused(data)):
        faults += _loading(partial(faults.extend, found))
    return faults


def _loading(load: Callable[[], Any]) -> list[Fault]:
    try:
        load()
    except (ContentError, ValueError, KeyError, TypeError, AttributeError) as error:
        return [Fault("data", type(error).__name__, str(error))]
    return []


def _where(answer: Answer) -> str:
    return f"data/responses/{answer.subject}.yml"


def _texts(answer: Answer) -> Iterator[tuple[str, str]]:
    yield from (("text", bubble) for bubble in answer.bubbles)
    yield from (("more", bubble) for bubble in answer.more)
    yield from (("flare", answer.flare), ("why", answer.why), ("title", answer.title))


def _shape(answer: Answer, data: Path) -> Iterator[Fault]:
    def fault(what: str) -> Fault:
        return Fault(_where(answer), answer.id, what)

    if not 1 <= len(answer.bubbles) <= MOST_BUBBLES:
        yield fault(f"{len(answer.bubbles)} bubbles; write 1 to {MOST_BUBBLES}")
    if len(answer.title) > MOST_TITLE:
        yield fault(f"the title has {len(answer.title)} characters; {MOST_TITLE} at most")
    limits = {"text": MOST_WORDS, "more": MOST_WORDS, "flare": MOST_FLARE_WORDS, "why": MOST_WHY_WORDS}
    for part, text in _texts(answer):
        words = sum(word != "-" for word in text.split())  # list marks are not words
        if part in limits and words > limits[part]:
            yield fault(f"{part} has {words} words in one bubble; {limits[part]} at most")
    if answer.review not in ("pending", "signed"):
        yield fault("review.state must be pending (nobody clinical has signed) or signed")


def _links(answer: Answer, data: Path) -> Iterator[Fault]:
    answers, sources = load_answers(data), load_sources(data)
    for other in answer.next:
        if other not in answers or other == answer.id:
            yield Fault(_where(answer), answer.id, f"next: {other} is not another answer")
    for key in answer.sources:
        if key not in sources:
            yield Fault(_where(answer), answer.id, f"source {key} is not in data/sources")
        elif sources[key].mark not in MARKS:
            yield Fault(f"data/sources/{answer.subject}.yml", key, "mark must be V or K; unsure sources are not shown")
    if not answer.sources and answer.subject not in UNCITED_SUBJECTS:
        yield Fault(_where(answer), answer.id, "no source; every answer about pain says where it comes from")


def _banned(answer: Answer, data: Path) -> Iterator[Fault]:
    for part, text in _texts(answer):
        text = text.replace("’", "'")
        for why, pattern in BANNED.items():
            # A title may say what people ask ("Is it all in my head?"); the banned words are ours to avoid.
            if part != "title" and re.search(pattern, text, re.IGNORECASE):
                yield Fault(_where(answer), answer.id, f"{part} {why}: {re.search(pattern, text, re.I).group()!r}")  # type: ignore[union-attr]


def _numbers(answer: Answer, data: Path) -> Iterator[Fault]:
    for part, text in _texts(answer):
        for placeholder in re.findall(r"\{(\w*)\}", text):
            if placeholder not in PLACEHOLDERS:
                yield Fault(_where(answer), answer.id, f"{part}: unknown placeholder {{{placeholder}}}")
        if re.search(r"\b(999|911|112|988|116 ?123)\b", text):
            yield Fault(_where(answer), answer.id, f"{part}: a phone number in the text; use a placeholder")


def examples(data: Path = DATA) -> Iterator[tuple[str, str, str]]:
    """Every training example as (file, label, text)."""
    for path in sorted((data / "nlu").glob("*.yml")):
        for block in read_yaml(path).get("nlu") or ():
            for line in block["examples"].splitlines():
                if line.strip().startswith("- "):
                    yield name(path), block["intent"], line.strip()[2:].strip()


def _examples(data: Path, answers: set[str]) -> Iterator[Fault]:
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


def _rules(data: Path, answers: set[str]) -> Iterator[Fault]:
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


def _dates(data: Path) -> Iterator[Fault]:
    def unquoted(value: Any) -> bool:
        if isinstance(value, dict):
            return any(unquoted(item) for item in value.values())
        if isinstance(value, list):
            return any(unquoted(item) for item in value)
        return isinstance(value, datetime.date)

    for path in sorted(data.rglob("*.yml")):
        if unquoted(read_yaml(path)):
            yield Fault(name(path), "dates", "a date without quotes; Rasa cannot store it. Put it in quotes")


def _unused(data: Path) -> Iterator[Fault]:
    used = {key for answer in load_answers(data).values() for key in answer.sources}
    for key in sorted(set(load_sources(data)) - used):
        yield Fault("data/sources", key, "no answer uses this source")
