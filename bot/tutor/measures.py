"""Measures: how somebody is doing over time. Offered now and then, skippable, scored here, changes told in plain words.

Entries of this area: its questionnaires are ``form`` entries (key: the form, value: answers by item, None where
skipped); ``measures_offer`` and ``measures_ask`` are in ``measures_schedule.py``. `history` gives the scored points.
docs/measures.md says what each measure is and who may use it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.content.forms import TEXT as TEXT_ITEM
from bot.content.forms import load_forms
from bot.content.tutor import Lines, load_lines
from bot.tutor import measures_history as past
from bot.tutor import scoring
from bot.tutor.journal import FORM, Entry, Journal
from bot.tutor.measures_history import Scored, names, newest
from bot.tutor.measures_schedule import ASK, CORE, OFFER, began, day_between, due_point, read_schedule
from bot.tutor.pictures import chart_say
from bot.tutor.saying import ASK_PERSON, CHECK, Button, Moment, Outcome, Say, form_id, payload, questionnaire
from bot.tutor.scoring import BETTER, SAME, WORSE, Change, shown

AREA = "measures"
# Beside the short form, in the order in which they are offered; the first one at follow-up only.
OPTIONAL = ("change", "pain", "mood", "quiz")
# Payload of the web app: a person of the clinic.
LOWEST, HIGHEST = 0, 10
STATEMENTS_A_PAGE = 4
# A journal may or may not hold the answers that have just come in.
JUST_NOW = timedelta(minutes=5)


def history(journal: Journal) -> dict[str, list[Scored]]:
    """Scored points for each measure (names: ``measures_history.MEASURES``), oldest first."""
    quiz = load_lines(AREA).rest["quiz"]
    return past.history(journal, {key: one["fits"] for key, one in quiz.items()})


def open(moment: Moment) -> Outcome:
    """What it is for, or where it stands. Asks nothing."""
    lines = load_lines(AREA)
    last = newest(moment.journal, CORE)
    if last is None or last.at is None:
        buttons = [_button("fill", "fill")]
        says = Say(lines.id("first"), lines.bubbles("first"), tuple(buttons))
        return Outcome((says,))
    buttons = [_button("fill_again", "fill"), _button("charts", "charts"), _button("more", "more")]
    if names(moment.journal):
        buttons.append(_button("activities", "form", "activities"))
    asked = moment.journal.last(ASK)
    silent = asked is not None and asked.value is False
    buttons.append(_button("ask", "ask") if silent else _button("quiet", "quiet"))
    return Outcome((Say(lines.id("page"), lines.bubbles("page", day=_day(moment, last.at)), tuple(buttons)),))


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """``fill``, ``form:<name>``, ``more``, ``charts``, ``chart:<measure>``, ``quiz:<page>``, ``later:<point>``,
    ``quiet``, ``ask``."""
    lines, first = load_lines(AREA), args[0] if args else ""
    if verb == "fill" or (verb == "form" and first == "core"):
        return Outcome((_core(moment),))
    if verb == "form" and first in (*OPTIONAL, "activities"):
        return Outcome((_form(first, names(moment.journal) if first == "activities" else {}),))
    if verb == "more":
        return Outcome((Say(lines.id("more"), lines.bubbles("more"), _optional(moment)),))
    if verb == "charts":
        return _charts(moment)
    if verb == "chart" and first in lines.rest["charts"]:
        return _chart(moment, first)
    if verb == "quiz" and first.isascii() and first.isdigit():
        return _quiz_page(moment, int(first))
    if verb == "later" and first:
        note = Entry(OFFER, first, {"how": "not_now"})
        return Outcome((Say(lines.id("later"), lines.bubbles("later"), ()),), (note,))
    if verb in ("quiet", "ask"):
        key = "quiet" if verb == "quiet" else "asks"
        return Outcome((Say(lines.id(key), lines.bubbles(key), ()),), (Entry(ASK, "", verb == "ask"),))
    return None


def due(moment: Moment) -> Outcome | None:
    """The short form, offered once for each due time: yes, not now, or never again."""
    schedule = read_schedule(load_lines(AREA).rest["schedule"])
    point = due_point(moment, schedule)
    if point is None:
        return None
    lines, start = load_lines(AREA), began(moment)
    late = start is not None and not schedule.in_window(point, day_between(moment, start, moment.now))
    key = "due_first" if start is None else "due_late" if late else "due"
    buttons = (_button("accept", "fill"), _button("later", "later", point.id), _button("quiet", "quiet"))
    note = Entry(OFFER, point.id, {"how": "offered"})
    return Outcome((Say(lines.id(key), lines.bubbles(key), buttons),), (note,))


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """What follows a questionnaire: that it is kept, what has changed, and what else there is."""
    if form not in load_forms():
        return open(moment)
    journal = _with(moment, form, answers)
    after = replace(moment, journal=journal)
    if form == CORE:
        return _core_filled(after, answers)
    if form == past.MOOD:
        return _mood_filled(after, answers)
    if form == past.CHANGE:
        return _pgic_filled(after, answers)
    if form == past.PAIN:
        return _pain_filled(after)
    if form == past.QUIZ:
        return _quiz_filled(after)
    return Outcome((_kept(after, form, ()),))


def _core_filled(moment: Moment, answers: Mapping[str, Any]) -> Outcome:
    lines = load_lines(AREA)
    if all(answer is None for answer in answers.values()):
        return Outcome((Say(lines.id("kept_empty"), lines.bubbles("kept_empty"), _optional(moment)),))
    found = history(moment.journal)
    peg = found["peg"]
    if not peg or peg[-1].value is None:
        told = Say(lines.id("not_scored"), lines.bubbles("not_scored"))
    elif _earlier(peg) is None:
        told = Say(lines.id("peg_first"), lines.bubbles("peg_first", after=shown(peg[-1].value)))
    else:
        key, before = peg_change(peg, lines)
        words = [*_changed(moment, lines, f"peg_{key}", before, peg[-1]), *_missing(moment, lines, peg)]
        buttons = (Button(lines.label("person"), ASK_PERSON),) if key in ("worse_enough", "higher") else ()
        told = _drawn(moment, lines, "peg", peg, words, buttons, id=f"peg_{key}")
        if key == "worse_enough":
            return Outcome((told,), then=CHECK)
    if len(peg) == 1:
        more = lines.bubbles("kept_first")
    else:
        more = (*_other_changes(moment, lines, found), *lines.bubbles("more"))
    return Outcome((told, Say(lines.id("more"), more, _optional(moment))))


def peg_change(peg: Sequence[Scored], lines: Lines) -> tuple[str, Scored]:
    """How the newest PEG score has changed, and from which earlier one. ``worse_enough`` (the safety check follows)
    where it has clearly risen since last time, or for the first time since the beginning; ``higher`` where that is
    known already. The newest and one earlier point must be scored."""
    rule = lines.rest["rules"]["peg"]
    scored = [(one, one.value) for one in peg if one.value is not None]
    (first, began_at), (last, was), (_newest, now) = scored[0], scored[-2], scored[-1]
    if scoring.change_of_peg(was, now, rule).key == "worse_enough":
        return "worse_enough", last
    since = scoring.change_of_peg(began_at, now, rule)
    if since.key != "worse_enough":
        return since.key, first
    known = scoring.change_of_peg(began_at, was, rule).key == "worse_enough"
    return ("higher" if known else "worse_enough"), first


def _other_changes(moment: Moment, lines: Lines, found: Mapping[str, list[Scored]]) -> list[str]:
    """A bubble about the activities, and one about the other items of our own."""
    bubbles: list[str] = []
    activities = found["activities"]
    if (first := _earlier(activities)) is not None:
        change = scoring.change_of_activities(_score(first), _score(activities[-1]), lines.rest["rules"]["activities"])
        bubbles += _changed(moment, lines, f"activities_{change.key}", first, activities[-1], "activities")
    own: list[str] = []
    for item in past.OWN:
        points = found[item]
        if (first := _earlier(points)) is not None:
            was, now = _score(first), _score(points[-1])
            key = "own_same" if was == now else "own_higher" if now > was else "own_lower"
            own += _changed(moment, lines, key, first, points[-1], item)
    return [*bubbles, *(["\n".join(own)] if own else []), *(lines.bubbles("own_note") if own or bubbles else ())]


def _pain_filled(moment: Moment) -> Outcome:
    lines, found = load_lines(AREA), history(moment.journal)
    said: list[str] = []
    for item in past.NRS:
        points = found[item]
        if (first := _earlier(points)) is not None:
            change = scoring.change_of_nrs(_score(first), _score(points[-1]), lines.rest["rules"][item])
            said += _changed(moment, lines, f"nrs_{change.key}", first, points[-1], item)
    return Outcome((_kept(moment, past.PAIN, said),))


def _pgic_filled(moment: Moment, answers: Mapping[str, Any]) -> Outcome:
    lines, choice = load_lines(AREA), str(answers.get("pgic") or "")
    if not choice:
        return Outcome((_kept(moment, past.CHANGE, ()),))
    change = change_of_pgic(choice, lines.rest["rules"]["pgic"])
    item = next(item for item in load_forms()[past.CHANGE].items if item.id == "pgic")
    title = (item.choices or {}).get(choice, choice)
    key = f"pgic_{change.key}" if change.enough else "pgic_other"
    words = lines.bubbles(key, choice=title[:1].lower() + title[1:])
    if change.direction == WORSE and change.enough:
        return Outcome((Say(lines.id(key), words, (Button(lines.label("person"), ASK_PERSON),)),), then=CHECK)
    return Outcome((Say(lines.id(key), words, _optional(moment)),))


def change_of_pgic(choice: str, rule: Mapping[str, Any]) -> Change:
    """The global impression: much better or more is the usual mark; much worse or more is a clear worsening."""
    if choice in rule["better"] or choice in rule["worse"]:
        return Change(BETTER if choice in rule["better"] else WORSE, enough=True)
    return Change(SAME)


def _mood_filled(moment: Moment, answers: Mapping[str, Any]) -> Outcome:
    """PHQ-2 and GAD-2: at the cut a person is offered and the crisis line is in the same message. No score is shown."""
    lines = load_lines(AREA)
    rules = lines.rest["rules"]
    scores = ((scoring.phq2(answers), rules["phq2"]["cut"]), (scoring.gad2(answers), rules["gad2"]["cut"]))
    person = Button(lines.label("person"), ASK_PERSON)
    if any(score is not None and score >= cut for score, cut in scores):
        return Outcome((Say(lines.id("mood_cut"), lines.bubbles("mood_cut"), (person,)),))
    key = "mood_partial" if any(score is None for score, _cut in scores) else "mood_below"
    return Outcome((Say(lines.id(key), lines.bubbles(key), (*_optional(moment), person)),))


def _quiz_filled(moment: Moment) -> Outcome:
    found = history(moment.journal)["quiz"]
    if not found or not found[-1].of:
        return Outcome((_kept(moment, past.QUIZ, ()),))
    lines = load_lines(AREA)
    count = lines.bubbles("quiz_count", fits=shown(found[-1].value or 0), answered=found[-1].of)
    page = _quiz_page(moment, 0)
    return Outcome((Say(lines.id("quiz_count"), count), *page.says))


def _quiz_page(moment: Moment, page: int) -> Outcome:
    """A few words on each statement; first on those that were answered otherwise, or with "not sure"."""
    lines, last = load_lines(AREA), newest(moment.journal, past.QUIZ)
    given: Mapping[str, Any] = last.value if last is not None else {}
    quiz: dict[str, Any] = lines.rest["quiz"]
    texts = {item.id: item.text for item in load_forms()[past.QUIZ].items}
    order = sorted(quiz, key=lambda key: given.get(key) == quiz[key]["fits"])
    part = order[page * STATEMENTS_A_PAGE : (page + 1) * STATEMENTS_A_PAGE]
    if not part:
        return Outcome((Say(lines.id("quiz_done"), lines.bubbles("quiz_done"), (_lessons(lines),)),))
    said = [lines.label("quiz_line", statement=texts[key], feedback=quiz[key]["feedback"]) for key in part]
    more = (page + 1) * STATEMENTS_A_PAGE < len(order)
    button = _button("onward", "quiz", page + 1) if more else _lessons(lines)
    return Outcome((Say(lines.id(f"quiz_{page}"), tuple(said), (button,)),))


def _charts(moment: Moment) -> Outcome:
    lines, found = load_lines(AREA), history(moment.journal)
    charts: dict[str, Any] = lines.rest["charts"]
    there = [name for name in charts if any(one.value is not None for one in found[name])]
    if not there:
        return Outcome((Say(lines.id("chart_none"), lines.bubbles("chart_none"), (_button("fill", "fill"),)),))
    buttons = tuple(Button(charts[name]["title"], payload(AREA, "chart", name)) for name in there)
    return Outcome((Say(lines.id("charts"), lines.bubbles("charts"), buttons),))


def _chart(moment: Moment, measure: str) -> Outcome:
    lines, points = load_lines(AREA), history(moment.journal)[measure]
    if all(one.value is None for one in points):
        return Outcome((Say(lines.id("chart_none"), lines.bubbles("chart_none"), (_button("fill", "fill"),)),))
    words = [*lines.bubbles("chart"), *_missing(moment, lines, points)]
    return Outcome((_drawn(moment, lines, measure, points, words, (_button("charts", "charts"),), id="chart"),))


def _drawn(
    moment: Moment,
    lines: Lines,
    measure: str,
    points: Sequence[Scored],
    words: Sequence[str],
    buttons: Sequence[Button],
    id: str,
) -> Say:
    """A measure over time: the chart has what was scored, its twin in words what was not, too."""
    about, first = lines.rest["charts"][measure], points[0].at
    drawn = [
        {"day": _day(moment, one.at), "at": moment.day(first) - moment.day(one.at), "value": round(one.value, 1)}
        for one in points
        if one.value is not None
    ]
    said = [
        lines.label("point_missing", day=_day(moment, one.at))
        if one.value is None
        else lines.label("point", day=_day(moment, one.at), value=shown(one.value))
        for one in points
    ]
    values = {**about, "min": LOWEST, "max": HIGHEST, "points": drawn}
    return chart_say(lines.id(id), words, values, ["\n".join(said)], buttons)


def _core(moment: Moment) -> Say:
    """The short form; an activity that has a name is asked for by it."""
    lines, called, items = load_lines(AREA), names(moment.journal), []
    form = load_forms()[CORE]
    for item in form.items:
        fields = item.as_dict()
        if item.kind == TEXT_ITEM and item.id.removesuffix("_name") in called:
            continue
        if item.id in called:
            fields["text"] = lines.label("named", name=called[item.id])
        items.append(fields)
    return questionnaire(
        f"form/{CORE}", CORE, form.title, form.intro, items, review=form.review, skipped=lines.label("skipped")
    )


def _form(name: str, given: Mapping[str, str]) -> Say:
    form = load_forms()[form_id(AREA, name)]
    more: dict[str, Any] = {"review": form.review, "skipped": load_lines(AREA).label("skipped")}
    if given:
        more["given"] = {f"{item}_name": called for item, called in given.items()}
    items = [item.as_dict() for item in form.items]
    return questionnaire(f"form/{form.id}", form.id, form.title, form.intro, items, **more)


def _optional(moment: Moment) -> tuple[Button, ...]:
    """What else can be filled in today: nothing that was answered a short while ago; "looking back" at follow-up."""
    core = list(past.history(moment.journal)["peg"])
    offered = OPTIONAL if len(core) > 1 else OPTIONAL[1:]
    fresh = {name for name in offered if _fresh(moment, newest(moment.journal, form_id(AREA, name)))}
    return tuple(_button(name, "form", name) for name in offered if name not in fresh)


def _fresh(moment: Moment, entry: Entry | None) -> bool:
    return entry is not None and entry.at is not None and moment.now - entry.at < past.AGAIN


def _kept(moment: Moment, form: str, said: Sequence[str]) -> Say:
    buttons = (*_optional(moment), _button("charts", "charts"))
    return Say(f"form/{form}/thanks", (*load_forms()[form].thanks, *said), buttons)


def _changed(
    moment: Moment, lines: Lines, key: str, before: Scored, after: Scored, measure: str = ""
) -> tuple[str, ...]:
    title = lines.rest["charts"][measure]["title"] if measure else ""
    scores = {"before": shown(_score(before)), "after": shown(_score(after))}
    return lines.bubbles(key, title=title, day=_day(moment, before.at), **scores)


def _missing(moment: Moment, lines: Lines, points: Sequence[Scored]) -> tuple[str, ...]:
    days = [_day(moment, one.at) for one in points if one.value is None]
    return lines.bubbles("missing", days=", ".join(days)) if days else ()


def _earlier(points: Sequence[Scored]) -> Scored | None:
    """The first scored point, where the newest one is scored and is another one."""
    if not points or points[-1].value is None:
        return None
    return next((one for one in points[:-1] if one.value is not None), None)


def _score(point: Scored) -> float:
    if point.value is None:
        raise ValueError("this point was not scored")
    return point.value


def _with(moment: Moment, form: str, answers: Mapping[str, Any]) -> Journal:
    """The journal with the answers that have just come in, once."""
    last = moment.journal.last(FORM, form)
    there = last is not None and last.value == dict(answers) and last.at and moment.now - last.at < JUST_NOW
    return moment.journal if there else moment.journal.with_((Entry(FORM, form, dict(answers)),), moment.now)


def _button(label: str, verb: str, *args: object) -> Button:
    return Button(load_lines(AREA).label(label), payload(AREA, verb, *args))


def _lessons(lines: Lines) -> Button:
    return Button(lines.label("lessons"), payload("course"))


def _day(moment: Moment, at: datetime) -> str:
    local = at.astimezone(moment.zone)
    return f"{local.day} {local:%b}"
