"""My alarm map: what turns this person's alarm up and what calms it, in their words. Only what they confirm is kept.

Entries: ``factor`` (key: a factor's id, or ``own_1`` … for a line of the person's own; value ``{"kept": bool, "words":
their own words or ""}``, own lines with ``"side"`` as well; the newest of a key counts), and ``factor_asked`` (that it
was asked whether something was heard right; it holds no words). Words that wait for a yes stand in the question alone,
as what fills in its field: unanswered, nothing of them is noted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.content.factors import CALM, UP, Factor, load_factors
from bot.content.forms import CHOICE, TEXT, Item
from bot.content.tutor import load_lines
from bot.tutor.factors import Hit, heard_in
from bot.tutor.journal import Entry, Journal
from bot.tutor.papers import Paper, Section
from bot.tutor.saying import Button, Moment, Outcome, Say, form_id, own_words, payload, questionnaire

AREA = "alarm_map"
FACTOR, ASKED = "factor", "factor_asked"
ON, OFF = "on", "off"
HEARD_FORM, EDIT_FORM, OWN_FORM = (form_id(AREA, name) for name in ("heard", "edit", "own"))
OWN = "own"
OWN_KEY = "own_"
# The item that holds the words that said a factor: ``words_sleep``.
WORDS = "words_"
# How often it is asked, of which messages, and about how many factors at once.
HOURS_BETWEEN = 6
FEWEST_WORDS = 4
MOST_ASKED = 3
LONGEST_WORDS = 160
MOST_LESSONS = 3
MOST_OWN = 20
# Answers of the dialogue that answer no question: asking back, handing over, not knowing.
NOT_ORDINARY = ("control/", "safety/", "check/")


def kept(journal: Journal) -> dict[str, str]:
    """The factors that the person has kept: id to their own words, or "". In the order of the map."""
    newest = _newest(journal)
    return {id: _words(newest[id]) for id in load_factors().by_id if id in newest and _is_kept(newest[id])}


def own_lines(journal: Journal) -> dict[str, tuple[str, str]]:
    """Lines of the person's own that are no factor of ours: key to side ("up", "calm") and words. Oldest first."""
    newest = _newest(journal)
    lines = {key: value for key, value in newest.items() if key.startswith(OWN_KEY) and _is_kept(value)}
    ordered = {key: lines[key] for key in sorted(lines, key=_place)}
    return {key: (CALM if one.get("side") == CALM else UP, _words(one)) for key, one in ordered.items()}


def decided(journal: Journal) -> set[str]:
    """Factors that were kept or declined: they are not asked about again."""
    return {key for key in _newest(journal) if key in load_factors().by_id}


def open(moment: Moment) -> Outcome:
    """The map: both lists, all factors as chips, and what can be done with it."""
    lines = load_lines(AREA)
    factors, mine, own = load_factors(), kept(moment.journal), own_lines(moment.journal)
    items = [_chip(one).as_dict() for one in factors.by_id.values()]
    groups = [
        {"title": factors.labels[side], "items": [one.id for one in factors.side(side)]} for side in (UP, CALM)
    ]
    edit = questionnaire(
        lines.id("edit"), EDIT_FORM, lines.label("edit"), lines.bubbles("edit"), items,
        look="chips", given={id: ON for id in mine}, groups=groups, skipped=lines.label("skipped"),
    )  # fmt: skip
    buttons = (*_ways(moment), Button(lines.label("own"), payload(AREA, OWN)))
    edit = Say(edit.id, edit.bubbles, buttons, edit.kind, more=edit.more)
    if not mine and not own:
        return Outcome((Say(lines.id("empty"), lines.bubbles("empty")), edit))
    more = {"papers": [{"title": lines.label("print"), "path": f"{AREA}.pdf"}]}
    return Outcome((Say(lines.id("map"), _told(moment), more=more), edit))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """A button of the map. None for one that leads nowhere any more: then the map opens."""
    if verb == OWN and not args:
        lines = load_lines(AREA)
        skip = Button(lines.label("skip"), payload(AREA))
        return Outcome((Say(lines.id("ask_own"), lines.bubbles("ask_own"), (skip,), awaits=f"{AREA}:{OWN}"),))
    if verb == "leave":
        return _left(moment, args)
    if verb == "remove" and not args:
        return _choose(moment)
    if verb == "remove" and len(args) == 1 and args[0] in _titles(moment.journal):
        note = _note(args[0], False)
        return _done(moment, (note,), "removed")
    if verb == "dial" and kept(moment.journal):
        return _dial(moment)
    if verb == "next":
        return _next(moment)
    return None


def words(moment: Moment, about: str, text: str) -> Outcome | None:
    """Own words for the map: what is heard in them is shown as chips, else they can be kept as they are. A question is
    the dialogue's."""
    if about != OWN or text.strip().endswith("?"):
        return None
    if not text.strip():
        return open(moment)
    mine = kept(moment.journal)
    new = [hit for hit in heard_in(text) if hit.factor not in mine]
    if new:
        return Outcome((_ask_heard(new[:MOST_ASKED], "heard_own"),))
    lines = load_lines(AREA)
    fields = [
        Item("words", TEXT, lines.label("words"), longest=LONGEST_WORDS),
        Item("side", CHOICE, lines.label("side"), choices=dict(load_factors().labels)),
    ]
    no = Button(lines.label("leave"), payload(AREA, "leave"))
    say = questionnaire(
        lines.id("keep_own"), OWN_FORM, lines.label("keep_own"), lines.bubbles("keep_own"),
        [one.as_dict() for one in fields], given={"words": _short(text)}, send=lines.label("keep"),
        skipped=lines.label("skipped"),
    )  # fmt: skip
    return Outcome((Say(say.id, say.bubbles, (no,), say.kind, more=say.more),))


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """Chips or own words were sent. Only what is on is kept; what was not answered is not noted at all."""
    if form == OWN_FORM:
        return _kept_own(moment, answers)
    mine, notes = kept(moment.journal), []
    for id in load_factors().by_id:
        answer = answers.get(id)
        said = _short(str(answers.get(WORDS + id) or ""))
        if answer == ON and (id not in mine or said):
            notes.append(_note(id, True, said))
        elif answer == OFF and (form == HEARD_FORM or id in mine):
            notes.append(_note(id, False))
    some = any(note.value["kept"] for note in notes)
    return _done(moment, tuple(notes), "kept" if some else "changed" if notes else "nothing_kept")


def heard(moment: Moment, text: str, answer_id: str) -> Outcome | None:
    """Asks whether something was heard right, behind an ordinary answer: new factors alone, and not often."""
    if moment.open_flag or len(text.split()) < FEWEST_WORDS or not answer_id or answer_id.startswith(NOT_ORDINARY):
        return None
    last = moment.journal.last(ASKED)
    if last is not None and last.at is not None and moment.now - last.at < timedelta(hours=HOURS_BETWEEN):
        return None
    known = decided(moment.journal)
    new = [hit for hit in heard_in(text) if hit.factor not in known]
    if not new:
        return None
    return Outcome((_ask_heard(new[:MOST_ASKED], "heard"),), (Entry(ASKED),))


def paper(moment: Moment) -> Paper:
    """The map as a page."""
    lines, factors = load_lines(AREA), load_factors()
    sections = []
    for side in (UP, CALM):
        rows = tuple(_row(title, said) for title, said in _listed(moment.journal, side))
        sections.append(Section(factors.labels[side], rows or (lines.label("none_yet"),)))
    return Paper(AREA, lines.label("title"), tuple(sections), lines.text("foot"))


def _ask_heard(hits: Sequence[Hit], key: str) -> Say:
    """The chips of what was heard, each with the words that said it, to change or to clear."""
    lines, by_id = load_lines(AREA), load_factors().by_id
    items: list[dict[str, Any]] = []
    given: dict[str, Any] = {}
    for hit in hits:
        items.append(_chip(by_id[hit.factor]).as_dict())
        field = Item(WORDS + hit.factor, TEXT, lines.label("words_for", factor=by_id[hit.factor].title),
                     longest=LONGEST_WORDS)  # fmt: skip
        items.append(field.as_dict())
        given |= {hit.factor: ON, field.id: _short(hit.words)}
    no = Button(lines.label("leave"), payload(AREA, "leave", *(hit.factor for hit in hits)))
    say = questionnaire(
        lines.id(key), HEARD_FORM, lines.label("heard"), lines.bubbles(key), items,
        look="chips", given=given, send=lines.label("keep"), skipped=lines.label("skipped"),
    )  # fmt: skip
    return Say(say.id, say.bubbles, (no,), say.kind, more=say.more)


def _left(moment: Moment, ids: Iterable[str]) -> Outcome:
    """Nothing is kept, and these are not asked about again."""
    mine, lines = kept(moment.journal), load_lines(AREA)
    notes = tuple(_note(id, False) for id in ids if id in load_factors().by_id and id not in mine)
    return Outcome((Say(lines.id("left"), lines.bubbles("left"), (_to_map(),)),), notes)


def _kept_own(moment: Moment, answers: Mapping[str, Any]) -> Outcome:
    said = _short(str(answers.get("words") or ""))
    used = [key for key in _newest(moment.journal) if key.startswith(OWN_KEY)]
    if not said or len(own_lines(moment.journal)) >= MOST_OWN:
        return _done(moment, (), "nothing_kept")
    key = f"{OWN_KEY}{max((_place(one) for one in used), default=0) + 1}"
    value = {"kept": True, "words": said, "side": CALM if answers.get("side") == CALM else UP}
    return _done(moment, (Entry(FACTOR, key, value),), "kept")


def _done(moment: Moment, notes: tuple[Entry, ...], key: str) -> Outcome:
    """What was changed, and the map as it is now."""
    lines = load_lines(AREA)
    later = Moment(moment.now, moment.journal.with_(notes, moment.now), moment.open_flag, moment.facts, moment.zone,
                   moment.clinic, moment.person)  # fmt: skip
    told = _told(later) if _titles(later.journal) else ()
    return Outcome((Say(lines.id(key), (*lines.bubbles(key), *told), (*_ways(later), _to_map())),), notes)


def _told(moment: Moment) -> tuple[str, ...]:
    """Both lists, in the person's words where they gave some."""
    factors, found = load_factors(), []
    for side in (UP, CALM):
        rows = [_row(title, said) for title, said in _listed(moment.journal, side)]
        if rows:
            found.append("\n".join([f"{factors.labels[side]}:", *(f"- {row}" for row in rows)]))
    return tuple(found)


def _listed(journal: Journal, side: str) -> list[tuple[str, str]]:
    by_id = load_factors().by_id
    ours = [(by_id[id].title, said) for id, said in kept(journal).items() if by_id[id].side == side]
    return ours + [(said, "") for own, said in own_lines(journal).values() if own == side]


def _row(title: str, said: str) -> str:
    return load_lines(AREA).label("row", factor=title, words=said) if said else title


def _choose(moment: Moment) -> Outcome:
    """Which one to take off."""
    lines = load_lines(AREA)
    each = [Button(title, payload(AREA, "remove", key)) for key, title in _titles(moment.journal).items()]
    return Outcome((Say(lines.id("remove"), lines.bubbles("remove"), (*each, _to_map())),))


def _dial(moment: Moment) -> Outcome:
    """The volume dial with the person's own factors on it."""
    from bot.tutor.pictures import picture_say

    lines, by_id = load_lines(AREA), load_factors().by_id
    mine = [by_id[id] for id in kept(moment.journal)]
    values = {
        name: named
        for name, side in (("ups", UP), ("calms", CALM))
        if (named := [{"id": one.id, "title": one.title} for one in mine if one.side == side])
    }
    buttons = (Button(lines.label("next"), payload(AREA, "next")), _to_map())
    return Outcome((picture_say("dial", moment, values, buttons),))


def _next(moment: Moment) -> Outcome:
    """The lessons that the kept factors lead to, what turns the alarm up first."""
    lines = load_lines(AREA)
    if moment.open_flag:
        closed = load_lines("home")
        return Outcome((Say(closed.id("closed"), closed.bubbles("closed"), (_to_map(),)),))
    buttons = [Button(title, payload("course", "open", lesson)) for lesson, title in lessons(moment.journal)]
    key = "next" if buttons else "next_none"
    course = Button(load_lines("home").label("course"), payload("course"))
    return Outcome((Say(lines.id(key), lines.bubbles(key), (*buttons, course, _to_map())),))


def lessons(journal: Journal) -> list[tuple[str, str]]:
    """Ids and titles of the lessons that the kept factors lead to, in the order of the map."""
    from bot.content.lessons import load_lessons

    by_id, titles = load_factors().by_id, {id: one.title for id, one in load_lessons().items()}
    found = dict.fromkeys(by_id[id].lesson for id in kept(journal))
    return [(id, titles[id]) for id in found if id in titles][:MOST_LESSONS]


def _ways(moment: Moment) -> tuple[Button, ...]:
    """What can be done with a map that has something on it."""
    lines = load_lines(AREA)
    names = [name for name in ("dial", "next") if kept(moment.journal)]
    names += ["remove"] if _titles(moment.journal) else []
    return tuple(Button(lines.label(name), payload(AREA, name)) for name in names)


def _to_map() -> Button:
    return Button(load_lines(AREA).label("to_map"), payload(AREA))


def _chip(factor: Factor) -> Item:
    lines = load_lines(AREA)
    return Item(factor.id, CHOICE, factor.title, choices={ON: lines.label("on"), OFF: lines.label("off")})


def _titles(journal: Journal) -> dict[str, str]:
    """All that is on the map: key to what it is called."""
    by_id = load_factors().by_id
    return {id: by_id[id].title for id in kept(journal)} | {key: said for key, (_, said) in own_lines(journal).items()}


def _newest(journal: Journal) -> dict[str, Mapping[str, Any]]:
    return {entry.key: entry.value if isinstance(entry.value, dict) else {} for entry in journal.of(FACTOR)}


def _note(id: str, keep: bool, said: str = "") -> Entry:
    return Entry(FACTOR, id, {"kept": keep, "words": said})


def _is_kept(value: Mapping[str, Any]) -> bool:
    return value.get("kept") is True


def _words(value: Mapping[str, Any]) -> str:
    said = value.get("words")
    return said if isinstance(said, str) else ""


def _place(key: str) -> int:
    number = key.removeprefix(OWN_KEY)
    return int(number) if number.isdecimal() else 0


def _short(text: str) -> str:
    """Words on one line, cut at a word where they are many."""
    plain = own_words(text, len(text))
    if len(plain) <= LONGEST_WORDS:
        return plain
    cut = plain[:LONGEST_WORDS].rsplit(" ", 1)[0]
    return cut.rstrip(" ,;:")
