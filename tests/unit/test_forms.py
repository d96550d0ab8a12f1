"""Questionnaires: what is loaded, which answers are taken, and how they read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bot.content import load_clinics, load_wording
from bot.content.checks.language import PLACEHOLDERS
from bot.content.files import DATA, ContentError
from bot.content.forms import LONGEST_TEXT, SURVEY, Item, WrongAnswer, checked, load_forms, shown_answer
from bot.content.kept import FACTS, WrongFact, load_kept_words
from bot.web import bodies, forms

SCALE = Item("use", "scale", "Was it of use?", "No", "Yes").as_dict()
CHOICE = Item("found", "choice", "Did you find it?", choices={"yes": "Yes", "part": "In part"}).as_dict()
TEXT = Item("else", "text", "Anything else?", longest=20).as_dict()
ASKED = {"form": "survey", "items": [SCALE, CHOICE, TEXT], "skipped": "Skipped"}
GOOD = {
    "id": "short",
    "review": {"state": "pending"},
    "title": "A title",
    "intro": "Some questions.",
    "items": {"use": {"kind": "scale", "text": "Was it of use?", "low": "No", "high": "Yes"}},
    "thanks": "Thank you.",
}


def written(folder: Path, **changed: object) -> Path:
    (folder / "forms").mkdir(exist_ok=True)
    (folder / "forms" / "short.yml").write_text(yaml.safe_dump({**GOOD, **changed}))
    return folder


def test_the_survey_has_a_few_items_in_plain_words() -> None:
    survey = load_forms()[SURVEY]
    assert 3 <= len(survey.items) <= 5
    assert {item.kind for item in survey.items} == {"scale", "choice", "text"}
    assert survey.review == "pending"
    for text in (survey.title, *survey.intro, *survey.thanks, *(item.text for item in survey.items)):
        assert "!" not in text and "—" not in text


@pytest.mark.parametrize(
    ("item", "value", "answer"),
    [
        (SCALE, 0, 0), (SCALE, 10, 10), (SCALE, None, None), (CHOICE, "part", "part"), (CHOICE, None, None),
        (TEXT, " a word ", "a word"), (TEXT, "  ", None), (TEXT, "x" * 20, "x" * 20), (TEXT, None, None),
    ],
)  # fmt: skip
def test_right_answers(item: dict[str, object], value: object, answer: object) -> None:
    assert checked(item, value) == answer


@pytest.mark.parametrize(
    ("item", "value"),
    [
        (SCALE, 11), (SCALE, -1), (SCALE, 5.5), (SCALE, "5"), (SCALE, True), (SCALE, [5]), (CHOICE, "no such"),
        (CHOICE, 1), (CHOICE, ["part"]), (CHOICE, {}), (TEXT, "x" * 21), (TEXT, 7), (TEXT, ["x"]), (TEXT, False),
    ],
)  # fmt: skip
def test_wrong_answers(item: dict[str, object], value: object) -> None:
    with pytest.raises(WrongAnswer, match=str(item["id"])):
        checked(item, value)


def test_a_filled_form_reads_as_questions_and_answers() -> None:
    made = forms.filled(ASKED, {"use": 7, "else": " Kind words. "})
    assert made.answers == {"use": 7, "found": None, "else": "Kind words."}
    assert made.words == "Kind words."
    assert made.text.splitlines() == [
        "Was it of use? 7/10", "Did you find it? Skipped", "Anything else? Kind words.",
    ]  # fmt: skip
    assert shown_answer(CHOICE, "part") == "In part"


@pytest.mark.parametrize("answers", [None, [], "x", {"nobody": 1}, {"use": 7, "nobody": None}, {"use": 77}], ids=str)
def test_a_form_that_is_filled_wrongly(answers: object) -> None:
    with pytest.raises(WrongAnswer):
        forms.filled(ASKED, answers)


def test_everything_typed_is_screened_even_where_it_is_refused() -> None:
    assert forms.typed_in({"a": "one", "b": 3, "c": "two", "d": None}) == "one\ntwo"
    assert [forms.typed_in(odd) for odd in (None, [], "x", 7)] == ["", "", "", ""]
    assert (forms.named("form:survey"), forms.named("/life/sleep"), forms.named("chat:end")) == ("survey", "", "")


def test_a_client_that_does_not_know_questionnaires_shows_them_as_text() -> None:
    made = forms.questionnaire(load_forms()[SURVEY], load_wording())
    assert (made["kind"], made["form"], made["answer_id"]) == ("questionnaire", SURVEY, "form/survey")
    for item in made["items"]:
        assert item["text"] in made["fallback_text"]
        assert set(item) >= {"id", "kind", "text"}
    thanked = forms.thanks(SURVEY, load_clinics()["demo"], load_wording())
    # Whoever ends the chat because they would rather have a person is shown the way to one.
    assert thanked["kind"] == "notice" and [one["payload"] for one in thanked["buttons"]] == [bodies.PERSON]


def test_a_right_file_is_loaded(tmp_path: Path) -> None:
    form = load_forms(written(tmp_path))["short"]
    assert form.items[0].as_dict() == {
        "id": "use", "text": "Was it of use?", "kind": "scale", "low": "No", "high": "Yes", "min": 0, "max": 10,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"id": "other"}, "as the file is called"),
        ({"review": {"state": "fine"}}, "review"),
        ({"more": 1}, "nothing else"),
        ({"intro": ""}, "must not be empty"),
        ({"items": {"a": {"kind": "song"}}}, "kind must be one of"),
        ({"items": {"A b": {"kind": "text", "text": "x"}}}, "lower case"),
        ({"items": {"a": {"kind": "scale", "text": "x"}}}, "a scale has"),
        ({"items": {"a": {"kind": "scale", "text": "x", "low": "a", "high": "b", "min": 5, "max": 5}}}, "min and max"),
        ({"items": {"a": {"kind": "choice", "text": "x", "choices": {"a": "A"}}}}, "two or more"),
        ({"items": {"a": {"kind": "choice", "text": "x", "choices": {True: "A", False: "B"}}}}, "quotes"),
        ({"items": {"a": {"kind": "text", "text": "x", "max": LONGEST_TEXT + 1}}}, "max must be"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, changed: dict[str, object], says: str) -> None:
    with pytest.raises(ContentError, match=says) as error:
        load_forms(written(tmp_path, **changed))
    assert "short.yml" in str(error.value)


# What is kept, in words


def test_every_noted_value_has_words() -> None:
    words = load_kept_words()
    noted = {"body_part": "lower_back", "finding": "disc_bulge", "age": "52"}
    assert [(fact["key"], fact["shown"]) for fact in words.facts_in(noted)] == [
        ("body_part", "Lower back"), ("finding", words.findings["disc_bulge"]), ("age", "52"),
    ]  # fmt: skip
    assert words.facts_in({"age": "refused"})[0]["shown"] == words.refused
    assert words.facts_in({"age": None, "body_part": ""}) == []
    assert {fact["key"] for fact in words.facts_in(noted)} == set(FACTS)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [("age", 0, "0"), ("age", 120, "120"), ("age", "052", "52"), ("age", None, None), ("body_part", "knee", "knee")],
)
def test_values_that_a_fact_may_have(key: str, value: object, kept: str | None) -> None:
    assert load_kept_words().checked(key, value) == kept


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("age", -1), ("age", 121), ("age", "old"), ("age", True), ("age", 5.0), ("age", "١٢"), ("age", ""), ("age", []),
        ("body_part", "tail"), ("body_part", 7), ("finding", "nothing known"), ("finding", ["disc_bulge"]),
        ("contact_note", "x"), (None, "x"), ([], "x"), ({}, None),
    ],
)  # fmt: skip
def test_values_that_it_may_not_have(key: object, value: object) -> None:
    with pytest.raises(WrongFact):
        load_kept_words().checked(key, value)


def test_the_words_of_the_document_leave_no_gap() -> None:
    def texts(part: object) -> list[str]:
        if isinstance(part, dict):
            return [text for value in part.values() for text in texts(value)]
        return [str(part)]

    words = load_kept_words()
    filled = {"{clinic}", "{date}", "{seq}", "{revoked}"}
    for text in texts(dict(words.export)):
        assert "!" not in text
        for gap in [part.split("}")[0] for part in text.split("{")[1:]]:
            assert "{" + gap + "}" in filled or gap in PLACEHOLDERS, text


def test_no_form_has_a_date_or_a_number_to_call_of_its_own() -> None:
    for path in sorted((DATA / "forms").glob("*.yml")):
        assert not any(number in path.read_text() for number in ("999", "111", "116 123")), path
