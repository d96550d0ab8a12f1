"""The tutor in the chat: its journal is read, an area is asked, what it says goes into the log. Needs no Rasa.

All of it happens in the message's own transaction, so that nothing is said that was not noted, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.content.tutor import load_lines
from bot.content.wording import load_wording
from bot.store import conversations, events, learning
from bot.store.models import Conversation
from bot.tutor import areas, beliefs, course, home, scan
from bot.tutor.journal import FORM, OFFERED, Entry, Journal
from bot.tutor.saying import CHECK, FORM_PREFIX, PERSON, TO_CLINIC, Button, Moment, Outcome, Say, form_id, payload
from bot.web import bodies, check, summaries
from bot.web.alarms import append, hand_over
from bot.web.heard import latest
from bot.web.incoming import Incoming
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
# Taken at any time, offered or not: the ways into each area.
ALWAYS = (*(payload(name) for name in areas.AREAS), home.STOP)
# Areas that want to know what the dialogue has noted.
WITH_FACTS = tuple(payload(name) for name in ("summary", "scan", "course", "plan"))
FACTS_SECONDS = 1.5
# Rasa's replies that stand for an area: ``control/open_course.1``.
OPENS = "control/open_"
# Words that are read and answered, and never written down: a report that was pasted.
NOT_KEPT = ("scan:report",)
# A question is shorter than this many words; a longer text that ends in "?" is still a report.
LONGEST_QUESTION = 20
# Entries that hold people's own words, or choices, and are replaced as a whole.
NEWEST_COUNTS = ("factor", "matters", "metaphor", "plan", "flare", "summary")
# What is offered on return is offered once a day at most.
OFFER_HOURS = 20


def moment_of(services: Services, session: Session, conversation: Conversation, incoming: Incoming) -> Moment:
    """What the tutor is told about now."""
    rows = learning.journal(session, conversation.id)
    flagged = bool(conversation.hold or conversation.pending or learning.open_flags(session, conversation.id))
    return Moment(
        services.db.clock(),
        Journal(tuple(Entry(row.kind, row.key, row.value, row.at) for row in rows)),
        open_flag=flagged,
        facts=incoming.facts,
        zone=incoming.clinic.hours.zone,
        clinic={**incoming.clinic.about, "name": incoming.clinic.name, "videos": incoming.clinic.videos},
        person=conversation.id,
    )


async def noted(services: Services, conversation_id: str) -> dict[str, str]:
    """What the dialogue has noted of a person; nothing where it cannot be asked now. Never in the way."""
    try:
        return await asyncio.wait_for(services.assistant.facts(conversation_id), FACTS_SECONDS)
    except Exception as error:
        log.warning("facts_not_read", cause=type(error).__name__)
        return {}


def answer(
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, awaits: str = ""
) -> bool:
    """What the tutor answers to its button, its questionnaire, or words that it had asked for. False where the words
    were about something else: then nothing has been said or noted."""
    moment = moment_of(services, session, conversation, incoming)
    held: Sequence[dict[str, Any]] = ()
    if incoming.filled is not None:
        outcome: Outcome | None = areas.filled(moment, incoming.filled.form, incoming.filled.answers)
        held = _held_back(session, conversation.id, incoming.reply_to)
    elif incoming.payload:
        outcome = areas.pressed(moment, incoming.payload)
    else:
        outcome = _told(moment, awaits, incoming.text)
    if outcome is None:
        return False
    _carry_out(services, session, conversation, incoming, outcome, held)
    return True


def _told(moment: Moment, awaits: str, text: str) -> Outcome | None:
    way = home.way_out(text)
    if way == home.ASKS_PERSON:
        return None
    if way == home.STOPS:
        return areas.pressed(moment, home.STOP)
    return areas.typed(moment, awaits, "" if way == home.SKIPS else text)


def notes_itself(form: str) -> bool:
    """Whether the area notes what it needs of a questionnaire; the answers to measures are kept as they were given."""
    return form.startswith(FORM_PREFIX) and not form.startswith(form_id("measures", ""))


def not_kept(awaits: str, text: str) -> bool:
    """Whether these words are only looked at. A question is a message like any other."""
    question = text.strip().endswith("?") and len(text.split()) < LONGEST_QUESTION
    return awaits in NOT_KEPT and not question


def with_tutor(
    services: Services,
    session: Session,
    conversation: Conversation,
    incoming: Incoming,
    text: str,
    made: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """Rasa's replies with what the tutor adds: an area in place of the reply that stands for it, a question in front
    of them, something behind them, the way back to what is under way."""
    if not made:
        return made
    answer_id = str(made[-1].get("answer_id") or "")
    typed = not incoming.payload
    moment = moment_of(services, session, conversation, incoming)
    if answer_id.startswith(OPENS):
        area = answer_id.removeprefix(OPENS).split(".")[0]
        outcome = areas.pressed(moment, payload(area))
        _note(session, conversation.id, outcome)
        return _bodies(session, conversation.id, incoming, outcome.says)
    if _is_card(made[-1]) and scan.locked(moment):  # a serious word stands open: nothing beside it sounds common
        return _bodies(session, conversation.id, incoming, scan.open(moment).says)
    if typed and not _held_waiting(session, conversation.id):
        outcome_before = areas.before(moment, text, answer_id)
        if outcome_before is not None:
            _note(session, conversation.id, outcome_before)
            asked = _bodies(session, conversation.id, incoming, outcome_before.says)
            return [*asked[:-1], {**asked[-1], check.AFTERWARDS: made}]
    shown = [*_held_waiting(session, conversation.id), *made]
    if typed:
        added = areas.heard(moment, text, answer_id)
        if added is not None:
            _note(session, conversation.id, added)
            return [*shown, *_bodies(session, conversation.id, incoming, added.says)]
    more = course.back(moment) or home.beside(answer_id)
    return [*shown[:-1], _with_button(shown[-1], more)] if more else shown


def welcome_back(services: Services, session: Session, conversation: Conversation, incoming: Incoming) -> None:
    """Offers what is due to somebody who has come back: one thing, once a day, and never while safety comes first."""
    quiet = conversation.state != conversations.BOT or conversation.consented_at is None
    if quiet or not learning.has_journal(session, conversation.id):
        return
    moment = moment_of(services, session, conversation, incoming)
    last = moment.journal.last(OFFERED)
    lately = last is not None and last.at is not None and (moment.now - last.at).total_seconds() < OFFER_HOURS * 3600
    if moment.open_flag or lately:
        return
    outcome = areas.due(moment)
    if outcome is not None:
        _note(session, conversation.id, Outcome(notes=(Entry(OFFERED, outcome.says[0].id),)))
        _carry_out(services, session, conversation, incoming, outcome, ())


async def on_return(services: Services, conversation_id: str, clinic: Clinic) -> None:
    """`welcome_back` in a transaction of its own. Nobody waits for it, and nothing depends on it."""

    def write() -> None:
        with services.db.begin() as session:
            conversation = conversations.locked_conversation(session, conversation_id)
            key = f"return.{conversation.last_seq}"
            welcome_back(services, session, conversation, Incoming(conversation_id, clinic, key, ""))

    try:
        await in_thread(write)
    except Exception as error:
        log.warning("nothing_offered", cause=type(error).__name__)
    else:
        services.news(conversation_id)


def _carry_out(
    services: Services,
    session: Session,
    conversation: Conversation,
    incoming: Incoming,
    outcome: Outcome,
    held: Sequence[dict[str, Any]],
) -> None:
    _note(session, conversation.id, outcome)
    more = bool(held or outcome.after or outcome.then)
    for body in _bodies(session, conversation.id, incoming, outcome.says, last=not more):
        append(session, conversation.id, body)
    for body in held:
        append(session, conversation.id, body)
    for body in _bodies(session, conversation.id, incoming, outcome.after):
        append(session, conversation.id, body)
    if outcome.then == CHECK:
        step = check.step_after(bodies.CHECK_START)
        assert step is not None
        append(session, conversation.id, check.shown(step, incoming.clinic, services.wording))
    elif outcome.then == PERSON:
        hand_over(services, session, replace(incoming, text=outcome.words or incoming.text), None)
    elif outcome.then == TO_CLINIC:
        summaries.send(services, session, conversation, incoming, outcome.words)


def _note(session: Session, conversation_id: str, outcome: Outcome) -> None:
    """Writes what was done down. Of some things only the newest counts: what stood there before is forgotten for good,
    as is what the person has taken out."""
    notes = [(one.kind, one.key, one.value) for one in outcome.notes if one.kind != FORM]
    for kind, key, _ in notes:
        if kind in NEWEST_COUNTS:
            learning.forget(session, conversation_id, kind, key)
        elif kind == beliefs.REMOVED:
            learning.forget(session, conversation_id, beliefs.BELIEF, key)
    if notes:
        learning.record(session, conversation_id, notes)


def _bodies(
    session: Session, conversation_id: str, incoming: Incoming, says: Sequence[Say], last: bool = True
) -> list[dict[str, Any]]:
    """Events' bodies of what is said, with the clinic's numbers; the last one with the ways out."""
    made = []
    for place, say in enumerate(says):
        buttons = [*say.buttons, *(_ways(say) if last and say.ways and place == len(says) - 1 else ())]
        more: dict[str, Any] = {"answer_id": say.id, "review": _review(say), **say.more}
        if buttons:
            more["buttons"] = [{"title": one.title, "payload": one.payload} for one in buttons]
        if say.awaits:
            more["awaits"] = say.awaits
        texts = [bodies.fill(text, incoming.clinic.numbers) for text in say.bubbles]
        if "form" in say.more:
            more.setdefault("skipped", load_wording().interface["questions_skipped"])
            conversations.offer(session, conversation_id, [bodies.FORM + say.more["form"]])
        made.append(bodies.body(say.kind, texts, **more))
    return made


def _review(say: Say) -> str:
    return str(say.more.get("review") or "pending")


def _ways(say: Say) -> list[Button]:
    lines = load_lines("home")
    stop = Button(lines.label("stop"), home.STOP)
    other = Button(lines.label("home"), payload("home"))
    there = {one.payload for one in say.buttons}
    return [one for one in (other, stop) if one.payload not in there]


def _held_back(session: Session, conversation_id: str, seq: int | None) -> list[dict[str, Any]]:
    """The replies that a question was put in front of, unless they have been given since."""
    waiting = [event for event in latest(session, conversation_id) if event.seq == seq]
    if not waiting or _released(session, conversation_id, waiting[0].seq):
        return []
    return [dict(one) for one in waiting[0].body.get(check.AFTERWARDS) or ()]


def _held_waiting(session: Session, conversation_id: str) -> list[dict[str, Any]]:
    """Replies that still wait behind a question of the tutor that the person has written past: nothing gets lost."""
    for event in reversed(latest(session, conversation_id)):
        if event.author != events.PATIENT and event.body.get(check.AFTERWARDS):
            ours = str(event.body.get("form", "")).startswith(FORM_PREFIX)
            return _held_back(session, conversation_id, event.seq) if ours else []
    return []


def _released(session: Session, conversation_id: str, seq: int) -> bool:
    """Whether what waited behind event `seq` has been said."""
    log_ = latest(session, conversation_id)
    held = next((event.body.get(check.AFTERWARDS) for event in log_ if event.seq == seq), None) or ()
    ids = {one.get("answer_id") for one in held}
    return any(event.seq > seq and event.author == events.BOT and event.body.get("answer_id") in ids for event in log_)


def _is_card(body: dict[str, Any]) -> bool:
    return (body.get("spec") or {}).get("reply") == "card"


def _with_button(body: dict[str, Any], button: Button) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if key not in ("kind", "bubbles", "buttons", "fallback_text")}
    buttons = [*(body.get("buttons") or ()), {"title": button.title, "payload": button.payload}]
    return bodies.body(body["kind"], body["bubbles"], **kept, buttons=buttons)
