"""The line to Rasa: one message there, whole replies back, or a named failure. Never a patient's word in a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
import structlog

log = structlog.get_logger(__name__)
PATH = "/webhooks/web/message"


class AssistantUnavailable(Exception):
    """Rasa did not answer, answered late, or answered with nothing. Holds the cause."""


@dataclass
class Assistant:
    """Rasa's channel on loopback. `reading` travels along, so that Rasa encodes nothing twice."""

    client: httpx.AsyncClient
    secret: str

    async def say(
        self,
        *,
        conversation: str,
        message_id: str,
        text: str,
        clinic: str,
        payload: str = "",
        denied: tuple[str, ...] = (),
        reading: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Rasa's replies to one message. Raises AssistantUnavailable."""
        body: dict[str, Any] = {
            "conversation": conversation,
            "message_id": message_id,
            "text": text,
            "clinic": clinic,
            "payload": payload,
            "denied": list(denied),
        }
        if reading:
            body["reading"] = reading
        try:
            response = await self.client.post(PATH, json=body, headers={"X-PNE-Secret": self.secret})
            response.raise_for_status()
            replies = response.json()["replies"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise AssistantUnavailable(_cause(error)) from None
        if not isinstance(replies, list) or not replies:
            raise AssistantUnavailable("no replies")
        return replies

    async def ready(self) -> bool:
        """Whether Rasa is up with its own tracker store and a model."""
        try:
            return (await self.client.get("/webhooks/web/health", timeout=2.0)).status_code == 200
        except httpx.HTTPError:
            return False


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__


def open_assistant(url: str, secret: str, timeout: float) -> Assistant:
    """The line to Rasa at `url`; `timeout` in seconds bounds a whole turn."""
    return Assistant(httpx.AsyncClient(base_url=url, timeout=httpx.Timeout(timeout, connect=2.0)), secret)
