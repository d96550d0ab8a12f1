"""What happens with one message of a patient.

1. Screen it (``bot.safety``), before anything can fail.
2. In one transaction: the message; the words that answer it at once (safety words, the one question, a hold); and for
   an alarm the handoff, its outbox and audit rows, and the truth about it. All of it is kept or none of it: a crash
   in between leaves a message that the page sends again, never an alarm that nobody hears of.
3. Then Rasa, in order, in the background.

Safety words wait for nothing: with the database down they come back with the error, and it is said that nobody was
told; with a slow one they are shown before it has answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot import safety
from bot.content import Clinic
from bot.handoff.escalate import Raised, raise_handoff
from bot.safety import Finding, Screening
from bot.store import conversations, events, gaps
from bot.store.handoffs import OPEN, handoff_for_message, handoffs_in
from bot.store.models import Conversation, Handoff
from bot.store.session import DatabaseUnavailable
from bot.web import bodies
from bot.web import plan as planning
from bot.web.assistant import AssistantUnavailable
from bot.web.plan import Plan, Said, Situation
from bot.web.problems import Problem
from bot.web.services import Services, in_thread
from bot.web.stream import conversation_topic

log = structlog.get_logger(__name__)
HISTORY = 5
# Seconds that safety words wait for the database before they are shown without it.
PATIENCE = 0.6
PERSON_CATEGORY, PERSON_TIER = "contact", "T4"
# Ids of replies that the web app gives itself: Rasa's twin of them is not shown a second time.
SAID_HERE = ("safety/", "handoff/")


@dataclass(frozen=True)
class Incoming:
    """One message as the API received it. `key` identifies it for good: the client's id, or one made here."""

    conversation_id: str
    clinic: Clinic
    key: str
    text: str
    payload: str = ""
    reply_to: int | None = None


@dataclass(frozen=True)
class _Recorded:
    """`plan` is what is still to be done: None for a message that came twice and has been dealt with."""

    seq: int
    plan: Plan | None


async def receive(services: Services, incoming: Incoming) -> int:
    """Take one message in; returns its number in the event log. Raises Problem."""
    history: list[str] = []
    early = asyncio.create_task(_words_if_slow(services, incoming, history))
    try:
        history += await _heard_lately(services, incoming)
        try:
            screening = screen(incoming, history)
        except Exception as error:  # nobody knows what it was: nothing is stored, and the numbers are shown
            log.error("not_screened", cause=type(error).__name__)
            notice = bodies.notice("not_stored", incoming.clinic, services.wording)
            raise Problem("not_stored", events=[unsaved(services, notice)]) from None
        try:
            recorded = await in_thread(_record, services, incoming, screening)
        except Problem:
            raise
        except Exception as error:  # whatever went wrong: the words are due, and nobody else has been told
            log.error("message_not_stored", cause=type(error.__cause__ or error).__name__, tier=screening.tier)
            raise Problem("not_stored", events=unsaved_words(services, incoming.clinic, screening)) from None
    finally:
        early.cancel()
    plan = recorded.plan
    if plan is None:
        return recorded.seq
    services.news(incoming.conversation_id, incoming.clinic.id)
    if _rasa_hears(plan):
        services.in_order(incoming.conversation_id, _converse(services, incoming, plan))
    return recorded.seq


async def _words_if_slow(services: Services, incoming: Incoming, history: Sequence[str]) -> None:
    """Show safety words that are due without waiting for a slow database. Cancelled once the message is stored."""
    await asyncio.sleep(PATIENCE)
    screening = screen(incoming, history)
    if screening.worst is not None and screening.tier not in planning.NO_ALARM:
        words = bodies.safety_words(screening.worst, incoming.clinic)
        services.hub.wake(conversation_topic(incoming.conversation_id), {"unsaved": unsaved(services, words)})


async def _heard_lately(services: Services, incoming: Incoming) -> Sequence[str]:
    """What the patient typed before this message; nothing where it cannot be read or a button was pressed."""
    if incoming.payload:
        return ()
    try:
        return await in_thread(_history, services, incoming.conversation_id)
    except Exception as error:  # this message is screened on its own then
        log.error("history_not_read", cause=type(error.__cause__ or error).__name__)
        return ()


def screen(incoming: Incoming, history: Sequence[str]) -> Screening:
    """The screening of a message. A button's title is ours, not the patient's words: it raises nothing."""
    return safety.screen("" if incoming.payload else incoming.text, history)


def unsaved_words(services: Services, clinic: Clinic, screening: Screening) -> list[dict[str, Any]]:
    """What to show at once when nothing can be written: the safety words if they are due, and the truth."""
    shown = []
    if screening.worst is not None and screening.tier not in planning.NO_ALARM:
        shown.append(bodies.safety_words(screening.worst, clinic))
        shown.append(bodies.handoff("failed", "not_stored_safety", clinic, services.wording, ""))
    else:
        shown.append(bodies.notice("not_stored", clinic, services.wording))
    return [unsaved(services, body) for body in shown]


def unsaved(services: Services, body: dict[str, Any]) -> dict[str, Any]:
    """An event that is shown but is not in the log."""
    at = services.db.clock().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    author = "bot" if body["kind"] == "text" else "system"
    return {"seq": None, "type": events.MESSAGE, "at": at, "author": author, "body": body}


def _history(services: Services, conversation_id: str) -> tuple[str, ...]:
    """What the patient typed lately, oldest first."""
    with services.db.read() as session:
        latest = events.latest_events(session, conversation_id, 2 * HISTORY, author=events.PATIENT)
        typed = [event.body["text"] for event in latest if not event.body.get("payload")]
    return tuple(typed[-HISTORY:])


def _record(services: Services, incoming: Incoming, screening: Screening) -> _Recorded:
    """The message and the words that answer it at once, in one transaction."""
    with services.db.begin() as session:
        conversation = conversations.locked_conversation(session, incoming.conversation_id)
        ours = (bodies.CONSENT, bodies.PERSON)
        asked_for = not incoming.payload or incoming.payload in ours
        if not asked_for and not conversations.was_offered(session, conversation.id, incoming.payload):
            raise Problem("not_offered")
        situation = Situation(
            conversation.state, conversation.consented_at is not None, conversation.pending, conversation.hold
        )
        decided = planning.plan(situation, Said(incoming.text, incoming.payload), screening)
        if decided.kind == planning.CONSENT_NEEDED:
            raise Problem("consent_needed")
        body: dict[str, Any] = {"kind": "text", "text": incoming.text, "fallback_text": incoming.text}
        if incoming.payload:
            body["payload"] = incoming.payload
        if incoming.reply_to is not None:
            body["reply_to"] = incoming.reply_to
        appended = events.append_event(
            session,
            conversation.id,
            type=events.MESSAGE,
            author=events.PATIENT,
            body=body,
            client_id=incoming.key,
        )
        seq = appended.event.seq
        if not appended.created:
            return _Recorded(seq, _left_unanswered(services, session, conversation, incoming, seq))
        if conversation.state == conversations.CLOSED:
            conversations.set_state(session, conversation.id, conversations.BOT)
        _answer_at_once(services, session, conversation, incoming, decided)
        return _Recorded(seq, decided)


def _left_unanswered(
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, seq: int
) -> Plan | None:
    """A message that came again: still to be answered where this process, or the one before it, died in between."""
    followed = bool(events.events_after(session, conversation.id, seq, 1))
    if followed or services.busy(conversation.id) or conversation.state == conversations.HUMAN:
        return None
    return Plan(planning.CONVERSE, text=incoming.text)


def _answer_at_once(
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, decided: Plan
) -> None:
    clinic, wording, finding = incoming.clinic, services.wording, decided.finding

    def say(body: dict[str, Any]) -> None:
        _append(session, conversation.id, body)

    if decided.kind == planning.ALARM and finding is not None:
        say(bodies.safety_words(finding, clinic))
        conversations.set_pending(session, conversation.id, None)
        if planning.closes_lessons(finding.tier):
            conversations.set_hold(session, conversation.id, {"tier": finding.tier, "category": finding.category})
        _hand_over(services, session, incoming, finding)
    elif decided.kind == planning.PERSON_ASKED:
        _hand_over(services, session, incoming, None)
    elif decided.kind == planning.ASK and finding is not None:
        say(bodies.safety_question(finding, clinic, wording))
        conversations.set_pending(session, conversation.id, planning.pending(finding, incoming.text))
    elif decided.kind == planning.CLEARED:
        conversations.set_pending(session, conversation.id, None)
        say(bodies.notice("safety_cleared", clinic, wording))
    elif decided.kind == planning.HOLD:
        tier = (conversation.hold or {}).get("tier", bodies.EMERGENCY)
        say(bodies.hold(tier, clinic, wording))
    elif decided.kind == planning.RELEASE:
        conversations.set_hold(session, conversation.id, None)
        say(bodies.notice("safety_released", clinic, wording, ways_out=True))
    elif decided.kind == planning.CONSENTED:
        conversations.record_consent(session, conversation.id, bodies.CONSENT_VERSION)
        say(bodies.notice("consent_recorded", clinic, wording, ways_out=True))


def _hand_over(services: Services, session: Session, incoming: Incoming, finding: Finding | None) -> None:
    """Pass the message on, and say what became of it."""
    category = finding.category if finding else PERSON_CATEGORY
    tier = finding.tier if finding else PERSON_TIER
    open_already = _open_handoff(session, incoming.conversation_id, category, tier)
    if open_already is not None:
        _tell_again(services, session, incoming, open_already)
        return
    words = safety.words_for(finding, tier, incoming.clinic.numbers) if finding else None
    raised = raise_handoff(
        session,
        conversation_id=incoming.conversation_id,
        message_key=incoming.key,
        clinic=incoming.clinic.id,
        tier=tier,
        category=category,
        rule=finding.rule if finding else None,
        words=incoming.text,
        message_shown=words.id if words else "",
        numbers_shown=_shown_numbers(words, incoming.clinic) if words else [],
        about={"scope": finding.scope, "heard": finding.words} if finding else {},
    )
    _tell(services, session, incoming, raised, "handoff_waiting" if finding else "handoff_waiting_person")


def _shown_numbers(words: safety.SafetyWords, clinic: Clinic) -> list[str]:
    return [clinic.numbers[name] for name in words.numbers_used if name != "clinic"]


def _open_handoff(session: Session, conversation_id: str, category: str, tier: str) -> Handoff | None:
    """An open handoff that this one would only repeat: same category, at least as urgent."""
    for item in handoffs_in(session, conversation_id):
        if item.status in OPEN and item.category == category and item.tier <= tier:
            return item
    return None


def _tell(services: Services, session: Session, incoming: Incoming, raised: Raised, key: str) -> None:
    at = services.shown(incoming.clinic, raised.at)
    body = bodies.handoff(raised.state, key, incoming.clinic, services.wording, at)
    _append(session, incoming.conversation_id, {**body, "handoff": raised.handoff_id}, type=events.STATE)


def _tell_again(services: Services, session: Session, incoming: Incoming, item: Handoff) -> None:
    if item.claimed_by is not None:
        return  # a person is reading along
    at = services.shown(incoming.clinic, item.created_at)
    body = bodies.handoff("waiting", "handoff_again", incoming.clinic, services.wording, at)
    _append(session, incoming.conversation_id, {**body, "handoff": item.id}, type=events.STATE)


def _rasa_hears(plan: Plan) -> bool:
    """An alarm goes to Rasa too, so that the dialogue leaves whatever it was in; its words are said already."""
    if plan.kind == planning.CLEARED:
        return bool(plan.text)
    return plan.kind in (planning.ALARM, planning.PERSON_ASKED, planning.CONVERSE)


async def _converse(services: Services, incoming: Incoming, plan: Plan) -> None:
    topic = conversation_topic(incoming.conversation_id)
    if plan.kind != planning.ALARM:  # there nothing more will be said: no sign that promises it
        services.hub.wake(topic, {"status": {"open": True}})
    payload = planning.TALK_TO_PERSON if plan.kind == planning.PERSON_ASKED else incoming.payload
    if plan.kind == planning.CLEARED:
        payload = ""
    text = plan.text or incoming.text
    try:
        replies = await services.assistant.say(
            conversation=incoming.conversation_id,
            message_id=incoming.key,
            text=text,
            clinic=incoming.clinic.id,
            payload=payload,
            denied=plan.denied,
            reading=None if payload else await in_thread(services.read_message, text),
        )
        await in_thread(_say, services, incoming, plan, replies)
    except Exception as error:  # whatever it was, a question must not end in silence
        cause = str(error) if isinstance(error, AssistantUnavailable) else type(error.__cause__ or error).__name__
        log.error("no_answer", cause=cause)
        if plan.kind in (planning.CONVERSE, planning.CLEARED):
            await _apologise(services, incoming)
    finally:
        services.hub.wake(topic, {"status": {"open": False}})
        services.news(incoming.conversation_id, incoming.clinic.id)


async def _apologise(services: Services, incoming: Incoming) -> None:
    """Say that no answer can be given: in the log, or on the page alone where the log cannot be written."""
    body = bodies.notice("cannot_answer", incoming.clinic, services.wording)
    body["buttons"] = [{"title": services.wording.labels["talk_to_person"], "payload": bodies.PERSON}]

    def write() -> None:
        with services.db.begin() as session:
            _append(session, incoming.conversation_id, body)

    try:
        await in_thread(write)
    except DatabaseUnavailable:
        services.hub.wake(conversation_topic(incoming.conversation_id), {"unsaved": unsaved(services, body)})


def _say(services: Services, incoming: Incoming, plan: Plan, replies: Sequence[dict[str, Any]]) -> None:
    """Rasa's replies into the log, unless a person has taken the conversation or safety has closed it meanwhile."""
    made = [bodies.reply(reply) for reply in replies]
    handed_over = any(str(body["answer_id"]).startswith("handoff/") for body in made)
    with services.db.begin() as session:
        conversation = conversations.locked_conversation(session, incoming.conversation_id)
        if conversation.state == conversations.HUMAN:
            return
        if handed_over and plan.kind == planning.CONVERSE:
            _person_by_words(services, session, incoming)
        if plan.kind == planning.ALARM or conversation.hold:
            return
        for place, body in enumerate(made):
            if not str(body["answer_id"]).startswith(SAID_HERE):
                # With an id of its own, so that a turn that runs twice after a crash says nothing twice.
                _append(session, conversation.id, body, client_id=f"{incoming.key}.{place}")
        about = replies[-1].get("metadata") or {}
        if about.get("understood") not in (None, "answer"):
            gaps.record_gap(session, incoming.clinic.id, about["understood"], [about.get("nearest")])


def _person_by_words(services: Services, session: Session, incoming: Incoming) -> None:
    """Somebody asked for a person in words: Rasa's action has passed it on, or it is passed on here."""
    found = handoff_for_message(session, incoming.conversation_id, incoming.key)
    if found is not None:
        raised = Raised(found.id, False, "waiting", found.created_at)
    else:
        raised = raise_handoff(
            session,
            conversation_id=incoming.conversation_id,
            message_key=incoming.key,
            clinic=incoming.clinic.id,
            tier=PERSON_TIER,
            category=PERSON_CATEGORY,
            rule=None,
            words=incoming.text,
            message_shown="",
        )
    _tell(services, session, incoming, raised, "handoff_waiting_person")


def _append(
    session: Session,
    conversation_id: str,
    body: dict[str, Any],
    type: str = events.MESSAGE,
    client_id: str | None = None,
) -> None:
    author = events.BOT if body["kind"] in ("text", "safety", "question") else events.SYSTEM
    events.append_event(session, conversation_id, type=type, author=author, body=body, client_id=client_id)
