"""Every state of the chat, for everybody: axe, small screens, zoom, wide text, thumbs, motion, right to left, words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from bot.content import load_wording
from tests.support import pages, states
from tests.support.pages import AXE, AXE_TAGS, PHONE, VIOLATIONS
from tests.support.pseudo_locale import CLOSE, OPEN, pseudo_locale
from tests.support.states import LANGUAGES, NARROW, PAGES, SCENES, WIDE, Stage, resize, staged, unfold
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

# 1280 by 1024 at 400 %.
ZOOMED = (320, 256)
LOOKS = {
    "light": {"color_scheme": "light", "forced_colors": "none"},
    "dark": {"color_scheme": "dark", "forced_colors": "none"},
    "forced colours": {"color_scheme": "light", "forced_colors": "active"},
}
ROOT = "document.querySelector('pne-chat').shadowRoot"
# WCAG 1.4.12, as a person's own style sheet would say it.
SPACING = f"""() => {{
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    * {{ line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }}
    p {{ margin-block-end: 2em !important; }}`);
  {ROOT}.adoptedStyleSheets = [...{ROOT}.adoptedStyleSheets, sheet];
}}
"""
# Controls that cannot be brought into sight whole in width, are covered by something else, or cut off their words.
OUT_OF_REACH = f"""(targets) => {{
  const root = {ROOT};
  const front = root.querySelector("dialog[open], .urgent[open] .urgent-panel") ?? root;
  return [...front.querySelectorAll(targets)].filter((node) => node.checkVisibility()).flatMap((node) => {{
    node.scrollIntoView({{ block: "center" }});
    const box = node.getBoundingClientRect();
    const hit = root.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
    const faults = [];
    if (box.left < -0.5 || box.right > innerWidth + 0.5) faults.push(`sticks out: ${{box.left}} to ${{box.right}}`);
    if (!hit || !(node.contains(hit) || hit.contains(node))) faults.push(`under ${{hit?.outerHTML.slice(0, 60)}}`);
    const cut = !node.matches("textarea, input") && node.scrollWidth > node.clientWidth + 1;
    if (cut) faults.push("its words are cut off");
    return faults.map((fault) => `${{node.outerHTML.slice(0, 90)}} ${{fault}}`);
  }});
}}
"""
MOVING = f"""() => [...document.getAnimations(), ...{ROOT}.getAnimations()]
  .filter((one) => one.playState === "running").map((one) => one.effect.target.outerHTML)
"""
# Letters in sight, or heard, that do not come from the wording: neither from it nor from what others have written.
WRITTEN_BY_OTHERS = (
    "#polite *, #assertive *, .bubble, .call-label, .call-plain, .clinic, .notes, .picture > :not(details), .opened,"
    ".accordion summary, [data-payload], .plain .card-title, .question-words, .questions :is(.option span, textarea),"
    ".ends, .questions :is(dt, dd), [name=language] + span, .facts q, .facts span"
)
HARD_CODED = f"""([others, wording]) => {{
  const found = [];
  const look = (node, text) => {{
    let rest = text;
    for (let before = ""; rest !== before; ) rest = (before = rest).replace(new RegExp(wording, "g"), "");
    if (/\\p{{L}}/u.test(rest) && !node.closest(others)) found.push(`${{node.outerHTML.slice(0, 80)}}: ${{text}}`);
  }};
  const walk = document.createTreeWalker({ROOT}, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {{
    if (node.nodeType === Node.TEXT_NODE) look(node.parentElement, node.data);
    else for (const name of ["aria-label", "title", "placeholder", "alt", "aria-description"])
      if (node.hasAttribute(name)) look(node, node.getAttribute(name));
  }}
  return found;
}}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(Path(tmp_path_factory.mktemp("states"))) as running:
        yield running


def at_hand(stage: Stage, where: str) -> list[str]:
    """What cannot be seen or reached at the present size of the page."""
    faults = list(stage.page.evaluate(OUT_OF_REACH, pages.TARGETS))
    if stage.chat.sideways() > 0:
        faults.append(f"scrolls sideways by {stage.chat.sideways()} pixels")
    return [f"{where}: {fault}" for fault in faults]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scenes", PAGES, ids="+".join)
def test_a_state_is_there_for_everybody(
    browser: Browser, server: WidgetServer, scenes: tuple[str, ...], language: str
) -> None:
    with staged(browser, server, language, consent=scenes != ("before_consent",)) as stage:
        stage.page.evaluate(AXE.read_text(encoding="utf-8"))
        for name in scenes:
            SCENES[name](stage)
            if not stage.page.evaluate("() => 'axe' in window"):
                stage.page.evaluate(AXE.read_text(encoding="utf-8"))
            assert looked_over(stage) == [], name


def looked_over(stage: Stage) -> list[str]:
    """What axe, a thumb, a small screen and wide text find on the page as it is."""
    page = stage.page
    faults = []
    for width, height in (NARROW, WIDE):
        unfold(stage, width, height)
        for look, media in LOOKS.items():
            page.emulate_media(**media)  # type: ignore[arg-type]
            faults += page.evaluate(VIOLATIONS, [f"{width} {look}", AXE_TAGS])
        page.emulate_media(**LOOKS["light"])  # type: ignore[arg-type]
        resize(stage, width, height)
        faults += at_hand(stage, str(width)) + stage.chat.small_targets()
    resize(stage, *ZOOMED)
    faults += at_hand(stage, "400 %")
    page.evaluate(SPACING)
    faults += at_hand(stage, "400 %, spaced")
    resize(stage, *WIDE)
    faults += at_hand(stage, "wide, spaced")
    page.evaluate(f"() => {{ {ROOT}.adoptedStyleSheets = {ROOT}.adoptedStyleSheets.slice(0, -1); }}")
    return faults


def test_in_forced_colours_what_cannot_be_pressed_is_grey(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server, forced_colors="active") as stage:
        grey = stage.push_kind("question")
        stage.chat.say("no")
        grey.locator("[aria-disabled]").first.wait_for()
        assert grey.locator(".choice").first.evaluate(
            """(node) => {
              const colour = getComputedStyle(node).color;
              node.style.color = "GrayText";
              return colour === getComputedStyle(node).color;
            }"""
        )
        calls = stage.push_kind("safety").locator(".call")
        width = "node => getComputedStyle(node).borderTopWidth"
        assert [calls.nth(place).evaluate(width) for place in range(3)] == ["3px", "1px", "1px"]


def test_axe_sees_into_the_chat(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        stage.page.evaluate(AXE.read_text(encoding="utf-8"))
        stage.page.evaluate(
            f"""() => {{
              const button = document.createElement("button");
              const pale = document.createElement("p");
              pale.textContent = "can hardly be read";
              pale.style.color = "#eee";
              {ROOT}.querySelector("#log").append(button, pale);
            }}"""
        )
        unfold(stage, *WIDE)
        found = stage.page.evaluate(VIOLATIONS, ["light", AXE_TAGS])
    assert {fault.split(": ")[1] for fault in found} >= {"button-name", "color-contrast"}


def test_nothing_moves_for_who_asked_for_stillness(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server, reduced_motion="no-preference") as stage:
        states.not_sent(stage)
        assert stage.page.evaluate(MOVING), "the dots move, or this test sees nothing"
        stage.page.emulate_media(reduced_motion="reduce")
        assert stage.page.evaluate(MOVING) == []
        states.urgent_open(stage)
        assert stage.page.evaluate(MOVING) == []


@pytest.mark.parametrize("language", ("en", "es", "ar"))
def test_very_large_text_leaves_room_for_the_chat(browser: Browser, server: WidgetServer, language: str) -> None:
    with staged(browser, server, language, viewport=PHONE) as stage:
        states.plain_and_large(stage)
        header = stage.page.locator(".top").bounding_box()
        assert header is not None and header["height"] <= PHONE["height"] / 2
        assert at_hand(stage, language) == []
        assert overlaps(stage.page) == []


def overlaps(page: Page) -> list[str]:
    """Parts of the shell that lie on each other."""
    return list(
        page.evaluate(
            f"""() => {{
              const names = ".logo, .who, .corner, .helpers > *, #log, .activity, .composer > :not(.visually-hidden)";
              const parts = [...{ROOT}.querySelectorAll(names)];
              const boxes = parts.map((node) => [node, node.getBoundingClientRect()]).filter(([, box]) => box.width);
              const over = (one, other, from, to) => one[from] < other[to] - 1 && other[from] < one[to] - 1;
              return boxes.flatMap(([a, one], at) => boxes.slice(at + 1)
                .filter(([, other]) => over(one, other, "left", "right") && over(one, other, "top", "bottom"))
                .map(([b]) => `${{a.outerHTML.slice(0, 50)}} / ${{b.outerHTML.slice(0, 50)}}`));
            }}"""
        )
    )


def test_right_to_left_is_mirrored_and_english_stays_english(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server, "ar", viewport=PHONE) as stage:
        page = stage.page

        def left(css: str) -> float:
            box = page.locator(css).last.bounding_box()
            assert box is not None, css
            return float(box["x"])

        expect(page.locator(".app")).to_have_attribute("dir", "rtl")
        assert left("#menu") < left(".who") < left(".logo")
        assert left("#send") < left("#input")
        assert left("#leave") < left("#urgent") < left("#person")
        expect(page.locator("#input")).to_have_attribute("dir", "auto")
        lesson = stage.push_kind("lesson")
        stage.push_kind("text")
        stage.chat.say("it hurts.")
        stage.chat.said("it hurts.").wait_for()
        assert left(".patient .bubble") < left(".bot .bubble")
        # The full stop of an English sentence stands at its right end.
        for words in (
            ".kind-lesson .bubble p",
            ".choice",
            "figcaption",
            ".notes li",
            ".bubble li",
            ".patient .bubble p",
        ):
            assert page.locator(words).last.evaluate(
                """(node) => {
                  const walk = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
                  const [range, texts] = [document.createRange(), []];
                  while (walk.nextNode()) if (walk.currentNode.data.trim()) texts.push(walk.currentNode);
                  const at = (text, place) => {
                    range.setStart(text, place);
                    range.setEnd(text, place + 1);
                    return range.getBoundingClientRect();
                  };
                  const end = texts.at(-1);
                  const [last, before] = [at(end, end.length - 1), at(end, end.length - 2)];
                  return last.top > before.top + 4 || last.left > before.left;
                }"""
            ), words
        # What a voice reads as English is marked as English, and a card in Arabic as Arabic.
        assert lesson.locator(".bubble").evaluate("node => node.closest('[lang]').lang").startswith("en")
        card = stage.push_kind("language_card").locator(".bubble")
        assert card.evaluate("node => node.closest('[lang]').lang") == "ar"
        assert card.evaluate("node => getComputedStyle(node.firstChild).direction") == "rtl"


def test_every_word_of_the_page_is_in_its_wording(browser: Browser, server: WidgetServer) -> None:
    """In a language that nobody speaks, whatever is still English is written in the code."""
    made = pseudo_locale(load_wording().interface)

    def page_in_pseudo(route: Route) -> None:
        answer = route.fetch()
        start = re.search(r'id="pne-start">(.*?)</script>', answer.text(), re.S)
        assert start is not None
        begins = {**json.loads(start[1]), "strings": made}
        safe = json.dumps(begins).replace("<", "\\u003c")
        route.fulfill(response=answer, body=answer.text().replace(start[1], safe))

    with staged(browser, server, viewport={"width": 320, "height": 640}) as stage:
        page = stage.page
        page.route("**/chat/demo*", page_in_pseudo)
        page.reload()
        expect(page.locator("#person")).to_contain_text(OPEN)
        page.locator("#input:not([disabled])").wait_for()
        seen = []
        for bring in (states.every_kind, states.forms, states.urgent_open, states.kept_shown):
            bring(stage)
            seen += page.evaluate(HARD_CODED, [WRITTEN_BY_OTHERS, f"{OPEN}[^{OPEN}{CLOSE}]*{CLOSE}"])
            assert stage.chat.sideways() <= 0, bring.__name__
            page.keyboard.press("Escape")
        assert seen == []


def test_an_answer_is_not_called_sent_before_it_is(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        stage.page.route("**/messages", states.refuse)
        questions = stage.ask()
        for _ in range(3):
            questions.get_by_text("Skip this one").click()
        states.forward(questions)
        stage.page.locator("[data-state=refused]").wait_for()
        expect(questions).not_to_contain_text("were sent")
        expect(questions.locator(".choice.main")).to_be_visible()
        stage.page.unroute("**/messages")
        states.forward(questions)
        expect(questions).to_contain_text("Your answers were sent.")


def test_the_end_leaves_no_button_that_does_nothing(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        page = stage.page
        page.fill("#input", "half a sent")
        page.press("#input", "e")
        states.ended(stage)
        expect(page.locator(".retry")).to_have_count(0)
        expect(stage.chat.said("is anybody there").locator("[data-state=refused]")).to_have_count(1)
        expect(page.locator("#input")).not_to_have_attribute("placeholder", re.compile("notice"))
        page.click("#person")
        expect(page.get_by_role("button", name="Start a new chat")).to_be_focused()


def test_what_was_erased_is_not_on_the_screen_any_more(browser: Browser, server: WidgetServer) -> None:
    with staged(browser, server) as stage:
        states.kept_shown(stage)
        stage.page.unroute("**/v1/conversations/*/data")
        stage.page.click(".danger")
        expect(stage.page.locator("dialog.menu")).to_have_count(0)
        expect(stage.page.locator("#log")).to_contain_text("Everything was erased")
        expect(stage.page.locator("#menu")).to_be_focused()
