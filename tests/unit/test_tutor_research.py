"""Taking part in a study: what was agreed to, and which part of a journal that gives away."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as some

from bot.content.tutor import load_lines
from bot.tutor import areas, research, study
from bot.tutor.journal import Entry, Journal
from bot.tutor.research import AREA, VERSION, consent
from bot.tutor.saying import Moment, Outcome, parts_of

NOW = datetime(2029, 3, 1, 9, tzinfo=timezone.utc)
ZONE = ZoneInfo("Europe/London")
STUDY = "A made-up study."
# The words of the question by version. Whoever changes them says whether they mean the same: if not, VERSION changes.
WORDS = {"2026-11-23.2": "cbebac481e319797"}


def moment(*entries: Entry, study: str = STUDY) -> Moment:
    return Moment(NOW, Journal(entries), clinic={"research": study})


def at(day: float, kind: str, key: str = "", value: object = None) -> Entry:
    return Entry(kind, key, value, NOW + timedelta(days=day))


def agrees(day: float, to: str = STUDY) -> Entry:
    return at(day, AREA, consent(to), True)


def leaves(day: float) -> Entry:
    return at(day, AREA, consent(STUDY), False)


def payloads(outcome: Outcome) -> list[str]:
    return [button.payload for say in outcome.says for button in say.buttons]


def test_the_words_of_the_question_are_those_of_their_version() -> None:
    found = hashlib.sha256(load_lines(AREA).texts["ask"].encode()).hexdigest()[:16]
    assert WORDS[VERSION] == found, f"write {found} for these words; with a new VERSION where they mean something else"


def test_the_button_agrees_to_the_study_that_was_shown_and_to_no_other() -> None:
    asked = research.open(moment())
    join = next(one for one in payloads(asked) if ":join" in one)
    note = areas.pressed(moment(), join).notes[0]
    assert (note.kind, note.key, note.value) == (AREA, consent(STUDY), True)
    for other in (areas.pressed(moment(study="Another."), join), areas.pressed(moment(), "tutor:research:join")):
        assert not other.notes and other.says[0].id == "research/ask"
    assert not areas.pressed(moment(study=""), join).notes


def test_a_new_study_or_new_words_ask_again(monkeypatch) -> None:
    mine = agrees(-1)
    assert research.open(moment(mine)).says[0].id == "research/in"
    assert research.open(moment(mine, study="Another.")).says[0].id == "research/ask"
    assert research.open(moment(at(-1, AREA, "2026-11-23.1", True))).says[0].id == "research/ask"
    monkeypatch.setattr(research, "VERSION", "later")
    assert research.open(moment(mine)).says[0].id == "research/ask"


def test_leaving_is_noted_and_counts_at_once() -> None:
    leave = next(one for one in payloads(research.open(moment(agrees(-1)))) if parts_of(one)[1] == "leave")
    note = areas.pressed(moment(agrees(-1)), leave).notes[0]
    assert not research.takes_part(Journal((agrees(-1), note)), STUDY)


def test_only_what_was_done_while_taking_part_is_a_part() -> None:
    inside = [at(day, "seen", f"alarm:{day}") for day in (5, 9, 21)]
    journal = Journal((
        at(1, "seen", "before"), agrees(2, "Another."), at(3, "seen", "other"), agrees(4), inside[0], agrees(8),
        inside[1], leaves(10), at(15, "seen", "break"), agrees(20), inside[2],
    ))  # fmt: skip
    part = research.part(journal, STUDY)
    assert part is not None and part.since == NOW + timedelta(days=4)
    assert [list(one.entries) for one in part.stretches] == [[one] for one in inside]
    assert research.part(Journal((*journal.entries, leaves(30))), STUDY) is None
    assert research.part(Journal((*journal.entries, agrees(30, "Another."))), STUDY) is None
    assert research.part(Journal((at(1, AREA, consent(""), True),)), "") is None


STEPS = some.sampled_from(("in", "out", "other", "done"))


@given(some.lists(STEPS, max_size=30))
def test_a_part_never_holds_what_was_done_while_not_taking_part(steps: list[str]) -> None:
    entries, expected, now = [], [], ""
    for day, step in enumerate(steps):
        kinds = {"in": agrees(day), "out": leaves(day), "other": agrees(day, "Another.")}
        entries.append(kinds.get(step) or at(day, "seen", str(day)))
        if step == "done" and now == "in":
            expected.append(entries[-1])
        now = now if step == "done" else step
    part = research.part(Journal(tuple(entries)), STUDY)
    assert (part is None) == (now != "in")
    assert part is None or list(part.journal.entries) == expected


def test_minutes_do_not_run_through_a_break_and_a_begin_outside_has_no_week() -> None:
    minute = 1 / 1440
    journal = Journal((
        at(0, "lesson", "alarm", {"how": "begun"}), agrees(1), at(1, "seen", "alarm:1"), leaves(1 + minute),
        agrees(1 + 2 * minute), at(1 + 2 * minute, "seen", "alarm:2"), at(9, "lesson", "alarm", {"how": "finished"}),
    ))  # fmt: skip
    part = research.part(journal, STUDY)
    assert part is not None
    found = study.rows("code", part, ZONE)
    person = {"person": "code", "weeks": 1, "minutes": 0, "sittings": 2, "lessons": ["alarm"], "returns": None}
    assert found["people"] == [person]
    assert found["lessons"] == [{"person": "code", "lesson": "alarm", "week": None, "how": "finished", "ended": 1}]
