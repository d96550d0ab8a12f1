"""Clinics and their numbers: the demo clinic is complete, and none may go without a number that safety needs."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bot import safety
from bot.content.clinics import NEEDED, Clinic, load_clinics
from bot.content.files import DATA, ContentError, read_yaml
from tests.support.small_content import change, small_content

COUNTRIES = read_yaml(DATA / "numbers.yml")
DAYS = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_content(tmp_path)


@pytest.fixture(scope="module")
def demo() -> Clinic:
    return load_clinics()["demo"]


def test_the_demo_clinic_is_complete(demo: Clinic) -> None:
    assert demo.name and demo.country in COUNTRIES
    assert "@" in demo.email and demo.email.endswith(".org")
    assert ZoneInfo(demo.about["time_zone"])
    assert set(demo.about["hours"]) == DAYS
    for spans in demo.about["hours"].values():
        assert all(opens < closes for opens, closes in spans)
    assert all(isinstance(day, str) for day in demo.about["closed_on"])
    assert demo.about["review"]["state"] == "pending"


def test_the_demo_clinic_fills_every_placeholder_of_the_safety_words(demo: Clinic) -> None:
    for category in safety.load_rules().categories:
        for tier in category.words:
            assert "{" not in "".join(safety.words_for(category.id, tier, demo.numbers).bubbles)
            assert "{" not in "".join(safety.words_for(category.id, tier, demo.numbers, helper=True).bubbles)
        safety.question_for(category.id, demo.numbers)


def test_the_page_gets_its_numbers_and_nothing_private(demo: Clinic) -> None:
    public = demo.public()
    assert public["numbers"]["emergency"]["label"] == "999"
    assert public["numbers"]["crisis"][0]["label"] == "Samaritans on 116 123"
    assert demo.email not in str(public)


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_country_has_what_safety_needs(country: str) -> None:
    entry = COUNTRIES[country]
    assert isinstance(entry["checked"], str)
    for use in NEEDED:
        assert entry[use], use
    for use, lines in entry.items():
        for line in lines if use != "checked" else ():
            assert line["label"] and line["mark"] in ("V", "K"), (country, use)
            assert all(isinstance(value, str) for value in line.values()), (country, use)
            assert set(line) <= {"label", "mark", "tel", "sms", "body", "url"}, (country, use)


@pytest.mark.parametrize("use", NEEDED)
@pytest.mark.parametrize("nothing", [None, []])
def test_a_country_without_a_needed_line_is_refused(data: Path, use: str, nothing: object) -> None:
    change(data / "numbers.yml", lambda file: file["GB"].update({use: nothing}))
    with pytest.raises(ContentError, match=rf"no {use} number for country GB\. Add it to data/numbers\.yml"):
        load_clinics(data)


def test_a_country_that_is_not_listed_is_refused(data: Path) -> None:
    change(data / "clinics" / "demo.yml", lambda file: file.update(country="XX"))
    with pytest.raises(ContentError, match=r"country 'XX' is not in data/numbers\.yml"):
        load_clinics(data)


@pytest.mark.parametrize("address", [None, "", "http://weather.invalid", "javascript:alert(1)", 3])
def test_a_clinic_needs_a_safe_page_to_leave_for(data: Path, address: object) -> None:
    change(data / "clinics" / "demo.yml", lambda file: file.update(exit_url=address))
    with pytest.raises(ContentError, match=r"demo\.yml: exit_url must be the https:// address of a neutral page"):
        load_clinics(data)
    assert load_clinics()["demo"].exit_url == "https://www.bbc.co.uk/weather"


def test_lines_that_a_country_lacks_fall_back_to_those_it_has(data: Path) -> None:
    change(data / "numbers.yml", lambda file: file["GB"].update(urgent=[{"label": "111"}], crisis=[{"label": "116"}]))
    numbers = load_clinics(data)["demo"].numbers
    assert (numbers["poison_line"], numbers["abuse_line"]) == ("111", "116")
    assert numbers["emergency_number"] == "999"
