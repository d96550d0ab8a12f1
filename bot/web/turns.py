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
from dataclasses import dataclass, replace
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot.safety import Finding, Screening
from bot.screening import screen as screen_words
from bot.store import conversations, events, opinions, rights
from bot.store.models import Conversation
from bot.web import bodies, check, consent, forms, tutoring
from bot.web import plan as planning
from bot.web.alarms import alarm, append, hand_over, take_back
from bot.web.conversing import AWAITED, answer_later, rasa_hears, read_aside
from bot.web.heard import NOTHING_HEARD, Heard, heard, last_said, latest, refusals
from bot.web.incoming import Incoming, unsaved, unsaved_words
from bot.web.metrics import AT_ONCE
from bot.web.plan import Plan, Said, Situation
from bot.web.problems import Problem
from bot.web.services import Services, in_thread
from bot.web.stream import conversation_topic

log = structlog.get_logger(__name__)
# Seconds that safety words wait for the database before they are shown without it.
PATIENCE = 0.6


@dataclass(frozen=True)
class _Recorded:
    """`plan` is what is still to be done: None for a message that came twice and has been dealt with."""

    seq: int
    plan: Plan | None


async def receive(services: Services, incoming: Incoming, lately: Heard | None = None) -> int:
    """Take one message in; returns its number in the event log. `lately`: what was said before it, where that has been
    read. Raises Problem."""
    known: list[Heard] = []
    # Read while it is screened and stored: to encode it takes as long as everything else here.
    reading = None if incoming.payload else read_aside(services, incoming.text)
    early = asyncio.create_task(_words_if_slow(services, incoming, known))
    try:
        if lately is None:
            lately = await _heard_lately(services, incoming)
        known.append(lately)
        said = Said(incoming.text, incoming.payload or check.pressed_by(incoming.text, lately.offered))
        try:
            with services.metrics.stage("screening"):
                screening = await in_thread(screen, incoming, lately)
        except Exception as error:  # nobody knows what it was: nothing is stored, and the numbers are shown
            log.error("not_screened", cause=type(error).__name__)
            notice = bodies.notice("not_stored", incoming.clinic, services.wording)
            raise Problem("not_stored", events=[unsaved(services, notice)]) from None
        try:
            if incoming.payload.startswith(tutoring.WITH_FACTS):
                incoming = replace(incoming, facts=await tutoring.noted(services, incoming.conversation_id))
            with services.metrics.stage("record"):
                recorded = await in_thread(_record, services, incoming, said, screening, lately.awaits)
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
    if plan.kind not in AWAITED:
        services.metrics.turn(plan.kind, AT_ONCE)
    if rasa_hears(plan):
        answer_later(services, incoming, plan, screening, reading)
    return recorded.seq


async def _words_if_slow(services: Services, incoming: Incoming, known: Sequence[Heard]) -> None:
    """Show safety words that are due without waiting for a slow database. Cancelled once the message is stored."""
    await asyncio.sleep(PATIENCE)
    screening = await in_thread(screen, incoming, *known)
    if screening.worst is not None and screening.tier not in planning.NO_ALARM:
        words = bodies.safety_words(screening.worst, incoming.clinic)
        services.hub.wake(conversation_topic(incoming.conversation_id), {"unsaved": unsaved(services, words)})


async def _heard_lately(services: Services, incoming: Incoming) -> Heard:
    """What was said before this message; nothing where it cannot be read."""

    def read() -> Heard:
        with services.db.read() as session:
            return heard(session, incoming.conversation_id)

    try:
        return await in_thread(read)
    except Exception as error:  # this message is screened on its own then
        log.error("history_not_read", cause=type(error.__cause__ or error).__name__)
        return Heard()


def screen(incoming: Incoming, lately: Heard = NOTHING_HEARD) -> Screening:
    """The screening of a message. A button's title is ours, not the patient's words: only a yes to a question of the
    safety check raises something, pressed or typed.
    """
    if incoming.payload and not forms.named(incoming.payload):
        return check.screening(incoming.payload)
    words = screen_words(incoming.text, lately.texts, lately.denied, lately.facts)
    if incoming.payload or words.worst:
        return words
    return check.screening(check.pressed_by(incoming.text, lately.offered))


def _record(services: Services, incoming: Incoming, said: Said, screening: Screening, awaits: str = "") -> _Recorded:
    """The message and the words that answer it at once, in one transaction."""
    with services.db.begin() as session:
        conversation = conversations.locked_conversation(session, incoming.conversation_id)
        if rights.is_erased(conversation):  # while this message was under way
            raise Problem("no_session", events=unsaved_words(services, incoming.clinic, screening))
        ours = (bodies.CONSENT, bodies.PERSON, bodies.END, *tutoring.ALWAYS)
        asked_for = not incoming.payload or incoming.payload in ours
        if not asked_for and not conversations.was_offered(session, conversation.id, incoming.payload):
            raise Problem("not_offered")
        situation = Situation(
            conversation.state, conversation.consented_at is not None, conversation.pending, conversation.hold, awaits
        )
        decided = planning.plan(situation, said, screening)
        if decided.kind == planning.CONSENT_NEEDED:
            raise Problem("consent_needed")
        body: dict[str, Any] = {"kind": "text", "text": incoming.text, "fallback_text": incoming.text}
        if incoming.payload:
            body["payload"] = incoming.payload
        if incoming.reply_to is not None:
            body["reply_to"] = incoming.reply_to
        if incoming.filled is not None:
            body |= incoming.filled.as_body()
        if incoming.payload == bodies.CONSENT:
            body |= consent.accepted(session, conversation.id)
        appended = events.append_event(
            session, conversation.id, type=events.MESSAGE, author=events.PATIENT, body=body, client_id=incoming.key
        )
        seq = appended.event.seq
        if not appended.created:
            return _Recorded(seq, _left_unanswered(services, session, conversation, incoming, seq))
        if incoming.filled is not None and not tutoring.notes_itself(incoming.filled.form):
            opinions.record_survey(session, conversation.id, seq, incoming.filled.form, incoming.filled.answers)
        if conversation.state == conversations.CLOSED:
            conversations.set_state(session, conversation.id, conversations.BOT)
        if decided.kind == planning.TUTOR:
            if not tutoring.answer(services, session, conversation, incoming, awaits):
                decided = replace(decided, kind=planning.CONVERSE)  # the words were about something else
            elif awaits.startswith(tutoring.NOT_KEPT) and not incoming.payload:
                tutoring.unkept(appended.event, services.wording)
        private = awaits if awaits.startswith(tutoring.NOT_KEPT) else ""
        if decided.kind == planning.CLEARED and (conversation.pending or {}).get("awaits"):
            decided = replace(decided, text="")  # words that were only to be looked at are not passed on to Rasa
        _answer_at_once(services, session, conversation, incoming, decided, private)
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
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, decided: Plan, awaits: str
) -> None:
    clinic, wording, finding = incoming.clinic, services.wording, decided.finding

    def say(body: dict[str, Any]) -> None:
        append(session, conversation.id, body)

    def ask(about: Finding) -> None:
        say(bodies.safety_question(about, clinic))
        kept = {**planning.pending(about, incoming.text), "key": incoming.key, "awaits": awaits}
        conversations.set_pending(session, conversation.id, kept)

    if decided.kind == planning.ALARM and finding is not None:
        alarm(services, session, incoming, finding, answer=decided.answer, direct=decided.direct)
        if decided.also is not None:
            alarm(services, session, replace(incoming, key=f"{incoming.key}.also"), decided.also)
            if planning.closes_lessons(finding.tier):  # the graver of the two is what comes first from now on
                conversations.set_hold(session, conversation.id, planning.hold(finding))
        if decided.question is not None:  # something graver than the alarm may be in the same message
            ask(decided.question)
        elif decided.step is not None and check.goes_on(decided.step):
            say(check.shown(decided.step, clinic, wording))
    elif decided.kind == planning.CHECK and decided.step is not None:
        say(check.shown(decided.step, clinic, wording))
    elif decided.kind == planning.NONE_LISTED:
        asked = last_said(latest(session, conversation.id), check.LIST_ID)
        for body in check.none_listed(asked, clinic, wording):
            say(body)
    elif decided.kind == planning.REFUSED:
        times = refusals(latest(session, conversation.id))
        say(check.refused(conversation.hold or {}, incoming.text, times, clinic, wording))
    elif decided.kind == planning.PERSON_ASKED:
        hand_over(services, session, incoming, None)
    elif decided.kind == planning.ASK and finding is not None:
        ask(finding)
    elif decided.kind == planning.CLEARED:
        asked = conversation.pending or {}
        conversations.set_pending(session, conversation.id, None)
        own = bodies.answered(finding.category, decided.answer, clinic, wording) if finding else None
        say(own or bodies.notice("safety_cleared", clinic, wording))
        tutoring.go_on(services, session, conversation, incoming, asked)
    elif decided.kind == planning.ANSWERED and finding is not None:
        conversations.set_hold(session, conversation.id, {**(conversation.hold or {}), "direct": False})
        own = bodies.answered(finding.category, decided.answer, clinic, wording)
        if own is not None:
            say(own)
            if own.get("category"):  # a yes: the handoff stands, or is raised again
                hand_over(services, session, incoming, finding, answer=decided.answer)
    elif decided.kind == planning.LATE:
        say(bodies.notice("safety_late", clinic, wording))
    elif decided.kind == planning.HOLD:
        tier = (conversation.hold or {}).get("tier", bodies.EMERGENCY)
        # What is said now asks whether they are safe: the next yes is about that, and about no earlier question.
        kept = {**(conversation.hold or {}), "asked_safe": True, "direct": False}
        conversations.set_hold(session, conversation.id, kept)
        say(bodies.hold(tier, clinic, wording))
    elif decided.kind == planning.RELEASE:
        conversations.set_hold(session, conversation.id, None)
        say(bodies.notice("safety_released", clinic, wording, ways_out=True))
    elif decided.kind == planning.CONSENTED:
        version = consent.accepted(session, conversation.id)["consent_version"]
        conversations.record_consent(session, conversation.id, version)
        say(check.first_words(clinic, wording, services.closed_words(clinic, "team_closed")))
    elif decided.kind == planning.ENDED:
        forms.end_chat(session, conversation.id, clinic, wording)
    elif decided.kind == planning.WITHDRAWN:
        take_back(services, session, incoming)
    elif decided.kind == planning.FILLED:
        say(forms.thanks(forms.named(incoming.payload), clinic, wording))
    elif decided.kind == planning.READING:
        conversation.reading = bodies.PLAIN
        say({**bodies.notice("reading_plain", clinic, wording), "reading": bodies.PLAIN})
    if decided.language:
        say(bodies.language_card(decided.language, clinic, wording))
