"""``pne doctor``: what this installation talks to. Databases, Redis, Rasa, actions, the web app, the mail server."""

from __future__ import annotations

import asyncio
import math
import socket
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit, urlunsplit

import httpx
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from bot.content import load_clinics
from bot.handoff.deliveries import channels_on
from bot.operate import state
from bot.operate.databases import POSTGRESQL, CannotCopy, kind_of, tool
from bot.operate.doctor import FAIL, OK, WARN, Check, Finding
from bot.settings import Settings
from bot.store.models import Clinician
from bot.store.session import Database, DatabaseUnavailable, connect

SECONDS = 3.0
# A backup a day, and two hours for it to be late.
BACKUP_OVERDUE = timedelta(hours=26)
SKEW = timedelta(seconds=5)


def _database(settings: Settings) -> Iterator[Finding]:
    path = state.sqlite_file(settings.database_url)
    if path is not None and not path.exists():
        yield Finding("database", WARN, f"{path} is not there yet", "pne migrate")
        return
    db = connect(settings.database_url)
    try:
        vitals = state.read_vitals(db)
        newest = state.newest_revision()
        if vitals.revision < newest:
            said = f"the tables are of version {vitals.revision or 'none'}, the program's of {newest}"
            yield Finding("database", FAIL, said, "pne migrate")
            return
        if vitals.revision > newest:
            yield Finding("database", WARN, f"the tables are newer ({vitals.revision}) than the program", "update it")
        with db.begin() as session:  # may it write?
            session.execute(text("UPDATE heartbeat SET at = at WHERE 1 = 0"))
        yield Finding("database", OK, f"{kind_of(settings.database_url)}, tables of version {vitals.revision}")
        yield from _times(settings, db)
        yield from _keys(settings, db)
        yield from _backup(settings, vitals.beats.get(state.BACKUP, math.inf))
        yield from _waiting(db)
    except DatabaseUnavailable as error:
        yield Finding("database", FAIL, f"cannot be used: {str(error).splitlines()[0]}", "PNE_DATABASE_URL; its server")
    finally:
        db.close()


def _times(settings: Settings, db: Database) -> Iterator[Finding]:
    if kind_of(settings.database_url) != POSTGRESQL:
        return
    with db.read() as session:
        apart = abs(session.execute(text("SELECT clock_timestamp()")).scalar_one() - datetime.now(timezone.utc))
    if apart > SKEW:
        said = f"the database server's clock is {apart.total_seconds():.0f} s away from this one's"
        yield Finding("clock", WARN, said, "use NTP on both")


def _keys(settings: Settings, db: Database) -> Iterator[Finding]:
    """Whether PNE_SECRET_KEY opens what it once closed: after a restore on a new machine it may be another one."""
    from bot.web.people.second_factor import Box, FactorUnreadable

    newest, _, older = settings.secret_key.partition(",")
    first, every = Box(newest), Box(settings.secret_key)
    shut, old = 0, 0
    with db.read() as session:
        kept = session.execute(select(Clinician.id, Clinician.totp_secret).where(Clinician.totp_secret.is_not(None)))
        people = [(row.id, row.totp_secret) for row in kept]
    for person, sealed in people:
        for box in (every, first):
            try:
                box.open(person, sealed)
            except FactorUnreadable:
                shut, old = shut + (box is every), old + 1
                break
    if shut:
        said = f"it does not open the second factors of {shut} of {len(people)} people"
        yield Finding("secret key", FAIL, said, "the PNE_SECRET_KEY of then; or pne clinician reset --factor")
    else:
        needed = f", {old} of them by an older key" if older else ""
        yield Finding("secret key", OK, f"opens {len(people)} second factors{needed}")


def _backup(settings: Settings, age: float) -> Iterator[Finding]:
    if kind_of(settings.database_url) == POSTGRESQL:
        try:
            dump = subprocess.run([tool("pg_dump"), "--version"], capture_output=True, text=True).stdout.split()[-1]
        except CannotCopy as error:
            yield Finding("backup", WARN, "no backup can be made from here", str(error))
        except IndexError:
            yield Finding("backup", WARN, "pg_dump does not say its version", "install PostgreSQL's client programs")
        else:
            yield Finding("backup", OK, f"pg_dump {dump}")
    if age == math.inf:
        yield Finding("backup", WARN, "none was ever made", "pne backup FOLDER, every day; docs/operations.md")
    elif age > BACKUP_OVERDUE.total_seconds():
        yield Finding("backup", WARN, f"the last one is {age / 3600:.0f} hours old", "pne backup FOLDER, every day")
    else:
        yield Finding("backup", OK, f"the last one is {age / 3600:.1f} hours old")


def _waiting(db: Database) -> Iterator[Finding]:
    figures = state.read_figures(db)
    dead, late = sum(figures.dead.values()), sum(item.late for item in figures.handoffs)
    if dead:
        yield Finding("notices", WARN, f"{dead} notices to clinics were given up", "pne handoffs dead")
    if late:
        yield Finding("handoffs", WARN, f"{late} handoffs are past their deadline, and nobody has them",
                      "call the clinic; docs/runbook.md")  # fmt: skip
    if not dead and not late:
        yield Finding("handoffs", OK, "nothing is overdue")


def _tracker(settings: Settings) -> Iterator[Finding]:
    path = state.sqlite_file(settings.tracker_url)
    if path is not None and not path.exists():
        yield Finding("dialogues", OK, "not begun yet: Rasa makes its table at its first start")
        return
    timeout = "timeout" if path is not None else "connect_timeout"
    engine = create_engine(settings.tracker_url, future=True, hide_parameters=True, connect_args={timeout: SECONDS})
    try:
        with engine.connect() as connection:
            begun = inspect(connection).has_table("events")
    except SQLAlchemyError as error:
        yield Finding("dialogues", FAIL, f"cannot be read: {type(error).__name__}", "PNE_TRACKER_URL; its server")
    else:
        yield Finding("dialogues", OK, kind_of(settings.tracker_url) + ("" if begun else ", no table yet"))
    finally:
        engine.dispose()


def _redis(settings: Settings) -> Iterator[Finding]:
    if not settings.redis_url:
        if len(settings.rasa_urls) > 1:
            yield Finding("redis", WARN, "several Rasa processes share no locks", "PNE_REDIS_URL; docs/operations.md")
        return
    import redis

    try:
        line = redis.Redis.from_url(settings.redis_url, socket_timeout=SECONDS, socket_connect_timeout=SECONDS)
        line.ping()
        line.close()
    except (redis.RedisError, ValueError) as error:
        yield Finding("redis", FAIL, f"does not answer: {type(error).__name__}", "PNE_REDIS_URL; its server")
    else:
        yield Finding("redis", OK, "answers")


def _web(settings: Settings) -> Iterator[Finding]:
    answer = _get(f"http://{_here(settings.host)}:{settings.port}/readyz")
    if answer is None:
        yield from _port("web", "PNE_PORT", settings.port)
        return
    try:
        said = answer.json()
        reasons = " ".join(said["reasons"].values())
        states = {"ready": OK, "degraded": WARN}
        found = states.get(said["status"], FAIL)
        yield Finding("web", found, f"{said['status']}. {reasons}".strip(), "docs/runbook.md" if reasons else "")
    except (ValueError, KeyError, TypeError, AttributeError):
        yield Finding("web", FAIL, f"another program answers on port {settings.port}", "stop it, or PNE_PORT")


def _rasa(settings: Settings) -> Iterator[Finding]:
    running = _get(f"http://{_here(settings.host)}:{settings.port}/healthz") is not None
    ours = not settings.rasa_addresses
    for number, url in enumerate(settings.rasa_urls, 1):
        answer = _get(f"{url}/webhooks/web/health")
        name = f"number {number} of {len(settings.rasa_urls)}"
        if answer is not None and answer.status_code == 200:
            yield Finding("rasa", OK, name)
        elif answer is not None:
            yield Finding("rasa", FAIL, f"{name} is not ready (status {answer.status_code})", "its log says why")
        elif running or not ours:
            yield Finding("rasa", FAIL, f"{name} does not answer", "start it: pne run rasa, or pne up")
        else:
            yield from _port("rasa", "PNE_RASA_PORT", settings.rasa_port)
    parts = urlsplit(settings.actions_url)
    answer = _get(urlunsplit((parts.scheme, parts.netloc, "/health", "", "")))
    if answer is not None and answer.status_code == 200:
        yield Finding("actions", OK, "answer")
    elif running or settings.actions_address:
        yield Finding("actions", FAIL, "do not answer", "start them: pne run actions, or pne up")
    else:
        yield from _port("actions", "PNE_ACTIONS_PORT", settings.actions_port)


def _mail(settings: Settings) -> Iterator[Finding]:
    from bot.content.chain import EMAIL

    wanted = EMAIL in channels_on(load_clinics().values())
    if not settings.smtp_url:
        if wanted:
            said = f"mails are only written to {settings.var}/mail: no clinic is told"
            yield Finding("mail", FAIL if settings.production else WARN, said, "PNE_SMTP_URL")
        return
    if settings.smtp_url.startswith("file:"):
        yield Finding("mail", WARN, "mails are written to files", "PNE_SMTP_URL=smtp+starttls://…")
        return
    trouble = asyncio.run(_greet(settings.smtp_url))
    if trouble:
        yield Finding("mail", FAIL, f"the mail server cannot be used: {trouble}", "PNE_SMTP_URL")
    else:
        yield Finding("mail", OK, "the mail server takes our sign-in; pne handoffs test CLINIC sends a test")


async def _greet(url: str) -> str:
    """What is wrong with the mail server; empty where it lets us in. Sends nothing."""
    import aiosmtplib

    from bot.handoff.email import read_server

    try:
        server = read_server(url)
        line = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, username=server.username, password=server.password,
            use_tls=server.use_tls, start_tls=server.start_tls, timeout=SECONDS,
        )  # fmt: skip
        await line.connect()
        await line.quit()
    except ValueError as error:
        return str(error)
    except (aiosmtplib.SMTPException, OSError) as error:
        return type(error).__name__
    return ""


def _get(url: str) -> httpx.Response | None:
    """The answer; None where nobody answers in time."""
    try:
        return httpx.get(url, timeout=SECONDS, trust_env=False)
    except httpx.HTTPError:
        return None


def _port(name: str, variable: str, port: int) -> Iterator[Finding]:
    """Of a part that does not run here: whether it could."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            yield Finding(name, FAIL, f"another program has port {port}", f"stop it, or {variable}")
        else:
            yield Finding(name, OK, f"does not run; port {port} is free")


def _here(host: str) -> str:
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


LINES: dict[str, Check] = {
    "database": _database,
    "dialogues": _tracker,
    "redis": _redis,
    "web": _web,
    "rasa": _rasa,
    "mail": _mail,
}
