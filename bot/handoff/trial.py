"""A harmless try of everything over which a clinic is told: each contact, the webhook, the health record.

Nothing of a patient is sent. What arrives says that it is a test and that nobody is waiting.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.content import Clinic
from bot.content.chain import EMAIL, FHIR, WEBHOOK, Contact, Fhir, Webhook
from bot.handoff import fhir_codes as codes
from bot.handoff.deliveries import Senders
from bot.handoff.fhir_resources import Resource, device, identifier, instant
from bot.handoff.webhook import TEST, post
from bot.handoff.worker import TryLater, Undeliverable

_NEEDED = {"Task": ("create", "update"), "Communication": ("create",)}


@dataclass(frozen=True)
class Result:
    """One line of the report: `trouble` is empty where it went well, else what failed and what to do."""

    channel: str
    who: str
    trouble: str = ""


async def try_channels(clinic: Clinic, senders: Senders) -> list[Result]:
    """Tries each contact of the clinic's chain and each system that is on, one after the other."""
    results = []
    for channel, who, work in _tries(clinic, senders):
        results.append(Result(channel, who, await _trouble(work)))
    return results


def _tries(clinic: Clinic, senders: Senders) -> Iterator[tuple[str, str, Awaitable[None]]]:
    chain = clinic.chain
    for contact in chain.contacts.values():
        who = f"{contact.id} ({', '.join(contact.to)})" if contact.to else contact.id
        if contact.channel == EMAIL and chain.email:
            yield EMAIL, who, senders.mailer.test(clinic, contact)
        elif contact.channel == WEBHOOK and chain.webhook is not None:
            yield WEBHOOK, who, _try_webhook(clinic, chain.webhook, senders, contact)
        else:
            yield contact.channel, who, _off(contact.channel)
    if chain.webhook is not None:
        yield WEBHOOK, "events", _try_webhook(clinic, chain.webhook, senders)
    if chain.fhir is not None:
        yield FHIR, "sign-in", _sign_in(chain.fhir, senders)
        yield FHIR, "what it can do", _capabilities(chain.fhir, senders)
        yield FHIR, "test Task", _try_task(clinic, chain.fhir, senders)


async def _trouble(work: Awaitable[None]) -> str:
    try:
        await work
    except (TryLater, Undeliverable) as error:
        return str(error)
    return ""


async def _off(channel: str) -> None:
    raise Undeliverable(f"This contact is told by {channel}, which is off. Turn it on, or tell them another way.")


async def _try_webhook(clinic: Clinic, hook: Webhook, senders: Senders, contact: Contact | None = None) -> None:
    at = senders.clock()
    data = {"clinic": clinic.id, "contact": contact.id if contact else None}
    body: dict[str, Any] = {"type": f"handoff.{TEST}", "timestamp": instant(at), "data": data}
    await post(hook, str(uuid.uuid4()), body, senders.environ, at, senders.line)


async def _sign_in(fhir: Fhir, senders: Senders) -> None:
    await senders.record.sign_in.token(fhir)


async def _capabilities(fhir: Fhir, senders: Senders) -> None:
    statement = await senders.record.capabilities(fhir)
    if not str(statement.get("fhirVersion", "")).startswith("4.0"):
        raise Undeliverable("The server does not speak FHIR R4 (4.0). Give the address of its R4 part.")
    missing = list(_missing(statement))
    if missing:
        raise Undeliverable(f"The server says that it cannot do this: {', '.join(missing)}. Ask its owner.")


def _missing(statement: Resource) -> Iterator[str]:
    rest: Iterable[Any] = statement.get("rest") or ()
    found = {part.get("type"): part for one in rest for part in one.get("resource") or ()}
    for kind, needed in _NEEDED.items():
        part = found.get(kind, {})
        able = {one.get("code") for one in part.get("interaction") or ()}
        yield from (f"{kind} {code}" for code in needed if code not in able)
        if part and not part.get("conditionalCreate"):
            yield f"{kind} conditional create"
    if found.get("Task") and not found["Task"].get("conditionalUpdate"):
        yield "Task conditional update"


async def _try_task(clinic: Clinic, fhir: Fhir, senders: Senders) -> None:
    """The one Task that every test of this clinic writes: cancelled from the start, and found again the next time."""
    maker = senders.maker(clinic)
    task: Resource = {
        "resourceType": "Task",
        "contained": [device(maker)],
        "identifier": [identifier(codes.HANDOFF, f"test.{clinic.id}")],
        "status": codes.TaskStatus.CANCELLED,
        "intent": codes.TaskIntent.PROPOSAL,
        "priority": codes.Priority.ROUTINE,
        "code": {"coding": [{"system": codes.CODES, "code": codes.Own.CHANNEL_TEST}]},
        "description": maker.words["test"],
        "authoredOn": instant(senders.clock()),
        "requester": {"reference": f"#{device(maker)['id']}"},
    }
    await senders.record.create(fhir, task)
    await senders.record.replace(fhir, task)
