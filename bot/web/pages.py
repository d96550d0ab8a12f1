"""Pages and probes: the chat as a full page, the demo clinic, health and readiness, the description of the API."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from bot.handoff.worker import alive
from bot.settings import ROOT
from bot.web.problems import PROBLEMS, Problem
from bot.web.services import Services, in_thread
from bot.web.silence import SILENCE

HERE = Path(__file__).resolve().parent
CHANNELS = ("email",)
templates = Jinja2Templates(directory=HERE / "templates")


def routes() -> list[Any]:
    return [
        Route("/", demo),
        Route("/chat/{clinic}", chat),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/v1/schema", schema),
        Mount("/widget", Revalidated(directory=ROOT / "widget")),
        Mount("/static", Revalidated(directory=HERE / "static")),
    ]


class Revalidated(StaticFiles):
    """Files that browsers keep but ask about each time: modules import one another without a version, and an
    upgrade must not mix old files with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def demo(request: Request) -> Response:
    """A small clinic page with the chat in a frame."""
    services: Services = request.app.state.services
    return _page(request, "demo.html", services.settings.default_clinic, services.wording.demo)


async def chat(request: Request) -> Response:
    """The chat as a full page."""
    services: Services = request.app.state.services
    clinic = request.path_params["clinic"]
    if clinic not in services.clinics:
        raise Problem("unknown_clinic")
    return _page(request, "chat.html", clinic, services.wording.interface)


def _page(request: Request, template: str, clinic_id: str, strings: dict[str, str]) -> Response:
    services: Services = request.app.state.services
    clinic = services.clinics[clinic_id]
    return templates.TemplateResponse(
        request,
        template,
        {
            "clinic": clinic,
            "numbers": clinic.page_numbers(),
            "strings": strings,
            "version": request.app.version,
        },
        # Kept, so that going back shows the numbers with the server down; asked about each time, so that they are new.
        headers={"Cache-Control": "private, no-cache"},
    )


async def healthz(request: Request) -> Response:
    """The process runs."""
    return JSONResponse({"status": "ok"})


async def readyz(request: Request) -> Response:
    """Whether a patient would be answered, and what is missing if not (503)."""
    services: Services = request.app.state.services
    parts = {
        "database": await in_thread(services.db.reachable),
        "assistant": await services.assistant.ready(),
        "outbox_worker": await in_thread(alive, services.db, CHANNELS),
        "silence_watch": await in_thread(alive, services.db, (SILENCE,)),
    }
    ready = all(parts.values())
    return JSONResponse(
        {"status": "ready" if ready else "not ready", "parts": {k: "ok" if v else "down" for k, v in parts.items()}},
        200 if ready else 503,
    )


async def schema(request: Request) -> Response:
    """The patient API as OpenAPI."""
    return JSONResponse(openapi(request.app.version))


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI description of the patient API (docs/api.md says it in words)."""
    text = {"type": "string"}
    problem = {"description": "Problem JSON; `events`, if there, must be shown at once", "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}  # fmt: skip

    def operation(summary: str, request: dict[str, Any] | None, answers: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"summary": summary, "responses": {**answers, "default": problem}}
        if request:
            made["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
        return made

    def object_of(required: list[str], **properties: Any) -> dict[str, Any]:
        return {"type": "object", "required": required, "properties": properties}

    event = {"$ref": "#/components/schemas/Event"}
    conversation = {"name": "conversation", "in": "path", "required": True, "schema": text}
    return {
        "openapi": "3.1.0",
        "info": {"title": "PNE Tutor patient API", "version": version},
        "paths": {
            "/v1/session": {
                "post": operation(
                    "Open a conversation, or resume the one that `token` opens",
                    object_of(["clinic"], clinic=text, token=text, locale=text),
                    {"201": {"description": "A new conversation"}, "200": {"description": "The same conversation"}},
                )
            },
            "/v1/conversations/{conversation}/messages": {
                "parameters": [conversation],
                "post": operation(
                    "Send a message; the same client_id gives the same answer",
                    object_of(
                        ["client_id", "kind"],
                        client_id={**text, "minLength": 8, "maxLength": 64},
                        kind={"enum": ["text", "button", "answer"]},
                        text={**text, "maxLength": 4000},
                        payload=text,
                        reply_to={"type": "integer"},
                    ),
                    {"202": {"description": "Stored, with its number"}},
                ),
            },
            "/v1/conversations/{conversation}/events": {
                "parameters": [conversation],
                "get": operation(
                    "Events after a number: SSE, or JSON with `wait`",
                    None,
                    {"200": {"description": "Events", "content": {"application/json": {
                        "schema": object_of(["events"], events={"type": "array", "items": event})}}}},
                ),
            },
        },
        "components": {
            "schemas": {
                "Event": object_of(
                    ["seq", "type", "at", "author", "body"],
                    seq={"type": ["integer", "null"]},
                    type={"enum": ["message", "state"]},
                    at={**text, "format": "date-time"},
                    author={"enum": ["patient", "bot", "clinician", "system"]},
                    body=object_of(["kind", "fallback_text"], kind=text, fallback_text=text),
                    client_id=text,
                ),
                "Problem": object_of(
                    ["type", "title", "status", "code", "detail"],
                    type=text, title=text, status={"type": "integer"}, code={"enum": list(PROBLEMS)}, detail=text,
                    events={"type": "array", "items": event},
                ),
            }
        },
    }  # fmt: skip
