"""What a locked page may show, as plain values: how many items wait, by tier. Nothing of any patient."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.handoff.roles import READ, SUPERVISE, may
from bot.handoff.states import TIERS
from bot.store.handoffs import WAITING
from bot.store.models import Handoff
from bot.web.inbox.acts import Desk
from bot.web.inbox.calls import Calls, calls

_NONE = Calls(0, 0, "")


def lock_view(desk: Desk) -> dict[str, Any]:
    """How many items of each tier nobody has taken, for those who watch over them."""
    if not watching(desk):
        return {"watches": False, "tiers": [], "calls": _NONE}
    waiting = Handoff.clinic == desk.clinic, Handoff.status.in_(WAITING)
    with desk.db.read() as session:
        found = session.execute(select(Handoff.tier, func.count()).where(*waiting).group_by(Handoff.tier)).all()
        numbers = {tier: number for tier, number in found}
        tiers = [(tier, numbers[tier]) for tier in TIERS if tier in numbers]
        return {"watches": True, "tiers": tiers, "calls": calls(session, desk.clinic)}


def lock_signature(session: Session, desk: Desk) -> str:
    """Changes whenever there is something new to count or to ring for."""
    return (calls(session, desk.clinic) if watching(desk) else _NONE).signature


def watching(desk: Desk) -> bool:
    """Whether this person's role looks after what waits."""
    return may(desk.me.role, READ) or may(desk.me.role, SUPERVISE)
