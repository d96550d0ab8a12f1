"""How many people began, stayed and stopped, as NICE HTE16 asks. docs/reports.md defines every figure.

A person is the clinic's pseudonym of somebody who signed in; an anonymous conversation is a person of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import JSON, func, select, type_coerce
from sqlalchemy.orm import Session

from bot.store.events import PATIENT
from bot.store.models import Conversation, Event, Handoff
from bot.store.reports.figures import share, spread
from bot.store.reports.period import Period
from bot.store.reports.small import HIDDEN, Count, steady

# Whether somebody came back so many days after they began, or later; they had at least LEEWAY more to do it.
HORIZONS = (30, 182, 365)
LEEWAY = timedelta(days=30)
# A message so long after the one before begins a new visit.
VISIT = timedelta(minutes=30)


@dataclass
class Person:
    """One person's first conversation and what followed. `wrote`: when they wrote something; `last`: for the last time,
    also where the words are erased; `signed_in`: the clinic knows them by a pseudonym."""

    signed_in: bool
    opened: datetime
    accepted: datetime | None = None
    erased: bool = False
    wrote: list[datetime] = field(default_factory=list)
    last: datetime | None = None

    @property
    def started(self) -> bool:
        """Accepted the first notice and wrote. Of what is erased only the acceptance is known."""
        return self.accepted is not None and (self.erased or bool(self.wrote))


def adoption(session: Session, clinic: str, period: Period, unaccepted: timedelta, at: datetime) -> dict[str, Any]:
    """The whole part as plain data. `unaccepted`: for so long conversations are kept whose first notice nobody has
    accepted; `at`: now."""
    people = [person for person in _people(session, clinic, period) if period.has(person.opened)]
    accepted = [person for person in people if person.accepted is not None]
    started = [person for person in accepted if person.started]
    could = {days: [p for p in started if p.opened + timedelta(days=days) + LEEWAY <= at] for days in HORIZONS}
    came = {days: [p for p in could[days] if _came(p, days)] for days in HORIZONS}
    flow = steady(
        {
            "opened": len(people),
            "accepted": len(accepted),
            "started": len(started),
            **{f"could_{days}": len(could[days]) for days in HORIZONS},
        }
    )
    active = _active(flow, {days: len(came[days]) for days in HORIZONS})
    writing = [person for person in started if person.wrote]
    n = steady({"n": len(writing)}, also=_given(flow["started"]))["n"]
    all_kept = _all_kept(period, unaccepted, at)
    beside = _given(flow["opened"]) if all_kept else []
    known = steady({"known": sum(person.signed_in for person in people)}, also=beside)
    return {
        # Nobody who never accepted is kept for long: then it is no longer known how many were offered it.
        "opened": flow["opened"] if all_kept else None,
        "accepted": flow["accepted"],
        "started": flow["started"],
        "known_people": known["known"],
        "active": {
            str(days): {
                "could": flow[f"could_{days}"],
                "active": active[days],
                **_rate(active[days], flow[f"could_{days}"]),
            }
            for days in HORIZONS
        },
        "visits": spread([_visits(person.wrote) for person in writing], n),
        "messages": spread([len(person.wrote) for person in writing], n),
    }


def conversations(session: Session, clinic: str, period: Period) -> dict[str, Count]:
    """Conversations that were opened, whose first notice was accepted, and of which something was passed on."""
    mine = (Conversation.clinic == clinic, *period.of(Conversation.created_at))
    opened, accepted = session.execute(
        select(func.count(Conversation.id), func.count(Conversation.consented_at)).where(*mine)
    ).one()
    passed_on = session.execute(
        select(func.count(Handoff.conversation_id.distinct()))
        .join(Conversation, Conversation.id == Handoff.conversation_id)
        .where(*mine)
    ).scalar_one()
    made = steady({"opened": opened, "accepted": accepted})
    return {**made, **steady({"passed_on": passed_on}, also=_given(*made.values()))}


def _people(session: Session, clinic: str, period: Period) -> Iterable[Person]:
    c = Conversation
    wrote = _wrote(session, clinic, period)
    people: dict[str, Person] = {}
    rows = session.execute(
        select(c.id, c.subject, c.created_at, c.consented_at, c.updated_at, c.last_seq)
        .where(c.clinic == clinic)
        .order_by(c.created_at, c.id)
    )
    for key, subject, opened, accepted, updated, last_seq in rows:
        name = f"subject {subject}" if subject is not None else f"conversation {key}"
        person = people.setdefault(name, Person(subject is not None, opened))
        if accepted is not None and (person.accepted is None or accepted < person.accepted):
            person.accepted = accepted
        times = wrote.get(key, [])
        person.wrote.extend(times)
        if last_seq == 0 and accepted is not None:
            person.erased = True
            times = [updated]
        if times:
            person.last = max(times) if person.last is None else max(person.last, *times)
    for person in people.values():
        person.wrote.sort()
    return people.values()


def _wrote(session: Session, clinic: str, period: Period) -> dict[str, list[datetime]]:
    """When the patient wrote or pressed something, by conversation; accepting the first notice is not writing."""
    accepts = type_coerce(Event.body, JSON)["consent_version"].as_string()
    since = Period(since=period.since)
    rows = session.execute(
        select(Event.conversation_id, Event.at)
        .join(Conversation, Conversation.id == Event.conversation_id)
        .where(
            *(Conversation.clinic == clinic, *since.of(Conversation.created_at)),
            *(Event.author == PATIENT, accepts.is_(None)),
        )
    )
    found: dict[str, list[datetime]] = {}
    for key, at in rows:
        found.setdefault(key, []).append(at)
    return found


def _came(person: Person, days: int) -> bool:
    return person.last is not None and person.last >= person.opened + timedelta(days=days)


def _active(flow: dict[str, Count], came: dict[int, int]) -> dict[int, Count]:
    """How many came back, beside how many could have, and beside one another: who is still there after a year was there
    after a month."""
    made: dict[int, Count] = {}
    for days in HORIZONS:
        also = _given(flow[f"could_{days}"], *made.values())
        made[days] = steady({"active": came[days]}, also=also)["active"]
    return made


def _rate(active: Count, could: Count) -> dict[str, Any]:
    rest = HIDDEN if isinstance(active, str) or isinstance(could, str) else could - active
    return {key: value for key, value in share(active, rest).items() if key != "n"}


def _visits(wrote: list[datetime]) -> int:
    return 1 + sum(later - earlier >= VISIT for earlier, later in pairwise(wrote))


def _all_kept(period: Period, unaccepted: timedelta, at: datetime) -> bool:
    return period.since is not None and period.since > at - unaccepted


def _given(*counts: Count) -> list[int]:
    return [count for count in counts if not isinstance(count, str)]
