"""Replies made from curated content: which bubbles, which buttons, under which id. Pure functions.

What to say is decided elsewhere and written down as a *spec*, a small JSON object (``{"reply": "answer", "id":
"pain/alarm", "part": "text", "opening": 2}``); `render` makes the reply from it. The spec is kept with the turn, so
any line of a transcript can be made again, byte for byte, from the same content.

A reply is ``{"text", "buttons", "metadata"}``; text holds bubbles apart by a blank line. Button payloads are
``/subject/topic`` for an answer and ``/intent{"answer": "subject/topic"}`` for something about an answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from bot.content import cards
from bot.content.answers import Answer
from bot.content.clinics import Clinic
from bot.content.files import bubbles, fill
from bot.content.library import Library, Term, review_line, why_lines
from bot.content.wording import Wording

TALK_TO_PERSON = "/talk_to_person"
MENU = "/chat/menu"
MOST_NEXT = 2
TEXT, MORE, WHY, HELPER = "text", "more", "why", "helper"
Spec = dict[str, Any]
Reply = dict[str, Any]
_WORD = re.compile(r"[a-z][a-z'-]*")


def render(spec: Spec, library: Library, clinic: Clinic | None = None) -> Reply:
    """The reply that a spec stands for; without a clinic its numbers stay placeholders.

    Raises KeyError for an id that the content does not hold.
    """
    if spec["reply"] == "answer":
        reply = _answer(spec, library)
    elif spec["reply"] == "card":
        reply = cards.card(spec, library)
    else:
        reply = _control(spec, library)
    values = {**(spec.get("values") or {}), **(clinic.numbers if clinic else {})}
    reply["text"] = fill(reply["text"], values)
    forms = reply["metadata"].get("forms") or {}
    for form, texts in forms.items():
        forms[form] = [fill(text, values) for text in texts]
    reply["metadata"]["spec"] = spec
    explained = [library.terms[key] for key in spec.get("explained") or ()]
    if explained:
        reply["metadata"]["notes"] = [f"{term.title}: {term.plain}." for term in explained]
    return reply


def pick(conversation: str, about: str, count: int) -> int:
    """Which of `count` wordings a conversation gets: always the same one for the same text, others elsewhere."""
    return int.from_bytes(hashlib.sha256(f"{conversation}\n{about}".encode()).digest()[:4], "big") % max(count, 1)


def terms_in(text: str, terms: Mapping[str, Term], known: Collection[str]) -> list[str]:
    """The hard words of a text that this chat has not explained yet, in their order in the glossary."""
    said = set(_WORD.findall(text.lower().replace("’", "'")))
    return [key for key, term in terms.items() if key not in known and not said.isdisjoint(term.forms)]


def button(title: str, payload: str) -> dict[str, str]:
    return {"title": title, "payload": payload}


def about(intent: str, answer_id: str) -> str:
    """Payload of a button that concerns one answer, for example why it was given."""
    return f"/{intent}{json.dumps({'answer': answer_id})}"


def choices(labels: Sequence[str], library: Library, *, none: bool) -> list[dict[str, str]]:
    """Buttons for answers, report words and the way to a person, with "None of these" last where asked for."""
    buttons = []
    for label in labels:
        if label in library.answers:
            buttons.append(button(library.answers[label].title, f"/{label}"))
        elif label.startswith(cards.PREFIX) and cards.key_of(label) in library.words:
            buttons.append(cards.word_button(cards.key_of(label), library))
    if "talk_to_person" in labels:
        buttons.append(button(library.wording.labels["talk_to_person"], TALK_TO_PERSON))
    if none:
        buttons.append(button(library.wording.labels["none_of_these"], "/none_of_these"))
    return buttons


def way_out(wording: Wording) -> list[dict[str, str]]:
    """The two buttons that are always right: what I can ask, and a person."""
    return [button(wording.labels["menu"], MENU), button(wording.labels["talk_to_person"], TALK_TO_PERSON)]


def _answer(spec: Spec, library: Library) -> Reply:
    answer, part = library.answers[spec["id"]], spec.get("part", TEXT)
    if part == MORE:
        return _reply(answer.more, _beside(answer, library, {TEXT, MORE}, ()), f"{answer.id}#more", answer)
    if part == WHY:
        sure = library.sure["plain" if not answer.sources else answer.certainty]
        lines = why_lines(answer.why, answer.sources, library, f"{sure} {review_line(spec, library)}")
        return _reply(lines, _beside(answer, library, {TEXT, WHY}, ()), f"{answer.id}#why", answer)
    following = [spec["second"]] if spec.get("second") else []
    buttons = _beside(answer, library, {TEXT}, following)
    if part == HELPER:
        return _reply(answer.helper, buttons, f"{answer.id}#helper", answer)
    opening = answer.openings[spec.get("opening", 0)]
    reply = _reply((opening, *answer.bubbles[1:]), buttons, answer.id, answer)
    if answer.forms:
        reply["metadata"]["forms"] = {form: list(texts) for form, texts in answer.forms.items()}
    if answer.figure:
        reply["metadata"]["picture"] = {"kind": "dots", "cell": answer.figure}
    return reply


def _beside(answer: Answer, library: Library, shown: Collection[str], first: Sequence[str]) -> list[dict[str, str]]:
    """The buttons under an answer: what has not been shown of it, then where to go on."""
    buttons = []
    if answer.sources and WHY not in shown:
        buttons.append(button(library.wording.labels["why"], about("why", answer.id)))
    if answer.more and MORE not in shown:
        buttons.append(button(library.wording.labels["tell_more"], about("tell_more", answer.id)))
    following = [n for n in dict.fromkeys([*first, *answer.next]) if n in library.answers or n.startswith(cards.PREFIX)]
    return [*buttons, *choices(following[:MOST_NEXT], library, none=False)]


def _reply(texts: Sequence[str], buttons: list[dict[str, str]], answer_id: str, answer: Answer) -> Reply:
    about_it: dict[str, Any] = {"answer_id": answer_id, "version": answer.version, "review": answer.review}
    if answer.check_first and not answer_id.endswith("#why"):
        about_it["check_first"] = True
    return {"text": "\n\n".join(texts), "buttons": buttons, "metadata": about_it}


def _control(spec: Spec, library: Library) -> Reply:
    control = library.controls[spec["id"]]
    buttons = choices(spec.get("choices") or (), library, none=bool(spec.get("none")))
    if spec.get("about"):
        buttons.insert(0, button(library.wording.labels["tell_more"], about("tell_more", spec["about"])))
    if spec.get("way_out"):
        buttons += way_out(library.wording)
    if spec.get("skip"):
        buttons.append(button(library.wording.labels["skip"], "/affirm"))
    texts = bubbles(control.text)
    return {
        "text": "\n\n".join(texts),
        "buttons": buttons,
        "metadata": {"answer_id": control.id, "version": control.version},
    }
