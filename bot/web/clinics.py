"""The clinics of the web app: kept up to date with what admins change, and their looks as files."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content import Clinic
from bot.store.session import DatabaseUnavailable
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

log = structlog.get_logger(__name__)
# The chore's name, under which its heartbeat is kept.
CLINICS = "clinics"
KEEP = "public, max-age=31536000, immutable"
_LOGO = re.compile(r"logo-([0-9a-f]{12})\.png")


def clinics_watch(services: Services) -> Callable[[], Awaitable[int]]:
    """One look for the worker, every few seconds, for what was changed in another process."""

    async def look() -> int:
        await asyncio.to_thread(refresh, services)
        return 0

    return look


def refresh(services: Services) -> None:
    """Brings what admins have changed into this process. Raises DatabaseUnavailable; then nothing changes."""

    def use(changed: dict[str, Clinic]) -> None:
        services.clinics = {**services.clinics, **changed}
        log.info("clinics_changed", clinics=sorted(changed))

    services.live.refresh(services.db, services.clinics, use)


async def first_look(services: Services) -> None:
    """At the start. Without the database the product starts with the files: its safety words must be there."""
    try:
        await in_thread(refresh, services)
    except DatabaseUnavailable as error:
        log.warning("clinic_settings_not_read", cause=str(error))


def routes() -> list[Route]:
    return [Route("/w/clinics/{clinic}/{name}", look)]


async def look(request: Request) -> Response:
    """A clinic's colours as a style sheet (``look.css``), or its logo, which has its content's hash in its name."""
    services: Services = request.app.state.services
    clinic = services.clinics.get(request.path_params["clinic"])
    wanted = request.path_params["name"]
    headers = {"Cross-Origin-Resource-Policy": "cross-origin", "Cache-Control": "no-cache"}
    if clinic is None:
        raise Problem("not_found")
    if wanted == "look.css" and clinic.colours is not None:
        dark = f"@media (prefers-color-scheme: dark){{{clinic.colours.dark}}}"
        return Response(f"{clinic.colours.light}\n{dark}\n", media_type="text/css", headers=headers)
    found = _LOGO.fullmatch(wanted)
    if found is None or clinic.logo is None or found[1] != clinic.logo.hash:
        raise Problem("not_found")
    # Nothing but a picture, whatever a browser is told to do with it.
    headers |= {"Cache-Control": KEEP, "Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(clinic.logo.png, media_type="image/png", headers=headers)
