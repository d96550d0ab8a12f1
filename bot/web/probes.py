"""What machines ask: whether the process lives, whether patients are answered, and its numbers."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.web.problems import Problem
from bot.web.services import Services
from bot.web.standing import DEGRADED, DOWN, OK, Part, Standing


def routes() -> list[Route]:
    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def healthz(request: Request) -> Response:
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether a patient would be answered, and what is missing if not (503); degraded: answered, but look at it."""
    warm_up = getattr(request.app.state, "warm_up", None)
    parts = await _standing(request).parts(warm=warm_up is None or warm_up.done())
    return JSONResponse(
        {
            "status": _whole(parts),
            "parts": {name: part.state for name, part in parts.items()},
            "reasons": {name: part.reason for name, part in parts.items() if part.reason},
        },
        503 if any(part.state == DOWN for part in parts.values()) else 200,
        headers={"Cache-Control": "no-store"},
    )


async def metrics(request: Request) -> Response:
    """The numbers for Prometheus, for whoever has PNE_METRICS_TOKEN. Without that setting there is nothing here."""
    services: Services = request.app.state.services
    token = services.settings.metrics_token
    if not token:
        raise Problem("not_found")
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        return PlainTextResponse("Wrong token.\n", 401, headers={"WWW-Authenticate": "Bearer"})
    shown = await _standing(request).shown()
    return Response(shown, media_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})


def _standing(request: Request) -> Standing:
    """The app's own, made at the first question."""
    state = request.app.state
    if not hasattr(state, "standing"):
        state.standing = Standing(state.services)
    standing: Standing = state.standing
    return standing


def _whole(parts: Mapping[str, Part]) -> str:
    states = {part.state for part in parts.values()}
    return "not ready" if DOWN in states else "degraded" if DEGRADED in states else "ready" if states == {OK} else ""
