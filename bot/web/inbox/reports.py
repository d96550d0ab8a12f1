"""The reports page: the figures of one quarter, and the same as a file. Opening either is written to the audit."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.handoff.roles import REPORT
from bot.store import audit
from bot.store.reports import About, Quarter, known_quarters, report
from bot.web.inbox import report_view
from bot.web.inbox.acts import Desk
from bot.web.inbox.door import Form, page_of, signed_in
from bot.web.services import in_thread

PAGE = "/inbox/reports"
CSV, JSON = "csv", "json"
_MEDIA = {CSV: "text/csv; charset=utf-8", JSON: "application/json"}


def routes() -> list[Route]:
    """The routes of the reports."""
    return [
        Route(PAGE, signed_in(show, REPORT), methods=["GET"]),
        Route(f"{PAGE}/download", signed_in(download, REPORT), methods=["GET"]),
    ]


async def show(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/reports?quarter=2027-Q1. Without a quarter it is the newest one."""
    asked = request.query_params.get("quarter", "")
    about = report_view.about(desk.services.clinic(desk.clinic))
    quarters, chosen = await in_thread(_quarters, desk, about, asked)
    shown: dict[str, Any] = {"quarters": quarters, "chosen": chosen, "unknown": bool(asked) and chosen is None}
    if chosen is None:
        return page_of(request, "inbox/reports.html", 404 if asked else 200, desk=desk, **shown, found=None)
    found = await in_thread(_read, desk, about, chosen, "report.viewed")
    day = _days(desk, chosen)
    return page_of(
        request,
        "inbox/reports.html",
        desk=desk,
        **shown,
        found=found,
        since=day[0],
        until=day[1],
        made=desk.time(),
        empty=report_view.is_empty(found),
        glance=report_view.glance(found, desk.words),
        sections=report_view.sections(found, desk.words),
    )


async def download(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/reports/download?quarter=2027-Q1&format=csv|json."""
    kind = request.query_params.get("format", CSV)
    about = report_view.about(desk.services.clinic(desk.clinic))
    quarters, chosen = await in_thread(_quarters, desk, about, request.query_params.get("quarter", ""))
    if chosen is None or kind not in _MEDIA:
        shown: dict[str, Any] = {"quarters": quarters, "chosen": None, "unknown": True, "found": None}
        return page_of(request, "inbox/reports.html", 404, desk=desk, **shown)
    found = await in_thread(_read, desk, about, chosen, "report.downloaded", kind)
    text = report_view.as_csv(found) if kind == CSV else json.dumps(found, indent=2) + "\n"
    name = f"pain-tutor-{desk.clinic}-{chosen.name}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text, media_type=_MEDIA[kind], headers=headers)


def _quarters(desk: Desk, about: About, asked: str) -> tuple[list[Quarter], Quarter | None]:
    """The clinic's quarters, and the one that was asked for: the newest, where none was."""
    with desk.db.read() as session:
        known = known_quarters(session, about)
    chosen = next((quarter for quarter in known if quarter.name == asked), None)
    return known, chosen if asked else next(iter(known), None)


def _read(desk: Desk, about: About, chosen: Quarter, act: str, kind: str = "") -> dict[str, Any]:
    # Read first, and outside the transaction that writes the audit: on SQLite nobody could write meanwhile.
    with desk.db.read() as session:
        found = report(session, about, chosen.period)
    details = {"quarter": chosen.name, **({"format": kind} if kind else {})}
    with desk.db.begin() as session:
        audit.viewed(session, desk.me, act, **details)
    return found


def _days(desk: Desk, chosen: Quarter) -> tuple[str, str]:
    """The first day that is counted, and the first that is not, in the clinic's zone."""
    zone = desk.services.clinic(desk.clinic).hours.zone
    since, until = chosen.period.since, chosen.period.until
    assert since is not None and until is not None  # a quarter has both
    return since.astimezone(zone).date().isoformat(), until.astimezone(zone).date().isoformat()
