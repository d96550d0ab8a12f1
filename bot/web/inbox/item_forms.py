"""The forms of an item's page: each is one act, then the item is shown again. Sent twice, a form acts once.

Every POST carries the CSRF token of its sign-in. An act that is refused shows the item as it is now, with the reason,
and keeps what was written.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.handoff.items import NotYours, StaleVersion
from bot.handoff.roles import ANSWER
from bot.handoff.states import OUTCOMES, NotAllowed
from bot.handoff.steps import AlreadyClaimed, NoSuchPerson
from bot.store import clinicians
from bot.web.inbox import acts, canned, live, passing
from bot.web.inbox.acts import MOST_CHARACTERS, Desk, NotClaimed
from bot.web.inbox.door import PATH, Form, problem, signed_in
from bot.web.inbox.item import ITEM, id_of, item_page
from bot.web.inbox.passing import BACK, NoteNotSent
from bot.web.services import in_thread
from bot.web.stream import inbox_topic

_FORM_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_REASONS: dict[type[Exception], str] = {
    StaleVersion: "refused_changed",
    NotClaimed: "refused_not_claimed",
    NoSuchPerson: "refused_no_such_person",
    NoteNotSent: "refused_last_words",
}
_REFUSALS: tuple[type[Exception], ...] = (NotAllowed, NotYours, *_REASONS)


def routes() -> list[Route]:
    """The routes of the acts on one item."""
    named = {
        "claim": claim,
        "reply": reply,
        "canned": start_from_canned,
        "note": add_note,
        "aside": put_aside,
        "release": release,
        "reassign": reassign,
        "hand-back": hand_back,
        "close": close,
    }
    return [Route(f"{ITEM}/{name}", signed_in(act, ANSWER), methods=["POST"]) for name, act in named.items()]


async def claim(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/claim (version): of two at once one wins, the other is told who."""
    version = form.get("version", "")
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    try:
        result = await in_thread(acts.claim, desk, id_of(request), number)
    except (StaleVersion, NotAllowed) as error:
        return await _refuse(request, desk, error)
    if isinstance(result, AlreadyClaimed):
        # Somebody who has another item of this conversation took it at a time that this item does not know.
        key, at = ("refused_claimed", desk.time(result.at)) if result.at else ("refused_claimed_before", "")
        words = desk.words.text(key, name=result.name, time=at)
        return await item_page(request, desk, refused=words, status=409)
    return _acted(request, desk, result, "claimed")


async def reply(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/reply (text, client_id): into the patient's chat, once however often the form is sent."""
    text = _text(form)
    refused = await _unfit(request, desk, form, text, "refused_empty", draft=text)
    if refused is not None:
        return refused
    return await _do(request, desk, partial(acts.reply, desk, id_of(request), text, form["client_id"]), draft=text)


async def start_from_canned(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/canned (canned, text): the page again with a ready reply in the box. Sends nothing."""
    text = _text(form)[:MOST_CHARACTERS]
    found = await in_thread(canned.put_in, desk, form.get("canned", ""), text)
    if found is None:
        return await _refuse_text(request, desk, "refused_canned", draft=text)
    return await item_page(request, desk, draft=found)


async def add_note(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/note (text, client_id): a private note, once however often the form is sent."""
    text = _text(form)
    refused = await _unfit(request, desk, form, text, "refused_note_empty", note_draft=text)
    if refused is not None:
        return refused
    note = partial(acts.add_note, desk, id_of(request), text, form["client_id"])
    return await _do(request, desk, note, "noted", note_draft=text)


async def put_aside(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/aside (until): for a while, or (back) at hand again."""
    times, asked = passing.aside_times(desk), form.get("until", "")
    if asked != BACK and asked not in times:
        return await _refuse_text(request, desk, "refused_aside")
    said = "back" if asked == BACK else "aside"
    return await _do(request, desk, partial(passing.put_aside, desk, id_of(request), times.get(asked)), said)


async def release(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/release: into the queue again."""
    return await _do(request, desk, partial(passing.release, desk, id_of(request)), "released")


async def reassign(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/reassign (to): to a colleague."""
    return await _do(request, desk, partial(passing.reassign, desk, id_of(request), form.get("to", "")), "reassigned")


async def hand_back(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/hand-back (lift_hold, text, topic, client_id): to the tutor, with last words and a topic if wished."""
    text, topic = _text(form), form.get("topic", "")
    if topic and topic not in passing.topics():
        return await _refuse_text(request, desk, "refused_topic", last_words=text)
    if text:
        refused = await _unfit(request, desk, form, text, "refused_empty", last_words=text)
        if refused is not None:
            return refused
    lift, key = form.get("lift_hold") == "yes", form.get("client_id", "")
    back = partial(passing.hand_back, desk, id_of(request), lift, text, key, topic)
    return await _do(request, desk, back, "returned", last_words=text)


async def close(request: Request, desk: Desk, form: Form) -> Response:
    """POST …/close (outcome)."""
    outcome = form.get("outcome", "")
    if outcome not in OUTCOMES:
        return await _refuse_text(request, desk, "refused_outcome")
    return await _do(request, desk, partial(acts.close, desk, id_of(request), outcome), "closed")


async def _do(request: Request, desk: Desk, act: Callable[[], str], said: str = "", **kept: str) -> Response:
    """Does the act and shows the item again; refused: the item as it is, the reason, and what was written (`kept`)."""
    try:
        conversation_id = await in_thread(act)
    except _REFUSALS as error:
        return await _refuse(request, desk, error, **kept)
    return _acted(request, desk, conversation_id, said)


def _acted(request: Request, desk: Desk, conversation_id: str, said: str) -> Response:
    """Wake the patient's page and every inbox page of the clinic, then show the item again."""
    desk.services.news(conversation_id, desk.clinic)
    desk.services.hub.wake(inbox_topic(desk.clinic), live.ACTED)
    here = f"{PATH}/{quote(id_of(request), safe='')}"
    return RedirectResponse(f"{here}?{urlencode({'said': said})}" if said else here, 303)


def _text(form: Form) -> str:
    return form.get("text", "").replace("\r\n", "\n").strip()


async def _unfit(
    request: Request, desk: Desk, form: Form, text: str, empty: str, **kept: str
) -> Response | None:
    """The answer to words that are none, or too many, or come from no form of ours; None where they may pass."""
    if not text:
        return await _refuse_text(request, desk, empty, **kept)
    if len(text) > MOST_CHARACTERS:
        words = desk.words.text("refused_too_long", count=len(text), most=MOST_CHARACTERS)
        return await item_page(request, desk, refused=words, status=422, **kept)
    if not _FORM_ID.fullmatch(form.get("client_id", "")):
        return problem(request, "form", 400, desk)
    return None


async def _refuse(request: Request, desk: Desk, error: Exception, **kept: str) -> Response:
    """The item again, as it is now, with the reason why nothing was done."""
    if isinstance(error, NotYours):
        by = error.by

        def name() -> str:
            with desk.db.read() as session:
                return clinicians.names(session, desk.clinic).get(by, "")

        words = desk.words.text("refused_not_yours", name=await in_thread(name))
    else:
        words = desk.words.text(_REASONS.get(type(error), "refused_not_allowed"))
    return await item_page(request, desk, refused=words, status=409, **kept)


async def _refuse_text(request: Request, desk: Desk, key: str, **kept: str) -> Response:
    return await item_page(request, desk, refused=desk.words.text(key), status=422, **kept)
