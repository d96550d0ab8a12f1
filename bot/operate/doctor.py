"""``pne doctor``: is everything here that the product needs, and is it set up as it should be? One finding each.

What is on this machine. What it talks to is in ``doctor_lines``.
"""

from __future__ import annotations

import datetime
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from bot.content import Clinic, governance, load_clinics, load_wording
from bot.content.files import ContentError
from bot.handoff.deliveries import need_secrets
from bot.live_clinics import clinic_now
from bot.operate import state
from bot.operate.state import sqlite_file
from bot.settings import ROOT, Settings, SettingsError, read_settings, secrets_from_files
from bot.store.session import connect
from bot.training import model_path, soft_path

OK, WARN, FAIL = "ok", "warn", "fail"
OLDEST, NEWEST, AGED = (3, 10), (3, 12), (3, 11)
# They bring C libraries, which a slim system may lack.
NATIVE = ("psycopg2", "spacy", "onnxruntime")
LITTLE_FREE = 0.1
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Domains that are nobody's (RFC 2606): a clinic's file was not filled in.
NOBODYS = ("example.org", "example.com", "example.net", "invalid", "example", "test")
_OTHERS_MAY = 0o077


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, OK, WARN (works, but look at it) or FAIL; what was seen, and what to do."""

    check: str
    state: str
    said: str
    do: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def examine(environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Everything, in the order in which it is best mended. Changes nothing. Never raises."""
    from bot.operate.doctor_lines import LINES

    given = dict(os.environ if environ is None else environ)
    found = [*_python(), *_libraries()]
    try:
        secrets_from_files(given)
        settings = read_settings(given)
    except (SettingsError, OSError) as error:
        return [*found, Finding("settings", FAIL, str(error), "set it, then run this again; .env.example explains it")]
    found.append(Finding("settings", OK, f"{settings.environment}, {settings.public_url}"))
    for name, check in {**HERE, **LINES}.items():
        try:
            found += [*check(settings)]
        except Exception as error:
            found.append(Finding(name, FAIL, f"could not be looked at: {type(error).__name__}", "see the checks above"))
    return found


def _python() -> Iterator[Finding]:
    here = sys.version_info[:2]
    said = f"{here[0]}.{here[1]}"
    if not OLDEST <= here <= NEWEST:
        yield Finding("python", FAIL, f"{said} does not run this", "install Python 3.12")
    elif here < AGED:
        yield Finding("python", WARN, f"{said} gets no security updates any more", "move to Python 3.12")
    else:
        yield Finding("python", OK, said)


def _libraries() -> Iterator[Finding]:
    wrong = []
    wanted = [Requirement(line) for line in requires("pne-tutor") or ()]
    for one in wanted:
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            if not one.specifier.contains(version(one.name), prereleases=True):
                wrong.append(f"{one.name} {version(one.name)}")
        except PackageNotFoundError:
            wrong.append(one.name)
    for name in NATIVE:
        try:
            importlib.import_module(name)
        except Exception as error:  # a C library that is missing, of any kind
            wrong.append(f"{name} ({type(error).__name__})")
    if wrong:
        do = "make install; where a C library is missing: apt-get install libgomp1 libstdc++6"
        yield Finding("libraries", FAIL, f"missing, or of the wrong version: {', '.join(wrong)}", do)
    elif find_spec("tensorflow"):
        yield Finding("libraries", WARN, "tensorflow is installed: 2 GB that nothing here uses", "make install")
    else:
        yield Finding("libraries", OK, f"{len(wanted)} as named")


def _models(_settings: Settings) -> Iterator[Finding]:
    from bot.screening import sentence_encoder, soft_layer

    missing = [path.name for path in (model_path(), soft_path()) if not path.exists()]
    if missing:
        yield Finding("models", FAIL, f"not trained for the data and code here: {', '.join(missing)}", "pne train")
    elif sentence_encoder() is None:
        yield Finding("models", FAIL, "the sentence encoder cannot be loaded", "make install")
    elif soft_layer() is None:
        yield Finding("models", FAIL, "safety's soft layer cannot be loaded", "pne train --force")
    else:
        yield Finding("models", OK, f"{model_path().name}, {soft_path().name}")


def _content(settings: Settings) -> Iterator[Finding]:
    try:
        load_wording()
        clinics = load_clinics()
    except ContentError as error:
        yield Finding("content", FAIL, str(error), "pne check")
        return
    if settings.default_clinic not in clinics:
        known = ", ".join(sorted(clinics))
        yield Finding("content", FAIL, f"PNE_CLINIC={settings.default_clinic}: there is none", f"one of: {known}")
    unsigned = governance.in_state(governance.PENDING, settings.default_clinic, datetime.date.today())
    over = governance.in_state(governance.EXPIRED, settings.default_clinic, datetime.date.today())
    if unsigned:
        said = f"{len(unsigned)} clinical texts are not signed for {settings.default_clinic}"
        yield Finding("content", FAIL if settings.production else WARN, f"{said}; production does not start with that",
                      "a clinician reads and signs: pne content sign")  # fmt: skip
    if over:
        yield Finding("content", WARN, f"the sign-off of {len(over)} texts has run out", "pne content status")
    if not unsigned and not over:
        yield Finding("content", OK, state.content_version())


def _clinics(settings: Settings) -> Iterator[Finding]:
    clinics = load_clinics()
    try:
        need_secrets(clinics.values(), os.environ)
    except SettingsError as error:
        yield Finding("clinics", FAIL, str(error), "docs/delivery.md")
    now = datetime.datetime.now(datetime.timezone.utc)
    db = connect(settings.database_url)
    path = sqlite_file(settings.database_url)
    changed = path is None or path.exists()
    # As its admins have changed it; where the database is away, as its file has it.
    current = [clinic_now(db, clinic) if changed else clinic for clinic in clinics.values()]
    db.close()
    for clinic in current:
        troubles = [*_troubles(clinic, now)]
        if troubles:
            made_up = FAIL if settings.production and clinic.id == settings.default_clinic else WARN
            yield Finding("clinics", made_up, f"{clinic.id}: {'; '.join(troubles)}", f"data/clinics/{clinic.id}.yml")
        else:
            yield Finding("clinics", OK, f"{clinic.id}: {len(clinic.chain.steps)} steps, {clinic.phone}")


def _troubles(clinic: Clinic, now: datetime.datetime) -> Iterator[str]:
    if clinic.hours.next_opening(now) is None:
        yield "it is never open"
    addresses = {address for contact in clinic.chain.contacts.values() for address in contact.to}
    nobodys = sorted(one for one in addresses if one.rpartition("@")[2].endswith(NOBODYS))
    if nobodys:
        yield f"{len(nobodys)} contacts have made-up addresses, so nobody is told"
    if (clinic.about.get("review") or {}).get("state") == governance.PENDING:
        yield "nobody has confirmed its numbers, hours and wording"


def _production(settings: Settings) -> Iterator[Finding]:
    host = urlsplit(settings.public_url).hostname or ""
    outside = host not in LOOPBACK
    if outside and not settings.production:
        yield Finding("production", WARN, f"development at {host}: demo passwords, weak refusals",
                      "PNE_ENVIRONMENT=production")  # fmt: skip
        return
    if not settings.production:
        yield Finding("production", OK, "this is development")
        return
    found = []
    if not settings.public_url.startswith("https://"):
        found.append(Finding("production", FAIL, "PNE_PUBLIC_URL is not https", "a proxy with TLS; docs/operations.md"))
    if not outside:
        found.append(Finding("production", FAIL, "PNE_PUBLIC_URL is this machine: links in notices lead nowhere",
                             "PNE_PUBLIC_URL=https://…"))  # fmt: skip
    if not settings.second_factor_required:
        found.append(Finding("production", WARN, "the clinics' people need no second factor", "PNE_SECOND_FACTOR="))
    if not settings.metrics_token:
        found.append(Finding("production", WARN, "nothing is watched: /metrics is closed", "PNE_METRICS_TOKEN"))
    yield from found or [Finding("production", OK, "nothing against it")]


def _files(settings: Settings) -> Iterator[Finding]:
    """Who else on this machine may read secrets and patients' words."""
    secrets = [settings.var_folder / "secret", settings.var_folder / "secret-key", ROOT / ".env"]
    words = [path for url in (settings.database_url, settings.tracker_url) if (path := sqlite_file(url)) is not None]
    opened = [path for path in secrets if path.exists() and path.stat().st_mode & _OTHERS_MAY]
    readable = [path for path in words if path.exists() and path.stat().st_mode & _OTHERS_MAY and not _shut(path)]
    if opened:
        named = " ".join(str(path) for path in opened)
        yield Finding("permissions", FAIL, f"others may read secrets: {named}", f"chmod 600 {named}")
    if readable:
        named = " ".join(str(path) for path in readable)
        yield Finding("permissions", WARN, f"others on this machine may read patients' words: {named}",
                      f"chmod 700 {readable[0].parent}")  # fmt: skip
    if not os.access(_there(settings.var_folder), os.W_OK):
        yield Finding("permissions", FAIL, f"{settings.var_folder} cannot be written", "PNE_VAR, or its owner")
    elif not opened and not readable:
        yield Finding("permissions", OK, f"{settings.var_folder}")


def _shut(path: Path) -> bool:
    """Whether a folder above lets nobody else through."""
    return any(not folder.stat().st_mode & 0o011 for folder in path.parents)


def _there(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _disk(settings: Settings) -> Iterator[Finding]:
    for disk in state.disks(settings):
        said = f"{disk.path}: {disk.free / 1e9:.1f} GB of {disk.size / 1e9:.0f} GB free"
        if disk.free < state.LEAST_FREE:
            yield Finding("disk", FAIL, said, "make room: no message can be kept on a full disk")
        elif disk.free < LITTLE_FREE * disk.size or disk.free < state.LOW_FREE:
            yield Finding("disk", WARN, said, "make room")
        else:
            yield Finding("disk", OK, said)


def _clock(_settings: Settings) -> Iterator[Finding]:
    newest = max(path.stat().st_mtime for path in (ROOT / "bot").glob("*.py"))
    now = datetime.datetime.now().timestamp()
    if now < newest - 24 * 3600:
        yield Finding("clock", FAIL, "it is before the time at which this program was made", "set the clock; use NTP")
        return
    program = shutil.which("timedatectl")
    asked = [program or "", "show", "-p", "NTPSynchronized", "--value"]
    said = subprocess.run(asked, capture_output=True, text=True).stdout.strip() if program else ""
    if said == "no":
        yield Finding("clock", WARN, "no time server keeps it", "timedatectl set-ntp true, or chrony")
    else:
        yield Finding("clock", OK, "kept by a time server" if said == "yes" else "not in the past")


def _fonts(_settings: Settings) -> Iterator[Finding]:
    from bot.web.pdf_page import new_page

    try:
        new_page("x", "en", "x")
    except (ContentError, OSError, RuntimeError) as error:
        yield Finding("fonts", FAIL, f"no PDF can be made: {error}", "make install")
    else:
        yield Finding("fonts", OK, "PDFs can be made")


HERE: dict[str, Check] = {
    "models": _models,
    "content": _content,
    "clinics": _clinics,
    "production": _production,
    "permissions": _files,
    "disk": _disk,
    "clock": _clock,
    "fonts": _fonts,
}
