"""My alarm map: nothing is kept that was not confirmed, what is dropped is gone, and it reads the same every time."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.factors import CALM, UP, load_factors
from bot.tutor import alarm_map
from bot.tutor.alarm_map import EDIT_FORM, FACTOR, HEARD_FORM, OFF, ON, OWN_FORM, heard, kept, own_lines
from bot.tutor.factors import Hit
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import PREFIX, Moment, Outcome, parts_of

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=timezone.utc)
IDS = list(load_factors().by_id)
ANSWER = "life/sleep"
SAYS = {
    "i lie awake half the night": (Hit("sleep", "i lie awake half the night"),),
    "a warm bath always helps": (Hit("calm_rest", "a warm bath always helps"),),
    "nothing in here at all": (),
}


@pytest.fixture(autouse=True)
def ears(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hearing is measured elsewhere; here it says what it is told to."""
    monkeypatch.setattr(alarm_map, "heard_in", lambda text: SAYS.get(text, ()))


def moment(*entries: Entry, **more: bool) -> Moment:
    return Moment(NOW, Journal().with_(entries, NOW - timedelta(days=1)), **more)  # type: ignore[arg-type]


def factor(id: str, keep: bool = True, words: str = "") -> Entry:
    return Entry(FACTOR, id, {"kept": keep, "words": words})


def after(before: Moment, outcome: Outcome) -> Moment:
    return Moment(NOW, before.journal.with_(outcome.notes, NOW), before.open_flag)


def test_what_was_heard_is_asked_and_holds_nothing() -> None:
    asked = heard(moment(), "i lie awake half the night", ANSWER)
    assert asked is not None
    (say,) = asked.says
    assert say.more["form"] == HEARD_FORM and say.more["look"] == "chips"
    assert say.more["given"] == {"sleep": ON, "words_sleep": "i lie awake half the night"}
    assert [parts_of(one.payload) for one in say.buttons] == [("alarm_map", "leave", ["sleep"])]
    assert not [one for one in asked.notes if one.kind == FACTOR]
    assert all(not one.value for one in asked.notes)


@pytest.mark.parametrize("text, answer_id", [
    ("i lie awake", ANSWER), ("nothing in here at all", ANSWER), ("i lie awake half the night", "control/ask.1"),
    ("i lie awake half the night", ""),
])  # fmt: skip
def test_it_is_not_asked(text: str, answer_id: str) -> None:
    assert heard(moment(), text, answer_id) is None


def test_not_with_an_open_red_flag() -> None:
    assert heard(moment(open_flag=True), "i lie awake half the night", ANSWER) is None


@pytest.mark.parametrize("keep", [True, False])
def test_what_was_decided_is_not_asked_again(keep: bool) -> None:
    assert heard(moment(factor("sleep", keep)), "i lie awake half the night", ANSWER) is None
    assert heard(moment(factor("sleep", keep)), "a warm bath always helps", ANSWER) is not None


@pytest.mark.parametrize("hours, asks", [(0, False), (5.9, False), (6, True), (200, True)])
def test_once_in_six_hours_and_what_was_left_unanswered_may_come_again(hours: float, asks: bool) -> None:
    first = heard(moment(), "i lie awake half the night", ANSWER)
    assert first is not None
    later = Moment(NOW + timedelta(hours=hours), Journal().with_(first.notes, NOW))
    assert (heard(later, "i lie awake half the night", ANSWER) is not None) is asks
    assert kept(later.journal) == {}


def test_keep_keeps_with_the_words_as_they_were_sent() -> None:
    answers = {"sleep": ON, "words_sleep": "bad nights", "work": OFF, "words_work": "my boss", "people": None}
    outcome = alarm_map.filled(moment(), HEARD_FORM, answers)
    assert [(one.kind, one.key, one.value) for one in outcome.notes] == [
        (FACTOR, "sleep", {"kept": True, "words": "bad nights"}), (FACTOR, "work", {"kept": False, "words": ""}),
    ]  # fmt: skip


def test_leaving_it_declines_and_notes_no_words() -> None:
    outcome = alarm_map.press(moment(), "leave", ["sleep", "invented"])
    assert outcome is not None
    assert [(one.key, one.value) for one in outcome.notes] == [("sleep", {"kept": False, "words": ""})]
    assert alarm_map.press(moment(factor("sleep")), "leave", ["sleep"]).notes == ()  # type: ignore[union-attr]


def test_the_map_shows_what_is_kept_and_its_chips() -> None:
    first, edit = alarm_map.open(moment(factor("sleep", words="up at four"), factor("calm_rest"))).says
    assert len(first.bubbles) == 2 and "up at four" in first.bubbles[0]
    assert first.more["papers"] == [{"title": first.more["papers"][0]["title"], "path": "alarm_map.pdf"}]
    assert edit.more["form"] == EDIT_FORM and edit.more["given"] == {"sleep": ON, "calm_rest": ON}
    assert [one["id"] for one in edit.more["items"]] == IDS
    assert [id for group in edit.more["groups"] for id in group["items"]] == IDS
    assert [parts_of(one.payload)[1] for one in edit.buttons] == ["dial", "next", "remove", "own"]


def test_an_empty_map_offers_no_paper_and_nothing_to_remove() -> None:
    first, edit = alarm_map.open(moment()).says
    assert "papers" not in first.more and edit.more["given"] == {}
    assert [parts_of(one.payload)[1] for one in edit.buttons] == ["own"]


def test_editing_notes_changes_alone() -> None:
    here = moment(factor("sleep", words="up at four"), factor("work"))
    answers = {"sleep": ON, "work": OFF, "people": OFF, "calm_rest": ON}
    outcome = alarm_map.filled(here, EDIT_FORM, answers)
    assert [(one.key, one.value["kept"]) for one in outcome.notes] == [("work", False), ("calm_rest", True)]
    assert kept(after(here, outcome).journal) == {"sleep": "up at four", "calm_rest": ""}


def test_own_words_are_heard_as_chips_or_kept_as_they_are_only_when_sent() -> None:
    asked = alarm_map.press(moment(), "own", [])
    assert asked is not None and asked.says[0].awaits == "alarm_map:own" and asked.says[0].buttons
    chips = alarm_map.words(moment(), "own", "a warm bath always helps")
    assert chips is not None and chips.says[0].more["form"] == HEARD_FORM and chips.notes == ()
    plain = alarm_map.words(moment(), "own", "nothing in here at all")
    assert plain is not None and plain.says[0].more["form"] == OWN_FORM and plain.notes == ()
    assert plain.says[0].more["given"] == {"words": "nothing in here at all"}
    sent = alarm_map.filled(moment(), OWN_FORM, {"words": "the number 9 bus", "side": "up"})
    assert own_lines(after(moment(), sent).journal) == {"own_1": (UP, "the number 9 bus")}


def test_own_words_that_were_a_question_or_skipped() -> None:
    assert alarm_map.words(moment(), "own", "what goes in here?") is None
    assert alarm_map.words(moment(), "else", "i lie awake half the night") is None
    assert alarm_map.words(moment(), "own", "").says[-1].more["form"] == EDIT_FORM  # type: ignore[union-attr]


def test_own_lines_are_numbered_on_and_can_be_taken_off() -> None:
    here = moment()
    for words, side in (("the bus", "up"), ("my hens", "calm")):
        here = after(here, alarm_map.filled(here, OWN_FORM, {"words": words, "side": side}))
    gone = alarm_map.press(here, "remove", ["own_1"])
    assert gone is not None
    here = after(here, gone)
    assert own_lines(here.journal) == {"own_2": (CALM, "my hens")}
    here = after(here, alarm_map.filled(here, OWN_FORM, {"words": "rain", "side": None}))
    assert own_lines(here.journal) == {"own_2": (CALM, "my hens"), "own_3": (UP, "rain")}


def test_the_dial_has_the_persons_own_factors() -> None:
    outcome = alarm_map.press(moment(factor("sleep"), factor("calm_rest")), "dial", [])
    assert outcome is not None
    values = outcome.says[0].more["values"]
    assert [one["id"] for one in values["ups"]] == ["sleep"] and [one["id"] for one in values["calms"]] == ["calm_rest"]
    assert alarm_map.press(moment(), "dial", []) is None


def test_what_next_leads_to_lessons_unless_a_red_flag_is_open() -> None:
    here = moment(factor("sleep"), factor("work"), factor("people"))
    assert [lesson for lesson, _ in alarm_map.lessons(here.journal)] == ["sleep_stress", "people_help"]
    outcome = alarm_map.press(here, "next", [])
    assert outcome is not None
    assert "tutor:course:open:sleep_stress" in [one.payload for one in outcome.says[0].buttons]
    closed = alarm_map.press(moment(factor("sleep"), open_flag=True), "next", [])
    assert closed is not None and closed.says[0].id == "home/closed"


def test_every_factor_leads_to_a_lesson_that_is_there() -> None:
    from bot.content.lessons import load_lessons

    assert {one.lesson for one in load_factors().by_id.values()} <= set(load_lessons())


def test_the_paper_has_both_lists_and_only_what_is_kept() -> None:
    paper = alarm_map.paper(moment(factor("sleep", words="up at four"), factor("work", False), factor("calm_rest")))
    up, calm = paper.sections
    assert len(up.lines) == len(calm.lines) == 1 and "up at four" in up.lines[0] and paper.foot
    assert all(len(one.lines) == 1 for one in alarm_map.paper(moment()).sections)


@pytest.mark.parametrize("verb, args", [
    ("remove", ["sleep"]), ("remove", ["a", "b"]), ("own", ["x"]), ("invented", []), ("dial", ["x"]), ("kept", []),
])  # fmt: skip
def test_stale_and_odd_buttons_open_the_map(verb: str, args: list[str]) -> None:
    assert alarm_map.press(moment(), verb, args) is None


entries = st.lists(
    st.builds(factor, st.sampled_from([*IDS, "own_1", "own_7", "no_such"]), st.booleans(), st.text(max_size=20)),
    max_size=30,
)
answers = st.dictionaries(
    st.sampled_from([*IDS, *(f"words_{id}" for id in IDS), "words", "side", "odd"]),
    st.sampled_from([ON, OFF, None, "up", "calm", "some words of mine"]),
)
forms = st.sampled_from([HEARD_FORM, EDIT_FORM, OWN_FORM, "tutor_alarm_map_old"])


@settings(max_examples=60, deadline=None)
@given(entries, forms, answers)
def test_nothing_is_kept_that_is_not_on(past: list[Entry], form: str, sent: dict[str, str | None]) -> None:
    here = moment(*past)
    before, outcome = kept(here.journal), alarm_map.filled(here, form, sent)
    for id in kept(after(here, outcome).journal):
        assert id in before or (sent.get(id) == ON)
    for note in outcome.notes:
        if not note.key.startswith("own_"):
            assert sent.get(note.key) in (ON, OFF)
        if note.value["words"]:
            assert note.value["kept"]


@settings(max_examples=40, deadline=None)
@given(entries, st.sampled_from(IDS))
def test_dropping_forgets_the_words_on_the_map(past: list[Entry], id: str) -> None:
    here = moment(*past, factor(id, words="zzqq my own words"))
    gone = alarm_map.press(here, "remove", [id])
    assert gone is not None
    later = after(here, gone)
    shown = repr((alarm_map.open(later), alarm_map.paper(later), gone, kept(later.journal)))
    assert id not in kept(later.journal) and "zzqq my own words" not in shown


@settings(max_examples=40, deadline=None)
@given(entries)
def test_order_and_text_are_the_same_every_time(past: list[Entry]) -> None:
    one, other = moment(*past), moment(*past)
    assert list(kept(one.journal)) == [id for id in IDS if id in kept(one.journal)]
    assert alarm_map.open(one) == alarm_map.open(other) and alarm_map.paper(one) == alarm_map.paper(other)


@settings(max_examples=40, deadline=None)
@given(entries, st.sampled_from(["", "own", "leave", "remove", "dial", "next", "odd"]),
       st.lists(st.sampled_from([*IDS, "own_1", "x"]), max_size=2))  # fmt: skip
def test_never_a_dead_end_and_only_our_own_payloads(past: list[Entry], verb: str, args: list[str]) -> None:
    outcome = alarm_map.press(moment(*past), verb, args) or alarm_map.open(moment(*past))
    last = outcome.says[-1]
    assert last.buttons or last.awaits or "form" in last.more
    assert all(one.payload.startswith(PREFIX) and len(one.payload) <= 200 for one in last.buttons)


def test_a_journal_that_was_emptied_leaves_no_words() -> None:
    here = moment()
    assert kept(here.journal) == {} and own_lines(here.journal) == {}
    assert "papers" not in alarm_map.open(here).says[0].more
