"""What an area is told, and what it answers: moments, things to say, outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from typing import Any

from bot.tutor.journal import Entry, Journal

PREFIX = "tutor:"
# Questionnaires of the tutor are called tutor_<area>_<name>.
FORM_PREFIX = "tutor_"
# What the caller does beside saying: the quick safety check, the summary to the clinic's inbox.
CHECK, TO_CLINIC = "check", "to_clinic"
# The button that asks for a person of the clinic, from anywhere.
ASK_PERSON = "person:ask"
TEXT, LESSON, VISUAL, CARD, QUESTIONNAIRE = "text", "lesson", "visual", "card", "questionnaire"


@dataclass(frozen=True)
class Button:
    """A button under something said. `payload` is one of ``payload()``, or one that the caller knows."""

    title: str
    payload: str


@dataclass(frozen=True)
class Say:
    """One message. `id` names it in every transcript; `more` holds further fields of the event's body (docs/api.md).

    `awaits`: typed words that follow belong to this area and thing (``course:teach_back:alarm``).
    `ways`: whether the ways out (stop, a person) are put under it, where it is the last of an outcome.
    """

    id: str
    bubbles: tuple[str, ...]
    buttons: tuple[Button, ...] = ()
    kind: str = TEXT
    awaits: str = ""
    ways: bool = True
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What is said, and what is noted. `then`: what the caller does afterwards, with `words` where it needs some.

    `after`: said behind an answer that was held back (``before``)."""

    says: tuple[Say, ...] = ()
    notes: tuple[Entry, ...] = ()
    after: tuple[Say, ...] = ()
    then: str = ""
    words: str = ""


NOTHING = Outcome()


@dataclass(frozen=True)
class Moment:
    """What is known when an area is asked. Times are UTC; `zone` is the clinic's.

    `open_flag`: a red flag is open in this conversation (words about one were shown and nobody of the clinic has closed
    it, or a question about one waits). `facts`: what the dialogue has noted (body_part, finding, age), as text; empty
    where it cannot be asked. `clinic`: what the clinic's file says, as areas need it (videos, name)."""

    now: datetime
    journal: Journal = field(default_factory=Journal)
    open_flag: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = timezone.utc
    clinic: Mapping[str, Any] = field(default_factory=dict)
    person: str = ""

    def day(self, at: datetime) -> int:
        """How many days of the clinic's calendar lie between a time and now."""
        return (self.now.astimezone(self.zone).date() - at.astimezone(self.zone).date()).days


def payload(area: str, verb: str = "", *args: object) -> str:
    """The payload of an area's button: ``tutor:course:next:alarm``. Arguments must not hold a colon."""
    return PREFIX + ":".join([area, *([verb] if verb else []), *map(str, args)])


def parts_of(text: str) -> tuple[str, str, list[str]]:
    """The area, verb and arguments of a payload. Raises ValueError for another's payload."""
    if not text.startswith(PREFIX):
        raise ValueError("not a payload of the tutor")
    area, *rest = text.removeprefix(PREFIX).split(":")
    return area, rest[0] if rest else "", rest[1:]


def own_words(text: object, longest: int) -> str:
    """A person's own words as one line of so many characters; braces would be read as gaps to fill in."""
    plain = " ".join(str(text or "").replace("{", "(").replace("}", ")").split())
    return plain[:longest].strip()


def form_id(area: str, name: str) -> str:
    """What an area's questionnaire is called."""
    return f"{FORM_PREFIX}{area}_{name}"


def questionnaire(
    id: str, form: str, title: str, intro: Sequence[str], items: Sequence[Mapping[str, Any]], **more: Any
) -> Say:
    """A questionnaire as one message. `items` are as ``bot.content.forms.Item.as_dict`` makes them; `look="chips"`
    shows choices as chips that are on or off, and `given` (answers by item) fills in what is known."""
    return Say(id, tuple(intro), kind=QUESTIONNAIRE, more={"form": form, "title": title, "items": list(items), **more})
