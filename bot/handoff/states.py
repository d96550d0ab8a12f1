"""The rules of a handoff's life. Pure: statuses in, statuses out."""

from __future__ import annotations

from collections.abc import Iterable

from bot.store.conversations import BOT, HUMAN
from bot.store.conversations import CLOSED as CONVERSATION_CLOSED
from bot.store.conversations import WAITING as CONVERSATION_WAITING
from bot.store.handoffs import CLAIMED, CLOSED, RETURNED, WAITING

CLAIM, HAND_BACK, CLOSE = "claim", "hand_back", "close"
ACTS = (CLAIM, HAND_BACK, CLOSE)
STATUSES = (WAITING, CLAIMED, RETURNED, CLOSED)

# (status, act) -> status. What is not here is not allowed. An item that was handed back still gets its
# outcome; a closed one is over.
STEPS: dict[tuple[str, str], str] = {
    (WAITING, CLAIM): CLAIMED,
    (WAITING, CLOSE): CLOSED,
    (CLAIMED, HAND_BACK): RETURNED,
    (CLAIMED, CLOSE): CLOSED,
    (RETURNED, CLOSE): CLOSED,
}

# What became of it. These feed the measured precision of the safety rules, so the list is closed.
OUTCOMES = (
    "true_red_flag",
    "not_red_flag",
    "duplicate",
    "sent_to_emergency",
    "booked_visit",
    "booked_imaging",
    "answered",
    "not_reached",
)

TIERS = ("T0", "T1", "T2", "T3", "T4")


class NotAllowed(ValueError):
    """The handoff is not in a status from which this act is possible."""

    def __init__(self, status: str, act: str) -> None:
        super().__init__(f"a handoff that is {status} allows no {act}")
        self.status = status
        self.act = act


def next_status(status: str, act: str) -> str:
    """The status after `act`. Raises NotAllowed."""
    try:
        return STEPS[status, act]
    except KeyError:
        raise NotAllowed(status, act) from None


def conversation_after(state: str, act: str, before: str, others: Iterable[str]) -> str:
    """Who answers the patient after `act` on a handoff that was in status `before`.

    `state` is the conversation's state now, `others` the statuses of its other handoffs. A human who still
    holds one of them keeps the conversation; one that still waits keeps the patient's "waiting" true.
    """
    others = tuple(others)
    if act == CLAIM or CLAIMED in others:
        return HUMAN
    if before == RETURNED or (before == WAITING and state == HUMAN):
        return state
    if WAITING in others:
        return CONVERSATION_WAITING
    if before == CLAIMED and act == CLOSE:
        return CONVERSATION_CLOSED
    return BOT
