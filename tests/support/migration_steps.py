"""Forward and back through every revision with rows in the tables: the same tests on SQLite and on PostgreSQL.

A test module that imports them has a fixture `url`: the address of an empty database.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from bot.operate import state
from bot.store import audit, audit_check
from bot.store.session import Database, connect, downgrade, upgrade
from tests.support.migrating import CLINICS, LIFE, REVISIONS, Rows, fill, rows, shared, sound

HEAD = REVISIONS[-1]
# What a state is called after the way back.
BACK = {
    "raised": "waiting", "delivered": "waiting", "seen": "waiting", "claimed": "claimed", "in_conversation": "claimed",
    "returned": "returned", "resolved": "closed", "withdrawn": "closed",
}  # fmt: skip


def passes_life(revision: str) -> bool:
    """Whether the way between this revision and the newest one passes the change of the handoffs' life."""
    return revision < LIFE


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_row_of_any_version_survives_the_way_to_the_newest(url: str, revision: str) -> None:
    upgrade(url, revision)
    fill(url, revision)
    before = rows(url)
    assert all(found for table, found in before.items() if table not in ("audit", "audit_head")), "a row in every table"
    upgrade(url)
    after = rows(url)
    assert sound(url)
    lost = ["clinician_session", "handoff.status"] if passes_life(revision) else []
    old, new = shared(before, after, lost)
    assert old == new and "event" in old and "handoff" in old
    if passes_life(revision):
        assert after["clinician_session"] == [], "sign-ins are made anew"
        # Both clinics' items of the old "waiting" were sent and seen in these rows.
        assert {row["status"] for row in after["handoff"]} == {"seen", "claimed", "resolved"}
    db = connect(url)
    try:
        for clinic in CLINICS:
            assert audit_check.check(db, clinic).fault is None
        assert state.read_figures(db).vitals.revision == HEAD
        _goes_on(db)
    finally:
        db.close()


def test_step_by_step_back_and_forth_keeps_what_the_older_tables_can_hold(url: str) -> None:
    upgrade(url)
    fill(url, HEAD)
    db = connect(url)
    with db.begin() as session:
        for clinic in CLINICS:
            for act in ("handoff.raised", "handoff.seen"):
                audit.record(session, clinic=clinic, actor="system", act=act, subject="s", details={"odd": "ż"})
    heads = {clinic: audit_check.check(db, clinic).hash for clinic in CLINICS}
    db.close()
    first: Rows | None = None
    for revision in [*reversed(REVISIONS[:-1])]:
        before = rows(url)
        downgrade(url, revision)
        after = rows(url)
        assert sound(url)
        crossing = revision < LIFE <= _next(revision)
        old, new = shared(before, after, ["handoff.status"] if crossing else [])
        assert old == new
        if crossing:
            was = {row["id"]: row["status"] for row in before["handoff"]}
            assert {row["id"]: row["status"] for row in after["handoff"]} == {
                key: BACK[status] for key, status in was.items()
            }
        first = after
    assert first is not None and first["event"] and first["handoff"] and first["audit"]
    upgrade(url)
    again = rows(url)
    old, new = shared(first, again, ["clinician_session", "handoff.status"])
    assert old == new and sound(url)
    db = connect(url)
    try:
        assert {clinic: audit_check.check(db, clinic).hash for clinic in CLINICS} == heads, "the same chain"
        _goes_on(db)
    finally:
        db.close()
    downgrade(url, "base")
    assert set(rows(url)) <= {"alembic_version"}


def _next(revision: str) -> str:
    return REVISIONS[REVISIONS.index(revision) + 1]


def _goes_on(db: Database) -> None:
    """Rows can be added, with numbers that were not used yet; the audit refuses changes."""
    with db.begin() as session:
        audit.record(session, clinic=CLINICS[0], actor="system", act="handoff.seen", subject="s")
    assert audit_check.check(db, CLINICS[0]).fault is None
    changed: Any = pytest.raises(Exception, match="append only")
    with changed, db.begin() as session:
        session.execute(text("UPDATE audit SET act = 'x'"))
