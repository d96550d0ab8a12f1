"""A year of people who learn, for the research export: made-up journals by a fixed seed, and names planted in them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.store.models import Conversation, Event, Learning, Survey
from bot.store.session import Database
from bot.tutor.measures_schedule import CORE
from bot.tutor.research import consent

FIRST = datetime(2029, 1, 8, 9, tzinfo=timezone.utc)
LESSONS = ("real", "alarm", "louder", "quieter", "moving", "scans", "flares")
WEEKS = (0, 2, 6, 12, 16, 20, 24)
STUDY = "A made-up study."
# Of ten people: which one agrees late, to another study first, or takes a break, and on which days.
LATE, OTHER_FIRST, BREAK = (1, 4), (3, 4), (2, 7, 40)
# Nothing of this may ever be in an export.
PLANTED = (
    "Maureen Oakenshield", "07700 900123", "maureen.oak@example.org", "14 March 1961", "14/03/1961", "NHS 943 476 5919",
    "Larkspur Surgery", "my daughter Tamsin",
)  # fmt: skip


@dataclass(frozen=True)
class Cohort:
    """How many people; of ten, `agree` take part, and one of them takes it back. One agrees late, one to another study
    first, one takes a break."""

    people: int = 1000
    agree: int = 7
    clinic: str = "demo"
    seed: int = 11


def fill(db: Database, cohort: Cohort) -> dict[str, list[int]]:
    """Writes the year. Says for each who takes part in the end when they filled the main form while they took part, in
    days from their first consent to this study."""
    rng = random.Random(cohort.seed)
    conversations: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    learned: list[dict[str, Any]] = []
    surveys: list[dict[str, Any]] = []
    expected: dict[str, list[int]] = {}
    for number in range(cohort.people):
        who, start = f"c{number}", FIRST + timedelta(days=rng.randrange(0, 150), minutes=rng.randrange(600))
        conversations.append(_conversation(who, cohort.clinic, start, f"patient-{number}" if number % 3 == 0 else None))
        said = rng.choice(PLANTED)
        body = {"kind": "text", "text": f"I am {said}", "fallback_text": f"I am {said}"}
        spoken = {"seq": 1, "type": "message", "author": "patient", "at": start, "body": body}
        events.append({"conversation_id": who, **spoken})
        agrees = number % 10 < cohort.agree
        said_of_it = list(_consents(number % 10)) if agrees else []
        entries = [(start + timedelta(days=day), "research", key, value) for day, key, value in said_of_it]
        entries += _entries(rng, start, said)
        learned += [{"conversation_id": who, "at": at, "kind": k, "key": y, "value": v} for at, k, y, v in entries]
        days = sorted({week * 7 + rng.randrange(0, 4) for week in WEEKS if rng.random() < 0.8})
        surveys += [_survey(rng, who, seq, start + timedelta(days=day), said) for seq, day in enumerate(days, 2)]
        if agrees and number % 10 != 0:
            expected[who] = [day - since(number) for day in days if counts(number, day)]
    with db.begin() as session:
        for model, rows in ((Conversation, conversations), (Event, events), (Learning, learned), (Survey, surveys)):
            session.bulk_insert_mappings(model, rows)
    return expected


def since(number: int) -> int:
    """On which day (from their start) somebody first agrees to this study."""
    return {which: day for which, day in (LATE, OTHER_FIRST)}.get(number % 10, 0)


def counts(number: int, day: int) -> bool:
    """Whether somebody who takes part in the end did so on a day from their start."""
    which, begun, ended = BREAK
    return day >= since(number) and not (number % 10 == which and begun <= day < ended)


def _consents(which: int) -> Iterator[tuple[int, str, bool]]:
    if which == OTHER_FIRST[0]:
        yield 0, consent("Another study."), True
    yield since(which), consent(STUDY), True
    if which == BREAK[0]:
        yield BREAK[1], consent(STUDY), False
        yield BREAK[2], consent(STUDY), True
    if which == 0:
        yield 40, consent(STUDY), False


def _conversation(who: str, clinic: str, start: datetime, subject: str | None) -> dict[str, Any]:
    return {
        "id": who, "clinic": clinic, "locale": "en", "state": "bot", "consent_version": "1", "consented_at": start,
        "last_seq": 1, "created_at": start, "updated_at": start, "subject": subject, "shown_seq": 0,
        "person_name": PLANTED[0] if subject else None,
    }  # fmt: skip


def _entries(rng: random.Random, start: datetime, said: str) -> Any:
    yield start, "matters", "", ["understand", "sleep"]
    for place, lesson in enumerate(rng.sample(LESSONS, rng.randrange(1, len(LESSONS)))):
        at = start + timedelta(days=place * 3)
        yield at, "lesson", lesson, {"how": "begun"}
        for step in range(4):
            yield at + timedelta(seconds=40 * step), "seen", f"{lesson}:{step}", None
        answered = {"lesson": lesson, "option": rng.choice("abc"), "fits": rng.random() < 0.6, "at": "lesson"}
        yield at + timedelta(seconds=170), "answered", f"{lesson}_1", answered
        yield at + timedelta(seconds=200), "lesson", lesson, {"how": "finished"}
    yield start, "factor", "sleep", {"kept": True, "words": f"I sleep badly since {said}"}
    for point, days in (("before", 1), ("after", 1), ("day7", 8)):
        yield start + timedelta(days=days), "belief", "M01", {"strength": rng.randrange(11), "point": point}
    yield start, "plan", "", {"activity": f"walking with {said}", "note": said}
    yield start, "summary", "", {"lines": {"own": f"call me on {said}"}}


def _survey(rng: random.Random, who: str, seq: int, at: datetime, said: str) -> dict[str, Any]:
    answers: dict[str, Any] = {key: rng.randrange(11) for key in ("peg_pain", "peg_enjoyment", "peg_activity", "worry")}
    answers |= {"activity_1_name": f"visit {said}", "activity_1": 4, "sleep": None}
    return {"conversation_id": who, "seq": seq, "form": CORE, "at": at, "answers": answers, "answer_ids": []}
