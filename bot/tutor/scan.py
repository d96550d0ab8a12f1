"""The words of a scan report, one at a time, behind two locks.

1. A serious word that is not clearly denied, a word that we do not know (``scan_words``), or an open red flag, closes
   all of it: no meaning, no figure, no picture, nothing that sounds common, for a day. What remains is the safety check
   and a person.
2. Nothing is said of one person's scan: each message is about *reports that use this word*. The texts are the curated
   cards of ``data/report_words``.

A pasted report is never noted. What is under way stands in the buttons' payloads, as ids of our own words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.content import cards
from bot.content.dots import picture
from bot.content.files import bubbles
from bot.content.forms import SCALE, Item
from bot.content.library import Library, load_library
from bot.content.replies import render
from bot.content.report_words import EXPLAIN, URGENT
from bot.content.tutor import Lines, load_lines
from bot.tutor.journal import Entry
from bot.tutor.saying import ASK_PERSON, CHECK, Button, Moment, Outcome, Say, form_id, payload, questionnaire
from bot.tutor.scan_words import UNREAD, Serious, read, serious_key

# Entries. `scan_lock`: key = the group of the word (never the report's text). `scan_age`: value = a decade ("40") or
# "refused". `scan_worry`: key before|after, value 0-10 or None where it was skipped. `scan_questions`: value = the
# questions that were kept for the visit, key = the words that they belong to.
LOCK, AGE, WORRY, QUESTIONS = "scan_lock", "scan_age", "scan_worry", "scan_questions"
BEFORE, AFTER = "before", "after"
# A text of fewer words is a message, not a report.
PASTED_WORDS = 12
LOCKED_HOURS = 24
# A worry from before counts as the one of this reading for so long.
WORRY_HOURS = 12
# So many words are gone through at a time: their ids stand in a payload of 200 characters.
MOST_WORDS = 6
A_PAGE = 7
QUESTIONS_SHOWN = 3
# Words of other things than reports: fewer than this, with none that is known, go to the ordinary assistant.
FEWEST_WORDS = 5
NOWHERE = "none"


def open(moment: Moment) -> Outcome:
    """What this is, its limits, and the two ways in."""
    if locked(moment):
        return _still_locked(moment)
    lines = load_lines("scan")
    buttons = [*_ways_in(lines)]
    if moment.journal.last(AGE):
        buttons.append(Button(lines.label("change_age"), payload("scan", "ages")))
    return Outcome((Say(lines.id("open"), lines.bubbles("open"), tuple(buttons)),))


def locked(moment: Moment) -> bool:
    """Whether report words are closed: a red flag stands open, or a serious word was shown within the last day."""
    last = moment.journal.last(LOCK)
    recent = last is not None and last.at is not None and _hours(moment, last) < LOCKED_HOURS
    return moment.open_flag or recent


def press(moment: Moment, verb: str, args: list[str]) -> Outcome | None:
    """Its buttons. None, which opens the first page, for one that no longer fits our words."""
    if verb == "check":
        return Outcome(then=CHECK)
    if locked(moment):
        return _still_locked(moment)
    if verb in ("pick", "paste"):
        return _with_worry(moment, verb) or _way_in(verb)
    if verb == "ages":
        return Outcome((_ask_age(),))
    found = _PRESSED.get(verb)
    try:
        return found(moment, args) if found else None
    except (KeyError, ValueError, IndexError):
        return None


def looks_pasted(text: str) -> bool:
    """Whether a text is a report rather than a message: long, and full of report words."""
    report = read(text)
    return len(text.split()) >= PASTED_WORDS and (len(report.words) > 1 or report.serious is not None)


def words(moment: Moment, about: str, text: str) -> Outcome | None:
    """The words of a report. None for a question or a remark that names none of them."""
    lines = load_lines("scan")
    if about != "report":
        return None
    if locked(moment):
        return _still_locked(moment)
    if not text.strip():
        return Outcome((Say(lines.id("no_words_yet"), lines.bubbles("no_words_yet"), _ways_in(lines)),))
    report = read(text)
    if report.serious is not None:
        return _lock(report.serious)
    asking = text.strip().endswith("?") or len(text.split()) < FEWEST_WORDS
    if not report.words and not report.absent:
        if asking:
            return None
        return Outcome((Say(lines.id("nothing_known"), lines.bubbles("nothing_known"), _ways_in(lines)),))
    first: list[Say] = []
    if report.absent:
        named = ", ".join(f'"{phrase}"' for phrase in report.absent)
        texts = lines.bubbles("absent", words=named)
        if not report.words:
            return Outcome((Say(lines.id("absent"), (*texts, *lines.bubbles("absent_only")), _ways_in(lines)),))
        first.append(Say(lines.id("absent"), texts))
    chosen = report.words[:MOST_WORDS]
    if len(report.words) > MOST_WORDS:
        first.append(Say(lines.id("more_words"), lines.bubbles("more_words", number=MOST_WORDS)))
    region = report.regions[0] if len(report.regions) == 1 else ""
    outcome = _go_on(moment, region, 0, chosen)
    return Outcome((*first, *outcome.says), outcome.notes)


def filled(moment: Moment, form: str, answers: Mapping[str, Any]) -> Outcome:
    """The worry, before and after. Nothing is made of the number; it is the person's."""
    lines, number = load_lines("scan"), answers.get("worry")
    name = form.removeprefix(form_id("scan", ""))
    if name.startswith(BEFORE):
        note = (Entry(WORRY, BEFORE, number),)
        if locked(moment):
            return Outcome(_still_locked(moment).says, note)
        return Outcome(_way_in(name.removeprefix(f"{BEFORE}_")).says, note)
    key = "worry_skipped" if number is None else "worry_noted"
    buttons = (_person(lines), Button(lines.label("again"), payload("scan")))
    return Outcome((Say(lines.id(key), lines.bubbles(key), buttons),), (Entry(WORRY, AFTER, number),))


def kept_questions(moment: Moment) -> list[str]:
    """The questions that were kept for the visit, the newest reading's first, each once."""
    found = [one for entry in reversed(list(moment.journal.of(QUESTIONS))) for one in entry.value or ()]
    return list(dict.fromkeys(found))


def _way_in(how: str) -> Outcome:
    lines, library = load_lines("scan"), load_library()
    if how == "paste":
        pick = Button(lines.label("pick"), payload("scan", "list", 0, NOWHERE))
        buttons = (pick, Button(lines.label("skip"), payload("scan")))
        return Outcome((Say(lines.id("paste"), lines.bubbles("paste"), buttons, awaits="scan:report"),))
    places = _region_buttons(library, "list", 0)
    return Outcome((Say(lines.id("regions"), lines.bubbles("regions"), places),))


def _region_buttons(library: Library, verb: str, *args: object, chosen: Sequence[str] = ()) -> tuple[Button, ...]:
    named = [region for region in library.regions if region != "other"]
    titles = {region: cards.region_name(region, library).capitalize() for region in named}
    titles["other"] = load_lines("scan").label("not_sure")
    return tuple(Button(title, payload("scan", verb, *args, region, *chosen)) for region, title in titles.items())


def _list(moment: Moment, args: list[str]) -> Outcome | None:
    """A page of the words of a region, the most asked first, those for a clinician last."""
    page, region, *chosen = int(args[0]), args[1], *args[2:]
    library, lines = load_library(), load_lines("scan")
    if region == NOWHERE:
        return _way_in("pick")
    chosen = _known(chosen)
    offered = [key for key in _of_region(region, library) if key not in chosen]
    shown = offered[page * A_PAGE : (page + 1) * A_PAGE]
    if not shown:
        return None
    kept = tuple(chosen)[-(MOST_WORDS - 1) :]
    buttons = [
        Button(library.words[key].button, payload("scan", "word", len(kept), region, *kept, key)) for key in shown
    ]
    if len(offered) > (page + 1) * A_PAGE:
        buttons.append(Button(lines.label("more"), payload("scan", "list", page + 1, region, *kept)))
    if kept:
        buttons.append(Button(lines.label("enough"), payload("scan", "end", region, *kept)))
    key = "list_other" if region == "other" else "list"
    texts = lines.bubbles(key, region=cards.region_name(region, library))
    return Outcome((Say(lines.id(key), texts, tuple(buttons)),))


def _of_region(region: str, library: Library) -> list[str]:
    first = list(library.card.headlines.get(region, ()))
    order = {EXPLAIN: 0, URGENT: 2}
    found = [key for key, word in library.words.items() if region in word.regions and key not in first]
    # General words ("clinical correlation") stand behind those of the region itself.
    found.sort(key=lambda key: (order.get(library.words[key].handling, 1), len(library.words[key].regions) > 8))
    return [key for key in first if key in library.words] + found


def _word(moment: Moment, args: list[str]) -> Outcome | None:
    at, region, *chosen = int(args[0]), args[1], *args[2:]
    if _known(chosen) != chosen or not 0 <= at < len(chosen):
        return None
    return _go_on(moment, "" if region == NOWHERE else region, at, chosen)


def _age(moment: Moment, args: list[str]) -> Outcome | None:
    band, *rest = args
    if band not in (*load_library().card.ages, cards.REFUSED):
        return None
    note = Entry(AGE, value=band)
    if not rest:
        lines = load_lines("scan")
        return Outcome((Say(lines.id("age_changed"), lines.bubbles("age_changed"), _ways_in(lines)),), (note,))
    outcome = _word(replace(moment, journal=moment.journal.with_((note,), moment.now)), rest)
    return Outcome(outcome.says, (note, *outcome.notes)) if outcome else None


def _go_on(moment: Moment, region: str, at: int, chosen: Sequence[str]) -> Outcome:
    """The next word, or first what is still to be asked for it: the region, then the age, each once."""
    found = next((grave for key in chosen if (grave := serious_key(key))), None)
    if found is not None:
        return _lock(found)
    library, lines = load_library(), load_lines("scan")
    age = _known_age(moment)
    specs = [_spec(key, region, age, library) for key in chosen]
    asked = {cards.asks_for(library.words[key], spec, library) for key, spec in zip(chosen, specs, strict=True)}
    if cards.ASK_REGION in asked and not region:
        buttons = _region_buttons(library, "word", at, chosen=chosen)
        return Outcome((Say(lines.id("which_region"), lines.bubbles("which_region"), buttons),))
    if cards.ASK_AGE in asked and age is None:
        return Outcome((_ask_age(at, region or NOWHERE, *chosen),))
    return Outcome((_card(region or NOWHERE, at, chosen, age, library),))


def _ask_age(*rest: object) -> Say:
    lines, ages = load_lines("scan"), load_library().card.ages
    titles = {**ages, cards.REFUSED: lines.label("skip")}
    buttons = tuple(Button(title, payload("scan", "age", band, *rest)) for band, title in titles.items())
    return Say(lines.id("ask_age"), lines.bubbles("ask_age"), buttons)


def _card(region: str, at: int, chosen: Sequence[str], age: int | str | None, library: Library) -> Say:
    """One word: what reports mean by it, its one figure, and what that cannot tell. The curated card, but for its
    greeting."""
    lines, key = load_lines("scan"), chosen[at]
    made = render(_spec(key, region, age, library, settled=True), library)
    about = made["metadata"]
    more: dict[str, Any] = {"review": about["review"], "version": about["version"]}
    if about.get("picture"):
        more["picture"] = picture(about["picture"]["cell"])
    lead = lines.bubbles("word" if len(chosen) > 1 else "word_alone", number=at + 1, all=len(chosen))
    buttons = _card_buttons(region, at, chosen, why=bool(library.words[key].sources))
    return Say(lines.id(f"word/{key}"), (*lead, *bubbles(made["text"])[1:]), buttons, more=more)


def _card_buttons(region: str, at: int, chosen: Sequence[str], why: bool) -> tuple[Button, ...]:
    lines, last = load_lines("scan"), at + 1 >= len(chosen)
    on = payload("scan", "list", 0, region, *chosen) if last else payload("scan", "word", at + 1, region, *chosen)
    reasons = [Button(lines.label("why"), payload("scan", "why", at, region, *chosen))] if why else []
    return (
        Button(lines.label("another" if last else "next"), on),
        *reasons,
        Button(lines.label("enough"), payload("scan", "end", region, *chosen[: at + 1])),
    )


def _why(moment: Moment, args: list[str]) -> Outcome | None:
    at, region, *chosen = int(args[0]), args[1], *args[2:]
    if _known(chosen) != chosen or not 0 <= at < len(chosen) or serious_key(chosen[at]):
        return None
    library, key = load_library(), chosen[at]
    spec = _spec(key, region, _known_age(moment), library, settled=True)
    made = render({**spec, "part": cards.WHY}, library)
    more = {"review": made["metadata"]["review"], "version": made["metadata"]["version"]}
    buttons = _card_buttons(region, at, chosen, why=False)
    return Outcome((Say(load_lines("scan").id(f"why/{key}"), bubbles(made["text"]), buttons, more=more),))


def _spec(key: str, region: str, age: int | str | None, library: Library, settled: bool = False) -> dict[str, Any]:
    """What to render. `settled`: the region was asked for, so that one who did not say gets no region's figure."""
    word = library.words[key]
    if region in word.regions:
        place = region
    elif len(word.regions) == 1 or word.region_fixed:
        place = word.regions[0]
    else:
        place = "other" if settled or region not in ("", NOWHERE) else ""
    return {"reply": "card", "word": key, "region": place, "age": age}


def _known_age(moment: Moment) -> int | str | None:
    """In years, ``refused``, or None where nobody has asked yet."""
    last = moment.journal.last(AGE)
    told = str(last.value) if last else moment.facts.get("age", "")
    return int(told) if told.isdecimal() else told if told == cards.REFUSED else None


def _end(moment: Moment, args: list[str]) -> Outcome | None:
    region, *chosen = args
    lines = load_lines("scan")
    listed = "\n".join(f"- {one}" for one in _questions(_known(chosen)))
    buttons = (
        Button(lines.label("keep"), payload("scan", "keep", *chosen)),
        Button(lines.label("no_thanks"), payload("scan", "done")),
        Button(lines.label("again"), payload("scan", "list", 0, region)),
    )
    return Outcome((Say(lines.id("questions"), lines.bubbles("questions", questions=listed), buttons),))


def _questions(chosen: Sequence[str]) -> list[str]:
    """Three to bring: of the words that were looked at, and a general one at least."""
    library = load_library()
    own = [library.words[key].bring for key in chosen if library.words[key].bring]
    general: dict[str, str] = load_lines("scan").rest["questions"]
    return list(dict.fromkeys([*own[: QUESTIONS_SHOWN - 1], *general.values()]))[:QUESTIONS_SHOWN]


def _keep(moment: Moment, args: list[str]) -> Outcome | None:
    return _close(moment, "kept", (Entry(QUESTIONS, value=_questions(_known(args))),))


def _done(moment: Moment, args: list[str]) -> Outcome | None:
    return _close(moment, "not_kept", ())


def _close(moment: Moment, key: str, notes: tuple[Entry, ...]) -> Outcome:
    """The last word, and the worry once more where a number was given before this reading."""
    lines = load_lines("scan")
    before = next((one for one in reversed(moment.journal.entries) if one.kind == WORRY), None)
    rated = before is not None and before.key == BEFORE and before.value is not None
    says = [Say(lines.id(key), lines.bubbles(key), (Button(lines.label("again"), payload("scan")),))]
    if rated and before is not None and _hours(moment, before) < WORRY_HOURS:
        says.append(_worry(AFTER, "worry_after"))
    return Outcome(tuple(says), notes)


def _with_worry(moment: Moment, how: str) -> Outcome | None:
    """The worry beforehand, unless it was asked for this reading already."""
    last = moment.journal.last(WORRY, BEFORE)
    if last is not None and _hours(moment, last) < WORRY_HOURS:
        return None
    return Outcome((_worry(f"{BEFORE}_{how}", "worry_before"),))


def _worry(name: str, key: str) -> Say:
    lines = load_lines("scan")
    item = Item("worry", SCALE, lines.label("worry_item"), lines.label("worry_low"), lines.label("worry_high"))
    form = form_id("scan", name)
    more = {"skipped": lines.label("skipped")}
    return questionnaire(lines.id(key), form, lines.label("worry_title"), lines.bubbles(key), [item.as_dict()], **more)


def _lock(found: Serious) -> Outcome:
    """The first lock: the group of the word is noted, and nothing else is said."""
    lines = load_lines("scan")
    if found.group == UNREAD:
        key, texts = "locked_unread", lines.bubbles("locked_unread")
    else:
        key = f"locked_{found.when}"
        texts = lines.bubbles(key, about=lines.label(f"about_{found.group}"))
    return Outcome((_locked_say(lines, key, texts),), (Entry(LOCK, found.group, found.when),))


def _still_locked(moment: Moment) -> Outcome:
    lines, key = load_lines("scan"), "locked_flag" if moment.open_flag else "locked_again"
    return Outcome((_locked_say(lines, key, lines.bubbles(key)),))


def _locked_say(lines: Lines, key: str, texts: tuple[str, ...]) -> Say:
    return Say(lines.id(key), texts, (Button(lines.label("check"), payload("scan", "check")), _person(lines)))


def _person(lines: Lines) -> Button:
    return Button(lines.label("person"), ASK_PERSON)


def _ways_in(lines: Lines) -> tuple[Button, ...]:
    return tuple(Button(lines.label(way), payload("scan", way)) for way in ("pick", "paste"))


def _known(chosen: Sequence[str]) -> list[str]:
    there = load_library().words
    return [key for key in chosen if key in there]


def _hours(moment: Moment, entry: Entry) -> float:
    return (moment.now - entry.at).total_seconds() / 3600 if entry.at else 0.0


_PRESSED = {"list": _list, "word": _word, "age": _age, "why": _why, "end": _end, "keep": _keep, "done": _done}
