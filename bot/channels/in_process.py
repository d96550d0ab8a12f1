"""The trained assistant inside this process, for audits (``pne ask``): no server, no database, no handoffs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.rasa_light import activate

Say = Callable[[str, str, dict[str, Any]], Awaitable[list[dict[str, Any]]]]


def open_agent(model: Path) -> Say:
    """Loads the model; returns ``say(conversation, text, metadata) -> replies``.

    Custom actions are answered by nobody on purpose: asking must never raise a handoff with a real clinic.
    """
    activate()
    warnings.filterwarnings("ignore")
    logging.getLogger("rasa").setLevel(logging.CRITICAL)
    from rasa.core.agent import Agent
    from rasa.core.channels.channel import UserMessage
    from rasa.utils.endpoints import EndpointConfig
    from rasa.utils.log_utils import configure_structlog

    from bot.channels.replies import WholeReplies, plain_text

    configure_structlog(logging.CRITICAL)  # its debug lines would hold the texts, on standard output

    class NoActions(EndpointConfig):
        async def request(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            return {"events": [], "responses": []}

    agent = Agent.load(
        str(model),
        action_endpoint=NoActions(),
        generator=EndpointConfig(type="bot.channels.responses.CuratedResponses"),
    )

    async def say(conversation: str, text: str, metadata: dict[str, Any]) -> list[dict[str, Any]]:
        output = WholeReplies()
        message = UserMessage(plain_text(text), output, conversation, input_channel="web", metadata=metadata)
        await agent.handle_message(message)
        return output.replies

    return say
