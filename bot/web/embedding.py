"""Which pages may show a clinic's chat: the policies of our pages, and the origins that may use the patient API."""

from __future__ import annotations

from collections.abc import Mapping, Set

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.content import Clinic
from bot.web.problems import Problem

# No style at all: the chat's looks are constructed style sheets. No HTML from strings: Trusted Types forbid it.
CHAT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'none'; img-src 'self'; connect-src 'self'; form-action 'none'; "
    "base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
SELF = "'self'"
# Called from clinics' pages: the API itself and the pictures of answers.
SHARED = ("/v1/", "/pictures/", "/static/logo.svg")
ALLOWED = {
    b"access-control-allow-methods": b"GET, POST, PATCH, DELETE",
    b"access-control-allow-headers": b"authorization, content-type, last-event-id",
    b"access-control-expose-headers": b"retry-after",
    b"access-control-max-age": b"600",
}


def chat_policy(clinic: Clinic) -> str:
    """The Content-Security-Policy of a clinic's chat page. An app's web view has no origin: then no page is refused."""
    policy = f"{CHAT_POLICY}; media-src {' '.join([SELF, *_video_origins(clinic)])}" if clinic.videos else CHAT_POLICY
    if clinic.embedding.webview:
        return policy
    ancestors = " ".join([SELF, *clinic.embedding.origins])
    return f"{policy}; frame-ancestors {ancestors}"


def _video_origins(clinic: Clinic) -> list[str]:
    """Where the clinic's own videos and their captions come from, beside this server."""
    addresses = [video[part] for videos in clinic.videos.values() for video in videos for part in ("src", "captions")]
    return sorted({"/".join(address.split("/")[:3]) for address in addresses if address.startswith("https://")})


def named_origins(clinics: Mapping[str, Clinic]) -> set[str]:
    """Every origin that some clinic names: these pages may call the patient API from the browser."""
    named = {origin for clinic in clinics.values() for origin in clinic.embedding.origins}
    return named | ({"null"} if any(clinic.embedding.webview for clinic in clinics.values()) else set())


def host_policy(url: str, signs: bool = False) -> dict[str, str]:
    """What a clinic's page needs in its own policy, by way of showing the chat. `signs`: the page also fetches tokens
    for its patients from its own site."""
    return {
        "loader": f"script-src {url}; frame-src {url}" + ("; connect-src 'self'" if signs else ""),
        "in page": f"script-src {url}; connect-src {url}{' ' + SELF if signs else ''}; img-src {url}",
    }


def refuse_foreign(request: Request, clinic: Clinic) -> None:
    """Raises Problem where a page that the clinic does not name opens its chat. Programs send no origin."""
    origin = request.headers.get("origin")
    if origin is None or origin in clinic.embedding.origins or _own(request.scope, origin):
        return
    if origin == "null" and clinic.embedding.webview:
        return
    raise Problem("origin_refused")


def _own(scope: Scope, origin: str) -> bool:
    host = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    return origin.partition("://")[2] == host


class CrossOrigin:
    """Lets the pages that clinics name call the patient API. Pure ASGI, so that streams are not buffered."""

    def __init__(self, app: ASGIApp, origins: Set[str]) -> None:
        self.app = app
        self.origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(SHARED):
            await self.app(scope, receive, send)
            return
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        # Also where nothing is granted: a cache must not give one page the answer to another.
        headers = [(b"vary", b"Origin")]
        if origin in self.origins:
            headers.append((b"access-control-allow-origin", origin.encode("latin-1")))
            if scope["method"] == "OPTIONS":
                headers += [*ALLOWED.items(), (b"content-length", b"0")]
                await send({"type": "http.response.start", "status": 204, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
            headers.append((b"access-control-expose-headers", b"retry-after"))

        async def with_grant(message: Message) -> None:
            if message["type"] == "http.response.start":
                message.setdefault("headers", []).extend(headers)
            await send(message)

        await self.app(scope, receive, with_grant)
