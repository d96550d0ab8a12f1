"""Which pages may show a clinic's chat, and what ``pne embed`` tells those who write them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from bot import cli_embed
from bot.cli import app
from bot.content import load_clinics
from bot.content.clinics import Embedding
from bot.content.files import ContentError
from bot.web import assets
from bot.web.assets import load_assets
from bot.web.embedding import chat_policy, host_policy, named_origins
from bot.web.services import Services
from tests.support.patient_api import ScriptedRasa, door, make_services

URL = "https://chat.clinic.example"
TAG = r'<script[^>]* src="([^"]+)" integrity="([^"]+)" crossorigin="anonymous"'
PAGE, OTHER = "https://www.clinic.example", "https://www.other.example"


def services(folder: Path, **embedding: Any) -> Services:
    made = make_services(folder, ScriptedRasa())
    clinic = replace(made.clinics["demo"], embedding=Embedding(**{"origins": (PAGE,), **embedding}))
    second = replace(clinic, id="second", embedding=Embedding((OTHER,)))
    made.clinics = {"demo": clinic, "second": second}
    return made


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["embed", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_address_in_the_snippets_is_served_with_the_hash_that_is_printed() -> None:
    ways = {way["name"]: way for way in json.loads(run("demo", "--url", URL, "--json"))["ways"]}
    bodies = {made.name: made.body for made in load_assets().values()}
    scripts = [
        found
        for name in ("loader", "in page")
        for found in re.findall(TAG, ways[name]["html"])
    ]
    assert [Path(src).name.partition("-")[0] for src, _ in scripts] == ["loader", "first", "pne"]
    for src, integrity in scripts:
        assert src.startswith(f"{URL}/w/")
        body = bodies[src.rpartition("/")[2]]
        assert integrity == "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()
    assert ways["in page"]["html"].count("<script") == 2 and 'type="module"' in ways["in page"]["html"]
    assert f'href="{URL}/chat/demo"' in ways["full page"]["html"]


def test_numbers_stand_inside_the_element() -> None:
    html = {way["name"]: way["html"] for way in json.loads(run("demo", "--json"))["ways"]}["in page"]
    inside = html[html.index("<pne-chat") :]
    assert inside.index('href="tel:999"') < inside.index("</pne-chat>")
    assert 'data-exit="https://www.bbc.co.uk/weather"' in inside and "style=" not in inside


def test_tokens_are_spoken_of_where_the_clinic_signs_its_patients_in() -> None:
    signed = json.loads(run("portal", "--token-url", "/a/token", "--json"))
    html = {way["name"]: way["html"] for way in signed["ways"]}
    policy = {way["name"]: way["policy"] for way in signed["ways"]}
    assert 'data-token-url="/a/token"' in html["loader"] and 'token-url="/a/token"' in html["in page"]
    assert "connect-src 'self'" in policy["loader"]
    assert any("required" in one for one in signed["warnings"])
    unsigned = json.loads(run("demo", "--json"))
    assert "token" not in str(unsigned["ways"]) and "connect-src" not in unsigned["ways"][0]["policy"]


def test_it_says_who_may_show_the_chat_and_warns_where_nobody_may(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "! No page but this server's own" in run("demo")
    assert "http://localhost:8090" in run("portal")
    demo = load_clinics()["demo"]
    app_clinic = {"demo": replace(demo, embedding=Embedding((), webview=True))}
    monkeypatch.setattr("bot.content.load_clinics", lambda: app_clinic)
    shown = run("demo", "--url", "http://chat.clinic.example/")
    assert "apps (any page)" in shown and "! embedding: webview" in shown and "is not https" in shown
    assert len(re.findall(r"^ +\d+\. ", shown, re.M)) == 10


@pytest.mark.parametrize("clinic", ["nope", ""])
def test_an_unknown_clinic_is_told_which_there_are(clinic: str) -> None:
    with pytest.raises(ContentError, match=r"There are: demo, portal\."):
        cli_embed.plan_for(clinic, URL, "")


@pytest.mark.parametrize(
    "url", ["chat.clinic.example", "ftp://chat.example", "https://chat.example/path", "https://", ""]
)
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ContentError, match="is not the address of a server"):
        cli_embed.plan_for("demo", url, "")


def test_help_and_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--release" in re.sub(r"\x1b\[[\d;]*m", "", run("--help"))
    monkeypatch.setattr(assets, "RELEASED", tmp_path / "released")
    made = load_assets()["loader.js"]
    assert made.name in run("--release")
    assert (tmp_path / "released" / made.name).read_bytes() == made.body


def test_policies() -> None:
    demo = load_clinics()["demo"]
    named = replace(demo, embedding=Embedding((PAGE,)))
    policy = chat_policy(named)
    for part in ("default-src 'none'", "style-src 'none'", "trusted-types 'none'", f"frame-ancestors 'self' {PAGE}"):
        assert part in policy
    assert "frame-ancestors" not in chat_policy(replace(demo, embedding=Embedding((PAGE,), webview=True)))
    assert named_origins({"a": named, "b": demo}) == {PAGE}
    assert named_origins({"a": replace(demo, embedding=Embedding((), webview=True))}) == {"null"}
    assert host_policy(URL) == {
        "loader": f"script-src {URL}; frame-src {URL}",
        "in page": f"script-src {URL}; connect-src {URL}; img-src {URL}",
    }


async def open_from(client: httpx.AsyncClient, origin: str | None, clinic: str = "demo") -> tuple[int, str]:
    headers = {} if origin is None else {"Origin": origin}
    answer = await client.post("/v1/session", json={"clinic": clinic}, headers=headers)
    return answer.status_code, answer.json().get("code", "")


async def test_a_session_is_opened_only_from_the_pages_of_its_clinic(tmp_path: Path) -> None:
    async with door(services(tmp_path)) as client:
        for origin in (PAGE, None, "http://pne.test"):
            assert await open_from(client, origin) == (201, ""), origin
        for origin in (OTHER, "null", "https://pne.test.evil.example", PAGE + ".evil.example", "http" + PAGE[5:], ""):
            assert await open_from(client, origin) == (403, "origin_refused"), origin
        assert await open_from(client, PAGE, "second") == (403, "origin_refused"), "of another clinic"


async def test_apps_have_no_origin(tmp_path: Path) -> None:
    async with door(services(tmp_path, webview=True)) as client:
        assert await open_from(client, "null") == (201, "")
        assert await open_from(client, "null", "second") == (403, "origin_refused")
        assert await open_from(client, OTHER) == (403, "origin_refused")


@pytest.mark.parametrize(
    "path", ["/v1/clinics/demo", "/v1/conversations/x/events", "/pictures/dots-3.svg", "/static/logo.svg"]
)
async def test_only_named_pages_may_read_answers_and_never_with_cookies(tmp_path: Path, path: str) -> None:
    async with door(services(tmp_path)) as client:
        for origin, granted in ((PAGE, PAGE), ("https://evil.example", None), ("null", None), (None, None)):
            answer = await client.get(path, headers={} if origin is None else {"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == granted, origin
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"], "a cache must not give one page the answer to another"
            asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
            before = await client.options(path, headers={**asked, **({"Origin": origin} if origin else {})})
            assert before.headers.get("access-control-allow-origin") == granted, origin
            assert (before.status_code == 204) == (granted is not None)
            assert ("authorization" in before.headers.get("access-control-allow-headers", "")) == (granted is not None)


async def test_the_inbox_grants_nothing_to_anybody(tmp_path: Path) -> None:
    async with door(services(tmp_path)) as client:
        answer = await client.get("/inbox", headers={"Origin": PAGE})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", ["/chat/demo", "/v1/clinics/demo"])
async def test_pages_are_small_on_the_way(tmp_path: Path, path: str) -> None:
    async with door(services(tmp_path)) as client:
        plain = await client.get(path, headers={"Accept-Encoding": "identity"})
        async with client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
            raw = b"".join([part async for part in answer.aiter_raw()])
    assert "content-encoding" not in plain.headers
    assert answer.headers["content-encoding"] == "gzip" and int(answer.headers["content-length"]) == len(raw)
    assert gzip.decompress(raw) == plain.content and len(raw) < len(plain.content) / 2
    assert {"Accept-Language", "Accept-Encoding"} <= set(re.split(r",\s*", answer.headers["vary"]))
