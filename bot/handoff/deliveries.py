"""Every channel's delivery, made from the settings; and which secrets and background parts they need.

A clinic's own settings are looked up at each sending: its admin may change them while the process runs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from bot.content import Clinic, Wording
from bot.content.chain import EMAIL, FHIR, WEBHOOK
from bot.content.forms import load_forms
from bot.handoff.backend_services import SignIn, read_key
from bot.handoff.calling import Line
from bot.handoff.email import Mailer, make_mailer, read_words
from bot.handoff.fhir import Record, fhir_delivery
from bot.handoff.fhir_resources import Maker
from bot.handoff.webhook import read_secrets, webhook_delivery
from bot.handoff.worker import Delivery
from bot.settings import Settings, SettingsError
from bot.store.session import Clock, Database, utc_now


@dataclass(frozen=True)
class Senders:
    """What the channels share. `environ` has the clinics' secrets."""

    mailer: Mailer
    record: Record
    maker: Callable[[Clinic], Maker]
    environ: Mapping[str, str]
    line: Line
    clock: Clock


def make_senders(
    clinics: Callable[[str], Clinic],
    settings: Settings,
    wording: Wording,
    clock: Clock = utc_now,
    environ: Mapping[str, str] | None = None,
    line: Line | None = None,
) -> Senders:
    """The senders of this installation. Raises ValueError where the mail's words or the mail server's address are
    wrong."""
    environ = os.environ if environ is None else environ
    line = line or Line()
    mailer = make_mailer(
        settings.smtp_url,
        sender=settings.mail_from,
        clinics=clinics,
        words=read_words(wording.mail),
        public_url=settings.public_url,
        folder=settings.var_folder / "mail",
        clock=clock,
    )
    number = version("pne-tutor")

    def maker(clinic: Clinic) -> Maker:
        return Maker(clinic, settings.public_url, number, wording.mail["record"], wording.mail["tiers"])

    return Senders(mailer, Record(SignIn(environ, clock, line), line), maker, environ, line, clock)


def deliveries(
    clinics: Callable[[str], Clinic],
    settings: Settings,
    wording: Wording,
    db: Database,
    environ: Mapping[str, str] | None = None,
    line: Line | None = None,
) -> dict[str, Delivery]:
    """The delivery of each channel. `clinics` gives a clinic as its settings are now."""
    made = make_senders(clinics, settings, wording, db.clock, environ, line)
    return {
        EMAIL: made.mailer.send,
        WEBHOOK: webhook_delivery(db, clinics, made.environ, settings.public_url, made.line),
        FHIR: fhir_delivery(db, clinics, made.record, made.maker, load_forms()),
    }


def channels_on(clinics: Iterable[Clinic]) -> tuple[str, ...]:
    """The channels that any of these clinics has on: their loops must be alive."""
    on = {channel for clinic in clinics for channel in clinic.chain.channels}
    return tuple(channel for channel in (EMAIL, WEBHOOK, FHIR) if channel in on)


def need_secrets(clinics: Iterable[Clinic], environ: Mapping[str, str]) -> None:
    """Raises SettingsError where the secret of a channel that is on is missing or of the wrong kind."""
    for clinic in clinics:
        try:
            if clinic.chain.webhook is not None:
                read_secrets(clinic.chain.webhook, environ)
            if clinic.chain.fhir is not None:
                read_key(clinic.chain.fhir, environ)
        except SettingsError as error:
            raise SettingsError(f"Clinic {clinic.id}: {error}") from None
