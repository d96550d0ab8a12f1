"""What a clinic may know of how its chat is used: counts, times and means, never a word or a person.

- ``small``        which numbers are too small to be given, and which others would give them away
- ``figures``      medians, percentiles, intervals
- ``period``       from when until when; the clinic's weeks and quarters
- ``escalations``  handoffs: how many, how fast, in time or not, right or not
- ``adoption``     people: who began, who came back
- ``opinions``     ratings, questionnaires, questions without an answer
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.models import Conversation, Handoff, Outbox
from bot.store.reports import adoption, escalations, opinions
from bot.store.reports.figures import share
from bot.store.reports.period import Period, Quarter, quarters
from bot.store.reports.small import HIDDEN, Count, Table, added
from bot.store.session import now

__all__ = ["HIDDEN", "SENT", "About", "Count", "Period", "Quarter", "known_quarters", "report"]

AT_ONCE, RETRIED, DEAD, DUE = "at_once", "retried", "dead", "due"
SENT = (AT_ONCE, RETRIED, DEAD, DUE)
ALWAYS = Period()


@dataclass(frozen=True)
class About:
    """What a report must know of a clinic. `deadline`: when the first step of its chain is over for a tier; `kept`: how
    long conversations are kept that nobody accepted; `forms`: by form and item what may be chosen, None for a scale
    (texts are left out)."""

    clinic: str
    zone: tzinfo
    deadline: escalations.Deadline
    kept: timedelta
    forms: opinions.Forms


def report(session: Session, about: About, period: Period = ALWAYS) -> dict[str, Any]:
    """The whole report as plain data (docs/reports.md). A number that is too small is HIDDEN, and so is what would give
    it away."""
    clinic, at = about.clinic, now(session)
    talks = adoption.conversations(session, clinic, period)
    passed_on, false = escalations.escalations(session, clinic, period, about.zone, about.deadline, at)
    rated = opinions.answers(session, clinic, period)
    return {
        "clinic": clinic,
        "since": period.since.isoformat() if period.since is not None else None,
        "until": period.until.isoformat() if period.until is not None else None,
        "made_at": at.isoformat(timespec="seconds"),
        "time_zone": str(about.zone),
        "conversations": talks,
        "adoption": adoption.adoption(session, clinic, period, about.kept, at),
        "escalations": passed_on,
        "false_alarms": {"count": false, "conversations": talks["accepted"], "each": _each(false, talks["accepted"])},
        "notices": _notices(session, clinic, period),
        "answers": rated,
        "most_disliked": opinions.most_disliked(rated),
        "gaps": opinions.gaps(session, clinic, period, about.zone),
        "surveys": {
            form: opinions.survey(session, clinic, period, form, items) for form, items in about.forms.items()
        },
    }


def known_quarters(session: Session, about: About) -> list[Quarter]:
    """The quarters of which something could be known, the newest first; none where nobody has come yet."""
    first = session.execute(
        select(func.min(Conversation.created_at)).where(Conversation.clinic == about.clinic)
    ).scalar_one()
    return quarters(first, now(session), about.zone) if first is not None else []


def _each(false: Count, conversations: Count) -> float | None:
    """False alarms for each conversation that was accepted."""
    if isinstance(false, str) or isinstance(conversations, str) or not conversations:
        return None
    return round(false / conversations, 3)


def _notices(session: Session, clinic: str, period: Period) -> dict[str, Any]:
    """Notices to the clinic by channel, and what became of them."""
    made = func.coalesce(Outbox.created_at, Handoff.created_at)
    rows = session.execute(
        select(Outbox.channel, Outbox.attempts, Outbox.sent_at, Outbox.dead_at)
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Handoff.clinic == clinic, *period.of(made))
    )
    pairs = Counter((channel, _sent(attempts, sent, dead)) for channel, attempts, sent, dead in rows)
    table = Table(sorted({channel for channel, _ in pairs}), SENT, pairs)
    sums = table.column_sums
    return {**table.as_dict(), "undelivered": share(sums[DEAD], added(sums[AT_ONCE], sums[RETRIED]))}


def _sent(attempts: int, sent: datetime | None, dead: datetime | None) -> str:
    if sent is not None:
        return AT_ONCE if attempts <= 1 else RETRIED
    return DEAD if dead is not None else DUE
