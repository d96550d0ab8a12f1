"""The patient API with a clinic that signs its patients in: people at its door, and what must never leak."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from bot.store.models import Conversation, PatientSession, UsedToken
from bot.web.bodies import SAFETY_RELEASE
from bot.web.identity import Verifier
from bot.web.services import Services
from tests.support.database import HandClock
from tests.support.patient_api import Patient, ScriptedRasa, door, make_services
from tests.support.portal import CLINIC, OTHER, Portal, ec_key, signing_clinic

# Signs its patients in, and lets others in too.
OPEN = "open"
OTHER_ISSUER = "https://other.example"
MARK = "zanzibar-marmalade"
ALICE, ALICES_NAME, EVE = "alice-subject", "Alice Liddell-Marker", "eve-subject"
# Everything that can be asked of one conversation: method, path, body.
DOORS: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "poll": ("GET", "events?wait=0", None),
    "stream": ("GET", "events", None),
    "stream-after": ("GET", "events?after=0", None),
    "data": ("GET", "data", None),
    "data-html": ("GET", "data?format=html", None),
    "erase": ("DELETE", "data", None),
    "erase-one": ("DELETE", "data/messages/3", None),
    "correct": ("PATCH", "data/facts", {"key": "age", "value": 7}),
    "send": ("POST", "messages", {"kind": "text", "client_id": "eves-message", "text": "hello"}),
    "press": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": "/life/sleep"}),
    "answer": ("POST", "messages", {
        "kind": "answer", "client_id": "eves-message", "payload": "form:survey", "reply_to": 1, "answers": {}}),
    "end": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": "chat:end"}),
    "release": ("POST", "messages", {"kind": "button", "client_id": "eves-message", "payload": SAFETY_RELEASE}),
    "feedback": ("POST", "feedback", {"seq": 4, "value": "down"}),
    "settings": ("PATCH", "settings", {"reading": "plain"}),
    "typing": ("POST", "signs", {"typing": True}),
    "shown": ("POST", "signs", {"shown": 2}),
}  # fmt: skip


@dataclass
class Scene:
    """Alice has told the tutor something; Eve stands at the same door."""

    client: httpx.AsyncClient
    services: Services
    portal: Portal
    alice: Patient
    clock: HandClock
    started: datetime

    async def eve(self, **body: Any) -> Patient:
        return await enter(self.client, self.services, **(body or {"identity": self.portal.token(EVE)}))

    def untouched(self) -> list[Any]:
        """Everything of Alice's that nobody else may change."""
        with self.services.db.read() as session:
            row = session.get(Conversation, self.alice.conversation)
            return [row.shown_seq, row.shown_at, *(event.as_dict() for event in self.alice.stored())]


def signed_services(folder: Path, portal: Portal, rasa: Any = None) -> Services:
    """Services with the demo clinic (signs nobody in) and three that sign: one of them only, one not only, and one with
    another issuer but the same address of keys."""
    made = make_services(folder, rasa or ScriptedRasa())
    made.clinics = {
        **made.clinics,
        CLINIC: signing_clinic(CLINIC),
        OPEN: signing_clinic(OPEN, required=False, audience="pne-tutor-open"),
        OTHER: signing_clinic(OTHER, issuer=OTHER_ISSUER),
    }
    made.db.clock.at = portal.clock()  # type: ignore[attr-defined]
    portal.clock = made.db.clock
    start = made.db.clock()
    made.identity = Verifier({}, portal.fetch, lambda: (made.db.clock() - start).total_seconds())
    return made


def other_portal(portal: Portal) -> Portal:
    """The portal of the clinic with another issuer, which has keys of its own at the same address."""
    return Portal(portal.clock, OTHER_ISSUER, keys=[ec_key("other")])


async def ask(client: httpx.AsyncClient, clinic: str = CLINIC, **body: Any) -> httpx.Response:
    return await client.post("/v1/session", json={"clinic": clinic, **body})


async def enter(client: httpx.AsyncClient, services: Services, clinic: str = CLINIC, **body: Any) -> Patient:
    """Somebody who has got in."""
    answer = await ask(client, clinic, **body)
    assert answer.status_code in (200, 201), answer.text
    made = answer.json()
    return Patient(client, services, made["conversation"], made["session"])


def counted(services: Services) -> tuple[int, ...]:
    """How many conversations, sessions and used tokens there are."""
    with services.db.read() as session:
        return tuple(session.query(table).count() for table in (Conversation, PatientSession, UsedToken))


@asynccontextmanager
async def at_the_door(folder: Path) -> AsyncIterator[Scene]:
    """Alice has said something that nobody else may read."""
    portal = Portal(HandClock())
    services = signed_services(folder, portal)
    clock: Any = services.db.clock
    async with door(services) as client:
        alice = await enter(client, services, identity=portal.token(ALICE, name=ALICES_NAME))
        await alice.accept()
        await alice.say(f"my back hurts {MARK}")
        await services.finish_turns(5.0)
        yield Scene(client, services, portal, alice, clock, clock().replace(microsecond=0))


def leaks_nothing(answer: httpx.Response, scene: Scene) -> None:
    for secret in (MARK, ALICES_NAME, ALICE, scene.alice.token, scene.alice.conversation):
        assert secret not in answer.text


async def signed_out(scene: Scene) -> dict[str, str]:
    """Alice has signed out; what her page sent until then."""
    headers = scene.alice.headers()
    assert (await scene.client.delete("/v1/session", headers=headers)).status_code == 204
    return headers
