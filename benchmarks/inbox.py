"""The clinician's inbox with 2,000 open items: how long a page takes, over HTTP, on both databases."""

from __future__ import annotations

import asyncio
import statistics
import time
from importlib import import_module
from typing import Any

import aiohttp

from benchmarks import fanout
from benchmarks.bench import Bench
from benchmarks.ours import Ours
from benchmarks.process import BenchmarkFailed
from benchmarks.results import POSTGRES, WHOLE, Part
from benchmarks.stats import percentile
from bot.store import clinicians
from bot.store.session import utc_now
from bot.web.inbox.queue_view import ROWS

NAME = "inbox"
# The scene of the test that holds this to its limit, so that both speak of the same inbox.
SCENE = "tests.integration.test_inbox_speed"
FAR_PAGE = 9
REQUESTS = 15


def measure(bench: Bench) -> Part:
    """One database of each kind, filled once; rounds of requests by a signed-in clinician."""
    part = Part(NAME, rounds=bench.plan.rounds, about={"items": bench.plan.items})
    for on_postgres in (False, True):
        bench.say(f"inbox: {bench.plan.items} open items on {'PostgreSQL' if on_postgres else 'SQLite'}")
        with bench.product(on_postgres) as product:
            _fill(product, bench.plan.items)
            product.start("web")
            product.wait_ready()
            asyncio.run(_pages(bench, part, product, POSTGRES if on_postgres else WHOLE))
    return part


def _fill(product: Ours, items: int) -> None:
    """The test's scene in the product's database. Raises BenchmarkFailed where the tests are not there."""
    try:
        scene: Any = import_module(SCENE)
    except ImportError as error:
        raise BenchmarkFailed(f"{SCENE} cannot be imported: {error}. It needs the test dependencies.") from None
    db = product.database()
    with db.begin() as session:
        person = {"clinic": fanout.CLINIC, "email": "other@demo.invalid", "name": "Dr Other", "role": "clinician"}
        holder = clinicians.add_clinician(session, **person, password_hash="none").id
    scene.ITEMS = items
    scene.fill(db, utc_now, holder)
    db.close()
    fanout.add_clinician(product)


async def _pages(bench: Bench, part: Part, product: Ours, side: str) -> None:
    desk = await fanout.Desk.enter(product.urls["web"])
    far = min(FAR_PAGE, bench.plan.items // ROWS)
    pages = {"inbox_page_ms": "", "inbox_far_page_ms": f"?page={far}", "inbox_part_ms": "queue"}
    try:
        for number in range(bench.plan.rounds + 1):
            for key, path in pages.items():
                taken = [await _seconds(desk, path) for _ in range(REQUESTS)]
                if number:  # the first round warms up
                    part.samples.add(side, **{key: 1000 * statistics.median(taken)})
                    part.samples.add(side, **{key.replace("_ms", "_p95_ms"): 1000 * percentile(taken, 95)})
    finally:
        await desk.http.close()


async def _seconds(desk: fanout.Desk, path: str) -> float:
    began = time.perf_counter()
    try:
        page = await desk.page(path)
    except aiohttp.ClientError as error:
        raise BenchmarkFailed(f"the inbox did not answer: {type(error).__name__}") from None
    took = time.perf_counter() - began
    if '<li class="row' not in page:
        raise BenchmarkFailed(f"no item is on the inbox's page {path!r}")
    return took
