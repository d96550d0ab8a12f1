"""Fan-out of what is new. Stored events are read from the event log; only wake-ups pass here, in this process and,
where there are several, from one to the other (fanout.py)."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NEW: dict[str, Any] = {"new": True}


class Hub:
    """Topics with their listeners. A listener is a queue of wake-ups and of things that are not stored.

    `abroad`, where it is set, passes a wake-up on to other processes: at once, without waiting, without raising."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Queue[dict[str, Any]]]] = defaultdict(set)
        self.abroad: Callable[[str, dict[str, Any]], None] | None = None

    @contextmanager
    def listen(self, topic: str) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """A queue that hears the topic for as long as the block lasts."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=100)
        self._listeners[topic].add(queue)
        try:
            yield queue
        finally:
            self._listeners[topic].discard(queue)
            if not self._listeners[topic]:
                self._listeners.pop(topic, None)

    def wake(self, topic: str, item: dict[str, Any] = NEW) -> None:
        """Tell every listener, here and elsewhere. A listener that does not keep up loses wake-ups, never events: they
        are in the log."""
        self.deliver(topic, item)
        if self.abroad is not None:
            self.abroad(topic, item)

    def deliver(self, topic: str, item: dict[str, Any]) -> None:
        """Tell the listeners of this process."""
        for queue in tuple(self._listeners.get(topic, ())):
            if not queue.full():
                queue.put_nowait(item)

    def look_again(self, topic: str) -> None:
        """Have the listeners of this process read the log. One that has something to hear already will do so anyway."""
        for queue in tuple(self._listeners.get(topic, ())):
            if queue.empty():
                queue.put_nowait(NEW)

    def topics(self) -> tuple[str, ...]:
        """What is listened to in this process."""
        return tuple(self._listeners)


def conversation_topic(conversation_id: str) -> str:
    return f"conversation:{conversation_id}"


def inbox_topic(clinic: str) -> str:
    return f"inbox:{clinic}"


def frame(data: Any, *, event: str = "", id: int | None = None) -> str:
    """One Server-Sent Events frame."""
    head = (f"id: {id}\n" if id is not None else "") + (f"event: {event}\n" if event else "")
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n"


HEARTBEAT = ": still here\n\n"
