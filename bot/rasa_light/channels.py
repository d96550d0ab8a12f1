"""The channels that Rasa knows by a short name: the console of ``rasa shell``, and no other.

Loaded under the name ``rasa.core.channels`` (see `bot.rasa_light.finder`). Rasa's own file imports fifteen
messengers, a good part of every start. None of them may ever carry a patient's words here:
``credentials.yml`` names our one channel by its module, and ``rest:`` or ``socketio:`` in it is an error.
"""

from __future__ import annotations

from rasa.core.channels.channel import (
    CollectingOutputChannel,
    InputChannel,
    OutputChannel,
    UserMessage,
)
from rasa.core.channels.console import CmdlineInput

__all__ = [
    "BUILTIN_CHANNELS",
    "CmdlineInput",
    "CollectingOutputChannel",
    "InputChannel",
    "OutputChannel",
    "UserMessage",
    "input_channel_classes",
]

input_channel_classes: list[type[InputChannel]] = [CmdlineInput]

BUILTIN_CHANNELS: dict[str, type[InputChannel]] = {
    channel.name(): channel for channel in input_channel_classes
}
