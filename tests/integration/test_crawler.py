"""Nobody of one clinic is shown, or changes, anything of another: every route, every role, every id."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute

from bot.settings import Settings
from bot.store.columns import Words
from bot.store.models import Handoff
from bot.store.session import Database
from bot.web.app import create_app
from bot.web.services import Services
from tests.support.crawler import Crawl, ask, every_route, paths, team_of
from tests.support.inbox import a_clinic_in_paris
from tests.support.patient_api import ScriptedRasa, make_services
from tests.support.planted import CODES, MODELS, plant

MARK = "qx7theirs"


class Rasa(ScriptedRasa):
    """Rasa that is there, and knows of nobody."""

    async def ready(self) -> bool:
        return True

    async def facts(self, _conversation: str) -> dict[str, Any]:
        return {}

    async def change_fact(self, *_asked: Any) -> None: ...


@pytest.fixture
def services(tmp_path: Path) -> Services:
    made = make_services(tmp_path, Rasa())
    made.clinics |= {name: a_clinic_in_paris(name) for name in ("ours", "theirs")}
    made.settings = Settings(**{**vars(made.settings), "database_url": str(made.db.engine.url)})
    return made


def crawl_of(app: Starlette, services: Services) -> Crawl:
    app.state.services = services
    return Crawl(app, services, plant(services.db, "ours", "qx1ours"), plant(services.db, "theirs", MARK))


def test_every_text_of_every_table_is_marked(services: Services) -> None:
    """What is not marked would not be noticed: it is a code, an id, or somebody has thought about it."""
    plant(services.db, "theirs", MARK)
    unmarked = set()
    with services.db.of("theirs").read() as session:
        for name, model in MODELS.items():
            row = session.execute(select(model)).scalars().first()
            for column in model.__table__.columns:
                plain = column.foreign_keys or column.key in ("id", "clinic", "hash") or f"{name}.{column.key}" in CODES
                if isinstance(column.type, Words) and not plain and MARK not in str(getattr(row, column.key)):
                    unmarked.add(f"{name}.{column.key}")
    assert unmarked == {"audit.actor", "audit.act", "audit.subject", "heartbeat.name", "session.token_hash"}


def test_no_route_shows_or_changes_anything_of_another_clinic(services: Services) -> None:
    crawl = crawl_of(create_app(services.settings, services), services)
    asyncio.run(crawl.run())
    assert not crawl.findings, "\n".join(sorted(set(crawl.findings)))
    assert crawl.calls > 3_000


def test_the_crawl_sees_what_a_clinic_is_shown_of_its_own(services: Services) -> None:
    """Else it would find nothing because it looks at nothing."""
    app = create_app(services.settings, services)
    crawl = crawl_of(app, services)
    team = team_of(services.db, crawl.theirs)

    async def shown() -> set[str]:
        found = set()
        for route, method in every_route(app.routes):
            for path in paths(route, crawl.theirs, crawl.theirs.ids()) if method == "GET" else ():
                for actor in team:
                    answer = await ask(app, crawl.call("GET", path, [], "x", actor), actor)
                    if MARK in answer.body:
                        found.add(route.path)
        return found

    assert {"/inbox", "/inbox/queue", "/inbox/{handoff_id}", "/inbox/{handoff_id}/part", "/inbox/people"} <= (
        asyncio.run(shown())
    )


@pytest.mark.parametrize("leak", ["shows", "changes", "adds", "says it is there"])
def test_the_crawl_finds_a_route_that_is_not_bound(services: Services, leak: str) -> None:
    db: Database = services.db

    async def leaky(request: Request) -> Response:
        with db.begin() as session:
            item = session.get(Handoff, request.path_params["some_id"])
            if item is None or "pne_inbox" not in request.cookies:
                return PlainTextResponse("", 404)
            if leak == "changes":
                session.execute(update(Handoff).where(Handoff.id == item.id).values(version=9))
            if leak == "adds":
                values = {column.key: getattr(item, column.key) for column in Handoff.__table__.columns}
                session.add(Handoff(**{**values, "id": "new", "message_key": "new", "category": "new"}))
            refused = leak in ("changes", "adds")
            return PlainTextResponse(item.words if leak == "shows" else "", 404 if refused else 200)

    crawl = crawl_of(Starlette(routes=[Route("/inbox/leak/{some_id}", leaky)]), services)
    found = asyncio.run(crawl.run())
    kinds = {one.split(":")[0] for one in found}
    expected = {"shows": "shown", "changes": "changed", "adds": "added", "says it is there": "not refused"}
    assert expected[leak] in kinds


def test_a_kind_of_route_that_cannot_be_tried_does_not_pass_unseen() -> None:
    async def nothing(_socket: Any) -> None: ...

    with pytest.raises(AssertionError):
        list(every_route([WebSocketRoute("/socket", nothing)]))
