"""Copies of one item to take away: a page for the printer, and a PDF. The person's words come first; private notes stay
in the inbox. Each copy is audited, and no cache keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.roles import READ
from bot.web.inbox import acts, copy_facts, item_view
from bot.web.inbox.acts import EXPORTED, PRINTED, Desk
from bot.web.inbox.door import Form, page_of, signed_in
from bot.web.inbox.item import ITEM, id_of
from bot.web.services import in_thread


@dataclass(frozen=True)
class OnPaper(Desk):
    """The same desk, for what is read on another day: every time has its date."""

    def time(self, at: datetime | None = None) -> str:
        clinic = self.services.clinic(self.clinic)
        local = (at or self.services.db.clock()).astimezone(clinic.hours.zone)
        return f"{local.day} {local:%B %Y, %H:%M}"


def routes() -> list[Route]:
    """The routes of copies; they come before an item's own, whose id would take ``.pdf`` for a part of itself."""
    return [
        Route(f"{ITEM}.pdf", signed_in(as_pdf, READ), methods=["GET"]),
        Route(f"{ITEM}/print", signed_in(to_print, READ), methods=["GET"]),
    ]


async def to_print(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/print: the whole item as one page without forms."""
    paper, shown = await in_thread(_copied, desk, id_of(request), PRINTED)
    listed = copy_facts.facts(paper, shown)
    return page_of(request, "inbox/print.html", desk=paper, made=paper.time(), listed=listed, **shown)


async def as_pdf(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}.pdf: the same as a file. Its name says nothing of the person."""
    from bot.web.inbox import pdf  # brings fpdf, which takes 0.3 s of a start

    paper, shown = await in_thread(_copied, desk, id_of(request), EXPORTED)
    async with desk.services.making_a_file:  # one at a time: it is slow, and patients must not wait for it
        document = await in_thread(pdf.document, paper, shown)
    name = f"pain-tutor-item-{shown['item'].id[:8]}.pdf"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(document, media_type="application/pdf", headers=headers)


def _copied(desk: Desk, handoff_id: str, how: str) -> tuple[Desk, dict[str, Any]]:
    acts.copied(desk, handoff_id, how)
    paper = OnPaper(desk.services, desk.me, desk.csrf, desk.words)
    with desk.db.read() as session:
        return paper, item_view.item_view(session, paper, handoff_id, everything=True)
