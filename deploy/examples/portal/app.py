"""A sample of a clinic's portal that signs its patients in to the chat. Two made-up patients, no passwords, for trying
out alone; docs/identity.md says what a real one needs. Run: python deploy/examples/portal/app.py"""

from __future__ import annotations

import argparse
import os
import secrets
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.templating import Jinja2Templates

HERE = Path(__file__).resolve().parent
COOKIE = "portal_session"
TOKEN_SECONDS = 300
# Keys that are published: the one that signs, and the one before it, whose tokens may still be on their way.
KEYS_SERVED = 2
templates = Jinja2Templates(directory=HERE / "templates")


@dataclass(frozen=True)
class Patient:
    """`pseudonym` is all that the chat learns of who it is, beside the name."""

    name: str
    pseudonym: str
    locale: str


# Pseudonyms are made at random once and kept with the patient: nothing about the person can be read from them.
PATIENTS = {
    "amina": Patient("Amina Example", "b1f0c1de-5a52-4b0e-9c86-0a7f0f6f3c11", "en-GB"),
    "jonas": Patient("Jonas Sample", "5f3d2c88-7c1b-4f0f-8e53-6d1d7d0a9b42", "en-GB"),
}


@dataclass(frozen=True)
class Key:
    """A private key with its id."""

    kid: str
    private: ec.EllipticCurvePrivateKey

    def public(self) -> dict[str, Any]:
        """As the key set shows it. Never the private half."""
        shown = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**shown, "kid": self.kid, "alg": "ES256", "use": "sig"}


@dataclass
class Portal:
    """Who is signed in, by the value of the cookie, and the keys, the newest last."""

    chat_url: str
    issuer: str
    audience: str
    clinic: str
    signed_in: dict[str, str] = field(default_factory=dict)
    keys: list[Key] = field(default_factory=list)

    def rotate(self) -> None:
        """A new key signs from now on; the one before it is still published."""
        key = Key(uuid.uuid4().hex[:12], ec.generate_private_key(ec.SECP256R1()))
        self.keys = [*self.keys, key][-KEYS_SERVED:]

    def token(self, patient: Patient) -> str:
        """The clinic's word for who this is: good for five minutes, and for one session."""
        at, key = int(time.time()), self.keys[-1]
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": patient.pseudonym,
            "iat": at,
            "exp": at + TOKEN_SECONDS,
            "jti": secrets.token_urlsafe(16),
            "name": patient.name,
            "locale": patient.locale,
        }
        return jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.kid})

    def patient(self, request: Request) -> Patient | None:
        return PATIENTS.get(self.signed_in.get(request.cookies.get(COOKIE, ""), ""))

    def policy(self) -> str:
        """What a page with the chat must allow: the loader's script, and the frame that it opens."""
        return (
            f"default-src 'none'; script-src 'self' {self.chat_url}; frame-src {self.chat_url}; connect-src 'self'; "
            "style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )


def create_portal(
    chat_url: str = "http://127.0.0.1:8080",
    issuer: str = "https://portal.example",
    audience: str = "pne-tutor",
    clinic: str = "portal",
) -> Starlette:
    """The app. `issuer` and `audience` must be those of the clinic's file on the chat's server."""
    app = Starlette(
        routes=[
            Route("/", home),
            Route("/sign-in", sign_in, methods=["POST"]),
            Route("/sign-out", sign_out, methods=["POST"]),
            Route("/api/pne-token", give_token, methods=["POST"]),
            Route("/.well-known/jwks.json", key_set),
            Route("/demo/rotate", rotate, methods=["POST"]),
            Mount("/static", StaticFiles(directory=HERE / "static")),
        ]
    )
    app.state.portal = Portal(chat_url.rstrip("/"), issuer, audience, clinic)
    app.state.portal.rotate()
    return app


async def home(request: Request) -> Response:
    """The patient's page with the chat, or the choice of who to be."""
    portal: Portal = request.app.state.portal
    patient = portal.patient(request)
    values = {"portal": portal, "patient": patient, "patients": PATIENTS}
    headers = {"Content-Security-Policy": portal.policy(), "Cache-Control": "no-store"}
    return templates.TemplateResponse(request, "home.html" if patient else "sign_in.html", values, headers=headers)


async def sign_in(request: Request) -> Response:
    """Signs in without a password: this is a sample. A new cookie each time, and the old one is worth nothing."""
    portal: Portal = request.app.state.portal
    async with request.form() as form:
        who = str(form.get("patient", ""))
    if who not in PATIENTS:
        return Response(status_code=400)
    portal.signed_in.pop(request.cookies.get(COOKIE, ""), None)
    cookie = secrets.token_urlsafe(32)
    portal.signed_in[cookie] = who
    answer = RedirectResponse("/", 303)
    answer.set_cookie(COOKIE, cookie, httponly=True, samesite="strict")  # and secure=True, wherever there is https
    return answer


async def sign_out(request: Request) -> Response:
    """Ends the portal's session. The page has ended the chat's before (portal.js)."""
    portal: Portal = request.app.state.portal
    portal.signed_in.pop(request.cookies.get(COOKIE, ""), None)
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(COOKIE)
    return answer


async def give_token(request: Request) -> Response:
    """A fresh token for whoever is signed in here and now. POST, so that nothing keeps it; 401 where nobody is."""
    portal: Portal = request.app.state.portal
    patient = portal.patient(request)
    headers = {"Cache-Control": "no-store"}
    if patient is None:
        return JSONResponse({"token": None}, 401, headers=headers)
    return JSONResponse({"token": portal.token(patient)}, headers=headers)


async def key_set(request: Request) -> Response:
    """The public keys, for the chat's server."""
    portal: Portal = request.app.state.portal
    return JSONResponse({"keys": [key.public() for key in portal.keys]})


async def rotate(request: Request) -> Response:
    """For trying out: sign with a new key from now on."""
    request.app.state.portal.rotate()
    return RedirectResponse("/", 303)


def main() -> None:
    parser = argparse.ArgumentParser(description="A sample clinic portal that signs its patients in to the chat.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on (default: %(default)s)")
    parser.epilog = "PNE_URL is the address of the chat's server, http://127.0.0.1:8080 where it is not set."
    given = parser.parse_args()
    app = create_portal(os.environ.get("PNE_URL", "http://127.0.0.1:8080"))
    # No web sockets here, and the chat's environment has too old a library for them.
    uvicorn.run(app, host=given.host, port=given.port, ws="none")


if __name__ == "__main__":
    main()
