"""The reports page: who may see it, which quarters there are, its files, and what the audit says of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from bot.store import audit
from bot.store.reports import HIDDEN
from bot.store.session import Database
from tests.support.database import CLINIC, HandClock, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, at_inbox, open_page, quick, services
from tests.support.year import Year, fill

__all__ = ["at_inbox", "open_page", "quick", "services"]
PAGE = "/inbox/reports"


@pytest.fixture
def year(db: Database, clock: HandClock) -> Year:
    """A year of the clinic that is over, and one of another."""
    made = Year(people=300)
    fill(db, made)
    fill(db, Year(people=30, clinic=OTHER_CLINIC, seed=2, prefix="q"))
    clock.at = datetime(2030, 2, 14, 12, tzinfo=timezone.utc)
    return made


def written(db: Database, clinic: str = CLINIC) -> list[tuple[str, dict[str, Any]]]:
    with db.read() as session:
        return [(row.act, row.details) for row in audit.trail(session, clinic, clinic)]


@pytest.mark.parametrize("role", ["clinician", "triage", "admin", "auditor"])
def test_everybody_of_the_clinic_may_see_it(at_inbox: Any, year: Year, role: str) -> None:
    assert at_inbox("anna", role=role).get(PAGE).status_code == 200


def test_nobody_may_who_is_not_signed_in(open_page: Any, year: Year) -> None:
    for path in (PAGE, f"{PAGE}/download?quarter=2029-Q1&format=csv"):
        answer = open_page().get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/inbox/sign-in")


def test_the_newest_quarter_is_shown_and_any_can_be_chosen(at_inbox: Any, year: Year, db: Database) -> None:
    browser = at_inbox("anna")
    page = browser.get(PAGE).text
    assert 'value="2030-Q1" selected' in page and WORDS.text("report_so_far") in page
    page = browser.get(f"{PAGE}?quarter=2029-Q2").text
    assert 'value="2029-Q2" selected' in page and WORDS.text("report_so_far") not in page
    assert page.count("<option") == 5 and page.count("<caption>") > 8
    assert "zebracorn" not in page
    assert written(db) == [("report.viewed", {"quarter": "2030-Q1"}), ("report.viewed", {"quarter": "2029-Q2"})]


def test_the_files_have_the_page_s_figures(at_inbox: Any, year: Year, db: Database) -> None:
    browser = at_inbox("anna")
    answer = browser.get(f"{PAGE}/download?quarter=2029-Q3&format=json")
    found = json.loads(answer.text)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="pain-tutor-demo-2029-Q3.json"'
    assert found["clinic"] == CLINIC and found["escalations"]["rules"]["all"]["all"] not in (0, HIDDEN)
    answer = browser.get(f"{PAGE}/download?quarter=2029-Q3&format=csv")
    rows = {tuple(row[:3]): row[3] for row in csv.reader(io.StringIO(answer.text))}
    assert rows["escalations.ends", "all", "all"] == str(found["escalations"]["total"])
    assert answer.headers["cache-control"] == "no-store"
    assert written(db) == [
        ("report.downloaded", {"quarter": "2029-Q3", "format": "json"}),
        ("report.downloaded", {"quarter": "2029-Q3", "format": "csv"}),
    ]


@pytest.mark.parametrize("asked", ["2029-Q9", "2031-Q1", "nonsense", "2029-Q1' OR 1=1", "\N{PILE OF POO}"])
def test_a_quarter_that_is_none(at_inbox: Any, year: Year, db: Database, asked: str) -> None:
    browser = at_inbox("anna")
    for path in (PAGE, f"{PAGE}/download"):
        answer = browser.get(path, params={"quarter": asked, "format": "csv"})
        assert answer.status_code == 404 and WORDS.text("report_bad_quarter") in answer.text
    assert browser.get(f"{PAGE}/download?quarter=2029-Q1&format=exe").status_code == 404
    assert written(db) == []


def test_before_anybody_came(at_inbox: Any, db: Database) -> None:
    page = at_inbox("anna").get(PAGE)
    assert page.status_code == 200 and WORDS.text("report_none_title") in page.text
    assert "<option" not in page.text


def test_a_quarter_in_which_nothing_happened(at_inbox: Any, year: Year) -> None:
    page = at_inbox("anna").get(f"{PAGE}?quarter=2030-Q1").text
    # In London's zone the last people of the year came before midnight.
    assert WORDS.text("report_empty_title") in page or "<table" in page


def test_another_clinic_s_people_see_their_own(at_inbox: Any, year: Year, db: Database) -> None:
    mine = at_inbox("anna").get(f"{PAGE}/download?quarter=2029-Q2&format=json").json()
    theirs = at_inbox("otto", clinic_id=OTHER_CLINIC).get(f"{PAGE}/download?quarter=2029-Q2&format=json").json()
    assert (mine["clinic"], theirs["clinic"]) == (CLINIC, OTHER_CLINIC)
    raise_one(db, new_conversation(db, OTHER_CLINIC), clinic=OTHER_CLINIC)
    again = at_inbox("berta").get(f"{PAGE}/download?quarter=2029-Q2&format=json").json()
    assert again == mine
    assert [act for act, _ in written(db, OTHER_CLINIC)] == ["report.downloaded"]


def test_a_page_of_today_does_not_say_what_happened_since_sunday(
    at_inbox: Any, year: Year, db: Database, clock: HandClock
) -> None:
    """Else whoever opens it each day could take yesterday's figures from today's."""
    browser = at_inbox("anna")
    path = f"{PAGE}/download?quarter=2030-Q1&format=json"
    before = browser.get(path).json()
    for _ in range(7):
        raise_one(db, new_conversation(db))
    assert browser.get(path).json() == before
    clock.at = datetime(2030, 2, 18, 12, tzinfo=timezone.utc)
    assert at_inbox("berta").get(path).json()["escalations"]["total"] == 7
