"""The decision in the middle of a turn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.safety import Finding, Screening
from bot.web import check
from bot.web import plan as planning
from bot.web.bodies import CHECK_START, CONSENT, PERSON, SAFETY_RELEASE, answer_payload
from bot.web.plan import Said, Situation, plan

QUIET = Screening(None, False, (), None)


YES, NO, NOT_SURE = (answer_payload("RF01", one) for one in ("yes", "no", "not_sure"))


def finding(tier: str = "T1", category: str = "RF01") -> Finding:
    return Finding("rule", category, tier, (0, 1), "words", "now", 1.0, "hard")


def alarm(tier: str = "T1", category: str = "RF01") -> Screening:
    found = finding(tier, category)
    return Screening(tier, False, (found,), found)


def question(tier: str = "T1", category: str = "RF01") -> Screening:
    found = finding(tier, category)
    return Screening(tier, True, (found,), found)


def situation(state: str = "bot", consented: bool = True, pending=None, hold=None) -> Situation:
    return Situation(state, consented, pending, hold)


PENDING = planning.pending(finding("T1", "RF01"), "numb since monday")
HOLD = {"tier": "T1", "category": "RF01"}


@pytest.mark.parametrize("state", ["bot", "waiting", "human", "closed"])
@pytest.mark.parametrize("consented", [True, False])
@pytest.mark.parametrize("pending", [None, PENDING])
@pytest.mark.parametrize("hold", [None, HOLD])
def test_an_alarm_wins_whatever_is_going_on(state, consented, pending, hold) -> None:
    decided = plan(situation(state, consented, pending, hold), Said("I want to die"), alarm("T0", "RF34"))
    assert (decided.kind, decided.finding.category) == (planning.ALARM, "RF34")


def test_the_graver_of_message_and_open_question_is_told() -> None:
    decided = plan(situation(pending=PENDING), Said("and a hot calf"), alarm("T2", "RF15"))
    assert decided.finding.category == "RF01"


@pytest.mark.parametrize(
    "said",
    [
        Said("Yes", YES),
        Said("Not sure", NOT_SURE),
        Said("I am not sure"),
        Said("no idea"),
        Said("what is a disc?"),
        Said("no but it tingles"),
        Said("Talk to a person", PERSON),
    ],
)
def test_anything_but_a_plain_no_counts_as_yes(said: Said) -> None:
    decided = plan(situation(pending=PENDING), said, QUIET)
    assert (decided.kind, decided.finding.category) == (planning.ALARM, "RF01")


@pytest.mark.parametrize("said", [Said("No", NO), Said("no"), Said("No.")])
def test_a_plain_no_clears_and_the_first_message_is_answered(said: Said) -> None:
    decided = plan(situation(pending=PENDING), said, QUIET)
    assert (decided.kind, decided.text) == (planning.CLEARED, "numb since monday")


def test_a_question_is_asked_once_and_not_while_a_person_reads() -> None:
    assert plan(situation(), Said("my bum is numb"), question()).kind == planning.ASK
    assert plan(situation("human"), Said("my bum is numb"), question()).kind == planning.HUMAN_HOLDS


def test_lessons_stay_closed_until_the_person_is_safe() -> None:
    held = situation(hold=HOLD)
    assert plan(held, Said("why does my back hurt"), QUIET).kind == planning.HOLD
    assert plan(held, Said("I am safe", SAFETY_RELEASE), QUIET).kind == planning.RELEASE
    assert plan(held, Said("yes"), QUIET).kind == planning.HOLD
    assert plan(situation(hold={**HOLD, "asked_safe": True}), Said("yes"), QUIET).kind == planning.RELEASE
    assert plan(held, Said("Talk to a person", PERSON), QUIET).kind == planning.PERSON_ASKED


def test_a_cleared_question_does_not_open_lessons_that_are_closed() -> None:
    decided = plan(situation(pending=PENDING, hold=HOLD), Said("No", NO), QUIET)
    assert (decided.kind, decided.text) == (planning.CLEARED, "")


def test_the_bot_is_silent_while_a_person_holds_the_conversation() -> None:
    for text in ("/restart", "why does it hurt", "yes"):
        assert plan(situation("human"), Said(text), QUIET).kind == planning.HUMAN_HOLDS


def test_nothing_but_safety_comes_before_consent() -> None:
    fresh = situation(consented=False)
    assert plan(fresh, Said("hello"), QUIET).kind == planning.CONSENT_NEEDED
    assert plan(fresh, Said("Start", CONSENT), QUIET).kind == planning.CONSENTED


def test_t4_is_no_alarm() -> None:
    assert plan(situation(), Said("old foot drop"), alarm("T4", "RF07")).kind == planning.CONVERSE


@pytest.mark.parametrize(("tier", "closes"), [("T0", True), ("T1", True), ("T2", False), ("T3", False)])
def test_which_tiers_close_lessons(tier: str, closes: bool) -> None:
    assert planning.closes_lessons(tier) is closes


def test_a_yes_of_the_check_is_an_alarm_and_the_check_goes_on_where_nothing_grave_was_said() -> None:
    pressed = Said("Yes", "check:fever:yes:none")
    decided = plan(situation(), pressed, check.screening(pressed.payload))
    assert (decided.kind, decided.finding.category, decided.step.question.id) == (planning.ALARM, "RF04", "fall")
    pressed = Said("Not sure", "check:saddle:not_sure:none")
    decided = plan(situation(), pressed, check.screening(pressed.payload))
    assert (decided.kind, decided.finding.tier, decided.step) == (planning.ALARM, "T1", None)


@pytest.mark.parametrize(("state", "hold"), [("human", None), ("waiting", HOLD)])
def test_no_further_question_while_a_person_reads_or_lessons_are_closed(state: str, hold) -> None:
    pressed = Said("Yes", "check:fever:yes:none")
    decided = plan(situation(state, hold=hold), pressed, check.screening(pressed.payload))
    assert (decided.kind, decided.finding.category, decided.step) == (planning.ALARM, "RF04", None)
    quiet = plan(situation(state, hold=hold), Said("No", "check:fever:no:none"), QUIET)
    assert quiet.kind == (planning.HUMAN_HOLDS if state == "human" else planning.HOLD)


def test_two_yeses_at_once_are_both_kept() -> None:
    for payload, first, second in (
        ("check:fever:yes:none", "RF01", "RF04"),
        ("check:life:yes:none", "RF34", "RF01"),
    ):
        decided = plan(situation(pending=PENDING), Said("Yes", payload), check.screening(payload))
        assert (decided.finding.category, decided.also.category) == (first, second)
    decided = plan(
        situation(pending=PENDING), Said("Yes", "check:saddle:yes:none"), check.screening("check:saddle:yes:none")
    )
    assert decided.also is None


def test_the_check_needs_consent_and_starts_at_the_first_question() -> None:
    start = Said("Quick safety check", CHECK_START)
    assert plan(situation(consented=False), start, QUIET).kind == planning.CONSENT_NEEDED
    decided = plan(situation(), start, QUIET)
    assert (decided.kind, decided.step.question.id) == (planning.CHECK, "life")
    assert plan(situation(), Said("None", check.LIST_NONE), QUIET).kind == planning.NONE_LISTED
    assert plan(situation(), Said("Not sure", check.LIST_NOT_SURE), QUIET).step.question.id == "life"


def test_not_wanting_to_go_is_heard_only_after_a_grave_alarm() -> None:
    assert plan(situation(hold=HOLD), Said("I'm not going to A&E"), QUIET).kind == planning.REFUSED
    assert plan(situation(), Said("I'm not going to A&E"), QUIET).kind == planning.CONVERSE
    assert plan(situation("human", hold=HOLD), Said("can't it wait"), QUIET).kind == planning.HUMAN_HOLDS
    assert plan(situation(hold=HOLD), Said("no ambulance, I want to die"), alarm("T0", "RF34")).kind == planning.ALARM


CRISIS_HOLD = {"tier": "T0", "category": "RF34", "rule": "rule", "scope": "now", "direct": True}
CRISIS_PENDING = planning.pending(finding("T0", "RF34"), "I give up")


def test_one_direct_question_follows_a_crisis_in_the_persons_own_words() -> None:
    crisis = alarm("T0", "RF34")
    assert plan(situation(), Said("I want to die"), crisis).direct
    assert not plan(situation(hold=CRISIS_HOLD), Said("I want to die"), crisis).direct
    assert not plan(situation(pending=CRISIS_PENDING), Said("yes"), QUIET).direct
    assert not plan(situation(), Said("a hot calf"), alarm("T2", "RF15")).direct
    about_another = replace(finding("T0", "RF34"), scope="other_now")
    assert not plan(situation(), Said("my son"), Screening("T0", False, (about_another,), about_another)).direct


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (Said("Yes, right now", answer_payload("RF34", "now")), "now"),
        (Said("I'd rather not say", answer_payload("RF34", "rather_not")), "rather_not"),
        (Said("No", answer_payload("RF34", "no")), "no"),
        (Said("yes"), "now"),
        (Said("no"), "no"),
    ],
)
def test_an_answer_to_the_direct_question_is_no_word_of_being_safe(said: Said, answer: str) -> None:
    decided = plan(situation(hold=CRISIS_HOLD), said, QUIET)
    assert (decided.kind, decided.finding.category, decided.answer) == (planning.ANSWERED, "RF34", answer)


def test_the_answers_to_a_crisis_question_count_as_yes_but_for_the_no() -> None:
    for answer, kind in (
        ("now", planning.ALARM),
        ("sometimes", planning.ALARM),
        ("rather_not", planning.ALARM),
        ("no", planning.CLEARED),
    ):
        decided = plan(situation(pending=CRISIS_PENDING), Said("x", answer_payload("RF34", answer)), QUIET)
        assert (decided.kind, decided.answer) == (kind, answer)


def test_a_helpers_answer_brings_the_helpers_words() -> None:
    pending = planning.pending(replace(finding("T0", "RF34"), scope="other_now"), "my son gives up")
    decided = plan(situation(pending=pending), Said("Yes, right now", answer_payload("RF34", "now")), QUIET)
    assert (decided.kind, decided.answer) == (planning.ALARM, "")


def test_the_no_of_another_question_denies_nothing() -> None:
    decided = plan(situation(pending=PENDING), Said("No", answer_payload("RF34", "no")), QUIET)
    assert (decided.kind, decided.finding.category, decided.answer) == (planning.ALARM, "RF01", "")


def test_what_is_typed_to_a_person_is_no_answer_of_ours() -> None:
    assert plan(situation("human", hold=CRISIS_HOLD), Said("no"), QUIET).kind == planning.HUMAN_HOLDS
