"""The page's wording in its languages: what the check finds, the languages there are, and the made-up one for tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.content import load_clinics, load_wording
from bot.content.checks.interface import MOST_BYTES, languages
from bot.content.files import DATA, ContentError
from bot.content.interface import Argument, arguments, load_languages
from tests.support.pseudo_locale import bracketed, pseudo_locale
from tests.support.small_content import change, small_content

WORDING = load_wording()
PLURAL = "{n, plural, one {# day} other {# days}}"
SPANISH = "{n, plural, one {# día} many {# de días} other {# días}}"
ARABIC = "{n, plural, zero {} one {} two {} few {#} many {#} other {#}}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made = small_content(tmp_path)
    for tag, text in (("en", PLURAL), ("es", SPANISH), ("ar", ARABIC)):
        change(made / "interface" / f"{tag}.yml", lambda file, text=text: file.update(days=text, hello="Hello {name}"))
    return made


def faults(data: Path) -> str:
    return "\n".join(map(str, languages(data)))


def test_the_languages_are_faultless() -> None:
    assert {"en", "es", "ar"} <= set(WORDING.interfaces)
    assert list(languages(DATA)) == []


def test_small_languages_are_faultless(data: Path) -> None:
    assert faults(data) == ""


@pytest.mark.parametrize(
    ("tag", "edit", "what"),
    [
        ("es", lambda f: f.pop("send"), "data/interface/es.yml: send: is missing -> translate it"),
        ("es", lambda f: f.update(more="Más"), "more: is not in data/interface/en.yml"),
        ("en", lambda f: f.update(more="More"), "data/interface/ar.yml: more: is missing"),
        ("es", lambda f: f.update(send="Envíe!"), "send: shouts"),
        ("es", lambda f: f.update(send="¡Envíe"), "send: shouts"),
        ("es", lambda f: f.update(send=" "), "send: is empty"),
        ("es", lambda f: f.update(hello="Hola {name"), "hello: cannot be read"),
        ("es", lambda f: f.update(hello="Hola {name, number}"), "hello: cannot be read: the page knows no number"),
        ("es", lambda f: f.update(days=SPANISH.replace("plural,", "plural, offset:1")), "the page knows no offset"),
        ("es", lambda f: f.update(hello="Hola"), "hello: has no argument, the English {name} -> use the same"),
        ("es", lambda f: f.update(hello="Hola {nombre}"), "hello: has {nombre}, the English {name}"),
        ("es", lambda f: f.update(days="{n} días"), "days: has {n}, the English {n, plural}"),
        ("es", lambda f: f.update(days=PLURAL), "days: {n, plural} lacks many"),
        ("ar", lambda f: f.update(days=PLURAL), "days: {n, plural} lacks zero, two, few, many"),
        ("es", lambda f: f.update(days=ARABIC), "days: {n, plural} has few, two, zero"),
        ("en", lambda f: f.update(days="{n, plural, other {#}}"), "data/interface/en.yml: days: {n, plural} lacks one"),
        ("es", lambda f: f.update(dir="rtl"), "dir: 'rtl' is not how it is written -> write \"ltr\""),
        ("ar", lambda f: f.update(dir="ltr"), "dir: 'ltr' is not how it is written"),
        ("es", lambda f: f.pop("dir"), "dir: None is not how it is written"),
        ("es", lambda f: f.update(lang="pt"), "lang: 'pt' is not the language of this file"),
        ("es", lambda f: f.update(name=""), "name: no name"),
        ("es", lambda f: f.update(answers_language=""), "answers_language: says that answers are in English"),
        ("en", lambda f: f.update(answers_language="x"), "answers_language: says that answers are in English"),
    ],
)  # fmt: skip
def test_a_fault_of_a_language(data: Path, tag: str, edit: Callable[[dict[str, Any]], object], what: str) -> None:
    change(data / "interface" / f"{tag}.yml", edit)
    assert what in faults(data)


def test_a_choice_has_the_same_cases_in_every_language(data: Path) -> None:
    change(data / "interface" / "en.yml", lambda f: f.update(hello="{name, select, a {A} other {B}}"))
    for tag in ("es", "ar"):
        change(data / "interface" / f"{tag}.yml", lambda f: f.update(hello="{name, select, b {A} other {B}}"))
    assert "hello: has {name, select}, the English {name, select}" in faults(data)


def test_a_language_that_is_too_large_to_come_with_the_page(data: Path) -> None:
    many = " ".join(str(number * 7919) for number in range(4000))
    change(data / "interface" / "es.yml", lambda f: f.update(send=many))
    assert f"{MOST_BYTES} at most" in faults(data)


def test_a_language_without_plurals(data: Path) -> None:
    (data / "interface" / "es.yml").rename(data / "interface" / "fr.yml")
    found = faults(data)
    assert "data/interface/fr.yml: lang: the language has no plurals in data/languages.yml" in found
    assert "data/clinics/demo.yml: languages: there is no interface in es" in found


@pytest.mark.parametrize(
    ("tag", "text", "what"),
    [
        ("xx", "Call {emergency_number}.", "safety_cards.xx: is not in data/languages.yml"),
        ("fr", "Appelez.", "safety_cards.fr: has no {emergency_number}"),
        ("fr", "Appelez le {emergency_number} ou {emergency}.", "safety_cards.fr: {emergency} stands in it"),
        ("fr", "Appelez le {emergency_number} !", "safety_cards.fr: ! stands in it"),
    ],
)
def test_a_fault_of_a_safety_card(data: Path, tag: str, text: str, what: str) -> None:
    card = {"text": text, "review": {"state": "pending"}}
    change(data / "clinics" / "demo.yml", lambda f: f["safety_cards"].update({tag: card}))
    assert what in faults(data)


def test_languages_need_a_name_and_a_script(data: Path) -> None:
    change(data / "languages.yml", lambda f: f["es"].pop("script"))
    with pytest.raises(ContentError, match=r"languages\.yml: es: needs name and script"):
        load_languages(data)


@pytest.mark.parametrize("clinic", ["demo", "portal"])
@pytest.mark.parametrize("tag", ["es", "ar"])
def test_the_sample_cards_are_short_and_hold_the_numbers(clinic: str, tag: str) -> None:
    clinics = load_clinics()
    card = clinics[clinic].safety_cards[tag]
    text = " ".join(card.bubbles)
    assert card.review == "pending"
    assert 40 <= len(text.split()) <= 95  # with the numbers filled in
    for number in ("emergency_number", "urgent_line", "crisis_line"):
        assert clinics[clinic].numbers[number] in text


def test_numbers_keep_their_order_in_a_card_from_right_to_left() -> None:
    cards = load_clinics()["demo"].safety_cards
    assert "\u2068Samaritans on 116 123\u2069" in " ".join(cards["ar"].bubbles)
    assert "\u2068" not in " ".join(cards["es"].bubbles)


def test_the_gaps_of_a_message() -> None:
    assert arguments("It''s '{here}'") == []
    assert arguments("{who}, {n, plural, one {{who} #} other {#}}") == [
        Argument("who"), Argument("n", "plural", ("one", "other")), Argument("who"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="position"):
        arguments("{who")


# The language for tests


@pytest.mark.parametrize("key", WORDING.interface)
def test_the_made_up_language_keeps_the_gaps(key: str) -> None:
    english, made = WORDING.interface[key], pseudo_locale(WORDING.interface)[key]
    assert [(one.name, one.kind, one.cases) for one in arguments(made)] == [
        (one.name, one.kind, one.cases) for one in arguments(english)
    ]


def test_the_made_up_language_is_longer_and_has_no_english_in_it() -> None:
    made = pseudo_locale(WORDING.interface)
    assert (made["lang"], made["dir"], made["answers_language"]) == ("en-XA", "ltr", "")
    assert made["send_button"] == "⟦Šéñð ··⟧"
    for key in set(made) - {"lang", "dir", "answers_language"}:
        words = re.sub(r"\{\s*\w+\s*(?:\}|,)|\b(?:plural|select|zero|one|two|few|many|other)\b", "", made[key])
        assert not re.search(r"[A-Za-z]", words), key
        plain = re.sub(r"\{.*\}", "", WORDING.interface[key])
        assert len(made[key]) >= 1.4 * len(plain)


def test_words_of_the_syntax_are_wording_elsewhere() -> None:
    assert bracketed("one {n, plural, one {one #} other {{who}'s other}} 'x' '{x}'") == (
        "⟦öñé {n, plural, one {öñé #} other {{who}'š öţĥéŕ}} 'ẋ' '{x}' ·········⟧"
    )
