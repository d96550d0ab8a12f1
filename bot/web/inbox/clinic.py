"""The clinic's own page: what its admins may change, section by section, over what its file says.

Plain forms, checked here: what is wrong comes back with the words that were typed. Each change says what it takes the
place of, so that nobody overwrites unknowingly what somebody else has just changed, and each is in the audit.
"""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy.orm import Session
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.content.clinic_changes import Changed, changeable, with_changes
from bot.content.clinics import Clinic
from bot.content.files import ContentError
from bot.handoff.deliveries import need_secrets
from bot.handoff.roles import MANAGE
from bot.live_clinics import read_clinic
from bot.settings import SettingsError
from bot.store import clinic_settings
from bot.store.clinic_settings import ChangedMeanwhile, Setting
from bot.web import clinics
from bot.web.inbox import clinic_view as view
from bot.web.inbox.acts import Desk
from bot.web.inbox.clinic_fields import Form, Section, WrongFields
from bot.web.inbox.door import page_of, problem, signed_in
from bot.web.services import in_thread

PATH = "/inbox/clinic"
# Room for a logo of 100 kB that a browser sends as it is, and for the fields of the longest form.
MOST_BYTES, MOST_FIELDS = 200_000, 150


@dataclass(frozen=True)
class Now:
    """The clinic as the page shows it: its file, what is put over it, and when and by whom each part was changed."""

    file: Clinic
    changed: Changed
    settings: Mapping[str, Setting]

    @property
    def held(self) -> dict[str, Any]:
        """The changes that hold."""
        return {key: one.value for key, one in self.settings.items() if key not in self.changed.broken}

    def seen(self, section: Section) -> str:
        """What this section's parts are at: a form carries it, to be compared when it is saved."""
        return " ".join(self.settings[key].at.isoformat() if key in self.settings else "-" for key in section.keys)


def routes() -> list[Route]:
    return [
        Route(PATH, signed_in(overview, MANAGE), methods=["GET"]),
        Route(f"{PATH}/{{section}}", signed_in(show, MANAGE), methods=["GET"]),
        Route(f"{PATH}/{{section}}", signed_in(save, MANAGE, reads=read_form), methods=["POST"]),
        Route(f"{PATH}/{{section}}/file", signed_in(go_back, MANAGE), methods=["POST"]),
    ]


async def overview(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/clinic: what holds now, where it comes from, and what of it does not hold."""
    now, names = await in_thread(_look, desk)
    saved = request.query_params.get("saved", "")
    values = view.overview(now, names, desk)
    return page_of(request, "inbox/clinic.html", desk=desk, saved=saved if saved in view.SECTIONS else "", **values)


async def show(request: Request, desk: Desk, form: Form) -> Response:
    """GET /inbox/clinic/{section}: its form."""
    section, part = _asked(request)
    if section is None:
        return problem(request, "clinic_part", 404, desk)
    now, _ = await in_thread(_look, desk)
    if section.parts and part not in dict(section.parts(now.changed.clinic, desk.words)):
        part = ""
    fields = section.fill(now.changed.clinic, part) if part or not section.parts else {}
    return _page(request, desk, section, part, now, fields)


async def save(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/clinic/{section}: saves its fields, or shows what patients would see (`act` = preview)."""
    section, part = _asked(request)
    if section is None:
        return problem(request, "clinic_part", 404, desk)
    now, _ = await in_thread(_look, desk)
    if section.parts and part not in dict(section.parts(now.changed.clinic, desk.words)):
        return problem(request, "clinic_part", 404, desk)
    try:
        changes = section.read(form, now.changed.clinic, part)
        made = with_changes(now.file, {**now.held, **changes})
        need_secrets([made], os.environ)
    except WrongFields as error:
        return _page(request, desk, section, part, now, form, 422, wrong=error.fields)
    except (ContentError, SettingsError) as error:
        said = {"": ("clinic_refused", {"cause": str(error)})}
        return _page(request, desk, section, part, now, form, 422, wrong=said)
    if form.get("act") == "preview":
        return _page(request, desk, section, part, now, form, preview=view.preview(made, desk))
    same = section.fill(made, part) == section.fill(now.changed.clinic, part)
    if same and not any(key in now.changed.broken for key in section.keys):
        changes = {}
    try:
        await in_thread(_keep, desk, section, changes, form.get("seen", ""))
    except ChangedMeanwhile:
        now, names = await in_thread(_look, desk)
        return _page(request, desk, section, part, now, form, 409, meanwhile=_meanwhile(section, now, names, desk))
    await in_thread(clinics.refresh, desk.services)
    return RedirectResponse(f"{PATH}?{urlencode({'saved': section.id})}#{section.id}", 303)


async def go_back(request: Request, desk: Desk, form: Form) -> Response:
    """POST /inbox/clinic/{section}/file: what the clinic's file says holds again."""
    section, _ = _asked(request)
    if section is None:
        return problem(request, "clinic_part", 404, desk)
    now, _ = await in_thread(_look, desk)
    try:
        with_changes(now.file, {key: value for key, value in now.held.items() if key not in section.keys})
        await in_thread(_take_back, desk, section, form.get("seen", ""))
    except ContentError as error:
        said = {"": ("clinic_refused", {"cause": str(error)})}
        fields = section.fill(now.changed.clinic, "") if not section.parts else {}
        return _page(request, desk, section, "", now, fields, 422, wrong=said)
    except ChangedMeanwhile:
        now, names = await in_thread(_look, desk)
        fields = section.fill(now.changed.clinic, "") if not section.parts else {}
        return _page(request, desk, section, "", now, fields, 409, meanwhile=_meanwhile(section, now, names, desk))
    await in_thread(clinics.refresh, desk.services)
    return RedirectResponse(f"{PATH}?{urlencode({'saved': section.id})}#{section.id}", 303)


async def read_form(request: Request) -> Form | None:
    """The fields of a form of this page; a picture that came with it as base64. None for anything else or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        try:
            parser = MultiPartParser(request.headers, _bounded(request), max_files=1, max_fields=MOST_FIELDS)
            sent = await parser.parse()
        except (MultiPartException, KeyError, ValueError):
            return None
        return {
            key: base64.b64encode(await value.read()).decode() if isinstance(value, UploadFile) else value
            for key, value in sent.items()
        }
    if kind != "application/x-www-form-urlencoded":
        return None
    try:
        raw = b"".join([chunk async for chunk in _bounded(request)])
        return dict(parse_qsl(raw.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    """The body. Raises ValueError where it is too large."""
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MOST_BYTES:
            raise ValueError("the form is too large")
        yield chunk


def _asked(request: Request) -> tuple[Section | None, str]:
    return view.SECTIONS.get(request.path_params["section"]), request.query_params.get("part", "")


def _look(desk: Desk) -> tuple[Now, dict[str, str]]:
    """The clinic as the database has it now, and the names of who has changed it."""
    with desk.db.read() as session:
        now = _now(session, desk)
        return now, view.names(session, {one.by for one in now.settings.values()})


def _now(session: Session, desk: Desk) -> Now:
    file = desk.services.live.file(desk.services.clinics, desk.clinic)
    return Now(file, read_clinic(session, file), clinic_settings.settings_of(session, desk.clinic))


def _keep(desk: Desk, section: Section, changes: Mapping[str, Any], seen: str) -> None:
    """Saves what differs from what holds. Raises ChangedMeanwhile where the section is not as it was shown."""
    with desk.db.begin() as session:
        now = _now(session, desk)
        if now.seen(section) != seen:
            raise ChangedMeanwhile(section.id)
        for key, value in changes.items():
            before, kept = changeable(key, now.changed.clinic), now.settings.get(key)
            if value == before and key not in now.changed.broken:
                continue
            at = kept.at if kept else None
            clinic_settings.save(session, desk.clinic, key, value, seen=at, by=desk.me.id, before=before)


def _take_back(desk: Desk, section: Section, seen: str) -> None:
    with desk.db.begin() as session:
        now = _now(session, desk)
        if now.seen(section) != seen:
            raise ChangedMeanwhile(section.id)
        for key in section.keys:
            kept = now.settings.get(key)
            if kept is not None:
                after = changeable(key, now.file)
                clinic_settings.go_back(session, desk.clinic, key, seen=kept.at, by=desk.me.id, after=after)


def _meanwhile(section: Section, now: Now, names: Mapping[str, str], desk: Desk) -> str:
    return view.last_change(section, now, names, desk) or desk.words.text("clinic_meanwhile_back")


def _page(
    request: Request,
    desk: Desk,
    section: Section,
    part: str,
    now: Now,
    fields: Form,
    status: int = 200,
    **more: Any,
) -> Response:
    values = view.section(section, part, now, fields, desk)
    values |= {"wrong": {}, "meanwhile": "", "preview": None, **more}
    return page_of(request, "inbox/clinic_section.html", status, desk=desk, **values)
