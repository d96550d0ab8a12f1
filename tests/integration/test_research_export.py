"""The research export: a year of a thousand people, the right windows, and nothing by which anybody could be found."""

from __future__ import annotations

import csv
import json
import re
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from bot import research
from bot.cli import app
from bot.store import learning
from bot.store.conversations import ensure_conversation
from bot.store.models import Survey
from bot.store.session import Database
from bot.tutor import study
from bot.tutor.measures_history import CHANGE
from bot.tutor.measures_schedule import CORE
from bot.tutor.research import consent
from tests.support.database import HandClock, sqlite_database
from tests.support.study_year import FIRST, PLANTED, STUDY, WEEKS, Cohort, fill

ZONE = ZoneInfo("Europe/London")
SECRET = "s" * 40
# A year of a thousand people.
LONGEST_SECONDS = 60
# What four people answer long after the rest.
AFTERWARDS = ((CORE, {"peg_pain": 3, "peg_enjoyment": 3, "peg_activity": 3}), (CHANGE, {"pgic": "much_better"}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[int]], dict[str, list[study.Row]], Path]:
    folder = tmp_path_factory.mktemp("study")
    db = sqlite_database(folder, HandClock())
    expected = fill(db, Cohort())
    begun = time.perf_counter()
    export = research.collect(db, "demo", STUDY, ZONE, SECRET)
    research.write(folder / "out", export)
    took = time.perf_counter() - begun
    print(f"\nexport of a year of 1,000 people: {took:.1f} s")
    assert took < LONGEST_SECONDS
    return expected, export.tables, folder / "out"


def code(who: str) -> str:
    number = int(who[1:])
    return research.code(SECRET, "demo", f"patient-{number}" if number % 3 == 0 else who)


def test_who_agreed_and_did_not_take_it_back_is_in_it_and_nobody_else(made) -> None:
    expected, tables, _ = made
    assert {row["person"] for row in tables["people"]} == {code(who) for who in expected}
    for name in tables:
        assert {row["person"] for row in tables[name]} <= {code(who) for who in expected}, name


def test_each_score_has_its_week_its_due_week_and_whether_it_was_in_time(made) -> None:
    expected, tables, _ = made
    given: dict[str, list[tuple[int, int, str]]] = {}
    for row in tables["measures"]:
        if row["measure"] == "peg":
            given.setdefault(row["person"], []).append((row["week"], row["due_week"], row["in_window"]))
    for who, days in expected.items():
        found = sorted(given.get(code(who), []))
        due = []
        for day in days:
            since = day - days[0]  # a due week begins three days before its day; its window ends ten days after it
            week = max(one for one in (*WEEKS, 28, 32) if one * 7 - 3 <= since or one == 0)
            due.append((day // 7, week, "yes" if since <= week * 7 + 10 else "no"))
        assert found == sorted(due), who


def test_lessons_before_a_score_are_those_that_ended_before_it(made) -> None:
    _, tables, _ = made
    ended = {(row["person"], row["lesson"]): row["ended"] for row in tables["lessons"] if row["how"] == "finished"}
    for row in tables["measures"]:
        before = row["which_before"].split()
        assert len(before) == row["lessons_before"]
        assert all(ended[row["person"], lesson] <= row["week"] for lesson in before)


def test_no_name_phone_mail_or_date_is_in_any_file(made) -> None:
    _, _, folder = made
    texts = {path.name: path.read_text() for path in folder.iterdir()}
    assert {"people.csv", "measures.json", "codebook.json"} <= set(texts)
    for name, text in texts.items():
        for planted in PLANTED:
            assert planted not in text and planted.split()[0] not in text.replace("14", ""), (name, planted)
        if not name.startswith("codebook"):
            assert not re.search(r"\d{4}-\d\d-\d\d|@|patient-\d|\bc\d+\b", text), name


def test_columns_are_those_of_the_code_book_in_both_forms(made) -> None:
    _, tables, folder = made
    book = json.loads((folder / "codebook.json").read_text())
    for name, rows in tables.items():
        columns = list(book["tables"][name]["columns"])
        with (folder / f"{name}.csv").open() as file:
            read = list(csv.DictReader(file))
        assert list(read[0]) == columns and len(read) == len(rows)
        assert all(set(row) <= set(columns) for row in json.loads((folder / f"{name}.json").read_text())), name
        assert (folder / f"{name}.csv").stat().st_mode & 0o077 == 0


def test_the_same_person_has_the_same_code_again_and_another_secret_gives_another() -> None:
    assert research.code(SECRET, "demo", "a") == research.code(SECRET, "demo", "a")
    assert research.code("t" * 40, "demo", "a") != research.code(SECRET, "demo", "a") != research.code(SECRET, "b", "a")


def test_fewer_than_five_people_are_never_given(db: Database) -> None:
    fill(db, Cohort(people=5, agree=9))  # one of the five takes it back
    with pytest.raises(research.TooFew):
        research.collect(db, "demo", STUDY, ZONE, SECRET)


def test_what_fewer_than_five_have_is_left_out(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    rare = {"lesson": "real", "option": "rare", "fits": False, "at": "lesson"}
    with db.begin() as session:
        learning.record(session, "c1", [("belief", "M13", {"strength": 3, "point": "before"})])
        learning.record(session, "c2", [("factor", "work", {"kept": True, "words": ""}), ("returns", "", True)])
        for number in range(11, 15):
            finished = ("lesson", "sleep_stress", {"how": "finished"})
            learning.record(session, f"c{number}", [finished, ("answered", "real_1", rare)])
            at = FIRST + timedelta(days=2000)
            session.add_all(_survey(f"c{number}", form, answers, at) for form, answers in AFTERWARDS)
        for number in range(4, 9):  # enough people for the question, its first option and one impression
            learning.record(session, f"c{number}", [("answered", "real_1", rare | {"option": "a"})])
            session.add(_survey(f"c{number}", CHANGE, {"pgic": "no_change"}, FIRST + timedelta(days=2000)))
    tables = research.collect(db, "demo", STUDY, ZONE, SECRET).tables
    assert {row["belief"] for row in tables["beliefs"]} == {"M01"}
    assert {row["factor"] for row in tables["factors"]} == {"sleep"}
    assert "rare" not in {row["option"] for row in tables["answers"]}
    assert "a" in {row["option"] for row in tables["answers"] if row["question"] == "real_1"}
    assert {row["value"] for row in tables["measures"] if row["measure"] == "pgic"} == {"no_change"}
    assert {row["returns"] for row in tables["people"]} == {None}
    assert "sleep_stress" not in json.dumps(tables)
    assert all(len(row["which_before"].split()) == row["lessons_before"] for row in tables["measures"])
    assert max(row["week"] for row in tables["measures"]) > 200  # there are scores after that lesson


def test_how_many_lessons_are_left_out_is_told_for_the_whole_alone(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    before = research.collect(db, "demo", STUDY, ZONE, SECRET)
    with db.begin() as session:
        learning.record(session, "c1", [("lesson", "sleep_stress", {"how": "finished"})])
    after = research.collect(db, "demo", STUDY, ZONE, SECRET)
    assert after.lessons_left_out == before.lessons_left_out + 1
    lessons = [[row["lessons"] for row in one.tables["people"]] for one in (before, after)]
    assert lessons[0] == lessons[1]


def test_a_consent_to_another_study_or_to_other_words_counts_for_nothing(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    with pytest.raises(research.TooFew):
        research.collect(db, "demo", "A study that came later.", ZONE, SECRET)


def test_what_was_done_before_the_consent_or_in_a_break_is_in_no_table(db: Database) -> None:
    fill(db, Cohort(people=100, agree=9))
    tables = research.collect(db, "demo", STUDY, ZONE, SECRET).tables
    late, broke = ({code(f"c{number}") for number in range(which, 100, 10)} for which in (1, 2))
    assert not late & {row["person"] for row in tables["factors"]}  # kept on the first day, agreed on the fifth
    assert {row["point"] for row in tables["beliefs"] if row["person"] in late} == {"day7"}
    assert {row["point"] for row in tables["beliefs"] if row["person"] in broke} == {"before", "after"}
    assert not [row for row in tables["lessons"] if row["person"] in broke and 7 <= 7 * row["week"] < 35]



def test_another_clinics_people_are_not_in_it(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    with db.begin() as session:
        ensure_conversation(session, "theirs", clinic="portal")
        learning.record(session, "theirs", [("research", consent(STUDY), True)])
    tables = research.collect(db, "demo", STUDY, ZONE, SECRET).tables
    assert research.code(SECRET, "demo", "theirs") not in {row["person"] for row in tables["people"]}


def test_the_command_says_why_there_is_no_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNE_DATABASE_URL", f"sqlite:///{tmp_path}/pne.db")
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    sqlite_database(tmp_path, HandClock())
    for clinic, why in (("portal", "names no study"), ("demo", "Too few people")):
        result = CliRunner().invoke(app, ["export", "research", str(tmp_path / "out"), "--clinic", clinic])
        assert result.exit_code == 1 and why in result.output
    assert not (tmp_path / "out").exists()


def _survey(who: str, form: str, answers: dict[str, Any], at: datetime) -> Survey:
    seq = 100 if form == CORE else 101
    return Survey(conversation_id=who, seq=seq, form=form, at=at, answers=answers, answer_ids=[])
