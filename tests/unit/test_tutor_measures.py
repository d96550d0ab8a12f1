"""The measures: when they are offered, what is said of a change, what worsening and low mood set off."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.forms import load_forms
from bot.content.tutor import load_lines
from bot.tutor import measures, scoring
from bot.tutor.journal import FORM, Entry, Journal
from bot.tutor.measures_schedule import ASK, CORE, OFFER, due_point, read_schedule
from bot.tutor.saying import CHECK, QUESTIONNAIRE, VISUAL, Moment, Outcome

START = datetime(2027, 3, 1, 9, tzinfo=timezone.utc)
LINES = load_lines("measures")
SCHEDULE = read_schedule(LINES.rest["schedule"])
LESSON = Entry("lesson", "real", {"how": "finished"}, START)


def core(*peg: int | None, **more: Any) -> dict[str, Any]:
    return {item.id: None for item in load_forms()[CORE].items} | dict(zip(scoring.PEG_ITEMS, peg, strict=False)) | more


def on(day: float, *entries: Entry, **more: Any) -> Moment:
    return Moment(START + timedelta(days=day), Journal(entries), **more)


def gave(day: float, answers: dict[str, Any], form: str = CORE) -> Entry:
    return Entry(FORM, form, answers, START + timedelta(days=day))


def payloads(outcome: Outcome) -> list[str]:
    return [one.payload for say in outcome.says for one in say.buttons]


def ids(outcome: Outcome) -> list[str]:
    return [say.id for say in outcome.says]


def test_the_first_page_asks_nothing_and_says_what_it_is_for() -> None:
    found = measures.open(on(0))
    assert ids(found) == ["measures/first"] and not found.notes
    assert payloads(found) == ["tutor:measures:fill"]


def test_all_forms_are_there_with_the_exact_items() -> None:
    forms = load_forms()
    assert [item.id for item in forms[CORE].items][:3] == list(scoring.PEG_ITEMS)
    peg = forms[CORE].items[0]
    assert peg.text == "What number best describes your pain on average in the past week?"
    assert (peg.low, peg.high) == ("No pain", "Pain as bad as you can imagine")
    mood = {item.id: item for item in forms["tutor_measures_mood"].items}
    assert set(mood) == {*scoring.PHQ2_ITEMS, *scoring.GAD2_ITEMS}
    assert all(list(item.choices or {}) == ["0", "1", "2", "3"] for item in mood.values())
    quiz = forms["tutor_measures_quiz"].items
    assert len(quiz) == 10 and {item.id for item in quiz} == set(LINES.rest["quiz"])
    assert len((forms["tutor_measures_change"].items[0]).choices or {}) == 7


def test_it_is_offered_after_the_first_lesson_once() -> None:
    assert measures.due(on(0)) is None
    found = measures.due(on(1, LESSON))
    assert found is not None and ids(found) == ["measures/due_first"]
    assert [(one.kind, one.key, one.value) for one in found.notes] == [(OFFER, "week_0", {"how": "offered"})]
    assert measures.due(on(30, LESSON, *found.notes)) is None


@pytest.mark.parametrize(
    ("day", "point", "say"),
    [
        (10, None, ""), (11, "week_2", "due"), (24, "week_2", "due"), (25, "week_2", "due_late"),
        (39, "week_6", "due"), (60, "week_6", "due_late"), (81, "week_12", "due"), (109, "week_16", "due"),
        (400, "week_56", "due"),
    ],
)  # fmt: skip
def test_the_latest_due_time_alone_is_offered(day: int, point: str | None, say: str) -> None:
    found = measures.due(on(day, gave(0, core(5, 5, 5))))
    if point is None:
        assert found is None
    else:
        assert found is not None and [one.key for one in found.notes] == [point]
        assert ids(found) == [f"measures/{say}"]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 20), st.sampled_from(["fill", "later", "ignore", "skip"])), max_size=30))
def test_no_due_time_is_ever_offered_twice(returns: list[tuple[int, str]]) -> None:
    journal, day, offered = Journal((gave(0, core(4, 4, 4)),)), 0, []
    for gap, what in returns:
        day += gap
        moment = Moment(START + timedelta(days=day), journal)
        found = measures.due(moment)
        if found is None:
            continue
        offered.append(found.notes[0].key)
        journal = journal.with_(found.notes, moment.now)
        if what == "fill":
            journal = journal.with_([Entry(FORM, CORE, core(4, 4, 4))], moment.now)
        elif what == "skip":
            journal = journal.with_([Entry(FORM, CORE, core())], moment.now)
        elif what == "later":
            later = measures.press(moment, "later", [offered[-1]])
            assert later is not None
            journal = journal.with_(later.notes, moment.now)
    assert len(offered) == len(set(offered))
    assert offered == sorted(offered, key=lambda point: int(point.removeprefix("week_")))


def test_what_was_answered_in_its_window_is_not_offered() -> None:
    assert measures.due(on(15, gave(0, core(5, 5, 5)), gave(12, core(4, 4, 4)))) is None
    assert due_point(on(40, gave(0, core(5, 5, 5)), gave(12, core(4, 4, 4))), SCHEDULE) is not None


def test_somebody_who_wants_no_questions_gets_none_until_they_do() -> None:
    quiet = measures.press(on(14, gave(0, core(5, 5, 5))), "quiet", [])
    assert quiet is not None and [(one.kind, one.value) for one in quiet.notes] == [(ASK, False)]
    silent = (gave(0, core(5, 5, 5)), Entry(ASK, "", False, START))
    assert measures.due(on(14, *silent)) is None
    again = measures.press(on(14, *silent), "ask", [])
    assert again is not None and measures.due(on(14, *silent, *again.notes)) is not None


def test_the_form_asks_for_a_named_activity_by_its_name() -> None:
    first = measures.press(on(0), "fill", [])
    assert first is not None and first.says[0].kind == QUESTIONNAIRE
    assert len(first.says[0].more["items"]) == 12 and first.says[0].more["skipped"]
    named = gave(0, core(5, 5, 5, activity_1_name="Swim {clinic}", activity_1=3))
    again = measures.press(on(14, named), "fill", [])
    assert again is not None
    items = {item["id"]: item["text"] for item in again.says[0].more["items"]}
    assert "activity_1_name" not in items and "Swim" in items["activity_1"] and "activity_2_name" in items


def test_the_first_numbers_are_told_without_a_change() -> None:
    found = measures.filled(on(0), CORE, core(5, 6, 6))
    assert ids(found) == ["measures/peg_first", "measures/more"] and not found.then
    assert "5.7" in found.says[0].bubbles[0]
    assert payloads(found) == [f"tutor:measures:form:{name}" for name in ("pain", "mood", "quiz")]


def test_a_skipped_question_gives_no_score_and_no_zero() -> None:
    found = measures.filled(on(14, gave(0, core(5, 5, 5))), CORE, core(0, None, 0))
    assert ids(found)[0] == "measures/not_scored" and not found.then
    nothing = measures.filled(on(14, gave(0, core(5, 5, 5))), CORE, core())
    assert ids(nothing) == ["measures/kept_empty"]


@given(st.tuples(*[st.integers(0, 10)] * 3), st.tuples(*[st.integers(0, 10)] * 3))
@settings(deadline=None, max_examples=60)
def test_the_words_of_a_change_have_its_numbers(before: tuple[int, ...], after: tuple[int, ...]) -> None:
    found = measures.filled(on(14, gave(0, core(*before))), CORE, core(*after))
    was, now = sum(before) / 3, sum(after) / 3
    told = found.says[0]
    key = told.id.removeprefix("measures/peg_")
    change = scoring.change_of_peg(was, now, LINES.rest["rules"]["peg"])
    assert key == change.key
    words = " ".join(told.bubbles)
    assert scoring.shown(was) in words and scoring.shown(now) in words
    assert (found.then == CHECK) == (change.key == "worse_enough")
    assert told.kind == VISUAL and [one["value"] for one in told.more["values"]["points"]] == [
        round(was, 1), round(now, 1),
    ]  # fmt: skip
    assert measures.ASK_PERSON in payloads(found) or change.key != "worse_enough"
    assert not {"mild", "moderate", "severe", "great", "well done"} & set(words.lower().split())


def test_a_rise_that_is_known_does_not_start_the_check_again() -> None:
    earlier = (gave(0, core(3, 3, 3)), gave(14, core(6, 6, 6)))
    found = measures.filled(on(42, *earlier), CORE, core(6, 6, 6))
    assert ids(found)[0] == "measures/peg_higher" and not found.then and measures.ASK_PERSON in payloads(found)
    slowly = (gave(0, core(4, 4, 4)), gave(14, core(5, 5, 5)))
    crept = measures.filled(on(42, *slowly), CORE, core(6, 6, 6))
    assert ids(crept)[0] == "measures/peg_worse_enough" and crept.then == CHECK


def test_days_without_a_score_are_named_in_words_and_twin() -> None:
    found = measures.filled(on(42, gave(0, core(5, 5, 5)), gave(14, core(1, None, 1))), CORE, core(4, 4, 4))
    assert "15 Mar" in found.says[0].bubbles[-1]
    twin = found.says[0].more["twin"][0].split("\n")
    assert len(twin) == 3 and len(found.says[0].more["values"]["points"]) == 2


def test_activities_are_compared_under_the_same_name_only() -> None:
    names = {"activity_1_name": "Swim", "activity_2_name": "Garden"}
    first = gave(0, core(5, 5, 5, **names, activity_1=2, activity_2=8))
    renamed = gave(10, {"activity_2_name": "Cook"}, "tutor_measures_activities")
    then = gave(14, core(5, 5, 5, activity_1=4, activity_2=1))
    found = measures.history(Journal((first, renamed, then)))
    assert [one.value for one in found["activities"]] == [2, 4]
    assert [(one.about, one.value) for one in found["activity_2"]] == [("Garden", 8), ("Cook", 1)]
    outcome = measures.filled(on(14, first, renamed), CORE, core(5, 5, 5, activity_1=4, activity_2=1))
    assert any("from 2 to 4" in bubble for say in outcome.says for bubble in say.bubbles)


def test_changed_answers_take_the_place_of_the_first_ones() -> None:
    found = measures.history(Journal((gave(0, core(5, 5, 5)), gave(0.1, core(6, 6, 6)))))
    assert [one.value for one in found["peg"]] == [6]


def test_the_answers_that_came_in_count_once() -> None:
    answers = core(4, 4, 4)
    before = (gave(0, core(8, 8, 8)), gave(14, answers))
    moment = Moment(START + timedelta(days=14, seconds=2), Journal(before))
    found = measures.filled(moment, CORE, answers)
    assert ids(found)[0] == "measures/peg_better_enough"
    assert len(found.says[0].more["values"]["points"]) == 2


@pytest.mark.parametrize(
    ("answers", "say"),
    [
        (("3", "0", "0", "0"), "mood_cut"), (("0", "0", "1", "2"), "mood_cut"), ((None, None, "2", "1"), "mood_cut"),
        (("1", "1", "1", "1"), "mood_below"), ((None, "2", "0", "0"), "mood_partial"),
        ((None, None, None, None), "mood_partial"),
    ],
)  # fmt: skip
def test_low_mood_offers_a_person_with_the_crisis_line(answers: tuple[str | None, ...], say: str) -> None:
    given_ = dict(zip((*scoring.PHQ2_ITEMS, *scoring.GAD2_ITEMS), answers, strict=True))
    found = measures.filled(on(0), "tutor_measures_mood", given_)
    assert ids(found) == [f"measures/{say}"] and measures.ASK_PERSON in payloads(found)
    assert any("{crisis_line}" in bubble for bubble in found.says[0].bubbles)


def test_the_global_impression() -> None:
    for choice, then in (("much_better", ""), ("no_change", ""), ("a_little_worse", ""), ("much_worse", CHECK)):
        found = measures.filled(on(14), "tutor_measures_change", {"pgic": choice})
        assert found.then == then
        assert choice.replace("_", " ") in found.says[0].bubbles[0]
    assert measures.filled(on(14), "tutor_measures_change", {"pgic": None}).says


def test_looking_back_is_offered_at_follow_up_only() -> None:
    first = measures.press(on(0, gave(0, core(5, 5, 5))), "more", [])
    assert first is not None and "tutor:measures:form:change" not in payloads(first)
    later = measures.press(on(14, gave(0, core(5, 5, 5)), gave(14, core(5, 5, 5))), "more", [])
    assert later is not None and "tutor:measures:form:change" in payloads(later)


def test_the_quiz_counts_what_was_answered_and_has_words_on_each() -> None:
    quiz = LINES.rest["quiz"]
    answers: dict[str, Any] = dict.fromkeys(quiz) | {"alarm": "true", "amount": "true", "place": "unsure"}
    found = measures.filled(on(0), "tutor_measures_quiz", answers)
    assert ids(found) == ["measures/quiz_count", "measures/quiz_0"]
    assert found.says[0].bubbles[0].startswith("1 of the 3")
    moment = on(0, gave(0, answers, "tutor_measures_quiz"))
    shown, page = 0, 0
    while (part := measures.press(moment, "quiz", [str(page)])) and part.says[0].id != "measures/quiz_done":
        assert len(part.says[0].bubbles) <= 4 and all(len(one.split()) <= 60 for one in part.says[0].bubbles)
        shown, page = shown + len(part.says[0].bubbles), page + 1
    assert shown == 10


def test_charts_are_offered_for_what_there_is() -> None:
    assert ids(measures.press(on(0), "charts", []) or Outcome()) == ["measures/chart_none"]
    moment = on(14, gave(0, core(5, 5, 5, sleep=3)), gave(14, core(5, 5, 5, sleep=None)))
    offered = measures.press(moment, "charts", [])
    assert offered is not None
    assert payloads(offered) == ["tutor:measures:chart:peg", "tutor:measures:chart:sleep"]
    chart = measures.press(moment, "chart", ["sleep"])
    assert chart is not None and chart.says[0].more["values"]["points"] == [{"day": "1 Mar", "at": 0, "value": 3}]


@pytest.mark.parametrize("args", [[], ["x"], ["-1"], ["²"], ["peg", "peg"]])
@pytest.mark.parametrize("verb", ["form", "chart", "quiz", "later", "nonsense"])
def test_odd_buttons_raise_nothing(verb: str, args: list[str]) -> None:
    measures.press(on(0), verb, args)
    measures.filled(on(0), "tutor_measures_unknown" if verb == "nonsense" else CORE, {})
