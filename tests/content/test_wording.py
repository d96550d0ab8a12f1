"""Wording: all of it in ``data/``, all of it used, every placeholder filled; none of it in code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bot.content import load_clinics, load_wording
from bot.content.checks import PLACEHOLDERS
from bot.content.checks.outside import said_to_somebody, strings, wording_in_code
from bot.content.files import DATA, read_yaml
from bot.settings import ROOT

WORDING = load_wording()
# What the code fills in beside a clinic's numbers (bot.web.bodies).
FILLED_IN_CODE = {"time", "name", "role", "opens", "seen", "contacts", "day", "date", "to", "to_role", "until"}
CODE = [path for folder in ("bot", "actions") for path in sorted((ROOT / folder).rglob("*.py"))]
JS_TEXT = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`")
JS_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)


def test_the_search_for_wording_finds_wording() -> None:
    assert said_to_somebody("I am sorry, I cannot do that.")
    assert said_to_somebody("Please wait a minute, then send it again.")
    assert said_to_somebody("<p>What would you like to know?</p>".replace("</p>", " "))
    assert not said_to_somebody("SELECT a FROM b WHERE your_column = 1")
    assert not said_to_somebody("/talk_to_person")


def test_no_wording_for_patients_in_python() -> None:
    assert [str(fault) for fault in wording_in_code()] == []


def test_a_sentence_in_code_is_found(tmp_path: Path) -> None:
    (tmp_path / "actions").mkdir()
    module = tmp_path / "actions" / "say.py"
    module.write_text('TEXT = "Please tell me how your back feels today."')
    assert [fault.file for fault in wording_in_code(tmp_path)] == ["actions/say.py"]


@pytest.mark.parametrize("path", sorted((ROOT / "widget").glob("*.js")), ids=lambda path: path.name)
def test_no_wording_for_patients_in_the_page(path: Path) -> None:
    code = re.sub(r"new \w*Error\([^)]*\)", "", JS_COMMENT.sub("", path.read_text()))  # the console's, not the page's
    found = [text for text in JS_TEXT.findall(code) if re.search(r"[A-Z]?[a-z'’]{2,}(?: [a-z'’]{2,}){2,}", text)]
    assert found == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "bot" / "web" / "templates").rglob("*.html")), ids=lambda path: path.name
)
def test_no_wording_in_templates(path: Path) -> None:
    bare = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}|<!--.*?-->", " ", path.read_text(), flags=re.DOTALL)
    shown = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", "\n", bare, flags=re.DOTALL)
    lines = [line.strip() for line in shown.splitlines() if not line.strip().startswith("data-")]
    assert [line for line in lines if len(line.split()) >= 3] == []


def test_every_message_and_label_is_used_by_the_code() -> None:
    literals = {text for path in CODE for _, text in strings(path)}
    assert set(WORDING.messages) - literals == set()
    assert set(WORDING.labels) - literals == set()


def test_every_placeholder_is_one_that_the_code_fills() -> None:
    for key, text in WORDING.messages.items():
        found = set(re.findall(r"\{(.*?)\}", text))
        known = PLACEHOLDERS | (FILLED_IN_CODE if key.startswith(("handoff_", "opens_", "team_")) else set())
        assert found <= known, key
    assert set(load_clinics()["demo"].numbers) == PLACEHOLDERS


ACTED = {f"handoff_{act}" for act in ("claimed", "closed", "reassigned", "released", "returned", "returned_hold")} | {
    "handoff_aside",
    "handoff_again_held",
    "handoff_topic",
}


def test_people_are_named_only_where_a_person_has_acted() -> None:
    for key, text in WORDING.messages.items():
        acted = key in ACTED
        assert acted or not {"{name}", "{role}"} & set(re.findall(r"\{\w+\}", text)), key


def test_labels_and_the_page_have_no_placeholder_that_nothing_fills() -> None:
    assert not [text for text in WORDING.labels.values() if "{" in text]
    # The page fills these itself (widget): a name in braces must stand in its code.
    code = "".join(path.read_text() for path in (ROOT / "widget").glob("*.js"))
    code += "".join(path.read_text() for path in (ROOT / "bot" / "web" / "templates").rglob("*.html"))
    code += (ROOT / "bot" / "web" / "pages.py").read_text()
    for key, text in WORDING.interface.items():
        for name in re.findall(r"\{(\w+)\}", text):
            assert re.search(rf"\b{name}\b", code), key


def test_every_text_of_the_page_is_used() -> None:
    folders = (("widget", "*.js"), ("bot/web/templates", "*.html"), ("bot/web", "*.py"))
    code = "".join(path.read_text() for folder, pattern in folders for path in (ROOT / folder).glob(pattern))
    # Some keys are made from a code: `problem_${code}`, `status_${state}`.
    made = tuple(re.findall(r"`(\w+_)\$\{", code))
    unused = [key for key in WORDING.interface if not re.search(rf"\b{key}\b", code)]
    assert [key for key in unused if not key.startswith(made)] == []


def test_no_message_shouts_blames_or_promises() -> None:
    for key, text in {**WORDING.messages, **WORDING.interface, **WORDING.labels}.items():
        assert "!" not in text, key
        assert not re.search(r"don't worry|do not worry|i understand how you feel", text, re.IGNORECASE), key


def test_the_team_mail_holds_no_place_for_patients_words() -> None:
    mail = WORDING.mail
    assert set(re.findall(r"\{(\w+)\}", mail["subject"] + mail["body"])) == {"tier", "clinic", "link"}
    assert set(mail["tiers"]) == {"T0", "T1", "T2", "T3", "T4"}


def test_a_message_comes_as_bubbles_with_its_numbers() -> None:
    shown = WORDING.bubbles("handoff_waiting_person", **load_clinics()["demo"].numbers, time="10:32")
    assert len(shown) == 2
    assert "Demo Pain Clinic at 10:32" in shown[0]
    assert "999" in shown[1]
    with pytest.raises(KeyError):
        WORDING.bubbles("no_such_message")


def test_dates_are_text_everywhere() -> None:
    for path in sorted(DATA.rglob("*.yml")):
        assert "datetime.date(" not in repr(read_yaml(path)), path
