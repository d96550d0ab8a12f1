"""What a clinic's admin may change, put over the clinic's file part by part.

Who gets in (`identity`, `embedding`, `sign_in`) and what is secret stays in the file: an admin's account that somebody
has broken into must not open further doors, and these parts need secrets, policies and a review that only whoever runs
the server has. So do the country and its emergency number, and the page that "leave quickly" goes to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.content.canned import SETTING as CANNED
from bot.content.canned import checked
from bot.content.clinic_numbers import CHANGEABLE
from bot.content.clinics import Clinic, make_clinic
from bot.content.files import DATA, ContentError

# `channels`: only whether each is on, and whether the webhook carries the patient's words.
KEYS = (
    "name", "phone", "colours", "logo", "hours", "closed_on", "time_zone", "numbers", "handoff", "channels",
    "retention", "languages", CANNED,
)  # fmt: skip
_SWITCHES = {"email": {"on"}, "webhook": {"on", "words"}, "fhir": {"on"}}


@dataclass(frozen=True)
class Changed:
    """A clinic as it is with its admin's changes; `broken` says, by part, why a change does not hold. There the file's
    value stands."""

    clinic: Clinic
    broken: Mapping[str, str] = field(default_factory=dict)


def with_changes(file: Clinic, changes: Mapping[str, Any], data: Path = DATA) -> Clinic:
    """The clinic of a file with changes by part. Raises ContentError with a sentence for people."""
    named = f"The settings of {file.id}"
    about = dict(file.about)
    try:
        for key, value in changes.items():
            if key not in KEYS:
                raise ValueError(f"{key} is changed in the clinic's file only")
            about[key] = _over(key, file.about.get(key), value)
        checked(about.get(CANNED) or {})
    except ValueError as error:
        raise ContentError(f"{named}: {str(error).rstrip('.')}.") from None
    return make_clinic({**about, "id": file.id}, named, data)


def apply_changes(file: Clinic, changes: Mapping[str, Any], data: Path = DATA) -> Changed:
    """The clinic with all changes that hold together. Never raises: safety words must not fail for a bad setting."""
    try:
        return Changed(with_changes(file, changes, data) if changes else file)
    except ContentError:
        pass
    held: dict[str, Any] = {}
    broken: dict[str, str] = {}
    made, waiting = file, dict(changes)
    # One may hold only beside another (a contact by webhook needs the webhook on), so go round until none is added.
    while waiting:
        before = len(waiting)
        for key, value in tuple(waiting.items()):
            try:
                made = with_changes(file, {**held, key: value}, data)
            except ContentError as error:
                broken[key] = str(error)
                continue
            held[key] = waiting.pop(key)
            broken.pop(key, None)
        if len(waiting) == before:
            break
    return Changed(made, broken)


def changeable(key: str, clinic: Clinic) -> Any:
    """What holds of a part, as far as an admin may change it: of the channels their switches alone."""
    found = clinic.about.get(key)
    if key != "channels" or not found:
        return found
    return {
        channel: {switch: value for switch, value in about.items() if switch in _SWITCHES[channel]}
        for channel, about in found.items()
    }


def _over(key: str, old: Any, new: Any) -> Any:
    """A part of the file with its change. Raises ValueError with a sentence for people."""
    if key == "numbers":
        if not isinstance(new, Mapping) or not set(new) <= set(CHANGEABLE):
            raise ValueError(f"numbers: only {', '.join(CHANGEABLE)} are changed here")
        return {**(old or {}), **new}
    if key != "channels":
        return new
    if not isinstance(new, Mapping) or not set(new) <= set(_SWITCHES):
        raise ValueError("channels: only email, webhook and fhir are switched here")
    merged = {channel: dict(about) for channel, about in (old or {}).items()}
    for channel, switches in new.items():
        good = isinstance(switches, Mapping) and set(switches) <= _SWITCHES[channel]
        if not good or not all(type(value) is bool for value in switches.values()):
            raise ValueError(f"channels.{channel}: only {' and '.join(sorted(_SWITCHES[channel]))} are switched here")
        merged[channel] = {**merged.get(channel, {}), **switches}
    return merged
