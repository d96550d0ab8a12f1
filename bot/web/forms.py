"""Questionnaires in the chat, and the end of a chat: what is shown, what came back, and how it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from bot.content import Clinic, Wording
from bot.content.files import fill
from bot.content.forms import SURVEY, Answer, Form, WrongAnswer, checked, load_forms, shown_answer
from bot.content.replies import button
from bot.store import conversations, events
from bot.store.models import Event
from bot.web import bodies
from bot.web.alarms import append
from bot.web.bodies import FORM

KIND = "questionnaire"


class NotAsked(LookupError):
    """No questionnaire of this conversation has this number and this form."""


@dataclass(frozen=True)
class Filled:
    """The answers to one questionnaire. `words`: what was typed, which is screened like any message; `text`: questions
    and answers, as people read them."""

    form: str
    answers: dict[str, Answer]
    words: str
    text: str

    def as_body(self) -> dict[str, Any]:
        """What the patient's event holds of it."""
        return {
            "text": self.text,
            "fallback_text": self.text,
            "words": self.words,
            "form": self.form,
            "answers": self.answers,
        }


def named(payload: str) -> str:
    """The form that an answer's payload names; empty for any other payload."""
    return payload.removeprefix(FORM) if payload.startswith(FORM) else ""


def typed_in(answers: Any) -> str:
    """Whatever was typed, before anything else is known of the answers: it is screened even where they are refused."""
    values = answers.values() if isinstance(answers, dict) else ()
    return "\n".join(value for value in values if isinstance(value, str))


def read_filled(session: Session, conversation_id: str, reply_to: Any, form: str, answers: Any) -> Filled:
    """The answers, checked against the items as they were shown. Raises NotAsked, WrongAnswer."""
    event = session.get(Event, (conversation_id, reply_to)) if isinstance(reply_to, int) else None
    if event is None or event.author == events.PATIENT or event.body.get("kind") != KIND:
        raise NotAsked
    if event.body.get("form") != form:
        raise NotAsked
    return filled(event.body, answers)


def filled(asked: Mapping[str, Any], answers: Any) -> Filled:
    """The answers to a questionnaire's body. Raises WrongAnswer; the error names no word of the answer."""
    if not isinstance(answers, dict):
        raise WrongAnswer("answers must be an object: the item's id and its answer.")
    items = {item["id"]: item for item in asked["items"]}
    if not set(answers) <= set(items):
        raise WrongAnswer("answers holds an item that the questionnaire does not have.")
    given = {key: checked(item, answers.get(key)) for key, item in items.items()}
    words = [str(given[key]) for key, item in items.items() if item["kind"] == "text" and given[key] is not None]
    chips = asked.get("look") == "chips"
    lines = [_line(asked, item, given[key]) for key, item in items.items() if not (chips and _is_off(item, given[key]))]
    lines = lines or [str(asked["skipped"])]
    return Filled(str(asked["form"]), given, "\n".join(words), "\n".join(lines))


def _line(asked: Mapping[str, Any], item: Mapping[str, Any], answer: Answer) -> str:
    if answer is None:
        return f"{item['text']} {asked['skipped']}"
    return str(item["text"]) if _is_chip(item) else f"{item['text']} {shown_answer(item, answer)}"


def _is_chip(item: Mapping[str, Any]) -> bool:
    return {choice["value"] for choice in item.get("choices") or ()} == {"on", "off"}


def _is_off(item: Mapping[str, Any], answer: Answer) -> bool:
    """Chips that were left alone: nobody has said no to each of them."""
    return _is_chip(item) and answer in (None, "off")


def questionnaire(form: Form, wording: Wording) -> dict[str, Any]:
    """The body that asks a form. Clients that do not know the kind show its questions as text."""
    made = bodies.body(
        KIND,
        form.intro,
        form=form.id,
        title=form.title,
        items=[item.as_dict() for item in form.items],
        answer_id=f"form/{form.id}",
        review=form.review,
        skipped=wording.interface["questions_skipped"],
    )
    asked = "\n".join(f"- {item.text}" for item in form.items)
    return {**made, "fallback_text": f"{form.title}\n\n{made['fallback_text']}\n\n{asked}"}


def ask(session: Session, conversation_id: str, form: Form, wording: Wording) -> None:
    """Put a questionnaire; from now on its answers are taken."""
    append(session, conversation_id, questionnaire(form, wording))
    conversations.offer(session, conversation_id, [FORM + form.id])


def end_chat(session: Session, conversation_id: str, clinic: Clinic, wording: Wording) -> None:
    """Goodbye, and the questions at the end. Pressed twice it asks once: the questions stand there still."""
    button, before = None, None
    for event in reversed(events.latest_events(session, conversation_id, 2)):
        button, before = (event, before) if button is None else (button, event)
    if before is not None and before.body.get("answer_id") == f"form/{SURVEY}":
        return
    append(session, conversation_id, bodies.notice("chat_ended", clinic, wording))
    ask(session, conversation_id, load_forms()[SURVEY], wording)


def thanks(form: str, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """What is said once the answers are kept, and the way to a person: nobody reads the answers right away."""
    texts = [fill(text, clinic.numbers) for text in load_forms()[form].thanks]
    person = button(wording.labels["talk_to_person"], bodies.PERSON)
    return bodies.body("notice", texts, answer_id=f"form/{form}/thanks", buttons=[person])
