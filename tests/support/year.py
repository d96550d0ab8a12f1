"""A year of a clinic in numbers, for reports: made-up people, handoffs and opinions with a fixed seed, in one go."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.handoff.states import OUTCOMES, TIERS
from bot.store.audit import row_hash
from bot.store.models import Audit, AuditHead, Conversation, Event, Feedback, Gap, Handoff, Outbox, Survey
from bot.store.session import Database

FIRST = datetime(2029, 1, 1, tzinfo=timezone.utc)
WORDS = "zebracorn words of a patient"
RULES = (("RF01", "saddle-numb"), ("RF01", "cannot-pee"), ("RF12", "chest-tight"), ("RF30", "no-reason-to-live"))
TABLES = (Conversation, Event, Handoff, Outbox, Audit, AuditHead, Feedback, Survey, Gap)
Rows = dict[Any, list[dict[str, Any]]]


@dataclass(frozen=True)
class Year:
    """How much happened, from `first` on over `days`."""

    people: int = 1000
    days: int = 364
    clinic: str = "demo"
    seed: int = 7
    first: datetime = FIRST
    prefix: str = "p"


def fill(db: Database, year: Year, shuffled: int | None = None) -> None:
    """Writes the year, once a clinic. `shuffled`: the rows in another order, which must not matter."""
    rows = made(year)
    with db.begin() as session:
        for model in TABLES:
            found = rows[model]
            if shuffled is not None:
                random.Random(shuffled).shuffle(found)
            session.bulk_insert_mappings(model, found)


def made(year: Year) -> Rows:
    """The rows of the year by table."""
    rng = random.Random(year.seed)
    rows: Rows = {model: [] for model in TABLES}
    for number in range(year.people):
        opened = year.first + timedelta(days=rng.random() * year.days)
        _conversation(rng, rows, year, f"{year.prefix}{number}", opened)
    for _ in range(year.people // 3):
        at = year.first + timedelta(days=rng.random() * year.days)
        kind = rng.choice(("not_understood", "did_you_mean", "out_of_scope"))
        rows[Gap].append({"at": at, "clinic": year.clinic, "kind": kind, "nearest": [], "words": []})
    _chain(rows, year.clinic)
    return rows


def _chain(rows: Rows, clinic: str) -> None:
    """Numbers and hashes of the clinic's audit, and where it ends: what comes later goes on from there."""
    rows[Audit].sort(key=lambda row: row["at"])
    before = ""
    for seq, row in enumerate(rows[Audit], 1):
        told = (row["at"], row["actor"], row["act"], row["subject"], row["details"])
        before = row_hash(before, clinic, seq, *told)
        row |= {"seq": seq, "hash": before}
    rows[AuditHead].append({"clinic": clinic, "seq": len(rows[Audit]), "hash": before})


def _conversation(rng: random.Random, rows: Rows, year: Year, key: str, opened: datetime) -> None:
    accepted = opened + timedelta(minutes=1) if rng.random() < 0.9 else None
    subject = f"subject-{key}" if rng.random() < 0.4 else None
    at, seq = opened, 0
    for _ in range(rng.randint(1, 12) if accepted else 0):
        at += timedelta(minutes=rng.choice((1, 2, 5, 60, 60 * 24 * 3, 60 * 24 * 20)))
        for author in ("patient", "bot"):
            seq += 1
            body = {"kind": "text", "text": WORDS, "answer_id": "pain/alarm"}
            rows[Event].append(
                {"conversation_id": key, "seq": seq, "type": "message", "author": author, "at": at, "body": body}
            )
    rows[Conversation].append(
        {
            "id": key, "clinic": year.clinic, "locale": "en", "state": "bot", "last_seq": max(seq, 1),
            "created_at": opened, "updated_at": at, "consented_at": accepted, "subject": subject, "shown_seq": 0,
        }
    )  # fmt: skip
    if seq and rng.random() < 0.5:
        value = rng.choice(("up", "down"))
        code = rng.choice((None, "not_for_me", "felt_dismissed")) if value == "down" else None
        answer = rng.choice(("pain/alarm", "life/sleep", "care/movement"))
        rows[Feedback].append(
            {"conversation_id": key, "seq": 2, "at": at, "answer_id": answer, "value": value, "code": code}
        )
    if seq and rng.random() < 0.4:
        answers = {"use": rng.randint(0, 10), "why": rng.choice(("needed", "no_help", "person", None)), "else": WORDS}
        rows[Survey].append(
            {"conversation_id": key, "seq": seq, "form": "survey", "at": at, "answers": answers, "answer_ids": []}
        )
    if rng.random() < 0.3:
        _handoff(rng, rows, year, key, opened + timedelta(minutes=3))


def _handoff(rng: random.Random, rows: Rows, year: Year, key: str, raised: datetime) -> None:
    tier = rng.choice(TIERS)
    category, rule = rng.choice(RULES) if tier != "T4" else ("contact", None)
    late = rng.random() < 0.15
    minutes = rng.uniform(200, 400) if late else rng.uniform(0.5, 4)
    taken = raised + timedelta(minutes=minutes)
    closed = rng.random() < 0.8
    outcome = rng.choice(OUTCOMES) if closed else None
    item = f"h-{key}"
    rows[Handoff].append(
        {
            "id": item, "conversation_id": key, "message_key": "m1", "clinic": year.clinic, "tier": tier,
            "category": category, "rule": rule, "words": WORDS, "about": {}, "message_shown": "", "numbers_shown": [],
            "status": "resolved" if closed else "claimed", "created_at": raised, "claimed_by": None,
            "claimed_at": taken, "seen_at": taken - timedelta(seconds=20), "closed_at": taken if closed else None,
            "outcome": outcome, "version": 1, "delivered_at": raised + timedelta(seconds=rng.randint(1, 9)),
            "answered_at": taken + timedelta(minutes=1), "step": 0,
            "rules_version": rng.choice(("2029.1", "2029.2")) if rule else None,
        }
    )  # fmt: skip
    acts = [("handoff.raised", raised, {"tier": tier}), ("handoff.claimed", taken, {})]
    if late:
        acts.insert(1, ("handoff.escalated", raised + timedelta(minutes=10), {}))
    for act, at, details in acts:
        rows[Audit].append(
            {"at": at, "clinic": year.clinic, "actor": "system", "act": act, "subject": item, "details": details}
        )
    sent = rng.random() < 0.95
    rows[Outbox].append(
        {
            "id": f"o-{key}", "handoff_id": item, "channel": "email", "message_id": f"<{key}>", "due_at": raised,
            "attempts": rng.choice((1, 1, 1, 3)), "sent_at": raised if sent else None,
            "dead_at": None if sent else raised, "kind": "raised", "contact": "team", "step": 0, "created_at": raised,
        }
    )  # fmt: skip
