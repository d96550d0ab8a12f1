"""The page's wording in its languages: all of it in each, well formed, with the same gaps, and small enough to send."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.content.checks.fault import Fault
from bot.content.clinics import load_clinics
from bot.content.interface import PLURAL, SELECT, Argument, arguments, load_languages
from bot.content.wording import ENGLISH, load_wording

# Of the JSON of one language, gzipped, in bytes: it comes with the page, before anything else can be shown.
MOST_BYTES = 6 * 1024
# Besides wording: how the page sets the language.
ABOUT = ("lang", "dir", "name", "answers_language")
_EXACT = re.compile(r"=\d+")


def languages(data: Path) -> Iterator[Fault]:
    """All faults of ``data/interface``, and of what the clinics say about languages."""
    known = load_languages(data)
    interfaces = load_wording(data).interfaces
    for tag, texts in interfaces.items():
        file = f"data/interface/{tag}.yml"
        if tag not in known or "plurals" not in known[tag]:
            mend = f"write `{tag}: {{name: …, script: …, plurals: […]}}` there"
            yield Fault(file, "lang", "the language has no plurals in data/languages.yml", mend)
            continue
        yield from _about(file, tag, texts, known[tag])
        yield from _keys(file, texts, interfaces[ENGLISH])
        for key, text in texts.items():
            yield from _message(file, key, text, interfaces[ENGLISH].get(key), known[tag]["plurals"])
        size = len(gzip.compress(json.dumps(texts).encode(), 6))
        if size > MOST_BYTES:
            yield Fault(file, "size", f"{size} bytes gzipped; {MOST_BYTES} at most", "shorten the longest texts")
    yield from _clinics(data, interfaces, known)


def _about(file: str, tag: str, texts: Mapping[str, str], known: Mapping[str, Any]) -> Iterator[Fault]:
    if texts.get("lang", "").split("-")[0] != tag.split("-")[0]:
        yield Fault(file, "lang", f"{texts.get('lang')!r} is not the language of this file", f'write "{tag}"')
    direction = known.get("dir", "ltr")
    if texts.get("dir") != direction:
        yield Fault(file, "dir", f"{texts.get('dir')!r} is not how it is written", f'write "{direction}"')
    if not texts.get("name"):
        yield Fault(file, "name", "no name", "write what its speakers call the language")
    if bool(texts.get("answers_language")) == (tag == ENGLISH):
        yield Fault(file, "answers_language", "says that answers are in English, in every language but English")


def _keys(file: str, texts: Mapping[str, str], english: Mapping[str, str]) -> Iterator[Fault]:
    for key in english.keys() - texts.keys():
        yield Fault(file, key, "is missing", "translate it from data/interface/en.yml")
    for key in texts.keys() - english.keys():
        yield Fault(file, key, "is not in data/interface/en.yml", "take it out, or add it there")


def _message(file: str, key: str, text: str, english: str | None, plurals: list[str]) -> Iterator[Fault]:
    if re.search("[!¡！]", text):
        yield Fault(file, key, "shouts", "end it with a full stop")
    if not text.strip() and key not in ABOUT:
        yield Fault(file, key, "is empty")
    try:
        found = arguments(text)
    except ValueError as error:
        mend = "see data/interface/en.yml for how it is written; a brace that is meant as such is '{'"
        yield Fault(file, key, f"cannot be read: {error}", mend)
        return
    for one in found:
        if one.kind == PLURAL:
            yield from _plural(file, key, one, plurals)
    try:
        wanted = arguments(english) if english is not None else found
    except ValueError:
        return  # a fault of the English file
    if _gaps(found) != _gaps(wanted):
        yield Fault(file, key, f"has {_shown(found)}, the English {_shown(wanted)}", "use the same ones, the same way")


def _plural(file: str, key: str, one: Argument, plurals: list[str]) -> Iterator[Fault]:
    cases = {case for case in one.cases if not _EXACT.fullmatch(case)}
    if missing := [case for case in plurals if case not in cases]:
        yield Fault(
            file, key, f"{{{one.name}, plural}} lacks {', '.join(missing)}", "write each number of the language"
        )
    if unknown := sorted(cases - set(plurals)):
        mend = f"the language has {', '.join(plurals)}"
        yield Fault(file, key, f"{{{one.name}, plural}} has {', '.join(unknown)}", mend)


def _gaps(found: list[Argument]) -> set[tuple[str, str, tuple[str, ...]]]:
    """What must be the same in all languages: names and kinds, and the cases of a choice between words."""
    return {(one.name, one.kind, tuple(sorted(one.cases)) if one.kind == SELECT else ()) for one in found}


def _shown(found: list[Argument]) -> str:
    names = sorted({f"{{{one.name}, {one.kind}}}" if one.kind else f"{{{one.name}}}" for one in found})
    return " ".join(names) or "no argument"


def _clinics(data: Path, interfaces: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Fault]:
    for clinic in load_clinics(data).values():
        file = f"data/clinics/{clinic.id}.yml"
        for tag in clinic.languages:
            if tag not in interfaces:
                mend = f"write data/interface/{tag}.yml, or take it out"
                yield Fault(file, "languages", f"there is no interface in {tag}", mend)
        for tag, card in clinic.safety_cards.items():
            text = "\n".join(card.bubbles)
            if tag not in known:
                yield Fault(file, f"safety_cards.{tag}", "is not in data/languages.yml", "no message is told as such")
            if clinic.numbers["emergency_number"] not in text:
                yield Fault(file, f"safety_cards.{tag}", "has no {emergency_number}", "say when to call it")
            if found := re.search(r"\{\w*\}|[!¡！]", text):
                yield Fault(file, f"safety_cards.{tag}", f"{found[0]} stands in it", "see docs/languages.md")
