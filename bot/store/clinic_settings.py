"""What the admins of clinics have changed (table ``clinic_setting``): reading, saving, going back to the file.

A change is saved only by somebody who has seen the one before it, and each is in the audit with both values.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from bot.store import audit
from bot.store.models import ClinicSetting
from bot.store.session import insert_once, now

# What names all changes at one moment: (clinic, key, when) of each.
Version = tuple[tuple[str, str, datetime], ...]
# A picture or a list of texts is named in the audit by its hash where it is longer than this (characters of JSON).
LONGEST_IN_AUDIT = 4_000


class ChangedMeanwhile(Exception):
    """Somebody else has changed the same part since it was shown."""


@dataclass(frozen=True)
class Setting:
    """One changed part: when and by whom (a clinician's id, or ``system`` for the command line)."""

    value: Any
    at: datetime
    by: str


def version(session: Session) -> Version:
    """What all changes of all clinics are at: different after each change."""
    rows = session.execute(select(ClinicSetting.clinic, ClinicSetting.key, ClinicSetting.at))
    return tuple(sorted(tuple(row) for row in rows))


def settings_of(session: Session, clinic: str) -> dict[str, Setting]:
    """The changed parts of a clinic, by key."""
    rows = session.execute(select(ClinicSetting).where(ClinicSetting.clinic == clinic)).scalars()
    return {row.key: Setting(row.value, row.at, row.by) for row in rows}


def save(
    session: Session, clinic: str, key: str, value: Any, *, seen: datetime | None, by: str, before: Any = None
) -> None:
    """Keeps a change of one part. `seen`: when the change that the person was shown had been made (None: none had).

    `before` is the value that it takes the place of, for the audit. Raises ChangedMeanwhile.
    """
    at = now(session)
    if seen is None:
        done = insert_once(session, ClinicSetting, clinic=clinic, key=key, value=value, at=at, by=by)
    else:
        # Always later than the one before: other processes see by it that something changed.
        at = max(at, seen + timedelta(microseconds=1))
        changed = update(ClinicSetting).where(*_named(clinic, key), ClinicSetting.at == seen)
        done = session.execute(changed.values(value=value, at=at, by=by), execution_options=_PLAIN).rowcount == 1
    if not done:
        raise ChangedMeanwhile(key)
    _note(session, clinic, by, "clinic.changed", key, before, value)


def go_back(session: Session, clinic: str, key: str, *, seen: datetime, by: str, after: Any = None) -> None:
    """Takes a change back: the file's value (`after`, for the audit) holds again. Raises ChangedMeanwhile."""
    before = settings_of(session, clinic).get(key)
    gone = delete(ClinicSetting).where(*_named(clinic, key), ClinicSetting.at == seen)
    if before is None or session.execute(gone, execution_options=_PLAIN).rowcount != 1:
        raise ChangedMeanwhile(key)
    _note(session, clinic, by, "clinic.reset", key, before.value, after)


# The rows are not held by the session; only the database knows whether the condition was met.
_PLAIN = {"synchronize_session": False}


def _named(clinic: str, key: str) -> tuple[Any, Any]:
    return ClinicSetting.clinic == clinic, ClinicSetting.key == key


def _note(session: Session, clinic: str, by: str, act: str, key: str, before: Any, after: Any) -> None:
    details = {"part": key, "before": _short(before), "after": _short(after)}
    audit.record(session, clinic=clinic, actor=by, act=act, subject=clinic, details=details)


def _short(value: Any) -> Any:
    whole = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(whole) <= LONGEST_IN_AUDIT:
        return value
    return {"sha256": hashlib.sha256(whole.encode()).hexdigest(), "characters": len(whole)}
