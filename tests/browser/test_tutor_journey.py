"""A patient's whole way through the tutor: keyboard alone, a phone's width, three visits in two weeks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from bot.content import load_clinics
from bot.content.lessons import load_lessons
from bot.content.tutor import load_lines
from bot.content.wording import load_wording
from bot.store import learning
from bot.store.handoffs import handoffs_in
from bot.tutor.course_steps import steps_of
from tests.support import pages
from tests.support.inbox_server import InboxServer, NobodyThere, inbox_server
from tests.support.pages import PHONE, Chat, open_tab
from tests.support.patient_api import ANSWER, RED, never_closed
from tests.support.tutor_page import Reader

pytestmark = pytest.mark.browser
browser = pages.browser

BELIEF = "my mri shows damage so that is why i hurt"
TROUBLE = "I sleep badly, and at night I worry that it will never get better"
CORRECTION = "scans/shows_damage"
# The short form: first, and two weeks later.
FIRST_TIME = (6, 7, 7, 3, 8, 3, "walk to the park", 2, None, None, None, None)
TWO_WEEKS_ON = (4, 4, 5, 5, 5, 5, 4, None, None, None, None)


class Scripted(NobodyThere):
    """Knows the answer to one statement, and one plain answer to everything else."""

    async def say(self, **asked: Any) -> list[dict[str, Any]]:
        answer_id = CORRECTION if asked["text"] == BELIEF else "pain/why_it_persists"
        about = {**ANSWER["metadata"], "answer_id": answer_id, "version": f"{answer_id}.v1", "understood": "answer"}
        return [{**ANSWER, "metadata": about}]

    async def facts(self, _conversation_id: str) -> dict[str, Any]:
        return {"age": "52", "body_part": "lower_back"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InboxServer]:
    hours = never_closed(load_clinics())["demo"].hours
    with inbox_server(Path(tmp_path_factory.mktemp("journey")), hours=hours) as running:
        running.services.assistant = Scripted()  # type: ignore[assignment]
        yield running


@contextmanager
def reading(browser: Browser, server: InboxServer) -> Iterator[Reader]:
    """Somebody who comes for the first time, and accepts the notice."""
    chat = open_tab(
        browser, f"{server.url}/chat/demo", Chat, viewport=PHONE, accept_downloads=True, timezone_id="Europe/London"
    )
    chat.page.locator(".kind-consent .choice:not([aria-disabled])").wait_for()
    reader = Reader(chat)
    reader.picture("01_notice")
    reader.act(".kind-consent .choice")
    reader.wait("notice/consent_recorded")
    expect(chat.page.locator("#input")).to_be_focused()
    try:
        yield reader
    finally:
        chat.close()


def test_the_whole_way(browser: Browser, server: InboxServer, tmp_path: Path) -> None:
    with reading(browser, server) as reader:
        reader.picture("02_accepted")
        conversation = reader.chat.page.locator("pne-chat").evaluate("element => element.chat.api.conversation")
        what_matters(reader)
        lesson = a_lesson(reader)
        a_belief(reader)
        what_was_heard(reader)
        a_plan(reader, tmp_path)
        a_flare(reader)
        how_it_is(reader)
        for_the_visit(reader)
        with server.db.read() as session:
            (item,) = handoffs_in(session, conversation)
            assert item.category == "summary"
        a_week_later(reader, server, lesson)
        two_weeks_later(reader, server)
        with server.db.read() as session:
            kinds = [(row.kind, row.key) for row in learning.journal(session, conversation)]
        for kind in ("matters", "lesson", "metaphor", "answered", "taught", "returns", "belief", "factor", "plan"):
            assert kind in {one for one, _ in kinds}, kind
        assert ("summary", "sent") in kinds
        assert kinds.count(("form", "tutor_measures_core")) == 2
        assert not reader.unseen, reader.unseen
        assert not reader.chat.errors


def what_matters(reader: Reader) -> None:
    reader.act("#menu")
    reader.chat.page.locator("dialog .menu-part .choice").first.wait_for()
    reader.picture("03_menu")
    reader.act("dialog .choice", menu_title("course"))
    reader.wait("course/matters")
    reader.shown(".chip").first.wait_for()
    reader.picture("04_what_matters")
    items = load_lines("course").rest["matters_items"]
    reader.chips([items["understand"], items["mood"]])
    assert reader.shown(".chip[aria-pressed=true]").count() == 2
    reader.send()
    reader.wait("course/path")
    reader.picture("05_lessons", desktop=True)


def a_lesson(reader: Reader) -> str:
    """The first of the path, every step; its id."""
    first = reader.payloads("tutor:course:open:")[0]
    lesson = load_lessons()[first.rsplit(":", 1)[1]]
    steps = steps_of(lesson)
    reader.press(first)
    for place, step in enumerate(steps):
        answer_id = f"visual/{lesson.picture}" if step == "picture" else f"lesson/{lesson.id}.{step}"
        reader.wait(answer_id)
        reader.shown(".visual" if step == "picture" else "progress").wait_for()
        reader.picture(f"1{place}_{step}", desktop=step == "picture")
        if step == "picture":
            use_a_picture(reader)
        onward = f"tutor:course:go:{lesson.id}:{steps[min(place + 1, len(steps) - 1)]}"
        if step == "metaphor":
            second = lesson.metaphors[1].id
            reader.press(f"tutor:course:pick:{lesson.id}:{second}", f"lesson/{lesson.id}.{second}")
            reader.picture("1_metaphor_chosen")
        elif step.startswith("question"):
            question = lesson.questions[int(step[-1]) - 1]
            option = question.options[-1 if step[-1] == "1" else 0].id
            reader.press(f"tutor:course:answer:{lesson.id}:{question.id}:{option}", f"lesson/{question.id}.{option}")
            reader.picture(f"1_{step}_answered")
        elif step == "teach_back":
            reader.say(". ".join(point.phrases[0] for point in lesson.points))
            reader.wait(f"lesson/{lesson.id}.heard")
            reader.picture("1_teach_back_heard")
        if step != "end":
            reader.press(onward)
    reader.wait("course/ask_returns")
    reader.picture("1_returns")
    reader.press(f"tutor:course:returns_yes:{lesson.id}", "course/returns_on")
    return lesson.id


def use_a_picture(reader: Reader) -> None:
    """Its controls by keys: what it says changes. Its twin in words opens."""
    keyboard = reader.chat.page.keyboard
    inside = ".visual :is(input, .visual-switch)"
    reader.shown(inside).first.wait_for()
    before = reader.shown(".visual").evaluate("node => node.innerHTML")
    reader.to(f"{reader.article} {inside}")
    keyboard.press("ArrowRight")
    keyboard.press("Space")
    reader.chat.page.wait_for_function(
        "([css, before]) => everywhere(css)[0].innerHTML !== before", arg=[f"{reader.article} .visual", before]
    )
    reader.act(f"{reader.article} .visual-twin summary")
    assert reader.shown(".visual-twin[open]").inner_text().strip()
    reader.act(f"{reader.article} .visual-twin summary")


def a_belief(reader: Reader) -> None:
    """A number before the answer, the answer, the number after it."""
    reader.say(BELIEF)
    reader.wait("beliefs/before")
    reader.picture("20_belief_before", desktop=True)
    reader.fill(8)
    reader.wait(CORRECTION)
    reader.wait("beliefs/after")
    reader.picture("21_belief_after")
    reader.fill(5)
    reader.wait("beliefs/noted")
    reader.picture("22_belief_noted")


def what_was_heard(reader: Reader) -> None:
    """Chips of what was heard, kept; the map; its dial."""
    reader.say(TROUBLE)
    reader.wait("alarm_map/heard")
    reader.shown(".chip").first.wait_for()
    assert reader.shown(".chip[aria-pressed=true]").count() == 2
    reader.picture("30_heard")
    reader.send()
    reader.wait("alarm_map/kept")
    reader.picture("31_kept")
    reader.menu(menu_title("alarm_map"))
    reader.wait("alarm_map/map")
    reader.wait("alarm_map/edit")
    reader.shown(".chip").first.wait_for()
    reader.picture("32_map", desktop=True)
    reader.press("tutor:alarm_map:dial", "visual/dial")
    reader.shown(".visual").wait_for()
    reader.picture("33_dial")
    use_a_picture(reader)


def a_plan(reader: Reader, folder: Path) -> None:
    """Nothing speaks against it, one activity, its ladder, worry about each step, a bad day's amount; files."""
    walking = load_lines("plan").rest["activities"][0]
    reader.menu(menu_title("plan"))
    reader.wait("plan/gate")
    reader.shown(".chip").first.wait_for()
    reader.picture("40_gate")
    reader.act(f"{reader.article} .questions .choice", load_wording().interface["chips_none"])
    reader.wait("plan/activity")
    reader.shown(".chip").first.wait_for()
    reader.picture("41_activity")
    reader.chips([walking["title"]])
    reader.send()
    reader.wait("plan/steps")
    reader.shown("textarea").first.wait_for()
    reader.picture("42_steps")
    reader.send()
    reader.wait("plan/worry")
    reader.picture("43_worry")
    reader.fill(*(1, 2, 3, 5, 6, 7)[: len(walking["steps"])])
    reader.wait("plan/amounts")
    reader.picture("44_amounts")
    reader.fill("minutes", "5", "20", "3")
    reader.wait("plan/preview")
    reader.picture("45_preview")
    reader.press("tutor:plan:start", "plan/papers")
    reader.shown(".papers .choice").first.wait_for()
    reader.picture("46_started", desktop=True)
    assert reader.saved("ics", folder).startswith(b"BEGIN:VCALENDAR")
    assert reader.saved("pdf", folder).startswith(b"%PDF")
    reader.picture("47_saved")


def a_flare(reader: Reader) -> None:
    """One key from anywhere; slow breaths, what helps, and back."""
    reader.act("#flare")
    reader.wait("flare/first")
    reader.shown(".breath").wait_for()
    reader.picture("50_flare")
    reader.press("tutor:flare:helps")
    reader.wait("flare/helps*")
    reader.picture("51_helps")
    reader.press("tutor:flare:list", "flare/list")
    reader.shown(".chip").first.wait_for()
    reader.picture("52_list")
    reader.chips([load_lines("flare").rest["calms"]["calm_breath"]])
    reader.choose(f"{reader.article} .questions [type=radio]", "yes")
    reader.send()
    reader.wait("flare/kept")
    reader.press("tutor:flare:helps", "flare/helps")
    reader.press("tutor:flare:breathe", "flare/breathe")
    reader.press("tutor:flare:done", "flare/done")
    reader.picture("53_flare_done")
    reader.press("tutor:home", "home/home")
    reader.picture("54_home")


def how_it_is(reader: Reader) -> None:
    reader.press("tutor:measures", "measures/first")
    reader.picture("60_measures")
    reader.press("tutor:measures:fill", "form/tutor_measures_core")
    reader.picture("61_short_form")
    reader.fill(*FIRST_TIME)
    reader.wait("measures/peg_first")
    reader.picture("62_first_score")


def for_the_visit(reader: Reader) -> None:
    """Own words, facts, questions; a line changed; approved and sent."""
    page = reader.chat.page
    reader.menu(menu_title("summary"))
    reader.wait("summary/first")
    reader.press("tutor:summary:begin", "summary/words")
    reader.picture("70_own_words")
    reader.fill("It is worst at night and I am tired of it.", "What can I do about the nights?", None)
    reader.wait("summary/facts")
    reader.shown(".chip").first.wait_for()
    reader.picture("71_facts")
    reader.act(f"{reader.article} .chip")
    reader.send()
    reader.wait("summary/questions")
    reader.shown(".chip").first.wait_for()
    reader.picture("72_questions")
    reader.act(f"{reader.article} .chip")
    reader.send()
    reader.wait("summary/page")
    reader.picture("73_page", desktop=True)
    reader.wait("summary/where")
    reader.press("tutor:summary:change", "summary/edit")
    reader.picture("74_change")
    reader.press("tutor:summary:edit:words", "summary/edit_words")
    reader.picture("75_change_words")
    reader.fill("The nights are worst, and I am very tired.", None)
    reader.wait("summary/page")
    assert "very tired" in reader.shown().inner_text()
    reader.wait("summary/where")
    reader.press("tutor:summary:send:*")
    reader.wait("summary/sent")
    reader.picture("76_sent")
    assert "very tired" not in page.locator("#input").input_value()


def a_week_later(reader: Reader, server: InboxServer, lesson: str) -> None:
    """One thing is offered: the number for the belief, or one question about the lesson."""
    server.clock.ahead = timedelta(days=7)
    reopen(reader)
    offered = reader.wait("beliefs/later", "course/due")
    reader.picture("80_week_later")
    if offered == "beliefs/later":
        reader.fill(3)
        reader.wait("beliefs/noted")
        reader.picture("81_belief_answered")
        reader.press("tutor:beliefs")
        reader.wait("beliefs/chart")
        reader.shown("svg").first.wait_for()
        reader.picture("82_belief_chart")
    else:
        reader.press(f"tutor:course:again:{lesson}:*", f"return/{lesson}.*")
        reader.picture("81_return")
        reader.press(f"tutor:course:reply:{lesson}:*", f"return/{lesson}.*")
    reader.menu(menu_title("course"))
    reader.wait("course/path")
    reader.picture("83_lessons_again")


def two_weeks_later(reader: Reader, server: InboxServer) -> None:
    """The short form again, what has changed, the chart and the same in words."""
    server.clock.ahead = timedelta(days=14)
    reopen(reader)
    reader.wait("measures/due")
    reader.picture("90_two_weeks")
    reader.press("tutor:measures:fill", "form/tutor_measures_core")
    reader.fill(*TWO_WEEKS_ON)
    reader.wait("measures/more")
    reader.wait("measures/peg_better_enough")
    reader.picture("91_change")
    reader.shown(".visual svg").first.wait_for()
    reader.act(f"{reader.article} .visual-twin summary")
    assert reader.shown(".visual-twin[open]").inner_text().strip()
    reader.picture("92_chart", desktop=True)


def reopen(reader: Reader) -> None:
    """The page on another day: all that was said is there."""
    reader.mark = int(reader.chat.page.evaluate("Math.max(...everywhere('[data-seq]').map((one) => +one.dataset.seq))"))
    reader.chat.page.reload()
    reader.chat.page.locator("#input:not([disabled])").wait_for()
    reader.to("#input")


def menu_title(area: str) -> str:
    return load_wording().interface[f"learn_{area}"]


@pytest.mark.parametrize("place", ("lesson", "plan", "chips"))
def test_a_red_flag_anywhere_comes_first(browser: Browser, server: InboxServer, place: str) -> None:
    """Safety words at once; what the tutor offered before leads to the hold."""
    server.clock.ahead = timedelta(days=15)
    with reading(browser, server) as reader:
        reader.menu(menu_title("plan" if place == "plan" else "course"))
        if place == "plan":
            reader.wait("plan/gate")
            reader.shown(".chip").first.wait_for()
            reader.act(f"{reader.article} .questions .choice", load_wording().interface["chips_none"])
            reader.wait("plan/activity")
            reader.shown("textarea").first.wait_for()
            reader.write(f"{reader.article} textarea", RED)
            reader.send()
        else:
            reader.wait("course/matters")
            reader.shown(".chip").first.wait_for()
            if place == "lesson":
                reader.send()
                reader.wait("course/path")
                reader.press("tutor:course:open:*", "lesson/*")
            reader.say(RED)
        before = reader.article
        reader.chat.page.locator(".kind-safety[data-seq]").first.wait_for()
        reader.picture(f"red_{place}")
        assert reader.chat.heard("assertive")
        if place == "chips":
            reader.article = before
            reader.send()
        elif place == "plan":
            reader.menu(menu_title("plan"))
        else:
            reader.article = before
            reader.press("tutor:course:go:*")
        reader.wait("safety/safety_hold")
        reader.picture(f"red_{place}_hold")
        assert not reader.chat.errors
