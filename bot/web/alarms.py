"""What a red flag or a wish for a person sets off, in the message's transaction: words, hold, handoff, the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import Session

from bot import safety
from bot.content import Clinic
from bot.handoff.escalate import Raised, raise_handoff
from bot.handoff.steps import withdraw
from bot.safety import Finding
from bot.store import conversations, events
from bot.store.handoffs import handoff_for_message
from bot.tutor.saying import FORM_PREFIX
from bot.web import bodies, handoffs
from bot.web import plan as planning
from bot.web.handoffs import PERSON_CATEGORY, PERSON_TIER
from bot.web.services import Services

if TYPE_CHECKING:
    from bot.web.incoming import Incoming

# Kinds of bodies that the assistant says itself, beside the tutor's questionnaires; the others tell of the chat.
SPOKEN = ("text", "safety", "question", "lesson", "visual", "card")


def alarm(
    services: Services,
    session: Session,
    incoming: Incoming,
    finding: Finding,
    unanswered: bool = False,
    answer: str = "",
    direct: bool = False,
) -> None:
    """An alarm, in the caller's transaction: safety words, hold, handoff, the truth about it; no question stays open.

    `unanswered`: it comes from a question that got no answer, which counts as a yes, and the words say so. `answer`:
    it comes from this answer, which may have words of its own. `direct`: the category's direct question follows.
    """
    own = bodies.answered(finding.category, answer, incoming.clinic, services.wording) if answer else None
    words = own or bodies.safety_words(finding, incoming.clinic)
    if unanswered:
        words = bodies.with_lead(words, services.wording.bubbles("safety_silence")[0])
    append(session, incoming.conversation_id, words)
    services.metrics.red_flag(session, finding)
    conversations.set_pending(session, incoming.conversation_id, None)
    if planning.closes_lessons(finding.tier):
        hold = planning.hold(finding)
        conversations.set_hold(session, incoming.conversation_id, {**hold, "direct": True} if direct else hold)
    hand_over(services, session, incoming, finding, unanswered, answer)
    if direct:
        append(session, incoming.conversation_id, bodies.safety_question(finding, incoming.clinic, direct=True))


def hand_over(
    services: Services,
    session: Session,
    incoming: Incoming,
    finding: Finding | None,
    unanswered: bool = False,
    answer: str = "",
) -> None:
    """Pass the message on, and say what became of it. `answer`: the words shown were those of this answer."""
    raised = _pass_on(services, session, incoming, finding, unanswered, answer)
    if raised.attached:
        key = "handoff_still" if unanswered else "handoff_again"
        handoffs.tell_again(services, session, incoming.clinic, raised, key)
    else:
        handoffs.tell_raised(services, session, incoming.clinic, raised, person=finding is None)


def _pass_on(
    services: Services,
    session: Session,
    incoming: Incoming,
    finding: Finding | None,
    unanswered: bool = False,
    answer: str = "",
) -> Raised:
    """The handoff of a finding, or (without one) of a wish for a person."""
    words = _shown_words(finding, answer, incoming.clinic) if finding else None
    return raise_handoff(
        session,
        conversation_id=incoming.conversation_id,
        message_key=incoming.key,
        clinic=incoming.clinic.id,
        clinic_of=services.clinic,
        tier=finding.tier if finding else PERSON_TIER,
        category=finding.category if finding else PERSON_CATEGORY,
        rule=finding.rule if finding else None,
        words=incoming.text,
        message_shown=words.id if words else "",
        numbers_shown=_shown_numbers(words, incoming.clinic) if words else [],
        about=_about(finding, unanswered) if finding else {},
        rules_version=services.rules_version or None,
    )


def _about(finding: Finding, unanswered: bool) -> dict[str, Any]:
    return {"scope": finding.scope, "heard": finding.words, **({"unanswered": True} if unanswered else {})}


def _shown_words(finding: Finding, answer: str, clinic: Clinic) -> safety.SafetyWords | safety.AnswerWords:
    own = safety.answer_words(finding.category, answer, clinic.numbers) if answer else None
    return own or safety.words_of(finding, clinic.numbers)


def _shown_numbers(words: safety.SafetyWords | safety.AnswerWords, clinic: Clinic) -> list[str]:
    return [clinic.numbers[name] for name in words.numbers_used if name != "clinic"]


def person_by_words(services: Services, session: Session, incoming: Incoming) -> None:
    """Somebody asked for a person in words: Rasa's action has passed it on, or it is passed on here."""
    found = handoff_for_message(session, incoming.conversation_id, incoming.key)
    if found is not None:
        state = conversations.conversation_with(session, incoming.conversation_id).state
        raised = Raised(found.id, False, state, found.created_at, attached=found.message_key != incoming.key)
    else:
        raised = _pass_on(services, session, incoming, None)
    if raised.attached:
        handoffs.tell_again(services, session, incoming.clinic, raised, "handoff_again")
    else:
        handoffs.tell_raised(services, session, incoming.clinic, raised, person=True)


def take_back(services: Services, session: Session, incoming: Incoming) -> None:
    """Somebody no longer needs the person they asked for. What the clinic has taken on already stays with it."""
    stepped = withdraw(session, incoming.conversation_id, PERSON_CATEGORY)
    if stepped is None:
        append(
            session, incoming.conversation_id, bodies.notice("handoff_withdraw_late", incoming.clinic, services.wording)
        )
    else:
        handoffs.tell_withdrawn(services, session, incoming.clinic, stepped.handoff, stepped.state)


def append(
    session: Session,
    conversation_id: str,
    body: dict[str, Any],
    type: str = events.MESSAGE,
    client_id: str | None = None,
) -> None:
    ours = body["kind"] in SPOKEN or str(body.get("form", "")).startswith(FORM_PREFIX)
    author = events.BOT if ours else events.SYSTEM
    events.append_event(session, conversation_id, type=type, author=author, body=body, client_id=client_id)
