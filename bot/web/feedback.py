"""What a patient says about one answer: kept, screened like any message, and answered where something was not right."""

from __future__ import annotations

import hashlib
from typing import Any

from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content import Clinic
from bot.content.files import fill
from bot.content.library import load_library
from bot.content.replies import MENU, button, choices, way_out
from bot.safety import Screening
from bot.store import conversations, events, opinions
from bot.store.models import Conversation, Event
from bot.store.opinions import DOWN, FELT_DISMISSED, HARD_TO_READ, NOT_FOR_ME, UP
from bot.store.session import DatabaseUnavailable
from bot.web import bodies, turns
from bot.web.heard import heard
from bot.web.patient import alarm_words, not_swallowed, read_json, whole_number, whose
from bot.web.plan import NO_ALARM
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

LONGEST_REASON = 500


def routes() -> list[Route]:
    return [Route("/v1/conversations/{conversation}/feedback", feedback, methods=["POST"])]


async def feedback(request: Request) -> Response:
    """POST …/feedback {seq, value: up|down, code?, reason?}: 204. A second one about the same answer replaces it."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    reason = asked.get("reason")
    if reason is not None and not isinstance(reason, str):
        raise Problem("bad_field", "reason must be text.")
    reason = (reason or "").strip()
    with not_swallowed(services, reason):
        clinic, conversation_id = await whose(request, services, reason)
        seq = whole_number(str(asked.get("seq", "")))
    # The same words about the same answer are one message, however often they come.
    key = f"feedback.{seq}.{hashlib.sha256(reason.encode('utf-8', 'replace')).hexdigest()[:24]}"
    incoming = turns.Incoming(conversation_id, clinic, key, reason)
    value, code = asked.get("value"), asked.get("code")
    if value not in (UP, DOWN):
        raise Problem("bad_field", "value must be up or down.", alarm_words(services, incoming))
    if code is not None and code not in opinions.CODES:
        raise Problem("bad_field", f"code must be one of {', '.join(opinions.CODES)}.", alarm_words(services, incoming))
    if len(reason) > LONGEST_REASON:
        long = f"reason must be text of at most {LONGEST_REASON} characters."
        raise Problem("bad_field", long, alarm_words(services, incoming))
    wait = services.limits.wait(conversation_id, request.client.host if request.client else "") if reason else 0
    if wait:
        raise Problem("too_many", events=alarm_words(services, incoming), retry_after=wait)
    try:
        said = await _said(services, incoming, seq)
        await in_thread(_keep, services, incoming, seq, value, code, said)
    except opinions.NoReply:
        wrong = "seq must be the number of a reply of the assistant."
        raise Problem("bad_field", wrong, alarm_words(services, incoming)) from None
    except DatabaseUnavailable:
        raise Problem("not_stored", events=alarm_words(services, incoming)) from None
    services.news(conversation_id, clinic.id)
    return Response(status_code=204)


async def _said(services: Services, incoming: turns.Incoming, seq: int) -> bool:
    """Takes a reason that holds a red flag in as a message of the patient, with all that follows one: safety words, or
    the question, and the handoff. Says whether it did. Raises NoReply, and Problem with the words that are due."""
    if not incoming.text:
        return False

    def read() -> Screening:
        with services.db.read() as session:
            opinions.reply_numbered(session, incoming.conversation_id, seq)
            return turns.screen(incoming, heard(session, incoming.conversation_id))

    screening = await in_thread(read)
    if not screening.ask and screening.tier in NO_ALARM:
        return False
    await turns.receive(services, incoming)
    return True


def _keep(services: Services, incoming: turns.Incoming, seq: int, value: str, code: str | None, said: bool) -> None:
    """The feedback and its answer, in one transaction. `said`: the reason was taken in, and answered, as a message."""
    with services.db.begin() as session:
        conversation = conversations.locked_conversation(session, incoming.conversation_id)
        event = opinions.reply_numbered(session, conversation.id, seq)
        opinions.record_feedback(session, conversation.id, seq, value, code, incoming.text or None)
        if code is None or said or not _may_speak(session, conversation):
            return
        body = reply(services, incoming.clinic, event.body, code, conversation)
        if body is not None:
            events.append_event(
                session,
                conversation.id,
                type=events.MESSAGE,
                author=events.SYSTEM,
                body=body,
                client_id=f"feedback.{seq}.{code}",
            )


def _may_speak(session: Session, conversation: Conversation) -> bool:
    """Not into a person's conversation, and not after a safety question: that stays the last thing said until it is
    answered."""
    if conversation.state == conversations.HUMAN or conversation.pending:
        return False
    last: Event = events.latest_events(session, conversation.id, 1)[-1]
    return bool(last.author == events.PATIENT or last.body.get("kind") != "question")


def reply(
    services: Services, clinic: Clinic, rated: dict[str, Any], code: str, conversation: Conversation
) -> dict[str, Any] | None:
    """What is said to somebody for whom an answer was not right; None where there is nothing to say now.

    While lessons are closed after an alarm there is an apology and a person, and nothing that teaches.
    """
    labels = services.wording.labels
    person = button(labels["talk_to_person"], bodies.PERSON)
    if conversation.hold:
        return _notice(services, clinic, "feedback_felt_dismissed_hold", [person]) if code == FELT_DISMISSED else None
    if code == FELT_DISMISSED:
        return _notice(services, clinic, "feedback_felt_dismissed", [person, button(labels["menu"], MENU)])
    library = load_library()
    answer = library.answers.get(str(rated.get("answer_id") or ""))
    if code == NOT_FOR_ME:
        following = choices(answer.next, library, none=False) if answer is not None else []
        buttons = [*following, person] if following else way_out(services.wording)
        return _notice(services, clinic, "feedback_not_for_me", buttons)
    assert code == HARD_TO_READ
    offered = [] if conversation.reading == bodies.PLAIN else [button(labels["simple_words"], bodies.READING_PLAIN)]
    simpler = [fill(text, clinic.numbers) for text in _simpler(rated, getattr(answer, "forms", {}))]
    if not simpler:
        return _notice(services, clinic, "feedback_hard_to_read_none", [*offered, person])
    offer = services.wording.bubbles("feedback_hard_to_read_offer") if offered else []
    made = _notice(services, clinic, "feedback_hard_to_read", [*offered, person], [*simpler, *offer])
    return {**made, **{key: rated[key] for key in ("version", "review") if rated.get(key)}}


def _simpler(rated: dict[str, Any], forms: dict[str, Any]) -> list[str]:
    """A simpler form of an answer than the one that was shown: in simple words, else the few of a flare."""
    forms = {**forms, **(rated.get("forms") or {})}
    shown = len(" ".join(rated.get("bubbles") or ()))
    found = (list(forms.get(name) or ()) for name in (bodies.PLAIN, bodies.FLARE))
    # An answer without simple words of its own has its whole text under that name.
    return next((texts for texts in found if texts and len(" ".join(texts)) < shown), [])


def _notice(
    services: Services, clinic: Clinic, key: str, buttons: list[dict[str, str]], more: list[str] | None = None
) -> dict[str, Any]:
    texts = [*services.wording.bubbles(key, **clinic.numbers), *(more or [])]
    return bodies.body("notice", texts, answer_id=f"notice/{key}", buttons=buttons)
