"""The pictures and what else the tutor shows: by keyboard, read by axe, on a small phone, and without their part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Route, expect

from bot.content import load_wording
from bot.content.visuals import VISUALS, load_visuals
from bot.store import conversations
from bot.tutor import pictures
from bot.tutor.saying import Moment, Say
from bot.web import bodies
from tests.support import pages
from tests.support.states import Stage, resize, staged
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

MOMENT = Moment(datetime(2026, 3, 1, 9, tzinfo=timezone.utc))
# What is pressed on each kind of control that has the focus; anything else is pressed with Enter.
KEYS = {"INPUT.range": ("ArrowRight",) * 3, "INPUT.radio": ("ArrowDown", "ArrowDown")}
WORDS = load_wording().interface
CHART = {
    "title": "How it went",
    "min": 0,
    "max": 10,
    "low": "none",
    "high": "most",
    "points": [{"day": "3 Nov", "at": 0, "value": 6}, {"day": "17 Nov", "at": 14, "value": 4}],
}
ON_OFF = [{"value": "on", "title": "Yes"}, {"value": "off", "title": "No"}]
FORM = "tutor_home_chips"
CHIPS = {
    "kind": "questionnaire",
    "look": "chips",
    "form": FORM,
    "title": "What turns it up?",
    "bubbles": ["Press what fits."],
    "items": [
        {"id": "sleep", "text": "Bad nights", "kind": "choice", "choices": ON_OFF},
        {"id": "work", "text": "Work", "kind": "choice", "choices": ON_OFF},
        {"id": "own", "text": "Anything else?", "kind": "text", "max": 300},
    ],
    "given": {"sleep": "on", "own": "the stairs"},
    "fallback_text": "What turns it up?",
}
PACE = {"in": 4, "out": 6, "rounds": 2}
BREATH = {"kind": "text", "bubbles": ["Breathe."], "breath": PACE, "fallback_text": "Breathe."}
PAPERS = {
    "kind": "text",
    "bubbles": ["Take it along."],
    "papers": [{"title": "Save it", "path": "plan.pdf"}, {"title": "No paper", "path": "../data?format=json"}],
    "fallback_text": "Take it along.",
}
VIDEOS = {
    "kind": "lesson",
    "step": 1,
    "of": 2,
    "bubbles": ["A film."],
    "videos": [
        {"title": "Our film", "src": "/static/film.mp4", "captions": "/static/film.vtt"},
        {"title": "No film", "src": "javascript:alert(1)", "captions": "/static/film.vtt"},
        {"title": "No captions", "src": "/static/film.mp4", "captions": ""},
    ],
    "fallback_text": "A film.",
}


def body(say: Say) -> dict[str, Any]:
    buttons = [{"title": one.title, "payload": one.payload} for one in say.buttons]
    more = {"buttons": buttons} if buttons else {}
    return bodies.body(say.kind, say.bubbles, answer_id=say.id, **{**say.more, **more})


def shown(id: str) -> dict[str, Any]:
    if id == "chart":
        return body(pictures.chart_say("measures/chart", ["Here it is."], CHART, ["First 6, then 4."]))
    return body(pictures.picture_say(id, MOMENT))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("pictures")) as running:
        yield running


@pytest.fixture
def stage(browser: Browser, server: WidgetServer) -> Iterator[Stage]:
    with staged(browser, server) as made:
        yield made


def push(stage: Stage, id: str) -> Locator:
    """A picture in the chat, once it is drawn."""
    picture = stage.push(shown(id)).locator(".visual")
    picture.locator("svg").first.wait_for()
    return picture


def drawing(picture: Locator) -> str:
    return str(picture.locator(".visual-stage svg").evaluate("node => node.outerHTML"))


@pytest.mark.parametrize("id", [*VISUALS, "chart"])
def test_each_is_whole_on_a_small_phone_and_axe_finds_nothing(stage: Stage, id: str) -> None:
    picture = push(stage, id)
    if id != "chart":
        visual = load_visuals()[id]
        expect(picture).to_contain_text(visual.title)
        expect(picture.locator(".visual-label")).to_have_text(visual.label)
        expect(picture.locator(".visual-caveat")).to_have_text(visual.caveat)
        said = picture.locator(".visual-says [role=status]").inner_text()
        assert any(one["text"] in said and one["title"] in said for one in visual.states)
    picture.locator("summary").click()
    expect(picture.locator(".visual-twin")).to_contain_text(shown(id)["twin"][-1])
    for width in (320, 390, 1280):
        resize(stage, width, 900)
        assert stage.chat.sideways() <= 0, width
        assert stage.chat.small_targets() == [], width
        box = picture.locator("svg").first.bounding_box()
        assert box is not None and box["width"] <= width and box["height"] > 100
    resize(stage, 1280, 2200)
    assert stage.chat.violations() == []
    assert stage.chat.errors == []


@pytest.mark.parametrize("id", VISUALS)
def test_each_is_used_by_keyboard_alone_and_says_what_changed(stage: Stage, id: str) -> None:
    picture = push(stage, id)
    said = picture.locator(".visual-says [role=status]")
    controls = picture.locator("input, button, summary")
    seen = {drawing(picture)}
    heard = {said.inner_text()}
    controls.first.focus()
    for key in ("Shift+Tab", "Tab"):  # come to by keyboard, so that its focus shows
        stage.page.keyboard.press(key)
    reached = 0
    for _ in range(controls.count() + 2):
        focused = stage.page.evaluate("focused().closest('.visual') ? focused().tagName + '.' + focused().type : ''")
        if not focused:
            break
        reached += 1
        assert stage.page.evaluate("getComputedStyle(focused()).outlineStyle") == "solid", focused
        for key in KEYS.get(focused, ("Enter",)):
            stage.page.keyboard.press(key)
            seen.add(drawing(picture))
            heard.add(said.inner_text())
        stage.page.keyboard.press("Tab")
    assert reached >= 2
    assert len(seen) >= 2 and len(heard) >= 2
    assert stage.chat.errors == []


def test_parts_of_the_brain_are_tapped_in_the_drawing_and_told_beside_the_caveat(stage: Stage) -> None:
    picture = push(stage, "brain")
    first = load_visuals()["brain"].regions[0]
    part = picture.locator(".visual-part")
    expect(part).to_be_hidden()
    picture.locator("svg .v-part").first.click()
    expect(part).to_contain_text(first["text"])
    expect(picture.get_by_role("button", name=first["title"])).to_have_attribute("aria-pressed", "true")
    resize(stage, 390, 844)
    picture.locator(".visual-stage").scroll_into_view_if_needed()
    expect(picture.locator(".visual-caveat")).to_be_in_viewport()
    expect(picture.locator(".visual-stage")).to_be_in_viewport()
    rings = [picture.locator("svg .v-ring").count()]
    for state in ("worried", "distracted"):
        picture.locator(f"input[value={state}]").check()
        rings.append(picture.locator("svg .v-ring").count())
    assert len(set(rings)) == 3  # told by rings, not by colour


def test_a_hundred_dots_are_as_many_full_as_the_cell_says(stage: Stage) -> None:
    picture = push(stage, "twin")
    dots = load_visuals()["twin"].values["dots"]
    for finding, age in (name.rsplit("_", 1) for name in dots):
        picture.locator(f"input[value='{finding}']").check()
        picture.locator(f"input[value='{age}']").check()
        assert picture.locator("svg .v-strong").count() == dots[f"{finding}_{age}"]
    assert picture.locator("svg circle").count() == 200


def test_the_dial_moves_with_the_persons_own_factors(stage: Stage) -> None:
    values = {"ups": [{"id": "work", "title": "Work"}], "calms": [{"id": "calm_rest", "title": "A rest"}]}
    picture = stage.push(body(pictures.picture_say("dial", MOMENT, values))).locator(".visual")
    titles = {one["id"]: one["title"] for one in load_visuals()["dial"].states}
    said = picture.locator(".visual-says [role=status] strong")
    expect(said).to_have_text(titles["high"])
    picture.get_by_role("button", name="A rest").press("Enter")
    expect(said).to_have_text(titles["middle"])
    picture.get_by_role("button", name="Work").press(" ")
    expect(said).to_have_text(titles["low"])


def test_a_picture_that_cannot_be_loaded_is_there_in_words(stage: Stage) -> None:
    stage.page.route("**/w/pne-pictures*", lambda route: route.abort())
    article = stage.push(shown("alarm"))
    again = article.get_by_role("button", name=WORDS["retry_button"])
    expect(article.locator(".later")).to_contain_text(WORDS["part_failed"])
    for words in load_visuals()["alarm"].twin:
        expect(article).to_contain_text(words)
    stage.page.unroute("**/w/pne-pictures*")
    again.press("Enter")
    article.locator(".visual svg").first.wait_for()
    expect(again).to_have_count(0)


def test_a_picture_that_nobody_has_drawn_is_there_in_words(stage: Stage) -> None:
    article = stage.push({**shown("alarm"), "visual": "newer"})
    expect(article.locator(".later")).to_contain_text(load_visuals()["alarm"].twin[0])


# Chips


def ask(stage: Stage, **change: Any) -> Locator:
    with stage.server.services.db.begin() as session:
        conversations.offer(session, stage.conversation, [f"form:{FORM}"])
    return stage.push({**CHIPS, **change}).locator(".questions")


def sent(stage: Stage) -> list[dict[str, Any]]:
    """What the page sends from now on; the server takes it."""
    messages: list[dict[str, Any]] = []

    def take(route: Route) -> None:
        messages.append(route.request.post_data_json)
        route.fulfill(status=202, content_type="application/json", body=json.dumps({"seq": 900 + len(messages)}))

    stage.page.route("**/messages", take)
    return messages


def test_chips_are_switched_by_keyboard_and_sent_once(stage: Stage) -> None:
    messages = sent(stage)
    questions = ask(stage)
    sleep, work = questions.get_by_role("button", name="Bad nights"), questions.get_by_role("button", name="Work")
    expect(sleep).to_have_attribute("aria-pressed", "true")  # it was given, and not sent
    expect(questions.locator("textarea")).to_have_value("the stairs")
    sleep.press("Enter")
    work.press(" ")
    assert messages == []
    resize(stage, 320, 900)
    assert stage.chat.sideways() <= 0 and stage.chat.small_targets() == []
    assert stage.chat.violations() == []
    questions.locator("[type=submit]").press("Enter")
    expect(questions.locator(".closed")).to_have_text(WORDS["questions_sent"])
    assert [one["answers"] for one in messages] == [{"sleep": "off", "work": "on", "own": "the stairs"}]
    assert "Bad nights" not in messages[0]["text"]
    questions.get_by_role("button", name=WORDS["questions_edit"]).press("Enter")
    expect(work).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize(("key", "chip", "words"), [("chips_none", "off", "the stairs"), ("chips_skip", None, None)])
def test_none_of_these_and_skip(stage: Stage, key: str, chip: str | None, words: str | None) -> None:
    messages = sent(stage)
    ask(stage).get_by_role("button", name=WORDS[key], exact=True).press("Enter")
    stage.page.locator(".closed").wait_for()
    assert messages[0]["answers"] == {"sleep": chip, "work": chip, "own": words}


def test_chips_that_cannot_be_loaded_are_questions_like_any_others(stage: Stage) -> None:
    stage.page.route("**/w/pne-extras*", lambda route: route.abort())
    questions = ask(stage)
    expect(questions.locator(".question-words")).to_have_text("Bad nights")
    expect(questions.locator("input[value=on]")).to_be_checked()


def test_what_is_given_is_there_in_ordinary_questions_too(stage: Stage) -> None:
    messages = sent(stage)
    questions = ask(stage, look=None)
    expect(questions.locator("input[value=on]")).to_be_checked()
    questions.locator(".choice.main").click()
    questions.get_by_role("button", name=WORDS["questions_skip"]).click()
    questions.locator(".choice.main").click()
    assert messages == []
    questions.locator(".choice.main").click()
    expect(questions.locator(".closed")).to_be_visible()
    assert [one["answers"] for one in messages] == [{"sleep": "on", "work": None, "own": "the stairs"}]


# Papers, breath, videos


def test_papers_are_fetched_with_the_sessions_token_and_saved(stage: Stage) -> None:
    asked: list[str] = []

    def paper(route: Route) -> None:
        asked.append(route.request.headers.get("authorization", ""))
        route.fulfill(status=200, content_type="application/pdf", body=b"%PDF-1.7")

    stage.page.route("**/papers/plan.pdf", paper)
    article = stage.push(PAPERS)
    button = article.get_by_role("button", name="Save it")
    expect(article.get_by_role("button", name="No paper")).to_have_count(0)
    with stage.page.expect_download() as saved:
        button.press("Enter")
    assert saved.value.suggested_filename == "pain-tutor-plan.pdf" and asked[0].startswith("Bearer ")
    expect(article.locator("[role=status]")).to_have_text(WORDS["papers_saved"])
    stage.page.route("**/papers/plan.pdf", lambda route: route.abort())
    button.press("Enter")
    expect(article.locator("[role=status]")).to_have_text(WORDS["papers_failed"])


def test_breathing_starts_and_stops_when_it_is_told_to(stage: Stage) -> None:
    stage.page.clock.install()
    box = stage.push(BREATH).locator(".breath")
    said, button = box.locator("[role=status]"), box.get_by_role("button")
    stage.page.clock.run_for(5_000)
    expect(said).to_have_text(WORDS["breath_ready"])
    button.press("Enter")
    expect(said).to_have_text(WORDS["breath_in"])
    stage.page.clock.run_for(4_000)
    expect(said).to_have_text(WORDS["breath_out"])
    button.press("Enter")
    expect(said).to_have_text(WORDS["breath_ready"])
    button.press("Enter")
    stage.page.clock.run_for(20_000)
    expect(said).to_have_text(WORDS["breath_done"])
    expect(button).to_have_text(WORDS["breath_start"])


def test_nothing_moves_where_less_motion_is_asked_for(stage: Stage) -> None:
    stage.page.emulate_media(reduced_motion="reduce")
    box = stage.push(BREATH).locator(".breath")
    box.get_by_role("button").press("Enter")
    expect(box.locator("[role=status]")).to_have_text(WORDS["breath_in"])
    expect(box.locator(".breath-circle")).to_be_hidden()
    assert box.evaluate("node => node.getAnimations({ subtree: true }).length") == 0


def test_videos_have_captions_and_wait_to_be_asked(stage: Stage) -> None:
    stage.page.route("**/static/film*", lambda route: route.abort())
    video = stage.push(VIDEOS).locator("video")
    expect(video).to_have_count(1)
    assert video.evaluate("node => [node.preload, node.controls, node.autoplay]") == ["none", True, False]
    expect(video.locator("track[kind=captions]")).to_have_attribute("src", f"{stage.server.url}/static/film.vtt")


# Always there


def test_flare_help_is_one_tap_away_from_the_notice_on(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server, consent=False, viewport={"width": 320, "height": 640}) as stage:
        flare = stage.page.locator("#flare")
        expect(flare).to_be_hidden()
        stage.page.locator(".kind-consent .choice:not([aria-disabled])").click()
        expect(flare).to_be_visible()
        assert stage.chat.sideways() <= 0 and stage.chat.small_targets() == []
        boxes = [stage.page.locator(f".helpers > :nth-child({place})").bounding_box() for place in range(1, 5)]
        assert len({round(box["y"]) for box in boxes if box}) == 1  # all four in one row
        messages = sent(stage)
        flare.press("Enter")
        flare.press("Enter")
        stage.chat.said(WORDS["flare_button"]).wait_for()
        assert [(one["kind"], one["payload"], one["text"]) for one in messages] == [
            ("button", "tutor:flare", WORDS["flare_button"])
        ]


def test_the_menu_leads_to_every_part_of_the_tutor(stage: Stage) -> None:
    messages = sent(stage)
    for area in ("course", "pictures", "alarm_map", "plan", "scan", "measures", "summary"):
        dialog = stage.menu()
        dialog.get_by_role("button", name=WORDS[f"learn_{area}"], exact=True).press("Enter")
        dialog.wait_for(state="detached")
        expect(stage.page.locator("#input")).to_be_focused()  # below the messages, where its page comes
        stage.chat.said(WORDS[f"learn_{area}"]).wait_for()
    assert [one["payload"] for one in messages] == [
        f"tutor:{area}" for area in ("course", "pictures", "alarm_map", "plan", "scan", "measures", "summary")
    ]
