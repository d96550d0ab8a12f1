"""Looking for items of the clinic.

The form is posted, not put into the address: an address with a patient's name or words would stay in histories and in
the logs of whatever stands in front of this server. The audit keeps what kind of thing was asked for, never the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.roles import READ
from bot.handoff.states import OUTCOMES, TIERS
from bot.store import audit, clinicians
from bot.store.handoff_search import Wanted, search
from bot.store.handoffs import FINISHED, HELD, WAITING
from bot.web.inbox import calls, rows
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import PATH, Form, page_of, signed_in
from bot.web.services import in_thread

HERE = f"{PATH}/search"
VIEWED = "inbox.search"
PAGE = 50
MOST_CHARACTERS = 200
# Days that a clinic can mean; at the very ends of the calendar a day has no midnight in UTC.
FIRST_YEAR, LAST_YEAR = 2000, 2999
FIELDS = ("words", "person", "tier", "status", "outcome", "rule", "since", "until")
STATUSES = {"waiting": WAITING, "held": HELD, "finished": FINISHED}


@dataclass(frozen=True)
class Asked:
    """The form as it was sent, and what it asks for. `wrong`: the fields that cannot be read."""

    fields: dict[str, str]
    wanted: Wanted
    page: int
    wrong: tuple[str, ...] = ()


def routes() -> list[Route]:
    """The routes of the search."""
    return [
        Route(HERE, signed_in(show, READ), methods=["GET"]),
        Route(HERE, signed_in(find, READ), methods=["POST"]),
    ]


async def show(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/search: the form."""
    return await _page(request, desk, {}, 200)


async def find(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/search: the form with what was found. Nothing is changed."""
    return await _page(request, desk, form, 200)


async def _page(request: Request, desk: Desk, form: Form, status: int) -> Response:
    asked = read(form, desk)
    found: dict[str, Any] = {"total": None, "rows": [], "pages": 1}
    if asked.wanted.given and not asked.wrong:
        found = await in_thread(_find, desk, asked)
    shown = {
        "asked": asked.fields,
        "wrong": asked.wrong,
        "page": min(asked.page, found["pages"]),
        "tiers": TIERS,
        "statuses": tuple(STATUSES),
        "outcomes": OUTCOMES,
        "most": MOST_CHARACTERS,
        "calls": await in_thread(_calls, desk),
    }
    return page_of(request, "inbox/search.html", 422 if asked.wrong else status, desk=desk, **shown, **found)


def read(form: Form, desk: Desk) -> Asked:
    """What the form asks for. Days are the clinic's; `until` is a day that counts too."""
    fields = {name: form.get(name, "").strip()[:MOST_CHARACTERS] for name in FIELDS}
    days = {name: _day(fields[name]) for name in ("since", "until")}
    wrong = tuple(name for name in days if fields[name] and days[name] is None)
    since, until = days["since"], days["until"]
    wanted = Wanted(
        words=" ".join(fields["words"].split()),
        person=fields["person"],
        tier=fields["tier"] if fields["tier"] in TIERS else "",
        statuses=STATUSES.get(fields["status"], ()),
        outcome=fields["outcome"] if fields["outcome"] in OUTCOMES else "",
        rule=fields["rule"],
        since=_midnight(since, desk) if since else None,
        until=_midnight(until + timedelta(days=1), desk) if until else None,
    )
    page = form.get("page", "1")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1
    return Asked(fields, wanted, max(1, number), wrong)


def _find(desk: Desk, asked: Asked) -> dict[str, Any]:
    with desk.db.read() as session:
        total, items = search(session, desk.clinic, asked.wanted, PAGE, (asked.page - 1) * PAGE)
        pages = max(1, -(-total // PAGE))
        if asked.page > pages:
            _total, items = search(session, desk.clinic, asked.wanted, PAGE, (pages - 1) * PAGE)
        lines = rows.rows(session, desk, items, clinicians.names(session, desk.clinic))
    with desk.db.begin() as session:
        audit.viewed(
            session,
            desk.me,
            VIEWED,
            [line.id for line in lines],
            asked_for=list(asked.wanted.given),
            found=total,
            page=min(asked.page, pages),
        )
    return {"total": total, "rows": lines, "pages": pages}


def _calls(desk: Desk) -> calls.Calls:
    with desk.db.read() as session:
        return calls.calls(session, desk.clinic)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if FIRST_YEAR <= found.year <= LAST_YEAR else None


def _midnight(day: date, desk: Desk) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=desk.services.clinic(desk.clinic).hours.zone)
