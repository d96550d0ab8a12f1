"""The web app's factory: routes, headers, and what lives as long as the process (database, Rasa, outbox worker)."""

from __future__ import annotations

import asyncio
import datetime
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot import safety, screening
from bot.content import governance, load_clinics, load_wording
from bot.content.files import ContentError
from bot.handoff import worker
from bot.handoff.climb import CLIMB
from bot.handoff.deliveries import deliveries, need_secrets
from bot.memory import settle
from bot.settings import Settings
from bot.store.session import connect
from bot.training import soft_path
from bot.tutor import areas
from bot.understanding.language import load_known
from bot.web import (
    assets,
    clinics,
    inbox,
    pages,
    papers,
    patient,
    pictures,
    probes,
    reading,
    rights,
    sessions,
    signs,
    tracing,
)
from bot.web.assistant import open_assistant
from bot.web.climbing import climb_watch
from bot.web.clinics import CLINICS, clinics_watch, first_look
from bot.web.embedding import CrossOrigin, named_origins
from bot.web.fanout import Fanout
from bot.web.identity import verifier_for
from bot.web.limits import Limits
from bot.web.metrics import Measured
from bot.web.people.oidc import providers_for
from bot.web.problems import Problem, problem_response
from bot.web.retention import RETENTION, retention_watch
from bot.web.services import Services
from bot.web.silence import SILENCE, silence_watch
from bot.web.unanswered import UNANSWERED, unanswered_watch

log = structlog.get_logger(__name__)
FINISH_SECONDS = 5.0
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def create_app(settings: Settings, services: Services | None = None) -> Starlette:
    """The app. Opens nothing and loads no model until it is started. `services` replaces the real ones in tests."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        made = services or make_services(settings)
        app.state.services = made
        tracing.set_up(os.environ)
        safety.load_cues()
        screening.warm_up()
        load_known()
        await first_look(made)
        if made.fanout is not None:
            made.fanout.start()
        warm_up = app.state.warm_up = asyncio.create_task(_warm_up(made))
        channels = deliveries(made.clinic, made.settings, made.wording, made.db)
        counted = {name: made.metrics.counted(name, deliver) for name, deliver in channels.items()}
        chores = {
            SILENCE: silence_watch(made),
            CLIMB: climb_watch(made),
            RETENTION: retention_watch(made),
            CLINICS: clinics_watch(made),
            UNANSWERED: unanswered_watch(made),
        }
        notices = asyncio.create_task(
            worker.run(made.db, counted, made.stopping, chores=chores, news=lambda sent: made.inbox_news(sent.clinic))
        )
        try:
            yield
        finally:
            made.stopping.set()
            await made.finish_turns(FINISH_SECONDS)
            await asyncio.gather(notices, warm_up, return_exceptions=True)
            await made.assistant.aclose()
            if made.fanout is not None:
                await made.fanout.stop()
            made.db.close()
            tracing.shut_down()

    app = Starlette(
        routes=[
            *sessions.routes(),
            *patient.routes(),
            *rights.routes(),
            *papers.routes(),
            *reading.routes(),
            *signs.routes(),
            *inbox.routes(),
            *pictures.routes(),
            *assets.routes(),
            *clinics.routes(),
            *pages.routes(),
            *probes.routes(),
        ],
        lifespan=lifespan,
        exception_handlers={Problem: problem_response, HTTPException: _http_problem, Exception: _unexpected},
    )
    app.add_middleware(CrossOrigin, origins=named_origins(services.clinics if services else load_clinics()))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured)
    app.version = version("pne-tutor")  # type: ignore[attr-defined]
    return app


def make_services(settings: Settings) -> Services:
    """The real services of this installation. Raises ContentError where wording or numbers are wrong, or where
    production would show clinical text that nobody has signed; SettingsError where a clinic's secret is missing."""
    if settings.production:
        _refuse_unsigned(settings.default_clinic)
    clinics = load_clinics()
    need_secrets(clinics.values(), os.environ)
    made = Services(
        settings=settings,
        db=connect(settings.database_url),
        clinics=clinics,
        wording=load_wording(),
        assistant=open_assistant(settings.rasa_urls, settings.rasa_secret, settings.rasa_timeout),
        read_message=message_reader(),
        limits=Limits(settings.rate_per_minute, settings.rate_per_address),
        identity=verifier_for(clinics, os.environ),
        oidc=providers_for(clinics, os.environ),
        rules_version=soft_path().name,
    )
    if settings.redis_url:
        made.fanout = Fanout(made.hub, settings.redis_url, settings.rasa_secret)
        for name, limits in (("messages", made.limits), ("people", made.sign_in_limits), ("oidc", made.oidc_limits)):
            made.fanout.share(name, limits)
    return made


def _refuse_unsigned(clinic: str) -> None:
    """Raises ContentError: nobody has signed some clinical text. Where a sign-off has run out the product still starts,
    because its safety words must; the answers concerned are withheld."""
    today = datetime.date.today()
    missing = governance.in_state(governance.PENDING, clinic, today)
    if missing:
        raise ContentError(
            f"{len(missing)} clinical texts are not signed for the clinic {clinic!r} (the first: "
            f"{', '.join(missing[:3])}). A clinician who has read them signs with: pne content sign. "
            "pne content status counts them."
        )
    expired = governance.in_state(governance.EXPIRED, clinic, today)
    if expired:
        log.warning("sign_off_expired", texts=len(expired), first=expired[0])


def message_reader() -> Callable[[str], dict[str, Any]]:
    """Reads a message once for everybody: repaired texts and vectors. Loads dictionary and encoder at first use."""
    from bot.understanding.encoder import load_encoder
    from bot.understanding.reading import read
    from bot.understanding.spelling import load_normaliser

    return lambda text: read(text, load_normaliser(), load_encoder()).pack()


async def _warm_up(services: Services) -> None:
    """Load dictionary, encoder and the tutor's phrases before the first patient waits for them."""
    try:
        await asyncio.to_thread(services.read_message, "warm up")
        await asyncio.to_thread(areas.warm)
        settle()
    except Exception as error:
        log.error("encoder_not_loaded", cause=type(error).__name__)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "not_allowed"}.get(error.status_code, "internal")
    response = problem_response(request, Problem(code))
    response.headers.update(error.headers or {})  # 405 says which methods there are
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=_without_ids(request.url.path), cause=type(error).__name__)
    response = problem_response(request, Problem("internal"))
    response.headers.update(HEADERS)  # made outside of SecurityHeaders
    return response


def _without_ids(path: str) -> str:
    """A path for the log: a part that may be an id or a token is left out."""
    return "/".join(part if len(part) < 20 and part.replace("-", "").isalpha() else "…" for part in path.split("/")[1:])


class SecurityHeaders:
    """The same headers on every response. Pure ASGI, so that streams are not buffered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                for name, value in HEADERS.items():
                    if name.lower().encode() not in present:
                        headers.append((name.lower().encode(), value.encode()))
            await send(message)

        await self.app(scope, receive, with_headers)
