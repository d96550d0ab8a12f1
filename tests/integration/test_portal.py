"""The sample portal of deploy/examples with the chat's server: what a clinic would copy must work."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import jwt
import pytest

from bot.content import load_clinics
from bot.settings import ROOT
from bot.web.identity import KeysUnavailable, fetch_keys
from bot.web.services import Services
from tests.support.patient_api import ScriptedRasa, door, make_services
from tests.support.signed import ask, enter

APP = ROOT / "deploy" / "examples" / "portal" / "app.py"
TOKEN = "/api/pne-token"


@pytest.fixture(scope="module")
def portal() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sample_portal", APP)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


@dataclass
class Both:
    """A browser at the portal, and the chat's server, which asks the portal for its keys."""

    portal: httpx.AsyncClient
    chat: httpx.AsyncClient
    services: Services
    app: Any

    async def sign_in(self, who: str) -> httpx.Response:
        return await self.portal.post("/sign-in", data={"patient": who})

    async def token(self) -> str:
        return str((await self.portal.post(TOKEN)).json()["token"])


@pytest.fixture
async def both(tmp_path: Path, portal: ModuleType) -> AsyncIterator[Both]:
    services = make_services(tmp_path, ScriptedRasa())
    services.db.clock.at = datetime.now(timezone.utc)  # type: ignore[attr-defined]  # the portal has the real clock
    app = portal.create_portal()
    transport = httpx.ASGITransport(app=app)
    clinic_site = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8090")
    async with clinic_site as browser, door(services) as chat:

        async def fetch(url: str) -> bytes:
            async with httpx.AsyncClient(transport=transport) as server:
                return (await server.get(url)).content

        services.identity.fetch = fetch
        yield Both(browser, chat, services, app)


async def test_a_signed_in_patient_gets_a_chat_of_their_own(both: Both, portal: ModuleType) -> None:
    assert (await both.sign_in("amina")).status_code == 303
    amina = await enter(both.chat, both.services, identity=await both.token())
    await both.sign_in("jonas")
    jonas = await ask(both.chat, "portal", identity=await both.token(), token=amina.token)
    assert (jonas.status_code, jonas.json()["person_name"]) == (201, portal.PATIENTS["jonas"].name)
    assert jonas.json()["conversation"] != amina.conversation
    await both.sign_in("amina")
    again = await ask(both.chat, "portal", identity=await both.token())
    assert (again.status_code, again.json()["conversation"]) == (200, amina.conversation)


async def test_the_chat_goes_on_when_the_portal_changes_its_key(both: Both) -> None:
    await both.sign_in("amina")
    before = await both.token()
    first = await enter(both.chat, both.services, identity=await both.token())
    assert (await both.portal.post("/demo/rotate")).status_code == 303
    after = await enter(both.chat, both.services, identity=await both.token())
    assert after.conversation == first.conversation
    assert (await ask(both.chat, "portal", identity=before)).status_code == 200
    kids = [key["kid"] for key in (await both.portal.get("/.well-known/jwks.json")).json()["keys"]]
    assert len(kids) == 2 and jwt.get_unverified_header(await both.token())["kid"] == kids[-1]


async def test_signing_out_ends_both_sessions(both: Both) -> None:
    await both.sign_in("amina")
    amina = await enter(both.chat, both.services, identity=await both.token())
    assert (await both.chat.delete("/v1/session", headers=amina.headers())).status_code == 204  # PneChat.logout()
    assert (await both.portal.post("/sign-out")).status_code == 303
    refused = await both.portal.post(TOKEN)
    assert (refused.status_code, refused.json()) == (401, {"token": None})
    assert (await ask(both.chat, "portal", token=amina.token)).json()["code"] == "identity_needed"


async def test_an_old_cookie_of_the_portal_is_worth_nothing(both: Both, portal: ModuleType) -> None:
    await both.sign_in("amina")
    old = both.portal.cookies[portal.COOKIE]
    await both.portal.post("/sign-out")
    for cookie in (old, "", "guess"):
        both.portal.cookies.clear()
        answer = await both.portal.post(TOKEN, headers={"Cookie": f"{portal.COOKIE}={cookie}"})
        assert answer.status_code == 401
    assert (await both.sign_in("mallory")).status_code == 400
    assert (await both.portal.get(TOKEN)).status_code == 405


async def test_tokens_are_new_each_time_and_tell_a_pseudonym(both: Both, portal: ModuleType) -> None:
    await both.sign_in("jonas")
    seen = [jwt.decode(await both.token(), options={"verify_signature": False}) for _ in range(2)]
    assert seen[0]["jti"] != seen[1]["jti"]
    assert seen[0]["sub"] == portal.PATIENTS["jonas"].pseudonym
    assert seen[0]["exp"] - seen[0]["iat"] == 300
    answer = await both.portal.post(TOKEN)
    assert answer.headers["cache-control"] == "no-store"


async def test_published_keys_hold_nothing_private(both: Both) -> None:
    await both.portal.post("/demo/rotate")
    for key in (await both.portal.get("/.well-known/jwks.json")).json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_the_page_embeds_the_chat_and_allows_only_it(both: Both) -> None:
    outside = await both.portal.get("/")
    assert "loader.js" not in outside.text and "/sign-in" in outside.text
    await both.sign_in("amina")
    page = await both.portal.get("/")
    assert '<script src="http://127.0.0.1:8080/w/loader.js" data-clinic="portal"' in page.text
    assert f'data-token-url="{TOKEN}" defer' in page.text
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' http://127.0.0.1:8080;" in policy and "unsafe" not in policy
    for file in ("portal.js", "portal.css"):
        assert f"/static/{file}" in page.text
        assert (await both.portal.get(f"/static/{file}")).status_code == 200


def test_the_sample_fits_the_clinics_file(portal: ModuleType) -> None:
    made, signs = portal.create_portal().state.portal, load_clinics()["portal"]
    assert signs.identity is not None
    assert (made.issuer, made.audience, made.clinic) == (signs.identity.issuer, signs.identity.audience, signs.id)
    assert signs.identity.jwks_url == "http://127.0.0.1:8090/.well-known/jwks.json"
    assert "http://127.0.0.1:8090" in signs.embedding.origins


async def test_it_runs_and_its_keys_come_over_a_real_line() -> None:
    command = [sys.executable, str(APP), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        try:
            assert running.stderr is not None
            said = next(found for line in running.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
            (key,) = json.loads(await fetch_keys(f"{said[0]}/.well-known/jwks.json"))["keys"]
            assert key["kty"] == "EC"
            with pytest.raises(KeysUnavailable, match="status_404"):
                await fetch_keys(f"{said[0]}/nowhere")
        finally:
            running.terminate()
    with pytest.raises(KeysUnavailable, match="ConnectError"):
        await fetch_keys(f"{said[0]}/.well-known/jwks.json")


def test_help_says_how_to_run_it() -> None:
    done = subprocess.run([sys.executable, str(APP), "--help"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert "--port" in done.stdout and "8090" in done.stdout and "PNE_URL" in done.stdout
