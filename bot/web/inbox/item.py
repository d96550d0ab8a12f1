"""One item of the inbox: its page, its live parts, the sign that somebody is writing. Plain HTML; the script only
refreshes parts.

Every page belongs to one clinic: a handoff of another clinic is not found. Opening an item, and every refresh of it, is
audited. What is done with an item is in ``item_forms``.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content.kept import load_kept_words
from bot.handoff.roles import ANSWER, READ
from bot.handoff.states import OUTCOMES
from bot.web.inbox import acts, item_view, live
from bot.web.inbox.acts import MOST_CHARACTERS, Desk
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, signed_in
from bot.web.services import in_thread
from bot.web.stream import conversation_topic

log = structlog.get_logger(__name__)
ITEM = PATH + "/{handoff_id}"
# What the page says after an act.
SAID = ("claimed", "returned", "closed", "released", "reassigned", "aside", "back", "noted")
# How long the dialogue may take to say what it has noted.
NOTED_SECONDS = 5.0


def routes() -> list[Route]:
    """The routes of looking at one item."""
    return [
        Route(ITEM, signed_in(show_item, READ), methods=["GET"]),
        Route(f"{ITEM}/part", signed_in(item_part, READ, page=False), methods=["GET"]),
        Route(f"{ITEM}/live", signed_in(item_live, READ, page=False), methods=["GET"]),
        Route(f"{ITEM}/noted", signed_in(item_noted, READ), methods=["GET"]),
        Route(f"{ITEM}/typing", signed_in(typing, ANSWER, page=False), methods=["POST"]),
    ]


async def show_item(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}: one item, as the e-mail links to it."""
    said = request.query_params.get("said")
    return await item_page(request, desk, said=desk.words.text(f"said_{said}") if said in SAID else "")


async def item_part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/part: the parts of it that change."""
    return await item_page(request, desk, "inbox/item_part.html")


async def item_page(
    request: Request, desk: Desk, template: str = "inbox/item.html", status: int = 200, **more: Any
) -> Response:
    """The item as it is now. `more`: `said` or `refused`, and what is written in its boxes (`draft`, `note_draft`,
    `last_words`)."""
    handoff_id, everything = id_of(request), "all" in request.query_params

    def read() -> tuple[dict[str, Any], str | None]:
        news = acts.see(desk, handoff_id)
        with desk.db.read() as session:
            return item_view.item_view(session, desk, handoff_id, everything), news

    shown, news = await in_thread(read)
    if news:
        desk.services.news(news, desk.clinic)
    shown |= {"said": "", "refused": "", "draft": "", "note_draft": "", "last_words": "", "everything": everything}
    shown |= {"outcomes": OUTCOMES, "most": MOST_CHARACTERS, "client_id": uuid.uuid4().hex}
    return page_of(request, template, status, desk=desk, **{**shown, **more})


async def item_live(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/live: SSE, ``changed`` when the item's page would look different."""
    clinic, handoff_id = desk.clinic, id_of(request)
    return live.live_response(
        desk,
        request.cookies[COOKIE],
        conversation_topic(await in_thread(_conversation, desk, handoff_id)),
        live.have(request),
        lambda session: item_view.item_signature(session, clinic, handoff_id),
    )


async def item_noted(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/noted: what the tutor has noted in the chat. By itself: no page waits for the dialogue."""
    handoff_id = id_of(request)
    await in_thread(acts.see, desk, handoff_id)
    conversation_id = await in_thread(_conversation, desk, handoff_id)
    facts: list[dict[str, str]] | None = None
    try:
        noted = await asyncio.wait_for(desk.services.assistant.facts(conversation_id), NOTED_SECONDS)
        facts = (await in_thread(load_kept_words)).facts_in(noted)
    except Exception as error:  # whatever it was, the page says that it cannot be read
        log.warning("facts_not_read", cause=type(error).__name__)
    return page_of(request, "inbox/item_noted.html", desk=desk, handoff_id=handoff_id, noted=facts)


async def typing(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/{id}/typing: the person sees that their clinician is writing. Nothing is kept of it."""
    handoff_id = id_of(request)

    def find() -> str | None:
        with desk.db.read() as session:
            if item_view.is_held_by(session, desk.clinic, handoff_id, desk.me.id):
                return item_view.conversation_of(session, desk.clinic, handoff_id)
        return None

    conversation_id = await in_thread(find)
    if conversation_id is not None:
        desk.services.hub.wake(conversation_topic(conversation_id), {"typing": {"name": desk.me.name}})
    return Response(status_code=204 if conversation_id else 409)


def id_of(request: Request) -> str:
    """The item that the address names."""
    return str(request.path_params["handoff_id"])


def _conversation(desk: Desk, handoff_id: str) -> str:
    with desk.db.read() as session:
        return item_view.conversation_of(session, desk.clinic, handoff_id)
