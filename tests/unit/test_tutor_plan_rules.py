"""The rules of a plan: every report has one decision, stop signs win, nothing but progress raises anything."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.checks.answers import HARDEST_GRADE, plain
from bot.content.checks.language import wrong_words
from bot.content.files import ContentError
from bot.content.plan_rules import CHANGES, EASE, HOLD, PROGRESS, START, STOP, load_plan_rules
from bot.content.readability import flesch_kincaid
from bot.settings import ROOT
from bot.tutor import plan_rules as engine
from bot.tutor.plan_rules import Level, applied, decide, facts_of, start_dose, start_step, stop_level, wants_person

RULES = load_plan_rules()
GOOD = {"stop": "none", "did": "yes", "settled": "yes", "before": 4, "after": 5, "worry": 2}
LEVEL = Level(step=1, steps=5, dose=10, start=6, aim=30)

reports = st.fixed_dictionaries({
    "stop": st.sampled_from(RULES.fields["stop"]),
    "did": st.sampled_from(["yes", "part", "no", None]),
    "settled": st.sampled_from(["yes", "not_yet", "no", None]),
    "before": st.one_of(st.none(), st.integers(0, 10)),
    "after": st.one_of(st.none(), st.integers(0, 10)),
    "worry": st.one_of(st.none(), st.integers(0, 10)),
})  # fmt: skip
moments = st.sampled_from(RULES.fields["moment"])


@st.composite
def levels(draw: st.DrawFn) -> Level:
    aim = draw(st.integers(1, 60))
    start = draw(st.integers(1, aim))
    dose = draw(st.integers(1, aim))
    steps = draw(st.integers(1, 7))
    before = draw(st.one_of(st.none(), st.integers(dose, aim)))
    return Level(draw(st.integers(0, steps - 1)), steps, dose, start, aim, draw(st.integers(0, 3)), 0, before)


def row_for(report: dict[str, object], level: Level = LEVEL, moment: str = "did", days: int = 8):
    return decide(RULES, facts_of(RULES, level, report, moment=moment, days=days))


def test_every_combination_has_one_decision_and_no_row_is_dead() -> None:
    seen: dict[str, int] = {}
    progress = {"stop": "none", "did": "yes", "settled": "yes", "pain": "little", "moment": "did"}
    for values in itertools.product(*RULES.fields.values()):
        facts = dict(zip(RULES.fields, values, strict=True))
        rule = decide(RULES, facts)
        seen[rule.id] = seen.get(rule.id, 0) + 1
        assert rule.decide in CHANGES
        if facts["stop"] in ("emergency", "today"):
            assert rule.decide == STOP
        else:
            assert rule.decide != STOP
        if rule.decide == PROGRESS:
            assert {key: facts[key] for key in progress} == progress and facts["worry"] in ("low", "middle")
            assert "missing" not in values
        elif "missing" in (facts["stop"], facts["did"], facts["settled"], facts["pain"], facts["worry"]):
            assert rule.decide in (HOLD, EASE, STOP, START)
    assert set(seen) == {row.id for row in RULES.rows}


def test_the_fields_of_a_report_are_fields_of_the_table() -> None:
    facts = facts_of(RULES, LEVEL, GOOD)
    assert set(facts) == set(RULES.fields) and all(value in RULES.fields[key] for key, value in facts.items())


@given(levels(), reports, moments, st.integers(0, 40))
def test_a_sign_always_stops_and_changes_nothing(level: Level, report: dict, moment: str, days: int) -> None:
    facts = facts_of(RULES, level, report, moment=moment, days=days)
    rule = decide(RULES, facts)
    if report["stop"] in ("emergency", "today"):
        assert rule.decide == STOP and applied(RULES, rule, level) == level


@given(levels(), reports, moments, st.integers(0, 40))
def test_one_decision_moves_no_further_than_the_table_allows(
    level: Level, report: dict, moment: str, days: int
) -> None:
    rule = row_for(report, level, moment, days)
    after = applied(RULES, rule, level)
    assert 0 <= after.step < after.steps and 1 <= after.dose <= level.aim
    if rule.decide != PROGRESS:
        assert after.dose <= level.dose and after.step <= level.step
        return
    assert level.before is not None or days >= RULES.limits["wait_days"]
    rise, climbed = after.dose - level.dose, after.step - level.step
    assert climbed in (0, 1) and not (climbed and rise > 0)
    allowed = level.dose * RULES.limits["raise_percent"] // 100
    if rule.change == "back_up":
        assert level.before is not None and after.dose <= level.before
        allowed = level.before * RULES.limits["back_percent"] // 100
    assert rise <= max(1, allowed)


@settings(max_examples=200)
@given(levels(), st.lists(st.tuples(moments, reports, st.integers(0, 20)), max_size=60))
def test_over_any_course_of_reports(level: Level, told: list) -> None:
    """Never above the aim, and never up without an answer; two eases without a rise between bring a person."""
    eases = 0
    for moment, report, days in told:
        rule = row_for(report, level, moment, days)
        after = applied(RULES, rule, level)
        assert 1 <= after.dose <= level.aim and 0 <= after.step < level.steps
        if after.dose > level.dose or after.step > level.step:
            assert rule.decide == PROGRESS and report["stop"] == "none"
            assert None not in (report["did"], report["settled"], report["worry"], report["before"], report["after"])
        eases = 0 if rule.decide == PROGRESS else eases + (rule.decide == EASE)
        assert wants_person(RULES, rule, after) == (rule.decide == EASE and eases >= 2)
        level = after


@pytest.mark.parametrize(
    ("change", "row"),
    [
        ({}, "more"),
        ({"did": "part"}, "part"),
        ({"did": "no"}, "missed"),
        ({"did": "no", "worry": 9}, "too_worrying"),
        ({"settled": "not_yet"}, "wait"),
        ({"settled": "no"}, "not_settled"),
        ({"settled": None}, "not_told"),
        ({"worry": None}, "not_told"),
        ({"stop": "missing"}, "not_told"),
        ({"after": 6}, "more_pain"),
        ({"worry": 7}, "worry_high"),
        ({"stop": "today", "settled": "no"}, "stop_today"),
        ({"stop": "emergency", "did": None}, "stop_emergency"),
    ],
)
def test_what_is_decided(change: dict[str, object], row: str) -> None:
    assert row_for({**GOOD, **change}).id == row


def test_an_amount_stays_for_a_week_and_a_day_holds_one_change() -> None:
    assert row_for(GOOD, days=0).id == "same_day" and row_for(GOOD, days=6).id == "soon"
    assert row_for(GOOD, days=7).id == "more"


def test_a_ladder_is_climbed_one_step_after_two_rises() -> None:
    level, way = Level(0, 3, 6, 6, 60), []
    for _ in range(9):
        rule = row_for(GOOD, level)
        level = applied(RULES, rule, level)
        way.append((level.step, level.dose))
    assert way == [(0, 7), (0, 8), (1, 6), (1, 7), (1, 8), (2, 6), (2, 7), (2, 8), (2, 9)]


def test_at_the_aim_of_the_last_step_it_stays() -> None:
    assert row_for(GOOD, Level(4, 5, 30, 6, 30)).id == "there"
    assert row_for({**GOOD, "worry": 5}, Level(1, 5, 30, 6, 30)).id == "worry_first"
    assert row_for(GOOD, Level(1, 5, 30, 6, 30)).id == "next_step_at_aim"


def test_a_flare_halves_once_and_goes_back_in_quarters() -> None:
    rule = row_for({}, LEVEL, "flare_day")
    level = applied(RULES, rule, LEVEL)
    assert (level.dose, level.before) == (5, 10)
    assert applied(RULES, rule, level).dose == 5
    doses = []
    while level.before is not None:
        back = row_for(GOOD, level, days=1)
        assert back.id == "back_up"
        level = applied(RULES, back, level)
        doses.append(level.dose)
    assert doses == [7, 9, 10]


def test_from_the_smallest_amount_it_is_the_step_before() -> None:
    easier = row_for({}, LEVEL, "easier")
    assert applied(RULES, easier, replace(LEVEL, dose=1)).step == 0
    assert applied(RULES, easier, replace(LEVEL, dose=1, step=0)) == replace(LEVEL, dose=1, step=0, eases=1)


def test_where_a_plan_begins() -> None:
    assert start_dose(RULES, 8, 30) == 6 and start_dose(RULES, 0, 30) == 1 and start_dose(RULES, 20, 10) == 10
    assert start_step(RULES, [0, 3, 4, 2]) == 1 and start_step(RULES, [8, 1]) == 0
    assert start_step(RULES, [None, 0]) == 0 and start_step(RULES, [1, 1, 1]) == 2


def test_signs_and_their_levels() -> None:
    assert stop_level(RULES, ["fever", "saddle"], False) == "emergency"
    assert stop_level(RULES, ["fever"], True) == "today"
    assert stop_level(RULES, [], True) == "none" and stop_level(RULES, [], False) == "missing"


def test_the_reasons_are_as_plain_as_the_rest() -> None:
    for row in RULES.rows:
        assert row.sources
        for text in (row.say, row.because):
            assert len(text.split()) <= 60 and not list(wrong_words(text)), row.id
            assert len(text.split()) < 12 or flesch_kincaid(plain(text)) <= HARDEST_GRADE, (row.id, text)


def test_the_page_shows_the_same_table() -> None:
    page = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8")
    for row in RULES.rows:
        when = ", ".join(f"{key}: {' or '.join(allowed)}" for key, allowed in row.when.items()) or "anything else"
        assert f"| {row.id} | {when} | {row.decide} | {row.change} | {row.because} |" in page, row.id
    for key, value in RULES.limits.items():
        assert f"| {key} | {value} | {RULES.limits_say[key]} |" in page, key
    for sign in RULES.signs:
        assert f"| {sign.text} | {sign.level} |" in page, sign.id
    assert len(page.splitlines()) <= 80


def test_a_wrong_table_says_what_is_wrong(tmp_path) -> None:
    good = (ROOT / "data" / "tutor" / "plan_rules.yml").read_text(encoding="utf-8")
    (tmp_path / "tutor").mkdir()
    for there, instead, told in (
        ("change: less", "change: more", "may not do"),
        ("when: {}", "when: {did: missing}", "last row"),
        ("{did: part}", "{did: half}", "not under fields"),
        ("level: today", "level: later", "level"),
        ("value: 75", "value: lots", "whole number"),
        ("id: missed", "id: wait", "once"),
        ("  - id: part\n", "  - id: part\n    more: x\n", "nothing else"),
        ("\nrows:", "\nlines:", "write review"),
        ('["yes", part, "no", missing]', "[yes, part, no, missing]", "in quotes"),
    ):
        load_plan_rules.cache_clear()
        assert there in good
        (tmp_path / "tutor" / "plan_rules.yml").write_text(good.replace(there, instead, 1), encoding="utf-8")
        with pytest.raises(ContentError, match=told):
            load_plan_rules(tmp_path)
    load_plan_rules.cache_clear()


def test_the_engine_knows_every_change_of_the_table() -> None:
    assert {change for changes in CHANGES.values() for change in changes} == set(engine._CHANGE)
