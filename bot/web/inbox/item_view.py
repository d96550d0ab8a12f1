"""What the page of one item shows, as plain values. Every query is bound to the clinician's clinic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import safety
from bot.handoff.items import UnknownHandoff
from bot.store import audit, clinicians, conversations, events, outbox
from bot.store.handoffs import HELD, RETURNED, WAITING, handoff_of, handoffs_in, waiting_count
from bot.store.models import Conversation, Event, Handoff, Outbox, PatientSession
from bot.web.inbox import rows
from bot.web.inbox.acts import Desk
from bot.web.inbox.rows import Moment

TRANSCRIPT = 150


@dataclass(frozen=True)
class Entry:
    """One line of the transcript. `who` is patient, tutor, clinician or notice."""

    seq: int
    who: str
    name: str
    at: Moment
    bubbles: tuple[str, ...]
    notes: tuple[str, ...]
    raised_it: bool


def item_signature(session: Session, clinic: str, handoff_id: str) -> str:
    """Changes whenever the page of this item would show something else. Raises UnknownHandoff."""
    item, conversation = _item(session, clinic, handoff_id)
    return rows.short(
        _head_signature(session, item, conversation),
        conversation.last_seq,
        waiting_count(session, clinic),
    )


def conversation_of(session: Session, clinic: str, handoff_id: str) -> str:
    """The conversation that an item of this clinic is about. Raises UnknownHandoff."""
    return str(_item(session, clinic, handoff_id)[0].conversation_id)


def item_view(session: Session, desk: Desk, handoff_id: str, everything: bool = False) -> dict[str, Any]:
    """All that the page of one item shows. Raises UnknownHandoff, also for another clinic's item."""
    item, conversation = _item(session, desk.clinic, handoff_id)
    names = clinicians.names(session, desk.clinic)
    entries, partial = _transcript(session, desk, item, everything)
    waiting = waiting_count(session, desk.clinic)
    head = _head_signature(session, item, conversation)
    mine = item.status in HELD and item.claimed_by == desk.me.id
    return {
        "item": item,
        "row": rows.row(session, desk, item, names),
        "category": category_name(item),
        "scope": desk.words.word("scope", (item.about or {}).get("scope")),
        "note": (item.about or {}).get("note") or "",
        "heard": (item.about or {}).get("heard") or "",
        "unanswered": bool((item.about or {}).get("unanswered")),
        "seen": rows.moment_or_none(desk, item.seen_at),
        "claimed": rows.moment_or_none(desk, item.claimed_at),
        "holder": names.get(item.claimed_by or "", ""),
        "answers": desk.words.text(
            f"state_{conversation.state}", name=names.get(conversation.holder or "", "")
        ),
        "on_hold": bool(conversation.hold),
        "notices": [_notice(desk, row) for row in outbox.notices_of(session, item.id)],
        "shown": _shown(session, item),
        "others": [
            rows.row(session, desk, other, names)
            for other in handoffs_in(session, conversation.id)
            if other.id != item.id and other.clinic == desk.clinic
        ],
        "history": _history(session, desk, item, names),
        "entries": entries,
        "partial": partial,
        "mine": mine,
        "may_claim": item.status in WAITING and conversation.holder in (None, desk.me.id),
        "may_close": mine or item.status in (*WAITING, RETURNED),
        "held_by": names.get(conversation.holder or "", "") if conversation.holder != desk.me.id else "",
        "reachable": _reachable(session, desk, conversation.id),
        "waiting": waiting,
        "head_signature": rows.short(head, waiting),
        # Only what changes the forms: a reply that is being written must not be disturbed by anything else.
        "acts_signature": rows.short(item.status, item.claimed_by, conversation.holder, bool(conversation.hold)),
        "signature": rows.short(head, conversation.last_seq, waiting),
    }


def category_name(item: Handoff) -> str:
    """What the item is about, in words; the bare id where the rules no longer know it."""
    try:
        return safety.load_rules().category(item.category).name
    except (KeyError, ValueError, OSError):
        return str(item.category or "")


def _item(session: Session, clinic: str, handoff_id: str) -> tuple[Handoff, Conversation]:
    item = handoff_of(session, clinic, handoff_id)
    if item is None:
        raise UnknownHandoff
    return item, conversations.conversation_with(session, item.conversation_id)


def _head_signature(session: Session, item: Handoff, conversation: Conversation) -> str:
    notices = [(row.attempts, row.sent_at, row.dead_at) for row in outbox.notices_of(session, item.id)]
    others = [(other.id, other.status) for other in handoffs_in(session, conversation.id)]
    seen = item.seen_at is not None
    return rows.short(
        item.version,
        item.about,
        seen,
        conversation.state,
        conversation.holder,
        conversation.hold,
        notices,
        others,
    )


def _transcript(session: Session, desk: Desk, item: Handoff, everything: bool) -> tuple[list[Entry], bool]:
    if everything:
        found: list[Event] = []
        while batch := events.events_after(session, item.conversation_id, found[-1].seq if found else 0):
            found += batch
    else:
        found = events.latest_events(session, item.conversation_id, TRANSCRIPT)
    return [_entry(desk, item, event) for event in found], bool(found) and found[0].seq > 1


def _entry(desk: Desk, item: Handoff, event: Event) -> Entry:
    body, words = event.body, desk.words
    kind = body.get("kind")
    notes = []
    if event.author == events.PATIENT:
        who, name = "patient", words.text("who_patient")
        bubbles = (body.get("text") or body.get("fallback_text") or "",)
        if body.get("payload") and "answers" not in body:
            notes.append(words.text("note_button"))
    elif event.author == events.CLINICIAN:
        who, bubbles = "clinician", tuple(body.get("bubbles") or ())
        name = words.text("who_clinician", name=body.get("name", ""), role=body.get("role", ""))
    else:
        tutor = kind in ("text", "safety", "question")
        who, name = ("tutor", words.text("who_tutor")) if tutor else ("notice", words.text("who_notice"))
        bubbles = tuple(body.get("bubbles") or (body.get("fallback_text", ""),))
        notes += _provenance(desk, body) if tutor else []
    raised_it = event.author == events.PATIENT and event.client_id == item.message_key
    if raised_it:
        notes.append(words.text("note_raised"))
    return Entry(event.seq, who, name, rows.moment(desk, event.at), bubbles, tuple(notes), raised_it)


def _provenance(desk: Desk, body: dict[str, Any]) -> list[str]:
    words, notes = desk.words, []
    if body["kind"] in ("safety", "question"):
        notes.append(words.text(f"note_{body['kind']}"))
    if body.get("answer_id"):
        notes.append(words.text("note_answer", id=body["answer_id"]))
    if body.get("version"):
        notes.append(words.text("note_version", id=body["version"]))
    if body.get("review") == "pending":
        notes.append(words.text("note_review"))
    for key, field, label in (("note_calls", "calls", "label"), ("note_choices", "buttons", "title")):
        if body.get(field):
            notes.append(words.text(key, choices=", ".join(str(one.get(label)) for one in body[field])))
    return notes


def _shown(session: Session, item: Handoff) -> tuple[str, ...]:
    """The safety words that answered the message, as the person read them."""
    here = (Event.conversation_id == item.conversation_id, Event.client_id == item.message_key)
    asked = session.execute(select(Event.seq).where(*here)).scalar_one_or_none()
    shown: list[str] = []
    if asked is None:
        return ()
    for event in events.events_after(session, item.conversation_id, asked, limit=10):
        if event.author == events.PATIENT:
            break
        if event.body.get("kind") == "safety":
            shown += event.body["bubbles"]
    return tuple(shown)


def _notice(desk: Desk, row: Outbox) -> dict[str, Any]:
    words, channel = desk.words, desk.words.word("channel", row.channel)
    if row.sent_at is not None:
        text = words.text("notice_sent", channel=channel, time=desk.time(row.sent_at))
        return {"kind": "sent", "text": text, "cause": ""}
    # Attempts are counted as they begin: the first one on its way has not failed.
    kind = "dead" if row.dead_at is not None else "retrying" if row.last_error else "due"
    text = words.text(f"notice_{kind}", channel=channel, attempts=row.attempts, time=desk.time(row.due_at))
    return {"kind": kind, "text": text, "cause": row.last_error or ""}


def _history(session: Session, desk: Desk, item: Handoff, names: dict[str, str]) -> list[dict[str, str]]:
    """The item's audit in words; of each person's views only the first, so that acts stand out."""
    lines, seen_by = [], set()
    for row in audit.trail(session, desk.clinic, item.id):
        act = row.act.removeprefix("handoff.")
        if act == "seen":
            if row.actor in seen_by:
                continue
            seen_by.add(row.actor)
        by = desk.words.text("by_system") if row.actor == audit.SYSTEM else names.get(row.actor, "")
        said = desk.words.text("at_by", time=desk.time(row.at), name=by)
        lines.append({"act": desk.words.word("history", act), "by": said})
    return lines


def _reachable(session: Session, desk: Desk, conversation_id: str) -> bool:
    """Whether anybody can still open this conversation's chat page."""
    return (
        session.execute(
            select(PatientSession.token_hash)
            .where(
                PatientSession.conversation_id == conversation_id,
                PatientSession.expires_at > desk.services.db.clock(),
                PatientSession.revoked_at.is_(None),
            )
            .limit(1)
        ).first()
        is not None
    )
