"""Which reply comes next. No bubble is said twice running, nothing is asked twice, and what was heard is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import takewhile
from typing import Any

from bot.content import cards
from bot.content.clinics import Clinic
from bot.content.library import Library
from bot.content.replies import HELPER, MORE, TEXT, WHY, Reply, Spec, pick, render, terms_in
from bot.dialogue.turn import RECENT, Turn

PREFIX = "utter_"
MISSES = ("utter_did_you_mean", "utter_not_understood", "utter_out_of_scope", "utter_none_of_these")
# Subjects that speak of pictures: another part of the body is then a question about its scans.
ABOUT_SCANS = ("scans", "joints", "imaging")
OF_THE_HEAD = ("head", "brain")
WAY_OUT = frozenset(
    {"utter_not_understood", "utter_out_of_scope", "utter_none_of_these", "utter_noted", "utter_no_more"}
)
# What is meant by "will it heal?" and "is it serious?" where no word of a report is on the table.
WITHOUT_A_WORD = {"utter_it_heals": "pain/can_it_change", "utter_is_it_serious": "care/when_to_get_help"}
CARD_PARTS = {"utter_it_heals": cards.OUTLOOK, "utter_is_it_serious": cards.SERIOUS}


def choose(
    action: str, turn: Turn, library: Library, clinic: Clinic, review: Callable[[str], dict[str, Any]] | None = None
) -> Reply | None:
    """The reply for an action, or None where there is no such response.

    `review` tells of a text's version who has read it (``{"state", "at", "reviewer", "role"}``); an expired one that
    must not be shown has ``withheld`` set.
    """
    spec = _spec(action, turn, library)
    if spec is None:
        return None
    reply = render(spec, library, clinic)
    if review is not None and spec["reply"] != "control":
        state = review(reply["metadata"]["version"])
        if state.get("withheld"):
            return render({"reply": "control", "id": "control/withheld.1", "way_out": True}, library, clinic)
        if state["state"] != "pending":
            spec = {**spec, "review": state}
            reply = render(spec, library, clinic)
        reply["metadata"]["review"] = state["state"]
    new = terms_in(reply["text"], library.terms, turn.explained())
    return render({**spec, "explained": new}, library, clinic) if new else reply


def _spec(action: str, turn: Turn, library: Library) -> Spec | None:
    answer_id = action.removeprefix(PREFIX)
    if answer_id in library.answers:
        return _answer(answer_id, turn, library)
    special = _SPECIAL.get(action)
    if special is not None:
        return special(action, turn, library)
    return _control(action, turn, library)


def _answer(answer_id: str, turn: Turn, library: Library) -> Spec | None:
    """The answer, told to a helper where one asks; its next layer where its words have just been said."""
    answer = library.answers[answer_id]
    second = next((choice for choice in turn.choices[1:2] if choice != answer_id), None)
    first = HELPER if turn.helper and answer.helper else TEXT
    parts = [first, *([MORE] if answer.more else []), *([WHY] if answer.sources else [])]
    # Only what was said running counts: after something else it comes from the start again.
    lately = [s.get("part") for s in takewhile(lambda s: s.get("id") == answer_id, turn.said)]
    part = next((part for part in parts if part not in lately), None)
    if part is None:
        return _control("utter_no_more", turn, library)
    spec: Spec = {"reply": "answer", "id": answer_id, "part": part}
    if part == TEXT:
        spec["opening"] = pick(turn.conversation, answer_id, len(answer.openings))
    return {**spec, "second": second} if second and part in (TEXT, HELPER) else spec


def _part_of_last(part: str) -> Callable[[str, Turn, Library], Spec | None]:
    """More about, or the reason for, the answer that a button names or that was given last."""

    def spec(action: str, turn: Turn, library: Library) -> Spec | None:
        about = turn.concerns or next((_label(s) for s in turn.said if _label(s)), None)
        if about is None:
            return _control(action, turn, library)
        if about.startswith(cards.PREFIX):
            found: Spec = {**_card_before(about, turn), "part": cards.MORE if part == MORE else cards.WHY}
        elif about not in library.answers:
            return _control("utter_no_more", turn, library)
        else:
            answer = library.answers[about]
            if not (answer.more if part == MORE else answer.why):
                return _control("utter_no_more", turn, library)
            found = {"reply": "answer", "id": about, "part": part}
        return _control("utter_no_more", turn, library) if _same(found, turn.last) else found

    return spec


def _card_before(label: str, turn: Turn) -> Spec:
    """The card of a word as it was shown last, with its region and age."""
    key = cards.key_of(label)
    before = next((s for s in turn.said if s.get("word") == key), {})
    kept = {name: before[name] for name in ("region", "age", "opening") if before.get(name) is not None}
    return {"reply": "card", "word": key, **kept}


def _finding(action: str, turn: Turn, library: Library) -> Spec | None:
    """The card of the word that was named; with only an age or a part of the body, of the word on the table."""
    heard_word, heard_region = turn.heard.get("finding"), turn.heard.get("body_part")
    named = heard_word if heard_word in library.words else None
    if named is None and action == "utter_finding" and heard_region is None:
        return _control("utter_which_word", turn, library)
    region = heard_region or _region_of_last(turn) or turn.known.get("body_part")
    key = named or _word_on_table(turn, library)
    if key is None or (named is None and region not in library.words[key].regions):
        return _region_card(region, turn, library)
    word = library.words[key]
    if region not in word.regions:
        region = word.regions[0] if word.region_fixed or len(word.regions) == 1 else None
    return _word_card(key, region, _age(turn), turn, library)


def _fact(action: str, turn: Turn, library: Library) -> Spec | None:
    """A part of the body or an age on its own: for the scan that is talked about, else for the answer given last."""
    region = turn.heard.get("body_part")
    if _on_scans(turn) and (region is not None or _word_on_table(turn, library)):
        return _finding(action, turn, library)
    if region is not None and _label(turn.last):
        return _control("utter_same_for_region", turn, library, values={"region": cards.region_name(region, library)})
    return _control("utter_noted", turn, library)


def _word_card(key: str, region: str | None, age: Any, turn: Turn, library: Library) -> Spec | None:
    word = library.words[key]
    spec: Spec = {"reply": "card", "word": key}
    spec["opening"] = pick(turn.conversation, word.id, len(library.card.openings[word.handling]))
    if region is None and turn.asked(cards.ASK_REGION, key):
        region = word.regions[0]
    if age is None and turn.asked(cards.ASK_AGE, key):
        age = cards.REFUSED
    if region is not None:
        spec["region"] = region
    if age is not None:
        spec["age"] = age
    part = cards.asks_for(word, spec, library)
    spec = spec if part == cards.MAIN else {**spec, "part": part}
    if not _same(spec, turn.last):
        return spec
    deeper = {**spec, "part": cards.MORE}
    return _control("utter_no_more", turn, library) if _same(deeper, turn.last) else deeper


def _region_card(region: Any, turn: Turn, library: Library) -> Spec | None:
    if not region:
        return _control("utter_which_word", turn, library)
    if region in OF_THE_HEAD:  # unlike spines and joints, what is found there often needs a clinician
        return _answer("imaging/brain_finding", turn, library)
    spec: Spec = {"reply": "card", "part": cards.REGION, "region": region}
    age = _age(turn)
    spec = {**spec, "age": age} if age is not None else spec
    return _control("utter_which_word", turn, library) if _same(spec, turn.last) else spec


def _about_it(action: str, turn: Turn, library: Library) -> Spec | None:
    """ "Will it heal?", "is it serious?": about the word on the table, else about pain."""
    named = turn.heard.get("finding")
    key = named if named in library.words else _word_on_table(turn, library)
    if key is None:
        return _answer(WITHOUT_A_WORD[action], turn, library)
    spec = {**_card_before(f"{cards.PREFIX}{key}", turn), "part": CARD_PARTS[action]}
    return _answer(WITHOUT_A_WORD[action], turn, library) if _same(spec, turn.last) else spec


def _deny(action: str, turn: Turn, library: Library) -> Spec | None:
    """A no to the question for the age means that it stays unsaid: the range is given instead."""
    last = turn.last
    if last.get("part") == cards.ASK_AGE:
        return _word_card(last["word"], last.get("region"), cards.REFUSED, turn, library)
    return _control(action, turn, library)


def _repeat(action: str, turn: Turn, library: Library) -> Spec | None:
    """The last reply once more, because that was asked for."""
    return {**turn.last, "again": turn.last.get("again", 0) + 1} if turn.last else _control(action, turn, library)


def _did_you_mean(action: str, turn: Turn, library: Library) -> Spec | None:
    """What was likely meant; a few words after an answer may be about that answer too, which is offered first."""
    choices = [choice for choice in turn.choices if choice != turn.last.get("id")]
    if turn.short and turn.last.get("reply") == "answer" and turn.last.get("part", TEXT) == TEXT:
        return _control(action, turn, library, choices=choices[:2], about=turn.last["id"], none=True)
    return _control(action, turn, library, choices=choices, none=True)


def _not_understood(action: str, turn: Turn, library: Library) -> Spec | None:
    """After an answer a message that fits nothing is likely about it: what goes on from there is offered."""
    last = turn.last
    if last.get("reply") != "answer" or turn.misses:
        return _control(action, turn, library)
    answer = library.answers[last["id"]]
    choices = [n for n in answer.next if n in library.answers]
    return _control("utter_follow_up", turn, library, choices=choices, about=answer.id, none=True)


def _contact_note(action: str, turn: Turn, library: Library) -> Spec | None:
    return _control(action, turn, library, skip=True)


def _control(action: str, turn: Turn, library: Library, **more: Any) -> Spec | None:
    """One of the wordings of an action that is no answer: the next one where the last was said just now."""
    variants = library.actions.get(action)
    if not variants:
        return None
    place = turn.misses if action in MISSES else turn.times(variants[0].id.rpartition(".")[0])
    chosen = variants[place % len(variants)]
    if chosen.id == turn.last.get("id"):
        chosen = variants[(place + 1) % len(variants)]
    spec: Spec = {"reply": "control", "id": chosen.id, **more}
    return {**spec, "way_out": True} if action in WAY_OUT else spec


def _label(spec: Mapping[str, Any]) -> str:
    """The answer or card that a reply was about; empty for a control."""
    if spec.get("reply") == "card" and spec.get("word"):
        return f"{cards.PREFIX}{spec['word']}"
    return str(spec["id"]) if spec.get("reply") == "answer" else ""


def _same(spec: Mapping[str, Any], last: Mapping[str, Any]) -> bool:
    """Whether two specs render the same words."""
    return {k: v for k, v in spec.items() if k != "explained"} == {k: v for k, v in last.items() if k != "explained"}


def _on_scans(turn: Turn) -> bool:
    """Whether pictures are what the chat is about: a card, or an answer about scans, within the last turns."""
    last = next((s for s in turn.said[:RECENT] if s.get("reply") != "control"), {})
    return last.get("reply") == "card" or str(last.get("id", "")).split("/")[0] in ABOUT_SCANS


def _word_on_table(turn: Turn, library: Library) -> str | None:
    """The report word that "it" stands for: of a card lately shown, or named lately by the person."""
    shown = next((s["word"] for s in turn.said[:RECENT] if s.get("word")), None)
    known = turn.known.get("finding")
    return shown or (known if known in library.words and _on_scans(turn) else None)


def _region_of_last(turn: Turn) -> str | None:
    return next((s["region"] for s in turn.said[:RECENT] if s.get("region")), None)


def _age(turn: Turn) -> Any:
    """The age in years, ``refused``, or None where it has not come up."""
    age = turn.fact("age")
    if age == cards.REFUSED:
        return age
    return int(age) if age is not None and str(age).isdigit() else None


_SPECIAL: dict[str, Callable[[str, Turn, Library], Spec | None]] = {
    "utter_finding": _finding,
    "utter_fact": _fact,
    "utter_it_heals": _about_it,
    "utter_is_it_serious": _about_it,
    "utter_tell_more": _part_of_last(MORE),
    "utter_why": _part_of_last(WHY),
    "utter_deny": _deny,
    "utter_not_understood": _not_understood,
    "utter_repeat": _repeat,
    "utter_did_you_mean": _did_you_mean,
    "utter_ask_contact_note": _contact_note,
}
