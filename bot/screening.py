"""The screening as our processes use it: the rules, and the trained soft layer where that can be loaded.

Without the soft layer (not trained yet, no encoder, a fault in it) the rules go on alone and ask more often: a failure
falls towards the question, and is logged by its cause.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

import numpy as np
import structlog

from bot import safety
from bot.memory import settle
from bot.safety import Screening
from bot.safety.soft import Encode, SoftLayer, load_soft

log = structlog.get_logger(__name__)


def screen(
    text: str, history: Sequence[str] = (), denied: Collection[str] = (), facts: Collection[str] = ()
) -> Screening:
    """Screen one message with both layers. Parameters as of ``safety.screen``; never raises on any text."""
    soft = soft_layer()
    if soft is not None:
        try:
            return safety.screen(text, history, soft=soft, denied=denied, facts=facts)
        except Exception as error:
            log.error("soft_layer_failed", cause=type(error).__name__)
    return safety.screen(text, history, denied=denied, facts=facts)


@lru_cache(maxsize=1)
def warm_up() -> None:
    """Load both layers before the first message waits for them, once a process."""
    screen("warm up")
    settle()


@lru_cache(maxsize=1)
def soft_layer() -> SoftLayer | None:
    """The trained layer of the present data with its encoder, loaded once; None where there is none."""
    from bot.training import soft_path

    try:
        return load_soft(soft_path(), sentence_encoder())
    except Exception as error:  # a file that is cut short can raise anything, and the rules must go on
        log.error("soft_layer_missing", cause=type(error).__name__)
        return None


def sentence_encoder() -> Encode | None:
    """Repair the spelling, then encode; None (and a line in the log) where the encoder cannot be loaded."""
    from bot.understanding.encoder import EncoderError, load_encoder
    from bot.understanding.spelling import load_normaliser

    try:
        encoder, normalise = load_encoder(), load_normaliser()
    except (EncoderError, RuntimeError) as error:
        log.error("encoder_not_loaded", cause=type(error).__name__)
        return None

    def encode(texts: Sequence[str]) -> np.ndarray:
        return encoder([normalise(text) for text in texts])

    return encode
