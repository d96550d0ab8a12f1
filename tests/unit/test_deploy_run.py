"""`pne run`, secrets from files, whose word about addresses is believed, and the pages for an outage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner
from uvicorn.main import main as uvicorn_command
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bot import cli_run, training
from bot.content import load_clinics, load_wording
from bot.outage import write_pages
from bot.processes import parts
from bot.settings import SettingsError, read_settings, secrets_from_files
from bot.store.schema import State, schema_state
from bot.store.session import connect, upgrade
from bot.web.problems import PROBLEMS

SECRETS = {"PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32}


@pytest.fixture
def commands() -> CliRunner:
    return CliRunner()


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer()
    cli_run.register(app)
    return app


@pytest.mark.parametrize("name", ["web", "rasa", "actions"])
def test_run_becomes_the_very_process_that_up_starts(
    name: str, app: typer.Typer, commands: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr("os.execvpe", lambda *given: started.append(given))
    monkeypatch.setattr(training, "trained", lambda: True)
    monkeypatch.setattr(cli_run, "wait_for_schema", lambda settings: None)
    monkeypatch.setenv("PNE_VAR", str(tmp_path))
    assert commands.invoke(app, ["run", name]).exit_code == 0
    settings = read_settings({"PNE_VAR": str(tmp_path)})
    part = next(one for one in parts(settings, training.model_path()) if one.name == name)
    [(program, command, environment)] = started
    assert (program, command) == (part.command[0], part.command)
    assert part.environment.items() <= environment.items()


@pytest.mark.parametrize("name", ["web", "rasa"])
def test_run_refuses_without_a_model(
    name: str, app: typer.Typer, commands: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.execvpe", lambda *given: pytest.fail("it was started"))
    monkeypatch.setattr(training, "trained", lambda: False)
    done = commands.invoke(app, ["run", name])
    assert done.exit_code == 1 and "pne train" in done.output


def test_a_schema_is_behind_current_or_newer(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/pne.db"
    assert schema_state(url) is State.BEHIND
    upgrade(url, "0003")
    assert schema_state(url) is State.BEHIND
    upgrade(url)
    assert schema_state(url) is State.CURRENT
    with connect(url).begin() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert schema_state(url) is State.NEWER
    upgrade(url)  # as every start of an older version does that was gone back to
    assert schema_state(url) is State.NEWER


def test_the_web_part_waits_for_the_migration_and_then_starts(tmp_path: Path) -> None:
    settings = read_settings({**SECRETS, "PNE_DATABASE_URL": f"sqlite:///{tmp_path}/pne.db"})
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            upgrade(settings.database_url)

    cli_run.wait_for_schema(settings, sleep=sleep)
    assert len(looks) == 3


def test_the_web_part_gives_up_with_a_sentence_where_nobody_migrates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings({**SECRETS, "PNE_DATABASE_URL": f"sqlite:///{tmp_path}/pne.db"})
    with pytest.raises(typer.Exit):
        cli_run.wait_for_schema(settings, seconds=-1, sleep=lambda _: None)
    assert "pne migrate" in capsys.readouterr().err


def test_the_web_part_does_not_wait_for_a_database_that_is_away() -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    settings = read_settings({**SECRETS, "PNE_DATABASE_URL": nowhere})
    cli_run.wait_for_schema(settings, sleep=lambda _: pytest.fail("it waits"))


def client_seen(proxies: str, address: str, forwarded: str) -> str:
    """The address that the web app sees, started as it is with this setting."""
    settings = read_settings({**SECRETS, "PNE_PROXIES": proxies})
    web = next(part for part in parts(settings, Path("model")) if part.name == "web")
    # Read by the server's own command line: a misspelt option fails here.
    given = uvicorn_command.make_context("uvicorn", list(web.command[3:])).params
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    served: Any = app
    if given["proxy_headers"]:
        served = ProxyHeadersMiddleware(app, given["forwarded_allow_ips"])
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope: Any = {"type": "http", "client": (address, 1), "headers": headers, "scheme": "http"}
    call = served(scope, None, None)
    with pytest.raises(StopIteration):
        call.send(None)
    return seen[0]


@pytest.mark.parametrize(
    ("proxies", "address", "forwarded", "seen"),
    [
        ("127.0.0.1", "127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("172.30.0.0/24, 127.0.0.1", "172.30.0.5", "198.51.100.7", "198.51.100.7"),
        # What the patient wrote stands left of what the proxy saw.
        ("172.30.0.5", "172.30.0.5", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        # Not from the proxy: nothing is believed.
        ("172.30.0.5", "198.51.100.7", "203.0.113.9", "198.51.100.7"),
        ("", "127.0.0.1", "203.0.113.9", "127.0.0.1"),
    ],
)
def test_the_address_is_the_patients_and_cannot_be_made_up(
    proxies: str, address: str, forwarded: str, seen: str
) -> None:
    assert client_seen(proxies, address, forwarded) == seen


@pytest.mark.parametrize("proxies", ["*", "0.0.0.0/0", "::/0", "127.0.0.1,*", "nginx", "10.0.0.1/8"])
def test_believing_everybody_is_refused(proxies: str) -> None:
    with pytest.raises(SettingsError, match="PNE_PROXIES"):
        read_settings({**SECRETS, "PNE_PROXIES": proxies})


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 40 + "\n")
    environ = {"PNE_SECRET_KEY_FILE": str(tmp_path / "key"), "PNE_PORT": "1", "OTHER_FILE": "left alone"}
    secrets_from_files(environ)
    assert environ == {"PNE_SECRET_KEY": "k" * 40, "PNE_PORT": "1", "OTHER_FILE": "left alone"}


@pytest.mark.parametrize("more", [{}, {"PNE_SECRET_KEY": "x"}])
def test_a_secret_whose_file_is_missing_or_that_is_given_twice_is_refused(tmp_path: Path, more: dict[str, str]) -> None:
    if more:
        (tmp_path / "key").write_text("k")
    with pytest.raises(SettingsError, match="PNE_SECRET_KEY_FILE"):
        secrets_from_files({"PNE_SECRET_KEY_FILE": str(tmp_path / "key"), **more})


def test_outage_pages_have_every_clinics_numbers_and_need_nothing_else(tmp_path: Path) -> None:
    clinics = load_clinics()
    write_pages(tmp_path, clinics, load_wording(), "demo")
    for clinic in clinics.values():
        page = (tmp_path / f"{clinic.id}.html").read_text()
        numbers = clinic.page_numbers()
        for line in [numbers["emergency"], numbers["urgent"], *numbers["crisis"]]:
            for use in ("tel", "sms"):
                if line.get(use):
                    assert f'href="{use}:{line[use].replace(" ", "").replace("-", "")}"' in page
        for tag in clinic.languages:
            assert f'<section lang="{load_wording().interfaces[tag]["lang"]}"' in page
        assert not [part for part in ("<script", "<link", "<img", "src=") if part in page]
    assert (tmp_path / "index.html").read_bytes() == (tmp_path / "demo.html").read_bytes()
    assert not list(tmp_path.glob("*.new"))


def test_outage_problems_have_the_products_shape(tmp_path: Path) -> None:
    write_pages(tmp_path, load_clinics(), load_wording(), "demo")
    for path in tmp_path.glob("*.json"):
        problem = json.loads(path.read_text())
        status, title, _ = PROBLEMS[problem["code"]]
        assert problem.keys() == {"type", "title", "status", "code", "detail"}
        assert (problem["status"], problem["title"]) == (status, title)
