"""The auditor's page: who did and saw what, whether the record is whole, and a copy of it. No patients' words are here:
the audit has none. Looking at the audit is in the audit too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Text, and_, cast, or_, select
from sqlalchemy.orm import Session
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from bot.handoff.roles import AUDIT
from bot.store import audit, audit_check, clinicians
from bot.store.columns import storable_text
from bot.store.models import Audit, Handoff
from bot.store.rights import BY_CLINIC, BY_PATIENT
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import Form, page_of, signed_in
from bot.web.inbox.rows import Moment
from bot.web.services import in_thread

PAGE = "/inbox/audit"
ROWS = 50
# How many rows the page checks; the command line checks all.
NEWEST = 20_000
VIEWED, VERIFIED, EXPORTED = "audit.viewed", "audit.verified", "audit.exported"
# Whoever acts without being one of the clinic's people.
OTHERS = (audit.SYSTEM, BY_PATIENT, BY_CLINIC)
MOST = 200


@dataclass(frozen=True)
class Filter:
    """What of the audit is asked for: empty is everything. `bad_day`: a day was given that is none."""

    person: str = ""
    act: str = ""
    day: str = ""
    item: str = ""
    bad_day: bool = False

    @property
    def query(self) -> dict[str, str]:
        asked = {"person": self.person, "act": self.act, "day": self.day, "item": self.item}
        return {name: value for name, value in asked.items() if value}


@dataclass(frozen=True)
class Row:
    """One line of the table. `item`: the id that all rows about the same can be found by."""

    seq: int
    at: Moment
    who: str
    act: str
    about: str
    item: str
    details: tuple[tuple[str, str], ...]


def routes() -> list[Route]:
    """The routes of the audit."""
    return [
        Route(PAGE, signed_in(show, AUDIT), methods=["GET"]),
        Route(f"{PAGE}/verify", signed_in(verify, AUDIT), methods=["POST"]),
        Route(f"{PAGE}/download", signed_in(download, AUDIT), methods=["GET"]),
    ]


async def show(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/audit?person=&act=&day=&item=, the newest first; `before`: only rows with a lower number."""
    asked = _filter(request)
    before = _number(request.query_params.get("before", ""))
    return await _page(request, desk, asked, before)


async def verify(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/audit/verify: walks the newest rows, and says what was found."""

    def check() -> audit_check.Checked:
        found = audit_check.check(desk.db, desk.clinic, newest=NEWEST)
        wrong: dict[str, Any] = {} if found.fault is None else {"fault": found.fault.what, "at": found.fault.seq}
        with desk.db.begin() as session:
            audit.viewed(session, desk.me, VERIFIED, rows=found.rows, last=found.seq, **wrong)
        return found

    return await _page(request, desk, Filter(), None, await in_thread(check))


async def download(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/audit/download (day): the rows with their hashes, as `pne audit verify --file` reads them."""
    asked = _filter(request)
    if asked.bad_day:
        return RedirectResponse(f"{PAGE}?{urlencode({'day': asked.day})}", 303)

    def begin() -> tuple[int, int]:
        with desk.db.begin() as session:
            first, last = audit_check.span(session, desk.clinic, *_bounds(desk, asked.day))
            audit.viewed(session, desk.me, EXPORTED, format="csv", first=first, last=last)
        return first, last

    first, last = await in_thread(begin)
    lines = audit_check.exported(desk.db, desk.clinic, first, last, "csv")
    name = f"pain-tutor-{desk.clinic}-audit{'-' + asked.day if asked.day else ''}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return StreamingResponse(iterate_in_threadpool(lines), media_type="text/csv; charset=utf-8", headers=headers)


async def _page(
    request: Request, desk: Desk, asked: Filter, before: int | None, checked: audit_check.Checked | None = None
) -> Response:
    def read() -> dict[str, Any]:
        with desk.db.read() as session:
            shown = _view(session, desk, asked, before)
        if checked is None:
            with desk.db.begin() as session:
                more: dict[str, Any] = {"before": before} if before is not None else {}
                audit.viewed(session, desk.me, VIEWED, **asked.query, **more)
        return shown

    shown = await in_thread(read)
    status = 422 if asked.bad_day else 200
    return page_of(request, "inbox/audit.html", status, desk=desk, asked=asked, checked=checked, newest=NEWEST, **shown)


def _view(session: Session, desk: Desk, asked: Filter, before: int | None) -> dict[str, Any]:
    names = clinicians.names(session, desk.clinic)
    where = [] if asked.bad_day else _conditions(session, desk, asked)
    if before is not None:
        where.append(Audit.seq < before)
    wanted = select(Audit).where(Audit.clinic == desk.clinic, *where).order_by(Audit.seq.desc()).limit(ROWS + 1)
    found = [] if asked.bad_day else list(session.execute(wanted).scalars())
    older = {**asked.query, "before": str(found[ROWS - 1].seq)} if len(found) > ROWS else None
    acts = {key.removeprefix("audit_act_") for key in desk.words.texts if key.startswith("audit_act_")}
    people = [*sorted(names.items(), key=lambda pair: pair[1]), *((code, _who(desk, code, names)) for code in OTHERS)]
    return {
        "rows": [_row(desk, row, names) for row in found[:ROWS]],
        "people": people,
        "acts": sorted(((act, desk.words.word("audit_act", act)) for act in acts), key=lambda pair: pair[1]),
        "older": f"{PAGE}?{urlencode(older)}" if older else "",
        "newest_first": f"{PAGE}?{urlencode(asked.query)}" if before is not None else "",
        "download": f"{PAGE}/download" + (f"?day={asked.day}" if asked.day and not asked.bad_day else ""),
    }


def _conditions(session: Session, desk: Desk, asked: Filter) -> list[Any]:
    where: list[Any] = []
    if asked.person:
        where.append(Audit.actor == asked.person)
    if asked.act:
        where.append(Audit.act == asked.act)
    if asked.day:
        since, until = _bounds(desk, asked.day)
        where += [Audit.at >= since, Audit.at < until]
    if asked.item:
        # Lists that it was on have it among their details. None is older than the item itself.
        born = select(Handoff.created_at).where(Handoff.id == asked.item)
        since = session.execute(born).scalars().first()
        listed = cast(Audit.details, Text).contains(f'"{asked.item}"', autoescape=True)
        lists = [] if since is None else [and_(Audit.at >= since, Audit.subject == desk.clinic, listed)]
        where.append(or_(Audit.subject == asked.item, *lists))
    return where


def _row(desk: Desk, row: Audit, names: dict[str, str]) -> Row:
    about = desk.words.text("audit_the_clinic") if row.subject == desk.clinic else names.get(row.subject, row.subject)
    said = ((key, _said(value, names)) for key, value in (row.details or {}).items())
    return Row(
        seq=row.seq,
        at=Moment(_when(desk, row.at), row.at.isoformat(timespec="seconds")),
        who=_who(desk, row.actor, names),
        act=desk.words.word("audit_act", row.act),
        about=about,
        item=row.subject if about == row.subject else "",
        details=tuple((str(key), value) for key, value in said if value),
    )


def _when(desk: Desk, at: datetime) -> str:
    """The time with its date and seconds: an audit is read on another day."""
    return at.astimezone(desk.services.clinic(desk.clinic).hours.zone).strftime("%Y-%m-%d %H:%M:%S")


def _who(desk: Desk, actor: str, names: dict[str, str]) -> str:
    return desk.words.text(f"audit_by_{actor}") if actor in OTHERS else names.get(actor, actor)


def _said(value: Any, names: dict[str, str]) -> str:
    """A value of the details as people read it, a person by name; empty for what is not so, or not there."""
    if value is None or value is False:
        return ""
    if value is True:
        return "✓"
    if isinstance(value, list):
        return ", ".join(_said(one, names) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_said(one, names)}" for key, one in value.items())
    return names.get(str(value), str(value))


def _filter(request: Request) -> Filter:
    given = {name: request.query_params.get(name, "").strip()[:MOST] for name in ("person", "act", "day", "item")}
    given = {name: storable_text(value) for name, value in given.items()}
    return Filter(**given, bad_day=bool(given["day"]) and _date(given["day"]) is None)


def _date(text: str) -> date | None:
    """The day; None for what is none, or none of any clinic's."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 3000 else None


def _bounds(desk: Desk, day: str) -> tuple[datetime | None, datetime | None]:
    """When a day of the clinic begins and ends; (None, None) for no day."""
    found = _date(day)
    if found is None:
        return None, None
    zone = desk.services.clinic(desk.clinic).hours.zone
    start = datetime.combine(found, time(), zone)
    return start, datetime.combine(found + timedelta(days=1), time(), zone)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
