"""A crawl of every route of an app: what must stay with one clinic is looked for in whatever another clinic's people,
its patient, or nobody, is answered.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import re
import shutil
import uuid
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import select
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from bot.handoff.roles import ROLES, may
from bot.store import clinicians
from bot.store.conversations import hash_token
from bot.store.dialogue import truncate_log
from bot.store.session import Database
from bot.web.services import Services
from tests.support.planted import MODELS, Planted, rows_of

# How long a live stream is listened to.
STREAM_SECONDS = 0.05


@dataclass(frozen=True)
class Actor:
    """Who asks: somebody of a clinic's team (`cookie`, `csrf`), a patient (`bearer`), or nobody."""

    name: str
    role: str = ""
    cookie: str = ""
    csrf: str = ""
    bearer: str = ""


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    query: str = ""
    body: bytes = b""
    kind: str = ""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str

    @property
    def refused(self) -> bool:
        """Turned away: not allowed, not found, badly asked, or sent to sign in."""
        to = self.headers.get("location", "")
        return 400 <= self.status < 500 or to.startswith(("/inbox/sign-in", "/inbox/lock"))


@dataclass
class Crawl:
    """An app with two clinics: everything of `theirs` is tried by everybody of `ours`."""

    app: Starlette
    services: Services
    ours: Planted
    theirs: Planted
    calls: int = 0
    findings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.db = self.services.db
        self.file = Path(str(self.db.engine.url.database))
        self.actors = [*team_of(self.db, self.ours), Actor("patient", bearer=self.ours.token), Actor("nobody")]
        truncate_log(self.db.engine)
        self.db.engine.dispose()
        self.kept = self.file.with_suffix(".kept")
        shutil.copyfile(self.file, self.kept)
        self.before = rows_of(self.db)

    async def run(self) -> list[str]:
        """Tries every route; gives what was found, which is to be nothing."""
        for route, method in every_route(self.app.routes):
            names = names_in(route)
            for actor in self.actors:
                self.restore()
                calls = self.requests(route, method, names, actor)
                # Who is turned away at the door whatever they ask need not ask it in every way.
                for call in calls if _may_try(route, actor) else itertools.islice(calls, 3):
                    await self.attempt(route, actor, call)
                await self.services.finish_turns(5.0)
                self.compare(route, method, actor)
        return self.findings

    def restore(self) -> None:
        """The database as it was planted: what one route did must not hide what the next one does."""
        self.db.engine.dispose()
        for ending in ("-wal", "-shm"):
            Path(f"{self.file}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self.kept, self.file)

    def requests(self, route: Route, method: str, names: tuple[str, ...], actor: Actor) -> Iterator[Call]:
        """Their ids in the address, and our own ids in the address with theirs in query, form and document."""
        foreign = self.theirs.ids()
        for path in paths(route, self.theirs, foreign):
            yield self.call(method, path, names[:14], foreign[0], actor)
        own = self.ours.ids() if "{" in route.path else [""]
        for path in paths(route, self.ours, own):
            for value in foreign if names else foreign[:1]:
                # A form of the inbox has twenty fields at most.
                for start in range(0, max(1, len(names)), 14):
                    yield self.call(method, path, names[start : start + 14], value, actor)

    def call(self, method: str, path: str, names: Iterable[str], value: str, actor: Actor) -> Call:
        values = {name: value for name in names}
        values |= {name: self.theirs.clinic for name in values if name == "clinic"}
        values |= {name: "qx" for name in values if name in ("q", "words")}
        values |= {name: "1" for name in values if name in ("version", "page", "seq", "n")}
        values |= {name: "form-0001" for name in values if name == "client_id"}
        if method in ("GET", "HEAD"):
            query = {"page": "1", "clinic": self.theirs.clinic, "q": "qx", **values}
            return Call(method, path, urlencode({name: one for name, one in query.items() if name != "wait"}))
        if path.startswith("/inbox"):
            form = {"text": value, "version": "1", "client_id": "form-0001", **values, "csrf": actor.csrf}
            body = urlencode(form).encode()
            return Call(method, path, f"clinic={self.theirs.clinic}", body, "application/x-www-form-urlencoded")
        document = {"clinic": self.theirs.clinic, "conversation": value, **values}
        document |= {"kind": "text", "text": "hello", "token": actor.bearer or value, "client_id": uuid.uuid4().hex}
        document.pop("identity", None)
        return Call(method, path, f"clinic={self.theirs.clinic}", json.dumps(document).encode(), "application/json")

    async def attempt(self, route: Route, actor: Actor, call: Call) -> None:
        answer = await ask(self.app, call, actor)
        if actor.cookie and answer.status in (303, 401) and answer.refused:
            # An earlier call of this route may have ended the sign-in.
            self.compare(route, call.method, actor)
            self.restore()
            answer = await ask(self.app, call, actor)
        self.calls += 1
        where = f"{actor.name}: {call.method} {call.path}?{call.query} {call.body[:200]!r} -> {answer.status}"
        if self.theirs.mark in answer.body or self.theirs.mark in repr(answer.headers):
            self.findings.append(f"shown: {where}")
        named = any(quote(one, safe="") in call.path for one in self.theirs.ids())
        if named and not answer.refused and actor.name != "nobody":
            # What anybody may see without being anybody is public: a clinic's chat page, its numbers.
            public = await ask(self.app, call, Actor("nobody"))
            if public.refused:
                self.findings.append(f"not refused: {where}")
        if answer.status >= 500 and answer.status != 503:
            self.findings.append(f"failed: {where}")
        others = [one for one in self.theirs.ids() if one != self.theirs.clinic and one in answer.body]
        if not named and [one for one in others if one not in call.query and one.encode() not in call.body]:
            self.findings.append(f"named: {where}")

    def compare(self, route: Route, method: str, actor: Actor) -> None:
        """What was planted of theirs stands as it was, nothing was put with it, and nothing of ours names it."""
        here, after = f"{actor.name}: {method} {route.path}", rows_of(self.db)
        for table, rows in self.before.items():
            for key, row in rows.items():
                if self.theirs.mark in row and after[table].get(key) != row:
                    self.findings.append(f"changed: {here}: {table} {key}")
        for table, key, row in strangers(self.db, self.theirs):
            # Anybody may open a chat of their own at any clinic.
            opened = table in ("conversation", "event", "session", "offer")
            if key not in self.before[table] and not (opened and self.theirs.id_of("conversation") not in row):
                self.findings.append(f"added: {here}: {table} {row[:300]}")


def strangers(db: Database, planted: Planted) -> Iterator[tuple[str, tuple[Any, ...], str]]:
    """The rows that are a clinic's, or refer to what was planted of it: table, key, row."""
    ids = set(planted.ids())
    with db.read() as session:
        for name, model in MODELS.items():
            table = model.__table__
            owner = [column.name for column in table.columns if column.name == "clinic" or column.foreign_keys]
            for row in session.execute(select(table)).mappings():
                if any(row[column] in ids for column in owner):
                    yield name, tuple(row[column.name] for column in table.primary_key), repr(dict(row))


def _may_try(route: Route, actor: Actor) -> bool:
    """Whether the door lets this actor in at all, so that it is the handler that must keep the clinics apart."""
    if route.path.startswith("/inbox"):
        needs = getattr(route.endpoint, "needs", None)
        return bool(actor.cookie) and (needs is None or may(actor.role, needs))
    return bool(actor.bearer) or (actor.name == "nobody" and not route.path.startswith("/v1/conversations"))


def every_route(routes: Iterable[BaseRoute]) -> Iterator[tuple[Route, str]]:
    """Each route with each of its methods. A kind of route that this cannot try must not pass unseen."""
    for route in routes:
        if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            continue
        assert isinstance(route, Route), f"the crawl does not know how to try {route!r}"
        for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
            yield route, method


def paths(route: Route, planted: Planted, ids: list[str]) -> list[str]:
    """The route's addresses: every id in every place; where there are several places, the first takes them all."""
    places = re.findall(r"{(\w+)(?::\w+)?}", route.path)
    if not places:
        return [route.path]
    known = {"conversation": planted.id_of("conversation"), "seq": "1", "clinic": planted.clinic, "act": "end"}
    found = []
    for value in ids:
        filled = route.path
        for number, place in enumerate(places):
            one = value if number == 0 else known.get(place, value)
            filled = re.sub(rf"{{{place}(:\w+)?}}", quote(one, safe=""), filled)
        found.append(filled)
    return found


def names_in(route: Route) -> tuple[str, ...]:
    """The names of fields that the handler's module reads from forms, queries and documents."""
    module = inspect.getmodule(_handler(route.endpoint))
    if module is None or not module.__name__.startswith("bot."):
        return ()
    source = inspect.getsource(module)
    read = r"(?:form|query|query_params|asked|params|given)(?:\.get\(|\[)\"(\w+)\"|\(asked, \"(\w+)\""
    found = {name for pair in re.findall(read, source) for name in pair if name}
    templates = Path(inspect.getfile(Services)).parent / "templates"
    for used in re.findall(r"\"(inbox/\w+\.html)\"", source):
        with suppress(OSError):
            found |= set(re.findall(r"name=\"(\w+)\"", (templates / used).read_text(encoding="utf-8")))
    return tuple(sorted(found - {"csrf", "wait"}))


def _handler(endpoint: Any) -> Any:
    """The handler inside what wraps it."""
    for cell in getattr(endpoint, "__closure__", None) or ():
        if inspect.isfunction(cell.cell_contents):
            return _handler(cell.cell_contents)
    return endpoint


def team_of(db: Database, planted: Planted) -> list[Actor]:
    """One signed-in person of every role."""
    team = []
    for role in sorted(ROLES):
        token, csrf = f"cookie-{planted.clinic}-{role}", f"csrf-{planted.clinic}-{role}"
        with db.begin() as session:
            person = clinicians.add_clinician(
                session,
                clinic=planted.clinic,
                email=f"{role}@{planted.clinic}.invalid",
                name=f"Dr {role}",
                role=role,
                password_hash="none",
            )
            clinicians.add_session(session, person.id, hash_token(token), csrf, timedelta(hours=1))
        team.append(Actor(role, role, cookie=token, csrf=csrf))
    return team


async def ask(app: Starlette, call: Call, actor: Actor) -> Answer:
    """Sends one request to the app; of a stream, what it says at first."""
    headers = [(b"host", b"pne.test")]
    if call.kind:
        headers += [(b"content-type", call.kind.encode()), (b"content-length", str(len(call.body)).encode())]
    if actor.cookie:
        headers.append((b"cookie", f"pne_inbox={actor.cookie}".encode()))
    if actor.bearer:
        headers.append((b"authorization", f"Bearer {actor.bearer}".encode()))
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": call.method,
        "scheme": "https",
        "path": call.path,
        "raw_path": call.path.encode(),
        "query_string": call.query.encode(),
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("pne.test", 443),
        "app": app,
    }
    started: dict[str, Any] = {"status": 500, "headers": []}
    body, streaming, asked = bytearray(), asyncio.Event(), False

    async def receive() -> dict[str, Any]:
        nonlocal asked
        if not asked:
            asked = True
            return {"type": "http.request", "body": call.body, "more_body": False}
        await streaming.wait()
        await asyncio.sleep(STREAM_SECONDS)
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
            if b"text/event-stream" in dict(message["headers"]).get(b"content-type", b""):
                streaming.set()
        else:
            body.extend(message.get("body", b""))

    with suppress(Exception):  # answered with a 500 before it is raised again
        await asyncio.wait_for(app(scope, receive, send), 120)
    found = {name.decode(): value.decode() for name, value in started["headers"]}
    return Answer(started["status"], found, bytes(body).decode("utf-8", "replace"))
