"""``pne doctor``: each thing that can be wrong is found, named, and said what to do about."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from bot import cli, screening
from bot.content import governance
from bot.operate import doctor, doctor_lines, state
from bot.operate.doctor import FAIL, OK, WARN, Finding, examine
from bot.settings import Settings
from bot.store import outbox
from bot.store.models import Clinician, Heartbeat
from bot.store.session import downgrade
from bot.web.people.second_factor import Box, Factor
from tests.support.answering import answering
from tests.support.database import add_person, new_conversation, raise_one
from tests.support.mailbox import serving
from tests.support.operating import Installation, installed
from tests.support.stack import free_port

NOBODY = "postgresql://127.0.0.1:1/x"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Installation]:
    made = installed(tmp_path, f"sqlite:///{tmp_path}/pne.db", f"sqlite:///{tmp_path}/tracker.db", port=free_port(),
                     rasa_port=free_port(), actions_port=free_port())  # fmt: skip
    yield made
    made.db.close()


def found(checks: Any, settings: Settings) -> dict[str, str]:
    """States by check; the gravest of several."""
    graver = {OK: 0, WARN: 1, FAIL: 2}
    states: dict[str, str] = {}
    for one in checks(settings):
        assert one.said and (one.state == OK or one.do), one
        states[one.check] = max(states.get(one.check, OK), one.state, key=graver.__getitem__)
    return states




# As a whole


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Models that can be loaded."""
    for name in ("model_path", "soft_path"):
        path = tmp_path / name
        path.touch()
        monkeypatch.setattr(doctor, name, lambda path=path: path)
    monkeypatch.setattr(screening, "sentence_encoder", lambda: object())
    monkeypatch.setattr(screening, "soft_layer", lambda: object())


def environment(here: Installation, **more: str) -> dict[str, str]:
    settings = here.settings
    return {
        "PNE_VAR": settings.var, "PNE_DATABASE_URL": settings.database_url, "PNE_TRACKER_URL": settings.tracker_url,
        "PNE_PORT": str(settings.port), "PNE_RASA_PORT": str(settings.rasa_port), "PNE_RASA_SECRET": "r" * 40,
        "PNE_SECRET_KEY": "k" * 40, "PNE_ACTIONS_PORT": str(settings.actions_port), **more,
    }  # fmt: skip


def test_a_new_installation_for_development_fails_nowhere(here: Installation, trained: None) -> None:
    made = examine(environment(here))
    assert [one for one in made if one.state == FAIL] == []
    assert {one.check for one in made} >= {
        "python", "libraries", "settings", "models", "content", "clinics", "production", "permissions", "disk", "clock",
        "fonts", "database", "secret key", "backup", "handoffs", "dialogues", "web", "rasa", "actions", "mail",
    }  # fmt: skip
    assert here.rows()["heartbeat"] == [], "looking changes nothing"


def test_a_wrong_setting_ends_it_with_its_name(here: Installation) -> None:
    *_, last = examine(environment(here, PNE_PORT="abc"))
    assert (last.check, last.state) == ("settings", FAIL) and "PNE_PORT" in last.said
    *_, last = examine(environment(here, PNE_SMTP_URL_FILE=str(here.settings.var) + "/nothing"))
    assert (last.check, last.state) == ("settings", FAIL) and "PNE_SMTP_URL_FILE" in last.said


def test_a_check_that_breaks_is_a_finding_and_stops_no_other(
    here: Installation, monkeypatch: pytest.MonkeyPatch, trained: None
) -> None:
    def breaks(_settings: Settings) -> Iterator[Finding]:
        raise RuntimeError("zqxjk")

    monkeypatch.setitem(doctor.HERE, "models", breaks)
    made = examine(environment(here))
    assert [(one.check, "zqxjk" in one.said) for one in made if one.state == FAIL] == [("models", False)]
    assert made[-1].check == "mail"


@pytest.mark.parametrize("state", [OK, WARN, FAIL])
def test_the_command_says_each_and_ends_with_one_on_a_fail(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    do = "do [this]" if state != OK else ""
    monkeypatch.setattr(doctor, "examine", lambda: [Finding("x", state, "said [so]", do)])
    lines = CliRunner().invoke(cli.app, ["doctor"])
    as_json = CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert lines.exit_code == as_json.exit_code == (1 if state == FAIL else 0)
    assert "said [so]" in lines.stdout and ("do [this]" in lines.stdout) is (state != OK)
    (row,) = json.loads(as_json.stdout)
    assert (row["check"], row["state"], row["said"]) == ("x", state, "said [so]")


# This machine


@pytest.mark.parametrize(("here", "state"), [((3, 9), FAIL), ((3, 10), WARN), ((3, 12), OK), ((3, 13), FAIL)])
def test_which_python_runs_it(here: tuple[int, int], state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (*here, 0))
    assert [one.state for one in doctor._python()] == [state]


def test_a_library_of_the_wrong_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.version
    monkeypatch.setattr(doctor, "version", lambda name: "1.10.2" if name == "rasa" else real(name))
    (one,) = doctor._libraries()
    assert one.state == FAIL and "rasa 1.10.2" in one.said


def test_models_that_are_missing_or_cannot_be_loaded(
    here: Installation, monkeypatch: pytest.MonkeyPatch, trained: None
) -> None:
    assert found(doctor._models, here.settings) == {"models": OK}
    monkeypatch.setattr(screening, "soft_layer", lambda: None)
    assert found(doctor._models, here.settings) == {"models": FAIL}
    monkeypatch.setattr(doctor, "model_path", lambda: Path("/nowhere"))
    assert found(doctor._models, here.settings) == {"models": FAIL}


@pytest.mark.parametrize(
    ("more", "states"),
    [
        ({"environment": "production"}, [FAIL, WARN]),  # http, this machine; no metrics
        ({"environment": "production", "public_url": "https://h.example", "metrics_token": "t" * 40}, [OK]),
        ({"environment": "production", "public_url": "https://h.example", "metrics_token": "t" * 40,
          "second_factor": "optional"}, [WARN]),
        ({"public_url": "https://h.example"}, [WARN]),
        ({}, [OK]),
    ],
)  # fmt: skip
def test_what_production_should_not_be(here: Installation, more: dict[str, Any], states: list[str]) -> None:
    assert sorted({one.state for one in doctor._production(replace(here.settings, **more))}) == states


def test_unsigned_texts_and_made_up_clinics_fail_production_alone(
    here: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = replace(here.settings, environment="production")
    assert [found(doctor._content, one)["content"] for one in (here.settings, real)] == [WARN, FAIL]
    assert [found(doctor._clinics, one)["clinics"] for one in (here.settings, real)] == [WARN, FAIL]
    assert found(doctor._content, replace(here.settings, default_clinic="nowhere"))["content"] == FAIL
    monkeypatch.setattr(governance, "in_state", lambda *_: [])
    assert found(doctor._content, here.settings) == {"content": OK}


def test_secrets_and_words_that_others_may_read(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    assert doctor._shut(tmp_path / "x")
    # The folders above are those of the tests.
    monkeypatch.setattr(doctor, "_shut", lambda path: not path.parent.stat().st_mode & 0o011)
    tmp_path.chmod(0o755)
    secret, words = tmp_path / "secret", tmp_path / "pne.db"
    words.chmod(0o600)
    assert found(doctor._files, here.settings) == {"permissions": OK}
    secret.write_text("x")
    secret.chmod(0o640)
    assert found(doctor._files, here.settings) == {"permissions": FAIL}
    secret.chmod(0o600)
    words.chmod(0o644)
    assert found(doctor._files, here.settings) == {"permissions": WARN}
    tmp_path.chmod(0o700)
    assert found(doctor._files, here.settings) == {"permissions": OK}


def test_how_full_the_disk_is(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    for free, size, said in ((10, 10**6, FAIL), (900, 2000, WARN), (5000, 10**5, WARN), (50_000, 10**5, OK)):
        disk = state.Disk(Path("/"), free * state.MEGABYTE, size * state.MEGABYTE, True)
        monkeypatch.setattr(state, "disks", lambda _settings, disk=disk: [disk])
        assert found(doctor._disk, here.settings) == {"disk": said}, free


def test_a_clock_of_before_the_program(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(doctor._clock, here.settings)["clock"] in (OK, WARN)
    class Past(doctor.datetime.datetime):  # type: ignore[misc,name-defined]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return cls(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(doctor.datetime, "datetime", Past)
    assert found(doctor._clock, here.settings) == {"clock": FAIL}


# What it talks to


def database_of(here: Installation) -> dict[str, str]:
    return found(doctor_lines._database, here.settings)


def test_the_database(here: Installation, tmp_path: Path) -> None:
    assert database_of(here) == {"database": OK, "secret key": OK, "backup": WARN, "handoffs": OK}
    downgrade(here.settings.database_url, "0004")
    assert database_of(here) == {"database": FAIL}
    for url, said in ((f"sqlite:///{tmp_path}/new.db", WARN), (NOBODY, FAIL)):
        assert found(doctor_lines._database, replace(here.settings, database_url=url)) == {"database": said}
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"no database" * 1000)
    assert found(doctor_lines._database, replace(here.settings, database_url=f"sqlite:///{broken}"))["database"] == FAIL


def test_a_database_that_cannot_be_written(here: Installation) -> None:
    here.settings = replace(here.settings, database_url=here.settings.database_url.replace("///", "///file:") +
                            "?mode=ro&uri=true")  # fmt: skip
    assert database_of(here)["database"] == FAIL


def test_a_key_that_no_longer_opens_the_second_factors(here: Installation) -> None:
    person = add_person(here.db, "sam")
    sealed = Box("o" * 40).seal(person.id, Factor("JBSWY3DP"))
    with here.db.begin() as session:
        session.execute(update(Clinician).values(totp_secret=sealed))
    assert database_of(here)["secret key"] == FAIL
    here.settings = replace(here.settings, secret_key=f"{'k' * 40},{'o' * 40}")
    (said,) = [one for one in doctor_lines._database(here.settings) if one.check == "secret key"]
    assert said.state == OK and "1 second factors, 1 of them by an older key" in said.said


def test_a_backup_that_is_late_and_handoffs_that_nobody_has(here: Installation) -> None:
    with here.db.begin() as session:
        outbox.beat(session, state.BACKUP)
    assert database_of(here)["backup"] == OK
    with here.db.begin() as session:
        session.get(Heartbeat, state.BACKUP).at -= timedelta(hours=27)
    assert database_of(here)["backup"] == WARN
    raised = raise_one(here.db, new_conversation(here.db))
    with here.db.begin() as session:
        (row,) = outbox.lease(session, "email", "me", timedelta(minutes=1), 10)
        outbox.record_dead(session, row.id, "me", "x")
        item = session.get(doctor_lines.state.Handoff, raised.handoff_id)
        item.climb_at -= timedelta(hours=1)
    states = database_of(here)
    assert (states["notices"], states["handoffs"]) == (WARN, WARN)


def test_without_pg_dump_no_backup_can_be_made(here: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_lines, "kind_of", lambda _url: doctor_lines.POSTGRESQL)
    monkeypatch.setenv("PATH", "/nowhere")
    (first, _) = doctor_lines._backup(here.settings, 0.0)
    assert first.state == WARN and "apt-get install" in first.do


def test_the_dialogues(here: Installation) -> None:
    assert found(doctor_lines._tracker, here.settings) == {"dialogues": OK}
    here.dialogue("c", "said")
    assert found(doctor_lines._tracker, here.settings) == {"dialogues": OK}
    assert found(doctor_lines._tracker, replace(here.settings, tracker_url=NOBODY)) == {"dialogues": FAIL}


def test_redis_is_asked_for_where_it_is_set_and_missed_where_it_is_needed(here: Installation) -> None:
    assert found(doctor_lines._redis, here.settings) == {}
    several = replace(here.settings, rasa_addresses="http://a:1,http://b:1")
    assert found(doctor_lines._redis, several) == {"redis": WARN}
    assert found(doctor_lines._redis, replace(several, redis_url="redis://127.0.0.1:1/0")) == {"redis": FAIL}
    assert found(doctor_lines._redis, replace(several, redis_url="nonsense")) == {"redis": FAIL}


@pytest.mark.parametrize(
    ("status", "said", "found_there"),
    [(200, "ready", OK), (200, "degraded", WARN), (503, "not ready", FAIL), (200, None, FAIL)],
)
def test_the_web_app_that_runs(here: Installation, status: int, said: str | None, found_there: str) -> None:
    body = {"status": said, "reasons": {"disk": "It is full."} if said != "ready" else {}} if said else ["else"]
    with answering({"/readyz": (status, body)}) as port:
        assert found(doctor_lines._web, replace(here.settings, port=port)) == {"web": found_there}


def test_ports_that_are_free_or_taken(here: Installation) -> None:
    assert found(doctor_lines._web, here.settings) == {"web": OK}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert found(doctor_lines._web, replace(here.settings, port=port)) == {"web": FAIL}


def test_rasa_is_missed_where_the_web_app_runs(here: Installation) -> None:
    assert found(doctor_lines._rasa, here.settings) == {"rasa": OK, "actions": OK}, "nothing runs: nothing is missed"
    health = "/webhooks/web/health"
    with answering({"/healthz": (200, {}), health: (200, {}), "/health": (200, {})}) as port:
        running = replace(here.settings, port=port)
        assert found(doctor_lines._rasa, running) == {"rasa": FAIL, "actions": FAIL}
        address = f"http://127.0.0.1:{port}"
        both = replace(running, rasa_addresses=f"{address},http://127.0.0.1:1", actions_address=f"{address}/webhook")
        assert found(doctor_lines._rasa, both) == {"rasa": FAIL, "actions": OK}
        assert found(doctor_lines._rasa, replace(both, rasa_addresses=address)) == {"rasa": OK, "actions": OK}
    with answering({health: (503, {})}) as port:
        away = replace(here.settings, rasa_addresses=f"http://127.0.0.1:{port}")
        assert found(doctor_lines._rasa, away)["rasa"] == FAIL


async def test_the_mail_server(here: Installation) -> None:
    assert found(doctor_lines._mail, here.settings) == {"mail": WARN}
    assert found(doctor_lines._mail, replace(here.settings, environment="production")) == {"mail": FAIL}
    async with serving() as mailbox:
        assert await doctor_lines._greet(mailbox.url) == ""
        assert mailbox.accepted == []
    assert await doctor_lines._greet(f"smtp://127.0.0.1:{free_port()}") != ""
    assert "smtp://" in await doctor_lines._greet("pigeon://x")


def test_nothing_of_a_secret_is_said(here: Installation) -> None:
    secret = "zqxjk" * 8
    settings = replace(
        here.settings, secret_key=secret, rasa_secret=secret, metrics_token=secret, redis_url=f"redis://:{secret}@h:1/0",
        smtp_url=f"smtp://u:{secret}@127.0.0.1:1", tracker_url=f"postgresql://u:{secret}@127.0.0.1:1/x",
        database_url=f"postgresql://u:{secret}@127.0.0.1:1/x",
    )  # fmt: skip
    for name, check in doctor_lines.LINES.items():
        for one in check(settings):
            assert secret not in f"{one.said} {one.do}", name
    assert os.environ.get("PNE_SECRET_KEY") is None
