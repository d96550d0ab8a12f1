"""Where the words of one message stand again: in the tutor's journal, in what was asked and said because of them, in
other questionnaires, in the page for the clinic. Found and taken out, the shape of what held them kept.

Words are compared without case, signs and spaces. Three words or more are found inside other words, and other words
inside them; fewer only as a whole, where a person's own words are kept, and then also where the tutor said those again.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from bot.store.events import BOT, PATIENT, SYSTEM
from bot.store.models import Event, Learning, Survey

FACTOR, PLAN = "factor", "plan"
# Entries of the journal's values, and of bodies, that hold a person's own words.
_OWN = ("words", "title", "text", "own", "asked", "chosen", "removed", "lines", "list", "given", "answers")
# Parts of a body that are names of ours.
_NAMES = ("kind", "id", "answer_id", "form", "payload", "review", "path", "visual", "look", "awaits", "state")
# Words of ours alone, which must stay as they were shown: a patient may have sent the same ones.
_OURS = ("consent", "safety", "question")
_FEWEST = 3
_GONE = object()


@dataclass(frozen=True)
class Traces:
    """The words of a message, normalised. `long`: found anywhere; `short`: only as a whole."""

    long: tuple[str, ...]
    short: frozenset[str]

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Traces:
        """Of a patient's message as it was stored. What a button says is ours, and so are a questionnaire's choices."""
        if "payload" in body and "words" not in body:
            return cls((), frozenset())
        words = str(body.get("words") if "words" in body else body.get("text") or "")
        return cls((), frozenset()).with_((words, *words.splitlines()))

    def with_(self, found: Iterable[str]) -> Traces:
        """These and more."""
        all_ = dict.fromkeys([*self.long, *sorted(self.short), *(plain(one) for one in found)])
        return Traces(
            tuple(one for one in all_ if _is_long(one)), frozenset(one for one in all_ if one and not _is_long(one))
        )

    def holds(self, text: str, own: bool = False, part: bool = False) -> bool:
        """Whether a text holds the words. `own`: a person's own words, where few of them count as a whole; `part`:
        where even few words that stand in the message are taken for its own."""
        said = plain(text)
        if not said:
            return False
        if any(_within(one, said) or ((part or _is_long(said)) and _within(said, one)) for one in self.long):
            return True
        return own and said in self.short

    def says_again(self, line: str) -> bool:
        """Whether a line that the tutor said has the words in it, few ones too."""
        said = plain(line)
        return self.holds(line) or any(_within(f"{one} ", f"{said} ") for one in self.short)


def plain(text: str) -> str:
    """What is compared: letters and digits in lower case, one space between words."""
    lower = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(c if c.isalnum() else " " for c in lower).split())


def clear(session: Session, conversation_id: str, traces: Traces, mark: str) -> Traces:
    """Takes the words out of the journal, of the bodies of what was asked and said, and of other questionnaires of the
    patient. `mark` stands where a line was. Gives all the words that were found, pieces of the message too."""
    if not traces.long and not traces.short:
        return traces
    found: list[str] = []
    _journal(session, conversation_id, traces, mark, found)
    mine = select(Event).where(Event.conversation_id == conversation_id).order_by(Event.seq)
    log = list(session.execute(mine).scalars())
    for event in log:
        for key in ("given", "answers"):
            for value in _inside(event.body, key):
                found += [one for one in value.values() if isinstance(one, str) and traces.holds(one)]
    # What was said again was said as it was kept: perhaps a piece of the message, or few words of it.
    said = Traces(traces.long, frozenset()).with_(found)
    for event in log:
        own_form = event.author == PATIENT and "answers" in event.body
        if own_form or event.author in (BOT, SYSTEM):
            changed = _body(event.body, said, mark)
            event.body = event.body if changed == event.body else changed
    rows = select(Survey).where(Survey.conversation_id == conversation_id)
    for row in session.execute(rows).scalars():
        answers = {key: None if isinstance(one, str) and said.holds(one) else one for key, one in row.answers.items()}
        row.answers = row.answers if answers == row.answers else answers
    _journal(session, conversation_id, said, mark, found)
    return said


def lines_without(text: str, traces: Traces, mark: str) -> str:
    """The text with `mark` in place of the lines that hold the words, once where several follow each other."""
    kept: list[str] = []
    for line in text.split("\n"):
        if not traces.says_again(line):
            kept.append(line)
        elif not kept or kept[-1] != mark:
            kept.append(mark)
    return "\n".join(kept)


def _journal(session: Session, conversation_id: str, traces: Traces, mark: str, found: list[str]) -> None:
    rows = select(Learning).where(Learning.conversation_id == conversation_id).order_by(Learning.id)
    for row in list(session.execute(rows).scalars()):
        before = list(_texts(row.value))
        value = _value(row.value, traces, row.kind, mark)
        if value is not _GONE and value == row.value:
            continue
        left = [] if value is _GONE else list(_texts(value))
        found += [one for one in before if one not in left]
        # A factor of ours is kept without words; a line of one's own, which names its side, is nothing without them.
        own_line = row.kind == FACTOR and "side" in row.value
        if value is not _GONE and (value["words"] if own_line else row.kind == FACTOR or any(left)):
            row.value = value
        else:
            session.execute(
                delete(Learning).where(Learning.id == row.id).execution_options(synchronize_session="fetch")
            )


def _value(value: Any, traces: Traces, kind: str, mark: str, own: bool = False, lines: bool = False) -> Any:
    """A journal entry's value without the words: _GONE where it is one of them."""
    if isinstance(value, str):
        return _GONE if traces.holds(value, own, part=own and kind == FACTOR) else value
    if isinstance(value, list):
        kept = [_value(one, traces, kind, mark, own, lines) for one in value]
        return [one for one in kept if one is not _GONE]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, one in value.items():
        changed = _value(one, traces, kind, mark, own or key in _OWN, lines or key == "lines")
        if changed is not _GONE:
            made[key] = changed
        elif not lines:
            # A plan keeps the place of a step: reports count steps, and no other one may move into it.
            made[key] = mark if kind == PLAN else ""
    return made


def _body(body: Any, traces: Traces, mark: str, key: str = "", own: bool = False) -> Any:
    """A body, or a part of one, without the words."""
    if isinstance(body, str):
        return body if key in _NAMES else lines_without(body, traces, mark)
    if isinstance(body, list):
        return [_body(one, traces, mark, key, own) for one in body]
    if not isinstance(body, dict) or "version" in body or body.get("kind") in _OURS:
        return body
    made = {}
    for name, one in body.items():
        if own and isinstance(one, str):
            made[name] = None if traces.holds(one, own=True) else one  # a mark here could be sent as their words
        elif name == "words" and isinstance(one, str):
            made[name] = "\n".join(line for line in one.split("\n") if not traces.says_again(line))
        else:
            made[name] = _body(one, traces, mark, name, own=name in ("given", "answers"))
    return made


def _inside(body: Any, key: str) -> Iterator[dict[str, Any]]:
    """What stands under a key in a body and in those that wait in it."""
    if isinstance(body, dict):
        if isinstance(body.get(key), dict):
            yield body[key]
        for one in body.values():
            yield from _inside(one, key)
    elif isinstance(body, list):
        for one in body:
            yield from _inside(one, key)


def _texts(value: Any) -> Iterator[str]:
    """All strings in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts(one)


def _is_long(said: str) -> bool:
    return len(said.split()) >= _FEWEST


def _within(part: str, whole: str) -> bool:
    """Whether a part stands in the whole from a word's beginning on; kept words may be cut inside their last one."""
    return f" {part}" in f" {whole}"
