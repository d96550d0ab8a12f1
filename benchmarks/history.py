"""Does a turn get slower as the conversation grows? Through Rasa's channel and through the patient API.

One long conversation of each kind is talked for real; the others are copies of its beginning, in the tables. Each
sample is one more question in a copy of its own, the sizes in turn.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence

import aiohttp

from benchmarks.bench import Bench
from benchmarks.load import NoReply, fresh, with_http
from benchmarks.ours import NAMES, Ours
from benchmarks.process import BenchmarkFailed
from benchmarks.results import OURS, WHOLE, Part
from benchmarks.talkers import Patient

NAME = "history"
SEED = "benchmark-history"
READ_LAST = 5


def measure(bench: Bench) -> Part:
    """Turns after 10, 100 and 1000 events, and how long the event log takes to read."""
    part = Part(NAME, rounds=bench.plan.rounds)
    with bench.product(told=bench.told) as product:
        product.start(*NAMES)
        product.wait_ready()
        copies = Copies(product)
        try:
            with_http(lambda http: _by_channel(bench, part, product, copies, http))
            with_http(lambda http: _by_patient(bench, part, product, copies, http))
        except NoReply as error:
            raise BenchmarkFailed(f"No answer in a long conversation: {error}") from None
        finally:
            copies.close()
    return part


async def _by_channel(bench: Bench, part: Part, product: Ours, copies: Copies, http: aiohttp.ClientSession) -> None:
    bench.say("history: talking a long conversation through Rasa's channel")
    channel, sizes = product.channel(http), bench.plan.histories
    channel.conversation = SEED
    turn = 0
    while copies.tracked(SEED) < max(sizes) + 10:
        await channel.ask(bench.texts[turn % len(bench.texts)])
        turn += 1

    async def ask(size: int, text: str) -> float:
        channel.conversation = uuid.uuid4().hex
        copies.of_tracker(channel.conversation, size)
        return await channel.ask(text)

    part.about["channel_turns"] = turn
    await _sample(bench, part, OURS, ask, bench.texts)


async def _by_patient(bench: Bench, part: Part, product: Ours, copies: Copies, http: aiohttp.ClientSession) -> None:
    bench.say("history: talking a long conversation over the patient API")
    seed, sizes = product.patient(http), bench.plan.histories
    await seed.open()
    turn = 0
    while copies.logged(seed.conversation) < max(sizes) + 10:
        await seed.ask(bench.texts[turn % len(bench.texts)])
        turn += 1
    await seed.close()
    part.about["patient_turns"] = turn

    async def copied(size: int) -> Patient:
        patient = product.patient(http)
        await patient.begin()
        copies.of_all(seed.conversation, patient.conversation, size)
        return patient

    async def ask(size: int, text: str) -> float:
        patient = await copied(size)
        await patient.listen(after=size)
        took = await patient.ask(text)
        await patient.close()
        return took

    await _sample(bench, part, WHOLE, ask, fresh(bench.texts, turn + len(bench.texts), len(bench.texts)))
    longest = max(sizes)
    patient = await copied(longest)
    for _ in range(bench.plan.rounds * bench.plan.history_samples):
        began = time.perf_counter()
        await patient.read(longest - READ_LAST)
        last = time.perf_counter() - began
        began, after = time.perf_counter(), 0
        while page := await patient.read(after):
            after = page[-1]["seq"]
        part.samples.add(WHOLE, read_last_ms=1000 * last, read_all_ms=1000 * (time.perf_counter() - began))


async def _sample(
    bench: Bench, part: Part, side: str, ask: Callable[[int, str], Awaitable[float]], texts: Sequence[str]
) -> None:
    """Every size in turn, as often as the plan says; the first of each is not counted."""
    asked = 0
    for number in range(bench.plan.rounds * bench.plan.history_samples + 1):
        for size in bench.plan.histories:
            took = await ask(size, texts[asked % len(texts)])
            asked += 1
            if number:
                part.samples.add(side, **{f"history_ms_{size}": 1000 * took})


class Copies:
    """Beginnings of conversations written straight into the two databases (SQLite)."""

    def __init__(self, product: Ours) -> None:
        urls = (product.settings.database_url, product.settings.tracker_url)
        self.log, self.tracker = (_open(url) for url in urls)
        self.columns = {
            "tracker": _columns(self.tracker, "events", {"id", "sender_id"}),
            "event": _columns(self.log, "event", {"conversation_id"}),
            "offer": _columns(self.log, "offer", {"conversation_id"}),
            "conversation": _columns(self.log, "conversation", {"id", "last_seq"}),
        }

    def close(self) -> None:
        self.log.close()
        self.tracker.close()

    def tracked(self, conversation: str) -> int:
        """Events of the dialogue in Rasa's table."""
        return _count(self.tracker, "events WHERE sender_id", conversation)

    def logged(self, conversation: str) -> int:
        """Events of the conversation in the event log."""
        return _count(self.log, "event WHERE conversation_id", conversation)

    def of_tracker(self, conversation: str, size: int) -> None:
        """The first events of the long dialogue: whole turns only, `size` events or a few fewer."""
        rows = self.tracker.execute(
            "SELECT id, action_name FROM events WHERE sender_id = ? ORDER BY id LIMIT ?", (SEED, size)
        ).fetchall()
        while rows and rows[-1][1] != "action_listen":
            rows.pop()
        if not rows:
            raise BenchmarkFailed("the long conversation has no whole turn that is short enough")
        self._copy_tracker(SEED, conversation, "id <= ?", rows[-1][0])

    def of_all(self, seed: str, conversation: str, size: int) -> None:
        """The first `size` events of a patient's conversation, and of its dialogue what had been said by then."""
        columns = self.columns["event"]
        self.log.execute("DELETE FROM event WHERE conversation_id = ?", (conversation,))  # the greeting
        self.log.execute(
            f"INSERT INTO event (conversation_id, {columns}) SELECT ?, {columns} FROM event "
            "WHERE conversation_id = ? AND seq <= ?", (conversation, seed, size),
        )  # fmt: skip
        columns = self.columns["offer"]
        self.log.execute(
            f"INSERT OR IGNORE INTO offer (conversation_id, {columns}) SELECT ?, {columns} FROM offer "
            "WHERE conversation_id = ?", (conversation, seed),
        )  # fmt: skip
        columns = self.columns["conversation"]
        self.log.execute(
            f"UPDATE conversation SET ({columns}) = (SELECT {columns} FROM conversation WHERE id = ?) WHERE id = ?",
            (seed, conversation),
        )
        self.log.execute("UPDATE conversation SET last_seq = ? WHERE id = ?", (size, conversation))
        self.log.commit()
        written = "SELECT (julianday(at) - 2440587.5) * 86400 FROM event WHERE conversation_id = ? AND seq = ?"
        (until,) = self.log.execute(written, (seed, size)).fetchone()
        self._copy_tracker(seed, conversation, "timestamp <= ?", until)

    def _copy_tracker(self, seed: str, conversation: str, which: str, limit: float) -> None:
        columns = self.columns["tracker"]
        self.tracker.execute(
            f"INSERT INTO events (sender_id, {columns}) SELECT ?, {columns} FROM events "
            f"WHERE sender_id = ? AND {which} ORDER BY id", (conversation, seed, limit),
        )  # fmt: skip
        self.tracker.commit()


def _open(url: str) -> sqlite3.Connection:
    return sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)


def _columns(table: sqlite3.Connection, name: str, without: Sequence[str] | set[str]) -> str:
    """The columns of a table, whatever they are by now, but for those that a copy has of its own."""
    found = [row[1] for row in table.execute(f"PRAGMA table_info({name})") if row[1] not in without]
    if not found:
        raise BenchmarkFailed(f"there is no table {name}: benchmarks/history.py must learn the new one")
    return ", ".join(found)


def _count(table: sqlite3.Connection, where: str, conversation: str) -> int:
    return int(table.execute(f"SELECT count(*) FROM {where} = ?", (conversation,)).fetchone()[0])
