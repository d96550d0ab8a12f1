"""What the server says is what the schema allows, and the schema's kinds are those that the chat can show."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from bot import safety
from bot.content import load_clinics, load_wording
from bot.content.library import load_library
from bot.content.replies import render
from bot.content.report_words import load_report_words
from bot.safety import Finding
from bot.settings import ROOT
from bot.web import bodies

SCHEMA = json.loads((ROOT / "widget" / "events.schema.json").read_text())
BODY = {"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["body"]}
CHECK = jsonschema.Draft202012Validator(BODY)
CLINIC, WORDING = load_clinics()["demo"], load_wording()
EXAMPLES = BODY["examples"]


def faults(body: dict[str, Any]) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in CHECK.iter_errors(body)]


def said() -> Iterator[dict[str, Any]]:
    """A body of every kind of thing that the server says."""
    library = load_library()
    for answer in library.answers.values():
        for part in ("text", "more", "why", "helper"):
            if getattr(answer, part if part != "text" else "bubbles"):
                yield bodies.reply(render({"reply": "answer", "id": answer.id, "part": part}, library, CLINIC))
    for key, word in load_report_words().items():
        spec = {"reply": "card", "word": key, "part": "main", "region": word.regions[0], "age": 52}
        yield bodies.reply(render(spec, library, CLINIC))
    for category in safety.load_rules().categories:
        for tier in ("T0", "T1", "T2", "T3"):
            finding = Finding("rule", category, tier, (0, 0), "", "now", 1.0, "test")
            try:
                yield bodies.safety_words(finding, CLINIC)
            except KeyError:  # no words for this tier
                continue
            yield bodies.safety_question(finding, CLINIC)
    yield bodies.consent(CLINIC, WORDING)
    for state in ("waiting", "human", "bot", "closed", "failed"):
        yield bodies.handoff(state, "handoff_waiting", CLINIC, WORDING, "10:32")
    yield bodies.clinician("Hello.", "Dr Lee", "Physiotherapist")
    yield bodies.notice("cannot_answer", CLINIC, WORDING, ways_out=True)
    for tier in ("T0", "T1"):
        yield bodies.hold(tier, CLINIC, WORDING)


def test_everything_the_server_says_fits() -> None:
    made = list(said())
    assert len(made) > 600
    for body in made:
        assert faults(body) == [], body.get("answer_id")
        shown = bodies.in_form(body, bodies.PLAIN)
        assert faults(shown) == [], body.get("answer_id")
        assert "{" not in json.dumps(shown["bubbles"] + list((body.get("forms") or {}).values())), body.get("answer_id")


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["kind"])
def test_the_examples_fit(body: dict[str, Any]) -> None:
    assert faults(body) == []


def test_the_chat_shows_the_kinds_of_the_schema() -> None:
    code = (ROOT / "widget" / "render.js").read_text()
    lists = re.findall(r"^const (?:PLAIN|FORM|CARD)_KINDS = \[([^\]]*)\]", code, re.M)
    looks = re.search(r"^const LOOKS = \{(.*?)^\};", code, re.M | re.S)
    assert looks is not None
    shown = set(re.findall(r'"(\w+)"', " ".join(lists))) | set(re.findall(r"^  (\w+): \{", looks[1], re.M))
    # A patient's own messages are shown as words, whatever they were sent with.
    assert shown - {"button", "answer"} == {body["kind"] for body in EXAMPLES} - {"something_new"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "image", "fallback_text": "x"},
        {"kind": "image", "picture": {"src": "https://elsewhere.example/a.svg", "alt": "x"}, "fallback_text": "x"},
        {"kind": "image", "picture": {"src": "/pictures/a.svg", "alt": ""}, "fallback_text": "x"},
        {"kind": "text", "bubbles": ["x"]},
        {"kind": "carousel", "cards": [], "fallback_text": "x"},
        {"kind": "scale", "form": "a", "items": [{"id": "a", "text": "x", "kind": "scale"}], "fallback_text": "x"},
        {"kind": "handoff", "bubbles": ["x"], "state": "seen", "fallback_text": "x"},
        {"kind": "text", "buttons": [{"title": "", "payload": "x"}], "fallback_text": "x"},
    ],
)  # fmt: skip
def test_what_does_not_fit(wrong: dict[str, Any]) -> None:
    assert faults(wrong) != []
