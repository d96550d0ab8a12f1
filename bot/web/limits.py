"""Rate limits: so many messages a minute, per conversation and per address (fixed memory, this process)."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

MINUTE = 60.0
MOST_KEYS = 20_000


@dataclass
class Limits:
    """Sliding windows of one minute. `clock` is monotonic seconds."""

    per_conversation: int
    per_address: int
    clock: Callable[[], float] = time.monotonic
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, conversation_id: str, address: str | None) -> int:
        """Seconds to wait before this message may come; 0 lets it in and counts it. An address of None is not counted.

        The address comes first, and what is refused leaves nothing behind: whoever asks in ever new names from one
        place must not push out what is remembered of the others."""
        now = self.clock()
        windows = [(f"c:{conversation_id}", self.per_conversation)]
        if address is not None:
            windows.insert(0, (f"a:{address}", self.per_address))
        for key, most in windows:
            times = self._seen.get(key)
            while times and now - times[0] >= MINUTE:
                times.popleft()
            if times is None:
                continue
            self._seen.move_to_end(key)
            if len(times) >= most:
                return max(1, int(MINUTE - (now - times[0])) + 1)
        for key, _ in windows:
            self._seen.setdefault(key, deque()).append(now)
        while len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
        return 0
