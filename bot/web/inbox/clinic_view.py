"""The values of the clinic's page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import safety
from bot.content.chain import TIERS
from bot.content.clinic_numbers import MOST_LINES
from bot.content.clinics import Clinic
from bot.content.hours import DAYS
from bot.store.models import Clinician
from bot.web import bodies
from bot.web.inbox.acts import Desk
from bot.web.inbox.clinic_fields import Form, Section
from bot.web.inbox.clinic_lines import KINDS, NUMBERS, REPLIES
from bot.web.inbox.clinic_people import PAUSING, PEOPLE, contact_rows, step_rows
from bot.web.inbox.clinic_sections import SIMPLE

if TYPE_CHECKING:
    from bot.web.inbox.clinic import Now

# In the order of the page: what patients are told first, then whom the clinic tells, then the rest.
_ORDER = (
    "name", "hours", "phone", "numbers", "contacts", "chain", "limits", "channels", "replies", "languages", "colour",
    "logo", "retention",
)  # fmt: skip
SECTIONS: dict[str, Section] = {
    name: section for name in _ORDER for section in (*SIMPLE, *PEOPLE, NUMBERS, REPLIES) if section.id == name
}
# Sections whose words patients read in danger: what they would read is shown before it is saved.
PREVIEWED = ("phone", "numbers")
SPARE_LINES = 2
# Zones of places; the others are old names and offsets.
_PLACES = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
# A sample of each: an emergency, the same day, a crisis, danger from somebody.
_SAMPLES = (("RF01", "T1"), ("RF03", "T2"), ("RF34", "T0"), ("RF38", "T0"))


def overview(now: Now, names: Mapping[str, str], desk: Desk) -> dict[str, Any]:
    """Every section with what holds, where it comes from, and why a change of it does not hold."""
    clinic = now.changed.clinic
    sections = [
        {
            "id": section.id,
            "lines": section.shown(clinic, desk.words),
            "source": last_change(section, now, names, desk) or desk.words.text("clinic_from_file"),
            "broken": [now.changed.broken[key] for key in section.keys if key in now.changed.broken],
        }
        for section in SECTIONS.values()
    ]
    return {"sections": sections, "shown_clinic": clinic}


def section(section: Section, part: str, now: Now, fields: Form, desk: Desk) -> dict[str, Any]:
    """A section's form: its fields as they were typed or as they are, and what its lists have to offer."""
    clinic = now.changed.clinic
    parts = section.parts(clinic, desk.words) if section.parts else []
    return {
        "section": section.id,
        "part": part,
        "part_name": dict(parts).get(part, ""),
        "parts": parts,
        "fields": fields,
        "seen": now.seen(section),
        "changed": any(key in now.settings for key in section.keys),
        "file_lines": section.shown(now.file, desk.words),
        "previewed": section.id in PREVIEWED,
        "shown_clinic": clinic,
        "days": DAYS,
        "tiers": TIERS,
        "pausing": PAUSING,
        "kinds": KINDS,
        "line_numbers": range(min(len(clinic.calls.get(part, ())) + SPARE_LINES, MOST_LINES)),
        "contact_numbers": contact_rows(clinic),
        "step_numbers": step_rows(clinic),
        "interfaces": desk.services.wording.interfaces,
        "language_names": [(tag, words["name"]) for tag, words in desk.services.wording.interfaces.items()],
        "now_lines": section.shown(clinic, desk.words),
        "zones": zones() if section.id == "hours" else (),
    }


def preview(clinic: Clinic, desk: Desk) -> dict[str, Any]:
    """What a patient reads with these settings: the urgent lines, and samples of safety words."""
    wording, numbers = desk.services.wording, clinic.page_numbers()
    lines = [numbers["emergency"], numbers["urgent"], *numbers["crisis"]]
    samples = [
        {
            "bubbles": safety.words_for(category, tier, clinic.numbers).bubbles,
            "calls": [call["label"] for call in bodies.calls(clinic, tier, category)],
        }
        for category, tier in _SAMPLES
    ]
    nobody = wording.bubbles("handoff_exhausted", **clinic.numbers, time="10:32")
    return {"lines": [line["label"] for line in lines], "samples": samples, "nobody": nobody}


def last_change(section: Section, now: Now, names: Mapping[str, str], desk: Desk) -> str:
    """Who changed this section last, and when; empty where its file holds."""
    found = [now.settings[key] for key in section.keys if key in now.settings]
    if not found:
        return ""
    newest = max(found, key=lambda one: one.at)
    by = names.get(newest.by) or desk.words.text("clinic_by_operator")
    return desk.words.text("clinic_changed_by", name=by, time=desk.time(newest.at))


def names(session: Session, ids: Collection[str]) -> dict[str, str]:
    """The names of these people of the clinic."""
    if not ids:
        return {}
    return dict(session.execute(select(Clinician.id, Clinician.name).where(Clinician.id.in_(ids))).all())


def zones() -> list[str]:
    return sorted(zone for zone in available_timezones() if zone.startswith(_PLACES))
