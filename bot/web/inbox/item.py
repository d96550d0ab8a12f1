"""One item of the inbox: its page and the acts on it. Plain forms; the script only refreshes parts.

Every page belongs to one clinic: a handoff of another clinic is not found. Every POST carries the CSRF token
of its sign-in. Opening an item, and every refresh of it, is audited.
"""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.handoff.items import NotYours, StaleVersion
from bot.handoff.roles import ANSWER, READ
from bot.handoff.states import OUTCOMES, NotAllowed
from bot.handoff.steps import AlreadyClaimed
from bot.store import clinicians
from bot.web.inbox import acts, item_view, live
from bot.web.inbox.acts import MOST_CHARACTERS, Desk, NotClaimed
from bot.web.inbox.door import COOKIE, PATH, Form, page_of, problem, signed_in
from bot.web.services import in_thread
from bot.web.stream import conversation_topic, inbox_topic

_FORM_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
SAID = ("claimed", "returned", "closed")


def routes() -> list[Route]:
    """The routes of one item."""
    item = PATH + "/{handoff_id}"
    return [
        Route(item, signed_in(show_item, READ), methods=["GET"]),
        Route(f"{item}/part", signed_in(item_part, READ, page=False), methods=["GET"]),
        Route(f"{item}/live", signed_in(item_live, READ, page=False), methods=["GET"]),
        Route(f"{item}/claim", signed_in(claim, ANSWER), methods=["POST"]),
        Route(f"{item}/reply", signed_in(reply, ANSWER), methods=["POST"]),
        Route(f"{item}/hand-back", signed_in(hand_back, ANSWER), methods=["POST"]),
        Route(f"{item}/close", signed_in(close, ANSWER), methods=["POST"]),
    ]


async def show_item(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}: one item, as the e-mail links to it."""
    said = request.query_params.get("said")
    return await _item_page(request, desk, said=desk.words.text(f"said_{said}") if said in SAID else "")


async def item_part(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/part: the parts of it that change."""
    return await _item_page(request, desk, "inbox/item_part.html")


async def _item_page(
    request: Request,
    desk: Desk,
    template: str = "inbox/item.html",
    said: str = "",
    refused: str = "",
    draft: str = "",
    status: int = 200,
) -> Response:
    handoff_id, everything = _id(request), "all" in request.query_params

    def read() -> dict[str, Any]:
        acts.see(desk, handoff_id)
        with desk.db.read() as session:
            return item_view.item_view(session, desk, handoff_id, everything)

    shown = await in_thread(read)
    shown |= {"said": said, "refused": refused, "draft": draft, "everything": everything}
    shown |= {"outcomes": OUTCOMES, "most": MOST_CHARACTERS, "client_id": uuid.uuid4().hex}
    return page_of(request, template, status, desk=desk, **shown)


async def item_live(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/{id}/live: SSE, ``changed`` when the item's page would look different."""
    clinic, handoff_id = desk.clinic, _id(request)

    def find() -> str:
        with desk.db.read() as session:
            return item_view.conversation_of(session, clinic, handoff_id)

    return live.live_response(
        desk.services,
        request.cookies[COOKIE],
        conversation_topic(await in_thread(find)),
        live.have(request),
        lambda session: item_view.item_signature(session, clinic, handoff_id),
    )


# Acts


async def claim(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/claim (version): of two at once one wins, the other is told who."""
    version = form.get("version", "")
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    try:
        result = await in_thread(acts.claim, desk, _id(request), number)
    except (StaleVersion, NotAllowed) as error:
        return await _refuse(request, desk, error)
    if isinstance(result, AlreadyClaimed):
        at = desk.time(result.at) if result.at else desk.time()
        words = desk.words.text("refused_claimed", name=result.name, time=at)
        return await _item_page(request, desk, refused=words, status=409)
    return _acted(request, desk, result, "claimed")


async def reply(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/reply (text, client_id): into the patient's chat, once however often the form is sent."""
    text = form.get("text", "").replace("\r\n", "\n").strip()
    if not text:
        return await _refuse_text(request, desk, "refused_empty", text)
    if len(text) > MOST_CHARACTERS:
        values = {"count": len(text), "most": MOST_CHARACTERS}
        return await _refuse_text(request, desk, "refused_too_long", text, **values)
    if not _FORM_ID.fullmatch(form.get("client_id", "")):
        return problem(request, "form", 400, desk)
    try:
        conversation = await in_thread(acts.reply, desk, _id(request), text, form["client_id"])
    except (NotClaimed, NotYours) as error:
        return await _refuse(request, desk, error, text)
    return _acted(request, desk, conversation)


async def hand_back(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/hand-back (lift_hold)."""
    try:
        lift = form.get("lift_hold") == "yes"
        conversation = await in_thread(acts.hand_back, desk, _id(request), lift)
    except (NotAllowed, NotYours) as error:
        return await _refuse(request, desk, error)
    return _acted(request, desk, conversation, "returned")


async def close(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/close (outcome)."""
    outcome = form.get("outcome", "")
    if outcome not in OUTCOMES:
        return await _refuse_text(request, desk, "refused_outcome")
    try:
        conversation = await in_thread(acts.close, desk, _id(request), outcome)
    except (NotAllowed, NotYours) as error:
        return await _refuse(request, desk, error)
    return _acted(request, desk, conversation, "closed")


def _acted(request: Request, desk: Desk, conversation_id: str, said: str = "") -> Response:
    """Wake the patient's page and every inbox page of the clinic, then show the item again."""
    desk.services.news(conversation_id, desk.clinic)
    desk.services.hub.wake(inbox_topic(desk.clinic), live.ACTED)
    here = f"{PATH}/{quote(_id(request), safe='')}"
    return RedirectResponse(f"{here}?{urlencode({'said': said})}" if said else here, 303)


async def _refuse(request: Request, desk: Desk, error: Exception, draft: str = "") -> Response:
    """The item again, as it is now, with the reason why nothing was done."""
    if isinstance(error, NotYours):
        by = error.by

        def name() -> str:
            with desk.db.read() as session:
                return clinicians.names(session, desk.clinic).get(by, "")

        words = desk.words.text("refused_not_yours", name=await in_thread(name))
    else:
        keys: dict[type[Exception], str] = {
            StaleVersion: "refused_changed",
            NotClaimed: "refused_not_claimed",
        }
        words = desk.words.text(keys.get(type(error), "refused_not_allowed"))
    return await _item_page(request, desk, refused=words, draft=draft, status=409)


async def _refuse_text(request: Request, desk: Desk, key: str, draft: str = "", **values: object) -> Response:
    words = desk.words.text(key, **values)
    return await _item_page(request, desk, refused=words, draft=draft, status=422)


def _id(request: Request) -> str:
    return str(request.path_params["handoff_id"])
