"""What the dialogue has noted about a patient (slots of ``domain.yml``): read, corrected and forgotten on request.

Forgetting rewrites the stored events: a slot that is only set to nothing would come back from the replies, whose specs
say for which age and which part of the body they were made, and would still stand in the table.
"""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import sqlalchemy as sa
from rasa.core.lock_store import LockStore
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.events import ActionExecuted, SessionStarted, SlotSet
from rasa.shared.core.trackers import DialogueStateTracker

from bot.channels import checkpoints
from bot.channels.tracker_store import OPERATION_LIMIT_S, TrackerStore
from bot.channels.turn import Turn, begin_turn

FACTS = ("body_part", "finding", "age")
# Under which name a fact stands in the spec of a reply.
_IN_SPECS = {"body_part": "region", "finding": "word", "age": "age"}


class FactsUnreadable(Exception):
    """The dialogue could not be read or written; holds the code of the trouble."""


async def read_facts(store: TrackerStore, locks: LockStore, conversation: str) -> dict[str, str]:
    """What is noted, by fact. Waits for the turns under way, so what it gives is what they left.

    Raises FactsUnreadable.
    """
    async with locks.lock(conversation):
        tracker = await _tracker(store, conversation, begin_turn())
        return _noted(tracker) if tracker is not None else {}


async def change_fact(store: TrackerStore, locks: LockStore, conversation: str, key: str, value: str | None) -> None:
    """Sets a fact, or (None) forgets it with all that would bring it back. Raises FactsUnreadable, and what the
    database raises."""
    async with locks.lock(conversation):
        # Also before a new value: replies that were made for the old one must not pass it on.
        rewriting = asyncio.to_thread(_rewrite, store, conversation, key)
        await asyncio.wait_for(rewriting, OPERATION_LIMIT_S)
        if value is not None:
            await _set(store, conversation, key, value)


async def _set(store: TrackerStore, conversation: str, key: str, value: str) -> None:
    turn = begin_turn()
    tracker = await _tracker(store, conversation, turn)
    if tracker is None:
        tracker = store.init_tracker(conversation)
        # As Rasa begins a conversation; without it the first message would find no session.
        for event in (ActionExecuted(ACTION_SESSION_START_NAME), SessionStarted(), ActionExecuted(ACTION_LISTEN_NAME)):
            tracker.update(event)
    tracker.update(SlotSet(key, value))
    await store.save(tracker)
    if turn.troubles:
        raise FactsUnreadable(turn.troubles[0])


def without_fact(event: dict[str, Any], key: str) -> dict[str, Any]:
    """A stored event with nothing left in it that says or brings back the fact; the words stay."""
    changed = copy.deepcopy(event)
    kind = changed.get("event")
    if kind == "slot" and changed.get("name") == key:
        changed["value"] = None
    elif kind == "user":
        parsed = changed.get("parse_data") or {}
        parsed["entities"] = [one for one in parsed.get("entities") or () if one.get("entity") != key]
        changed["parse_data"] = parsed
    elif kind == "bot":
        about = (changed.get("metadata") or {}).get("metadata") or {}
        spec = about.get("spec") or {}
        name = _IN_SPECS[key]
        if spec.get(name) is not None or name in (spec.get("values") or {}):
            # A card without its word is none: then nothing is known of what was said.
            whole = key == "finding" or name not in spec
            about["spec"] = {} if whole else {part: held for part, held in spec.items() if part != name}
            about.pop("picture", None)
    return changed


def _rewrite(store: TrackerStore, conversation: str, key: str) -> None:
    """Rewrites the events of all the conversation's sessions in one transaction."""
    with store.session_scope() as session:
        rows = session.execute(
            sa.select(store.SQLEvent.id, store.SQLEvent.data).where(store.SQLEvent.sender_id == conversation)
        ).all()
        for row_id, data in rows:
            event = json.loads(data)
            changed = without_fact(event, key)
            if changed != event:
                session.execute(
                    sa.update(store.SQLEvent)
                    .where(store.SQLEvent.id == row_id)
                    .values(data=json.dumps(changed))
                    .execution_options(synchronize_session=False)
                )
        # It holds what the events had come to; the next turn reads them all, and makes a new one.
        session.execute(checkpoints.TABLE.delete().where(checkpoints.TABLE.c.sender_id == conversation))
        session.commit()


async def _tracker(store: TrackerStore, conversation: str, turn: Turn) -> DialogueStateTracker | None:
    """The conversation as it is stored; None where Rasa has not heard of it. Raises FactsUnreadable."""
    tracker = await store.retrieve(conversation)
    if turn.troubles:
        raise FactsUnreadable(turn.troubles[0])
    return tracker


def _noted(tracker: DialogueStateTracker) -> dict[str, str]:
    values = {key: tracker.slots[key].value for key in FACTS if key in tracker.slots}
    first = {key: value[0] if isinstance(value, list) and value else value for key, value in values.items()}
    return {key: str(value) for key, value in first.items() if value not in (None, "", [])}
