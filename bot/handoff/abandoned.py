"""What somebody holds who can no longer answer (shut out, or in another role now) goes back into the queue.

Found by looking, whatever shut them out: the people page, the command line, the clinic's own sign-in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from bot.content import Clinic
from bot.handoff.passes import BATCH, each_once
from bot.handoff.roles import ANSWER, ROLES, may
from bot.handoff.steps import let_go
from bot.store import audit
from bot.store.handoffs import HELD
from bot.store.models import Clinician, Conversation, Handoff
from bot.store.session import Database

# Says it to the patient, once a conversation, in the session's transaction: an item, and who had it.
Tell = Callable[[Session, Handoff, Clinician], None]


async def take_back(
    db: Database, clinic_of: Callable[[str], Clinic], tell: Tell, wake: Callable[[str, str], None]
) -> int:
    """One pass; says how many conversations went back into the queue. Raises DatabaseUnavailable."""
    taken = 0
    async for conversation_id, clinic in each_once(
        "abandoned", lambda without: _find(db, without), lambda one: _take_back(db, one, clinic_of, tell)
    ):
        wake(conversation_id, clinic)
        taken += 1
    return taken


def _abandoned() -> object:
    answering = tuple(role for role in ROLES if may(role, ANSWER))
    return or_(Clinician.disabled_at.is_not(None), Clinician.role.not_in(answering))


def _find(db: Database, without: Collection[str]) -> list[str]:
    query = (
        select(Handoff.conversation_id)
        .join(Clinician, Clinician.id == Handoff.claimed_by)
        .where(Handoff.status.in_(HELD), _abandoned(), Handoff.conversation_id.not_in(tuple(without)))
        .distinct()
        .limit(BATCH)
    )
    with db.read() as session:
        return list(session.execute(query).scalars())


def _take_back(
    db: Database, conversation_id: str, clinic_of: Callable[[str], Clinic], tell: Tell
) -> tuple[str, str] | None:
    with db.begin() as session:
        conversation = session.execute(
            select(Conversation)
            .where(Conversation.id == conversation_id)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).scalar_one_or_none()
        if conversation is None:
            return None
        held = session.execute(
            select(Handoff, Clinician)
            .join(Clinician, Clinician.id == Handoff.claimed_by)
            .where(Handoff.conversation_id == conversation_id, Handoff.status.in_(HELD), _abandoned())
        ).first()
        if held is None:
            return None
        item, person = held
        let_go(session, conversation_id, person.id, clinic_of(conversation.clinic), audit.SYSTEM)
        tell(session, item, person)
        return str(conversation.id), str(conversation.clinic)
