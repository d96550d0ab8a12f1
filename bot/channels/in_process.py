"""The assistant inside this process, without a server: for ``pne ask``, audits and tests.

Nothing is written: the dialogue's state is kept in memory. Call `bot.rasa_light.activate` before importing
this.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasa.core.agent import Agent
from rasa.core.channels.channel import UserMessage
from rasa.core.tracker_store import InMemoryTrackerStore
from rasa.core.utils import AvailableEndpoints
from rasa.shared.core.domain import Domain
from rasa.shared.exceptions import RasaException

from bot.channels.replies import CHANNEL_NAME, WholeReplies, plain_text


def open_assistant(model: str | Path = "models", endpoints: str | Path = "endpoints.yml") -> Assistant:
    """Load a model file, or the newest of a folder, with the responses and actions that `endpoints` names.

    Raises `RasaException` (or Rasa's `ModelNotFound`, which is one) where no model can be loaded.
    """
    parts = AvailableEndpoints.read_endpoints(str(endpoints))
    agent = Agent.load(
        str(model),
        generator=parts.nlg,
        action_endpoint=parts.action,
        tracker_store=InMemoryTrackerStore(Domain.empty()),
    )
    if not agent.is_ready():
        raise RasaException(f"No model could be loaded from {model}. Train one with: pne rasa train")
    return Assistant(agent)


class Assistant:
    """A loaded model that answers one message at a time."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    async def say(self, conversation: str, text: str, **metadata: Any) -> list[dict[str, Any]]:
        """Return the whole replies to a message, as the web channel gives them; may be empty.

        `metadata` is what the web app sends along: ``message_id``, ``payload``, ``vector``, ``screened``,
        ``clinic``.
        """
        output = WholeReplies()
        message = UserMessage(
            plain_text(text), output, conversation, input_channel=CHANNEL_NAME, metadata=metadata
        )
        await self.agent.handle_message(message)
        return output.replies

    async def parse(self, text: str) -> dict[str, Any]:
        """Return what the understanding makes of a text: intent, ranking and entities."""
        return await self.agent.parse_message(plain_text(text))
