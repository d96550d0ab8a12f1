"""Pages: the chat as a full page, the demo clinic, the description of the API."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

from bot.content import Clinic, Wording
from bot.content.wording import ENGLISH
from bot.web.assets import load_assets
from bot.web.embedding import chat_policy
from bot.web.openapi import openapi
from bot.web.problems import Problem
from bot.web.services import Services

HERE = Path(__file__).resolve().parent
templates = Jinja2Templates(directory=HERE / "templates")


def routes() -> list[Any]:
    return [
        Route("/", demo),
        Route("/chat/{clinic}", chat),
        Route("/v1/clinics/{clinic}", start),
        Route("/v1/schema", schema),
        Mount("/static", Revalidated(directory=HERE / "static")),
    ]


class Revalidated(StaticFiles):
    """Files that browsers keep but ask about each time, so that an upgrade does not mix old files with new ones."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def demo(request: Request) -> Response:
    """A small clinic page that shows the chat as a clinic's own page would: with the loader."""
    services: Services = request.app.state.services
    clinic = services.clinics[services.settings.default_clinic]
    return _page(request, "demo.html", clinic, services.wording.demo)


async def chat(request: Request) -> Response:
    """The chat as a full page, and what the loader's frame shows. ``?lang=`` chooses the language of its labels."""
    services: Services = request.app.state.services
    clinic = services.clinics.get(request.path_params["clinic"])
    if clinic is None:
        raise Problem("unknown_clinic")
    begins = _start(request, clinic, services.wording)
    return _page(request, "chat.html", clinic, begins["strings"], start=begins, policy=chat_policy(clinic))


async def start(request: Request) -> Response:
    """GET /v1/clinics/{clinic}: what the chat needs before it opens, for the element on a clinic's own page."""
    services: Services = request.app.state.services
    clinic = services.clinics.get(request.path_params["clinic"])
    if clinic is None:
        raise Problem("unknown_clinic")
    headers = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Accept-Encoding"}
    return _packed(request, JSONResponse(_start(request, clinic, services.wording), headers=headers))


def _start(request: Request, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """The words of one language, the clinic with its numbers, and which pages may speak to the chat."""
    tag = _language(request, clinic, wording)
    return {
        "locale": tag,
        "languages": {one: wording.interfaces[one]["name"] for one in clinic.languages if one in wording.interfaces},
        "strings": wording.interfaces[tag],
        "clinic": clinic.public(),
        "origins": list(clinic.embedding.origins),
        "webview": clinic.embedding.webview,
    }


def _language(request: Request, clinic: Clinic, wording: Wording) -> str:
    """The first language that the page or the browser asks for and the clinic offers; else the clinic's first."""
    offered = [tag for tag in clinic.languages if tag in wording.interfaces] or [ENGLISH]
    header = request.headers.get("accept-language", "")
    asked = [request.query_params.get("lang", ""), *(part.split(";")[0] for part in header.split(",")[:10])]
    for tag in asked:
        found = tag.strip().lower().split("-")[0]
        if found in offered:
            return found
    return offered[0]


def _page(
    request: Request, template: str, clinic: Clinic, strings: dict[str, str], policy: str = "", **more: Any
) -> Response:
    shown = {
        "clinic": clinic,
        "numbers": clinic.page_numbers(),
        "strings": strings,
        "version": request.app.version,
        "assets": load_assets(),
    }
    # Kept, so that going back shows the numbers with the server down; asked about each time, so that they are new.
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept-Language, Accept-Encoding"}
    if policy:
        headers["Content-Security-Policy"] = policy
    return _packed(request, templates.TemplateResponse(request, template, {**shown, **more}, headers=headers))


def _packed(request: Request, response: Response) -> Response:
    """Made small for the way, where the browser can read that. Nothing on these pages is secret."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        response.body = gzip.compress(response.body, 6, mtime=0)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


async def schema(request: Request) -> Response:
    """The patient API as OpenAPI."""
    return JSONResponse(openapi(request.app.version))
