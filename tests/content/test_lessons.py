"""Lessons as files: the loader names what to mend, the check finds each fault, and the real ones have none."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.content.checks.lessons import CONCEPTS, MARKS, lessons
from bot.content.files import DATA, ContentError
from bot.content.lessons import load_lessons, read_lesson
from tests.support.course import FOLDER
from tests.support.small_content import change


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with the small lessons, the real answers and pictures, and a course in which they stand."""
    made = tmp_path / "data"
    shutil.copytree(FOLDER, made / "lessons")
    for folder in ("responses", "visuals"):
        shutil.copytree(DATA / folder, made / folder)
    (made / "tutor").mkdir()
    shutil.copyfile(DATA / "tutor" / "course.yml", made / "tutor" / "course.yml")
    change(made / "tutor" / "course.yml", lambda file: file["when"].update(order=["alarm", "moving", "sleep_stress"]))
    change(made / "lessons" / "alarm.yml", lambda file: file.update(concepts=CONCEPTS))
    return made


def edit(data: Path, change_it: Callable[[dict[str, Any]], object]) -> str:
    """The faults after an edit of one lesson."""
    change(data / "lessons" / "alarm.yml", change_it)
    return "\n".join(map(str, lessons(data)))


def test_the_real_lessons_have_no_faults() -> None:
    assert [str(fault) for fault in lessons(DATA)] == []


def test_the_small_lessons_have_no_faults(data: Path) -> None:
    assert edit(data, lambda file: None) == ""


def test_a_folder_without_lessons_has_none(tmp_path: Path) -> None:
    assert list(lessons(tmp_path)) == []
    assert load_lessons(tmp_path) == {}


def first(file: dict[str, Any]) -> dict[str, Any]:
    return file["questions"][0]


@pytest.mark.parametrize(("change_it", "what"), [
    (lambda f: f.pop("idea"), "missing ['idea']"),
    (lambda f: f.update(extra=1), "unknown ['extra']"),
    (lambda f: f.update(id="other"), "id must be alarm"),
    (lambda f: f.update(review={}), "review: state"),
    (lambda f: f.update(text=""), "text must be text"),
    (lambda f: f.update(concepts=[3]), "concepts must be a list of words"),
    (lambda f: first(f).update(id="Alarm 1"), "is no id"),
    (lambda f: first(f)["options"][0].pop("feedback"), "KeyError: 'feedback'"),
    (lambda f: f.update(questions=3), "TypeError"),
    (lambda f: f["teach_back"]["points"][0].update(cues=[[True]]), "cues must be lists of words"),
])  # fmt: skip
def test_a_lesson_that_cannot_be_read_names_file_and_mend(data: Path, change_it, what: str) -> None:
    found = edit(data, change_it)
    assert what in found and "alarm.yml" in found
    with pytest.raises(ContentError, match=r"alarm\.yml"):
        read_lesson(data / "lessons" / "alarm.yml")


@pytest.mark.parametrize(("change_it", "what"), [
    (lambda f: f.update(title="t" * 41), "title has 41 characters"),
    (lambda f: f.update(title="Moving for tests"), "a title that 2 lessons have"),
    (lambda f: f.update(text="a\n\n" * 6), "text has 6 bubbles"),
    (lambda f: f.update(text="word " * 61 + "\n\nb"), "61 words in one bubble"),
    (lambda f: f.update(story="a\n\nb\n\nc"), "story has 3 bubbles"),
    (lambda f: f.update(idea="word " * 26), "idea has 26 words"),
    (lambda f: f.update(recall="word " * 26), "recall has 26 words"),
    (lambda f: f["metaphors"].pop("guard_dog"), "1 metaphors"),
    (lambda f: f["questions"].pop(), "1 questions"),
    (lambda f: first(f).update(id="moving_1"), "a question that 2 lessons have"),
    (lambda f: first(f)["options"].pop(1), "3 options or more"),
    (lambda f: first(f)["options"][0].pop("fits"), "exactly one option fits"),
    (lambda f: first(f)["options"][2].update(text="Maybe"), "no option to be unsure"),
    (lambda f: first(f)["options"][1].update(feedback="That is wrong."), "marks the person"),
    (lambda f: first(f)["options"][0].update(feedback="Well done."), "marks the person"),
    (lambda f: f["teach_back"]["points"][0].update(landed="Correct answer."), "marks the person"),
    (lambda f: f["teach_back"]["points"].pop(), "1 key points"),
    (lambda f: f["teach_back"]["points"][0].update(phrases=["a"]), "1 phrases"),
    (lambda f: f["teach_back"]["points"][0].update(missing="word " * 31), "missing has 31 words"),
    (lambda f: f.update(picture="none"), "picture none is not in data/visuals"),
    (lambda f: f.update(next=["pain/none"]), "next: pain/none"),
    (lambda f: f.update(matters=["money"]), "matters: money"),
    (lambda f: f.update(concepts=[]), "no concepts"),
    (lambda f: f.update(concepts=["C99", *CONCEPTS]), "concepts: C99"),
    (lambda f: f["concepts"].remove("C32"), "no lesson teaches this concept"),
])  # fmt: skip
def test_each_fault_is_found(data: Path, change_it, what: str) -> None:
    assert what in edit(data, change_it)


def test_the_order_names_all_lessons_and_no_others(data: Path) -> None:
    change(data / "tutor" / "course.yml", lambda file: file["when"].update(order=["alarm", "moving", "gone"]))
    assert {fault.id for fault in lessons(data)} == {"gone", "sleep_stress"}


def test_factors_are_those_of_the_alarm_map(data: Path) -> None:
    (data / "tutor" / "factors.yml").write_text("factors: {on_watch: {}, sleep: {}}\n")
    assert {fault.what for fault in lessons(data)} >= {"leads_from: guarding is not known"}


@pytest.mark.parametrize("text", ["Perfect. It rings.", "That's right, it rings.", "You are right.", "Good job."])
def test_praise_marks_too(text: str) -> None:
    assert MARKS.search(text)


@pytest.mark.parametrize("text", ["All right.", "A perfect repair is rare.", "A good night helps.", "A great deal."])
def test_ordinary_words_do_not(text: str) -> None:
    assert not MARKS.search(text)
