"""One HTTP request to a clinic's system: ten seconds, no redirects, and what each answer means.

2xx is done. Network trouble, 408, 425, 429 and 5xx are tried again, after as long as ``Retry-After`` asks. Anything
else would only fail again: a person must look, and the cause says what to mend. A cause never holds an address, which
may have a secret in it; it names `who` was asked.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import httpx

from bot.handoff.worker import TryLater, Undeliverable

REQUEST_SECONDS = 10.0
# An answer that is longer is none that we asked for.
MOST_BYTES = 1_048_576
_LATER = frozenset({408, 425, 429})
_MENDS = {
    400: "It does not accept what we send. Its own log says why.",
    401: "It does not accept our sign-in or signature. Check the secret or key on both sides.",
    403: "It knows us, but we may not do this. Its owner must allow it.",
    404: "Nothing is at this address. Check the address in the clinic's settings.",
    405: "This address takes no such request. Check the address in the clinic's settings.",
    410: "The address has been closed for good. Put the new one into the clinic's settings.",
    412: "It holds more than one entry with our identifier. One of them must be removed there.",
    422: "It does not accept what we send. Its own log says why.",
}


@dataclass(frozen=True)
class Line:
    """How requests are made. `transport` stands in for the network in tests."""

    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True)
class Answer:
    """What came back from whom."""

    status: int
    who: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


async def call(
    line: Line,
    method: str,
    url: str,
    *,
    who: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
) -> Answer:
    """The answer to one request, whatever its status. Raises TryLater where there is none in time."""
    try:
        return await asyncio.wait_for(_read(line, method, url, headers or {}, content, who), REQUEST_SECONDS)
    except asyncio.TimeoutError:
        raise TryLater(f"{who} did not answer within {REQUEST_SECONDS:g} seconds.") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise TryLater(f"{who} cannot be reached ({type(error).__name__}).") from None


def need_accepted(answer: Answer, at: datetime) -> Answer:
    """The answer itself where it is 2xx. Raises TryLater or Undeliverable for any other; `at` is the time now."""
    if answer.accepted:
        return answer
    said = f"{answer.who} answered {answer.status}"
    if answer.status in _LATER or answer.status >= 500:
        raise TryLater(f"{said}.", after=asked_wait(answer.headers.get("retry-after"), at))
    if 300 <= answer.status < 400:
        raise Undeliverable(
            f"{said}: it sends us on to another address, which we never follow. "
            "Put the final address into the clinic's settings."
        )
    raise Undeliverable(f"{said}. {_MENDS.get(answer.status, 'Trying again would not help.')}")


def asked_wait(value: str | None, at: datetime) -> timedelta | None:
    """How long a ``Retry-After`` asks us to wait (seconds or a date); None where it says nothing we understand."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    until = until if until.tzinfo is not None else until.replace(tzinfo=timezone.utc)
    return max(until - at, timedelta(0))


async def _read(
    line: Line, method: str, url: str, headers: Mapping[str, str], content: bytes | None, who: str
) -> Answer:
    secure = url.startswith("https:")
    options: dict[str, Any] = {
        "timeout": REQUEST_SECONDS,
        "follow_redirects": False,
        "transport": line.transport,
        # A proxy of the environment is for the world outside, not for loopback.
        "trust_env": secure,
        "verify": _trusted() if secure else False,
    }
    # Not packed: the bytes that come are counted, so a small answer cannot grow here.
    asked = {"Accept-Encoding": "identity", **headers}
    async with (
        httpx.AsyncClient(**options) as client,
        client.stream(method, url, headers=asked, content=content) as found,
    ):
        body = b""
        async for piece in found.aiter_raw():
            body += piece
            if len(body) > MOST_BYTES:
                raise TryLater(f"{who} answered more than {MOST_BYTES} bytes.")
        lowered = {name.lower(): value for name, value in found.headers.items()}
        return Answer(found.status_code, who, lowered, body)


@lru_cache(maxsize=1)
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted. Read once: it takes as long as a short request."""
    return httpx.create_ssl_context()
