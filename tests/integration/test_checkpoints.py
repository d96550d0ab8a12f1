"""A long conversation is read from its checkpoint: the same slots and words to go on with, and no more events."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from bot.rasa_light import activate

activate()

from rasa.shared.core.domain import Domain  # noqa: E402
from rasa.shared.core.events import (  # noqa: E402
    ActionExecuted,
    ActiveLoop,
    BotUttered,
    Event,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.trackers import DialogueStateTracker  # noqa: E402

from bot.channels import checkpoints  # noqa: E402
from bot.channels.checkpoints import FEWEST, MOST, said_before, specs_of  # noqa: E402
from bot.channels.facts import change_fact  # noqa: E402
from bot.channels.tracker_store import TrackerStore  # noqa: E402
from bot.store.dialogue import erase_dialogue, erase_words  # noqa: E402

WHO = "conversation-1"
DOMAIN = Domain.from_yaml(
    """
version: "3.1"
slots:
  body_part: {type: text, influence_conversation: true, mappings: [{type: custom}]}
  age: {type: text, mappings: [{type: custom}]}
  list: {type: list, mappings: [{type: custom}]}
forms:
  contact_form: {required_slots: []}
"""
)


@pytest.fixture
def store(tmp_path: Path) -> TrackerStore:
    return TrackerStore(DOMAIN, db=f"sqlite:///{tmp_path}/tracker.db")


async def turn(store: TrackerStore, number: int, *more: Event, text: str = "words") -> DialogueStateTracker:
    """One turn as Rasa's processor does it: read, add, save."""
    tracker = await store.get_or_create_tracker(WHO, append_action_listen=False)
    said = {"metadata": {"spec": {"reply": f"answer {number}"}}, "utter_action": "utter_x"}
    for event in (UserUttered(f"{text} {number}"), *more, ActionExecuted("utter_x"), BotUttered("said", metadata=said)):
        tracker.update(event, DOMAIN)
    tracker.update(ActionExecuted("action_listen"), DOMAIN)
    await store.save(tracker)
    return tracker


def slots(tracker: DialogueStateTracker) -> dict[str, Any]:
    return {name: slot.value for name, slot in tracker.slots.items()}


async def whole(store: TrackerStore) -> DialogueStateTracker:
    tracker = await store.retrieve_full_tracker(WHO)
    assert tracker is not None
    return tracker


async def read(store: TrackerStore) -> DialogueStateTracker:
    tracker = await store.retrieve(WHO)
    assert tracker is not None
    return tracker


async def test_a_long_conversation_goes_on_as_if_all_of_it_were_read(store: TrackerStore) -> None:
    chance = random.Random(8)
    for number in range(120):
        name = chance.choice(["body_part", "age"])
        more = [SlotSet(name, chance.choice(["knee", "back", None, "40"]))] if chance.random() < 0.5 else []
        await turn(store, number, *more)
        short, full = await read(store), await whole(store)
        assert slots(short) == slots(full)
        assert len(short.events) <= MOST + 12
        kept = list(short.events)[-FEWEST:] if len(full.events) >= FEWEST else list(short.events)
        assert kept == list(full.events)[-len(kept):]
        # What was said is known beyond the checkpoint too.
        said = [*specs_of(short.events), *said_before(short)]
        assert said == list(specs_of(full.events))[: len(said)]
        assert len(said) >= min(number + 1, checkpoints.MOST_SAID)


async def test_every_event_is_stored_once(store: TrackerStore) -> None:
    for number in range(40):
        await turn(store, number)
    texts = [event.text for event in (await whole(store)).events if isinstance(event, UserUttered)]
    assert texts == [f"words {number}" for number in range(40)]


async def test_a_red_flag_long_ago_is_still_known(store: TrackerStore) -> None:
    await turn(store, 0)
    tracker = await read(store)
    tracker.update(UserUttered("numb", parse_data={"red_flag": {"worst": {"category": "RF01"}}}), DOMAIN)
    tracker.update(ActionExecuted("action_listen"), DOMAIN)
    await store.save(tracker)
    for number in range(30):
        await turn(store, number)
    flagged = [one for one in (await read(store)).events if isinstance(one, UserUttered) and checkpoints._flagged(one)]
    assert [one.parse_data["red_flag"]["worst"]["category"] for one in flagged] == ["RF01"]


async def test_a_form_is_not_cut_in_two(store: TrackerStore) -> None:
    await turn(store, 0, ActiveLoop("contact_form"))
    for number in range(1, 20):
        await turn(store, number)
    tracker = await read(store)
    assert tracker.active_loop_name == "contact_form" and len(tracker.events) == len((await whole(store)).events)
    await turn(store, 20, ActiveLoop(None))
    for number in range(21, 33):
        await turn(store, number)
    tracker = await read(store)
    assert tracker.active_loop_name is None and len(tracker.events) < 60


async def test_a_new_session_begins_afresh(store: TrackerStore) -> None:
    for number in range(30):
        await turn(store, number, SlotSet("age", "40"))
    tracker = await read(store)
    for event in (ActionExecuted("action_session_start"), SessionStarted(), ActionExecuted("action_listen")):
        tracker.update(event, DOMAIN)
    await store.save(tracker)
    await turn(store, 99)
    texts = [event.text for event in (await read(store)).events if isinstance(event, UserUttered)]
    assert texts == ["words 99"]


async def test_a_clock_that_is_put_back_hides_nothing(store: TrackerStore) -> None:
    tracker = await store.get_or_create_tracker(WHO, append_action_listen=False)
    tracker.update(SessionStarted(timestamp=2_000_000_000.0), DOMAIN)
    await store.save(tracker)
    await turn(store, 7)
    texts = [event.text for event in (await read(store)).events if isinstance(event, UserUttered)]
    assert texts == ["words 7"]


@pytest.mark.parametrize("how", ["all", "words", "fact"])
async def test_what_is_erased_or_forgotten_is_gone_from_the_checkpoint(
    store: TrackerStore, tmp_path: Path, how: str
) -> None:
    from rasa.core.lock_store import InMemoryLockStore

    await turn(store, 0, SlotSet("body_part", "planted"), text="planted")
    for number in range(1, 30):
        await turn(store, number)
    path = tmp_path / "tracker.db"
    assert "planted" in checkpoint(path)
    if how == "all":
        erase_dialogue(f"sqlite:///{path}", WHO)
    elif how == "words":
        erase_words(f"sqlite:///{path}", WHO, "no id", "planted")
    else:
        await change_fact(store, InMemoryLockStore(), WHO, "body_part", None)
    assert "planted" not in checkpoint(path)
    tracker = await store.retrieve(WHO)
    assert tracker is None or slots(tracker)["body_part"] is None


def checkpoint(path: Path) -> str:
    with sqlite3.connect(path) as db:
        return json.dumps(db.execute("select * from dialogue_checkpoint").fetchall())
