"""Where a long conversation begins for Rasa: a checkpoint and the turns after it, so that turns do not get slower.

Rasa replays a session from its first event at each turn, and every policy walks through all of it. A checkpoint holds
what those events had come to at the end of a turn (slots, what was said, the last red flag); the dialogue then begins
there, as a session of Rasa's begins with the slots that it carries over. All events stay in the table. Without its
checkpoint a conversation is read whole, so whoever rewrites events only has to take the checkpoint away.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from rasa.shared.core.constants import ACTION_LISTEN_NAME, ACTION_SESSION_START_NAME
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, Event, SessionStarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

# A conversation with more events than MOST since its checkpoint gets a new one, behind which at least FEWEST stay: four
# turns and more, where memoization looks back three.
MOST, FEWEST = 42, 24
MOST_SAID = 60

metadata = sa.MetaData()
TABLE = sa.Table(
    "dialogue_checkpoint",
    metadata,
    sa.Column("sender_id", sa.String(255), primary_key=True),
    sa.Column("event_id", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
)
_BEFORE = "pne_before"


@dataclass(frozen=True)
class Before:
    """What the events up to a checkpoint had come to. `said`: specs of the assistant's replies, newest first;
    `flagged`: the last message that raised a red flag, as it is stored."""

    slots: dict[str, Any]
    said: tuple[dict[str, Any], ...]
    flagged: dict[str, Any] | None
    at: float

    def events(self) -> list[Event]:
        """The beginning of the dialogue in place of the events before."""
        flagged = Event.from_parameters(self.flagged) if self.flagged else None
        return [
            ActionExecuted(ACTION_SESSION_START_NAME, timestamp=self.at),
            SessionStarted(timestamp=self.at),
            *([flagged] if flagged is not None else ()),
            *(SlotSet(name, value, timestamp=self.at) for name, value in self.slots.items()),
            ActionExecuted(ACTION_LISTEN_NAME, timestamp=self.at),
        ]

    def dumps(self) -> str:
        return json.dumps({"slots": self.slots, "said": self.said, "flagged": self.flagged, "at": self.at})


def loads(state: str) -> Before:
    """What `Before.dumps` wrote."""
    kept = json.loads(state)
    return Before(kept["slots"], tuple(kept["said"]), kept["flagged"], kept["at"])


def specs_of(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """The specs of the assistant's replies, newest first; an empty one where a reply had none (safety words)."""
    for event in reversed(events):
        if isinstance(event, BotUttered) and event.text:
            yield ((event.metadata or {}).get("metadata") or {}).get("spec") or {}


def said_before(tracker: DialogueStateTracker) -> tuple[dict[str, Any], ...]:
    """The specs of replies before the tracker's first event, newest first."""
    before: Before | None = getattr(tracker, _BEFORE, None)
    return before.said if before is not None else ()


def begin_with(tracker: DialogueStateTracker, before: Before | None) -> None:
    """Note what a tracker began with."""
    setattr(tracker, _BEFORE, before)


def next_checkpoint(
    tracker: DialogueStateTracker, opening: int, ids: Sequence[int], domain: Domain
) -> tuple[int, Before] | None:
    """Where a conversation should begin from now on: the id of the last event before, and what was up to it.

    `opening`: how many of the tracker's first events stand for a checkpoint; `ids`: of the stored events that follow
    them. None where there are few events, or a form is being filled in.
    """
    events = list(tracker.events)
    if len(events) - opening <= MOST or tracker.active_loop_name or tracker.is_paused():
        return None
    place = min(len(events) - FEWEST, opening + len(ids))
    while place > opening and not _ends_a_turn(events[place - 1]):
        place -= 1
    if place == opening:
        return None
    then = DialogueStateTracker.from_events(tracker.sender_id, events[:place], domain.slots)
    if then.active_loop_name or then.is_paused():
        return None
    said = (*specs_of(events[opening:place]), *said_before(tracker))[:MOST_SAID]
    flagged = next((one for one in reversed(events[:place]) if _flagged(one)), None)
    slots = {name: slot.value for name, slot in then.slots.items() if slot.has_been_set}
    at = float(events[place - 1].timestamp or 0.0)
    return ids[place - 1 - opening], Before(slots, said, flagged.as_dict() if flagged is not None else None, at)


def _ends_a_turn(event: Event) -> bool:
    return isinstance(event, ActionExecuted) and event.action_name == ACTION_LISTEN_NAME


def _flagged(event: Event) -> bool:
    return isinstance(event, UserUttered) and bool(event.parse_data.get("red_flag"))
