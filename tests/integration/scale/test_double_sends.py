"""Two Rasa processes get two messages of one conversation in the same moment, a few hundred times: no turn is lost, and
none runs into another. A small Rasa project, PostgreSQL and Redis; `PNE_STOCK_LOCKS=1` runs it with Rasa's own store.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from tests.support import postgres
from tests.support.rasa_project import SECRET, Server, make_project, run, serving
from tests.support.valkey import Valkey, new_valkey

pytestmark = pytest.mark.rasa
server = postgres.server
STOCK = os.environ.get("PNE_STOCK_LOCKS") == "1"
PAIRS = int(os.environ.get("PNE_LOCK_PAIRS", "150"))
AT_ONCE = 6
ENDPOINTS = """
    tracker_store:
      type: bot.channels.tracker_store.TrackerStore
      db: ${{PNE_TRACKER_URL}}
    lock_store:
      {}
    """
OURS = "type: bot.channels.lock_store.LockStore\n      url: ${PNE_REDIS_URL}"
# One session; then each message with all that follows it, up to where Rasa listens again.
WHOLE = re.compile(r"\.*aS\.*l(U[^Ul]*l){2}")


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="valkey") as folder:
        made = new_valkey(Path(folder))
        yield made
        made.kill()


@pytest.fixture(scope="module")
def both(server: Any, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Server], str]]:
    """Two Rasa processes over the same databases, and the address of the dialogue's."""
    locks = f"type: redis\n      url: 127.0.0.1\n      port: {valkey.port}\n      db: 0" if STOCK else OURS
    project = make_project(tmp_path_factory.mktemp("locks"), endpoints_yml=ENDPOINTS.format(locks))
    assert run(project, "-m", "bot.rasa_light", "train", "--fixed-model-name", "tiny").code == 0
    with ExitStack() as stack:
        os.environ["PNE_REDIS_URL"] = valkey.url
        stack.callback(os.environ.pop, "PNE_REDIS_URL")
        url = stack.enter_context(postgres.empty_database(server, "double_sends"))
        yield [stack.enter_context(serving(project, url)) for _ in range(2)], url


async def double_send(both: list[Server], names: list[str]) -> tuple[Counter[str], float]:
    """Each conversation's two messages, one to each process; the statuses, and the longest time that one took."""
    statuses: Counter[str] = Counter()
    longest = 0.0
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(headers={"X-PNE-Secret": SECRET}, timeout=90) as client:

        async def one(rasa: Server, name: str, text: str) -> None:
            nonlocal longest
            body = {"conversation": name, "message_id": f"{name}.{text}", "text": text}
            began = time.monotonic()
            answer = await client.post(f"{rasa.url}/webhooks/web/message", json=body)
            longest = max(longest, time.monotonic() - began)
            statuses[f"{answer.status_code} {len(answer.json().get('replies', []))}"] += 1

        async def pair(name: str) -> None:
            async with gate:
                await asyncio.gather(one(both[0], name, "hello"), one(both[1], name, "pain"))

        await asyncio.gather(*(pair(name) for name in names))
    return statuses, longest


def stories(url: str) -> dict[str, str]:
    """What is kept of each conversation, a letter for each event: a S l for the session, U for a message."""
    engine = sa.create_engine(url)
    found: dict[str, str] = {}
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT sender_id, type_name, data FROM events ORDER BY id"))
        for sender, kind, data in rows:
            letter = {"user": "U", "session_started": "S"}.get(kind, ".")
            if kind == "action":
                letter = {"action_listen": "l", "action_session_start": "a"}.get(json.loads(data)["name"], ".")
            found[sender] = found.get(sender, "") + letter
    engine.dispose()
    return found


async def test_simultaneous_messages_of_one_conversation_are_two_whole_turns(
    both: tuple[list[Server], str], record_property: Any
) -> None:
    rasas, url = both
    names = [f"conversation-{number}" for number in range(PAIRS)]
    statuses, longest = await double_send(rasas, names)
    found = stories(url)
    wrong = {name: found.get(name, "") for name in names if not WHOLE.fullmatch(found.get(name, ""))}
    print(f"{len(wrong)} of {PAIRS} pairs corrupted; {dict(statuses)}; the longest took {longest:.2f} s")
    assert wrong == {} and set(statuses) == {"200 1"}, list(wrong.items())[:5]
    assert longest < 5.0


async def test_without_redis_nothing_is_processed(both: tuple[list[Server], str], valkey: Valkey) -> None:
    if STOCK:
        pytest.skip("Rasa's own answers 200 and [] to everything then")
    rasas, url = both
    assert rasas[0].say("conversation-down", "pain").status_code == 200
    before = stories(url)["conversation-down"]
    valkey.kill()
    try:
        for rasa in rasas:
            began = time.monotonic()
            answer = rasa.say("conversation-down", "yes")
            assert (answer.status_code, "replies" in answer.json()) == (503, False)
            assert time.monotonic() - began < 2.0
    finally:
        valkey.start()
    assert stories(url)["conversation-down"] == before
    again = rasas[1].say("conversation-down", "yes")
    assert again.status_code == 200 and again.json()["replies"][0]["text"] == "going on"


async def test_a_killed_rasa_blocks_its_conversation_for_seconds_only(
    both: tuple[list[Server], str], valkey: Valkey
) -> None:
    """It died while it held the lock: that is what it leaves in Redis."""
    if STOCK:
        pytest.skip("a minute")
    import redis

    with redis.Redis.from_url(valkey.url) as line:
        now = int(time.time() * 1000)
        line.zadd("pne:line:{conversation-dead}", {"dead": 1})
        line.zadd("pne:lapse:{conversation-dead}", {"dead": now + 3000})
    began = time.monotonic()
    assert both[0][0].say("conversation-dead", "hello").status_code == 200
    assert 1.5 < time.monotonic() - began < 6.0
