"""A backup and its return, on both databases: every row the same, made while others write, and nothing half-done.

What is checked before anything is touched, and what is kept of the old, is in tests/unit/test_backup.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, text

from bot.operate import databases, restore, state
from bot.operate.backup import MANIFEST, back_up, note, read_manifest
from bot.operate.databases import CannotCopy
from bot.store import audit_check, rights
from bot.store.conversations import conversation_with
from bot.store.handoffs import handoffs_in
from bot.store.models import Audit, Conversation, Event, Handoff
from bot.store.session import downgrade
from tests.support.database import CLINIC, new_conversation, raise_one
from tests.support.operating import Installation, installed, populate, raw_rows, say, written_to
from tests.support.postgres import empty_database, server

__all__ = ["server"]
# What a restore changes on purpose: everybody signs in again, and the audit says that it happened.
CHANGED = ("clinician_session", "sign_in_state", "audit", "audit_head")
NAMES = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes an empty installation, another one each time."""
    with fresh_on(request, request.param, tmp_path, monkeypatch) as made:
        yield made


@contextmanager
def fresh_on(
    request: pytest.FixtureRequest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[], Installation]]:
    opened: list[Any] = []
    found: list[Installation] = []
    if kind != "sqlite":
        running: Any = request.getfixturevalue("server")
        monkeypatch.setenv("PATH", str(programs(running)), prepend=":")

    def database() -> str:
        if kind == "sqlite":
            folder = tmp_path / f"database{next(NAMES)}"
            folder.mkdir()
            return f"sqlite:///{folder}/pne.db"
        context = empty_database(running, f"operate{next(NAMES)}")
        opened.append(context)
        return str(context.__enter__())

    def make() -> Installation:
        url = database()
        made = installed(tmp_path, url, url if kind.startswith("one") else database())
        found.append(made)
        return made

    try:
        yield make
    finally:
        for made in found:
            made.db.close()
        for context in reversed(opened):
            context.__exit__(None, None, None)


def programs(server: Any) -> Path:
    """PostgreSQL's own programs, of the version that the tests' server has."""
    return Path(f"/proc/{server.get_pid()}/exe").resolve().parent


def counts(rows: dict[str, list[str]]) -> dict[str, int]:
    return {name: len(found) for name, found in rows.items()}


@pytest.mark.parametrize("fresh", ["sqlite", "postgresql", "one postgresql"], indirect=True)
def test_every_row_comes_back_as_it_was(fresh: Any, tmp_path: Path) -> None:
    old, new = populate(fresh()), fresh()
    before = old.rows()
    assert all(before[name] for name in before), "a row in every table"
    made = back_up(old.settings, tmp_path / "backups")
    manifest = read_manifest(made)
    assert {name: number for one in manifest.databases for name, number in one.tables.items()} == counts(before)
    assert manifest.database("main").revision == state.newest_revision()
    assert (made.stat().st_mode & 0o777, {path.stat().st_mode & 0o777 for path in made.iterdir()}) == (0o700, {0o600})
    said: list[str] = []
    found = restore.restore(new.settings, made, say=said.append)
    after = new.rows()
    assert {name: rows for name, rows in after.items() if name not in CHANGED} == {
        name: rows for name, rows in before.items() if name not in CHANGED
    }
    assert not after["clinician_session"] and not after["sign_in_state"]
    assert set(before["audit"]) < set(after["audit"]) and len(after["audit"]) == len(before["audit"]) + 2
    assert [(one.clinic, one.fault) for one in found.audits] == [("demo", None), ("portal", None)]
    assert (found.left, found.aside) == ((), ())
    for clinic in ("demo", "portal"):
        assert audit_check.check(new.db, clinic).fault is None
    # It goes on working: the next numbers are free, the audit still refuses changes.
    conversation = new_conversation(new.db)
    say(new.db, conversation, "on", "key-on-with-it")
    raise_one(new.db, conversation)
    with pytest.raises(Exception, match="append only"), new.db.begin() as session:
        session.execute(text("DELETE FROM audit"))


def test_a_backup_taken_while_others_write_is_one_moment(fresh: Any, tmp_path: Path) -> None:
    old, new = populate(fresh()), fresh()
    with written_to(old) as count:
        while count[0] < 3:
            pass
        made = back_up(old.settings, tmp_path / "backups")
        during = count[0]
        while count[0] < during + 2:
            pass
    assert counts(old.rows())["conversation"] > read_manifest(made).database("main").tables["conversation"]
    found = restore.restore(new.settings, made)
    assert all(one.fault is None for one in found.audits)
    with new.db.read() as session:
        last = select(Event.conversation_id, func.max(Event.seq).label("last"), func.count().label("number"))
        events = {row[0]: (row.last, row.number) for row in session.execute(last.group_by(Event.conversation_id))}
        for conversation in session.execute(select(Conversation)).scalars():
            if not conversation.person_name:  # planted with numbers of its own
                number = events.get(conversation.id, (0, 0))
                assert number == (conversation.last_seq, conversation.last_seq)
        raised = session.execute(select(Audit.subject).where(Audit.act == "handoff.raised")).scalars().all()
        handoffs = session.execute(select(Handoff.id).where(Handoff.message_key == "key-4")).scalars().all()
    assert sorted(raised) == sorted(handoffs) and len(handoffs) >= 2


def test_an_older_backup_is_brought_to_the_newest_tables(fresh: Any, tmp_path: Path) -> None:
    old, new = populate(fresh()), fresh()
    downgrade(old.settings.database_url, "0005")
    made = back_up(old.settings, tmp_path / "backups")
    assert read_manifest(made).database("main").revision == "0005"
    restore.restore(new.settings, made)
    assert state.read_vitals(new.db).revision == state.newest_revision()
    assert counts(new.rows())["event"] == counts(old.rows())["event"] > 0


def test_data_that_is_there_is_replaced_only_by_force(fresh: Any, tmp_path: Path) -> None:
    old, new = populate(fresh()), populate(fresh())
    with new.db.begin() as session:
        session.execute(text("UPDATE conversation SET person_name = 'somebody else'"))
    made, before = back_up(old.settings, tmp_path / "backups"), new.rows()
    with pytest.raises(restore.Refused, match="--force"):
        restore.restore(new.settings, made)
    assert new.rows() == before
    found = restore.restore(new.settings, made, force=True)
    assert not any("somebody else" in row for row in new.rows()["conversation"])
    lite = new.settings.database_url.startswith("sqlite")
    assert bool(found.aside) is lite
    for path in found.aside:
        assert any("somebody else" in row for row in raw_rows(f"sqlite:///{path}").get("conversation", ())) or (
            "events" in raw_rows(f"sqlite:///{path}")
        )


@pytest.mark.parametrize("fresh", ["sqlite", "one postgresql"], indirect=True)
def test_what_was_erased_since_is_erased_again(fresh: Any, tmp_path: Path) -> None:
    old = fresh()
    whole, one, held = (new_conversation(old.db) for _ in range(3))
    for conversation in (whole, one, held):
        say(old.db, conversation, f"first zqxjk {conversation}", "key-first")
        say(old.db, conversation, f"second {conversation}", "key-second")
        old.dialogue(conversation, "key-first")
    raise_one(old.db, held, "key-first", words="zqxjk held")
    made = back_up(old.settings, tmp_path / "backups")
    tracker = old.settings.tracker_url
    with old.db.begin() as session:
        rights.erase(session, whole)
        key, words = rights.erase_message(session, one, 1, "erased")
        session.execute(text("UPDATE handoff SET status = 'resolved'"))
        session.flush()
        rights.erase(session, held)
    rights.erase_dialogue(tracker, whole)
    rights.erase_words(tracker, one, key, words)
    said: list[str] = []
    found = restore.restore(old.settings, made, force=True, say=said.append)
    assert "Erased again: 2" in said
    # The clinic has it open again: it is for a person to close, then to erase.
    assert [(erasure.conversation, erasure.seq) for erasure in found.left] == [(held, None)]
    with old.db.read() as session:
        assert rights.is_erased(conversation_with(session, whole)) and handoffs_in(session, held)
    rows = old.rows()
    assert not any(whole in row for row in rows["event"]) and not any(whole in row for row in rows["events"])
    assert [("zqxjk" in row, "second" in row) for row in rows["event"] if one in row and "key-" in row].count(
        (True, False)
    ) == 0
    assert sum(one in row and "second" in row for row in rows["event"]) == 1
    assert not any(one in row and '"text": "key-first"' in row for row in rows["events"])


def test_erasures_that_were_written_down_elsewhere_are_done_again(fresh: Any, tmp_path: Path) -> None:
    """The whole machine is lost, and the clinic has an export of its audit."""
    old, new = fresh(), fresh()
    conversation = new_conversation(old.db)
    say(old.db, conversation, "zqxjk", "key-first")
    made = back_up(old.settings, tmp_path / "backups")
    with old.db.begin() as session:
        rights.erase(session, conversation)
    export = tmp_path / "audit.jsonl"
    with export.open("w", encoding="utf-8") as stream:
        with old.db.read() as session:
            first, last = audit_check.span(session, CLINIC, None, None)
        stream.writelines(audit_check.exported(old.db, CLINIC, first, last, "jsonl"))
    restore.restore(new.settings, made, exports=[export])
    assert not any("zqxjk" in row for rows in new.rows().values() for row in rows)


def test_the_dialogue_of_what_was_erased_during_the_backup_goes(
    fresh: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The dialogues were copied before it was erased, the main database after it."""
    old, new = fresh(), fresh()
    conversation = new_conversation(old.db)
    say(old.db, conversation, "zqxjk", "key-first")
    old.dialogue(conversation, "zqxjk")
    real = databases.copy_out

    def erased_between(url: str, target: Path, **more: Any) -> Any:
        if url == old.settings.database_url:
            with old.db.begin() as session:
                rights.erase(session, conversation)
                rights.erase_dialogue(old.settings.tracker_url, conversation)
        return real(url, target, **more)

    monkeypatch.setattr("bot.operate.backup.copy_out", erased_between)
    made = back_up(old.settings, tmp_path / "backups")
    assert read_manifest(made).database("tracker").tables["events"] == 1
    restore.restore(new.settings, made)
    assert not any("zqxjk" in row for rows in new.rows().values() for row in rows)


def test_the_metrics_know_when_the_last_one_was_made(fresh: Any) -> None:
    made = fresh()
    assert state.BACKUP not in state.read_vitals(made.db).beats
    note(made.settings)
    assert 0 <= state.read_figures(made.db).vitals.beats[state.BACKUP] < timedelta(minutes=1).total_seconds()


@pytest.mark.parametrize("fresh", ["sqlite"], indirect=True)
def test_a_full_disk_leaves_no_half_backup(fresh: Any, tmp_path: Path) -> None:
    full = populate(fresh())
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)], capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        with pytest.raises((CannotCopy, OSError)):
            back_up(full.settings, small)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.fixture
def postgres(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with fresh_on(request, "postgresql", tmp_path, monkeypatch) as made:
        yield populate(made())


def test_without_postgresqls_programs_it_says_what_to_install(
    postgres: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotCopy, match=r"pg_dump is not on the PATH.*apt-get install postgresql-client"):
        back_up(postgres.settings, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_failing_program_is_named_without_what_it_quotes(
    postgres: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin"
    fake.mkdir()
    for name in ("pg_dump", "pg_restore"):
        program = fake / name
        said = "pg_dump: error: server version mismatch\nDETAIL: zqxjk"
        program.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake), prepend=":")
    with pytest.raises(CannotCopy, match="server version mismatch") as raised:
        back_up(postgres.settings, tmp_path / "backups")
    assert "zqxjk" not in str(raised.value)
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_damaged_dump_is_found_before_anything_is_touched(postgres: Installation, tmp_path: Path) -> None:
    made = back_up(postgres.settings, tmp_path / "backups")
    manifest = json.loads((made / MANIFEST).read_text())
    path = made / "main.dump"
    cut = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(cut)
    (stored,) = [one for one in manifest["databases"] if one["file"] == "main.dump"]
    stored |= {"size": len(cut), "sha256": hashlib.sha256(cut).hexdigest()}
    (made / MANIFEST).write_text(json.dumps(manifest))
    before = postgres.rows()
    with pytest.raises(CannotCopy, match="damaged"):
        restore.restore(postgres.settings, made, force=True)
    assert postgres.rows()["conversation"] == before["conversation"]


def test_a_database_in_use_is_left_alone(postgres: Installation, tmp_path: Path) -> None:
    made, before = back_up(postgres.settings, tmp_path / "backups"), postgres.rows()
    with postgres.db.engine.connect() as connection:
        connection.execute(text("SET idle_in_transaction_session_timeout = 0"))
        connection.execute(text("SELECT 1 FROM conversation"))
        with pytest.raises(CannotCopy, match="in use"):
            restore.restore(postgres.settings, made, force=True)
    assert postgres.rows()["conversation"] == before["conversation"]
