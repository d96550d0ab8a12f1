"""A process that is killed with signal 9 at a chosen step between a patient's message and its delivered notices.

Started once (``python -m tests.support.killed CONFIG``), it lives one life unharmed, so that everything is loaded, and
says how many steps that took: every statement, every commit, and before and after every sending is a step. Then it
forks a child for each line of JSON that it reads: the child takes the message in, sends what the outbox holds, and is
killed at step `kill_at`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event, select

from bot import safety
from bot.content import load_wording
from bot.handoff import worker
from bot.handoff.climb import CLIMB
from bot.handoff.deliveries import deliveries
from bot.settings import Settings
from bot.store.models import Handoff, Outbox
from bot.store.session import Database, connect, utc_now
from bot.web import turns
from bot.web.climbing import climb_watch
from bot.web.incoming import Incoming
from bot.web.limits import Limits
from bot.web.services import Services
from tests.support.receivers import clinic_with


class Fuse:
    """Counts steps, and kills this process at number `at` (None: never)."""

    def __init__(self, at: int | None) -> None:
        self.at, self.count = at, 0

    def burn(self, *_: Any) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)


class Silent:
    """Rasa with nothing to say."""

    async def say(self, **_: Any) -> list[dict[str, Any]]:
        return []


def main() -> None:
    config = json.loads(sys.argv[1])
    safety.load_cues()
    fuse = Fuse(None)
    asyncio.run(_work(config, {**config["first"], "ahead": 0}, fuse))
    print(fuse.count, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(config, asked)
        _, status = os.waitpid(child, 0)
        print(json.dumps({"killed": os.WIFSIGNALED(status), "code": status}), flush=True)


def _live(config: dict[str, Any], asked: dict[str, Any]) -> None:
    """One life of the process. Never returns."""
    try:
        asyncio.run(asyncio.wait_for(_work(config, asked, Fuse(asked["kill_at"])), 60))
    except BaseException:
        traceback.print_exc()
        os._exit(3)
    os._exit(0)


async def _work(config: dict[str, Any], asked: dict[str, Any], fuse: Fuse) -> None:
    ahead = timedelta(seconds=asked["ahead"])
    db = connect(config["database"], lambda: utc_now() + ahead)
    event.listen(db.engine, "before_cursor_execute", fuse.burn)
    event.listen(db.engine, "commit", fuse.burn)
    settings = Settings(var=config["folder"], rasa_secret="s" * 40, smtp_url=config["smtp"])
    clinic, wording = clinic_with(hook=config["hook"], base=config["fhir"]), load_wording()
    services = Services(settings, db, {"demo": clinic}, wording, Silent(), lambda _: {}, Limits(1000, 1000))  # type: ignore[arg-type]
    incoming = Incoming(asked["conversation"], clinic, asked["key"], config["words"])
    await turns.receive(services, incoming)
    await services.finish_turns(5.0)

    def burning(deliver: worker.Delivery) -> worker.Delivery:
        async def sending(notice: Any) -> Any:
            fuse.burn()
            receipt = await deliver(notice)
            fuse.burn()
            return receipt

        return sending

    made = {name: burning(one) for name, one in deliveries(services.clinic, settings, wording, db).items()}
    stop = asyncio.Event()
    working = worker.run(db, made, stop, chores={CLIMB: climb_watch(services)}, every=0.02, chores_every=0.02)
    await asyncio.gather(working, _until_sent(db, asked, stop))
    db.close()


async def _until_sent(db: Database, asked: dict[str, Any], stop: asyncio.Event) -> None:
    while not await asyncio.to_thread(_all_sent, db, asked):
        await asyncio.sleep(0.02)
    stop.set()


def _all_sent(db: Database, asked: dict[str, Any]) -> bool:
    mine = (
        select(Outbox.sent_at)
        .join(Handoff, Handoff.id == Outbox.handoff_id)
        .where(Handoff.conversation_id == asked["conversation"])
    )
    with db.read() as session:
        sent = session.execute(mine).scalars().all()
    return len(sent) >= asked["notices"] and all(at is not None for at in sent)


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[2])
    main()
