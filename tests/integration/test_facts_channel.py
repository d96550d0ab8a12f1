"""The channel's route for what is noted, on a real Rasa server, and the web app's line to it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator

import httpx
import pytest

from bot.web.assistant import AssistantAway, AssistantUnavailable, open_assistant
from tests.support.rasa_project import SECRET, Server, free_port, serving, trained

pytestmark = pytest.mark.rasa

CHAT = "facts-channel-1"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving(trained()[0]) as running:
        yield running


def ask(server: Server, method: str, **request: object) -> httpx.Response:
    request.setdefault("headers", {"X-PNE-Secret": SECRET})
    return httpx.request(method, f"{server.url}/webhooks/web/facts", timeout=30, **request)  # type: ignore[arg-type]


def test_facts_are_for_the_web_app_alone(server: Server) -> None:
    for headers in ({}, {"X-PNE-Secret": SECRET + "x"}):
        assert ask(server, "GET", params={"conversation": CHAT}, headers=headers).status_code == 401
        change = {"conversation": CHAT, "key": "age", "value": None}
        assert ask(server, "PATCH", json=change, headers=headers).status_code == 401


@pytest.mark.parametrize("conversation", ["", "short", "x" * 65, "with space"])
def test_odd_conversations_are_refused(server: Server, conversation: str) -> None:
    assert ask(server, "GET", params={"conversation": conversation}).status_code == 400
    change = {"conversation": conversation, "key": "age", "value": None}
    assert ask(server, "PATCH", json=change).status_code == 400


def test_a_conversation_that_rasa_has_not_heard_of_has_no_facts(server: Server) -> None:
    assert ask(server, "GET", params={"conversation": "never-heard-of"}).json() == {"facts": {}}


def test_forgetting_goes_beside_the_turns_and_disturbs_none(server: Server) -> None:
    assert server.say(CHAT, "hello").status_code == 200
    change = {"conversation": CHAT, "key": "age", "value": None}
    assert ask(server, "PATCH", json=change).status_code == 200
    assert server.say(CHAT, "hello").status_code == 200
    with sqlite3.connect(trained()[0] / "var/tracker.db") as db:
        query = "select count(*) from events where sender_id = ? and type_name = 'user'"
        assert db.execute(query, (CHAT,)).fetchone() == (2,)


async def test_the_web_app_reads_and_changes(server: Server) -> None:
    assistant = open_assistant([server.url], SECRET, 20.0)
    assert await assistant.facts(CHAT) == {}
    await asyncio.gather(*(assistant.change_fact(CHAT, "age", None) for _ in range(3)))
    await assistant.aclose()


async def test_no_rasa_and_a_wrong_secret_are_told_apart(server: Server) -> None:
    away = open_assistant([f"http://127.0.0.1:{free_port()}"], SECRET, 5.0)
    with pytest.raises(AssistantAway):
        await away.facts(CHAT)
    wrong = open_assistant([server.url], "another", 5.0)
    with pytest.raises(AssistantUnavailable) as refused:
        await wrong.change_fact(CHAT, "age", "5")
    assert not isinstance(refused.value, AssistantAway)
    await away.aclose()
    await wrong.aclose()
