"""The card that explains one word of a scan report: its meaning, its figure for this age, and what that cannot tell.

Pure: from a spec (``{"reply": "card", "word", "region", "age", "part", "opening"}``) and the library to a reply.
Rules of the figures: age-matched, as a natural frequency, one a message, only of people without pain, only from the
table, never for a word that must be checked, and always with what it cannot tell.
"""

from __future__ import annotations

import json
from typing import Any

from bot.content import figures
from bot.content.figures import Cell, Region
from bot.content.files import bubbles, fill
from bot.content.library import Library, review_line, why_lines
from bot.content.report_words import CLINICIAN, EXPLAIN, URGENT, ReportWord

PREFIX = "finding/"
REGION_PREFIX = "region/"
MAIN, MORE, WHY, OUTLOOK, SERIOUS = "main", "more", "why", "outlook", "serious"
ASK_AGE, ASK_REGION, REGION = "ask_age", "ask_region", "region"
REFUSED = "refused"
PLAIN, FLARE = "plain", "flare"
# The template for a word that says that nothing was found: there is no finding that may be part of the pain.
CLEAR = "clear"
# Brinjikji 2015 (AJNR 36:2394): findings in people with and without back pain, adults of 50 or younger.
OLDEST_COUNTED = 50


def key_of(label: str) -> str:
    return label.removeprefix(PREFIX)


def card(spec: dict[str, Any], library: Library) -> dict[str, Any]:
    """The reply for a word of a report, or for a region where no word is named."""
    part = spec.get("part", MAIN)
    if part == REGION:
        return _region_card(spec, library)
    word = library.words[spec["word"]]
    texts = _PARTS[part](word, spec, library)
    suffix = "" if part == MAIN else f"#{part}"
    about: dict[str, Any] = {
        "answer_id": f"{word.id}{suffix}",
        "version": word.version,
        "review": word.review,
    }
    cell = cell_of(word, spec, library)
    if part == MAIN and cell is not None and not cell.percent_to:
        about["picture"] = {"kind": "dots", "cell": cell_reference(word, spec, cell)}
    if part == MAIN:
        about["forms"] = {form: list(bubbles(_short(form, word, spec, library))) for form in (PLAIN, FLARE)}
    if word.handling == URGENT and part != WHY:
        about["check_first"] = True
    return {"text": "\n\n".join(texts), "buttons": _buttons(word, part, spec, library), "metadata": about}


def asks_for(word: ReportWord, spec: dict[str, Any], library: Library) -> str:
    """Which part to show: what is still to be asked (the region, then the age), else the card itself."""
    region = spec.get("region")
    if not region and word.handling == EXPLAIN and len(word.regions) > 1 and not word.region_fixed and word.figures:
        return ASK_REGION
    row = _row(word, region or word.regions[0], library)
    if row is not None and spec.get("age") is None and figures.ages(row):
        return ASK_AGE
    return MAIN


def word_button(key: str, library: Library) -> dict[str, str]:
    """A button that asks for a word's card."""
    title = fill(library.card.labels["finding"], {"button": library.words[key].button})
    return {"title": title, "payload": f"/finding{json.dumps({'finding': key})}"}


def people(cell: Cell) -> str:
    """Who a figure is about: ``people around age 50 with no back pain``."""
    if cell.around is None:
        return cell.who
    return cell.who.replace("people", f"people around age {cell.around}", 1)


def share(cell: Cell) -> str:
    """A figure as it is said: ``about 6 in 10``, ``about 2 in 100``, ``about 4 to 7 in 10``, ``more than 9 in 10``."""
    if cell.percent_to:
        return f"about {cell.tenths} to {int(cell.percent_to / 10 + 0.5)} in 10"
    if cell.percent < figures.FEWEST_IN_TEN:
        return f"about {max(1, cell.dots)} in 100"
    if cell.tenths >= 10:
        return "more than 9 in 10"
    return f"about {cell.tenths} in 10"


def cell_of(word: ReportWord, spec: dict[str, Any], library: Library) -> Cell | None:
    """The cell that the card quotes; None where it quotes none."""
    row = _row(word, spec.get("region") or word.regions[0], library)
    age = spec.get("age")
    if row is None or word.handling == URGENT:
        return None
    return figures.cell_for(row, age if isinstance(age, int) else None)


def cell_reference(word: ReportWord, spec: dict[str, Any], cell: Cell) -> str:
    """The cell's name: ``lower_back/disc_bulge@50``."""
    region = spec.get("region") or word.regions[0]
    return f"{region}/{word.figures[region]}@{cell.key}"


def _row(word: ReportWord, region: str, library: Library) -> figures.Row | None:
    place = library.regions.get(region)
    return place.rows.get(word.figures.get(region, "")) if place else None


def _main(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    texts = library.card.texts
    opening = library.card.openings[word.handling][spec.get("opening", 0)]
    meaning = _meaning(word, library)
    if word.handling == URGENT:
        return [opening, f"{meaning} {texts['urgent']}", texts["urgent_now"]]
    if word.handling == CLINICIAN:
        return [opening, f"{meaning} {texts['theirs']}", _what_now(word, spec, library)]
    return [opening, f"{meaning} {_figure(word, spec, library)}", _what_now(word, spec, library)]


def _meaning(word: ReportWord, library: Library) -> str:
    return fill(library.card.texts["meaning"], {"title": _titled(word.title), "meaning": word.meaning})


def _figure(word: ReportWord, spec: dict[str, Any], library: Library) -> str:
    texts, region = library.card.texts, spec.get("region") or word.regions[0]
    row = _row(word, region, library)
    if row is None:
        return word.no_figure or texts["no_figure_region" if word.figures else "no_figure"]
    cell = cell_of(word, spec, library)
    if cell is not None:
        if cell.around is None:
            return fill(texts["figure_group"], {"share": share(cell), "who": cell.who})
        return fill(texts["figure"], {"share": _titled(share(cell)), "who": people(cell)})
    by_age = figures.ages(row)
    if isinstance(spec.get("age"), int) or not by_age:
        return texts["no_figure_age"]
    low, high = by_age[0], by_age[-1]
    values = {
        "low_share": _titled(share(low)),
        "low_who": people(low),
        "high_share": share(high),
        "high_age": str(high.around),
    }
    return fill(texts["figure_range"], values)


def _what_now(word: ReportWord, spec: dict[str, Any], library: Library) -> str:
    """What weighs on the other side, when a check or a scan is right, and one thing to do."""
    card_words = library.card
    place = library.regions.get(spec.get("region") or word.regions[0])
    parts = [] if word.handling == CLINICIAN or word.no_figure else [_counterweight(word, spec, library)]
    parts.append(card_words.checks[word.check] if word.check else _when_scan(place, library))
    if word.bring:
        parts.append(fill(card_words.texts["bring"], {"bring": word.bring}))
    return " ".join(parts)


def _short(form: str, word: ReportWord, spec: dict[str, Any], library: Library) -> str:
    """The card in few and simple words, without a figure: what the word means (a flare leaves that out) and the sign
    that needs a check."""
    texts, checks, key = library.card.texts, library.card.checks, key_of(word.id)
    region = spec.get("region") or word.regions[0]
    kind = CLEAR if word.no_figure else word.handling
    by_form = (f"{FLARE}/{key}", f"{FLARE}/{word.handling}") if form == FLARE else ()
    wanted = (*by_form, f"short/{word.handling}", f"short/{word.check}", f"short/{region}", "short/any")
    check = next(checks[name] for name in wanted if name in checks)
    return fill(texts[f"{form}_{kind}"], {"title": word.title, "meaning": word.meaning, "check": check})


def _counterweight(word: ReportWord, spec: dict[str, Any], library: Library) -> str:
    """That findings can matter. "More often in people with pain" was counted in lower backs up to age 50 only."""
    age, region = spec.get("age"), spec.get("region") or word.regions[0]
    counted = region == "lower_back" and isinstance(age, int) and age <= OLDEST_COUNTED
    return library.card.counterweight[word.counterweight if counted else "not_collected"]


def _when_scan(place: Region | None, library: Library) -> str:
    return place.when_scan if place else library.card.texts["when_scan"]


def _ask_age(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    opening = library.card.openings[word.handling][spec.get("opening", 0)]
    return [opening, _meaning(word, library), library.card.texts["ask_age"]]


def _ask_region(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    opening = library.card.openings[word.handling][spec.get("opening", 0)]
    return [opening, _meaning(word, library), library.card.texts["ask_region"]]


def _outlook(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    if word.handling == URGENT:
        return [library.card.texts["urgent"], library.card.texts["urgent_now"]]
    return [
        word.outlook or fill(library.card.texts["no_outlook"], {"title": word.title}),
        _what_now(word, spec, library),
    ]


def _serious(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    if word.handling == URGENT:
        return [library.card.texts["urgent"], library.card.texts["urgent_now"]]
    place = library.regions.get(spec.get("region") or word.regions[0])
    check = library.card.checks[word.check] if word.check else _when_scan(place, library)
    texts = [fill(library.card.texts["serious"], {"check": check})]
    return [*texts, fill(library.card.texts["bring"], {"bring": word.bring})] if word.bring else texts


def _more(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    if word.handling == URGENT:
        return [library.card.texts["more"], library.card.texts["urgent"]]
    return [library.card.texts["more"], *([word.outlook] if word.outlook else [])]


def _why(word: ReportWord, spec: dict[str, Any], library: Library) -> list[str]:
    row = _row(word, spec.get("region") or word.regions[0], library)
    quoted = row is not None and word.handling == EXPLAIN
    first = library.card.texts["why_figure" if quoted else "why_word"]
    keys = dict.fromkeys([*([row.source] if row is not None and quoted else []), *word.sources])
    sure = f"{library.card.certainty[word.certainty]} {review_line(spec, library)}"
    return why_lines(first, tuple(keys), library, sure)


_PARTS = {
    MAIN: _main, MORE: _more, WHY: _why, OUTLOOK: _outlook, SERIOUS: _serious,
    ASK_AGE: _ask_age, ASK_REGION: _ask_region,
}  # fmt: skip


def _region_card(spec: dict[str, Any], library: Library) -> dict[str, Any]:
    """Scans of a part of the body where no word of a report was named: its best figure, and the words to ask about."""
    region_id = spec["region"]
    place, texts = library.regions.get(region_id), library.card.texts
    keys = [key for key in library.card.headlines.get(region_id, ()) if key in library.words]
    cell, title, reference = None, "", ""
    for key in keys:
        word = library.words[key]
        cell = cell_of(word, spec, library)
        if cell is not None:
            title, reference = word.title, cell_reference(word, spec, cell)
            break
    when = _when_scan(place, library)
    if cell is not None:
        values = {"share": _titled(share(cell)), "who": people(cell), "title": title, "when_scan": when}
        second = fill(texts["region_figure"], values)
    else:
        second = fill(texts["region_none"], {"when_scan": when})
    first = fill(texts["region"], {"region_name": region_name(region_id, library)})
    about: dict[str, Any] = {
        "answer_id": f"{REGION_PREFIX}{region_id}",
        "version": library.card.version,
        "review": library.card.review,
    }
    if cell is not None and not cell.percent_to:
        about["picture"] = {"kind": "dots", "cell": reference}
    return {"text": f"{first}\n\n{second}", "buttons": [word_button(key, library) for key in keys], "metadata": about}


def region_name(region: str, library: Library) -> str:
    """A part of the body as it stands in a sentence."""
    place = library.regions.get(region)
    return place.name if place else region.replace("_", " ")


def _buttons(word: ReportWord, part: str, spec: dict[str, Any], library: Library) -> list[dict[str, str]]:
    key = key_of(word.id)
    labels, card_words = library.wording.labels, library.card
    if part == ASK_AGE:
        options = [(title, {"age": age}) for age, title in card_words.ages.items()]
        options.append((card_words.labels["no_age"], {"age": REFUSED}))
        return [{"title": title, "payload": f"/tell_age{json.dumps(value)}"} for title, value in options]
    if part == ASK_REGION:
        return [
            {"title": _titled(region_name(r, library)), "payload": f"/tell_region{json.dumps({'body_part': r})}"}
            for r in word.regions
        ]
    concerns = json.dumps({"answer": word.id})
    buttons = []
    if word.handling != EXPLAIN:
        buttons.append({"title": labels["talk_to_person"], "payload": "/talk_to_person"})
    if part != WHY:
        buttons.append({"title": labels["why"], "payload": f"/why{concerns}"})
    if part == MAIN:
        buttons.append({"title": labels["tell_more"], "payload": f"/tell_more{concerns}"})
    following = ("scans/shows_damage", "scans/when_needed") if key != "nothing_found" else ("scans/clear_scan",)
    following = ("care/when_to_get_help",) if word.handling == URGENT else following
    return [
        *buttons,
        *({"title": library.answers[n].title, "payload": f"/{n}"} for n in following if n in library.answers),
    ]


def _titled(text: str) -> str:
    return text[:1].upper() + text[1:]
