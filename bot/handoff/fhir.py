"""Delivery to a clinic's health record (FHIR R4): creates each resource once, and keeps the Task's state true.

Everything is created on the condition that nothing with its identifier is there (``If-None-Exist``), so a sending that
is repeated after a crash makes nothing twice. Later states replace the Task by its identifier, always with the state
that is read then; and once it is sent, the state is read again, so that of two sendings at once the newer state stays.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from weakref import WeakValueDictionary

from bot.content import Clinic
from bot.content.chain import Fhir
from bot.content.forms import Form
from bot.handoff import fhir_resources as resources
from bot.handoff.backend_services import SignIn
from bot.handoff.calling import Answer, Line, call, need_accepted
from bot.handoff.current import Current, read_current
from bot.handoff.fhir_resources import Maker, Resource
from bot.handoff.notices import RAISED
from bot.handoff.worker import Delivery, TryLater, Undeliverable
from bot.store.outbox import Due
from bot.store.session import Database

_JSON = "application/fhir+json"
# How often one sending follows a state that changes under its hands; the change has a notice of its own anyway.
_MOST_ROUNDS = 3
_UNAUTHORISED = 401


@dataclass
class Record:
    """Health records by the settings of their clinics."""

    sign_in: SignIn
    line: Line

    async def create(self, fhir: Fhir, resource: Resource) -> Answer:
        """Creates the resource unless one with its identifier is there."""
        condition = {"if-none-exist": _query(_identifier(resource))}
        return await self._ask(fhir, "POST", resource["resourceType"], resource, condition)

    async def replace(self, fhir: Fhir, resource: Resource) -> Answer:
        """Puts the resource in the place of the one with its identifier."""
        path = f"{resource['resourceType']}?{_query(_identifier(resource))}"
        return await self._ask(fhir, "PUT", path, resource, {})

    async def capabilities(self, fhir: Fhir) -> Resource:
        """What the server says it can do. Raises TryLater where it says nothing we can read."""
        answer = await self._ask(fhir, "GET", "metadata", None, {})
        try:
            found = json.loads(answer.body)
        except ValueError:
            found = None
        if not isinstance(found, dict) or found.get("resourceType") != "CapabilityStatement":
            raise TryLater(f"{answer.who} gave no CapabilityStatement.")
        return found

    async def _ask(
        self, fhir: Fhir, method: str, path: str, resource: Resource | None, more: Mapping[str, str]
    ) -> Answer:
        url = f"{fhir.base_url.rstrip('/')}/{path}"
        who = f"The health record ({method} {path.partition('?')[0]})"
        content = json.dumps(resource, separators=(",", ":")).encode() if resource is not None else None
        headers = {"accept": _JSON, "prefer": "return=minimal", **more}
        if content is not None:
            headers["content-type"] = f"{_JSON}; charset=utf-8"
        token = await self.sign_in.token(fhir)
        answer = await call(self.line, method, url, who=who, headers=_with(headers, token), content=content)
        if answer.status == _UNAUTHORISED:
            token = await self.sign_in.token(fhir, refused=token)
            answer = await call(self.line, method, url, who=who, headers=_with(headers, token), content=content)
        return need_accepted(answer, self.sign_in.clock())


@dataclass
class Sender:
    """Brings a handoff's state into its clinic's record. `forms` are the questionnaires by id."""

    db: Database
    clinics: Callable[[str], Clinic]
    record: Record
    maker: Callable[[Clinic], Maker]
    forms: Mapping[str, Form]
    # Weak: a lock lives as long as somebody waits for it. Two notices of one item go one after the other.
    _order: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def send(self, notice: Due) -> str:
        """One notice; gives the Task's address. Raises TryLater, Undeliverable."""
        clinic = self.clinics(notice.clinic)
        fhir = clinic.chain.fhir
        if clinic.id != notice.clinic or fhir is None:
            raise Undeliverable("The health record is switched off in this clinic's settings.")
        line = self._order.setdefault(notice.handoff_id, asyncio.Lock())
        async with line:
            return await self._bring(notice, fhir, self.maker(clinic))

    async def _bring(self, notice: Due, fhir: Fhir, maker: Maker) -> str:
        item = await self._read(notice)
        focus = await self._say(fhir, maker, item)
        task = resources.task(maker, item, focus, self.db.clock())
        made = await self.record.create(fhir, task)
        address = _address(made, fhir, task)
        known: Current | None = item if made.status == 201 else None
        for _ in range(_MOST_ROUNDS):
            item = await self._read(notice)
            if known is not None and _state(item) == _state(known):
                break
            known = item
            await self.record.replace(fhir, resources.task(maker, item, focus, self.db.clock()))
        if notice.kind == RAISED:
            await self._measure(fhir, maker, item)
        return address

    async def _measure(self, fhir: Fhir, maker: Maker, item: Current) -> None:
        for answered in item.measures:
            form = self.forms.get(answered.form)
            await self.record.create(fhir, resources.answers(maker, item, answered, form))
            for observation in resources.observations(maker, item, answered, form):
                await self.record.create(fhir, observation)

    async def _say(self, fhir: Fhir, maker: Maker, item: Current) -> Resource | None:
        """The patient's words; gives the reference to the message that raised the item, where it is still kept."""
        focus: Resource | None = None
        for said in item.said:
            resource = resources.communication(maker, item, said)
            answer = await self.record.create(fhir, resource)
            if said is item.said[0]:
                named = {"type": "Communication", "identifier": _identifier(resource)}
                place = _place(answer)
                focus = {**named, "reference": place} if place else named
        return focus

    async def _read(self, notice: Due) -> Current:
        return await asyncio.to_thread(read_current, self.db, notice.handoff_id, notice.clinic, True)


def fhir_delivery(
    db: Database,
    clinics: Callable[[str], Clinic],
    record: Record,
    maker: Callable[[Clinic], Maker],
    forms: Mapping[str, Form],
) -> Delivery:
    """A delivery to each clinic's health record as its settings are at that moment."""
    return Sender(db, clinics, record, maker, forms).send


def _state(item: Current) -> tuple[Any, ...]:
    """What of an item its Task shows and may change."""
    return item.status, item.tier, item.outcome, item.climb_at, item.claimed_at, item.closed_at, item.exhausted_at


def _identifier(resource: Resource) -> Resource:
    given = resource["identifier"]
    found: Resource = given[0] if isinstance(given, list) else given
    return found


def _query(identifier: Mapping[str, str]) -> str:
    return f"identifier={quote(identifier['system'], safe=':/')}|{quote(identifier['value'], safe='')}"


def _with(headers: Mapping[str, str], token: str) -> dict[str, str]:
    return {**headers, "authorization": f"Bearer {token}"}


def _place(answer: Answer) -> str:
    """The relative address of what was created or found (Communication/12); empty where the server does not say."""
    parts = answer.headers.get("location", "").split("?")[0].split("/_history/")[0].rstrip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) >= 2 and all(parts[-2:]) else ""


def _address(answer: Answer, fhir: Fhir, task: Resource) -> str:
    base = fhir.base_url.rstrip("/")
    return f"{base}/{_place(answer) or 'Task?' + _query(_identifier(task))}"
