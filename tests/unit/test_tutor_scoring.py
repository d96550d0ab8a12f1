"""Scores of the measures: within their ranges, never from skipped answers, changes as the rules say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.content.tutor import load_lines
from bot.tutor import scoring
from bot.tutor.scoring import BETTER, SAME, WORSE, Change

RULES = load_lines("measures").rest["rules"]
scale = st.none() | st.integers(0, 10)
choice = st.none() | st.sampled_from(["0", "1", "2", "3"])


@given(st.fixed_dictionaries({item: scale for item in scoring.PEG_ITEMS}))
def test_peg_is_the_mean_of_all_three_or_nothing(answers: dict[str, int | None]) -> None:
    score = scoring.peg(answers)
    if None in answers.values():
        assert score is None
    else:
        assert score is not None and 0 <= score <= 10
        assert min(v for v in answers.values() if v is not None) <= score


@given(st.fixed_dictionaries({item: choice for item in (*scoring.PHQ2_ITEMS, *scoring.GAD2_ITEMS)}))
def test_the_sums_are_in_range_and_a_skipped_item_is_never_a_zero(answers: dict[str, str | None]) -> None:
    for items, score in ((scoring.PHQ2_ITEMS, scoring.phq2(answers)), (scoring.GAD2_ITEMS, scoring.gad2(answers))):
        skipped = any(answers[item] is None for item in items)
        assert (score is None) == skipped
        if score is not None:
            assert score == sum(int(answers[item] or "") for item in items) and 0 <= score <= 6


def test_golden_scores() -> None:
    assert scoring.peg({"peg_pain": 6, "peg_enjoyment": 7, "peg_activity": 6}) == 19 / 3
    assert scoring.shown(19 / 3) == "6.3" and scoring.shown(6.0) == "6" and scoring.shown(0) == "0"
    assert scoring.phq2({"phq_interest": "3", "phq_down": "0"}) == 3
    assert scoring.peg({}) is None and scoring.phq2({}) is None
    assert scoring.number(True) is None and scoring.number("four") is None


def peg(before: float, after: float) -> Change:
    return scoring.change_of_peg(before, after, RULES["peg"])


def test_peg_at_the_edges_of_its_rules() -> None:
    assert peg(10, 7) == Change(BETTER, True) and peg(10, 22 / 3) == Change(BETTER)
    assert peg(10 / 3, 7 / 3) == Change(BETTER, True)  # 30% exactly, in thirds
    assert peg(5, 6.5) == Change(WORSE, True) and peg(5, 19 / 3) == Change(WORSE)  # 30%; 26.7%
    assert peg(8, 10) == Change(WORSE, True) and peg(8, 29 / 3) == Change(WORSE)  # 2 points; less
    assert peg(0, 1) == Change(WORSE) and peg(0, 2) == Change(WORSE, True)  # there is no share of nothing
    assert peg(4, 4) == Change(SAME)


@given(st.integers(0, 30), st.integers(0, 30))
def test_the_direction_of_peg_is_that_of_the_numbers(was: int, now: int) -> None:
    change = peg(was / 3, now / 3)
    assert change.direction == (BETTER if now < was else WORSE if now > was else SAME)
    assert (scoring.shown(was / 3) == scoring.shown(now / 3)) == (change.direction == SAME)
    if change.enough:
        assert abs(now - was) * 10 >= 3 * was or now - was >= 6


@given(st.integers(0, 10), st.integers(0, 10))
def test_the_pain_scale_needs_two_points_or_a_share(was: int, now: int) -> None:
    change = scoring.change_of_nrs(was, now, RULES["pain_now"])
    assert change.enough == (now < was and (was - now >= 2 or 10 * (was - now) >= 3 * was))


@given(st.integers(0, 60), st.integers(0, 60))
def test_activities_count_in_sixths(was: int, now: int) -> None:
    change = scoring.change_of_activities(was / 6, now / 6, RULES["activities"])
    assert change.enough == (now - was >= 12)
    assert change.direction == (BETTER if now > was else WORSE if now < was else SAME)
