"""An identity provider on loopback: OpenID Connect with authorization code and PKCE, as a clinic might run one."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from bot.store.session import Clock
from tests.support.portal import Key, ec_key

CLIENT, SECRET = "pne inbox", "s3cret & more"


@dataclass
class Provider:
    """Signs people in by the clock of the tests, anew where the last time is too long ago. What it says can
    be changed: `claims` over the ID token's, `header` over its header, `key` for its signature, `serve` for whole
    answers by path."""

    clock: Clock
    url: str = ""
    keys: list[Key] = field(default_factory=lambda: [ec_key("first")])
    person: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    key: Key | None = None
    token: Callable[[dict[str, Any]], str] | None = None
    serve: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    # A code's nonce, challenge, address to come back to and how old the sign-in may be.
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    authenticated: list[str] = field(default_factory=list)
    logged_in_at: int = 0
    _number: int = 0

    def sign_in(self, address: str) -> str:
        """What the browser does at the provider: the person signs in, and the address to come back to is given."""
        query = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        self.asked.append(query)
        at = int(self.clock().timestamp())
        if query.get("prompt") == "login" or at - self.logged_in_at > int(query.get("max_age", at)):
            self.logged_in_at = at
        self._number += 1
        code = f"code-{self._number}"
        self.codes[code] = query
        answer = {"code": code, "state": query["state"], "iss": self.url}
        return f"{query['redirect_uri']}?{urlencode(answer)}"

    def exchange(self, form: dict[str, str], authorization: str) -> tuple[int, bytes]:
        """The token endpoint: a code works once, for its own client, address and verifier."""
        query = self.codes.pop(form.get("code", ""), None)
        if not self._client(form, authorization):
            return 401, b'{"error": "invalid_client"}'
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if query is None or proof != query["code_challenge"] or form.get("redirect_uri") != query["redirect_uri"]:
            return 400, b'{"error": "invalid_grant"}'
        return 200, json.dumps({"token_type": "Bearer", "id_token": self._id_token(query)}).encode()

    def _client(self, form: dict[str, str], authorization: str) -> bool:
        if assertion := form.get("client_assertion"):
            said = jwt.decode(assertion, self.keys[0].private.public_key(), ["ES256"], audience=f"{self.url}/token",
                              options={"verify_exp": False, "verify_iat": False})  # fmt: skip
            self.authenticated.append("private_key_jwt")
            return bool(said["sub"] == form["client_id"] == CLIENT)
        if authorization.startswith("Basic "):
            self.authenticated.append("basic")
            return base64.b64decode(authorization[6:]) == b"pne%20inbox:s3cret%20%26%20more"
        self.authenticated.append("post")
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)

    def _id_token(self, query: dict[str, str]) -> str:
        at = int(self.clock().timestamp())
        made = {
            "iss": self.url,
            "aud": query["client_id"],
            "sub": "person-1",
            "iat": at,
            "exp": at + 300,
            "nonce": query["nonce"],
            "email_verified": True,
            **({"auth_time": self.logged_in_at} if "max_age" in query else {}),
            **self.person,
            **self.claims,
        }
        said = {name: value for name, value in made.items() if value is not None}
        if self.token is not None:
            return self.token(said)
        key = self.key or self.keys[-1]
        return jwt.encode(said, key.private, key.algorithm, headers={"kid": key.kid})

    def document(self, path: str) -> tuple[int, bytes]:
        if path in self.serve:
            return self.serve[path]
        if path == "/.well-known/openid-configuration":
            names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
            about = {"issuer": self.url, **{key: f"{self.url}/{name}" for key, name in names.items()}}
            return 200, json.dumps({**about, "authorization_response_iss_parameter_supported": True}).encode()
        if path == "/keys":
            return 200, json.dumps({"keys": [key.jwk() for key in self.keys]}).encode()
        return 404, b""


@contextmanager
def running(clock: Clock) -> Iterator[Provider]:
    """A provider that listens on loopback until the block ends."""
    provider = Provider(clock)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(provider.document(urlsplit(self.path).path))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: value[0] for name, value in parse_qs(raw).items()}
            path = urlsplit(self.path).path
            kept = provider.serve.get(path)
            self._answer(kept or provider.exchange(form, self.headers.get("authorization", "")))

        def _answer(self, answer: tuple[int, bytes]) -> None:
            status, body = answer
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"{provider.url}/keys")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_said: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
