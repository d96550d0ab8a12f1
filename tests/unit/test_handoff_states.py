"""The rules of a handoff's life, the whole table and then any life at all."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.handoff import states as s
from bot.store import conversations as c
from bot.store.handoffs import HELD, RAISED, RESOLVED, STATUSES, WAITING, WITHDRAWN

ALLOWED = {
    ("raised", "deliver"): "delivered",
    ("raised", "see"): "seen",
    ("delivered", "see"): "seen",
    ("raised", "claim"): "claimed",
    ("delivered", "claim"): "claimed",
    ("seen", "claim"): "claimed",
    ("raised", "withdraw"): "withdrawn",
    ("delivered", "withdraw"): "withdrawn",
    ("seen", "withdraw"): "withdrawn",
    ("raised", "close"): "resolved",
    ("delivered", "close"): "resolved",
    ("seen", "close"): "resolved",
    ("claimed", "answer"): "in_conversation",
    ("claimed", "release"): "seen",
    ("in_conversation", "release"): "seen",
    ("claimed", "hand_back"): "returned",
    ("in_conversation", "hand_back"): "returned",
    ("claimed", "close"): "resolved",
    ("in_conversation", "close"): "resolved",
    ("returned", "close"): "resolved",
}


@pytest.mark.parametrize(("status", "act"), list(product(STATUSES, s.ACTS)))
def test_only_the_steps_of_the_table_are_allowed(status: str, act: str) -> None:
    if (status, act) in ALLOWED:
        assert s.next_status(status, act) == ALLOWED[status, act]
    else:
        with pytest.raises(s.NotAllowed) as refused:
            s.next_status(status, act)
        assert (refused.value.status, refused.value.act) == (status, act)


@pytest.mark.parametrize(
    ("state", "act", "before", "others", "after"),
    [
        (c.WAITING, s.CLAIM, s.SEEN, [], c.HUMAN),
        (c.HUMAN, s.CLAIM, s.SEEN, [s.CLAIMED], c.HUMAN),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [], c.BOT),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [s.RESOLVED, s.RETURNED], c.BOT),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [s.SEEN], c.WAITING),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [], c.CLOSED),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [s.CLAIMED], c.HUMAN),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [s.SEEN], c.WAITING),
        (c.WAITING, s.CLOSE, s.SEEN, [], c.BOT),
        (c.WAITING, s.CLOSE, s.SEEN, [s.SEEN], c.WAITING),
        (c.HUMAN, s.CLOSE, s.SEEN, [s.CLAIMED], c.HUMAN),
        (c.BOT, s.CLOSE, s.RETURNED, [], c.BOT),
        (c.HUMAN, s.CLOSE, s.RETURNED, [s.CLAIMED], c.HUMAN),
        (c.CLOSED, s.CLOSE, s.RETURNED, [], c.CLOSED),
        (c.HUMAN, s.RELEASE, s.IN_CONVERSATION, [s.RESOLVED], c.WAITING),
        (c.HUMAN, s.RELEASE, s.CLAIMED, [s.IN_CONVERSATION], c.HUMAN),
        (c.WAITING, s.WITHDRAW, s.RAISED, [], c.BOT),
        (c.WAITING, s.WITHDRAW, s.SEEN, [s.DELIVERED], c.WAITING),
        (c.HUMAN, s.WITHDRAW, s.RAISED, [s.IN_CONVERSATION], c.HUMAN),
    ],
)
def test_who_answers_afterwards(state: str, act: str, before: str, others: list[str], after: str) -> None:
    assert s.conversation_after(state, act, before, others) == after


@given(
    state=st.sampled_from([c.BOT, c.WAITING, c.HUMAN, c.CLOSED]),
    step=st.sampled_from(sorted(s.STEPS)),
    others=st.lists(st.sampled_from(STATUSES), max_size=4),
)
def test_the_assistant_never_speaks_over_a_human(state: str, step: tuple[str, str], others: list[str]) -> None:
    before, act = step
    after = s.conversation_after(state, act, before, others)
    if act == s.CLAIM or any(other in HELD for other in others):
        assert after == c.HUMAN
    if after == c.CLOSED and state != c.CLOSED:
        assert not any(other in WAITING for other in others)
    if act == s.RELEASE:
        assert after in (c.WAITING, c.HUMAN)


@given(st.lists(st.sampled_from(s.ACTS), max_size=12))
def test_a_life_goes_back_only_by_release_and_ends_for_good(acts: list[str]) -> None:
    status = RAISED
    for act in acts:
        try:
            after = s.next_status(status, act)
        except s.NotAllowed:
            continue
        assert status not in (RESOLVED, WITHDRAWN)
        assert act == s.RELEASE or STATUSES.index(after) > STATUSES.index(status)
        status = after


def test_every_status_can_be_reached_and_only_the_last_two_are_ends() -> None:
    reached, ways = {RAISED}, dict(s.STEPS)
    for _ in STATUSES:
        reached |= {after for (before, _act), after in ways.items() if before in reached}
    assert reached == set(STATUSES)
    assert set(STATUSES) - {before for before, _act in ways} == {RESOLVED, WITHDRAWN}
