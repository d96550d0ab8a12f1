"""One pass of a chore over what has fallen due: found in batches, each handled by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection
from typing import TypeVar

from bot.store.session import DatabaseUnavailable

logger = logging.getLogger(__name__)
T = TypeVar("T")

BATCH = 20
# A pass leaves the rest to the next one, so that its heartbeat is seen.
MOST_A_PASS = 200


async def each_once(
    name: str, find: Callable[[Collection[str]], list[str]], handle: Callable[[str], T | None]
) -> AsyncIterator[T]:
    """Handles every id that `find` gives (without those it is told), each in a thread; gives what comes of each.

    `handle` gives None where somebody else was first. One bad row stops no other. Raises DatabaseUnavailable where the
    database is away.
    """
    passed: set[str] = set()
    while len(passed) < MOST_A_PASS:
        found = await asyncio.to_thread(find, passed)
        if not found:
            break
        for one in found:
            passed.add(one)
            try:
                result = await asyncio.to_thread(handle, one)
            except DatabaseUnavailable as error:
                logger.warning("%s: not handled now: %s", name, error)
                break  # if the database is away, the next look says so; if not, the others get their turn
            except Exception as error:
                logger.error("%s: one could not be handled: %s", name, type(error).__name__)
                continue
            if result is not None:
                yield result
