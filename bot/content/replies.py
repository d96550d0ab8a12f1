"""Replies made from curated content: which bubbles, which buttons, under which id. Pure functions.

A reply is ``{"text", "buttons", "metadata"}``; text holds bubbles apart by a blank line. Button payloads are
``/subject/topic`` for an answer and ``/intent{"answer": "subject/topic"}`` for something about an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.content.answers import Answer
from bot.content.clinics import Clinic
from bot.content.files import fill
from bot.content.wording import Wording

TALK_TO_PERSON = "/talk_to_person"
MENU = "/chat/menu"
MOST_NEXT = 2


def button(title: str, payload: str) -> dict[str, str]:
    return {"title": title, "payload": payload}


def about(intent: str, answer_id: str) -> str:
    """Payload of a button that concerns one answer, for example why it was given."""
    return f"/{intent}{json.dumps({'answer': answer_id})}"


def answer_reply(
    answer: Answer, answers: Mapping[str, Answer], clinic: Clinic, wording: Wording, second: str | None = None
) -> dict[str, Any]:
    """An answer with "Why do you say that?", "Tell me more" and one or two next questions.

    `second` is another answer that the same message asked for; it comes first among the next questions.
    """
    buttons = []
    if answer.sources:
        buttons.append(button(wording.labels["why"], about("why", answer.id)))
    if answer.more:
        buttons.append(button(wording.labels["tell_more"], about("tell_more", answer.id)))
    following = [n for n in dict.fromkeys([*([second] if second else []), *answer.next]) if n in answers]
    buttons += [button(answers[n].title, f"/{n}") for n in following[:MOST_NEXT]]
    return _reply(answer.bubbles, buttons, clinic, answer.id, answer)


def more_reply(answer: Answer, answers: Mapping[str, Answer], clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """The next layer of an answer."""
    buttons = [button(wording.labels["why"], about("why", answer.id))] if answer.sources else []
    buttons += [button(answers[n].title, f"/{n}") for n in answer.next[:MOST_NEXT] if n in answers]
    return _reply(answer.more, buttons, clinic, f"{answer.id}#more", answer)


def why_reply(
    answer: Answer, answers: Mapping[str, Answer], sources: Mapping[str, Any], clinic: Clinic, wording: Wording
) -> dict[str, Any]:
    """Where an answer comes from: in plain words, then its sources one by one."""
    lines = [f"- {sources[key].plain} ({sources[key].cite})" for key in answer.sources]
    texts = [answer.why, *(["\n".join([wording.labels["sources"], *lines])] if lines else [])]
    buttons = [button(wording.labels["tell_more"], about("tell_more", answer.id))] if answer.more else []
    buttons += [button(answers[n].title, f"/{n}") for n in answer.next[:MOST_NEXT] if n in answers]
    return _reply(texts, buttons, clinic, f"{answer.id}#why", answer)


def choices(
    labels: Sequence[str], answers: Mapping[str, Answer], wording: Wording, *, none: bool
) -> list[dict[str, str]]:
    """Buttons for answers (and the way to a person), with "None of these" last where asked for."""
    buttons = [button(answers[label].title, f"/{label}") for label in labels if label in answers]
    if "talk_to_person" in labels:
        buttons.append(button(wording.labels["talk_to_person"], TALK_TO_PERSON))
    if none:
        buttons.append(button(wording.labels["none_of_these"], "/none_of_these"))
    return buttons


def way_out(wording: Wording) -> list[dict[str, str]]:
    """The two buttons that are always right: what I can ask, and a person."""
    return [button(wording.labels["menu"], MENU), button(wording.labels["talk_to_person"], TALK_TO_PERSON)]


def _reply(
    texts: Sequence[str], buttons: list[dict[str, str]], clinic: Clinic, answer_id: str, answer: Answer
) -> dict[str, Any]:
    about_it: dict[str, Any] = {"answer_id": answer_id, "version": answer.version, "review": answer.review}
    if answer.check_first and not answer_id.endswith("#why"):
        about_it["check_first"] = True
    return {"text": fill("\n\n".join(texts), clinic.numbers), "buttons": buttons, "metadata": about_it}
