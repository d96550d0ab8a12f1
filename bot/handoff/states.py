"""The rules of a handoff's life. Pure: statuses in, statuses out.

raised → delivered → seen → claimed → in_conversation → resolved | withdrawn, and returned in between: the clinician has
given the chat back to the assistant and still owes the outcome. What waits may skip a step (a person may open an item
before any notice went out); nothing goes back but by `release`, which puts an item that its holder cannot keep into the
queue again.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.store.conversations import BOT, HUMAN
from bot.store.conversations import CLOSED as CONVERSATION_CLOSED
from bot.store.conversations import WAITING as CONVERSATION_WAITING
from bot.store.handoffs import (
    CLAIMED,
    DELIVERED,
    HELD,
    IN_CONVERSATION,
    RAISED,
    RESOLVED,
    RETURNED,
    SEEN,
    WAITING,
    WITHDRAWN,
)

DELIVER, SEE, CLAIM, ANSWER, RELEASE = "deliver", "see", "claim", "answer", "release"
HAND_BACK, CLOSE, WITHDRAW = "hand_back", "close", "withdraw"
ACTS = (DELIVER, SEE, CLAIM, ANSWER, RELEASE, HAND_BACK, CLOSE, WITHDRAW)

# (status, act) -> status. What is not here is not allowed. An item that was handed back still gets its outcome; a
# resolved or withdrawn one is over.
STEPS: dict[tuple[str, str], str] = {
    (RAISED, DELIVER): DELIVERED,
    **{(status, SEE): SEEN for status in (RAISED, DELIVERED)},
    **{(status, CLAIM): CLAIMED for status in WAITING},
    **{(status, WITHDRAW): WITHDRAWN for status in WAITING},
    **{(status, CLOSE): RESOLVED for status in (*WAITING, *HELD, RETURNED)},
    (CLAIMED, ANSWER): IN_CONVERSATION,
    **{(status, RELEASE): SEEN for status in HELD},
    **{(status, HAND_BACK): RETURNED for status in HELD},
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

    `state` is the conversation's state now, `others` the statuses of its other handoffs. A human who still holds one of
    them keeps the conversation; one that still waits keeps the patient's "waiting" true.
    """
    others = tuple(others)
    if act == CLAIM or any(status in HELD for status in others):
        return HUMAN
    if act == RELEASE:
        return CONVERSATION_WAITING
    if before == RETURNED or (before in WAITING and state == HUMAN):
        return state
    if any(status in WAITING for status in others):
        return CONVERSATION_WAITING
    if before in HELD and act == CLOSE:
        return CONVERSATION_CLOSED
    return BOT
