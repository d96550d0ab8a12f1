"""The second half of a turn: Rasa hears the message, and its replies go into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot import safety
from bot.safety import Screening
from bot.store import conversations, gaps
from bot.store.columns import storable_text
from bot.store.session import DatabaseUnavailable
from bot.understanding.gap_words import kept_words
from bot.web import bodies, check, tutoring
from bot.web import plan as planning
from bot.web.alarms import append, person_by_words
from bot.web.assistant import AssistantUnavailable
from bot.web.heard import LIST_TURNS, latest, still_said, turns_since
from bot.web.incoming import Incoming, unsaved
from bot.web.metrics import ANSWERED, NO_ANSWER, TOO_BUSY
from bot.web.plan import Plan
from bot.web.services import Services, in_thread
from bot.web.stream import conversation_topic

log = structlog.get_logger(__name__)
# Plans whose answer is Rasa's: silence in its place must be explained.
AWAITED = (planning.CONVERSE, planning.CLEARED)
# Seconds after which the patient is told that an answer takes longer.
TOLD_AFTER = 2.5
# Turns under way in this process above which a new one would not be answered in time.
MOST_WAITING = 100
Reading = asyncio.Future[dict[str, Any]]
# Ids of replies that the web app gives itself: Rasa's twin of them is not shown a second time.
SAID_HERE = ("safety/", "handoff/")
# What Rasa hears in place of our own buttons: after a withdrawal as if the note that it asks for had been skipped.
RASA_HEARS = {planning.PERSON_ASKED: planning.TALK_TO_PERSON, planning.WITHDRAWN: "/affirm", planning.CLEARED: ""}


def rasa_hears(plan: Plan) -> bool:
    """An alarm goes to Rasa too, so that the dialogue leaves whatever it was in; its words are said already."""
    if plan.kind == planning.CLEARED:
        return bool(plan.text)
    if plan.kind == planning.ALARM:
        return plan.finding is not None and plan.finding.raised_by != check.RAISED_BY
    return plan.kind in (planning.PERSON_ASKED, planning.WITHDRAWN, planning.CONVERSE)


def answer_later(
    services: Services, incoming: Incoming, plan: Plan, screening: Screening, reading: Reading | None = None
) -> None:
    """Let Rasa answer a message that is in the log, after the earlier ones of its conversation, in the background. The
    patient hears within seconds that it takes longer, or that it is too much for now."""
    awaited = plan.kind in AWAITED
    if awaited and services.waiting >= MOST_WAITING:
        log.error("too_busy", waiting=services.waiting)
        services.metrics.turn(plan.kind, TOO_BUSY)
        services.aside(_say_instead(services, incoming, "too_busy"))
        return
    slow = asyncio.create_task(_tell_if_slow(services, incoming)) if awaited else None
    waits = services.busy(incoming.conversation_id)

    async def turn() -> None:
        try:
            await _converse(services, incoming, plan, screening, reading, waits)
        finally:
            if slow is not None:
                slow.cancel()

    services.in_order(incoming.conversation_id, turn())


async def _tell_if_slow(services: Services, incoming: Incoming) -> None:
    """Cancelled once there is an answer. On the page alone: it says something of now, not of the conversation."""
    await asyncio.sleep(TOLD_AFTER)
    body = bodies.notice("still_working", incoming.clinic, services.wording)
    services.hub.wake(conversation_topic(incoming.conversation_id), {"unsaved": unsaved(services, body)})


async def _converse(
    services: Services,
    incoming: Incoming,
    plan: Plan,
    screening: Screening,
    reading: Reading | None,
    waits: bool,
) -> None:
    """Rasa's answer into the log. `screening` and `reading` are of this message, so that Rasa repeats neither; `waits`:
    whether other turns of the conversation came first."""
    if waits and await _was_erased(services, incoming, plan):
        return
    topic = conversation_topic(incoming.conversation_id)
    if plan.kind != planning.ALARM:  # there nothing more will be said: no sign that promises it
        services.hub.wake(topic, {"status": {"open": True}})
    payload = RASA_HEARS.get(plan.kind, incoming.payload)
    text = storable_text(plan.text or incoming.text)  # as it is kept: half a character cannot be sent on
    try:
        if reading is None or text != incoming.text:
            reading = read_aside(services, text)
        with services.metrics.rasa_call():
            replies = await services.assistant.say(
                conversation=incoming.conversation_id,
                message_id=incoming.key,
                text=text,
                clinic=incoming.clinic.id,
                numbers=incoming.clinic.numbers,
                payload=payload,
                screened=None if payload else _screened(plan, screening, text),
                reading=None if payload else await reading,
            )
        if tutoring.wants_facts(replies):
            incoming = replace(incoming, facts=await tutoring.noted(services, incoming.conversation_id))
        await in_thread(_say, services, incoming, plan, replies)
        if plan.kind in AWAITED:
            services.metrics.turn(plan.kind, ANSWERED)
    except Exception as error:  # whatever it was, a question must not end in silence
        cause = str(error) if isinstance(error, AssistantUnavailable) else type(error.__cause__ or error).__name__
        log.error("no_answer", cause=cause)
        if plan.kind in AWAITED:
            services.metrics.turn(plan.kind, NO_ANSWER)
            await _say_instead(services, incoming, "cannot_answer")
    finally:
        services.hub.wake(topic, {"status": {"open": False}})
        services.news(incoming.conversation_id, incoming.clinic.id)


def read_aside(services: Services, text: str) -> Reading:
    """Begin to read a message (repaired texts and vectors) while something else is done with it."""
    reading = asyncio.ensure_future(in_thread(services.read_message, storable_text(text)))
    reading.add_done_callback(lambda done: done.cancelled() or done.exception())  # also where nobody waits for it
    return reading


def _screened(plan: Plan, screening: Screening, text: str) -> dict[str, Any]:
    """What Rasa must know of the screening: the alarm, if there is one, so that the dialogue leaves a form. Questions
    are put here, and words that a No has cleared are not about safety any more."""
    alarm = screening.tier not in planning.NO_ALARM and not screening.ask and plan.kind != planning.CLEARED
    return {"found": screening.as_dict() if alarm else None, "plain_no": safety.is_plain_no(text)}


async def _was_erased(services: Services, incoming: Incoming, plan: Plan) -> bool:
    """Whether the message was erased while it waited. Where the log cannot be read nothing was erased either."""

    def read() -> bool:
        with services.db.read() as session:
            return still_said(session, incoming.conversation_id, incoming.key, _earlier(incoming, plan))

    try:
        return not await in_thread(read)
    except DatabaseUnavailable:
        return False


def _earlier(incoming: Incoming, plan: Plan) -> str:
    """The words of an earlier message, where that is what Rasa hears."""
    return plan.text if plan.text != incoming.text else ""


async def _say_instead(services: Services, incoming: Incoming, key: str) -> None:
    """Say why there is no answer: in the log, or on the page alone where the log cannot be written."""
    body = bodies.notice(key, incoming.clinic, services.wording)
    body["buttons"] = [{"title": services.wording.labels["talk_to_person"], "payload": bodies.PERSON}]

    def write() -> None:
        with services.db.begin() as session:
            if still_said(session, incoming.conversation_id, incoming.key):
                append(session, incoming.conversation_id, body)

    try:
        await in_thread(write)
        services.news(incoming.conversation_id)
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
        if not still_said(session, conversation.id, incoming.key, _earlier(incoming, plan)):
            return
        if handed_over and plan.kind == planning.CONVERSE:
            person_by_words(services, session, incoming)
        if plan.kind in (planning.ALARM, planning.WITHDRAWN) or conversation.hold:
            return
        about = replies[-1].get("metadata") or {}
        made = _with_check(services, session, incoming, plan, about, made)
        made = tutoring.with_tutor(services, session, conversation, incoming, plan.text or incoming.text, made)
        made = [bodies.in_form(body, conversation.reading) for body in made]
        for place, body in enumerate(made):
            if not str(body["answer_id"]).startswith(SAID_HERE):
                # With an id of its own, so that a turn that runs twice after a crash says nothing twice.
                append(session, conversation.id, body, client_id=f"{incoming.key}.{place}")
        if about.get("understood") not in (None, "answer"):
            words = () if incoming.payload else kept_words(plan.text or incoming.text)
            gaps.record_gap(session, incoming.clinic.id, about["understood"], [about.get("nearest")], words)


def _with_check(
    services: Services,
    session: Session,
    incoming: Incoming,
    plan: Plan,
    about: dict[str, Any],
    made: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Rasa's replies with the safety check: in their place, offered beside them, or (as they are) without it."""
    typed = plan.text if plan.kind == planning.CLEARED else "" if incoming.payload else incoming.text
    if any(str(body["answer_id"]).startswith(SAID_HERE) for body in made):
        return made
    lately = latest(session, incoming.conversation_id)

    def within(*answer_ids: str) -> bool:
        since = turns_since(lately, *answer_ids)
        return since is not None and since <= LIST_TURNS

    if typed and check.comes_first(about, typed):
        return made if within(check.LIST_ID) else [check.listed(incoming.clinic, services.wording, made)]
    tells = about.get("understood") == "answer" and typed and safety.tells_of_change(typed)
    left_open = turns_since(lately, "check/") == 1  # the page closes a question once something else is written
    if about.get("check_first") or left_open or (tells and not within("check/")):
        return [*made[:-1], check.offer(made[-1], services.wording)]
    return made
