"""Conversations: tokens, who answers, open questions, offers, gaps."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import select

from bot.store import conversations as c
from bot.store import identities
from bot.store.gaps import gaps_by_kind, record_gap
from bot.store.models import PatientSession
from bot.store.session import Database
from tests.support.database import HandClock, add_person, at_once, new_conversation

DAY = timedelta(days=1)
STATES = (c.BOT, c.WAITING, c.HUMAN, c.CLOSED)


def test_a_token_opens_its_conversation_and_only_its_hash_is_kept(db: Database) -> None:
    with db.begin() as session:
        first = c.open_conversation(session, clinic="demo", locale="en", lifetime=DAY)
        second = c.open_conversation(session, clinic="demo", locale="en", lifetime=DAY)
    assert len(first.token) >= 43 and first.token != second.token
    with db.read() as session:
        found = identities.known(session, first.token)
        assert found is not None and found.conversation.id == first.conversation.id
        opened = found.conversation
        assert (opened.state, opened.clinic, opened.locale, opened.last_seq) == (c.BOT, "demo", "en", 0)
        kept = session.execute(select(PatientSession.token_hash)).scalars().all()
    assert first.token not in kept and c.hash_token(first.token) in kept


@pytest.mark.parametrize("token", ["", "guess", "\0", "\ud800", "ä" * 5000])
def test_an_unknown_token_opens_nothing(db: Database, token: str) -> None:
    with db.begin() as session:
        assert identities.known(session, token) is None
        assert not c.extend_token(session, token, DAY)


def test_tokens_end_are_extended_and_are_revoked(db: Database, clock: HandClock) -> None:
    with db.begin() as session:
        opened = c.open_conversation(session, clinic="demo", locale="en", lifetime=DAY)
        again = c.new_token(session, opened.conversation.id, 3 * DAY)
    clock.move(hours=23)
    with db.begin() as session:
        assert c.extend_token(session, opened.token, DAY)
    clock.move(hours=23)
    with db.begin() as session:
        assert identities.known(session, opened.token) is not None
    clock.move(hours=1)
    with db.begin() as session:
        assert identities.known(session, opened.token) is None
        assert not c.extend_token(session, opened.token, DAY)
        assert identities.known(session, again.token) is not None
        assert c.revoke_tokens(session, opened.conversation.id) == 2
        assert identities.known(session, again.token) is None


def test_no_token_for_an_unknown_conversation(db: Database) -> None:
    with pytest.raises(c.UnknownConversation), db.begin() as session:
        c.new_token(session, "none", DAY)


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_states_change_only_as_allowed(db: Database, before: str, after: str) -> None:
    person = add_person(db, "Lee").id
    conversation_id = new_conversation(db)
    with db.begin() as session:
        if before != c.BOT:
            c.set_state(session, conversation_id, before, holder=person if before == c.HUMAN else None)

    def change() -> c.Conversation:
        with db.begin() as session:
            return c.set_state(session, conversation_id, after, holder=person if after == c.HUMAN else None)

    if before == after or (before, after) in c.ALLOWED:
        changed = change()
        assert (changed.state, changed.holder) == (after, person if after == c.HUMAN else None)
    else:
        with pytest.raises(c.StateRefused):
            change()


def test_a_human_state_has_a_holder_and_no_other_has(db: Database) -> None:
    person = add_person(db, "Lee").id
    conversation_id = new_conversation(db)
    for state, holder in ((c.HUMAN, None), (c.WAITING, person)):
        with pytest.raises(c.StateRefused), db.begin() as session:
            c.set_state(session, conversation_id, state, holder=holder)


def test_only_one_answer_takes_the_open_question(db: Database) -> None:
    conversation_id = new_conversation(db)
    question = {"id": "safety/RF01.ask.v1", "category": "RF01"}
    with db.begin() as session:
        c.set_pending(session, conversation_id, question)

    def take() -> object:
        with db.begin() as session:
            return c.take_pending(session, conversation_id)

    results = at_once(*[take] * 6)
    assert [r for r in results if r is not None] == [{**question, "asked_at": c.sortable(db.clock())}]


def test_hold_and_consent_are_kept(db: Database, clock: HandClock) -> None:
    conversation_id = new_conversation(db)
    with db.begin() as session:
        c.set_hold(session, conversation_id, {"tier": "T1"})
        c.record_consent(session, conversation_id, "v1")
    accepted = clock()
    clock.move(hours=1)
    with db.begin() as session:
        c.record_consent(session, conversation_id, "v1")
    with db.read() as session:
        kept = c.conversation_with(session, conversation_id)
    assert (kept.hold, kept.consent_version, kept.consented_at) == ({"tier": "T1"}, "v1", accepted)
    with db.begin() as session:
        c.set_hold(session, conversation_id, None)
    with db.read() as session:
        assert c.conversation_with(session, conversation_id).hold is None


def test_offers_belong_to_one_conversation(db: Database) -> None:
    mine, yours = new_conversation(db), new_conversation(db)
    with db.begin() as session:
        c.offer(session, mine, ["/more", "/more", "/why"])
        c.offer(session, mine, ["/more"])
        assert c.was_offered(session, mine, "/more")
        assert not c.was_offered(session, yours, "/more")
        assert not c.was_offered(session, mine, "/restart")


def test_an_odd_id_makes_one_conversation(db: Database) -> None:
    odd = "a\0b\ud800"
    with db.begin() as session:
        assert c.ensure_conversation(session, odd, clinic="demo")
        assert not c.ensure_conversation(session, odd, clinic="other")
    with db.read() as session:
        assert c.conversation_with(session, odd).clinic == "demo"


def test_gaps_are_counted_by_class(db: Database) -> None:
    with db.begin() as session:
        record_gap(session, "demo", "out_of_scope")
        record_gap(session, "demo", "unsure", ["utter_why/c01", "utter_scan/m01"])
        record_gap(session, "demo", "unsure")
        record_gap(session, "other", "unsure")
    with db.read() as session:
        assert gaps_by_kind(session, "demo") == {"unsure": 2, "out_of_scope": 1}
