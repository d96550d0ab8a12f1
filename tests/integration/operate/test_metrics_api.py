"""GET /metrics: closed without a token, true about what waits, and there with the database dead or hanging."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from bot import screening
from bot.handoff.worker import heartbeat_name
from bot.operate import state
from bot.store import outbox
from bot.web import standing
from bot.web.climbing import climb_watch
from bot.web.services import Services
from tests.support.database import PATIENT_WORDS, new_conversation, raise_one
from tests.support.metrics import Scraped
from tests.support.patient_api import QUESTION, RED, Patient, ScriptedRasa, accepted, broken, door, make_services

TOKEN = "t" * 40
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def rasa() -> Any:
    class Ready(ScriptedRasa):
        is_ready = True

        async def ready(self) -> bool:
            return self.is_ready

    return Ready()


@pytest.fixture
def services(tmp_path: Path, rasa: Any, monkeypatch: pytest.MonkeyPatch) -> Services:
    monkeypatch.setattr(standing, "KEEP", 0.0)
    monkeypatch.setattr(screening, "soft_layer", lambda: None)
    made = make_services(tmp_path, rasa)
    return replace(made, settings=replace(made.settings, metrics_token=TOKEN))


@pytest.fixture
async def patient(services: Services) -> AsyncIterator[Patient]:
    async with accepted(services) as made:
        yield made


async def scrape(services: Services, client: httpx.AsyncClient | None = None) -> Scraped:
    if client is None:
        async with door(services) as opened:
            return await scrape(services, opened)
    answer = await client.get("/metrics", headers=AUTHORIZED)
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["cache-control"] == "no-store"
    return Scraped.of(answer.text)


async def test_without_a_token_set_there_is_nothing_and_a_wrong_one_is_refused(services: Services) -> None:
    closed = replace(services, settings=replace(services.settings, metrics_token=""))
    async with door(closed) as client:
        for headers in ({}, {"Authorization": "Bearer "}, AUTHORIZED):
            assert (await client.get("/metrics", headers=headers)).status_code == 404
    async with door(services) as client:
        for given in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
            answer = await client.get("/metrics", headers={"Authorization": given.encode()} if given else {})
            assert (answer.status_code, "pne_" in answer.text) == (401, False), given
        assert (await client.get("/metrics", headers=AUTHORIZED)).status_code == 200


async def test_a_red_flag_is_counted_with_the_time_to_its_words(patient: Patient, services: Services) -> None:
    assert (await patient.say(RED)).status_code == 202
    found = await scrape(services)
    assert found.value("pne_red_flags_total", tier="T1", category="RF01") == 1
    assert found.value("pne_safety_words_seconds_count", kept="yes") == 1
    assert 0 < found.value("pne_safety_words_seconds_sum", kept="yes") < 30
    route = "/v1/conversations/{conversation}/messages"
    assert found.value("pne_http_requests_total", method="POST", route=route, status="202") == 2
    assert found.value("pne_handoffs_open", tier="T1", status="raised") == 1


async def test_words_that_could_not_be_kept_are_counted_as_such(patient: Patient, services: Services) -> None:
    whole, services.db = services.db, broken(services.db, reads=False)
    assert (await patient.say(RED)).status_code == 503
    services.db = whole
    found = await scrape(services)
    assert found.value("pne_safety_words_seconds_count", kept="no") == 1
    assert found.value("pne_safety_words_seconds_count", kept="yes") == 0


async def test_what_waits_is_seen_and_what_is_late(services: Services) -> None:
    clock: Any = services.db.clock
    raise_one(services.db, new_conversation(services.db), tier="T1")
    raise_one(services.db, new_conversation(services.db), tier="T0", category="RF30")
    raise_one(services.db, new_conversation(services.db), tier="T4", category="summary")  # only lies in the list
    clock.move(minutes=2)
    found = await scrape(services)
    assert found.value("pne_handoffs_open", tier="T0", status="raised") == 1
    assert found.total("pne_handoffs_open") == 2
    assert found.value("pne_handoff_oldest_unclaimed_seconds", tier="T1") == 120
    assert found.total("pne_handoffs_late") == found.total("pne_handoffs_exhausted") == 0
    assert found.value("pne_outbox_due", channel="email") >= 2
    assert found.value("pne_outbox_oldest_due_seconds", channel="email") == 120
    clock.move(minutes=4)  # T0 has five
    assert (await scrape(services)).value("pne_handoffs_late", clinic="demo", tier="T0") == 1
    for _ in range(3):
        await climb_watch(services)()
        clock.move(minutes=6)
    found = await scrape(services)
    assert found.value("pne_handoffs_exhausted", clinic="demo", tier="T0") == 1
    assert found.value("pne_deadlines_missed_total", tier="T0", chain="goes_on") == 2
    assert found.value("pne_deadlines_missed_total", tier="T0", chain="ended") == 1
    assert found.value("pne_deadlines_missed_total", tier="T4", chain="goes_on") == 0


async def test_dead_letters_and_ages_are_seen(services: Services) -> None:
    clock: Any = services.db.clock
    raised = raise_one(services.db, new_conversation(services.db)).handoff_id
    with services.db.begin() as session:
        (row,) = outbox.lease(session, "email", "me", timedelta(minutes=1), 10)
        outbox.record_dead(session, row.id, "me", "x")
        outbox.beat(session, heartbeat_name("climb"))
        outbox.beat(session, state.RETENTION)
    clock.move(seconds=90)
    found = await scrape(services)
    assert found.value("pne_dead_letters", clinic="demo", channel="email") == 1
    assert found.value("pne_outbox_due", channel="email") == 0
    assert found.value("pne_heartbeat_age_seconds", part="climb") == 90
    assert found.value("pne_retention_age_seconds") == 90
    assert found.value("pne_backup_age_seconds") == float("inf")
    assert raised not in found.labels()


async def test_what_runs_and_how_full_the_disk_is(services: Services) -> None:
    found = await scrape(services)
    (labels,) = [dict(labels) for name, labels in found if name == "pne_build_info"]
    assert set(labels) == {"version", "model", "rules", "content", "schema"} and all(labels.values())
    assert labels["schema"] == state.newest_revision()
    assert 0 < found.value("pne_disk_free_bytes", disk="database") < found.value("pne_disk_size_bytes", disk="database")
    assert found.value("pne_database_up") == found.value("pne_rasa_up") == found.value("pne_database_migrated") == 1
    assert found.value("pne_soft_layer_up") == 0


async def test_a_dead_database_and_a_dead_rasa_are_numbers_not_failures(services: Services, rasa: Any) -> None:
    rasa.is_ready = False
    found = await scrape(replace(services, db=broken(services.db)))
    assert found.value("pne_database_up") == found.value("pne_rasa_up") == 0
    assert not {"pne_outbox_due", "pne_handoffs_open", "pne_backup_age_seconds"} & found.names(), "nothing of before"
    assert "process_resident_memory_bytes" in found.names()


async def test_a_database_that_hangs_holds_no_scrape_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PATIENCE", 0.2)
    released, reads = threading.Event(), []

    def hangs(_db: Any) -> Any:
        reads.append(1)
        released.wait(30)

    monkeypatch.setattr(state, "read_figures", hangs)
    began = time.monotonic()
    try:
        async with door(services) as client:
            found = [await scrape(services, client) for _ in range(3)]
            both = await asyncio.gather(scrape(services, client), scrape(services, client))
    finally:
        released.set()
    assert time.monotonic() - began < 10
    assert all(one.value("pne_database_up") == 0 for one in (*found, *both))
    assert len(reads) == 1, "one look at a time"


async def test_what_was_read_is_good_for_some_seconds(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    real = state.read_figures
    monkeypatch.setattr(state, "read_figures", lambda db: (reads.append(1), real(db))[1])
    monkeypatch.setattr(standing, "KEEP", 60.0)
    async with door(services) as client:
        for _ in range(5):
            await scrape(services, client)
    assert len(reads) == 1


async def test_no_id_and_no_word_of_a_person_is_in_it(patient: Patient, services: Services) -> None:
    for text in (RED, QUESTION, "zqxjk", "x" * 5000):
        await patient.say(text)
    raise_one(services.db, patient.conversation, key="other", category="RF07")
    await services.finish_turns(10)
    async with door(services) as client:
        await client.get(f"/v1/conversations/{patient.conversation}/events", params={"after": "zqxjk"})
        shown = (await client.get("/metrics", headers=AUTHORIZED)).text
    ids = [patient.conversation, patient.token, *(item.id for item in patient.handoffs())]
    assert len(ids) > 3
    assert "wipe" in PATIENT_WORDS and "pee" in RED
    for secret in (*ids, "zqxjk", "pee", "wipe", TOKEN):
        assert secret not in shown, secret


async def test_rasas_that_are_not_asked_and_the_line_to_the_others_are_seen(services: Services, rasa: Any) -> None:
    rasa.states = lambda: [{"address": "http://zqxjk:1", "state": one} for one in ("closed", "open", "trial")]
    found = await scrape(replace(services, fanout=SimpleNamespace(up=False)))
    assert [found.value("pne_rasa_circuit_open", rasa=str(number)) for number in range(3)] == [0, 1, 0]
    assert ("pne_redis_up", frozenset()) in found and found.value("pne_redis_up") == 0
    assert not any("zqxjk" in label for label in found.labels())
    assert "pne_redis_up" not in (await scrape(services)).names()
