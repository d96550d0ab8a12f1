"""The wording: grade, length, numbers, tone, ids; a plain No and Yes; and what a slip in the data says."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot.safety import (
    answer_words,
    has_direct_question,
    is_plain_no,
    is_plain_yes,
    load_rules,
    question_for,
    screen,
    typed_answer,
    words_for,
)
from bot.safety.rules import DATA
from bot.safety.schema import PLACEHOLDERS

NUMBERS = {
    "emergency_number": "999",
    "urgent_line": "NHS 111",
    "crisis_line": "Samaritans on 116 123",
    "poison_line": "NHS 111",
    "abuse_line": "the helpline on 0808 2000 247",
    "clinic": "the clinic",
}
RULES = load_rules()
# Words that a reader needs and that the formula counts as hard; each is the plainest one there is.
NEEDED = (
    "emergency department",
    "automated guide",
    "cauda equina",
    "NHS 111",
    "Samaritans on 116 123",
    "the helpline on 0808 2000 247",
    "999",
)
BANNED = (
    "!",
    "you have a ",
    "it's nothing",
    "it is nothing",
    "safe to wait",
    "don't worry",
    "do not worry",
    "I understand how",
    "your clinician has been told",
    "in your head",
    "push through",
    "just relax",
    "%",
    " in 10",
    "risk of",
)
MOST_WORDS_IN_A_BUBBLE = 60


def _texts() -> Iterator[tuple[str, tuple[str, ...]]]:
    for category in RULES.categories:
        for tier in category.words:
            for helper in (False, True):
                made = words_for(category.id, tier, NUMBERS, helper)
                yield made.id, made.bubbles
        asked = question_for(category.id, NUMBERS)
        yield asked.id, (asked.lead, asked.question)
        if has_direct_question(category.id):
            direct = question_for(category.id, NUMBERS, direct=True)
            yield direct.id, (direct.lead, direct.question)
        for answer, _ in asked.answers:
            said = answer_words(category.id, answer, NUMBERS)
            if said is not None:
                yield said.id, said.bubbles
    for tier, wording in RULES.policy.words.items():
        yield f"common.{tier}", wording.bubbles
        yield f"common.{tier}.helper", wording.helper


TEXTS = dict(_texts())


def _syllables(word: str) -> int:
    word = re.sub(r"[^a-z]", "", word.lower())
    if len(word) <= 3:
        return 1
    word = re.sub(r"(?:es|ed)$", "", word) if not re.search(r"(?:[td]ed|[sxz]es|ches|shes|les)$", word) else word
    word = re.sub(r"(?<=[^l])e$", "", word)
    return max(1, len(re.findall(r"[aeiouy]+", word)))


def _grade(text: str) -> float:
    """Flesch-Kincaid grade, with the needed words counted as easy ones."""
    for words in (*NEEDED, *(f"{{{name}}}" for name in PLACEHOLDERS)):
        text = text.replace(words, "it")
    sentences = max(1, len(re.findall(r"[.?:]+(?:\s|$)", text)))
    words = re.findall(r"[A-Za-z']+", text)
    return 0.39 * len(words) / sentences + 11.8 * sum(map(_syllables, words)) / len(words) - 15.59


@pytest.mark.parametrize("name", TEXTS)
def test_safety_words_are_easy_short_and_calm(name: str) -> None:
    text = " ".join(TEXTS[name])
    assert _grade(text) <= 5, round(_grade(text), 1)
    for bubble in TEXTS[name]:
        assert len(bubble.split()) <= MOST_WORDS_IN_A_BUBBLE
    for banned in BANNED:
        assert banned.lower() not in text.lower(), banned


@pytest.mark.parametrize("category", [one.id for one in RULES.categories])
def test_the_number_to_call_comes_first(category: str) -> None:
    for tier in RULES.category(category).words:
        for helper in (False, True):
            made = words_for(category, tier, NUMBERS, helper)
            first = " ".join(made.bubbles[:2])
            assert re.search(r"\d{3}", first), made.id
            if tier in ("T0", "T1"):
                assert "999" in first, made.id
                assert any("No one is watching this chat live." in bubble for bubble in made.bubbles), made.id
    assert re.search(r"\d{3}", question_for(category, NUMBERS).lead)


def test_ids_and_placeholders() -> None:
    made = words_for("RF01", "T1", NUMBERS)
    assert made.id == "safety/RF01.T1.v1" and made.numbers_used == ("emergency_number",)
    assert words_for("RF01", "T1", NUMBERS, helper=True).id == "safety/RF01.T1.v1.helper"
    assert question_for("RF34", NUMBERS).id == "safety/RF34.ask.v2"
    assert words_for("RF34", "T0", NUMBERS).numbers_used == ("emergency_number", "crisis_line")
    assert all("{" not in " ".join(found) for name, found in TEXTS.items() if not name.startswith("common"))


def test_a_finding_about_somebody_else_gets_the_helpers_wording() -> None:
    worst = screen("my husband has chest pain").worst
    assert worst is not None
    assert words_for(worst, worst.tier, NUMBERS).id.endswith(".helper")


def test_a_tier_raised_by_a_shared_rule_has_words() -> None:
    assert words_for("RF15", "T0", NUMBERS).id == "safety/common.T0.v1"
    with pytest.raises(KeyError):
        words_for("RF99", "T1", NUMBERS)
    with pytest.raises(ValueError, match="emergency_number"):
        words_for("RF01", "T1", {})


def test_crisis_words_hold_what_they_must() -> None:
    text = " ".join(words_for("RF34", "T0", NUMBERS).bubbles)
    assert "999" in text and "116 123" in text and "distance" in text
    question = question_for("RF34", NUMBERS)
    assert "ending your life" in question.question and "999" in question.lead and "116 123" in question.lead


def test_every_question_has_answers_and_only_a_crisis_has_its_own() -> None:
    for category in load_rules().categories:
        asked = question_for(category.id, NUMBERS)
        own = category.id == "RF34"
        expected = ["now", "sometimes", "no", "rather_not"] if own else ["yes", "no", "not_sure"]
        assert [identity for identity, _ in asked.answers] == expected
        assert has_direct_question(category.id) is own
    assert not has_direct_question("contact")


def test_the_direct_question_and_its_answers() -> None:
    asked = question_for("RF34", NUMBERS, direct=True)
    assert "999" in asked.lead and asked.question != question_for("RF34", NUMBERS).question
    said = {one: answer_words("RF34", one, NUMBERS) for one, _ in asked.answers}
    assert [one for one, words in said.items() if not words.yes] == ["no"]
    assert [one for one, words in said.items() if words.emergency_first] == ["now"]
    assert all("999" in " ".join(words.bubbles) for words in said.values())
    assert answer_words("RF01", "yes", NUMBERS) is None
    with pytest.raises(ValueError, match="no direct question"):
        question_for("RF01", NUMBERS, direct=True)


@pytest.mark.parametrize(
    ("text", "answer"), [("yes", "now"), ("Yes.", "now"), ("no", "no"), ("sometimes", ""), ("yes but no", "")]
)
def test_a_typed_yes_is_the_gravest_answer(text: str, answer: str) -> None:
    assert typed_answer("RF34", text) == answer
    assert typed_answer("RF01", text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "no",
        "No.",
        "NO",
        "nope",
        "nah",
        "none of those",
        "None of them, thanks",
        "not at all",
        "no thanks I'm fine",
        "No, I don't",
        "no not at all",
        "none",
        "no, none of these",
        "no thank you",
        "No, I’m okay",
        "nothing like that",
    ],
)
def test_plain_no(text: str) -> None:
    assert is_plain_no(text) and not is_plain_yes(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "no?",
        "not really",
        "I don't think so",
        "no but my leg is numb",
        "not sure",
        "no idea",
        "maybe",
        "yes",
        "no yes",
        "no more than usual",
        "no...",
        "no 😢",
        "can't say no",
        "no, well, a bit",
        "not yet",
        "no one",
        "I know",
        "none that I know of",
        "not right now",
        "no\ud800",
        "нет",
        "thanks",
        "I'm fine",
        "nope, only when I sit",
        "no numbness",
    ],
)
def test_anything_doubtful_is_not_a_plain_no(text: str) -> None:
    assert not is_plain_no(text)


@pytest.mark.parametrize("text", ["yes", "Yes.", "yeah", "yep", "yes I do", "yes please", "I do", "yes, that's right"])
def test_plain_yes(text: str) -> None:
    assert is_plain_yes(text) and not is_plain_no(text)


@pytest.mark.parametrize("text", ["yes but no", "no", "maybe yes", "yes?", "not sure", ""])
def test_not_a_plain_yes(text: str) -> None:
    assert not is_plain_yes(text)


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("spine.yml", "  system: nerves", "  sistem: nerves", "spine.yml RF01.*sistem"),
        ("spine.yml", "  tier: T1\n", "  tier: T9\n", "spine.yml RF01.*T9"),
        ("spine.yml", "call {emergency_number}.", "call {emergency}.", "spine.yml RF01.*emergency"),
        ("spine.yml", '"{sexual_loss}"', '"{sexual_los}"', "sexual_los"),
        ("spine.yml", '"{sexual_loss}"', '"{sexual_loss} ..2"', "spine.yml RF01 (hard|ask)"),
        ("mind.yml", "hypothetical: fire", "hypothetical: shout", "mind.yml RF34.*shout"),
        ("mind.yml", "state: pending", "state: signed by nobody", "mind.yml RF34.*signed"),
        ("common.yml", "same_day_systems", "same_day_sistems", "common.yml.*same_day_sistems"),
        ("common.yml", "cue_bare_no", "cue_bear_no", "cue_bare_no"),
        ("families.yml", "group: shared", "group: [", "families.yml.*YAML"),
        ("ill.yml", '"septic tank"', '"septic tank in my"', "never_rf20.*septic tank in my.*filler"),
        ("ill.yml", '"septic tank"', '"septic ..2 tank a"', "never_rf20.*septic ..2 tank a.*filler"),
        ("common.yml", "phone died", "phone died like", "idiom.*phone died like.*filler"),
        ("protection.yml", "helper: true", "helpers: true", "protection.yml RF37.*helpers"),
    ],
)
def test_a_slip_in_the_data_is_named(tmp_path: Path, file: str, old: str, new: str, says: str) -> None:
    folder = tmp_path / "safety"
    shutil.copytree(DATA, folder)
    path = folder / file
    changed = path.read_text(encoding="utf-8").replace(old, new, 1)
    assert changed != path.read_text(encoding="utf-8")
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(ValueError, match=f"(?s){says}"):
        assert load_rules(folder).compiled


def test_every_category_has_what_it_needs() -> None:
    for category in RULES.categories:
        assert 1 <= len(category.screen) <= 3 and category.source and category.review["state"] == "pending", category.id
        assert category.hard and category.ask and category.question.text.endswith((".", "?")), category.id


def test_every_number_in_the_list_has_a_mark_and_a_date() -> None:
    countries = yaml.safe_load((DATA.parent / "numbers.yml").read_text(encoding="utf-8"))
    for country, uses in countries.items():
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", uses["checked"]), country
        assert {"emergency", "urgent", "crisis"} <= set(uses), country
        for use, lines in uses.items():
            for line in lines if use != "checked" else []:
                assert line["label"] and line["mark"] in ("V", "K"), f"{country} {use}"
