"""The decision in the middle of a turn: what this message means for the conversation. Pure, so that it can be tested.

Order of the questions: a red flag first, whatever else is going on; then the open safety question; then who answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bot.safety import Finding, Screening, has_direct_question, is_plain_no, is_plain_yes, is_refusal, typed_answer
from bot.safety.check import Step
from bot.safety.schema import NO
from bot.safety.scope import OTHER_NOW
from bot.tutor.saying import FORM_PREFIX, PREFIX
from bot.understanding.language import language_of
from bot.web import check
from bot.web.bodies import (
    CONSENT,
    CRISIS,
    EMERGENCY,
    END,
    FORM,
    PERSON,
    READING_PLAIN,
    SAFETY_RELEASE,
    WITHDRAW,
    answer_in,
)

ALARM, ASK, CLEARED, HOLD, RELEASE, PERSON_ASKED = "alarm", "ask", "cleared", "hold", "release", "person"
CONSENTED, CONSENT_NEEDED, HUMAN_HOLDS, CONVERSE = "consented", "consent_needed", "human_holds", "converse"
LATE, CHECK, NONE_LISTED, REFUSED, ANSWERED = "late", "check", "none_listed", "refused", "answered"
LANGUAGE = "language"
ENDED, FILLED, READING, WITHDRAWN = "ended", "filled", "reading", "withdrawn"
# The tutor's own buttons and questionnaires, and words that it had asked for.
TUTOR = "tutor"
NO_ALARM = (None, "T4")
TALK_TO_PERSON = "/talk_to_person"


@dataclass(frozen=True)
class Situation:
    """What the conversation knows before this message. `pending` is the open question, as `Pending.as_dict` made it;
    `awaits` says which words the tutor has just asked for."""

    state: str
    consented: bool
    pending: dict[str, Any] | None
    hold: dict[str, Any] | None
    awaits: str = ""


@dataclass(frozen=True)
class Said:
    """What came: typed words (`payload` empty) or a button that was offered."""

    text: str
    payload: str = ""


@dataclass(frozen=True)
class Plan:
    """What happens. `text` is what Rasa hears (the earlier message, where a question about it has been answered).

    `step`: where the safety check goes on. `also`: a second yes, where a button gave one while a question was open.
    `question`: what is asked after an alarm because it would be graver. `direct`: the alarm is followed by its
    category's direct question. `answer`: how an open question was answered, where the answers have words of their own.
    `language`: the message is in this one and not in English, so the clinic's card in it is shown, after anything else.
    """

    kind: str
    finding: Finding | None = None
    text: str = ""
    step: Step | None = None
    also: Finding | None = None
    question: Finding | None = None
    direct: bool = False
    answer: str = ""
    language: str = ""


def plan(situation: Situation, said: Said, screening: Screening) -> Plan:
    """Decide one turn. A tier is never lowered here: an alarm of this message or of the open question always wins."""
    finding = screening.worst
    alarm = finding if finding and screening.tier not in NO_ALARM and not screening.ask else None
    asked = pending_finding(situation.pending)
    step = check.step_after(said.payload)
    answer = _direct_answer(situation, said)
    # "Not sure", something else, the words again: all of them are a yes.
    confirmed = asked is not None and not _denied(said, asked)
    also = None
    if confirmed and asked is not None:
        also = alarm if step is not None and alarm is not None and alarm.category != asked.category else None
        if alarm is None or asked.tier < alarm.tier:
            alarm = asked
        elif also is not None:
            also = asked
    if alarm is not None:
        closed = closes_lessons(alarm.tier) or bool(situation.hold) or situation.state == "human"
        graver = screening.question if screening.question and screening.question.tier < alarm.tier else None
        return Plan(
            ALARM,
            alarm,
            said.text,
            step=None if closed else step,
            also=also,
            question=graver,
            direct=_asks_directly(situation, alarm, asked),
            answer=answer if alarm is asked else "",
        )
    if answer and asked is None:
        return Plan(ANSWERED, pending_finding(situation.hold), answer=answer)
    if not situation.consented:
        return Plan(CONSENTED if said.payload == CONSENT else CONSENT_NEEDED)
    if said.payload in (PERSON, TALK_TO_PERSON):
        return Plan(PERSON_ASKED, text=said.text)
    if situation.state == "human":
        return Plan(HUMAN_HOLDS)
    if asked is not None:
        earlier = str((situation.pending or {}).get("text", ""))
        language = "" if situation.hold else language_of(earlier) or ""
        heard = "" if situation.hold or language else earlier
        return Plan(CLEARED, asked, heard, answer=answer, language=language)
    if said.payload == WITHDRAW:
        return Plan(WITHDRAWN, text=said.text)
    if screening.ask and finding is not None:
        return Plan(ASK, finding, said.text)
    language = "" if said.payload else language_of(said.text) or ""
    if situation.hold:
        # A typed "yes" says that they are safe only where that was what was asked last.
        typed_yes = not said.payload and is_plain_yes(said.text) and bool(situation.hold.get("asked_safe"))
        released = said.payload == SAFETY_RELEASE or typed_yes
        if not released and not said.payload and is_refusal(said.text):
            return Plan(REFUSED)
        return Plan(RELEASE) if released else Plan(HOLD, language=language)
    if said.payload == END:
        return Plan(ENDED)
    told = bool(situation.awaits) and not said.payload and not language
    if told or said.payload.startswith((PREFIX, FORM + FORM_PREFIX)):
        return Plan(TUTOR, text=said.text)
    if said.payload.startswith(FORM):
        return Plan(FILLED)
    if said.payload == READING_PLAIN:
        return Plan(READING)
    if answer_in(said.payload):  # the question is closed: the timer was first
        return Plan(LATE)
    if step is not None:
        return Plan(CHECK, step=step)
    if said.payload == check.LIST_NONE:
        return Plan(NONE_LISTED)
    if language:
        return Plan(LANGUAGE, language=language)
    return Plan(CONVERSE, text=said.text)


def hold(finding: Finding) -> dict[str, Any]:
    """What is kept while lessons are closed."""
    return {"tier": finding.tier, "category": finding.category, "rule": finding.rule, "scope": finding.scope}


def closes_lessons(tier: str) -> bool:
    """After a crisis or an emergency no lesson goes on until the person is safe (clinical rule 3.3-8)."""
    return tier in (CRISIS, EMERGENCY)


def pending(finding: Finding, text: str) -> dict[str, Any]:
    """The open question as it is kept with the conversation."""
    return {
        "rule": finding.rule,
        "category": finding.category,
        "tier": finding.tier,
        "words": finding.words,
        "scope": finding.scope,
        "text": text,
    }


def pending_finding(kept: dict[str, Any] | None) -> Finding | None:
    """The finding that an open question, or a hold, is about."""
    if not kept:
        return None
    return Finding(
        rule=kept["rule"],
        category=kept["category"],
        tier=kept["tier"],
        span=(0, 0),
        words=kept.get("words", ""),
        scope=kept.get("scope", "now"),
        confidence=1.0,
        raised_by="answer",
    )


def _asks_directly(situation: Situation, alarm: Finding, asked: Finding | None) -> bool:
    """Once after an alarm in the person's own words; not after an answer, nor again while the first one stands."""
    own = alarm is not asked and alarm.scope != OTHER_NOW and alarm.raised_by != check.RAISED_BY
    already = (situation.hold or {}).get("category") == alarm.category
    return own and not already and has_direct_question(alarm.category)


def _direct_answer(situation: Situation, said: Said) -> str:
    """Which of the category's own answers was given to the question that is open; a typed yes is the gravest."""
    hold = situation.hold or {}
    open_about = situation.pending or hold
    about = str(open_about.get("category", ""))
    if open_about.get("scope") == OTHER_NOW or not has_direct_question(about):  # a helper has the helper's words
        return ""
    if said.payload:
        category, answer = answer_in(said.payload) or ("", "")
        return answer if category == about else ""
    open_question = situation.pending or (hold.get("direct") and situation.state != "human")
    return typed_answer(about, said.text) if open_question else ""


def _denied(said: Said, asked: Finding) -> bool:
    if said.payload:
        return answer_in(said.payload) == (asked.category, NO)
    return is_plain_no(said.text)
