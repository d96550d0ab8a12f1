"""Clinics and their numbers: the demo clinic is complete, and none may go without a number that safety needs."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import safety
from bot.content.clinic_numbers import read_own
from bot.content.clinics import KNOWN, NEEDED, Clinic, load_clinics, make_clinic
from bot.content.files import DATA, ContentError, read_yaml
from tests.support.small_content import change, small_content, write

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


def test_a_channel_that_the_file_turns_on_is_on(data: Path) -> None:
    """YAML takes the key `on` for the value true: a webhook that was on in the file was silently off."""
    path = data / "clinics" / "demo.yml"
    off, on = "webhook: {on: false}", "webhook: {on: true, url: https://clinic.example/hook, secrets: [PNE_HOOK]}"
    text = (DATA / "clinics" / "demo.yml").read_text().replace(off, on)
    path.write_text(text)
    demo = load_clinics(data)["demo"]
    assert demo.chain.channels == ("email", "webhook")
    assert demo.about["channels"]["webhook"]["on"] is True
    path.write_text(text.replace("email: {on: true}", "email: {on: false}"))
    with pytest.raises(ContentError, match=r"channels\.email is off"):
        make_clinic(read_yaml(path), "demo.yml", data)


WRONG = [
    ("", "text", "an id"),
    ("id", ..., "an id"),
    ("id", "Demo Clinic", "an id"),
    ("id", 3, None),
    ("name", ..., "name"),
    ("name", "", "name"),
    ("name", "x" * 81, "name"),
    ("name", "{clinic_phone}", "name"),
    ("name", ["x"], "name"),
    ("country", ..., "country"),
    ("country", ["GB"], "country"),
    ("email", "nobody", "email"),
    ("email", ..., "email"),
    ("phone", ..., "phone"),
    ("phone", "", "phone"),
    ("phone", 2079460101, "phone"),
    ("phone", "call us", "phone"),
    ("time_zone", ..., "time_zone"),
    ("hours", ..., "hours"),
    ("hours", {}, "hours"),
    ("closed_on", "never", "closed_on"),
    ("handoff", ..., "contacts"),
    ("handoff", [], "contacts"),
    ("handoff", "team", "handoff"),
    ("channels", "email", "channels"),
    ("embedding", [], None),
    ("embedding", "x", "embedding"),
    ("embedding", {"origins": "https://x.example"}, "embedding.origins"),
    ("embedding", {"origins": ["https://x.example/path"]}, "embedding.origins"),
    ("identity", "x", "identity"),
    ("identity", {"issuer": "x"}, "identity"),
    ("identity", {"issuer": "x", "audience": "y", "algorithms": 3}, "identity"),
    ("identity", {"issuer": "x", "audience": "y", "algorithms": ["none"]}, "identity"),
    ("languages", [], "languages"),
    ("languages", "en", "languages"),
    ("languages", [3], "languages"),
    ("retention", {"conversation_days": 0}, "retention"),
    ("retention", {"conversation_days": "365"}, "retention"),
    ("retention", {"conversation_days": True}, "retention"),
    ("retention", {"days": 3}, "retention"),
    ("retention", 365, "retention"),
    ("safety_cards", {"es": "text"}, "safety_cards.es"),
    ("safety_cards", {"es": {"text": "x"}}, "safety_cards.es"),
    ("safety_cards", [1], "safety_cards"),
    ("colours", {"accent": "teal"}, "colours"),
    ("colours", {"accent": "#ffee00"}, "too light"),
    ("colours", ["#000000"], "colours"),
    ("logo", "nothing.png", "logo"),
    ("logo", {"png": 3}, "logo"),
    ("numbers", ["111"], "numbers"),
    ("numbers", {"urgent": []}, "numbers.urgent"),
    ("numbers", {"emergency": None}, "numbers.emergency"),
    ("numbers", {"everything": [{"label": "1"}]}, "'everything' is none of"),
    ("numbers", {"urgent": [{"label": "", "tel": "111"}]}, "numbers.urgent"),
    ("numbers", {"urgent": [{"label": "NHS 112", "tel": "111"}]}, "must have the number 111"),
    ("numbers", {"urgent": [{"label": "111", "tel": 111}]}, "numbers.urgent"),
    ("numbers", {"urgent": [{"label": "call 1;2", "tel": "1;2"}]}, "no telephone number"),
    ("numbers", {"urgent": [{"label": "page", "url": "javascript:alert(1)"}]}, "https"),
    ("numbers", {"urgent": [{"label": "111", "tel": "111", "what": "x"}]}, "numbers.urgent"),
    ("phones", "111", "'phones' is no part of a clinic"),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG)
def test_what_is_wrong_in_a_file_is_refused_with_a_sentence(data: Path, key: str, value: Any, said: str) -> None:
    def edit(file: dict[str, Any]) -> None:
        if value is ...:
            del file[key]
        else:
            file[key] = value

    path = data / "clinics" / "demo.yml"
    if key:
        change(path, edit)
    else:
        write(path, value)
    if said is None:
        with contextlib.suppress(ContentError):
            load_clinics(data)
        return
    with pytest.raises(ContentError, match=re.escape(said)) as refused:
        load_clinics(data)
    assert "demo.yml: " in str(refused.value) and str(refused.value).endswith(".")


@given(
    key=st.sampled_from(sorted(KNOWN)),
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["en", "on", "text", "to", "chain", "contacts", "origins", "urgent", "monday", "accent"]),
            inner,
            max_size=3,
        ),
        max_leaves=8,
    ),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_no_document_at_all_gets_past_with_anything_but_a_sentence(key: str, value: Any) -> None:
    about = {**load_clinics()["demo"].about, key: value}
    with contextlib.suppress(ContentError):
        make_clinic(about, "the file")


def test_two_clinics_may_not_have_one_id(data: Path) -> None:
    """Somebody who copies a file and forgets the id must not replace the first clinic by the second."""
    shutil.copyfile(data / "clinics" / "demo.yml", data / "clinics" / "another.yml")
    with pytest.raises(ContentError, match="the id 'demo' is another clinic's already"):
        load_clinics(data)


def test_a_clinics_own_lines_take_the_place_of_its_countrys(data: Path) -> None:
    own = {"urgent": [{"label": "our nurse line on 020 7946 0199", "tel": "020 7946 0199"}]}
    change(data / "clinics" / "demo.yml", lambda file: file.update(numbers=own))
    demo = load_clinics(data)["demo"]
    assert demo.numbers["urgent_line"] == "our nurse line on 020 7946 0199"
    assert demo.calls["urgent"] == own["urgent"] and demo.numbers["emergency_number"] == "999"
    assert demo.page_numbers()["urgent"]["tel"] == "020 7946 0199"


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_line_of_every_country_shows_the_number_that_it_calls(country: str) -> None:
    for use, lines in COUNTRIES[country].items():
        if use != "checked":
            read_own({use: lines}, frozenset({use}))


def test_both_demo_clinics_are_there() -> None:
    assert {"demo", "portal"} <= set(load_clinics())
