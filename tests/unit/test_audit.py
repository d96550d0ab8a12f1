"""The audit: what is recorded when transactions end in all the ways they can, and that tampering is found."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from bot.store import audit, audit_check
from bot.store.audit_check import (
    ADDED,
    CHANGED,
    CUT,
    MISSING,
    ORDER,
    TWICE,
    UNEXPECTED,
    Fault,
    check,
    clinics,
)
from bot.store.models import Audit, AuditHead
from bot.store.session import Database, DatabaseUnavailable, downgrade, upgrade
from tests.support.database import CLINIC, HandClock, add_person


def act(session: Session, name: str, clinic: str = CLINIC) -> None:
    audit.record(session, clinic=clinic, actor=audit.SYSTEM, act=name, subject="s")


def recorded(db: Database, clinic: str = CLINIC) -> list[str]:
    with db.read() as session:
        return list(session.execute(select(Audit.act).where(Audit.clinic == clinic).order_by(Audit.seq)).scalars())


# When a row is there, and when it is not


def test_each_transaction_of_a_session_keeps_its_rows(db: Database) -> None:
    with db.sessions() as session:
        for name in ("a.one", "a.two", "a.three"):
            with session.begin():
                act(session, name)
    assert recorded(db) == ["a.one", "a.two", "a.three"]


def test_another_session_between_two_transactions_of_one_breaks_nothing(db: Database) -> None:
    with db.sessions() as session:
        with session.begin():
            act(session, "a.one")
        with db.begin() as other:
            act(other, "b.one")
        with session.begin():
            act(session, "a.two")
    assert recorded(db) == ["a.one", "b.one", "a.two"]


def test_what_was_rolled_back_is_not_recorded_by_the_next_transaction(db: Database) -> None:
    with db.sessions() as session:
        with pytest.raises(ValueError), session.begin():
            act(session, "a.undone")
            raise ValueError
        with session.begin():
            act(session, "a.done")
        session.begin()
        act(session, "a.closed")
        session.close()
        with session.begin():
            act(session, "a.last")
    assert recorded(db) == ["a.done", "a.last"]


def test_savepoints_keep_what_they_keep_and_nothing_else(db: Database) -> None:
    with db.begin() as session:
        act(session, "outer.before")
        with session.begin_nested():
            act(session, "kept")
            with session.begin_nested():
                act(session, "kept.inner")
        with pytest.raises(ValueError), session.begin_nested():
            act(session, "undone")
            with session.begin_nested():
                act(session, "undone.inner")
            raise ValueError
        act(session, "outer.after")
    assert recorded(db) == ["outer.before", "kept", "kept.inner", "outer.after"]


def test_a_savepoint_that_nobody_released_is_kept_with_its_transaction(db: Database) -> None:
    with db.begin() as session:
        session.begin_nested()
        act(session, "left.open")
    assert recorded(db) == ["left.open"]
    with db.sessions() as session:
        session.begin()
        session.begin_nested()
        act(session, "left.open.too")
        session.commit()
    assert recorded(db) == ["left.open", "left.open.too"]


def test_a_reading_session_refuses_at_once(db: Database) -> None:
    with pytest.raises(RuntimeError, match="writing"), db.read() as session:
        act(session, "a.one")
    assert recorded(db) == []


@pytest.mark.parametrize("odd", ["nul \0", "half \ud83d", "\U0001f600", "é"])
def test_any_text_is_hashed_as_it_is_kept(db: Database, odd: str) -> None:
    with db.begin() as session:
        details = {odd: [odd, 1.5, None, float("nan")]}
        audit.record(session, clinic=odd, actor=odd, act=odd, subject=odd, details=details)
    with db.read() as session:
        row = session.execute(select(Audit)).scalar_one()
        made = audit.row_hash("", row.clinic, row.seq, row.at, row.actor, row.act, row.subject, row.details)
        assert made == row.hash
        assert session.execute(select(AuditHead.hash)).scalar_one() == made


def test_rows_of_several_clinics_are_written_in_one_order(db: Database) -> None:
    with db.begin() as session:
        for clinic in ("b", "a", "b"):
            act(session, f"to.{clinic}", clinic)
    with db.read() as session:
        found = session.execute(select(Audit.clinic, Audit.seq).order_by(Audit.id)).all()
    assert [tuple(row) for row in found] == [("a", 1), ("b", 1), ("b", 2)]


def test_what_a_person_looked_at_is_one_row(db: Database) -> None:
    person = add_person(db, "lee")
    with db.begin() as session:
        audit.viewed(session, person, "inbox.queue", ["i1", "i2"], page=1)
        audit.viewed(session, person, "report.viewed")
        audit.viewed(session, person, "handoff.printed", ["i1"])
    with db.read() as session:
        rows = session.execute(select(Audit).order_by(Audit.seq)).scalars().all()
    assert [(row.actor, row.subject, row.details) for row in rows] == [
        (person.id, CLINIC, {"items": ["i1", "i2"], "page": 1}),
        (person.id, CLINIC, {}),
        (person.id, "i1", {}),
    ]


# Tampering, by somebody who has the database itself


def written(db: Database, clinic: str = CLINIC, count: int = 6) -> str:
    """A clinic with so many rows; gives the hash of the last."""
    for number in range(count):
        with db.begin() as session:
            audit.record(
                session, clinic=clinic, actor="p", act="a.b", subject=f"s{number}", details={"n": number, "t": "=1"}
            )
    return check(db, clinic).hash


def tamper(db: Database, *statements: str) -> None:
    """Changes the audit as its database's owner could: with the rules taken away."""
    with db.engine.begin() as connection:
        if db.engine.dialect.name == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER audit_append_only"))
            connection.execute(text("ALTER TABLE audit DROP CONSTRAINT uq_audit_clinic_seq"))
        else:
            connection.execute(text("DROP TRIGGER audit_no_update"))
            connection.execute(text("DROP TRIGGER audit_no_delete"))
        for statement in statements:
            connection.execute(text(statement))


def fault(db: Database, clinic: str = CLINIC, **more: Any) -> tuple[str, int] | None:
    found = check(db, clinic, **more).fault
    return (found.what, found.seq) if found is not None else None


def test_a_whole_chain_is_whole(db: Database) -> None:
    last = written(db)
    written(db, "other", 2)
    assert fault(db) is None and fault(db, "other") is None and fault(db, "never heard of") is None
    found = check(db, CLINIC)
    assert (found.rows, found.since, found.seq, found.hash) == (6, 1, 6, last)
    with db.read() as session:
        assert clinics(session) == [CLINIC, "other"]


@pytest.mark.parametrize("column", ["actor", "act", "subject", "details", "at", "hash"])
def test_one_changed_cell_is_found(db: Database, column: str) -> None:
    written(db)
    values = {"at": "'2029-01-01 00:00:00.000000'", "details": '\'{"n": 3, "t": "2"}\''}
    tamper(db, f"UPDATE audit SET {column} = {values.get(column, chr(39) + 'x' + chr(39))} WHERE seq = 4")
    assert fault(db) == (CHANGED, 4)


# What was after a row that is gone takes its number.
SHIFT = [f"UPDATE audit SET seq = {number} WHERE seq = {number + 1}" for number in (3, 4, 5)]


@pytest.mark.parametrize(
    ("statements", "wrong"),
    [
        (["DELETE FROM audit WHERE seq = 3"], (MISSING, 3)),
        (["DELETE FROM audit WHERE seq = 1"], (MISSING, 1)),
        (["DELETE FROM audit WHERE seq > 4"], (CUT, 5)),
        (["DELETE FROM audit"], (CUT, 1)),
        (["UPDATE audit SET clinic = 'other' WHERE seq = 3"], (MISSING, 3)),
        (["DELETE FROM audit WHERE seq = 3", *SHIFT], (CHANGED, 3)),
        (["DELETE FROM audit_head"], (ADDED, 1)),
        (["UPDATE audit_head SET seq = 4"], (ADDED, 5)),
        (["UPDATE audit_head SET hash = 'x'"], (CHANGED, 6)),
        (["UPDATE audit SET seq = -seq WHERE seq = 2"], (TWICE, -2)),
    ],
)
def test_rows_that_are_gone_moved_or_added_are_found(
    db: Database, statements: list[str], wrong: tuple[str, int]
) -> None:
    written(db)
    tamper(db, *statements)
    assert fault(db) == wrong


def test_rows_that_changed_places_are_found(db: Database) -> None:
    written(db)
    moves = [(2, -2), (5, 2), (-2, 5)]
    tamper(db, *[f"UPDATE audit SET seq = {after} WHERE seq = {before}" for before, after in moves])
    assert fault(db) == (ORDER, 2)


@pytest.mark.parametrize(("seq", "wrong"), [(4, (ORDER, 4)), (7, (CHANGED, 7))])
def test_a_row_that_was_put_in_is_found(db: Database, seq: int, wrong: tuple[str, int]) -> None:
    written(db)
    columns = "clinic, actor, act, subject, details, at, hash"
    put_in = f"INSERT INTO audit (seq, {columns}) SELECT {seq}, {columns} FROM audit WHERE seq = 5"
    tamper(db, f"DELETE FROM audit WHERE seq = {seq}", put_in)
    assert fault(db) == wrong


def test_a_row_past_the_end_is_found_though_its_hash_is_right(db: Database, clock: HandClock) -> None:
    last = written(db)
    made = audit.row_hash(last, CLINIC, 7, clock(), "p", "a.b", "s", {})
    tamper(db)
    with db.begin() as session:
        session.add(
            Audit(at=clock(), clinic=CLINIC, actor="p", act="a.b", subject="s", details={}, seq=7, hash=made)
        )
    assert fault(db) == (ADDED, 7)


def test_a_rewritten_chain_is_found_with_a_hash_that_was_kept_elsewhere(db: Database) -> None:
    kept = written(db)
    with db.begin() as session:
        act(session, "later")
    assert fault(db, expect=kept) is None, "the chain may have grown since"
    at = check(db, CLINIC).seq
    rewritten = []
    with db.read() as session:
        before = ""
        for row in session.execute(select(Audit).order_by(Audit.seq)).scalars():
            actor = "nobody" if row.seq == 2 else row.actor
            before = audit.row_hash(before, row.clinic, row.seq, row.at, actor, row.act, row.subject, row.details)
            rewritten.append(f"UPDATE audit SET actor = '{actor}', hash = '{before}' WHERE seq = {row.seq}")
    tamper(db, *rewritten, f"UPDATE audit_head SET hash = '{before}'")
    assert fault(db) is None, "nothing in the database itself can tell"
    assert fault(db, expect=kept) == (UNEXPECTED, at)


def test_the_newest_rows_alone_can_be_checked(db: Database) -> None:
    last = written(db)
    found = check(db, CLINIC, newest=2)
    assert (found.rows, found.since, found.seq, found.hash, found.fault) == (2, 5, 6, last, None)
    assert check(db, CLINIC, newest=100).rows == 6
    tamper(db, "UPDATE audit SET actor = 'x' WHERE seq = 2")
    assert fault(db, newest=3) is None and fault(db) == (CHANGED, 2)
    with db.engine.begin() as connection:
        connection.execute(text("DELETE FROM audit WHERE seq = 3"))
    assert fault(db, newest=3) == (MISSING, 3)


def test_rows_are_read_in_pieces_and_rows_that_come_meanwhile_too(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(db, count=7)
    monkeypatch.setattr(audit_check, "PIECE", 3)
    assert [line.seq for line in audit_check.lines(db, CLINIC)] == list(range(1, 8))
    pieces = iter(range(4))
    real = audit_check._head

    def head(session: Any, clinic: str) -> tuple[int, str]:
        if next(pieces, 9) < 2:
            written_meanwhile()
        return real(session, clinic)

    def written_meanwhile() -> None:
        with db.begin() as session:
            act(session, "meanwhile")

    monkeypatch.setattr(audit_check, "_head", head)
    found = check(db, CLINIC)
    assert found.fault is None and found.rows == 9


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_itself_refuses_to_change_the_audit(db: Database, statement: str) -> None:
    written(db)
    with pytest.raises((DBAPIError, DatabaseUnavailable), match="append only"), db.begin() as session:
        session.execute(text(statement))
    assert fault(db) is None


def test_taking_the_schema_back_and_forth_keeps_every_hash(db: Database) -> None:
    last = written(db)
    url = db.engine.url.render_as_string(hide_password=False)
    downgrade(url, "0004")
    upgrade(url)
    assert (fault(db), check(db, CLINIC).hash) == (None, last)
    with pytest.raises((DBAPIError, DatabaseUnavailable), match="append only"), db.begin() as session:
        session.execute(text("DELETE FROM audit"))
    written(db, count=1)
    assert fault(db, expect=last) is None and check(db, CLINIC).rows == 7


# Files


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_export_is_checked_without_the_database(db: Database, tmp_path: Path, form: str) -> None:
    last = written(db)
    path = tmp_path / "audit"

    def export(first: int, until: int) -> None:
        with path.open("w", encoding="utf-8", newline="") as stream:
            stream.writelines(audit_check.exported(db, CLINIC, first, until, form))

    export(1, 6)
    (found,) = audit_check.check_file(path)
    assert (found.clinic, found.rows, found.seq, found.hash, found.fault) == (CLINIC, 6, 6, last, None)
    assert audit_check.check_file(path, expect="0" * 64)[0].fault == Fault(UNEXPECTED, 6)
    export(3, 5)
    (found,) = audit_check.check_file(path)
    assert (found.rows, found.since, found.seq, found.fault) == (3, 3, 5, None)
    export(1, 6)
    whole = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = len(whole) - 6
    for change, wrong in (
        (lambda rows: rows[: start + 2] + rows[start + 3 :], Fault(MISSING, 3)),
        (lambda rows: [row.replace("s3", "s9") for row in rows], Fault(CHANGED, 4)),
        (lambda rows: [*rows[:start], rows[start + 1], rows[start], *rows[start + 2 :]], Fault(TWICE, 1)),
    ):
        path.write_text("".join(change(whole)), encoding="utf-8")
        assert audit_check.check_file(path)[0].fault == wrong


@pytest.mark.parametrize("content", ["", "clinic,seq\n", "a\nb\n", '{"clinic": "demo"}\n', "[]\n", "{\n", '{}\n{'])
def test_a_file_that_is_no_export_is_said_to_be_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / "file"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(audit_check.NotAnExport):
        audit_check.check_file(path)


def test_no_cell_of_a_table_is_a_formula(db: Database) -> None:
    with db.begin() as session:
        audit.record(session, clinic=CLINIC, actor="=1+1", act="@x", subject="'quoted", details={})
    text = "".join(audit_check.exported(db, CLINIC, 1, 1, "csv"))
    (row,) = list(csv.DictReader(io.StringIO(text)))
    assert (row["actor"], row["act"], row["subject"]) == ("'=1+1", "'@x", "''quoted")


def test_a_period_is_every_row_between_its_first_and_its_last(db: Database, clock: HandClock) -> None:
    for _ in range(4):
        with db.begin() as session:
            act(session, "a.b")
        clock.move(days=1)
    start = clock() - timedelta(days=4)
    with db.read() as session:
        span = partial(audit_check.span, session, CLINIC)
        assert span(None, None) == (1, 4)
        assert span(start + timedelta(days=1), start + timedelta(days=3)) == (2, 3)
        assert span(start + timedelta(days=9), None) == (1, 0)
