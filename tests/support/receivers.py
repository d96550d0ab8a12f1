"""What a clinic has on its side, for tests: a webhook's receiver and a FHIR server, on loopback or without a network.

Both do what they are told to first (answer 500, hang, break off …) and then what is right.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bot.content import Clinic, load_clinics
from bot.content.chain import read_chain
from bot.handoff.backend_services import ASSERTION_TYPE
from bot.store.session import Clock
from tests.support.fhir_values import faults_of

SECRETS = {"HOOK_NEW": "whsec_bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3", "HOOK_OLD": "whsec_b2xkb2xkb2xkb2xkb2xkb2xkb2xkb2xk"}
CLIENT, KEY_ID, KEY_VARIABLE = "pne-client", "key-1", "FHIR_KEY"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


HANG, RESET = Reply(0), Reply(-1)
Handle = Callable[[Request], Reply]


@dataclass(frozen=True)
class Fault:
    """One answer that is wrong. `after`: what was asked is done all the same, only the answer is lost."""

    reply: Reply
    after: bool = False


@dataclass
class Faulty:
    """A receiver that has its faults first, one for each request that `counts`."""

    handle: Handle
    faults: list[Fault] = field(default_factory=list)
    counts: Callable[[Request], bool] = lambda request: True
    seen: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        self.seen.append(request)
        if not self.faults or not self.counts(request):
            return self.handle(request)
        fault = self.faults.pop(0)
        if fault.after:
            self.handle(request)
        return fault.reply


@dataclass
class Hook:
    """A webhook's receiver that takes everything; `events` by their ids, the first of each."""

    events: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Reply:
        self.events.setdefault(request.headers["webhook-id"], request.document)
        return Reply(204)


@dataclass
class FhirServer:
    """A FHIR R4 server with conditional create and update, and SMART Backend Services. It refuses what is not right
    FHIR. `stored` are the resources by address, `states` every status that each Task has had."""

    clock: Clock
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP384R1()))
    base: str = "http://127.0.0.1:1/fhir"
    life: int = 300
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    states: dict[str, list[str]] = field(default_factory=dict)
    tokens: list[str] = field(default_factory=list)
    good: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    asked_scopes: list[str] = field(default_factory=list)
    _jtis: set[str] = field(default_factory=set)

    @property
    def environ(self) -> dict[str, str]:
        pem = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {KEY_VARIABLE: pem.decode()}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for address, one in self.stored.items() if address.startswith(f"{kind}/")]

    @property
    def task(self) -> dict[str, Any]:
        (found,) = self.of("Task")
        return found

    def __call__(self, request: Request) -> Reply:
        path = urlsplit(request.path).path.removeprefix("/fhir").lstrip("/")
        if path == ".well-known/smart-configuration":
            return _json(200, {"token_endpoint": f"{self.base}/token", "grant_types_supported": ["client_credentials"]})
        if path == "token":
            return self._token(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self.good:
            return Reply(401)
        if path == "metadata":
            return _json(200, CAPABILITIES)
        document = request.document
        if found := [*faults_of(document), *(["type"] if document["resourceType"] != path else [])]:
            self.faults += found
            return Reply(422)
        if request.method == "POST":
            return self._create(path, request, document)
        return self._replace(path, request, document)

    def _token(self, request: Request) -> Reply:
        form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        try:
            claims = jwt.decode(
                form["client_assertion"],
                self.key.public_key(),
                algorithms=["ES384"],
                audience=f"{self.base}/token",
                issuer=CLIENT,
                options={"require": ["exp", "jti", "sub", "iss", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return _json(401, {"error": "invalid_client"})
        now = self.clock().timestamp()
        once = claims["jti"] not in self._jtis
        right = claims["sub"] == CLIENT and now <= claims["exp"] <= now + 300 and once
        kid = jwt.get_unverified_header(form["client_assertion"]).get("kid")
        if not right or kid != KEY_ID or form["client_assertion_type"] != ASSERTION_TYPE:
            return _json(401, {"error": "invalid_client"})
        self._jtis.add(claims["jti"])
        self.asked_scopes = form["scope"].split()
        token = f"token-{len(self.tokens) + 1}"
        self.tokens.append(token)
        self.good = {token}
        return _json(200, {"access_token": token, "token_type": "bearer", "expires_in": self.life})

    def _create(self, kind: str, request: Request, document: dict[str, Any]) -> Reply:
        found = self._matching(kind, request.headers.get("if-none-exist", ""))
        if len(found) > 1:
            return Reply(412)
        if found:
            return Reply(200, {"location": f"{self.base}/{found[0]}"})
        address = f"{kind}/{len(self.stored) + 1}"
        self._keep(address, document)
        return Reply(201, {"location": f"{self.base}/{address}/_history/1"})

    def _replace(self, kind: str, request: Request, document: dict[str, Any]) -> Reply:
        found = self._matching(kind, urlsplit(request.path).query)
        if len(found) > 1:
            return Reply(412)
        if not found:
            return self._create(kind, replace(request, headers={}), document)
        self._keep(found[0], document)
        return Reply(200)

    def _keep(self, address: str, document: dict[str, Any]) -> None:
        self.stored[address] = document
        self.states.setdefault(address, []).append(document["status"])

    def _matching(self, kind: str, query: str) -> list[str]:
        if not query:
            return []
        system, value = unquote(query).removeprefix("identifier=").split("|")
        return [
            address
            for address, one in self.stored.items()
            if address.startswith(f"{kind}/") and {"system": system, "value": value} in _identifiers(one)
        ]


_ABLE = {"conditionalCreate": True, "conditionalUpdate": True, "interaction": [{"code": "create"}, {"code": "update"}]}
CAPABILITIES = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [{"mode": "server", "resource": [{"type": kind, **_ABLE} for kind in ("Task", "Communication")]}],
}


def clinic_with(
    *, hook: str = "", words: bool = False, base: str = "", owner: str = "", secrets: tuple[str, ...] = ("HOOK_NEW",)
) -> Clinic:
    """The demo clinic with a webhook at `hook` and a FHIR server at `base`."""
    demo = load_clinics()["demo"]
    channels: dict[str, Any] = {"email": {"on": True}}
    if hook:
        channels["webhook"] = {"on": True, "url": hook, "secrets": list(secrets), "words": words}
    if base:
        fhir = {"base_url": base, "client_id": CLIENT, "key_variable": KEY_VARIABLE, "key_id": KEY_ID, "owner": owner}
        channels["fhir"] = {"on": True, **fhir}
    return replace(demo, chain=read_chain(demo.about["handoff"], channels))


def no_network(handle: Handle) -> httpx.MockTransport:
    """The receiver without a socket: what hangs has timed out at once."""

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path = request.url.raw_path.decode()
        reply = handle(Request(request.method, path, headers, request.content))
        if reply == HANG:
            raise httpx.ReadTimeout("hangs", request=request)
        if reply == RESET:
            raise httpx.ReadError("reset", request=request)
        return httpx.Response(reply.status, headers=dict(reply.headers), stream=httpx.ByteStream(reply.body))

    return httpx.MockTransport(answer)


@asynccontextmanager
async def listening(handle: Handle) -> AsyncIterator[str]:
    """The receiver on a port of loopback; gives its address."""
    going: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        going.add(writer)
        try:
            request = await _read(reader)
            reply = handle(request)
            if reply == HANG:
                await reader.read()
            elif reply == RESET:
                # Closing with nothing to wait for sends a reset.
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()
            else:
                lines = [f"HTTP/1.1 {reply.status} x", "Connection: close", f"Content-Length: {len(reply.body)}"]
                lines += [f"{name}: {value}" for name, value in reply.headers.items()]
                writer.write("\r\n".join([*lines, "", ""]).encode() + reply.body)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the sender has given up
        finally:
            going.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in tuple(going):
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, body)


def _identifiers(resource: dict[str, Any]) -> list[dict[str, str]]:
    given = resource["identifier"]
    return given if isinstance(given, list) else [given]


def _json(status: int, document: Any) -> Reply:
    return Reply(status, {"content-type": "application/json"}, json.dumps(document).encode())
