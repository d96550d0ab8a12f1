"""The line to Rasa: one message there, whole replies back, or a named failure. Never a patient's word in a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import structlog

log = structlog.get_logger(__name__)
PATH = "/webhooks/web/message"
FACTS_PATH = "/webhooks/web/facts"


class AssistantUnavailable(Exception):
    """Rasa did not answer, answered late, or answered with nothing. Holds the cause."""


class AssistantAway(AssistantUnavailable):
    """Nobody listens at Rasa's address: there is no Rasa, so no turn of it can be under way either."""


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
        numbers: Mapping[str, str] | None = None,
        payload: str = "",
        denied: tuple[str, ...] = (),
        reading: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Rasa's replies to one message. `numbers`: the clinic's, as they are now. Raises AssistantUnavailable."""
        body: dict[str, Any] = {
            "conversation": conversation,
            "message_id": message_id,
            "text": text,
            "clinic": clinic,
            "numbers": dict(numbers or {}),
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

    async def facts(self, conversation: str) -> dict[str, str]:
        """What the dialogue has noted (body_part, finding, age), after the turns under way. Raises
        AssistantUnavailable, or AssistantAway where Rasa does not run."""
        found = (await self._about_facts("GET", params={"conversation": conversation})).get("facts")
        if not isinstance(found, dict):
            raise AssistantUnavailable("no facts")
        return found

    async def change_fact(self, conversation: str, key: str, value: str | None) -> None:
        """Sets a fact of the dialogue, or (None) forgets it. Raises AssistantUnavailable."""
        await self._about_facts("PATCH", json={"conversation": conversation, "key": key, "value": value})

    async def _about_facts(self, method: str, **request: Any) -> dict[str, Any]:
        try:
            headers = {"X-PNE-Secret": self.secret}
            response = await self.client.request(method, FACTS_PATH, headers=headers, **request)
            response.raise_for_status()
            answer = response.json()
        except httpx.ConnectError as error:
            raise AssistantAway(_cause(error)) from None
        except (httpx.HTTPError, ValueError) as error:
            raise AssistantUnavailable(_cause(error)) from None
        return answer if isinstance(answer, dict) else {}

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
