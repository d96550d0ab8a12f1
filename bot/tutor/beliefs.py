"""Beliefs: how strongly somebody holds one, before an answer to it, after it, and on day 7 and 30. Never argued with.

A belief is heard in the person's own words (``belief_words``) where the answer that is due corrects it. One question at
most in a day, and none about the same belief within 30 days. Whatever the number, the reply is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bot.content.beliefs import Belief, load_beliefs
from bot.content.files import bubbles
from bot.content.forms import SCALE, Item
from bot.content.tutor import Lines, load_lines
from bot.tutor.belief_words import which
from bot.tutor.journal import Entry, Journal
from bot.tutor.pictures import chart_say
from bot.tutor.saying import FORM_PREFIX, NOTHING, Button, Moment, Outcome, Say, form_id, payload, questionnaire

AREA = "beliefs"
# Entries. `belief`: key = M-id, value {"strength": 0-10 or None where it was skipped, "point": one of POINTS}.
# `belief_asked`: key = M-id, value = the point that was asked for. `belief_removed`: key = M-id; what is older does not
# count. `belief_quiet`: value = whether the person wants no such questions.
BELIEF, ASKED, REMOVED, QUIET = "belief", "belief_asked", "belief_removed", "belief_quiet"
BEFORE, AFTER, DAY_7, DAY_30 = "before", "after", "day7", "day30"
POINTS = (BEFORE, AFTER, DAY_7, DAY_30)
# Days after the first number from which a later one is offered, the latest first. None is offered after LAST_DAY: it
# would say nothing of day 30.
LATER = ((30, DAY_30), (7, DAY_7))
LAST_DAY = 90
RATED_DAYS = 30
ASKED_HOURS = 24
MOST_SHOWN = 5
LONGEST_LABEL = 60


@dataclass(frozen=True)
class Held:
    """How strongly one belief was held, the newest time it came up: by point the number (None: skipped), and when.
    `began`: when the number before the answer was given or skipped."""

    belief: str
    began: datetime
    strength: Mapping[str, int | None] = field(default_factory=dict)
    at: Mapping[str, datetime] = field(default_factory=dict)


def ledger(journal: Journal) -> dict[str, Held]:
    """Each belief that came up and was not taken out, with its numbers. A new number before an answer begins anew."""
    found: dict[str, Held] = {}
    for entry in _counted(journal):
        point, strength = entry.value["point"], entry.value["strength"]
        assert entry.at is not None
        if point == BEFORE:
            found[entry.key] = Held(entry.key, entry.at, {BEFORE: strength}, {BEFORE: entry.at})
        elif entry.key in found:
            held = found[entry.key]
            strengths, times = {**held.strength, point: strength}, {**held.at, point: entry.at}
            found[entry.key] = Held(entry.key, held.began, strengths, times)
    return found


def before(moment: Moment, text: str, answer_id: str) -> Outcome | None:
    """The number before an answer, where the text states a belief that this answer corrects."""
    ours = {belief.id for belief in load_beliefs().values() if belief.asked and answer_id in belief.answers}
    if not ours or moment.open_flag or quiet(moment.journal) or _asked_lately(moment):
        return None
    heard = which(text)
    if heard not in ours or _rated_lately(moment, heard):
        return None
    return Outcome((_dial(heard, BEFORE, "before"),), (Entry(ASKED, heard, BEFORE),))


def filled(moment: Moment, form: str, answers: Mapping[str, object]) -> Outcome:
    """A number, or none. It is noted; after the answer it is asked for once more where there was one before."""
    found = _form(form)
    if found is None:
        return NOTHING
    belief, point = found
    given = answers.get("strength")
    strength = given if isinstance(given, int) else None
    note = Entry(BELIEF, belief.id, {"strength": strength, "point": point})
    lines = load_lines(AREA)
    key = "skipped" if strength is None else "noted"
    if point == BEFORE:
        again = () if strength is None or moment.open_flag else (_dial(belief.id, AFTER, "after"),)
        return Outcome((Say(lines.id(key), lines.bubbles(key), ways=False),), (note,), after=again)
    buttons = [Button(lines.label("show"), payload(AREA))]
    if not moment.open_flag:
        buttons.insert(0, Button(lines.label("lesson"), payload("course", "open", belief.lesson)))
    return Outcome((Say(lines.id(key), lines.bubbles(key), tuple(buttons)),), (note,))


def due(moment: Moment) -> Outcome | None:
    """The number again, a week and a month later, for the belief that has waited longest. Each is offered once, and of
    two that have passed only the later one."""
    if moment.open_flag or quiet(moment.journal) or _asked_lately(moment):
        return None
    for held in sorted(ledger(moment.journal).values(), key=lambda one: one.began):
        point = _slot(moment, held)
        if point:
            stop = Button(load_lines(AREA).label("quiet"), payload(AREA, "quiet"))
            return Outcome((_dial(held.belief, point, "later", stop),), (Entry(ASKED, held.belief, point),))
    return None


def open(moment: Moment) -> Outcome:
    """The person's own list: each statement, its numbers in words, a chart where there are two, and the way out."""
    lines, found = load_lines(AREA), ledger(moment.journal)
    shown = sorted(found.values(), key=lambda one: one.began, reverse=True)[:MOST_SHOWN]
    switch = _switch(moment, lines)
    if not shown:
        # Nothing to switch off yet; a person who has switched it off can take that back.
        buttons = (Button(lines.label("lesson_any"), payload("course")), *([switch] if quiet(moment.journal) else []))
        return Outcome((Say(lines.id("none"), lines.bubbles("none"), buttons),))
    charts = [one for held in shown if (one := _chart(moment, held, lines))]
    texts = [*lines.bubbles("list"), *(_told(moment, held, lines) for held in shown)]
    removes = tuple(_remove(held.belief, lines) for held in shown)
    return Outcome((*charts, Say(lines.id("list"), tuple(texts), (*removes, switch))))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """``remove:<m01>``, ``quiet``, ``again``."""
    lines = load_lines(AREA)
    shown = (Button(lines.label("show"), payload(AREA)),)
    if verb == "remove" and args and args[0].upper() in load_beliefs():
        note = Entry(REMOVED, args[0].upper())
        return Outcome((Say(lines.id("removed"), lines.bubbles("removed"), shown),), (note,))
    if verb in ("quiet", "again"):
        key = "quieted" if verb == "quiet" else "asked_again"
        return Outcome((Say(lines.id(key), lines.bubbles(key), shown),), (Entry(QUIET, value=verb == "quiet"),))
    return None


def quiet(journal: Journal) -> bool:
    """Whether the person does not want to be asked."""
    last = journal.last(QUIET)
    return last is not None and bool(last.value)


def _counted(journal: Journal) -> Iterator[Entry]:
    """The numbers that count: whole entries, of beliefs that are there, since the belief was last taken out."""
    start: dict[str, int] = {one.key: place for place, one in enumerate(journal.entries) if one.kind == REMOVED}
    for place, entry in enumerate(journal.entries):
        if entry.kind != BELIEF or entry.at is None or place < start.get(entry.key, 0):
            continue
        if entry.key in load_beliefs() and isinstance(entry.value, dict) and entry.value.get("point") in POINTS:
            strength = entry.value.get("strength")
            whole = isinstance(strength, int) and 0 <= strength <= 10
            value = {"point": entry.value["point"], "strength": strength if whole else None}
            yield Entry(BELIEF, entry.key, value, entry.at)


def _slot(moment: Moment, held: Held) -> str:
    """The later point that is open for a belief now; empty for none."""
    if held.strength.get(BEFORE) is None:
        return ""
    days = moment.day(held.began)
    point = next((name for least, name in LATER if days >= least), "")
    asked = any(
        one.value == point and one.at is not None and one.at >= held.began
        for one in moment.journal.of(ASKED, held.belief)
    )
    done = [POINTS.index(name) for name in held.strength]
    passed = bool(point) and max(done) >= POINTS.index(point)
    return "" if not point or asked or passed or days > LAST_DAY else point


def _asked_lately(moment: Moment) -> bool:
    times = [one.at for kind in (ASKED, BELIEF) for one in moment.journal.of(kind) if one.at is not None]
    return bool(times) and (moment.now - max(times)).total_seconds() < ASKED_HOURS * 3600


def _rated_lately(moment: Moment, belief: str) -> bool:
    times = [one.at for kind in (ASKED, BELIEF) for one in moment.journal.of(kind, belief) if one.at is not None]
    return bool(times) and moment.day(max(times)) < RATED_DAYS


def _form(form: str) -> tuple[Belief, str] | None:
    """The belief and the point that a questionnaire's name stands for."""
    name, _, point = form.removeprefix(f"{FORM_PREFIX}{AREA}_").rpartition("_")
    belief = load_beliefs().get(name.upper())
    return (belief, point) if belief and point in POINTS else None


def _dial(belief: str, point: str, text: str, *buttons: Button) -> Say:
    lines, statement = load_lines(AREA), load_beliefs()[belief].statement
    item = Item("strength", SCALE, lines.label("item"), lines.label("low"), lines.label("high"))
    form = form_id(AREA, f"{belief.lower()}_{point}")
    intro = bubbles(lines.text(text, statement=statement))
    asked = questionnaire(
        lines.id(text), form, lines.label("title"), intro, [item.as_dict()], skipped=lines.label("skipped")
    )
    return Say(asked.id, asked.bubbles, buttons, kind=asked.kind, more=asked.more)


def _told(moment: Moment, held: Held, lines: Lines) -> str:
    numbers = [
        lines.label("point", day=_day(moment, held.at[point], lines), number=held.strength[point])
        for point in POINTS if held.strength.get(point) is not None
    ]  # fmt: skip
    return lines.text("one", statement=load_beliefs()[held.belief].statement, numbers=" ".join(numbers)).strip()


def _chart(moment: Moment, held: Held, lines: Lines) -> Say | None:
    there = [point for point in POINTS if held.strength.get(point) is not None]
    if len(there) < 2:
        return None
    points = [
        {
            "day": _day(moment, held.at[point], lines),
            "at": moment.day(held.began) - moment.day(held.at[point]),
            "value": held.strength[point],
        }
        for point in there
    ]
    values = {
        "title": lines.label("chart"), "min": 0, "max": 10, "low": lines.label("low"), "high": lines.label("high"),
        "points": points,
    }  # fmt: skip
    intro = lines.bubbles("chart", statement=load_beliefs()[held.belief].statement)
    return chart_say(lines.id("chart"), intro, values, [_told(moment, held, lines)])


def _remove(belief: str, lines: Lines) -> Button:
    title = lines.label("remove", statement=load_beliefs()[belief].statement)
    short = title if len(title) <= LONGEST_LABEL else title[:LONGEST_LABEL].rsplit(" ", 1)[0] + " …"
    return Button(short, payload(AREA, "remove", belief.lower()))


def _switch(moment: Moment, lines: Lines) -> Button:
    name = "again" if quiet(moment.journal) else "quiet"
    return Button(lines.label(name), payload(AREA, name))


def _day(moment: Moment, at: datetime, lines: Lines) -> str:
    local = at.astimezone(moment.zone)
    return f"{local.day} {lines.label('months').split(', ')[local.month - 1]}"
