"""Flare mode: few words, a person first, nothing to fill in, and one question the day after."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from bot.content.tutor import load_lines
from bot.tutor import areas, flare
from bot.tutor.journal import OFFERED, Entry, Journal
from bot.tutor.saying import CHECK, Moment, Outcome
from tests.support.plans import NOW, a_plan

PERSON = "person:ask"


def at(hours: float = 0, *entries: Entry, **more) -> Moment:
    return Moment(NOW + timedelta(hours=hours), Journal().with_(entries, NOW), **more)


def words_of(say) -> int:
    return sum(len(bubble.split()) for bubble in say.bubbles)


def few(outcome: Outcome | None) -> Outcome:
    """Every message has 25 words at most, a person first, and a way on."""
    assert outcome is not None
    for say in outcome.says:
        assert words_of(say) <= 25, say
        assert say.buttons[0].payload == PERSON and say.ways
        assert all(len(button.title.split()) <= 6 for button in say.buttons)
        for item in say.more.get("items", ()):
            assert len(item["text"].split()) <= 25
    return outcome


def walk(moment: Moment) -> dict[str, Outcome]:
    """All that can be reached by its own buttons."""
    seen: dict[str, Outcome] = {}
    todo = ["tutor:flare"]
    while todo:
        payload = todo.pop()
        outcome = few(areas.pressed(moment, payload))
        seen[payload] = outcome
        shown = [one.payload for say in outcome.says for one in say.buttons]
        todo += [one for one in shown if one.startswith("tutor:flare") and one not in seen and one not in todo]
    return seen


def test_every_text_is_short_by_itself() -> None:
    lines = load_lines("flare")
    for text in (*lines.texts.values(), *lines.labels.values(), *lines.rest["calms"].values()):
        assert len(text.split()) <= 25
        assert not any(letter.isdigit() for letter in text)


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("journal", ["empty", "plan", "list"])
def test_every_state_is_short_and_has_a_person_first(journal: str, flag: bool) -> None:
    long = ["calm_rest", "calm_people", *(" ".join([f"word{n}"] * 10) for n in range(3))]
    entries = {
        "empty": [],
        "plan": [a_plan(title="x" * 60, steps=["y " * 40] * 4, dose=120)],
        "list": [Entry("flare", "list", {"list": long})],
    }[journal]
    seen = walk(at(0, *entries, open_flag=flag))
    assert {"tutor:flare:check", "tutor:flare:helps", "tutor:flare:done", "tutor:flare:list"} <= set(seen)
    assert ("tutor:flare:dose" in seen) == (journal == "plan" and not flag)


def test_it_opens_with_breaths_and_notes_that_it_was_used() -> None:
    outcome = flare.open(at())
    assert outcome.says[0].more["breath"] == {"in": 4, "out": 6, "rounds": 5}
    assert [(note.kind, note.key, note.value) for note in outcome.notes] == [("flare", "used", {"used": True})]
    assert outcome.says[0].kind == "text" and not outcome.then


def test_something_new_leads_to_the_check() -> None:
    assert any(button.payload == "tutor:flare:check" for button in flare.open(at()).says[0].buttons)
    assert few(flare.press(at(), "check", [])).then == CHECK


def test_a_list_is_kept_only_where_the_person_says_so() -> None:
    answers = {"calm_rest": "on", "calm_people": "off", "own1": "my  cat ", "own2": None, "own3": "my cat"}
    for keep in (None, "no"):
        assert not few(flare.filled(at(), "tutor_flare_list", {**answers, "keep": keep})).notes
    kept = few(flare.filled(at(), "tutor_flare_list", {**answers, "keep": "yes"}))
    assert [note.value for note in kept.notes] == [{"list": ["calm_rest", "my cat"]}]
    later = at(0, *kept.notes)
    assert flare.own_list(later.journal)[1] == "my cat"
    form = few(flare.press(later, "list", [])).says[0]
    assert form.more["given"] == {"calm_rest": "on", "own1": "my cat"}
    emptied = flare.filled(later, "tutor_flare_list", {"keep": "yes"})
    assert flare.own_list(at(0, *kept.notes, *emptied.notes).journal) == []


def test_the_alarm_map_fills_the_list_until_there_is_an_own_one() -> None:
    factors = [
        Entry("factor", "calm_outdoors", {"kept": True, "words": ""}),
        Entry("factor", "calm_people", {"kept": True, "words": "my sister"}),
        Entry("factor", "calm_rest", {"kept": True, "words": ""}),
        Entry("factor", "calm_rest", {"kept": False, "words": ""}),
        Entry("factor", "sleep", {"kept": True, "words": ""}),
    ]
    found = flare.own_list(at(0, *factors).journal)
    assert len(found) == 2 and "my sister" in found


def test_the_plan_goes_to_its_flare_amount() -> None:
    shown = few(flare.press(at(0, a_plan(dose=10)), "dose", []))
    assert shown.notes[0].value["dose"] == 5 and shown.notes[0].value["before"] == 10
    assert flare.press(at(0, a_plan(dose=10), open_flag=True), "dose", []) is None
    assert flare.press(at(), "dose", []) is None


def test_the_day_after_it_asks_once() -> None:
    used = Entry("flare", "used", {"used": True}, NOW)
    assert flare.due(at(2, used)) is None
    asked = few(flare.due(at(20, used)))
    assert len(asked.says) == 1 and [one.payload for one in asked.says[0].buttons[1:]] == [
        "tutor:flare:check", "tutor:flare:later",
    ]  # fmt: skip
    offered = Entry(OFFERED, asked.says[0].id, None, NOW + timedelta(hours=20))
    assert flare.due(at(21, used, offered)) is None
    assert flare.due(at(49, used)) is None and flare.due(at(20, used, open_flag=True)) is None
    assert any(one.payload == "tutor:plan" for one in flare.due(at(20, used, a_plan())).says[0].buttons)


def test_the_day_is_the_clinics() -> None:
    used = Entry("flare", "used", {"used": True}, NOW.replace(hour=22))
    zone = timezone(timedelta(hours=3))
    now = datetime(NOW.year, NOW.month, NOW.day, 23, tzinfo=timezone.utc)
    assert flare.due(Moment(now, Journal((used,)))) is None
    assert flare.due(Moment(now, Journal((used,)), zone=zone)) is None
    assert flare.due(Moment(now, Journal((Entry("flare", "used", {}, NOW.replace(hour=20)),)), zone=zone)) is not None


def test_odd_buttons_open_flare_mode() -> None:
    for odd in ("tutor:flare:invented", "tutor:flare:helps:999", "tutor:flare:helps:x", "tutor:flare:dose:1"):
        few(areas.pressed(at(), odd))
    assert flare.words(at(), "list", "my cat") is None
