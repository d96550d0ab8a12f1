"""The clinic's chain of contacts at work, for the worker: what climbs, and what the patient reads of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.orm import Session

from bot.handoff.abandoned import take_back
from bot.handoff.climb import Climbed, climb_overdue
from bot.store.models import Clinician, Handoff
from bot.web import handoffs
from bot.web.services import Services


def climb_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One pass: what its holder cannot answer any more goes back, then what nobody has claimed in time climbs."""

    def released(session: Session, item: Handoff, person: Clinician) -> None:
        handoffs.tell_released(services, session, services.clinic(item.clinic), item, person.name)

    def climbed(session: Session, item: Handoff, what: Climbed) -> None:
        services.metrics.deadline_missed(session, item.tier, what.ended)
        handoffs.tell_climbed(services, session, item, what)

    async def look() -> int:
        back = await take_back(services.db, services.clinic, released, services.news)
        return back + await climb_overdue(services.db, services.clinic, climbed, services.news)

    return look
