"""Event bodies: curated wording in the shape that the patient's page shows (docs/api.md). Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from bot import safety
from bot.content import Clinic, Wording, dots
from bot.content.files import bubbles
from bot.content.replies import button, way_out
from bot.content.wording import ENGLISH
from bot.safety import Finding
from bot.tutor.saying import ASK_PERSON

# Payloads that the web app answers itself; every other one goes to Rasa.
CONSENT = "consent:accept"
PERSON = ASK_PERSON
WITHDRAW = "person:withdraw"
SAFETY_RELEASE = "safety:released"
# How answers are read: all of them, in simple words, or in the few of a flare.
FULL, PLAIN, FLARE = "full", "plain", "flare"
CHECK_START = "check:start"
END = "chat:end"
FORM = "form:"
READING_PLAIN = "reading:plain"
CRISIS, EMERGENCY = "T0", "T1"
_ANSWER = re.compile(r"answer:(\w+):(\w+)")


def answer_payload(category: str, answer: str) -> str:
    """The payload of a button under a category's question."""
    return f"answer:{category}:{answer}"


def answer_in(payload: str) -> tuple[str, str] | None:
    """The category and the answer that such a button stands for; None for any other payload."""
    found = _ANSWER.fullmatch(payload)
    return (found[1], found[2]) if found else None


def body(kind: str, texts: Sequence[str], /, **more: Any) -> dict[str, Any]:
    """A body with its plain-text twin, which clients show for kinds that they do not know."""
    made = {"kind": kind, "bubbles": list(texts), **more}
    said = [made["picture"]["caption"]] if made.get("picture") else []
    lines = [*texts, *said, *made.get("notes", ()), *(f"[{b['title']}]" for b in made.get("buttons") or ())]
    return {**made, "fallback_text": "\n\n".join(lines)}


def reply(from_rasa: dict[str, Any]) -> dict[str, Any]:
    """A body from one of Rasa's replies."""
    about = from_rasa.get("metadata") or {}
    more: dict[str, Any] = {"answer_id": about.get("answer_id") or from_rasa.get("utter_action")}
    if from_rasa.get("buttons"):
        more["buttons"] = [button(b["title"], b["payload"]) for b in from_rasa["buttons"]]
    for key in ("version", "review", "notes", "spec"):
        if about.get(key):
            more[key] = about[key]
    if about.get("picture"):
        more["picture"] = dots.picture(about["picture"]["cell"])
    texts = bubbles(from_rasa.get("text") or "")
    if about.get("forms"):
        more["forms"] = {FULL: list(texts), **about["forms"]}
    return body("text", texts, **more)


def in_form(made: dict[str, Any], reading: str | None) -> dict[str, Any]:
    """A body in the form that the person has asked for, where it has one: simple words, or a flare's few."""
    texts = (made.get("forms") or {}).get(reading)
    if reading in (None, FULL) or not texts:
        return made
    more = {key: value for key, value in made.items() if key not in ("kind", "bubbles", "fallback_text")}
    return body(made["kind"], texts, **{**more, "form": reading})


def safety_words(finding: Finding, clinic: Clinic) -> dict[str, Any]:
    """The safety words of a finding, with the numbers to call as links."""
    words = safety.words_of(finding, clinic.numbers)
    return body(
        "safety",
        words.bubbles,
        tier=finding.tier,
        category=finding.category,
        answer_id=words.id,
        calls=calls(clinic, finding.tier, finding.category),
        **_way_to_leave(finding, clinic),
    )


def with_lead(shown: dict[str, Any], lead: str) -> dict[str, Any]:
    """Words with a line before them: why they come, or what has to be known first."""
    texts = [lead, *shown["bubbles"]]
    return {**shown, "bubbles": texts, "lead": lead, "fallback_text": f"{lead}\n\n{shown['fallback_text']}"}


def _way_to_leave(finding: Finding, clinic: Clinic) -> dict[str, bool]:
    """Words about abuse carry the button that leaves the page: somebody may be looking on."""
    return {"leave": True} if finding.category in clinic.own_lines else {}


def safety_question(finding: Finding, clinic: Clinic, direct: bool = False) -> dict[str, Any]:
    """The one clarifying question, with the numbers already on screen; ``direct``: as it is put after an alarm."""
    asked = safety.question_for(finding.category, clinic.numbers, direct=direct)
    return body(
        "question",
        (asked.lead, asked.question),
        lead=asked.lead,
        text=asked.question,
        category=finding.category,
        answer_id=asked.id,
        calls=calls(clinic, finding.tier, finding.category),
        buttons=[button(title, answer_payload(finding.category, answer)) for answer, title in asked.answers],
        **_way_to_leave(finding, clinic),
    )


def answered(category: str, answer: str, clinic: Clinic, wording: Wording) -> dict[str, Any] | None:
    """What is said to an answer of a direct question, with a person offered; None where there is nothing of its own."""
    words = safety.answer_words(category, answer, clinic.numbers)
    if words is None:
        return None
    return body(
        "safety",
        words.bubbles,
        tier=CRISIS,
        answer_id=words.id,
        calls=calls(clinic, EMERGENCY if words.emergency_first else CRISIS),
        buttons=[button(wording.labels["talk_to_person"], PERSON)],
        **({"category": category} if words.yes else {}),
    )


def calls(clinic: Clinic, tier: str | None, category: str = "") -> list[dict[str, str]]:
    """The lines to call for a tier, as (label, tel or sms), the one to use first."""
    lines = clinic.calls
    emergency, crisis = lines.get("emergency", []), lines.get("crisis", [])
    own = [line for use in clinic.own_lines.get(category, ()) for line in lines.get(use, [])]
    if tier == CRISIS:
        # Who is in danger of others needs other help than who is in danger of themselves.
        return [*emergency, *own] if own else [*crisis[:1], *emergency, *crisis[1:]]
    if tier == EMERGENCY:
        return [*emergency, *own]
    return [*own, *lines.get("urgent", []), *emergency]


def language_card(language: str, clinic: Clinic, wording: Wording, *, person: bool = True) -> dict[str, Any]:
    """The clinic's own safety words in a language that the chat does not speak; in English where it has none.

    `person`: with a button to ask for one, which works once the first notice is accepted.
    """
    own = clinic.safety_cards.get(language)
    shown = language if own else ENGLISH
    title = wording.interfaces.get(shown, {}).get("person_button") or wording.labels["talk_to_person"]
    lines = clinic.calls
    return body(
        "safety",
        own.bubbles if own else wording.bubbles("language_card", **clinic.numbers),
        tier=None,
        answer_id="language/card",
        lang=shown,
        calls=[*lines["emergency"], *lines["urgent"], *lines["crisis"][:1]],
        **({"review": own.review} if own else {}),
        **({"buttons": [button(title, PERSON)]} if person else {}),
    )


def consent(clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """The first-run notice. `text_sha256` is of its `fallback_text`, so that what was accepted can be proved."""
    made = body(
        "consent",
        wording.bubbles("consent", **clinic.numbers),
        version=CONSENT_VERSION,
        buttons=[button(wording.labels["accept"], CONSENT)],
    )
    return {**made, "text_sha256": text_hash(made["fallback_text"])}


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


CONSENT_VERSION = "2026-11-22.1"


def notice(key: str, clinic: Clinic, wording: Wording, *, ways_out: bool = False, **values: str) -> dict[str, Any]:
    """A system notice from ``data/messages.yml``, with the two ways out as buttons if asked for."""
    more = {"buttons": way_out(wording)} if ways_out else {}
    texts = wording.bubbles(key, **{**clinic.numbers, **values})
    return body("notice", texts, answer_id=f"notice/{key}", **more)


def hold(tier: str, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """While lessons are closed after an emergency or crisis: what comes first, and how to open them again."""
    key = "safety_hold_crisis" if tier == CRISIS else "safety_hold"
    return body(
        "safety",
        wording.bubbles(key, **clinic.numbers),
        tier=tier,
        answer_id=f"safety/{key}",
        calls=calls(clinic, tier),
        buttons=[
            button(wording.labels["safe_now"], SAFETY_RELEASE),
            button(wording.labels["talk_to_person"], PERSON),
        ],
    )


def handoff(state: str, key: str, clinic: Clinic, wording: Wording, at: str, **values: str) -> dict[str, Any]:
    """The true state of a handoff: waiting, human, bot, closed or failed; `at` is the time as people read it."""
    texts = wording.bubbles(key, **{**clinic.numbers, "time": at, **values})
    return body("handoff", texts, state=state, at=at, answer_id=f"handoff/{key}")


def clinician(words: str, name: str, role: str) -> dict[str, Any]:
    return body("clinician", bubbles(words), name=name, role=role)
