"""What the tests of delivery share: a chat beside its server, and a proxy that holds streams back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import BrowserContext, Page

from bot.store import events
from bot.web.stream import conversation_topic
from tests.support import pages
from tests.support.widget import WidgetServer

LOOK_MS = 25
ACCEPT = ".kind-consent .choice:not([aria-disabled])"
SHOWN = "everywhere('[data-seq]').map((one) => Number(one.dataset.seq))"
# What a page sees of being behind another one; a browser without a screen shows all its pages.
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  const state = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@dataclass
class Line:
    """One page of a conversation, and the server's log of it."""

    page: Page
    server: WidgetServer
    conversation: str

    def say(self, *lines: str) -> None:
        for words in lines:
            self.page.fill("#input", words)
            self.page.press("#input", "Enter")

    def push(self, words: str) -> int:
        return self.server.push(self.conversation, {"kind": "text", "bubbles": [words], "fallback_text": words})

    def stored(self) -> list[Any]:
        with self.server.services.db.read() as session:
            return list(events.events_after(session, self.conversation, 0, 1000))

    def written(self) -> list[str]:
        """What the patient wrote, as the server has it."""
        return [one.body["text"] for one in self.stored() if one.author == "patient" and "payload" not in one.body]

    def pressed(self, payload: str) -> int:
        return sum(one.author == "patient" and one.body.get("payload") == payload for one in self.stored())

    def settle(self) -> None:
        """Waits until the page shows the server's log: each number once, in order."""
        self.until(lambda: self.shown() == self.numbers(), lambda: f"shown {self.shown()}, stored {self.numbers()}")

    def shown(self) -> list[int]:
        return list(self.page.evaluate(SHOWN))

    def numbers(self) -> list[int]:
        return [one.seq for one in self.stored()]

    def arrived(self, *lines: str) -> None:
        """Waits until the server has exactly these words of the patient, with their answers, and the page shows all."""
        services = self.server.services
        self.until(lambda: self.written() == list(lines) and not services.busy(self.conversation), self.written)
        self.settle()

    def until(self, holds: Callable[[], bool], told: Callable[[], Any] = str) -> None:
        """Waits for something that is not on the page, while the page goes on."""
        for _ in range(pages.WAIT_MS // LOOK_MS):
            if holds():
                return
            self.page.wait_for_timeout(LOOK_MS)
        assert holds(), told()

    def delivery(self) -> list[str]:
        """The state of each message that carries one, in the page's order."""
        return list(self.page.evaluate("everywhere('.delivery').map((one) => one.dataset.state ?? '').filter(Boolean)"))

    def heard(self, region: str) -> list[str]:
        return [words for name, words in self.page.evaluate("heard") if name == region]

    def streams(self) -> int:
        """How many requests wait for this conversation's events."""
        return len(self.server.services.hub._listeners.get(conversation_topic(self.conversation), ()))

    def leads(self) -> bool:
        return bool(self.page.evaluate("document.querySelector('pne-chat').chat.tabs.leading"))

    def wait_to_lead(self) -> None:
        self.page.wait_for_function("() => document.querySelector('pne-chat').chat.tabs?.leading")

    def wait_to_follow(self) -> None:
        self.page.wait_for_function("() => document.querySelector('pne-chat').chat.tabs?.leading === false")

    def hide(self, hidden: bool = True) -> None:
        self.page.evaluate(HIDE, hidden)

    def kept(self) -> list[str]:
        """What the browser keeps for this page."""
        return list(self.page.evaluate("[...Object.values(localStorage), ...Object.values(sessionStorage)]"))

    def again(self) -> None:
        """Loads the page anew."""
        self.page.reload()
        self.page.locator("#input:not([disabled])").wait_for()

    def second(self) -> Line:
        """The same chat in another tab, as "Duplicate tab" makes one."""
        entry = self.page.evaluate("sessionStorage.getItem('pne:demo')")
        page = self.page.context.new_page()
        page.add_init_script(pages.WATCH)
        page.add_init_script(f"sessionStorage.getItem('pne:demo') ?? sessionStorage.setItem('pne:demo', {entry!r})")
        page.goto(self.page.url)
        page.locator("#input:not([disabled])").wait_for()
        return Line(page, self.server, self.conversation)


def begin(context: BrowserContext, server: WidgetServer, url: str = "", script: str = "") -> Line:
    """A chat whose notice is accepted. `script` runs in the page before anything else."""
    context.set_default_timeout(pages.WAIT_MS)
    page = context.new_page()
    page.add_init_script(pages.WATCH + script)
    page.goto(f"{url or server.url}/chat/demo")
    page.locator(ACCEPT).click()
    page.locator("#input:not([disabled])").wait_for()
    line = Line(page, server, page.evaluate("document.querySelector('pne-chat').chat.api.conversation"))
    return line


@contextmanager
def holding_proxy(upstream: int) -> Iterator[str]:
    """A proxy before the server on that port, which lets no byte of an event stream through. Gives its address."""
    loop = asyncio.new_event_loop()
    writers: set[asyncio.StreamWriter] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = [one for one in head.split(b"\r\n") if one and not one.lower().startswith(b"connection:")]
            length = next((int(one.split(b":")[1]) for one in lines if one.lower().startswith(b"content-length:")), 0)
            body = await reader.readexactly(length)
            answers, asks = await asyncio.open_connection("127.0.0.1", upstream)
            writers.add(asks)
            asks.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]) + body)
            writer.write(await answers.readuntil(b"\r\n\r\n"))
            while piece := await answers.read(65536):
                if b"text/event-stream" not in head:
                    writer.write(piece)
        except (OSError, asyncio.IncompleteReadError):
            pass  # one side has gone
        finally:
            writer.close()

    async def open_door() -> asyncio.Server:
        return await asyncio.start_server(relay, "127.0.0.1", 0)

    async def close_door(door: asyncio.Server) -> None:
        door.close()
        for writer in writers:
            writer.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    door = asyncio.run_coroutine_threadsafe(open_door(), loop).result(10)
    try:
        yield f"http://127.0.0.1:{door.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(close_door(door), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
