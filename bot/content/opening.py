"""How an opening time is said to patients: "tomorrow at 09:00". The words are ``opens_…`` in ``data/messages.yml``."""

from __future__ import annotations

from datetime import datetime

from bot.content.clinics import Clinic
from bot.content.files import fill
from bot.content.hours import DATE, DAY, TODAY, TOMORROW, opening
from bot.content.wording import Wording, load_wording

_KEYS = {TODAY: "opens_today", TOMORROW: "opens_tomorrow", DAY: "opens_day", DATE: "opens_date"}


def opening_words(clinic: Clinic, at: datetime, wording: Wording | None = None) -> dict[str, str]:
    """The values for a text about the clinic's hours: `opens`, when it opens next as seen from `at`, in the clinic's
    own time. Empty while the clinic is open, and where it does not open within a year."""
    found = opening(clinic.hours, at)
    if found is None:
        return {}
    messages = (wording or load_wording()).messages
    days, months = (messages[key].split(", ") for key in ("opens_days", "opens_months"))
    values = {
        "time": found.at.strftime("%H:%M"),
        "day": days[found.at.weekday()],
        "date": f"{found.at.day} {months[found.at.month - 1]}",
    }
    return {"opens": fill(messages[_KEYS[found.how]], values)}
