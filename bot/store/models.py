"""The tables. Times are UTC; words and documents are made storable before they reach the driver."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import registry

from bot.store.columns import Document, UtcTime, Words

# Fixed names, so that a later migration can name what it alters on every database.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLAlchemy 1.4 has no types of its own: to the type checker a column is anything.
Base: Any = registry(metadata=metadata).generate_base()


class Clinician(Base):
    """A person of a clinic who may open its inbox. The e-mail address is kept in lower case.

    `password_hash` is empty for somebody who signs in with the clinic's own identity provider alone (`oidc_issuer`,
    `oidc_subject`). `totp_secret` is encrypted; `totp_step` is the last 30-second step whose code was used.
    """

    __tablename__ = "clinician"

    id = Column(Words, primary_key=True)
    clinic = Column(Words, nullable=False, index=True)
    email = Column(Words, nullable=False, unique=True)
    name = Column(Words, nullable=False)
    role = Column(Words, nullable=False)
    password_hash = Column(Words, nullable=False)
    created_at = Column(UtcTime, nullable=False)
    disabled_at = Column(UtcTime)
    totp_secret = Column(Words)
    totp_step = Column(Integer)
    failures = Column(Integer, nullable=False, default=0)
    locked_until = Column(UtcTime)
    oidc_issuer = Column(Words)
    oidc_subject = Column(Words)

    __table_args__ = (UniqueConstraint("oidc_issuer", "oidc_subject"),)


class ClinicianSession(Base):
    """A clinician's sign-in. Only the token's SHA-256 is kept; `id` names it on pages and in the audit.

    `used_at`: when the person last did something (not when a page refreshed itself); `device`: a short name of it.
    """

    __tablename__ = "clinician_session"

    token_hash = Column(Words, primary_key=True)
    clinician_id = Column(ForeignKey("clinician.id", ondelete="CASCADE"), nullable=False, index=True)
    csrf = Column(Words, nullable=False)
    created_at = Column(UtcTime, nullable=False)
    expires_at = Column(UtcTime, nullable=False)
    revoked_at = Column(UtcTime)
    id = Column(Words, nullable=False, unique=True)
    used_at = Column(UtcTime, nullable=False)
    device = Column(Words, nullable=False, default="")


class SignInState(Base):
    """Something that can be finished once: an invitation, or a sign-in that is under way (by the clinic's provider, or
    between password and code). Only the hash of its token is kept."""

    __tablename__ = "sign_in_state"

    state_hash = Column(Words, primary_key=True)
    clinic = Column(Words, nullable=False)
    nonce = Column(Words, nullable=False)
    verifier = Column(Words, nullable=False)
    then = Column(Words, nullable=False)
    expires_at = Column(UtcTime, nullable=False, index=True)


class ClinicSetting(Base):
    """A part of a clinic's file (``data/clinics``) as its admin has changed it: `value` takes the place of `key`."""

    __tablename__ = "clinic_setting"

    clinic = Column(Words, primary_key=True)
    key = Column(Words, primary_key=True)
    value = Column(Document, nullable=False)
    at = Column(UtcTime, nullable=False)
    by = Column(Words, nullable=False)


class Conversation(Base):
    """One patient's conversation and who answers it (`state`: bot, waiting, human, closed).

    `subject` is the clinic's own pseudonym of a signed-in patient, `person_name` what the clinic signed as the name;
    both are None for an anonymous one. `reading` is the form of answers that the patient asked for (plain, flare).
    `shown_seq`, `shown_at`: the last event that the patient's page has said was on the screen, and when.
    """

    __tablename__ = "conversation"

    id = Column(Words, primary_key=True)
    clinic = Column(Words, nullable=False)
    locale = Column(Words, nullable=False)
    state = Column(Words, nullable=False)
    holder = Column(ForeignKey("clinician.id"), index=True)
    pending = Column(Document)
    hold = Column(Document)
    consent_version = Column(Words)
    consented_at = Column(UtcTime)
    last_seq = Column(Integer, nullable=False)
    created_at = Column(UtcTime, nullable=False)
    updated_at = Column(UtcTime, nullable=False)
    subject = Column(Words)
    person_name = Column(Words)
    reading = Column(Words)
    shown_seq = Column(Integer, nullable=False, default=0)
    shown_at = Column(UtcTime)

    __table_args__ = (Index(None, "clinic", "updated_at"), Index(None, "clinic", "subject"))


class PatientSession(Base):
    """A patient's token for one conversation. Only the token's SHA-256 is kept.

    `slides`: each use keeps the token good for so many seconds more; None: only opening the chat anew does.
    """

    __tablename__ = "session"

    token_hash = Column(Words, primary_key=True)
    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), nullable=False, index=True)
    expires_at = Column(UtcTime, nullable=False)
    revoked_at = Column(UtcTime)
    slides = Column(Integer)


class UsedToken(Base):
    """A clinic's signed token that has been exchanged for a session: it opens nothing a second time."""

    __tablename__ = "used_token"

    clinic = Column(Words, primary_key=True)
    jti = Column(Words, primary_key=True)
    expires_at = Column(UtcTime, nullable=False, index=True)


class Event(Base):
    """One numbered event of a conversation. Never changed after it is written."""

    __tablename__ = "event"

    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    type = Column(Words, nullable=False)
    author = Column(Words, nullable=False)
    at = Column(UtcTime, nullable=False)
    body = Column(Document, nullable=False)
    client_id = Column(Words)

    __table_args__ = (UniqueConstraint("conversation_id", "client_id"),)

    def as_dict(self) -> dict[str, Any]:
        """The event as the patient API sends it."""
        shown: dict[str, Any] = {
            "seq": self.seq,
            "type": self.type,
            "at": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "author": self.author,
            "body": self.body,
        }
        if self.client_id is not None:
            shown["client_id"] = self.client_id
        return shown


class Offer(Base):
    """A payload that a button has offered in this conversation: no other payload is accepted."""

    __tablename__ = "offer"

    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    payload = Column(Words, primary_key=True)


# A conversation has one open handoff of a family (`category`); what repeats it attaches to it.
_OPEN_HANDOFF = text("status IN ('raised', 'delivered', 'seen', 'claimed', 'in_conversation')")


class Handoff(Base):
    """One message passed to the clinic's people; `status` is one of `bot.store.handoffs.STATUSES`.

    While nobody has claimed it, it climbs: `step` is the place in the clinic's chain of contacts that was told last,
    `climb_at` when the next one is, `exhausted_at` when the chain ended without a claim. `answered_at`: the first words
    of a person. `rules_version`: the version of the safety rules that raised it.
    """

    __tablename__ = "handoff"

    id = Column(Words, primary_key=True)
    conversation_id = Column(ForeignKey("conversation.id"), nullable=False)
    message_key = Column(Words, nullable=False)
    clinic = Column(Words, nullable=False)
    tier = Column(Words, nullable=False)
    category = Column(Words)
    rule = Column(Words)
    words = Column(Words, nullable=False)
    about = Column(Document, nullable=False)
    message_shown = Column(Words, nullable=False)
    numbers_shown = Column(Document, nullable=False)
    status = Column(Words, nullable=False)
    created_at = Column(UtcTime, nullable=False)
    claimed_by = Column(ForeignKey("clinician.id"))
    claimed_at = Column(UtcTime)
    seen_at = Column(UtcTime)
    closed_at = Column(UtcTime)
    outcome = Column(Words)
    version = Column(Integer, nullable=False)
    delivered_at = Column(UtcTime)
    answered_at = Column(UtcTime)
    step = Column(Integer, nullable=False, default=0)
    climb_at = Column(UtcTime)
    exhausted_at = Column(UtcTime)
    snoozed_until = Column(UtcTime)
    rules_version = Column(Words)

    __table_args__ = (
        UniqueConstraint("conversation_id", "message_key"),
        Index(None, "clinic", "status", "tier", "created_at"),
        Index(None, "climb_at"),
        Index(
            "ix_handoff_open_family",
            "conversation_id",
            "category",
            unique=True,
            sqlite_where=_OPEN_HANDOFF,
            postgresql_where=_OPEN_HANDOFF,
        ),
    )


class Attached(Base):
    """A later message of the same family, put with the handoff that was open already."""

    __tablename__ = "attached"

    handoff_id = Column(ForeignKey("handoff.id", ondelete="CASCADE"), primary_key=True)
    message_key = Column(Words, primary_key=True)
    at = Column(UtcTime, nullable=False)
    tier = Column(Words, nullable=False)
    rule = Column(Words)
    words = Column(Words, nullable=False)
    about = Column(Document, nullable=False)


class Note(Base):
    """A clinician's private note on a handoff: for the clinic's people, never for the chat."""

    __tablename__ = "note"

    id = Column(Words, primary_key=True)
    handoff_id = Column(ForeignKey("handoff.id", ondelete="CASCADE"), nullable=False, index=True)
    clinician_id = Column(ForeignKey("clinician.id"), nullable=False)
    at = Column(UtcTime, nullable=False)
    text = Column(Words, nullable=False)


class Outbox(Base):
    """One notice to send over one channel. Sent, dead, or still due.

    `kind` is what happened to the handoff (raised, escalated, exhausted, changed); `contact` and `step` name who of the
    clinic's chain it is for, `receipt` what the receiver called it (a FHIR Task's address).
    """

    __tablename__ = "outbox"

    id = Column(Words, primary_key=True)
    handoff_id = Column(ForeignKey("handoff.id"), nullable=False, index=True)
    channel = Column(Words, nullable=False)
    message_id = Column(Words, nullable=False, unique=True)
    due_at = Column(UtcTime, nullable=False)
    attempts = Column(Integer, nullable=False)
    leased_until = Column(UtcTime)
    lease_owner = Column(Words)
    sent_at = Column(UtcTime)
    dead_at = Column(UtcTime)
    last_error = Column(Words)
    kind = Column(Words, nullable=False, default="raised")
    contact = Column(Words, nullable=False, default="")
    step = Column(Integer, nullable=False, default=0)
    created_at = Column(UtcTime)
    receipt = Column(Words)

    # Only what is still due: looking for work must not read the history of all that was ever sent.
    __table_args__ = (
        Index(
            "ix_outbox_unsent",
            "channel",
            "due_at",
            sqlite_where=text("sent_at IS NULL AND dead_at IS NULL"),
            postgresql_where=text("sent_at IS NULL AND dead_at IS NULL"),
        ),
    )


class Audit(Base):
    """Who did what to what, and when. Append only: the database refuses to change or delete a row.

    The rows of a clinic are numbered by `seq` from 1; `hash` covers the row and the hash of the one before it.
    """

    __tablename__ = "audit"

    id = Column(Integer, primary_key=True)
    at = Column(UtcTime, nullable=False)
    clinic = Column(Words, nullable=False)
    actor = Column(Words, nullable=False)
    act = Column(Words, nullable=False)
    subject = Column(Words, nullable=False)
    details = Column(Document, nullable=False)
    seq = Column(Integer, nullable=False)
    hash = Column(Words, nullable=False)

    __table_args__ = (UniqueConstraint("clinic", "seq"), Index(None, "clinic", "at"), Index(None, "subject"))


class AuditHead(Base):
    """Where a clinic's audit ends: the number and hash of its last row. Locked while rows are added."""

    __tablename__ = "audit_head"

    clinic = Column(Words, primary_key=True)
    seq = Column(Integer, nullable=False)
    hash = Column(Words, nullable=False)


class Gap(Base):
    """A question without a sure answer: its class, the nearest answers, and single words of our own vocabulary."""

    __tablename__ = "gap"

    id = Column(Integer, primary_key=True)
    at = Column(UtcTime, nullable=False)
    clinic = Column(Words, nullable=False)
    kind = Column(Words, nullable=False)
    nearest = Column(Document)
    words = Column(Document)

    __table_args__ = (Index(None, "clinic", "at"),)


class Feedback(Base):
    """What a patient says about one reply (`value`: up, down; `code`: why, one of a few). The newest word counts."""

    __tablename__ = "feedback"

    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    at = Column(UtcTime, nullable=False)
    answer_id = Column(Words, index=True)
    value = Column(Words, nullable=False)
    reason = Column(Words)
    code = Column(Words)


class Survey(Base):
    """A patient's answers to one form (event number `seq`), with the ids of what the conversation had said by then."""

    __tablename__ = "survey"

    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    seq = Column(Integer, primary_key=True, autoincrement=False)
    form = Column(Words, nullable=False)
    at = Column(UtcTime, nullable=False)
    answers = Column(Document, nullable=False)
    answer_ids = Column(Document, nullable=False)


class Learning(Base):
    """One thing that a person has done with the tutor (`bot.tutor.journal.Entry`); `id` gives the order."""

    __tablename__ = "learning"

    id = Column(Integer, primary_key=True)
    conversation_id = Column(ForeignKey("conversation.id", ondelete="CASCADE"), nullable=False)
    at = Column(UtcTime, nullable=False)
    kind = Column(Words, nullable=False)
    key = Column(Words, nullable=False)
    value = Column(Document)

    __table_args__ = (Index(None, "conversation_id", "id"),)


class Heartbeat(Base):
    """When a background part was last seen at work."""

    __tablename__ = "heartbeat"

    name = Column(Words, primary_key=True)
    at = Column(UtcTime, nullable=False)
