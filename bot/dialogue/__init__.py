"""What the assistant says next: from what was heard and what was said to a spec that ``bot.content.replies`` renders.

Pure: no Rasa, no database. Rasa's rules choose the action (what kind of thing is said), this the words.
"""

from bot.dialogue.choose import choose
from bot.dialogue.turn import Turn

__all__ = ["Turn", "choose"]
