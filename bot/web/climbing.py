"""The clinic's chain of contacts at work, for the worker: what climbs, and what the patient reads of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sqlalchemy.orm import Session

from bot.handoff.climb import Climbed, climb_overdue
from bot.store.models import Handoff
from bot.web import handoffs
from bot.web.services import Services


def climb_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One pass over the items that nobody has claimed in time."""

    def tell(session: Session, item: Handoff, climbed: Climbed) -> None:
        handoffs.tell_climbed(services, session, item, climbed)

    return lambda: climb_overdue(services.db, services.clinic, tell, services.news)
