"""What a handoff is in a health record (FHIR R4): a Task, the patient's words as Communications, measures. Pure: facts
in, JSON documents out.

The patient is named by the clinic's own pseudonym, where its portal gave one; else the words come from a Device, with a
note that nobody signed in. Contained resources and references by identifier need no right to read the record.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from bot.content import Clinic
from bot.content.forms import CHOICE, SCALE, Form, Item
from bot.handoff import fhir_codes as codes
from bot.handoff.current import Answered, Current, Said
from bot.store.handoffs import FINISHED, WAITING

Resource = dict[str, Any]
# To whom a Task may belong in R4, as a reference in the clinic's file: Organization/123.
_OWNER = re.compile(
    r"(Practitioner|PractitionerRole|Organization|CareTeam|HealthcareService|Patient|Device|RelatedPerson)/[A-Za-z0-9.-]{1,64}"
)
# What FHIR allows in no text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_DEVICE = "pne-tutor"


@dataclass(frozen=True)
class Maker:
    """What every resource needs: the clinic, the inbox's address, the version of this program, the `words` of
    data/messages.yml (mail.record) and of the tiers."""

    clinic: Clinic
    public_url: str
    version: str
    words: Mapping[str, str]
    tiers: Mapping[str, str]


def task(maker: Maker, item: Current, focus: Mapping[str, Any] | None, at: datetime) -> Resource:
    """The work item in its present state. `focus` is the reference to the Communication that raised it."""
    made: Resource = {
        "resourceType": "Task",
        "contained": [device(maker)],
        "identifier": [identifier(codes.HANDOFF, item.id)],
        "status": codes.TASK_STATUS[item.status],
        "intent": codes.TaskIntent.PROPOSAL,
        "priority": codes.PRIORITY[item.tier],
        "code": _own(codes.Own.HANDOFF, maker.words["handoff"]),
        "description": maker.words["description"].format(
            tier=maker.tiers.get(item.tier, item.tier), clinic=maker.clinic.name
        ),
        "authoredOn": instant(item.created_at),
        "lastModified": instant(max(at, item.created_at)),
        "requester": {"reference": f"#{_DEVICE}"},
        "reasonCode": {"coding": [{"system": f"{codes.OWN}/category", "code": item.category}], "text": item.category},
        "restriction": {"period": {"end": instant(deadline(maker.clinic, item))}},
        "input": _inputs(maker, item),
    }
    patient = patient_of(maker.clinic, item)
    owner = maker.clinic.chain.fhir.owner if maker.clinic.chain.fhir else ""
    optional: Resource = {
        "for": patient,
        "focus": dict(focus) if focus else None,
        "owner": {"reference": owner} if _OWNER.fullmatch(owner) else {"display": owner} if owner else None,
        "businessStatus": _own(codes.Own.NOBODY_CLAIMED, maker.words["nobody"])
        if item.exhausted_at and item.status in WAITING
        else None,
        "executionPeriod": _period(item),
        "output": [
            {
                "type": _own(codes.Own.OUTCOME),
                "valueCodeableConcept": {"coding": [{"system": f"{codes.OWN}/outcome", "code": item.outcome}]},
            }
        ]
        if item.outcome
        else None,
    }
    return {**made, **{name: value for name, value in optional.items() if value is not None}}


def communication(maker: Maker, item: Current, said: Said) -> Resource:
    """One message of the patient, word for word."""
    patient = patient_of(maker.clinic, item)
    category = codes.CommunicationCategory.ALERT if item.rule else codes.CommunicationCategory.NOTIFICATION
    made: Resource = {
        "resourceType": "Communication",
        "identifier": [identifier(codes.MESSAGE, message_id(item, said))],
        "status": codes.EventStatus.COMPLETED,
        "category": [{"coding": [{"system": codes.COMMUNICATION_CATEGORY, "code": category}]}],
        "priority": codes.PRIORITY[item.tier],
        "sent": instant(said.at),
        "sender": patient or {"reference": f"#{_DEVICE}"},
        "payload": [{"contentString": _CONTROL.sub("\N{REPLACEMENT CHARACTER}", said.words)}],
    }
    if patient is not None:
        return {**made, "subject": patient}
    return {**made, "contained": [device(maker, anonymous=True)]}


def answers(maker: Maker, item: Current, answered: Answered, form: Form | None) -> Resource:
    """A form that the patient has filled in."""
    questions = {question.id: question for question in form.items} if form else {}
    return {
        "resourceType": "QuestionnaireResponse",
        "contained": [device(maker)],
        "identifier": identifier(codes.ANSWERS, answers_id(answered)),
        "questionnaire": f"{codes.OWN}/Questionnaire/{answered.form}",
        "status": codes.AnswersStatus.COMPLETED,
        "authored": instant(answered.at),
        "author": {"reference": f"#{_DEVICE}"},
        **_about_patient(maker, item, "source"),
        "item": [_answer(answered.form, name, value, questions.get(name)) for name, value in _given(answered)],
    }


def observations(maker: Maker, item: Current, answered: Answered, form: Form | None) -> list[Resource]:
    """One for each scale of a form that the patient has filled in: a number that can be followed over time."""
    scales = {question.id: question for question in form.items if question.kind == SCALE} if form else {}
    source = {
        "type": "QuestionnaireResponse",
        "identifier": identifier(codes.ANSWERS, answers_id(answered)),
    }
    return [
        {
            "resourceType": "Observation",
            "identifier": [identifier(codes.SCORE, f"{answers_id(answered)}.{name}")],
            "status": codes.ObservationStatus.FINAL,
            "category": [
                {"coding": [{"system": codes.OBSERVATION_CATEGORY, "code": codes.ObservationCategory.SURVEY}]}
            ],
            "code": {
                "coding": [{"system": f"{codes.OWN}/measure", "code": f"{answered.form}.{name}"}],
                "text": scales[name].text,
            },
            **_about_patient(maker, item, None),
            "effectiveDateTime": instant(answered.at),
            "valueInteger": value,
            "derivedFrom": [source],
        }
        for name, value in _given(answered)
        if name in scales and isinstance(value, int)
    ]


def device(maker: Maker, anonymous: bool = False) -> Resource:
    """This program, contained in what it made. `anonymous`: with the note that nobody signed in."""
    made: Resource = {
        "resourceType": "Device",
        "id": _DEVICE,
        "deviceName": [{"name": maker.words["device"], "type": codes.DeviceNameType.MODEL}],
        "version": [{"value": maker.version}],
    }
    return {**made, "note": [{"text": maker.words["anonymous"]}]} if anonymous else made


def identifier(system: str, value: str) -> Resource:
    return {"system": system, "value": value}


def message_id(item: Current, said: Said) -> str:
    """The identifier's value of one message. Its key came from outside, so it never stands in a header itself."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{codes.MESSAGE}/{item.id}/{said.key}"))


def answers_id(answered: Answered) -> str:
    """The identifier's value of one filled-in form."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{codes.ANSWERS}/{answered.conversation_id}/{answered.number}"))


def patient_of(clinic: Clinic, item: Current) -> Resource | None:
    """The patient by the clinic's own pseudonym, which its portal (the identifier's system) gave; None: not known."""
    if item.subject is None or clinic.identity is None:
        return None
    return {"type": "Patient", "identifier": identifier(clinic.identity.issuer, item.subject)}


def deadline(clinic: Clinic, item: Current) -> datetime:
    """By when somebody should have claimed it."""
    first = clinic.chain.deadline(item.tier, clinic.hours, item.created_at)
    return item.climb_at or first if item.status in WAITING else first


def instant(at: datetime) -> str:
    """A time as FHIR writes it, in UTC."""
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _inputs(maker: Maker, item: Current) -> list[Resource]:
    link = f"{maker.public_url.rstrip('/')}/inbox/{item.id}"
    smart = {"coding": [{"system": codes.SMART, "code": codes.SMART_APPLICATION}]}
    made: list[Resource] = [{"type": smart, "valueUrl": link}]
    if item.rule:
        made.append({"type": _own(codes.Own.RULE), "valueString": item.rule})
    if item.rules_version:
        made.append({"type": _own(codes.Own.RULES_VERSION), "valueString": item.rules_version})
    return made


def _period(item: Current) -> Resource | None:
    times = {"start": item.claimed_at, "end": item.closed_at if item.status in FINISHED else None}
    if item.claimed_at is None:
        return None
    return {name: instant(at) for name, at in times.items() if at is not None}


def _own(code: codes.Own, text: str = "") -> Resource:
    made: Resource = {"coding": [{"system": codes.CODES, "code": code}]}
    return {**made, "text": text} if text else made


def _about_patient(maker: Maker, item: Current, source: str | None) -> Resource:
    patient = patient_of(maker.clinic, item)
    if patient is None:
        return {}
    return {"subject": patient, source: patient} if source else {"subject": patient}


def _given(answered: Answered) -> list[tuple[str, Any]]:
    """The answers that were given, skipped ones left out."""
    return [(name, value) for name, value in answered.answers.items() if value is not None]


def _answer(form: str, name: str, value: Any, question: Item | None) -> Resource:
    made: Resource = {"linkId": name, "answer": [_value(form, name, value, question)]}
    return {**made, "text": question.text} if question else made


def _value(form: str, name: str, value: Any, question: Item | None) -> Resource:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"valueInteger": value}
    if question is not None and question.kind == CHOICE and value in (question.choices or {}):
        title = (question.choices or {})[value]
        return {"valueCoding": {"system": f"{codes.OWN}/measure/{form}.{name}", "code": value, "display": title}}
    return {"valueString": _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))}
