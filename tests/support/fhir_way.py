"""The way from a database to a FHIR server of the tests, with faults on it."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy.orm import Session

from bot.content import Clinic, load_wording
from bot.content.forms import Form, Item
from bot.handoff.backend_services import SignIn
from bot.handoff.calling import Line
from bot.handoff.fhir import Record, Sender
from bot.handoff.fhir_resources import Maker
from bot.handoff.worker import send_due
from bot.store import outbox
from bot.store.models import Outbox
from bot.store.session import Database
from tests.support.database import raise_one
from tests.support.receivers import Faulty, FhirServer, Request, clinic_with, no_network

SCALES = Form(
    "peg",
    "PEG",
    ("intro",),
    (
        Item("pain", "scale", "How bad was your pain?"),
        Item("where", "choice", "Where is it?", choices={"back": "My back", "leg": "My leg"}),
        Item("more", "text", "Anything else?"),
        Item("life", "scale", "How much did it get in your way?"),
    ),
    ("thanks",),
    "pending",
)


def is_a_task(request: Request) -> bool:
    return "/Task" in request.path


class Way:
    """The way from a database to a FHIR server, with faults on it."""

    def __init__(self, db: Database, server: FhirServer, clinic: Clinic | None = None) -> None:
        self.db, self.server = db, server
        self.clinic = clinic or clinic_with(base=server.base, owner="Organization/7")
        self.faulty = Faulty(server, counts=is_a_task)
        words = load_wording().mail
        line = Line(no_network(self.faulty))
        record = Record(SignIn(server.environ, db.clock, line), line)

        def maker(clinic: Clinic) -> Maker:
            return Maker(clinic, "https://tutor.invalid", "1.2", words["record"], words["tiers"])

        self.sender = Sender(db, lambda _: self.clinic, record, maker, {"peg": SCALES})

    async def go(self, owner: str = "w1") -> int:
        return await send_due(self.db, "fhir", self.sender.send, owner, lambda: 1.0)

    def raised(self, key: str = "m1", conversation: str = "c", **more: Any) -> str:
        return raise_one(self.db, conversation, key, clinic_of=lambda _: self.clinic, **more).handoff_id

    def raised_again(self, where: Session, **more: Any) -> None:
        """A later message of the same family, in the caller's transaction."""
        raise_one(where, "c", str(uuid.uuid4()), clinic_of=lambda _: self.clinic, **more)

    def rows(self, handoff_id: str) -> list[Outbox]:
        with self.db.read() as session:
            return [one for one in outbox.notices_of(session, handoff_id) if one.channel == "fhir"]
