"""/readyz: what patients would miss makes the product not ready, what only needs somebody to look degrades it, and it
says which part it is and why."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import delete, select

from bot import screening
from bot.handoff import worker
from bot.operate import state
from bot.settings import Settings
from bot.store import outbox
from bot.store.models import Heartbeat
from bot.store.session import MIGRATIONS, downgrade
from bot.web import standing
from bot.web.app import create_app
from tests.support.database import HandClock, raise_one
from tests.support.patient_api import broken, door, make_services


class Assistant:
    """An assistant that is there."""

    async def ready(self) -> bool:
        return True

    async def aclose(self) -> None:
        return None


async def parts_of(client: httpx.AsyncClient) -> tuple[int, dict[str, str]]:
    answer = await client.get("/readyz")
    said = answer.json()
    worst = {"down": "not ready", "degraded": "degraded", "ok": "ready"}
    assert said["status"] == next(word for state, word in worst.items() if state in said["parts"].values())
    assert set(said["reasons"]) == {name for name, state in said["parts"].items() if state != "ok"}
    return answer.status_code, said["parts"]


@pytest.fixture(autouse=True)
def with_a_soft_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether models are trained here or not."""
    monkeypatch.setattr(screening, "soft_layer", lambda: object())


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
                if set(parts.values()) == {"ok"} and all(sent):
                    break
                await asyncio.sleep(0.02)
            assert (status, set(parts.values())) == (200, {"ok"}) and all(sent)
            for name, part, state in (
                ("outbox.email", "outbox_worker", "down"),
                ("outbox.silence", "silence_watch", "down"),
                ("outbox.climb", "climb_watch", "down"),
                ("outbox.unanswered", "unanswered_watch", "degraded"),
                ("outbox.clinics", "clinics_watch", "degraded"),
                ("outbox.retention", "retention", "degraded"),
                ("retention.done", "retention", "degraded"),
            ):
                with services.db.begin() as session:
                    beat = session.get(Heartbeat, name)
                    kept, beat.at = beat.at, beat.at.replace(year=beat.at.year - 1)
                status, parts = await parts_of(client)
                assert status == (503 if state == "down" else 200)
                assert {key: said for key, said in parts.items() if said != "ok"} == {part: state}
                with services.db.begin() as session:
                    session.get(Heartbeat, name).at = kept
    assert list((tmp_path / "mail").glob("*.eml"))


class Slow(Assistant):
    """An assistant that does not come back."""

    async def ready(self) -> bool:
        await asyncio.sleep(60)
        return True


async def asked(services: Any) -> tuple[int, dict[str, Any]]:
    """What an app that was not started says: no worker, no warm-up."""
    async with door(services) as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()


def beating(services: Any) -> Any:
    """The services with every part of the worker alive."""
    with services.db.begin() as session:
        for name in ("email", "silence", "climb", "unanswered", "clinics", "retention"):
            outbox.beat(session, worker.heartbeat_name(name))
        outbox.beat(session, state.RETENTION)
    return services


@pytest.fixture
def healthy(tmp_path: Path) -> Any:
    return beating(make_services(tmp_path, Assistant()))


def trouble(said: dict[str, Any]) -> dict[str, str]:
    return {name: part for name, part in said["parts"].items() if part != "ok"}


async def test_all_is_well(healthy: Any) -> None:
    assert (await asked(healthy))[0] == 200


async def test_tables_of_another_version(healthy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = healthy.db.engine.url.render_as_string(hide_password=False)
    monkeypatch.setattr(state, "newest_revision", lambda: "9999")
    status, said = await asked(healthy)
    assert (status, trouble(said)) == (503, {"migrations": "down"}) and "pne migrate" in said["reasons"]["migrations"]
    monkeypatch.setattr(state, "newest_revision", lambda: "0003")
    assert [(await asked(healthy))[0], trouble((await asked(healthy))[1])] == [200, {"migrations": "degraded"}]
    monkeypatch.undo()
    downgrade(url, "base")
    status, said = await asked(healthy)
    assert status == 503 and (said["parts"]["database"], said["parts"]["migrations"]) == ("ok", "down")


async def test_a_database_that_is_away_or_hangs_is_named_in_time(healthy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = await asked(replace(healthy, db=broken(healthy.db)))
    assert status == 503 and said["parts"]["database"] == "down"
    released = threading.Event()
    monkeypatch.setattr(state, "read_vitals", lambda _db: released.wait(30))
    monkeypatch.setattr(standing, "PATIENCE", 0.2)
    began = time.monotonic()
    try:
        status, said = await asked(replace(healthy, assistant=Slow()))
    finally:
        released.set()
    assert time.monotonic() - began < 5
    assert status == 503 and (said["parts"]["database"], said["parts"]["assistant"]) == ("down", "down")


async def test_a_look_that_hangs_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PATIENCE", 0.05)
    released, looks = threading.Event(), []

    def look() -> str:
        looks.append(1)
        released.wait(30)
        return "seen"

    one = standing.OneLook(look)
    assert [await one(), await one(), len(looks)] == [None, None, 1]
    released.set()
    monkeypatch.setattr(standing, "PATIENCE", 30)
    assert await one() == "seen"


@pytest.mark.parametrize(
    ("free", "database", "part"),
    [(10, True, "down"), (10, False, "degraded"), (200, True, "degraded"), (2000, True, "ok")],
)
async def test_a_full_disk_shows(
    healthy: Any, monkeypatch: pytest.MonkeyPatch, free: int, database: bool, part: str
) -> None:
    disk = state.Disk(Path("/"), free * state.MEGABYTE, 10**12, database)
    monkeypatch.setattr(state, "disks", lambda _settings: [disk])
    status, said = await asked(healthy)
    assert (said["parts"]["disk"], status) == (part, 503 if part == "down" else 200)


async def test_no_soft_layer_and_a_clock_that_is_wrong_only_degrade(
    healthy: Any, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "soft_layer", lambda: None)
    healthy.db.clock.move(minutes=-5)
    status, said = await asked(healthy)
    assert (status, trouble(said)) == (200, {"soft_layer": "degraded", "clock": "degraded"})


async def test_before_the_first_answer_can_be_quick_it_is_not_ready(healthy: Any) -> None:
    app = create_app(healthy.settings, healthy)
    app.state.services = healthy
    app.state.warm_up = asyncio.create_task(asyncio.sleep(60))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://pne.test") as client:
        assert (await client.get("/readyz")).json()["parts"]["warm_up"] == "down"
        app.state.warm_up.cancel()
        await asyncio.gather(app.state.warm_up, return_exceptions=True)
        assert (await client.get("/readyz")).status_code == 200


def test_the_newest_revision_is_alembics() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert state.newest_revision() == ScriptDirectory.from_config(config).get_current_head()


def test_each_disk_is_named_once_and_knows_whether_the_database_is_on_it(tmp_path: Path) -> None:
    def found(**more: str) -> list[tuple[bool, bool]]:
        settings = Settings(var=str(tmp_path / "not yet" / "there"), **more)
        return [(disk.holds_database, 0 < disk.free <= disk.size) for disk in state.disks(settings)]

    lite = f"sqlite:///{tmp_path}/pne.db"
    assert found(database_url=lite, tracker_url=lite) == [(True, True)]
    assert found(database_url="postgresql://h/n", tracker_url="postgresql://h/n") == [(False, True)]


async def test_without_the_redis_that_is_set_no_question_is_answered(healthy: Any) -> None:
    for up, status in ((True, "ready"), (False, "not ready")):
        with_fanout = replace(healthy, fanout=SimpleNamespace(up=up))
        assert (await asked(with_fanout))[1]["status"] == status


async def test_every_loop_of_the_worker_is_one_that_the_metrics_know(healthy: Any) -> None:
    app = create_app(healthy.settings, healthy)
    with healthy.db.begin() as session:
        session.execute(delete(Heartbeat))
    known = {worker.heartbeat_name(name) for name in standing.LOOPS}
    async with app.router.lifespan_context(app):
        for _ in range(500):
            with healthy.db.read() as session:
                seen = set(session.execute(select(Heartbeat.name)).scalars())
            if seen >= known:
                break
            await asyncio.sleep(0.02)
    assert seen - {state.RETENTION} == known


async def test_a_disk_that_is_really_full_is_seen(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        services = beating(make_services(small, Assistant()))
        services = replace(services, settings=replace(services.settings, database_url=f"sqlite:///{small}/pne.db"))
        status, said = await asked(services)
        services.db.close()
        assert (status, trouble(said)) == (503, {"disk": "down"})
    finally:
        subprocess.run(["umount", str(small)], check=True)
