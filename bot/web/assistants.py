"""The Rasa processes that answer, and which of them a conversation belongs to.

Every web process ranks them in the same way for a conversation (rendezvous hashing), so that its messages meet one
after the other at one Rasa, and only the conversations of a Rasa that is away move to others.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.web.breaker import Breaker

HEALTH_PATH = "/webhooks/web/health"
# Seconds. Rasa keeps an idle connection for 120 s; ours must let go first.
CONNECT_SECONDS, POOL_SECONDS, HEALTH_SECONDS, KEPT_SECONDS = 1.0, 3.0, 2.0, 60.0
# Seconds after which it is asked whether it is well while an answer is still awaited.
SLOW = 2.0
MOST_CONNECTIONS, MOST_KEPT = 100, 20
# Seconds before a request whose connection broke off is sent again. A process that is dying may take one more.
AGAIN_AFTER = (0.0, 0.1)
# What ends a connection without an answer: it was closed while the request was on its way.
BROKEN_OFF = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError, httpx.CloseError)


class Unreached(Exception):
    """No Rasa is at work on the request. `nobody`: nobody listens at the address. Holds the cause."""

    def __init__(self, cause: str, nobody: bool) -> None:
        super().__init__(cause)
        self.nobody = nobody


class _CutOff(httpx.ConnectError):
    """A connection that was closed as soon as it was made."""


class Rasa:
    """One Rasa process: its pool of connections and its breaker."""

    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        limits = httpx.Limits(
            max_connections=MOST_CONNECTIONS, max_keepalive_connections=MOST_KEPT, keepalive_expiry=KEPT_SECONDS
        )
        times = httpx.Timeout(timeout, connect=CONNECT_SECONDS, pool=POOL_SECONDS)
        # Not by way of a proxy that the environment names: patients' words go straight to Rasa.
        self.client = httpx.AsyncClient(base_url=url, timeout=times, limits=limits, trust_env=False)
        self.breaker = Breaker(self.address, self.healthy)

    @property
    def address(self) -> str:
        """Host and port, without anything secret."""
        parts = urlsplit(self.url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    async def ask(self, method: str, path: str, conversation: str, **request: Any) -> httpx.Response:
        """The answer to a request, whatever its status. Raises Unreached, or httpx.HTTPError where a turn may be under
        way or have been: that must not be asked of another Rasa.

        A request whose connection broke off is sent again to the same process, which knows a message by its id and does
        not process it twice: a connection of the pool may just have been closed. If nobody listens there any more, the
        process may have died before the turn was saved, or after: another one would perhaps do it a second time."""
        suspicion = asyncio.get_running_loop().call_later(SLOW, self.breaker.suspect)
        begun = False
        try:
            for pause in (*AGAIN_AFTER, None):
                try:
                    response = await self._send(method, path, **request)
                    break
                except (*BROKEN_OFF, _CutOff) as error:
                    begun = begun or not isinstance(error, _CutOff)
                    if pause is None:
                        raise
                    await asyncio.sleep(pause)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            nobody = isinstance(error, httpx.ConnectError)
            if not nobody:
                self.breaker.open("no connection")
            if begun:
                raise
            raise Unreached(type(error).__name__, nobody) from None
        except httpx.PoolTimeout:
            raise  # too many at once: that is our own doing
        except httpx.HTTPError:
            self.breaker.failed(conversation)
            raise
        finally:
            suspicion.cancel()
        if response.status_code >= 500:
            self.breaker.failed(conversation)
        elif response.is_success:
            self.breaker.succeeded()
        return response

    async def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            return await self.client.request(method, path, **request)
        except AttributeError:  # how anyio (4.16) says that a new connection was closed before anything was sent
            raise _CutOff("cut off") from None

    async def healthy(self) -> bool:
        """Whether it is up with its own tracker store and a model."""
        try:
            return (await self._send("GET", HEALTH_PATH, timeout=HEALTH_SECONDS)).status_code == 200
        except httpx.HTTPError:
            return False

    async def close(self) -> None:
        await self.breaker.stop()
        await self.client.aclose()


def ranked(conversation: str, rasas: Sequence[Rasa]) -> list[Rasa]:
    """The processes in the order in which this conversation asks them: the same everywhere, whatever their order."""
    return sorted(rasas, key=lambda rasa: _weight(rasa.url, conversation), reverse=True)


def _weight(url: str, conversation: str) -> bytes:
    return hashlib.blake2b(f"{url}\0{conversation}".encode("utf-8", "replace"), digest_size=8).digest()
