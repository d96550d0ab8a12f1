"""Sessions of patients: opening a conversation, with or without the clinic's word for who it is, and signing out.

Anonymous: a token for as long as the settings say. Signed in: the clinic's token is exchanged, once, for one of ours
that is good for twenty minutes after each use; the same person finds the same conversation on every device. Neither
kind ever opens a conversation of the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.content import Clinic
from bot.content.wording import ENGLISH
from bot.store import conversations, events, identities
from bot.store.models import Conversation
from bot.store.session import DatabaseUnavailable
from bot.web import bodies, tutoring
from bot.web.embedding import refuse_foreign
from bot.web.identity import KeysUnavailable, Person, Refused
from bot.web.patient import bearer, only_signed_in, read_json, text_of
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
ANONYMOUS, SIGNED = "anonymous", "signed"
# How answers are written for a patient who has not asked for another form.
FULL = "full"


@dataclass(frozen=True)
class Asked:
    """What a page wants opened. `person`: whom the clinic has signed in, already checked."""

    clinic: Clinic
    token: str
    locale: str
    person: Person | None


@dataclass(frozen=True)
class Ready:
    """An open conversation, the token for it, and a conversation that was closed to this browser, if any."""

    token: str
    conversation: Conversation
    expires_at: datetime
    slides: int | None
    created: bool
    left: str | None = None


def routes() -> list[Route]:
    return [
        Route("/v1/session", open_session, methods=["POST"]),
        Route("/v1/session", end_session, methods=["DELETE"]),
    ]


async def open_session(request: Request) -> Response:
    """POST /v1/session: a new conversation, or the one that `token` or `identity` still opens."""
    services: Services = request.app.state.services
    asked = await read_json(request)
    clinic = services.clinics.get(text_of(asked, "clinic"))
    if clinic is None:
        raise Problem("unknown_clinic")
    refuse_foreign(request, clinic)
    token = asked.get("token")
    if token is not None and not isinstance(token, str):
        raise Problem("bad_field", "token must be text.")
    if not isinstance(asked.get("locale") or "", str):
        raise Problem("bad_field", "locale must be text.")
    person = None
    if asked.get("identity") is not None:
        person = await _person(services, clinic, asked["identity"])
    locale = str(asked.get("locale") or (person.locale if person else None) or "en")[:20]
    try:
        ready = await in_thread(_open, services, Asked(clinic, token or "", locale, person))
    except Refused as refused:
        raise _bad_identity(clinic, refused) from None
    except DatabaseUnavailable:
        raise Problem("not_stored", "No conversation can be opened just now.") from None
    if ready.left:
        services.news(ready.left)  # whoever still reads along there stops
    if not ready.created:
        services.aside(tutoring.on_return(services, ready.conversation.id, clinic))
    return JSONResponse(
        _answer(services, clinic, ready), 201 if ready.created else 200, headers={"Cache-Control": "no-store"}
    )


async def end_session(request: Request) -> Response:
    """DELETE /v1/session: ends the token of the request for good. 204, also where there is nothing to end."""
    services: Services = request.app.state.services
    token = bearer(request)

    def end() -> str | None:
        with services.db.begin() as session:
            return identities.revoke_token(session, token)

    try:
        left = await in_thread(end)
    except DatabaseUnavailable:
        raise Problem("not_stored", "The session could not be ended. Try again in a minute.") from None
    if left:
        services.news(left)
    return Response(status_code=204)


async def _person(services: Services, clinic: Clinic, token: object) -> Person:
    try:
        return await services.identity.verify(clinic, token, services.db.clock)
    except Refused as refused:
        raise _bad_identity(clinic, refused) from None
    except KeysUnavailable as error:
        log.warning("identity_unavailable", clinic=clinic.id, cause=error.cause)
        raise Problem("identity_unavailable") from None


def _bad_identity(clinic: Clinic, refused: Refused) -> Problem:
    """One answer for all causes: which check failed is for the log, not for whoever is trying."""
    log.warning("identity_refused", clinic=clinic.id, cause=refused.cause)
    return Problem("bad_identity")


def _open(services: Services, asked: Asked) -> Ready:
    """Opens it in one transaction. Raises Refused for a clinic's token that was used before, Problem, and
    DatabaseUnavailable."""
    with services.db.begin() as session:
        if asked.person is None:
            return _open_unsigned(services, session, asked)
        return _open_signed(services, session, asked, asked.person)


def _open_unsigned(services: Services, session: Session, asked: Asked) -> Ready:
    """The conversation of the token, whoever it belongs to; else a new anonymous one, where the clinic allows it."""
    closed = only_signed_in(asked.clinic)
    known = identities.known(session, asked.token) if asked.token else None
    if known is not None and known.conversation.clinic == asked.clinic.id:
        signed = known.conversation.subject is not None
        if signed or not closed:
            return _extended(services, session, asked.token, known)
    if closed:
        raise Problem("identity_needed")
    return _new(services, session, asked, timedelta(days=services.settings.session_days))


def _open_signed(services: Services, session: Session, asked: Asked, person: Person) -> Ready:
    clinic = asked.clinic.id
    if not identities.use_token(session, clinic, person.jti, person.forget_at):
        raise Refused("used_before")
    # Before the token is looked at: of two requests at once the second one sees what the first one made.
    conversation = identities.conversation_of(session, clinic, person.subject)
    if conversation is not None and person.name:
        conversation.person_name = person.name
    known = identities.known(session, asked.token) if asked.token else None
    left = None
    if known is not None:
        if conversation is not None and known.conversation.id == conversation.id:
            return _extended(services, session, asked.token, known)
        # Somebody else was here before, on the same screen.
        left = identities.revoke_token(session, asked.token)
    lifetime = timedelta(seconds=identities.SIGNED_SECONDS)
    if conversation is None:
        return _new(services, session, asked, lifetime, left)
    opened = conversations.new_token(session, conversation.id, lifetime, identities.SIGNED_SECONDS)
    return Ready(
        opened.token, conversation, opened.session.expires_at, identities.SIGNED_SECONDS, created=False, left=left
    )


def _extended(services: Services, session: Session, token: str, known: identities.Known) -> Ready:
    days = timedelta(days=services.settings.session_days)
    lifetime = days if known.slides is None else timedelta(seconds=known.slides)
    conversations.extend_token(session, token, lifetime)
    return Ready(token, known.conversation, services.db.clock() + lifetime, known.slides, created=False)


def _new(
    services: Services, session: Session, asked: Asked, lifetime: timedelta, left: str | None = None
) -> Ready:
    person = asked.person
    slides = identities.SIGNED_SECONDS if person else None
    opened = conversations.open_conversation(
        session,
        clinic=asked.clinic.id,
        locale=asked.locale,
        lifetime=lifetime,
        subject=person.subject if person else None,
        person_name=person.name if person else None,
        slides=slides,
    )
    events.append_event(
        session,
        opened.conversation.id,
        type=events.MESSAGE,
        author=events.SYSTEM,
        body=bodies.consent(asked.clinic, services.wording),
    )
    language = asked.locale.split("-")[0].lower()
    if language in asked.clinic.safety_cards and language != ENGLISH:
        # The notice is in English, and whoever set the page to this language may not read it.
        card = bodies.language_card(language, asked.clinic, services.wording, person=False)
        events.append_event(session, opened.conversation.id, type=events.MESSAGE, author=events.BOT, body=card)
    return Ready(opened.token, opened.conversation, opened.session.expires_at, slides, created=True, left=left)


def _answer(services: Services, clinic: Clinic, ready: Ready) -> dict[str, object]:
    conversation = ready.conversation
    consent = bodies.consent(clinic, services.wording)
    return {
        "session": ready.token,
        "conversation": conversation.id,
        "expires_at": ready.expires_at.isoformat(timespec="seconds"),
        "slides": ready.slides,
        "level": ANONYMOUS if conversation.subject is None else SIGNED,
        "person_name": conversation.person_name,
        "reading": conversation.reading or FULL,
        "retention_days": clinic.retention.conversation_days,
        "last_seq": conversation.last_seq,
        "clinic": clinic.public(),
        "languages": list(clinic.languages),
        "consent": {
            "version": consent["version"],
            "text": consent["fallback_text"],
            "bubbles": consent["bubbles"],
            "accept": consent["buttons"][0]["title"],
        },
    }
