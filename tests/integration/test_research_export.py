"""The research export: a year of a thousand people, the right windows, and nothing by which anybody could be found."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot import research
from bot.store import learning
from bot.store.conversations import ensure_conversation
from bot.store.session import Database
from bot.tutor import study
from tests.support.database import HandClock, sqlite_database
from tests.support.study_year import PLANTED, WEEKS, Cohort, fill

ZONE = ZoneInfo("Europe/London")
SECRET = "s" * 40


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, list[int]], dict[str, list[study.Row]], Path]:
    folder = tmp_path_factory.mktemp("study")
    db = sqlite_database(folder, HandClock())
    expected = fill(db, Cohort())
    tables = research.collect(db, "demo", ZONE, SECRET)
    research.write(folder / "out", tables)
    return expected, tables, folder / "out"


def code(who: str) -> str:
    number = int(who[1:])
    return research.code(SECRET, "demo", f"patient-{number}" if number % 3 == 0 else who)


def test_who_agreed_and_did_not_take_it_back_is_in_it_and_nobody_else(made) -> None:
    expected, tables, _ = made
    assert {row["person"] for row in tables["people"]} == {code(who) for who in expected}
    for name in tables:
        assert {row["person"] for row in tables[name]} <= {code(who) for who in expected}, name


def test_each_score_has_its_day_and_its_due_week(made) -> None:
    expected, tables, _ = made
    given: dict[str, list[tuple[int, int, str]]] = {}
    for row in tables["measures"]:
        if row["measure"] == "peg":
            given.setdefault(row["person"], []).append((row["day"], row["week"], row["in_window"]))
    for who, days in expected.items():
        found = sorted(given.get(code(who), []))
        assert [day for day, _, _ in found] == days
        for day, week, in_window in found:
            since = day - days[0]  # a due week begins three days before its day; its window ends ten days after it
            due = max(one for one in (*WEEKS, 28, 32) if one * 7 - 3 <= since or one == 0)
            assert (week, in_window) == (due, "yes" if since <= due * 7 + 10 else "no"), (who, day)


def test_lessons_before_a_score_are_those_that_ended_before_it(made) -> None:
    _, tables, _ = made
    ended = {(row["person"], row["lesson"]): row["ended"] for row in tables["lessons"] if row["how"] == "finished"}
    for row in tables["measures"]:
        before = row["which_before"].split()
        assert len(before) == row["lessons_before"]
        assert all(ended[row["person"], lesson] <= row["day"] for lesson in before)


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
        research.collect(db, "demo", ZONE, SECRET)


def test_what_fewer_than_five_have_is_left_out(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    with db.begin() as session:
        learning.record(session, "c1", [("belief", "M13", {"strength": 3, "point": "before"})])
        learning.record(session, "c2", [("factor", "work", {"kept": True, "words": ""})])
    tables = research.collect(db, "demo", ZONE, SECRET)
    assert {row["belief"] for row in tables["beliefs"]} == {"M01"}
    assert {row["factor"] for row in tables["factors"]} == {"sleep"}


def test_another_clinics_people_are_not_in_it(db: Database) -> None:
    fill(db, Cohort(people=20, agree=9))
    with db.begin() as session:
        ensure_conversation(session, "theirs", clinic="portal")
        learning.record(session, "theirs", [("research", "v", True)])
    tables = research.collect(db, "demo", ZONE, SECRET)
    assert research.code(SECRET, "demo", "theirs") not in {row["person"] for row in tables["people"]}
