"""The patient API with a clinic that signs its patients in: people at its door, and what must never leak."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from bot.store.models import Conversation, PatientSession, UsedToken
from bot.web.identity import Verifier
from bot.web.services import Services
from tests.support.patient_api import Patient, ScriptedRasa, make_services
from tests.support.portal import CLINIC, OTHER, Portal, ec_key, signing_clinic

# Signs its patients in, and lets others in too.
OPEN = "open"
OTHER_ISSUER = "https://other.example"


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
