"""The rules of a handoff's life, the whole table and then any life at all."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.handoff import states as s
from bot.store import conversations as c


@pytest.mark.parametrize(("status", "act"), list(product(s.STATUSES, s.ACTS)))
def test_only_the_steps_of_the_table_are_allowed(status: str, act: str) -> None:
    allowed = {
        ("waiting", "claim"): "claimed",
        ("waiting", "close"): "closed",
        ("claimed", "hand_back"): "returned",
        ("claimed", "close"): "closed",
        ("returned", "close"): "closed",
    }
    if (status, act) in allowed:
        assert s.next_status(status, act) == allowed[status, act]
    else:
        with pytest.raises(s.NotAllowed) as refused:
            s.next_status(status, act)
        assert (refused.value.status, refused.value.act) == (status, act)


@pytest.mark.parametrize(
    ("state", "act", "before", "others", "after"),
    [
        (c.WAITING, s.CLAIM, s.WAITING, [], c.HUMAN),
        (c.HUMAN, s.CLAIM, s.WAITING, [s.CLAIMED], c.HUMAN),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [], c.BOT),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [s.CLOSED, s.RETURNED], c.BOT),
        (c.HUMAN, s.HAND_BACK, s.CLAIMED, [s.WAITING], c.WAITING),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [], c.CLOSED),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [s.CLAIMED], c.HUMAN),
        (c.HUMAN, s.CLOSE, s.CLAIMED, [s.WAITING], c.WAITING),
        (c.WAITING, s.CLOSE, s.WAITING, [], c.BOT),
        (c.WAITING, s.CLOSE, s.WAITING, [s.WAITING], c.WAITING),
        (c.HUMAN, s.CLOSE, s.WAITING, [s.CLAIMED], c.HUMAN),
        (c.BOT, s.CLOSE, s.RETURNED, [], c.BOT),
        (c.HUMAN, s.CLOSE, s.RETURNED, [s.CLAIMED], c.HUMAN),
        (c.CLOSED, s.CLOSE, s.RETURNED, [], c.CLOSED),
    ],
)
def test_who_answers_afterwards(state: str, act: str, before: str, others: list[str], after: str) -> None:
    assert s.conversation_after(state, act, before, others) == after


@given(
    state=st.sampled_from([c.BOT, c.WAITING, c.HUMAN, c.CLOSED]),
    step=st.sampled_from(sorted(s.STEPS)),
    others=st.lists(st.sampled_from(s.STATUSES), max_size=4),
)
def test_the_assistant_never_speaks_over_a_human(
    state: str, step: tuple[str, str], others: list[str]
) -> None:
    before, act = step
    after = s.conversation_after(state, act, before, others)
    if s.next_status(before, act) == s.CLAIMED or s.CLAIMED in others:
        assert after == c.HUMAN
    if after == c.CLOSED and state != c.CLOSED:
        assert s.WAITING not in others


@given(st.lists(st.sampled_from(s.ACTS), max_size=8))
def test_a_life_ends_closed_and_goes_never_back(acts: list[str]) -> None:
    order = {s.WAITING: 0, s.CLAIMED: 1, s.RETURNED: 2, s.CLOSED: 3}
    status = s.WAITING
    for act in acts:
        try:
            after = s.next_status(status, act)
        except s.NotAllowed:
            continue
        assert order[after] > order[status]
        status = after
