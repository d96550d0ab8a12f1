"""A thousand people wander through the tutor: no dead end, no error, and a red flag stops it wherever they are."""

from __future__ import annotations

import pytest

from bot.safety import screen
from bot.tutor.saying import FORM_PREFIX, PREFIX
from bot.web import plan as planning
from bot.web.bodies import FORM
from bot.web.plan import Said, Situation, plan
from tests.support.patient_api import RED
from tests.support.walks import PERSON_BUTTON, persona

WALKS, STEPS, CHUNKS = 1000, 25, 20
HOLD = {"tier": "T1", "category": "RF01", "rule": "saddle_numb", "scope": "now"}
red = screen(RED)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_there_is_always_a_way_on_and_a_red_flag_always_stops_it(chunk: int) -> None:
    each = WALKS // CHUNKS
    for seed in range(chunk * each, (chunk + 1) * each):
        walk = persona(seed)
        outcome = walk.press("tutor:home")
        for _ in range(STEPS):
            assert walk.goes_on(outcome), (seed, walk.seen[-3:])
            awaits = walk.at[-1].awaits if walk.at else ""
            told = plan(Situation("bot", True, None, None, awaits), Said(RED), red)
            assert told.kind == planning.ALARM
            outcome = walk.step()
            for say in walk.at:
                assert say.id and say.bubbles and all(bubble.strip() for bubble in say.bubbles), (seed, say.id)
                for button in say.buttons:
                    assert button.title.strip() and len(button.payload) <= 200
        for one in [*walk.buttons(), FORM + FORM_PREFIX + "x"]:
            if one.startswith((PREFIX, FORM)):
                quiet = screen("")
                assert plan(Situation("bot", True, None, HOLD), Said("", one), quiet).kind == planning.HOLD


def test_the_same_person_twice_comes_the_same_way() -> None:
    first, second = persona(3), persona(3)
    for walk in (first, second):
        walk.press("tutor:course")
        for _ in range(STEPS):
            walk.step()
    assert first.seen == second.seen and len(set(first.seen)) > 3


def test_nobody_is_caught_in_a_loop() -> None:
    """Whoever always presses the first button of a lesson comes to its end, and through all lessons."""
    walk = persona(2)
    walk.press("tutor:course")
    shown = []
    for _ in range(600):
        form = walk.form()
        if form is not None:
            walk.fill(form)
        else:
            ours = [one for one in walk.buttons() if one.startswith("tutor:course")]
            walk.press(ours[0] if ours else "tutor:course")
        shown.append(walk.at[-1].id)
    finished = {one.key for one in walk.journal.of("lesson") if one.value.get("how") == "finished"}
    assert len(finished) >= 12, (len(finished), shown[-12:])


def test_a_person_can_be_asked_for_from_flare_mode_first() -> None:
    walk = persona(1)
    walk.press("tutor:flare")
    assert walk.buttons()[0] == PERSON_BUTTON
