"""Every message once and in order, and none shown as sent before the server has it, whatever the network does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, expect

from bot.content import load_clinics, load_wording
from bot.store import identities
from bot.store.session import connect
from bot.web.assets import CHAT, load_assets
from tests.support import pages, patient_api
from tests.support.delivering import begin, holding_proxy
from tests.support.stack import free_port
from tests.support.widget import WidgetServer, running_widget

pytestmark = pytest.mark.browser
browser = pages.browser

HOME = "http://localhost:9"  # nothing listens there: every request is answered by the test
SUPPORT = Path(__file__).parents[1] / "support"
FLAKY = [SUPPORT / "flaky_server.js", SUPPORT / "flaky_patient.js"]
RUNS = 100
STEP_MS = 30_000  # of the page's clock
LONGEST_MS = 600_000
# What a patient would not notice until it is too late, each put into the bundle by hand.
BROKEN = {
    "events are not compared by number": ("if(this.seen.has(event.seq))return false;", ""),
    "every try is a new message": (
        'return post(this.path("messages"),message,this.token)',
        'return post(this.path("messages"),{...message,client_id:uuid()},this.token)',
    ),
    "a reload forgets what waits": ("this.change({queue:waits?[...others,message]:others})", "this.change({queue:[]})"),
    "a message looks sent at once": ('late?"not_sent":"sending"', '"sent"'),
}


@pytest.fixture(scope="module")
def start() -> dict[str, Any]:
    """What the page knows when it opens."""
    clinic = load_clinics()["demo"]
    strings = load_wording().interface
    return {
        "locale": "en",
        "languages": {"en": "English"},
        "strings": strings,
        "clinic": clinic.public(),
        "origins": [],
        "webview": False,
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WidgetServer]:
    with running_widget(tmp_path_factory.mktemp("delivery")) as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """Its pages' clock runs as always until a test turns it."""
    opened = browser.new_context(locale="en-GB")
    opened.clock.install(time=0)
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def open_flaky(page: Page, start: dict[str, Any], script: str) -> None:
    """A page with the chat's script and nothing in it yet, whose server is flaky_server.js."""
    html = (
        f'<!doctype html><html lang="en"><title>Chat</title><script type="module" src="/{CHAT}"></script>'
        f'<script type="application/json" id="pne-start">{json.dumps(start)}</script><body></body></html>'
    )

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(HOME)
        if path == "/":
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
        elif path == f"/{CHAT}":
            route.fulfill(body=script, content_type="text/javascript; charset=utf-8")
        else:
            route.fulfill(status=204, body="")

    page.route("**/*", serve)
    page.add_init_script("".join(path.read_text(encoding="utf-8") for path in FLAKY))
    page.goto(f"{HOME}/")
    page.wait_for_function("!!customElements.get('pne-chat')")
    page.clock.pause_at(1000)


def run(page: Page, seed: int) -> dict[str, Any]:
    """One conversation from its notice to its last message."""
    page.evaluate("seed => flaky.begin(seed)", seed)
    for _ in range(LONGEST_MS // STEP_MS):
        page.clock.run_for(STEP_MS)
        if page.evaluate("flaky.settled()"):
            break
    result: dict[str, Any] = page.evaluate("flaky.result()")
    page.evaluate("flaky.end()")
    return result


def faults_in(result: dict[str, Any]) -> list[str]:
    """The promises that a run has broken."""
    found = list(result["wrong"])
    if result["shown"] != result["server"]:
        found.append("the page and the server differ:\n" + "\n".join(difference(result)))
    if result["sent"] != result["typed"]:
        found.append(f"typed {result['typed']}, but the server has {result['sent']}")
    if result["queue"] != []:
        found.append(f"still waiting: {result['queue']}")
    return found


def difference(result: dict[str, Any]) -> list[str]:
    shown, server = set(result["shown"]), set(result["server"])
    only = [f"  page only: {line}" for line in result["shown"] if line not in server]
    only += [f"  server only: {line}" for line in result["server"] if line not in shown]
    return only or [f"  page: {result['shown']}", f"  server: {result['server']}"]


def told(result: dict[str, Any], faults: list[str]) -> str:
    storm = "\n  ".join(result["faults"])
    return f"seed {result['seed']}, {result['minutes']} minutes\n" + "\n".join(faults) + f"\nfaults:\n  {storm}"


def test_every_message_comes_once_and_in_order_through_any_storm(page: Page, start: dict[str, Any]) -> None:
    open_flaky(page, start, load_assets()[CHAT].body.decode())
    for seed in range(1, RUNS + 1):
        result = run(page, seed)
        faults = faults_in(result)
        assert not faults, told(result, faults)


@pytest.mark.parametrize("what", BROKEN)
def test_a_chat_that_breaks_a_promise_is_found_out(page: Page, start: dict[str, Any], what: str) -> None:
    script = load_assets()[CHAT].body.decode()
    right, wrong = BROKEN[what]
    assert right in script
    open_flaky(page, start, script.replace(right, wrong))
    assert any(faults_in(run(page, seed)) for seed in range(1, 31))


def test_a_reload_shows_all_of_it_once_and_reads_none_of_it_aloud(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    line.say("first", "second")
    line.arrived("first", "second")
    for number in range(230):  # more than the server gives in one answer
        line.push(f"word {number}")
    line.settle()
    line.again()
    line.settle()
    line.push("and one more")
    line.settle()
    spoken = line.heard("polite")
    assert "and one more" in " ".join(spoken) and "word" not in " ".join(spoken)


def test_where_the_history_cannot_be_read_the_stream_does_not_read_it_aloud(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    line.say("first")
    line.arrived("first")
    line.push("said before")
    line.settle()
    context.route("**/events?*wait=0*", lambda route: route.abort())
    line.again()
    line.settle()
    line.push("said afterwards")
    line.settle()
    (spoken,) = line.heard("polite")
    assert "said afterwards" in spoken


def test_trying_again_keeps_the_focus_where_it_was(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    do, held = ["abort"], []

    def answer(route: Route) -> None:
        held.append(route) if do[0] == "hold" else getattr(route, do[0])()

    context.route("**/messages", answer)
    line.say("it hurts", "very much")
    retry = line.page.locator(".retry")
    retry.wait_for()
    do[0] = "hold"
    retry.press("Enter")
    line.until(lambda: bool(held))
    expect(line.page.locator(".patient", has_text="it hurts").locator(".delivery")).to_be_focused()
    do[0] = "abort"
    held.pop().abort()  # once more in vain
    expect(retry).to_be_focused()
    do[0] = "continue_"
    retry.press("Enter")
    line.arrived("it hurts", "very much")
    expect(line.page.locator(".delivery[data-state=sent]")).to_be_focused()


def test_a_minute_offline_is_told_once_and_ends_with_everything_sent(
    context: BrowserContext, server: WidgetServer
) -> None:
    line = begin(context, server)
    line.say("before")
    line.arrived("before")
    context.set_offline(True)
    line.say("one", "two", "three")
    line.page.clock.fast_forward(60_000)
    expect(line.page.locator(".delivery[data-state=not_sent]")).to_have_count(3)
    expect(line.page.locator("#activity[data-key=offline]")).to_have_count(1)
    assert line.written() == ["before"]
    words = load_wording().interface
    assert line.heard("assertive") == [words["not_sent_spoken"]]
    context.set_offline(False)
    line.arrived("before", "one", "two", "three")
    line.until(lambda: words["sent"] in line.heard("polite"))
    assert line.heard("polite").count(words["sent"]) == 1
    assert line.heard("assertive") == [words["not_sent_spoken"]]
    assert line.delivery() == ["sent"]


def test_what_was_typed_offline_survives_a_reload_offline(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("before")
    line.arrived("before")
    url = line.page.url
    context.set_offline(True)
    line.say("one", "two", "three")
    line.page.locator(".delivery[data-state=not_sent]").first.wait_for()
    with suppress(Error):
        line.page.reload()
    line.push("meanwhile")
    context.set_offline(False)
    with suppress(Error):  # the browser may have begun to load it again by itself
        line.page.goto(url)
    line.arrived("before", "one", "two", "three")


def test_a_server_that_goes_and_comes_back_has_everything(
    context: BrowserContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with running_widget(tmp_path, port) as server:
        line = begin(context, server)
        line.say("before")
        line.arrived("before")
        server.server.force_exit = True
    line.say("while it is away", "and this")
    line.page.locator(".delivery[data-state=not_sent]").first.wait_for()
    monkeypatch.setattr(
        patient_api, "sqlite_database", lambda folder, clock: connect(f"sqlite:///{folder / 'pne.db'}", clock)
    )
    with running_widget(tmp_path, port) as server:
        line.server = server
        line.push("while nobody listens")
        line.page.clock.fast_forward(60_000)
        line.arrived("before", "while it is away", "and this")


def test_an_answer_that_is_lost_sends_nothing_twice(context: BrowserContext, server: WidgetServer) -> None:
    context.route("**/events?*", lambda route: route.abort())  # else the stream would show it before the answer
    line = begin(context, server)
    asked: list[Any] = []

    def lose_the_first(route: Route) -> None:
        asked.append(json.loads(route.request.post_data or "")["client_id"])
        answer = route.fetch()
        route.abort() if len(asked) == 1 else route.fulfill(response=answer)

    context.route("**/messages", lose_the_first)
    line.say("once only")
    line.page.locator(".delivery[data-state=not_sent]").wait_for()
    line.page.click(".retry")
    line.page.locator(".delivery[data-state=sent]", has_text="Sent").wait_for()
    context.unroute("**/events?*")
    line.page.clock.fast_forward(60_000)
    line.arrived("once only")
    assert len(asked) == 2 and len(set(asked)) == 1


def test_a_proxy_that_holds_the_stream_back_costs_six_seconds_at_most(
    context: BrowserContext, server: WidgetServer
) -> None:
    with holding_proxy(int(server.url.rsplit(":", 1)[1])) as url:
        context.clock.pause_at(60_000)
        line = begin(context, server, url)
        assert line.shown() == [2] or line.shown() == []
        line.page.clock.run_for(6_000)
        line.settle()
        assert line.page.locator(".kind-consent").count() == 1
        line.push("by the long poll")
        line.page.clock.run_for(1_000)
        line.settle()
        line.page.close()


def test_a_session_that_is_taken_away_ends_honestly(context: BrowserContext, server: WidgetServer) -> None:
    line = begin(context, server)
    line.say("before")
    line.arrived("before")
    token = line.page.evaluate("document.querySelector('pne-chat').chat.api.token")
    context.set_offline(True)
    line.page.fill("#input", "not sent in time")
    line.page.press("#input", "Enter")
    line.page.locator(".delivery[data-state=not_sent]").wait_for()
    line.page.fill("#input", "half a sentence")
    with server.services.db.begin() as session:
        identities.revoke_token(session, token)
    context.set_offline(False)
    words = load_wording().interface
    line.page.locator("article", has_text=words["ended"]).wait_for()
    assert line.delivery()[-1] == "refused"
    assert line.page.input_value("#input") == "half a sentence"
    expect(line.page.locator("#input")).not_to_be_editable()
    assert line.page.locator(".patient", has_text="not sent in time").count() == 1
    assert words["refused_spoken"] in line.heard("assertive")
    assert line.written() == ["before"]
    line.page.clock.fast_forward(60_000)
    assert line.delivery()[-1] == "refused"


def test_a_page_of_a_proxy_does_not_end_a_chat(context: BrowserContext, server: WidgetServer) -> None:
    """While a server is being replaced, or behind a hotel's sign-in: an answer, but not ours."""
    line = begin(context, server)
    line.say("before")
    line.arrived("before")
    context.route(
        "**/v1/**", lambda route: route.fulfill(status=404, body="<h1>Not found</h1>", content_type="text/html")
    )
    line.say("one")
    line.page.locator(".delivery[data-state=not_sent]").wait_for()
    line.page.reload()
    line.page.locator("article", has_text=load_wording().interface["cannot_open"]).wait_for()
    context.unroute("**/v1/**")
    line.page.clock.fast_forward(60_000)
    line.arrived("before", "one")
