"""/readyz: a part of the worker that has stopped makes the product not ready, and it says which one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.handoff import worker
from bot.store import outbox
from bot.store.models import Heartbeat
from bot.web.app import create_app
from tests.support.database import raise_one
from tests.support.patient_api import make_services


class Assistant:
    """An assistant that is there."""

    def __init__(self) -> None:
        self.client = self

    async def ready(self) -> bool:
        return True

    async def aclose(self) -> None:
        return None


async def parts_of(client: httpx.AsyncClient) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    return answer.status_code, answer.json()["parts"]


async def test_the_app_sends_notices_and_says_which_part_has_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BEAT_EVERY", worker.STOPPED_AFTER * 1000)
    assistant: Any = Assistant()
    services = make_services(tmp_path, assistant)
    app = create_app(services.settings, services)
    raised = raise_one(services.db, "c").handoff_id
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for _ in range(500):
                status, parts = await parts_of(client)
                with services.db.read() as session:
                    sent = [row.sent_at for row in outbox.notices_of(session, raised)]
                if status == 200 and all(sent):
                    break
                await asyncio.sleep(0.02)
            assert (status, set(parts.values())) == (200, {"ok"}) and all(sent)
            for name, part in (
                ("email", "outbox_worker"),
                ("silence", "silence_watch"),
                ("climb", "climb_watch"),
                ("retention", "retention"),
            ):
                with services.db.begin() as session:
                    beat = session.get(Heartbeat, worker.heartbeat_name(name))
                    kept, beat.at = beat.at, beat.at.replace(year=beat.at.year - 1)
                status, parts = await parts_of(client)
                assert status == 503 and [key for key, said in parts.items() if said == "down"] == [part]
                with services.db.begin() as session:
                    session.get(Heartbeat, worker.heartbeat_name(name)).at = kept
    assert list((tmp_path / "mail").glob("*.eml"))
