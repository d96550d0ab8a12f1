"""What the dialogue has noted: read, set and forgotten in a real tracker store, with Rasa's own replay as the judge."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.rasa_light import activate

activate()

from rasa.core.lock_store import InMemoryLockStore  # noqa: E402
from rasa.shared.core.domain import Domain  # noqa: E402
from rasa.shared.core.events import ActionExecuted, BotUttered, SessionStarted, SlotSet, UserUttered  # noqa: E402

from bot.channels.facts import FactsUnreadable, change_fact, read_facts, without_fact  # noqa: E402
from bot.channels.tracker_store import TrackerStore  # noqa: E402
from bot.channels.web import BadMessage, read_change  # noqa: E402
from bot.store.dialogue import erase_dialogue, erase_words  # noqa: E402

pytestmark = pytest.mark.rasa

CHAT, OTHER = "conversation-1", "conversation-2"
SPEC = {"reply": "card", "word": "disc_bulge", "region": "neck", "age": 52, "opening": 1}
DOMAIN = Domain.from_yaml(
    """
    version: "3.1"
    intents: [tell_age, finding]
    entities: [age, finding, body_part, duration]
    slots:
      age: {type: any, mappings: [{type: from_entity, entity: age}]}
      finding: {type: any, mappings: [{type: from_entity, entity: finding}]}
      body_part: {type: any, mappings: [{type: from_entity, entity: body_part}]}
      contact_note: {type: text, influence_conversation: false, mappings: [{type: custom}]}
    """
)


@pytest.fixture
def store(tmp_path: Path) -> TrackerStore:
    return TrackerStore(DOMAIN, f"sqlite:///{tmp_path}/tracker.db")


@pytest.fixture
def locks() -> InMemoryLockStore:
    return InMemoryLockStore()


def said(text: str, entities: dict[str, str], message_id: str = "m-1") -> UserUttered:
    parsed = {
        "intent": {"name": "finding", "confidence": 1.0},
        "entities": [{"entity": k, "value": v, "start": 0, "end": 3} for k, v in entities.items()],
        "text": text,
        "red_flag": {
            "tier": "T2",
            "ask": True,
            "worst": {"category": "RF01", "tier": "T2", "scope": "now", "words": text},
        },
        "decision": {"kind": "answer", "choices": ["finding"]},
    }
    return UserUttered(text, parsed["intent"], parsed["entities"], parsed, metadata={"message_id": message_id})


async def talk(store: TrackerStore, chat: str = CHAT, words: str = "zebra in my neck since May, I am 52") -> None:
    """One turn of a card, as Rasa writes it."""
    tracker = store.init_tracker(chat)
    facts = {"age": "52", "finding": "disc_bulge", "body_part": "neck"}
    for event in (
        ActionExecuted("action_session_start"),
        SessionStarted(),
        ActionExecuted("action_listen"),
        said(words, {**facts, "duration": "since May"}),
        *(SlotSet(key, value) for key, value in facts.items()),
        SlotSet("contact_note", words),
        BotUttered("a card", metadata={"metadata": {"spec": SPEC, "picture": {"cell": "neck/disc_bulge@50"}}}),
        ActionExecuted("action_listen"),
    ):
        tracker.update(event)
    await store.save(tracker)


def rows(store: TrackerStore, chat: str = CHAT) -> list[dict[str, Any]]:
    with sqlite3.connect(str(store.engine.url.database)) as db:
        return [
            json.loads(row) for (row,) in db.execute("select data from events where sender_id = ? order by id", (chat,))
        ]


def specs(store: TrackerStore) -> list[dict[str, Any]]:
    return [row["metadata"]["metadata"]["spec"] for row in rows(store) if row["event"] == "bot"]


async def test_what_was_noted_is_read(store: TrackerStore, locks: InMemoryLockStore) -> None:
    assert await read_facts(store, locks, CHAT) == {}
    await talk(store)
    assert await read_facts(store, locks, CHAT) == {"age": "52", "finding": "disc_bulge", "body_part": "neck"}


async def test_a_corrected_fact_is_what_the_dialogue_goes_on_with(
    store: TrackerStore, locks: InMemoryLockStore
) -> None:
    await talk(store)
    await change_fact(store, locks, CHAT, "age", "47")
    assert (await read_facts(store, locks, CHAT))["age"] == "47"
    assert specs(store) == [{key: value for key, value in SPEC.items() if key != "age"}]
    assert [row["value"] for row in rows(store) if row.get("name") == "age"] == [None, "47"]


async def test_a_fact_is_noted_before_the_first_message(store: TrackerStore, locks: InMemoryLockStore) -> None:
    await change_fact(store, locks, CHAT, "body_part", "knee")
    assert await read_facts(store, locks, CHAT) == {"body_part": "knee"}
    assert [row["event"] for row in rows(store)] == ["action", "session_started", "action", "slot"]


@pytest.mark.parametrize(("key", "value"), [("age", "52"), ("finding", "disc_bulge"), ("body_part", "neck")])
async def test_a_forgotten_fact_is_nowhere_and_does_not_come_back(
    store: TrackerStore, locks: InMemoryLockStore, key: str, value: str
) -> None:
    await talk(store)
    await talk(store, OTHER)
    await change_fact(store, locks, CHAT, key, None)
    left = await read_facts(store, locks, CHAT)
    assert key not in left and len(left) == 2
    for row in rows(store):
        parsed = row.get("parse_data") or {}
        assert all(entity["entity"] != key for entity in parsed.get("entities", ()))
    (spec,) = specs(store)
    assert value not in [str(part) for part in spec.values()]
    assert spec == ({} if key == "finding" else {k: v for k, v in SPEC.items() if str(v) != value})
    assert not any("picture" in json.dumps(row) for row in rows(store))
    assert (await read_facts(store, locks, OTHER))[key] == value
    await change_fact(store, locks, CHAT, key, None)


def test_a_reply_that_names_the_region_in_its_words_forgets_them_too() -> None:
    spec = {"reply": "control", "id": "control/same_for_region.1", "values": {"region": "knee"}}
    event = {"event": "bot", "text": "x", "metadata": {"metadata": {"spec": spec}}}
    assert without_fact(event, "body_part")["metadata"]["metadata"]["spec"] == {}
    assert without_fact(event, "age") == event
    assert event["metadata"]["metadata"]["spec"] == spec, "the event itself is not changed"


async def test_changes_wait_for_the_turn_under_way(store: TrackerStore, locks: InMemoryLockStore) -> None:
    await talk(store)
    async with locks.lock(CHAT):
        reading = asyncio.create_task(read_facts(store, locks, CHAT))
        await asyncio.sleep(0)
        assert not reading.done()
        reading.cancel()


async def test_a_database_that_fails_is_an_error_and_not_an_empty_answer(
    store: TrackerStore, locks: InMemoryLockStore, tmp_path: Path
) -> None:
    await talk(store)
    with sqlite3.connect(tmp_path / "tracker.db") as db:
        db.execute("ALTER TABLE events RENAME TO gone")
    with pytest.raises(FactsUnreadable):
        await read_facts(store, locks, CHAT)


@pytest.mark.parametrize(
    "body",
    [
        b"x", b"[]", b"{}", b'{"conversation": "short", "key": "age", "value": "1"}',
        b'{"conversation": "conversation-1", "key": "contact_note", "value": "1"}',
        b'{"conversation": "conversation-1", "key": "age", "value": 52}',
        b'{"conversation": "conversation-1", "key": "age", "value": ""}',
    ],
)  # fmt: skip
def test_a_change_that_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(BadMessage):
        read_change(body)


def test_a_change_is_read() -> None:
    assert read_change(b'{"conversation": "conversation-1", "key": "age", "value": null}') == (CHAT, "age", None)


# The words of one message


async def test_the_words_of_a_message_go_and_the_dialogue_stays(store: TrackerStore, locks: InMemoryLockStore) -> None:
    words = "zebra in my neck since May, I am 52"
    await talk(store)
    tracker = await store.retrieve(CHAT)
    tracker.update(said("  Zebra in my neck since May; I am 52!", {}, "the-no-that-passed-it-on"))
    tracker.update(said("another message", {}, "m-3"))
    await store.save(tracker)
    erase_words(str(store.engine.url), CHAT, "m-1", words)
    left = json.dumps(rows(store))
    for gone in ("zebra", "Zebra", "since May"):
        assert gone not in left
    assert "another message" in left
    users = [row for row in rows(store) if row["event"] == "user"]
    assert [row["text"] for row in users] == ["", "", "another message"]
    assert users[0]["parse_data"]["red_flag"]["worst"] == {"category": "RF01", "tier": "T2", "scope": "now"}
    tracker = await store.retrieve(CHAT)
    assert tracker.latest_message.text == "another message"
    assert (await read_facts(store, locks, CHAT))["age"] == "52", "noted facts are forgotten on their own"


async def test_erasing_leaves_nothing_in_the_file(store: TrackerStore, tmp_path: Path) -> None:
    await talk(store)
    await talk(store, OTHER, "giraffe")
    store.engine.dispose()
    erase_dialogue(str(store.engine.url), CHAT)
    assert rows(store) == [] and rows(store, OTHER)
    for path in tmp_path.iterdir():
        assert b"zebra" not in path.read_bytes(), path.name


def test_a_tracker_database_without_tables_is_nothing_to_erase(tmp_path: Path) -> None:
    erase_dialogue(f"sqlite:///{tmp_path}/new.db", CHAT)
    erase_words(f"sqlite:///{tmp_path}/new.db", CHAT, "m-1", "words")
