"""The auditor's page: what it shows, to whom, and that everything that is recorded has its words."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

import bot
from bot.cli import app as command
from bot.store import audit, audit_check
from bot.store.models import Audit
from bot.store.session import Database
from bot.web.inbox import audit as page
from tests.support import inbox
from tests.support.database import CLINIC, HandClock, add_person, new_conversation, raise_one
from tests.support.inbox import OTHER_CLINIC, WORDS, hidden

quick, services = inbox.quick, inbox.services
open_page, at_inbox = inbox.open_page, inbox.at_inbox
PAGE = "/inbox/audit"


def act(db: Database, name: str = "a.b", subject: str = "s", actor: str = audit.SYSTEM, **details: Any) -> None:
    with db.begin() as session:
        audit.record(session, clinic=CLINIC, actor=actor, act=name, subject=subject, details=details)


def shown(body: str) -> list[int]:
    return [int(seq) for seq in re.findall(r'data-seq="(\d+)"', body)]


def recorded(db: Database, what: str) -> list[dict[str, Any]]:
    with db.read() as session:
        return [row.details for row in session.execute(select(Audit).where(Audit.act == what)).scalars()]


# The page


@pytest.mark.parametrize("role", ["clinician", "triage", "admin"])
def test_only_auditors_see_it(at_inbox: Any, role: str) -> None:
    browser = at_inbox("lee", role=role)
    assert browser.get(PAGE).status_code == browser.get(f"{PAGE}/download").status_code == 403


def test_rows_have_names_and_plain_words_and_no_words_of_patients(at_inbox: Any, db: Database) -> None:
    person = add_person(db, "sam")
    item = raise_one(db, new_conversation(db), words="my own words")
    act(db, "handoff.seen", item.handoff_id, person.id)
    act(db, "never.heard_of", person.id, to=person.id)
    body = at_inbox("ann", role="auditor").get(PAGE).text
    assert "Dr sam" in body and person.id not in re.sub(r'value="[^"]*"', "", body)
    assert WORDS.texts["audit_act_handoff.seen"] in body and "never.heard_of" in body
    assert "my own words" not in body


def test_each_filter_and_all_of_them(at_inbox: Any, db: Database, clock: HandClock) -> None:
    first, second = add_person(db, "sam"), add_person(db, "kim")
    act(db, "handoff.seen", "i1", first.id)
    act(db, "handoff.claimed", "i1", second.id)
    clock.move(days=1)
    act(db, "handoff.seen", "i2", second.id)
    browser = at_inbox("ann", role="auditor")

    def rows(query: str) -> list[int]:
        answer = browser.get(f"{PAGE}?{query}")
        assert answer.status_code == 200
        return [seq for seq in shown(answer.text) if seq <= 3]

    assert rows("") == [3, 2, 1]
    assert rows(f"person={first.id}") == [1]
    assert rows("act=handoff.seen") == [3, 1]
    assert rows("item=i1") == [2, 1]
    assert rows("day=2030-01-02") == [2, 1] and rows("day=2030-01-03") == [3]
    assert rows(f"person={second.id}&act=handoff.seen&item=i2&day=2030-01-03") == [3]
    assert rows("person=nobody") == [] and rows("item=%00%25") == []


def test_a_day_is_one_of_the_clinics_own(at_inbox: Any, db: Database, clock: HandClock) -> None:
    clock.move(hours=20)  # 23:04 in the universal time of the second of January, and the third in Paris
    act(db)
    browser = at_inbox("ann", role="auditor")
    assert shown(browser.get(f"{PAGE}?day=2030-01-03").text)[-1] == 1
    assert shown(browser.get(f"{PAGE}?day=2030-01-02").text) == []


@pytest.mark.parametrize("day", ["tomorrow", "2030-02-30", "9999-12-31", "0001-01-01"])
def test_a_day_that_is_none_gets_a_clear_answer(at_inbox: Any, day: str) -> None:
    browser = at_inbox("ann", role="auditor")
    answer = browser.get(f"{PAGE}?day={day}")
    assert answer.status_code == 422 and WORDS.texts["audit_bad_day"] in answer.text
    assert browser.get(f"{PAGE}/download?day={day}").headers["location"] == f"{PAGE}?day={day}"


def test_lists_that_an_item_was_on_are_found_with_it(at_inbox: Any, db: Database) -> None:
    person = add_person(db, "sam")
    item, other = (raise_one(db, new_conversation(db)).handoff_id for _ in range(2))
    with db.begin() as session:
        audit.viewed(session, person, "inbox.queue", [item, other])
        audit.viewed(session, person, "inbox.queue", [other, "x"])
    body = at_inbox("ann", role="auditor").get(f"{PAGE}?item={item}").text
    assert shown(body) == [3, 1]


def test_older_rows_are_pages_further_on(at_inbox: Any, db: Database) -> None:
    for _ in range(page.ROWS + 5):
        act(db)
    browser = at_inbox("ann", role="auditor")
    first = browser.get(f"{PAGE}?act=a.b").text
    assert shown(first) == list(range(page.ROWS + 5, 5, -1))
    older = re.search(r'id="older"[^>]*href="([^"]+)"', first)
    assert older is not None
    second = browser.get(older[1].replace("&amp;", "&")).text
    assert shown(second) == [5, 4, 3, 2, 1] and 'id="older"' not in second and 'id="newest"' in second


def test_looking_at_the_audit_is_in_the_audit(at_inbox: Any, db: Database) -> None:
    browser = at_inbox("ann", role="auditor")
    browser.get(f"{PAGE}?item=i1")
    assert recorded(db, page.VIEWED) == [{"item": "i1"}]


def test_the_audit_is_checked_and_a_broken_one_is_said_to_be_broken(at_inbox: Any, db: Database) -> None:
    act(db)
    act(db)
    browser = at_inbox("ann", role="auditor")
    csrf = {"csrf": hidden(browser.get(PAGE).text, "csrf")}
    whole = browser.post(f"{PAGE}/verify", data=csrf).text
    assert 'data-fault="' not in whole and WORDS.texts["audit_intact"] in whole
    assert audit_check.check(db, CLINIC, newest=1).fault is None
    with db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_no_update"))
        connection.execute(text("UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
    broken = browser.post(f"{PAGE}/verify", data=csrf).text
    assert 'data-fault="changed"' in broken
    assert [details.get("fault") for details in recorded(db, page.VERIFIED)] == [None, "changed"]
    assert browser.post(f"{PAGE}/verify", data={"csrf": "x"}).status_code == 403


def test_the_copy_is_the_clinics_own_and_can_be_checked(at_inbox: Any, db: Database, tmp_path: Path) -> None:
    act(db)
    with db.begin() as session:
        audit.record(session, clinic=OTHER_CLINIC, actor="x", act="other.act", subject="s")
    answer = at_inbox("ann", role="auditor").get(f"{PAGE}/download")
    assert answer.headers["content-disposition"] == f'attachment; filename="pain-tutor-{CLINIC}-audit.csv"'
    assert "other.act" not in answer.text
    assert {row["clinic"] for row in csv.DictReader(io.StringIO(answer.text))} == {CLINIC}
    path = tmp_path / "copy.csv"
    path.write_bytes(answer.content)
    assert audit_check.check_file(path)[0].fault is None
    assert recorded(db, page.EXPORTED)[0]["format"] == "csv"


def test_everything_that_is_recorded_has_its_words() -> None:
    folder = Path(bot.__file__).parent
    source = "\n".join(path.read_text(encoding="utf-8") for path in folder.rglob("*.py"))
    kinds = "handoff|clinician|clinic|inbox|report|audit|conversation|message|fact|safety"
    acts = set(re.findall(rf'"((?:{kinds})\.[a-z_]+)"', source)) - {"clinician.id", "conversation.id", "handoff.id"}
    acts |= {f"handoff.{step}" for step in re.findall(r'note_act\([^"]*"([a-z_]+)"', source)}
    assert {name for name in acts if f"audit_act_{name}" not in WORDS.texts} == set()
    for code in page.OTHERS:
        assert f"audit_by_{code}" in WORDS.texts
    faults = {"changed", "missing", "out_of_order", "twice", "cut_off", "added", "not_as_expected"}
    assert {f"audit_fault_{fault}" for fault in faults} <= set(WORDS.texts)


# The command


@pytest.fixture
def pne(db: Database, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("PNE_DATABASE_URL", str(db.engine.url))
    return lambda *arguments: CliRunner().invoke(command, ["audit", *arguments])


def test_the_command_says_intact_or_what_is_broken(pne: Any, db: Database) -> None:
    assert pne("verify").exit_code == 0
    for _ in range(3):
        act(db)
    kept = audit_check.check(db, CLINIC).hash
    said = pne("verify")
    assert said.exit_code == 0 and kept in said.output and " 3" in said.output
    assert pne("verify", CLINIC, "--expect", kept).exit_code == 0
    assert pne("verify", CLINIC, "--expect", "0" * 64).exit_code == 1
    assert pne("verify", CLINIC, "--expect", "short").exit_code == 1
    assert pne("verify", "--expect", kept).exit_code == 1
    assert pne("verify", "no-such-clinic").exit_code == 1
    with db.engine.begin() as connection:
        connection.execute(text("DROP TRIGGER audit_no_delete"))
        connection.execute(text("DELETE FROM audit WHERE seq = 2"))
    broken = pne("verify")
    assert broken.exit_code == 1 and "row 2 is missing" in broken.output


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_the_commands_copy_is_checked_by_the_command(pne: Any, db: Database, tmp_path: Path, form: str) -> None:
    for _ in range(3):
        act(db)
    path = tmp_path / "copy"
    assert pne("export", CLINIC, str(path), "--format", form).exit_code == 0
    assert path.stat().st_mode & 0o077 == 0
    assert pne("verify", "--file", str(path)).exit_code == 0
    path.write_text(path.read_text(encoding="utf-8").replace("a.b", "a.c", 1), encoding="utf-8")
    assert pne("verify", "--file", str(path)).exit_code == 1
    assert recorded(db, "audit.exported") == [{"format": form, "first": 1, "last": 3}]
    for wrong in (["no-such"], [CLINIC, "--since", "x"], [CLINIC, "--format", "pdf"], [CLINIC, str(tmp_path)]):
        assert pne("export", *wrong).exit_code == 1
    assert pne("verify", "--file", str(tmp_path / "none")).exit_code == 1
    assert pne("verify", "--file", __file__).exit_code == 1
