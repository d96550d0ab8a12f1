"""The line to several Rasa processes: which one is asked, and what is asked of another."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.web import assistants as assistants_module
from bot.web.assistant import Assistant, AssistantAway, AssistantUnavailable, open_assistant
from bot.web.assistants import Rasa, ranked
from bot.web.breaker import CLOSED, OPEN

ANSWERS, FAILS, HANGS, BREAKS_OFF = "answers", "fails", "hangs", "breaks off"


class FakeRasa:
    """Speaks the channel's HTTP, and does to the next requests what `todo` says; then what `does` says."""

    def __init__(self) -> None:
        self.does, self.healthy = ANSWERS, True
        self.todo: list[str] = []
        self.heard: list[str] = []
        self.connections = 0
        self.port = 0
        self.server: asyncio.Server | None = None
        self.open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in tuple(self.open):
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith("content-l")), 0)
                body = await reader.readexactly(length)
                if "/health" in head:
                    await self.say(writer, 200 if self.healthy else 503, {})
                    continue
                self.heard.append(json.loads(body)["message_id"])
                does = self.todo.pop(0) if self.todo else self.does
                if does == HANGS:
                    await asyncio.sleep(60)
                elif does == BREAKS_OFF:
                    writer.transport.abort()
                    return
                elif does == FAILS:
                    await self.say(writer, 503, {"code": "failed"})
                else:
                    await self.say(writer, 200, {"replies": [{"text": self.url}]})
        self.open.discard(writer)

    async def say(self, writer: asyncio.StreamWriter, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()


@pytest.fixture
async def both() -> AsyncIterator[list[FakeRasa]]:
    made = [FakeRasa(), FakeRasa()]
    for one in made:
        await one.listen()
    yield made
    for one in made:
        await one.die()


@pytest.fixture
async def assistant(both: list[FakeRasa]) -> AsyncIterator[Assistant]:
    made = open_assistant([one.url for one in both], "secret", 0.3)
    yield made
    await made.aclose()


def of(assistant: Assistant, both: list[FakeRasa], conversation: str) -> tuple[FakeRasa, FakeRasa]:
    """The conversation's own process, and the next."""
    first = ranked(conversation, assistant.rasas)[0].url
    return (both[0], both[1]) if both[0].url == first else (both[1], both[0])


async def say(assistant: Assistant, conversation: str, message_id: str = "m") -> str:
    replies = await assistant.say(conversation=conversation, message_id=message_id, text="x", clinic="demo")
    return str(replies[0]["text"])


def test_the_ranking_is_the_same_everywhere_and_even() -> None:
    urls = ["http://a:5055", "http://b:5055", "http://c:5055"]
    rasas, turned = [Rasa(url, 1) for url in urls], [Rasa(url, 1) for url in reversed(urls)]
    names = [f"conversation-{number}" for number in range(3000)]
    first = {name: ranked(name, rasas)[0].url for name in names}
    assert first == {name: ranked(name, turned)[0].url for name in names}
    assert all(900 < count < 1100 for count in Counter(first.values()).values())
    # Fixed for good: another version of the web app, or of Python, must choose the same.
    assert ranked("conversation-1", rasas)[0].url == urls[0]
    without = [rasa for rasa in rasas if rasa.url != urls[1]]
    moved = {name for name in names if ranked(name, without)[0].url != first[name]}
    assert moved == {name for name in names if first[name] == urls[1]}


async def test_a_conversation_stays_with_its_own(assistant: Assistant, both: list[FakeRasa]) -> None:
    for number in range(20):
        own, _ = of(assistant, both, f"c{number}")
        assert [await say(assistant, f"c{number}", f"{number}.{k}") for k in range(2)] == [own.url, own.url]
    assert all(one.connections == 1 for one in both)  # kept open


async def test_where_nobody_listens_the_next_is_asked_and_the_own_again_when_it_is_back(
    assistant: Assistant, both: list[FakeRasa]
) -> None:
    own, other = of(assistant, both, "c")
    await own.die()
    assert await say(assistant, "c") == other.url and own.heard == []
    await own.listen()
    assert await say(assistant, "c") == own.url
    for one in both:
        await one.die()
    with pytest.raises(AssistantAway):
        await say(assistant, "c")


async def test_what_may_have_begun_is_never_asked_of_another(assistant: Assistant, both: list[FakeRasa]) -> None:
    own, other = of(assistant, both, "c")
    for does in (HANGS, FAILS):
        own.todo = [does]
        with pytest.raises(AssistantUnavailable) as error:
            await say(assistant, "c", does)
        assert not isinstance(error.value, AssistantAway)
    assert other.heard == [] and own.heard == [HANGS, FAILS]


async def test_a_connection_that_breaks_off_is_no_failed_turn(assistant: Assistant, both: list[FakeRasa]) -> None:
    own, other = of(assistant, both, "c")
    assert await say(assistant, "c", "m1") == own.url
    own.todo = [BREAKS_OFF]
    assert await say(assistant, "c", "m2") == own.url
    assert own.heard == ["m1", "m2", "m2"] and other.heard == []  # which it knows by its id
    own.todo = [BREAKS_OFF, BREAKS_OFF, BREAKS_OFF]
    with pytest.raises(AssistantUnavailable):
        await say(assistant, "c", "m3")
    assert other.heard == []


async def test_a_message_over_which_a_process_dies_is_not_given_to_another(
    assistant: Assistant, both: list[FakeRasa]
) -> None:
    """It may have been saved already, and only the answer lost."""
    own, other = of(assistant, both, "c")
    own.todo = [HANGS]
    asked = asyncio.create_task(say(assistant, "c"))
    while not own.heard:
        await asyncio.sleep(0.001)
    own.todo = [BREAKS_OFF]  # it takes one more connection while it dies
    for writer in tuple(own.open):
        writer.transport.abort()
    while len(own.heard) < 2:
        await asyncio.sleep(0.001)
    await own.die()
    with pytest.raises(AssistantUnavailable) as error:
        await asked
    assert not isinstance(error.value, AssistantAway) and other.heard == []
    assert await say(assistant, "c", "the next") == other.url


async def test_a_connection_that_is_closed_as_soon_as_it_is_made_is_made_again(
    assistant: Assistant, both: list[FakeRasa], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is where a process is just dying: anyio fails with an AttributeError then."""
    own, other = of(assistant, both, "c")
    client = assistant.rasas[both.index(own)].client
    real, calls = client.request, itertools.count(1)

    async def cut_off(*asked: Any, **more: Any) -> Any:
        if next(calls) in fails:
            raise AttributeError("'NoneType' object has no attribute 'getpeername'")
        return await real(*asked, **more)

    monkeypatch.setattr(client, "request", cut_off)
    fails = {1}
    assert await say(assistant, "c") == own.url
    fails = set(range(100))
    assert await say(assistant, "c") == other.url


async def test_an_open_breaker_is_passed_by_and_with_all_open_nobody_waits(
    assistant: Assistant, both: list[FakeRasa]
) -> None:
    own, other = of(assistant, both, "c")
    own.does, own.healthy = HANGS, False
    with pytest.raises(AssistantUnavailable):
        await say(assistant, "c")
    while assistant.rasas[both.index(own)].breaker.state != OPEN:
        await asyncio.sleep(0.001)
    assert await say(assistant, "c") == other.url
    assistant.rasas[both.index(other)].breaker.open("test")
    began = time.monotonic()
    with pytest.raises(AssistantUnavailable, match="circuit open") as error:
        await say(assistant, "c")
    assert time.monotonic() - began < 0.1 and not isinstance(error.value, AssistantAway)
    assert {state["state"] for state in assistant.states()} == {OPEN}


async def test_slow_is_asked_how_it_is_before_the_time_is_up(
    both: list[FakeRasa], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assistants_module, "SLOW", 0.05)
    patient = open_assistant([one.url for one in both], "secret", 5.0)
    own, other = of(patient, both, "c")
    own.does, own.healthy = HANGS, False
    waiting = asyncio.create_task(say(patient, "c", "m1"))
    while patient.rasas[both.index(own)].breaker.state == CLOSED:
        await asyncio.sleep(0.001)
    assert not waiting.done() and await say(patient, "c", "m2") == other.url
    waiting.cancel()
    await patient.aclose()


async def test_ready_where_any_is_and_states_hold_no_secrets(assistant: Assistant, both: list[FakeRasa]) -> None:
    assert await assistant.ready()
    both[0].healthy = False
    assert await assistant.ready()
    both[1].healthy = False
    assert not await assistant.ready()
    named = open_assistant(["http://user:word@rasa-0.rasa:5055/x?y=z"], "secret", 1.0)
    assert named.states() == [{"address": "rasa-0.rasa:5055", "state": CLOSED, "failures": 0, "opened": 0}]


async def test_no_proxy_of_the_environment_hears_a_patients_words(
    both: list[FakeRasa], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    made = open_assistant([both[0].url], "secret", 1.0)
    assert await say(made, "c") == both[0].url
    await made.aclose()
