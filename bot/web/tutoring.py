"""The tutor in the chat: its journal is read, an area is asked, what it says goes into the log. Needs no Rasa.

All of it happens in the message's own transaction, so that nothing is said that was not noted, and the other way round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy.orm import Session

from bot.content import Clinic, Wording
from bot.content.files import fill
from bot.content.tutor import load_lines
from bot.content.wording import load_wording
from bot.store import conversations, events, learning, rights
from bot.store.models import Conversation, Event
from bot.tutor import areas, asides, beliefs, course, home, scan
from bot.tutor.journal import FORM, OFFERED, Entry, Journal
from bot.tutor.saying import CHECK, FORM_PREFIX, TO_CLINIC, Button, Moment, Outcome, Say, form_id, payload
from bot.web import bodies, check, summaries
from bot.web.alarms import append
from bot.web.heard import LINGERS, latest
from bot.web.incoming import Incoming
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
# Taken at any time, offered or not: the ways into each area.
ALWAYS = (*(payload(name) for name in areas.AREAS), home.STOP)
# Areas that want to know what the dialogue has noted.
WITH_FACTS = (
    *(payload(name) for name in ("summary", "scan", "course", "plan")),
    *(bodies.FORM + form_id(name, "") for name in ("summary", "plan")),
)  # fmt: skip
FACTS_SECONDS = 1.5
# Rasa's replies that stand for an area: ``control/open_course.1``.
OPENS = "control/open_"
# Words that are read and answered, and never written down: a report that was pasted.
NOT_KEPT = ("scan:report",)
# A question is shorter than this many words; a longer text that ends in "?" is still a report.
LONGEST_QUESTION = 12
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


def _allowed(moment: Moment, pressed: str) -> str:
    """The button, or the scan page in its place: while a serious word stands open, nothing beside it sounds common."""
    named = pressed.split(":")
    about_scans = "scans" in named or named[1:] == ["pictures", "show", "twin"]
    return payload("scan") if about_scans and scan.locked(moment) else pressed


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
        outcome = areas.pressed(moment, _allowed(moment, incoming.payload))
    else:
        outcome = _told(moment, awaits, incoming.text)
    if outcome is None:
        return False
    _carry_out(services, session, conversation, incoming, outcome, held)
    return True


def _told(moment: Moment, awaits: str, text: str) -> Outcome | None:
    if awaits.endswith(LINGERS):
        awaits = awaits.removesuffix(LINGERS)
        return areas.typed(moment, awaits, text) if scan.looks_pasted(text) else None
    way = home.way_out(text)
    if way == home.ASKS_PERSON:
        return None
    if way == home.STOPS:
        return areas.pressed(moment, home.STOP)
    if not way and asides.is_aside(text) and not (awaits in NOT_KEPT and len(text.split()) >= LONGEST_QUESTION):
        return None
    return areas.typed(moment, awaits, "" if way == home.SKIPS else text)


def notes_itself(form: str) -> bool:
    """Whether the area notes what it needs of a questionnaire; the answers to measures are kept as they were given."""
    return form.startswith(FORM_PREFIX) and not form.startswith(form_id("measures", ""))


def go_on(
    services: Services, session: Session, conversation: Conversation, incoming: Incoming, asked: Mapping[str, Any]
) -> None:
    """After a No to a question about words that were only to be looked at: now they are, and leave the log."""
    awaits, event = str(asked.get("awaits") or ""), rights.message_of(session, conversation.id, str(asked.get("key")))
    if not awaits or event is None or event.body.get("erased"):
        return
    moment = moment_of(services, session, conversation, incoming)
    outcome = areas.typed(moment, awaits.removesuffix(LINGERS), str(event.body["text"]))
    unkept(event, services.wording)
    if outcome is not None:
        _carry_out(services, session, conversation, incoming, outcome, ())


def unkept(event: Event, wording: Wording) -> None:
    """Words that were only looked at leave the log before anybody can read it there."""
    text = wording.messages["not_kept"]
    event.body = {**event.body, "text": text, "fallback_text": text}


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
    if not made or _is_safety(made) or conversation.state != conversations.BOT:
        return made
    answer_id = str(made[-1].get("answer_id") or "")
    # What looks like a command is a text like any other, but tells nothing of a person.
    typed = not incoming.payload and not text.startswith("/")
    moment = moment_of(services, session, conversation, incoming)
    held = _held_waiting(session, conversation.id)
    checked = _offers_check(made)

    def said(outcome: Outcome) -> list[dict[str, Any]]:
        _note(session, conversation.id, outcome)
        return _bodies(session, conversation.id, incoming, (*outcome.says, *outcome.after))

    if answer_id.startswith(OPENS):
        opened = said(areas.pressed(moment, payload(answer_id.removeprefix(OPENS).split(".")[0])))
        last = check.offer(opened[-1], services.wording) if checked else opened[-1]
        return [*held, *made[:-1], *opened[:-1], last]
    if _is_card(made[-1]) and scan.locked(moment):  # a serious word stands open: nothing beside it sounds common
        return said(scan.open(moment))
    if typed and not held and not checked:
        asked = areas.before(moment, text, answer_id)
        if asked is not None:
            first = said(asked)
            return [*first[:-1], {**first[-1], check.AFTERWARDS: made}]
    shown = [*held, *made]
    added = areas.heard(moment, text, answer_id) if typed and not checked else None
    if added is not None:
        return [*shown, *said(added)]
    more = course.back(moment) or home.beside(answer_id)
    return [*shown[:-1], _with_button(shown[-1], more)] if more else shown


def wants_facts(replies: Sequence[Mapping[str, Any]]) -> bool:
    """Whether one of Rasa's replies stands for an area, which may want to know what the dialogue has noted."""
    return any(str((one.get("metadata") or {}).get("answer_id") or "").startswith(OPENS) for one in replies)


def welcome_back(services: Services, session: Session, conversation: Conversation, incoming: Incoming) -> None:
    """Offers what is due to somebody who has come back: one thing, once a day, and never while safety comes first."""
    quiet = conversation.state != conversations.BOT or conversation.consented_at is None
    if quiet or not learning.has_journal(session, conversation.id):
        return
    moment = moment_of(services, session, conversation, incoming)
    last = moment.journal.last(OFFERED)
    lately = last is not None and last.at is not None and (moment.now - last.at).total_seconds() < OFFER_HOURS * 3600
    if moment.open_flag or lately or _asked(session, conversation.id):
        return
    outcome = areas.due(moment)
    if outcome is not None:
        _note(session, conversation.id, Outcome(notes=(Entry(OFFERED, outcome.says[0].id),)))
        _carry_out(services, session, conversation, incoming, outcome, ())


def _asked(session: Session, conversation_id: str) -> bool:
    """Whether the last thing said asks for something: another message would close the question unheard."""
    last = events.latest_events(session, conversation_id, 1)
    body = last[0].body if last and last[0].author != events.PATIENT else {}
    pressed = [str(one["payload"]) for one in body.get("buttons") or ()]
    safety = body.get("kind") in ("question", "safety") or any(one.startswith(("check:", "answer:")) for one in pressed)
    return bool(safety or body.get("awaits") or body.get("items"))


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
        append(session, conversation.id, bodies.in_form(body, conversation.reading))
    for body in _bodies(session, conversation.id, incoming, outcome.after):
        append(session, conversation.id, body)
    if outcome.then == CHECK:
        step = check.step_after(bodies.CHECK_START)
        assert step is not None
        append(session, conversation.id, check.shown(step, incoming.clinic, services.wording))
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
        texts = [fill(text, incoming.clinic.numbers) for text in say.bubbles]
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
    """Replies behind a question of the tutor that the person has just written past: nothing gets lost. Safety words in
    between, or another message, end it: what was asked is long gone."""
    own = 0
    for event in reversed(latest(session, conversation_id)):
        own += event.author == events.PATIENT
        if own > 1 or event.body.get("kind") in ("safety", "question"):
            return []
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


def _is_safety(made: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a reply is about safety or a handoff: then the tutor keeps out of it."""
    kinds = {str(body.get("kind")) for body in made}
    return bool(kinds & {"safety", "question", "handoff"}) or any(
        str(body.get("answer_id")).startswith(("safety/", "handoff/", "check/")) for body in made
    )


def _offers_check(made: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["payload"] == bodies.CHECK_START for body in made for one in body.get("buttons") or ())


def _is_card(body: dict[str, Any]) -> bool:
    return (body.get("spec") or {}).get("reply") == "card"


def _with_button(body: dict[str, Any], button: Button) -> dict[str, Any]:
    kept = {key: value for key, value in body.items() if key not in ("kind", "bubbles", "buttons", "fallback_text")}
    buttons = [*(body.get("buttons") or ()), {"title": button.title, "payload": button.payload}]
    return bodies.body(body["kind"], body["bubbles"], **kept, buttons=buttons)
