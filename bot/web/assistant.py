"""The line to Rasa: one message there, whole replies back, or a named failure. Never a patient's word in a log.

There may be several Rasa processes (assistants.py): a conversation has its own, and goes to the next in its ranking
where nobody listens or a breaker is open. What one may have begun is never asked of another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from bot.web.assistants import Rasa, Unreached, ranked

PATH = "/webhooks/web/message"
FACTS_PATH = "/webhooks/web/facts"


class AssistantUnavailable(Exception):
    """Rasa did not answer, answered late, or answered with nothing. Holds the cause."""


class AssistantAway(AssistantUnavailable):
    """Nobody listens at any address: there is no Rasa, so no turn of it can be under way either."""


@dataclass
class Assistant:
    """Rasa's channel. `reading` travels along, so that Rasa encodes nothing twice."""

    rasas: Sequence[Rasa]
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
        screened: dict[str, Any] | None = None,
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
            "screened": screened,
        }
        if reading:
            body["reading"] = reading
        replies = (await self._exchange("POST", PATH, conversation, json=body)).get("replies")
        if not isinstance(replies, list) or not replies:
            raise AssistantUnavailable("no replies")
        return replies

    async def facts(self, conversation: str) -> dict[str, str]:
        """What the dialogue has noted (body_part, finding, age), after the turns under way. Raises
        AssistantUnavailable, or AssistantAway where Rasa does not run."""
        answer = await self._exchange("GET", FACTS_PATH, conversation, params={"conversation": conversation})
        found = answer.get("facts")
        if not isinstance(found, dict):
            raise AssistantUnavailable("no facts")
        return found

    async def change_fact(self, conversation: str, key: str, value: str | None) -> None:
        """Sets a fact of the dialogue, or (None) forgets it. Raises AssistantUnavailable."""
        change = {"conversation": conversation, "key": key, "value": value}
        await self._exchange("PATCH", FACTS_PATH, conversation, json=change)

    async def _exchange(self, method: str, path: str, conversation: str, **request: Any) -> dict[str, Any]:
        """The JSON object that the conversation's Rasa answers with. Raises AssistantUnavailable."""
        cause, nobody = "circuit open", True
        for rasa in ranked(conversation, self.rasas):
            if not rasa.breaker.lets_through:
                nobody = False
                continue
            try:
                headers = {"X-PNE-Secret": self.secret}
                response = await rasa.ask(method, path, conversation, headers=headers, **request)
                response.raise_for_status()
                answer = response.json()
            except Unreached as error:
                cause, nobody = str(error), nobody and error.nobody
                continue
            except (httpx.HTTPError, ValueError) as error:
                raise AssistantUnavailable(_cause(error)) from None
            return answer if isinstance(answer, dict) else {}
        raise (AssistantAway if nobody else AssistantUnavailable)(cause)

    async def ready(self) -> bool:
        """Whether any Rasa is up with its own tracker store and a model."""
        asked = [asyncio.ensure_future(rasa.healthy()) for rasa in self.rasas]
        try:
            for answer in asyncio.as_completed(asked):
                if await answer:
                    return True
            return False
        finally:
            for one in asked:
                one.cancel()

    def states(self) -> list[dict[str, Any]]:
        """Each Rasa as it is known here: {address, state (of its breaker), failures, opened}. Asks nobody."""
        return [
            {
                "address": rasa.address,
                "state": rasa.breaker.state,
                "failures": rasa.breaker.failures,
                "opened": rasa.breaker.opened,
            }
            for rasa in self.rasas
        ]

    async def aclose(self) -> None:
        for rasa in self.rasas:
            await rasa.close()


def _cause(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    return type(error).__name__


def open_assistant(urls: Sequence[str], secret: str, timeout: float) -> Assistant:
    """The line to the Rasa processes at `urls`; `timeout` in seconds bounds a turn."""
    return Assistant([Rasa(url, timeout) for url in urls], secret)
