"""A harmless test notice to each contact of the clinic, at an admin's wish: at most one a minute, and in the audit."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.deliveries import make_senders
from bot.handoff.roles import MANAGE
from bot.handoff.trial import try_channels
from bot.store import audit
from bot.store.models import Audit
from bot.store.session import now
from bot.web.inbox.acts import Desk
from bot.web.inbox.clinic_fields import Form
from bot.web.inbox.door import page_of, signed_in
from bot.web.services import in_thread

TESTED = "clinic.tested"
EVERY = timedelta(minutes=1)
# A page that somebody waits for.
LONGEST_SECONDS = 60.0


def routes() -> list[Route]:
    return [Route("/inbox/clinic/test", signed_in(send_test, MANAGE), methods=["POST"])]


async def send_test(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/clinic/test: tries every contact and system that is on, and says what each one did."""
    if not await in_thread(_begin, desk):
        return page_of(request, "inbox/clinic_test.html", 429, desk=desk, results=(), said="clinic_test_wait")
    services = desk.services
    senders = make_senders(services.clinic, services.settings, services.wording, services.db.clock)
    try:
        trying = try_channels(services.clinic(desk.clinic), senders)
        found, said = await asyncio.wait_for(trying, LONGEST_SECONDS), ""
    except asyncio.TimeoutError:
        found, said = [], "clinic_test_late"
    return page_of(request, "inbox/clinic_test.html", desk=desk, results=found, said=said)


def _begin(desk: Desk) -> bool:
    """Notes the test. False where the last one was a moment ago: contacts must not be flooded."""
    with desk.db.begin() as session:
        lately = select(Audit.id).where(
            Audit.clinic == desk.clinic, Audit.act == TESTED, Audit.at > now(session) - EVERY
        )
        if session.execute(lately.limit(1)).first() is not None:
            return False
        audit.record(session, clinic=desk.clinic, actor=desk.me.id, act=TESTED, subject=desk.clinic)
        return True
