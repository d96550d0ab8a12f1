"""The tutor's pages to take along: GET …/papers/plan.html, .pdf or .ics. For the patient's own token alone."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content import Clinic
from bot.content.files import fill
from bot.content.tutor import load_lines
from bot.store import conversations
from bot.store.session import DatabaseUnavailable
from bot.tutor import areas
from bot.tutor.papers import TABLE, Paper, Section
from bot.tutor.saying import Moment
from bot.web import tutoring
from bot.web.incoming import Incoming
from bot.web.patient import whose
from bot.web.problems import Problem
from bot.web.services import Services, in_thread

_NAME = re.compile(r"([a-z_]{1,20})\.(html|pdf|ics)")
TYPES = {"html": "text/html; charset=utf-8", "pdf": "application/pdf", "ics": "text/calendar; charset=utf-8"}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
}


def routes() -> list[Route]:
    return [Route("/v1/conversations/{conversation}/papers/{name}", paper, methods=["GET"])]


async def paper(request: Request) -> Response:
    """GET …/papers/{area}.{html|pdf|ics}: 404 for what is not there (yet)."""
    services: Services = request.app.state.services
    clinic, conversation_id = await whose(request, services)
    asked = _NAME.fullmatch(request.path_params["name"])
    if asked is None or asked[1] not in areas.AREAS:
        raise Problem("not_found")
    facts = await tutoring.noted(services, conversation_id) if asked[1] == "summary" else {}
    try:
        moment = await in_thread(_moment, services, conversation_id, clinic, facts)
    except DatabaseUnavailable:
        raise Problem("not_stored", "Your page cannot be made just now.") from None
    made = await in_thread(_made, moment, asked[1], asked[2], clinic)
    if made is None:
        raise Problem("not_found")
    named = {"Content-Disposition": f'attachment; filename="{asked[1].replace("_", "-")}.{asked[2]}"'}
    return Response(made, media_type=TYPES[asked[2]], headers={**HEADERS, **named})


def _moment(services: Services, conversation_id: str, clinic: Clinic, facts: dict[str, str]) -> Moment:
    with services.db.read() as session:
        conversation = conversations.conversation_with(session, conversation_id)
        incoming = Incoming(conversation_id, clinic, "", "", facts=facts)
        return tutoring.moment_of(services, session, conversation, incoming)


def _made(moment: Moment, area: str, kind: str, clinic: Clinic) -> bytes | None:
    module = areas.area(area)
    if kind == "ics":
        calendar = module.calendar(moment) if hasattr(module, "calendar") else None
        return calendar.encode() if calendar else None
    found: Paper | None = module.paper(moment) if hasattr(module, "paper") else None
    if found is None:
        return None
    found = _filled(found, clinic)
    today = f"{moment.now.astimezone(moment.zone):%d %B %Y}"
    made_on = load_lines("home").label("made_on", clinic=clinic.name, date=today)
    return _pdf(found, made_on) if kind == "pdf" else _html(found, made_on).encode()


def _filled(paper: Paper, clinic: Clinic) -> Paper:
    """The page with the clinic's numbers."""
    sections = tuple(
        Section(one.heading, tuple(fill(text, clinic.numbers) for text in one.lines), one.kind)
        for one in paper.sections
    )
    return Paper(paper.name, paper.title, sections, fill(paper.foot, clinic.numbers))


def _html(paper: Paper, made_on: str) -> str:
    rows = [{"section": one, "cells": [text.split("\t") for text in one.lines]} for one in paper.sections]
    return str(_template().render(paper=paper, rows=rows, made_on=made_on, table=TABLE))


def _pdf(paper: Paper, made_on: str) -> bytes:
    from bot.web.pdf_page import SMALL, TITLE, line, new_page, title  # brings fpdf, which takes 0.3 s of a start

    page = new_page(paper.title, "en-GB", made_on)
    line(page, paper.title, TITLE, bold=True)
    for section in paper.sections:
        title(page, section.heading)
        for text in section.lines:
            line(page, text.replace("\t", ": ") if section.kind == TABLE else text)
    page.ln(3)
    line(page, paper.foot, SMALL)
    return bytes(page.output())


@lru_cache(maxsize=1)
def _template() -> Any:
    folder = Path(__file__).resolve().parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("paper.html")
