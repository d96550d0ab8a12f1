"""Clinics as they are now: their files (``data/clinics``) with what their admins have changed in the database.

A change holds within seconds everywhere, without a restart, and nothing that a patient waits for waits for it: whoever
asks gets what was read last, and where the database is away or a change is broken, what the file says.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.orm import Session

from bot.content.clinic_changes import Changed, apply_changes
from bot.content.clinics import Clinic
from bot.store.clinic_settings import Version, settings_of, version
from bot.store.session import Database, DatabaseUnavailable

log = structlog.get_logger(__name__)


def read_clinic(session: Session, file: Clinic) -> Changed:
    """The clinic as it is now. Changes that do not hold are left out, and are in the log."""
    found = apply_changes(file, {key: one.value for key, one in settings_of(session, file.id).items()})
    for key, cause in found.broken.items():
        log.error("clinic_setting_broken", clinic=file.id, key=key, cause=cause)
    return found


def clinic_now(db: Database, file: Clinic) -> Clinic:
    """The clinic as it is now, for one use outside of the web app. Where the database is away, as its file has it."""
    try:
        with db.read() as session:
            return read_clinic(session, file).clinic
    except DatabaseUnavailable as error:
        log.warning("clinic_settings_not_read", clinic=file.id, cause=str(error))
        return file


class LiveClinics:
    """What one process knows of changes, and when to read them again. Safe in several threads."""

    def __init__(self) -> None:
        self._files: dict[str, Clinic] = {}
        self._version: Version = ()
        self._lock = threading.Lock()

    def file(self, clinics: Mapping[str, Clinic], clinic: str) -> Clinic:
        """The clinic without its admin's changes."""
        return self._files.get(clinic) or clinics[clinic]

    def refresh(self, db: Database, clinics: Mapping[str, Clinic], use: Callable[[dict[str, Clinic]], None]) -> None:
        """Gives `use` those of `clinics` that have changed since the last time. Costs one small query where none has.

        Raises DatabaseUnavailable: then everything stays as it was.
        """
        with self._lock, db.read() as session:
            found = version(session)
            touched = {clinic for clinic, _, _ in {*found} ^ {*self._version}} & clinics.keys()
            files = {clinic: self._files.setdefault(clinic, clinics[clinic]) for clinic in touched}
            if files:
                use({clinic: read_clinic(session, file).clinic for clinic, file in files.items()})
            self._version = found
