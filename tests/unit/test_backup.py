"""What a backup refuses to be made of, what a restore refuses to touch, and what is left lying about: nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from typer.testing import CliRunner

from bot import cli
from bot.handoff.worker import heartbeat_name
from bot.operate import restore, state
from bot.operate.backup import MANIFEST, NotABackup, back_up, backups, read_manifest
from bot.operate.databases import CannotCopy, same
from bot.operate.erasures import NotAnExport, from_export
from bot.store import audit_check, outbox
from tests.support.answering import answering
from tests.support.operating import Installation, installed, populate


@pytest.fixture
def full(tmp_path: Path) -> Installation:
    return populate(empty(tmp_path / "full"))


def empty(folder: Path, **more: Any) -> Installation:
    folder.mkdir()
    return installed(folder, f"sqlite:///{folder}/pne.db", f"sqlite:///{folder}/tracker.db", **more)


@pytest.fixture
def made(full: Installation, tmp_path: Path) -> Path:
    return back_up(full.settings, tmp_path / "backups")


def refused(target: Installation, made: Path, match: str, kind: Any = restore.Refused, **more: Any) -> None:
    """Nothing of the target is touched."""
    before = target.rows()
    with pytest.raises(kind, match=match):
        restore.restore(target.settings, made, **more)
    assert target.rows() == before


# Making one


def test_the_newest_so_many_stay_and_nothing_else_is_touched(full: Installation, tmp_path: Path) -> None:
    folder, start = tmp_path / "backups", datetime(2030, 1, 2, tzinfo=timezone.utc)
    folder.mkdir()
    (folder / "pne-20290101T000000Z").mkdir()  # looks like one, and is none
    (folder / "notes").mkdir()
    for day in range(4):
        back_up(full.settings, folder, keep=2, clock=lambda day=day: start + timedelta(days=day))
    assert [path.name for path in backups(folder)] == ["pne-20300104T000000Z", "pne-20300105T000000Z"]
    assert {path.name for path in folder.iterdir()} >= {"pne-20290101T000000Z", "notes"}
    assert len(list(folder.iterdir())) == 4


def test_what_fails_half_way_leaves_nothing_and_takes_no_older_one(full: Installation, made: Path) -> None:
    path = Path(full.settings.database_url.removeprefix("sqlite:///"))
    full.db.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as stream:
        stream.seek(4096 * 3)
        stream.write(b"\xff" * 4096 * 20)
    with pytest.raises(CannotCopy):
        back_up(full.settings, made.parent, keep=1, clock=lambda: datetime(2031, 1, 1, tzinfo=timezone.utc))
    assert list(made.parent.iterdir()) == [made]


def test_a_missing_database_is_no_empty_backup_but_dialogues_may_not_have_begun(tmp_path: Path) -> None:
    target = empty(tmp_path / "new")
    assert read_manifest(back_up(target.settings, tmp_path / "backups")).database("tracker").tables == {}
    missing = replace(target.settings, database_url=f"sqlite:///{tmp_path}/nowhere.db")
    with pytest.raises(CannotCopy, match="There is no database"):
        back_up(missing, tmp_path / "others")


def test_addresses_of_one_database_are_known_as_one() -> None:
    assert same("postgresql://a:b@h/n", "postgresql+psycopg2://c@h/n")
    assert not same("postgresql://h/n", "postgresql://h/m") and not same("sqlite:////a", "sqlite:////b")


# What is looked at before anything is touched


def test_a_changed_or_cut_file_is_refused(made: Path, tmp_path: Path) -> None:
    target = empty(tmp_path / "target")
    path = made / "main.db"
    whole = path.read_bytes()
    for broken in (whole[:-1], whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:], b""):
        path.write_bytes(broken)
        assert broken != whole
        refused(target, made, "not what was written", NotABackup)
    path.unlink()
    refused(target, made, "missing", NotABackup)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"databases": []},
        {"databases": [{"holds": ["main"]}]},
        {"began_at": None, "more": 1},
    ],
    ids=str,
)
def test_a_manifest_that_says_something_else_is_refused(made: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    manifest = json.loads((made / MANIFEST).read_text())
    (made / MANIFEST).write_text(json.dumps({**manifest, **change}))
    refused(empty(tmp_path / "target"), made, str(made), NotABackup)


def test_a_manifest_cannot_reach_out_of_its_folder(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "main.db", made.parent / "main.db")
    manifest = json.loads((made / MANIFEST).read_text())
    next(one for one in manifest["databases"] if "main" in one["holds"])["file"] = "../main.db"
    (made / MANIFEST).write_text(json.dumps(manifest))
    refused(empty(tmp_path / "target"), made, "missing", NotABackup)


def test_the_folder_above_names_the_backups_in_it(made: Path, tmp_path: Path) -> None:
    refused(empty(tmp_path / "target"), made.parent, made.name, NotABackup)


def test_a_backup_of_a_newer_version_or_of_another_kind_is_refused(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = empty(tmp_path / "target")
    monkeypatch.setattr(state, "newest_revision", lambda: "0001")
    refused(target, made, "newer version")
    monkeypatch.undo()
    for settings in (
        replace(target.settings, database_url="postgresql://127.0.0.1:1/x"),
        replace(target.settings, tracker_url=target.settings.database_url),
    ):
        with pytest.raises(restore.Refused):
            restore.restore(settings, made)


def test_a_target_at_work_is_refused(made: Path, tmp_path: Path) -> None:
    target = empty(tmp_path / "target")
    with target.db.begin() as session:
        outbox.beat(session, heartbeat_name("email"))
    refused(target, made, "a moment ago")
    with answering({"/healthz": (200, {})}) as port:
        target.settings = replace(target.settings, port=port)
        refused(target, made, "web app answers", force=True)
    target.settings = replace(target.settings, port=1)
    restore.restore(target.settings, made, force=True)


def test_a_file_that_is_no_export_is_refused(made: Path, tmp_path: Path) -> None:
    export = tmp_path / "audit.csv"
    export.write_text("clinic,seq\ndemo,1\n")
    refused(empty(tmp_path / "target"), made, "line 1", NotAnExport, exports=[export])


def test_only_erasures_since_are_taken_from_an_export(full: Installation, tmp_path: Path) -> None:
    rows = [
        {"act": "conversation.erased", "at": "2030-01-01T00:00:00+00:00", "subject": "old", "actor": "patient"},
        {"act": "conversation.erased", "at": "2030-01-03T00:00:00Z", "subject": "new", "actor": "system"},
        {"act": "handoff.seen", "at": "2030-01-03T00:00:00+00:00", "subject": "other", "actor": "x", "details": {}},
        {"act": "message.erased", "at": "2030-01-04T00:00:00+00:00", "subject": "one", "actor": "patient",
         "details": {"seq": 7}},
    ]  # fmt: skip
    path = tmp_path / "audit.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = from_export(path, datetime(2030, 1, 2, tzinfo=timezone.utc))
    assert [(one.conversation, one.seq, one.actor) for one in found] == [("new", None, "system"), ("one", 7, "patient")]


# What stands in the way


def test_a_database_that_cannot_be_read_is_replaced_by_force_and_kept(made: Path, tmp_path: Path) -> None:
    target = empty(tmp_path / "target")
    target.db.close()
    path = tmp_path / "target" / "pne.db"
    for log in ("-wal", "-shm"):
        path.with_name(path.name + log).unlink(missing_ok=True)
    path.write_bytes(b"no database at all" * 1000)
    with pytest.raises(restore.Refused, match="damaged"):
        restore.restore(target.settings, made)
    said: list[str] = []
    found = restore.restore(target.settings, made, force=True, say=said.append)
    assert any("cannot be read" in line for line in said)
    assert [old.read_bytes()[:2] for old in found.aside if old.name.startswith("pne.db.")] == [b"no"]
    assert state.read_vitals(target.db).revision == state.newest_revision()
    assert path.stat().st_mode & 0o777 == 0o600


def test_an_audit_that_was_broken_already_is_said(full: Installation, tmp_path: Path) -> None:
    with full.db.begin() as session:
        session.execute(text("DROP TRIGGER audit_no_update"))
        session.execute(text("UPDATE audit SET act = 'nothing' WHERE clinic = 'demo'"))
    made = back_up(full.settings, tmp_path / "backups")
    found = restore.restore(empty(tmp_path / "target").settings, made)
    assert {one.clinic: one.fault and one.fault.what for one in found.audits} == {
        "demo": audit_check.CHANGED, "portal": None,
    }  # fmt: skip


# The commands


@pytest.fixture
def run(full: Installation, monkeypatch: pytest.MonkeyPatch) -> Any:
    def invoke(*arguments: str, target: Installation = full) -> Any:
        monkeypatch.setattr("bot.cli_operate.read_settings", lambda: target.settings)
        return CliRunner().invoke(cli.app, list(arguments))

    return invoke


def test_the_commands_make_one_put_it_back_and_end_with_the_right_code(
    run: Any, full: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    assert run("backup", str(folder), "--keep", "3").exit_code == 0
    (made,) = backups(folder)
    assert state.BACKUP in state.read_vitals(full.db).beats
    assert run("restore", str(made)).exit_code == 1, "there is data"
    target = empty(tmp_path / "target")
    done = run("restore", str(made), target=target)
    assert done.exit_code == 0 and "Audit of demo: intact" in done.output
    assert len(target.rows()["conversation"]) == len(full.rows()["conversation"]) > 0
    assert run("restore", str(tmp_path / "nothing"), target=target).exit_code == 1


def test_a_backup_by_another_program_is_only_noted(run: Any, full: Installation, tmp_path: Path) -> None:
    assert run("backup", str(tmp_path / "none"), "--noted").exit_code == 0
    assert state.BACKUP in state.read_vitals(full.db).beats and not (tmp_path / "none").exists()


def test_nothing_that_is_loaded_is_left_when_only_help_is_asked_for() -> None:
    """`pne --help` stays quick: the drivers come with the work."""
    code = "import bot.cli, sys; print(sorted({'psycopg2', 'rasa', 'onnxruntime'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
