"""A small, faultless ``data`` folder to put one fault into."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from bot.content.checks import FEWEST_EXAMPLES, FEWEST_OUTSIDE
from bot.content.clinics import NEEDED
from bot.content.files import DATA, read_yaml

NUMBER_WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def answer(answer_id: str, next_id: str, **other: Any) -> list[dict[str, Any]]:
    """One answer as it stands in data/responses; `other` overrides its metadata."""
    metadata: dict[str, Any] = {
        "title": f"Title of {answer_id}",
        "about": ["C01"],
        "more": "There is more.",
        "flare": "This will pass.",
        "why": "One study says so.",
        "sources": ["smith_2020"],
        "certainty": "moderate",
        "openings": [f"It is hard to ask about {n} of {answer_id}." for n in ("one", "two", "three")],
        "helper": "It is kind of you to ask. They may need time.",
        "facts": [],
        "next": [next_id],
        "review": {"state": "pending"},
        **other,
    }
    text = f"It makes sense to ask about {answer_id}.\n\nSecond.\n\nThird."
    return [{"id": f"{answer_id}.v1", "text": text, "metadata": metadata}]


def small_content(folder: Path) -> Path:
    """Makes ``folder/data`` (two answers) and ``folder/domain.yml``; gives the data folder."""
    data = folder / "data"
    (data / "nlu").mkdir(parents=True)
    shutil.copytree(DATA / "clinics", data / "clinics")
    for same in ("silence.yml", "glossary.yml", "finding_card.yml", "governance.yml"):
        shutil.copyfile(DATA / same, data / same)
    line = {"label": "999", "tel": "999", "mark": "K"}
    write(data / "own_lines.yml", {"RF38": ["abuse"]})
    write(data / "numbers.yml", {"GB": {"checked": "2026-01-02", **{use: [line] for use in NEEDED}}})
    write(data / "messages.yml", {"messages": {"hello": "Hello."}, "labels": {"ok": "OK"}, "mail": {}})
    shutil.copyfile(DATA / "languages.yml", data / "languages.yml")
    for tag, name in (("en", "English"), ("es", "Español"), ("ar", "العربية")):
        about = {"lang": tag, "dir": "rtl" if tag == "ar" else "ltr", "name": name}
        about["answers_language"] = "" if tag == "en" else "English."
        write(data / "interface" / f"{tag}.yml", {**about, "send": "Send"})
    write(data / "demo_page.yml", {"title": "Title"})
    write(data / "inbox" / "common.yml", {"claim": "Claim"})
    responses: dict[str, Any] = {
        "utter_pain/alarm": answer("pain/alarm", "pain/is_real"),
        "utter_pain/is_real": answer("pain/is_real", "pain/alarm"),
        "utter_sorry": [{"id": "control/sorry.v1", "text": "Sorry."}],
    }
    source = {"cite": "Smith. 2020", "plain": "A study.", "mark": "V"}
    sizes = {"pain/alarm": FEWEST_EXAMPLES, "pain/is_real": FEWEST_EXAMPLES, "out_of_scope": FEWEST_OUTSIDE}
    blocks = [
        {"intent": label, "examples": "".join(f"- {label} {spelled(n)}\n" for n in range(size))}
        for label, size in sizes.items()
    ]
    steps = [("pain", "utter_pain"), ("out_of_scope", "utter_sorry")]
    rules = [{"rule": intent, "steps": [{"intent": intent}, {"action": action}]} for intent, action in steps]
    domain = {"intents": ["pain", "out_of_scope"], "actions": ["action_x"], "forms": {"some_form": {}}}
    write(data / "responses" / "pain.yml", {"responses": responses})
    write(data / "sources" / "pain.yml", {"smith_2020": source})
    write(data / "nlu" / "pain.yml", {"nlu": blocks})
    write(data / "rules" / "pain.yml", {"rules": rules})
    write(folder / "domain.yml", domain)
    return data


def spelled(number: int) -> str:
    return " ".join(NUMBER_WORDS[int(digit)] for digit in str(number))


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Changes a YAML file in place."""
    value = read_yaml(path)
    edit(value)
    write(path, value)


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    path.write_text(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True))
