"""What the page of one item shows, as plain values. Every query is bound to the clinician's clinic."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import safety
from bot.content import Clinic
from bot.content.chain import EMAIL
from bot.handoff import roles
from bot.handoff.items import UnknownHandoff
from bot.handoff.notices import EXHAUSTED
from bot.store import audit, clinicians, conversations, outbox
from bot.store.handoffs import HELD, QUIET, RETURNED, WAITING, attached_to, handoff_of, handoffs_in, waiting_count
from bot.store.models import Conversation, Handoff, Note, Outbox, PatientSession
from bot.store.session import now
from bot.web.inbox import canned, notes, passing, rows, transcript, trend
from bot.web.inbox.acts import Desk

# Earlier items of one person that are listed.
MOST_EARLIER = 50


def item_signature(session: Session, clinic: str, handoff_id: str) -> str:
    """Changes whenever the page of this item would show something else. Raises UnknownHandoff."""
    item, conversation = _item(session, clinic, handoff_id)
    head = _head_signature(session, item, conversation)
    return _signature(session, head, conversation, waiting_count(session, clinic))


def conversation_of(session: Session, clinic: str, handoff_id: str) -> str:
    """The conversation that an item of this clinic is about. Raises UnknownHandoff."""
    return str(_item(session, clinic, handoff_id)[0].conversation_id)


def is_held_by(session: Session, clinic: str, handoff_id: str, clinician_id: str) -> bool:
    """Whether this person has the item's conversation just now. Raises UnknownHandoff."""
    item, conversation = _item(session, clinic, handoff_id)
    return item.status in HELD and conversation.holder == clinician_id


def item_view(session: Session, desk: Desk, handoff_id: str, everything: bool = False) -> dict[str, Any]:
    """All that the page of one item shows. Raises UnknownHandoff, also for another clinic's item."""
    item, conversation = _item(session, desk.clinic, handoff_id)
    names = clinicians.names(session, desk.clinic)
    entries, partial = transcript.transcript(session, desk, item, conversation, everything)
    waiting = waiting_count(session, desk.clinic)
    head = _head_signature(session, item, conversation)
    series = trend.series_of(session, desk, conversation)
    return {
        "item": item,
        "row": rows.row(session, desk, item, names),
        "attached": [_attached(desk, row) for row in attached_to(session, item.id)],
        "person": conversation.person_name or "",
        "pseudonym": conversation.subject or "",
        "erased": conversation.last_seq == 0 and conversation.consented_at is not None,
        **_why(session, desk, item, conversation, names),
        **_times(desk, item, names),
        **_told(session, desk, item),
        "series": series,
        "others": rows.rows(session, desk, _earlier(session, item, conversation), names),
        "notes": notes.notes_of(session, desk, item.id, names),
        "history": _history(session, desk, item, names),
        "entries": entries,
        "partial": partial,
        **_acts(session, desk, item, conversation, names),
        "waiting": waiting,
        "head_signature": rows.short(head, waiting),
        "trend_signature": rows.short([(one.id, one.line) for one in series]),
        "notes_signature": rows.short(_count_notes(session, item.id)),
        # Only what changes the forms: a reply that is being written must not be disturbed by anything else.
        "acts_signature": rows.short(
            item.status, item.claimed_by, conversation.holder, bool(conversation.hold), _aside(session, item)
        ),
        "signature": _signature(session, head, conversation, waiting),
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


def _signature(session: Session, head: str, conversation: Conversation, waiting: int) -> str:
    return rows.short(head, conversation.last_seq, conversation.shown_seq, waiting)


def _head_signature(session: Session, item: Handoff, conversation: Conversation) -> str:
    sendings = [(row.attempts, row.sent_at, row.dead_at) for row in outbox.notices_of(session, item.id)]
    others = [(other.id, other.status) for other in handoffs_in(session, conversation.id)]
    return rows.short(
        item.version,
        item.status,
        item.about,
        item.seen_at is not None,
        (item.step, item.climb_at, item.exhausted_at, _aside(session, item)),
        (conversation.state, conversation.holder, conversation.hold),
        _count_notes(session, item.id),
        sendings,
        others,
    )


def _count_notes(session: Session, handoff_id: str) -> int:
    return len(session.execute(select(Note.id).where(Note.handoff_id == handoff_id)).all())


def _attached(desk: Desk, row: Any) -> dict[str, Any]:
    tier = desk.words.word("tier", row.tier)
    said = desk.words.text("attached_at", time=desk.time(row.at), tier=tier)
    heard = str((row.about or {}).get("heard") or "")
    return {"said": said, "at": rows.moment(desk, row.at), "words": row.words, "rule": row.rule or "", "heard": heard}


def _why(
    session: Session, desk: Desk, item: Handoff, conversation: Conversation, names: dict[str, str]
) -> dict[str, Any]:
    """Why the item is here, and what the person was asked and shown."""
    about = item.about or {}
    held_by = names.get(conversation.holder or "", "")
    return {
        "category": category_name(item),
        "asked_for": desk.words.text("summary_sent" if item.category in QUIET else "person_asked"),
        "scope": desk.words.word("scope", about.get("scope")),
        "note": about.get("note") or "",
        "heard": about.get("heard") or "",
        "unanswered": bool(about.get("unanswered")),
        "safety_answers": transcript.safety_answers(session, item) if item.rule else [],
        "shown": transcript.shown_words(session, item),
        "answers": desk.words.text(f"state_{conversation.state}", name=held_by),
        "on_hold": bool(conversation.hold),
    }


def _times(desk: Desk, item: Handoff, names: dict[str, str]) -> dict[str, Any]:
    """When what happened, and the clock that runs."""
    return {
        "seen": rows.moment_or_none(desk, item.seen_at),
        "delivered": rows.moment_or_none(desk, item.delivered_at),
        "claimed": rows.moment_or_none(desk, item.claimed_at),
        "answered": rows.moment_or_none(desk, item.answered_at),
        "closed": rows.moment_or_none(desk, item.closed_at),
        "holder": names.get(item.claimed_by or "", ""),
        "deadline": _deadline(desk, item),
    }


def _aside(session: Session, item: Handoff) -> datetime | None:
    """Until when the item is put aside, while it is."""
    until: datetime | None = item.snoozed_until
    return until if until is not None and until > now(session) and item.status in HELD else None


def _deadline(desk: Desk, item: Handoff) -> str:
    """What happens next while nobody takes it, in words; empty where nothing does."""
    if item.status not in WAITING:
        return ""
    words, chain = desk.words, desk.services.clinic(desk.clinic).chain
    if item.exhausted_at is not None and item.step < 0:
        key = "clock_ended_again" if item.climb_at else "clock_ended"
        again = desk.time(item.climb_at) if item.climb_at else ""
        return words.text(key, time=desk.time(item.exhausted_at), again=again)
    if item.climb_at is None:
        return ""
    values = {"step": item.step + 1, "steps": len(chain.steps), "time": desk.time(item.climb_at)}
    overdue = item.climb_at <= desk.services.db.clock()
    last = item.step + 1 >= len(chain.steps)
    return words.text("clock_overdue" if overdue else "clock_last" if last else "clock_next", **values)


def _told(session: Session, desk: Desk, item: Handoff) -> dict[str, Any]:
    """Who was told over what: every notice to a person, and of each system's the newest."""
    clinic, newest, people = desk.services.clinic(desk.clinic), {}, []
    for row in sorted(outbox.notices_of(session, item.id), key=lambda row: (row.created_at or row.due_at, row.step)):
        if row.contact or row.channel == EMAIL:
            people.append(_notice(desk, clinic, row))
        else:
            newest[row.channel] = _notice(desk, clinic, row)
    return {"notices": [*people, *newest.values()]}


def _notice(desk: Desk, clinic: Clinic, row: Outbox) -> dict[str, Any]:
    words = desk.words
    contact = clinic.chain.contacts.get(row.contact)
    channel = words.word("channel", row.channel)
    if contact is not None:
        channel = words.text("channel_to", channel=channel, name=contact.name)
    if row.sent_at is not None:
        text = words.text("notice_sent", channel=channel, time=desk.time(row.sent_at))
        return {"kind": "sent", "text": text, "cause": ""}
    # Attempts are counted as they begin: the first one on its way has not failed.
    kind = "dead" if row.dead_at is not None else "retrying" if row.last_error else "due"
    text = words.text(f"notice_{kind}", channel=channel, attempts=row.attempts, time=desk.time(row.due_at))
    return {"kind": kind, "text": text, "cause": row.last_error or ""}


def _earlier(session: Session, item: Handoff, conversation: Conversation) -> list[Handoff]:
    """The person's other items, the newest first: of this conversation, and of all theirs where they signed in."""
    query = select(Handoff).where(Handoff.clinic == item.clinic, Handoff.id != item.id)
    if conversation.subject:
        theirs = select(Conversation.id).where(
            Conversation.clinic == conversation.clinic, Conversation.subject == conversation.subject
        )
        query = query.where(Handoff.conversation_id.in_(theirs))
    else:
        query = query.where(Handoff.conversation_id == conversation.id)
    return list(session.execute(query.order_by(Handoff.created_at.desc(), Handoff.id).limit(MOST_EARLIER)).scalars())


def _acts(
    session: Session, desk: Desk, item: Handoff, conversation: Conversation, names: dict[str, str]
) -> dict[str, Any]:
    """What this person may do with the item now, and what the forms need."""
    may = roles.may(desk.me.role, roles.ANSWER)
    mine = may and item.status in HELD and item.claimed_by == desk.me.id
    others = item.status in HELD and not mine
    may_give = mine or (others and roles.may(desk.me.role, roles.ASSIGN))
    aside = {code: desk.time(until) for code, until in passing.aside_times(desk).items()} if mine else {}
    return {
        "mine": mine,
        "may_answer": may,
        "may_claim": may and item.status in WAITING and conversation.holder in (None, desk.me.id),
        "may_close": mine or (may and item.status in (*WAITING, RETURNED)),
        "owes_outcome": may and item.status == RETURNED,
        "held_by": names.get(conversation.holder or "", "") if conversation.holder != desk.me.id else "",
        "reachable": _reachable(session, desk, conversation.id),
        "colleagues": passing.colleagues(session, desk, item.claimed_by) if may_give else [],
        "may_give": may_give,
        "aside_times": aside,
        "canned": canned.filled(desk) if mine else [],
        "topics": _topics() if mine else {},
    }


def _topics() -> dict[str, list[tuple[str, str]]]:
    """Ids and titles of the answers that may be left for the person, by subject."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key, answer in passing.topics().items():
        found.setdefault(answer.subject, []).append((key, answer.title))
    return found


def _history(session: Session, desk: Desk, item: Handoff, names: dict[str, str]) -> list[dict[str, str]]:
    """The item's audit in words; of each person's views only the first, so that acts stand out."""
    lines, seen_by = [], set()
    for row in audit.trail(session, desk.clinic, item.id):
        if not row.act.startswith("handoff."):
            continue  # shown among others in a list: the audit's page has it
        act, details = row.act.removeprefix("handoff."), row.details or {}
        if act == "seen":
            if row.actor in seen_by:
                continue
            seen_by.add(row.actor)
        by = desk.words.text("by_system") if row.actor == audit.SYSTEM else names.get(row.actor, "")
        said = desk.words.text("at_by", time=desk.time(row.at), name=by)
        lines.append({"act": desk.words.word("history", act), "by": said, "more": _more(desk, act, details, names)})
    return lines


def _more(desk: Desk, act: str, details: dict[str, Any], names: dict[str, str]) -> str:
    """What belongs to an act: whom it went to, or what came of it."""
    if act == "reassigned":
        return names.get(str(details.get("to")), "")
    if act == "closed":
        return desk.words.word("outcome", details.get("outcome"))
    if act in ("escalated", EXHAUSTED):
        return ", ".join(str(name) for name in details.get("contacts") or ())
    return ""


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
