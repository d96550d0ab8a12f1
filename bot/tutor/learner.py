"""What somebody may already know, concept by concept: new, shaky or known. A simple rule of our own, no scale.

- *new*: nothing has been done with it.
- *known*: since the last answer that did not fit, it was shown on two different days of the clinic's calendar, or in
  two ways (a question, and in own words). In own words means that more than half of a lesson's key points were heard.
- *shaky*: all between: read once, shown once, an answer that did not fit or "I am not sure".
- Known fades to shaky when it was not used for 45 days; each day on which it was shown at a return doubles that,
  three times at most. That coming back in own words helps is from qualitative work (watson_2019 in data/sources); the
  numbers of days are choices of ours.

A lesson's questions and key points stand for all of its concepts. It decides only what is offered unasked and in which
order: nothing is ever closed by it, nobody gets a score, and the person can see it and have it forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from bot.content.lessons import Lesson
from bot.tutor.journal import RESET, Entry, Journal
from bot.tutor.minutes import ANSWERED
from bot.tutor.saying import Moment

NEW, SHAKY, KNOWN = "new", "shaky", "known"
# A lesson was told in own words (key: lesson, value {"found", "missing"}, and "at": lesson or return).
TAUGHT = "taught"
# A lesson (key) was begun, finished, skipped or is not for this person (value {"how"}).
LESSON = "lesson"
LESSON_TIME, RETURN_TIME = "lesson", "return"
FADES_AFTER = 45  # days
MOST_DOUBLINGS = 3


@dataclass(frozen=True)
class Evidence:
    """One thing that somebody did: whether it fits the lesson, how it was asked, when, and whether at a return."""

    fits: bool
    how: str
    at: datetime
    returned: bool = False


def since_reset(journal: Journal) -> Journal:
    """The journal as far as it still counts: what came before the person had it forgotten does not."""
    last = max((place for place, one in enumerate(journal.entries) if one.kind == RESET), default=-1)
    return Journal(journal.entries[last + 1 :])


def states(moment: Moment, lessons: Iterable[Lesson]) -> dict[str, str]:
    """The state of each concept of these lessons: new, shaky or known."""
    journal = since_reset(moment.journal)
    found = {}
    for lesson in lessons:
        state = state_of(lesson, journal, moment.now, moment.zone)
        found.update(dict.fromkeys(lesson.concepts, state))
    return found


def known(lesson: Lesson, by_concept: Mapping[str, str]) -> bool:
    """Whether all concepts of a lesson are known: it is not taught again unasked."""
    return all(by_concept.get(concept) == KNOWN for concept in lesson.concepts)


def state_of(lesson: Lesson, journal: Journal, now: datetime, zone: tzinfo) -> str:
    """The state of a lesson's concepts at `now`, from a journal without what was reset."""
    shown = evidence(lesson.id, journal)
    since = shown[max((place for place, one in enumerate(shown) if not one.fits), default=-1) + 1 :]
    days = {_day(one.at, zone) for one in since}
    if len(days) > 1 or len({one.how for one in since}) > 1:
        last = max(one.at for one in since)
        if (_day(now, zone) - _day(last, zone)).days <= _lasts(since, zone):
            return KNOWN
    read = any(_how(one) == "finished" for one in journal.of(LESSON, lesson.id))
    return SHAKY if shown or read else NEW


def evidence(lesson: str, journal: Journal) -> list[Evidence]:
    """What somebody has done with a lesson's questions and key points, oldest first."""
    found = []
    for one in journal.entries:
        value = one.value if isinstance(one.value, dict) else {}
        if one.at is None:
            continue
        returned = value.get("at") == RETURN_TIME
        if one.kind == ANSWERED and value.get("lesson") == lesson:
            found.append(Evidence(bool(value.get("fits")), ANSWERED, one.at, returned))
        elif one.kind == TAUGHT and one.key == lesson and landed(value):
            # Words in which too little was heard say nothing: it may be the hearing that failed.
            found.append(Evidence(True, TAUGHT, one.at, returned))
    return found


def landed(value: Mapping[str, list[str]]) -> bool:
    """Whether more than half of the key points were heard in somebody's own words."""
    found, missing = len(value.get("found") or ()), len(value.get("missing") or ())
    return found > missing


def _lasts(since: list[Evidence], zone: tzinfo) -> int:
    """For how many days what is known stays known."""
    again = {_day(one.at, zone) for one in since if one.returned}
    return FADES_AFTER * 2 ** min(len(again), MOST_DOUBLINGS)


def _how(entry: Entry) -> str:
    return str(entry.value.get("how", "")) if isinstance(entry.value, dict) else ""


def _day(at: datetime, zone: tzinfo) -> date:
    return at.astimezone(zone).date()
