"""The simple sections of the clinic's page: name, looks, hours, phone, channels, how long is kept, languages."""

from __future__ import annotations

import base64
import re
from datetime import date
from typing import Any

from bot.content.branding import (
    LEAST_CONTRAST,
    MOST_LOGO_BYTES,
    MOST_LOGO_PIXELS,
    darkened,
    least_contrast,
    read_logo,
)
from bot.content.clinic_numbers import digits
from bot.content.clinics import LONGEST_NAME, Clinic
from bot.content.hours import DAYS
from bot.content.inbox import InboxWording
from bot.content.wording import load_wording
from bot.web.inbox.clinic_fields import Form, Section, WrongFields, only_digits, wrong

# What a page may set. A day would erase yesterday's chats; whoever means that writes it into the file.
FEWEST_DAYS, MOST_DAYS = 30, 3_650
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_TIME = r"(\d{1,2})[:.](\d{2})"
_SPAN = re.compile(rf"{_TIME}\s*(?:-|–|—|to)\s*{_TIME}", re.IGNORECASE)
_DAY = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})")


# Name


def _fill_name(clinic: Clinic, part: str) -> Form:
    return {"name": clinic.name}


def _read_name(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    name = " ".join(form.get("name", "").split())
    if not name or len(name) > LONGEST_NAME or "{" in name:
        raise wrong("name", "clinic_wrong_name", most=LONGEST_NAME)
    return {"name": name}


def _shown_name(clinic: Clinic, words: InboxWording) -> list[str]:
    return [clinic.name]


# Colour and logo


def _fill_colour(clinic: Clinic, part: str) -> Form:
    return {"accent": clinic.colours.accent if clinic.colours else ""}


def _read_colour(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    accent = form.get("accent", "").strip().lower()
    if not accent.startswith("#"):
        accent = f"#{accent}"
    if not _COLOUR.fullmatch(accent):
        raise wrong("accent", "clinic_wrong_colour")
    found = least_contrast(accent)
    if found < LEAST_CONTRAST:
        raise wrong("accent", "clinic_pale_colour", found=f"{found:.1f}", needed=LEAST_CONTRAST, dark=darkened(accent))
    return {"colours": {"accent": accent}}


def _shown_colour(clinic: Clinic, words: InboxWording) -> list[str]:
    return [clinic.colours.accent if clinic.colours else words.text("clinic_no_colour")]


def _fill_logo(clinic: Clinic, part: str) -> Form:
    return {"now": clinic.logo.hash if clinic.logo else ""}


def _read_logo(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    """The picture comes as base64, from the form's reader."""
    data = base64.b64decode(form.get("logo", ""))
    if not data:
        raise wrong("logo", "clinic_no_file")
    try:
        kept = read_logo(data)
    except ValueError:
        raise wrong("logo", "clinic_wrong_logo", kilobytes=MOST_LOGO_BYTES // 1000, pixels=MOST_LOGO_PIXELS) from None
    return {"logo": {"png": base64.b64encode(kept.png).decode()}}


def _shown_logo(clinic: Clinic, words: InboxWording) -> list[str]:
    if clinic.logo is None:
        return [words.text("clinic_no_logo")]
    return [words.text("clinic_logo_size", width=clinic.logo.width, height=clinic.logo.height)]


# Hours


def _fill_hours(clinic: Clinic, part: str) -> Form:
    week = {
        day: ", ".join("–".join(span) for span in spans or ())
        for day, spans in (clinic.about.get("hours") or {}).items()
    }
    closed = "\n".join(str(day) for day in clinic.about.get("closed_on") or ())
    return {**week, "closed_on": closed, "time_zone": str(clinic.about.get("time_zone"))}


def _read_hours(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    faults: dict[str, Any] = {}
    week: dict[str, Any] = {}
    for day in DAYS:
        found = _spans(form.get(day, ""))
        if found is None:
            faults[day] = ("clinic_wrong_hours", {})
        week[day] = found
    closed = []
    for line in filter(None, (line.strip() for line in re.split(r"[\n,]", form.get("closed_on", "")))):
        found_day = _day(line)
        if found_day is None:
            faults["closed_on"] = ("clinic_wrong_day", {"day": line[:20]})
        else:
            closed.append(found_day.isoformat())
    if not faults and not any(week.values()):
        faults[DAYS[0]] = ("clinic_never_open", {})
    if faults:
        raise WrongFields(faults)
    zone = form.get("time_zone", "").strip()
    return {"hours": week, "closed_on": sorted(set(closed)), "time_zone": zone}


def _spans(text: str) -> list[list[str]] | None:
    """The spans of a day, as the clinic's file has them; None where they cannot be read."""
    made: list[list[str]] = []
    for part in filter(None, (part.strip() for part in re.split(r"[,;\n]", text))):
        found = _SPAN.fullmatch(part)
        if found is None:
            return None
        opens, closes = f"{int(found[1]):02}:{found[2]}", f"{int(found[3]):02}:{found[4]}"
        good = int(found[1]) < 24 and int(found[2]) < 60 and int(found[4]) < 60 and (closes <= "24:00")
        if not good or opens >= closes or (made and opens < made[-1][1]):
            return None
        made.append([opens, closes])
    return made


def _day(text: str) -> date | None:
    """A day as the file has it (2026-12-25) or as it is written here (25/12/2026)."""
    found = _DAY.fullmatch(text)
    try:
        return date(int(found[3]), int(found[2]), int(found[1])) if found else date.fromisoformat(text)
    except ValueError:
        return None


def _shown_hours(clinic: Clinic, words: InboxWording) -> list[str]:
    filled = _fill_hours(clinic, "")
    week = [(words.text(f"clinic_day_{day}"), filled.get(day) or words.text("clinic_closed")) for day in DAYS]
    lines = [words.text("clinic_day_line", day=day, hours=hours) for day, hours in week]
    closed = ", ".join(filled["closed_on"].split("\n")) or words.text("clinic_none")
    return [
        *lines,
        words.text("clinic_closed_line", days=closed),
        words.text("clinic_zone_line", zone=filled["time_zone"]),
    ]


# Phone


def _fill_phone(clinic: Clinic, part: str) -> Form:
    return {"phone": clinic.phone}


def _read_phone(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    phone, again = (" ".join(form.get(field, "").split()) for field in ("phone", "phone_again"))
    if not 5 <= len(digits(phone)) <= 15 or not re.fullmatch(r"\+?[0-9(][0-9 ()\-]{4,30}", phone):
        raise wrong("phone", "clinic_wrong_phone")
    if digits(phone) != digits(again):
        raise wrong("phone_again", "clinic_not_the_same")
    return {"phone": phone}


def _shown_phone(clinic: Clinic, words: InboxWording) -> list[str]:
    return [clinic.phone]


# Channels


def _fill_channels(clinic: Clinic, part: str) -> Form:
    given = clinic.about.get("channels") or {}
    on = {channel: (given.get(channel) or {}).get("on", channel == "email") for channel in ("email", "webhook", "fhir")}
    made = {channel: "on" for channel, is_on in on.items() if is_on}
    return made | ({"webhook_words": "on"} if (given.get("webhook") or {}).get("words") is True else {})


def _read_channels(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    given = clinic.about.get("channels") or {}
    for channel, address in (("webhook", "url"), ("fhir", "base_url")):
        if channel in form and not (given.get(channel) or {}).get(address):
            raise wrong(channel, "clinic_channel_not_set_up")
    return {
        "channels": {
            "email": {"on": "email" in form},
            "webhook": {"on": "webhook" in form, "words": "webhook_words" in form},
            "fhir": {"on": "fhir" in form},
        }
    }


def _shown_channels(clinic: Clinic, words: InboxWording) -> list[str]:
    filled = _fill_channels(clinic, "")
    lines = [
        words.text("clinic_on" if channel in filled else "clinic_off", what=words.text(f"clinic_channel_{channel}"))
        for channel in ("email", "webhook", "fhir")
    ]
    return [*lines, words.text("clinic_with_words")] if "webhook" in filled and "webhook_words" in filled else lines


# How long is kept


def _fill_retention(clinic: Clinic, part: str) -> Form:
    return {"conversation_days": str(clinic.retention.conversation_days)}


def _read_retention(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    given = form.get("conversation_days", "").strip()
    if not only_digits(given) or not FEWEST_DAYS <= int(given[:6]) <= MOST_DAYS:
        raise wrong("conversation_days", "clinic_wrong_days", fewest=FEWEST_DAYS, most=MOST_DAYS)
    days = int(given)
    if days < clinic.retention.conversation_days and "sure" not in form:
        raise wrong("sure", "clinic_not_sure", days=days)
    return {"retention": {**(clinic.about.get("retention") or {}), "conversation_days": days}}


def _shown_retention(clinic: Clinic, words: InboxWording) -> list[str]:
    return [words.text("clinic_kept_line", days=clinic.retention.conversation_days)]


# Languages


def _fill_languages(clinic: Clinic, part: str) -> Form:
    return {**{f"language_{tag}": "on" for tag in clinic.languages}, "first": clinic.languages[0]}


def _read_languages(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    chosen = [tag for tag in load_wording().interfaces if f"language_{tag}" in form]
    first = form.get("first", "")
    if not chosen:
        raise wrong("first", "clinic_no_language")
    if first not in chosen:
        raise wrong("first", "clinic_first_language")
    return {"languages": [first, *(tag for tag in chosen if tag != first)]}


def _shown_languages(clinic: Clinic, words: InboxWording) -> list[str]:
    names = load_wording().interfaces
    return [", ".join(names[tag]["name"] if tag in names else tag for tag in clinic.languages)]


SIMPLE = (
    Section("name", ("name",), _fill_name, _read_name, _shown_name),
    Section("colour", ("colours",), _fill_colour, _read_colour, _shown_colour),
    Section("logo", ("logo",), _fill_logo, _read_logo, _shown_logo),
    Section("hours", ("hours", "closed_on", "time_zone"), _fill_hours, _read_hours, _shown_hours),
    Section("phone", ("phone",), _fill_phone, _read_phone, _shown_phone),
    Section("channels", ("channels",), _fill_channels, _read_channels, _shown_channels),
    Section("retention", ("retention",), _fill_retention, _read_retention, _shown_retention),
    Section("languages", ("languages",), _fill_languages, _read_languages, _shown_languages),
)
