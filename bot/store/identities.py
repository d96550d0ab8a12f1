"""Who holds which token: sessions of signed-in patients, tokens that were used, and the conversation of a subject."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.orm import Session

from bot.store.conversations import extend_token, hash_token
from bot.store.models import Conversation, PatientSession, UsedToken
from bot.store.session import insert_once, now

# Seconds for which the session of a signed-in patient is good after each use.
SIGNED_SECONDS = 1_200
# A session is not written for every request: only when it has lost so many seconds since it was last extended.
EXTENDED_EVERY = 60

# Made once: to put a statement together takes longer than SQLite takes to answer it.
_KNOWN = (
    select(Conversation, PatientSession)
    .join(PatientSession, PatientSession.conversation_id == Conversation.id)
    .where(
        PatientSession.token_hash == bindparam("token_hash"),
        PatientSession.expires_at > bindparam("at"),
        PatientSession.revoked_at.is_(None),
    )
)


@dataclass(frozen=True)
class Known:
    """A token that is good now: what it opens, until when, and how much each use adds (None: nothing)."""

    conversation: Conversation
    expires_at: datetime
    slides: int | None

    def due(self, at: datetime) -> bool:
        """Whether a use at this time should extend it."""
        return self.slides is not None and self.expires_at - at <= timedelta(seconds=self.slides - EXTENDED_EVERY)


def known(session: Session, token: str) -> Known | None:
    """What `token` opens; None where it is unknown, over or revoked."""
    found = session.execute(_KNOWN, {"token_hash": hash_token(token), "at": now(session)}).first()
    return Known(found[0], found[1].expires_at, found[1].slides) if found else None


def slide(session: Session, token: str, slides: int) -> bool:
    """Keeps a token that is still good for `slides` seconds from now. Says whether it was good."""
    return extend_token(session, token, timedelta(seconds=slides))


def revoke_token(session: Session, token: str) -> str | None:
    """Ends this one token for good. Gives its conversation's id; None where there is nothing to end."""
    hashed = hash_token(token)
    changed = session.execute(
        update(PatientSession)
        .where(PatientSession.token_hash == hashed, PatientSession.revoked_at.is_(None))
        .values(revoked_at=now(session))
        .execution_options(synchronize_session=False)
    )
    if not changed.rowcount:
        return None
    found = session.execute(select(PatientSession.conversation_id).where(PatientSession.token_hash == hashed))
    return str(found.scalar_one())


def use_token(session: Session, clinic: str, jti: str, forget_at: datetime) -> bool:
    """Uses up a clinic's signed token, in the caller's transaction. False where it was used before. The retention chore
    forgets it after `forget_at`."""
    return insert_once(session, UsedToken, clinic=clinic, jti=jti, expires_at=forget_at)


def conversation_of(session: Session, clinic: str, subject: str) -> Conversation | None:
    """The latest conversation of a signed-in patient; None where there is none, or it was erased.

    Whoever opens one asks here first and holds the subject until the transaction ends, so two devices at once do not
    get two conversations.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        held = hashlib.sha256(f"{clinic}\0{subject}".encode()).digest()
        session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(held[:8], "big", signed=True))))
    found = session.execute(
        select(Conversation)
        # Every conversation begins with the first-run notice: one without any event has been erased.
        .where(Conversation.clinic == clinic, Conversation.subject == subject, Conversation.last_seq > 0)
        .order_by(Conversation.updated_at.desc(), Conversation.created_at.desc(), Conversation.id)
        .limit(1)
    )
    return found.scalar_one_or_none()
