"""Reports on a real PostgreSQL say what they say on SQLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.content import load_clinics
from bot.store import reports
from bot.store import session as store
from bot.store.reports import Period
from bot.web.inbox import report_view
from tests.support.database import CLINIC, HandClock, sqlite_database
from tests.support.postgres import empty_database, server
from tests.support.year import FIRST, Year, fill

__all__ = ["server"]
ABOUT = report_view.about(load_clinics()["demo"])


@pytest.mark.parametrize("period", [Period(), Period(FIRST, FIRST.replace(month=6))], ids=["always", "some"])
def test_both_databases_give_the_same_report(server: Any, tmp_path: Path, period: Period) -> None:
    clock, made = HandClock(), []
    with empty_database(server, f"reports{'some' if period.since else ''}") as url:
        store.upgrade(url)
        postgres = store.connect(url, clock)
        for db in (postgres, sqlite_database(tmp_path, clock)):
            fill(db, Year(people=250))
            fill(db, Year(people=50, clinic="portal", seed=2, prefix="q"))
            for bound in (db, db.of(CLINIC)):
                with bound.read() as session:
                    made.append(reports.report(session, ABOUT, period))
                    quarters = reports.known_quarters(session, ABOUT)
            assert [quarter.name for quarter in quarters][-1] == "2029-Q1"
            db.close()
    assert made[0] == made[1] == made[2] == made[3]
    assert made[0]["escalations"]["total"] and made[0]["adoption"]["started"]
