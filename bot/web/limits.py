"""Rate limits: so many messages a minute, per conversation and per address (fixed memory, this process).

Where several web processes run, each tells the others what it let in (fanout.py), so that a limit is one for all of
them, to within the milliseconds that this takes. While they cannot hear each other, each counts for itself.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MINUTE = 60.0
MOST_KEYS = 20_000


@dataclass
class Limits:
    """Sliding windows of one minute. `clock` is monotonic seconds. `tell` passes on what was counted, under names that
    `hide` has made."""

    per_conversation: int
    per_address: int
    clock: Callable[[], float] = time.monotonic
    tell: Callable[[Sequence[str]], None] | None = None
    hide: Callable[[str], str] = str
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, conversation_id: str, address: str | None) -> int:
        """Seconds to wait before this message may come; 0 lets it in and counts it. An address of None is not counted.

        The address comes first, and what is refused leaves nothing behind: whoever asks in ever new names from one
        place must not push out what is remembered of the others."""
        now = self.clock()
        windows = [(self.hide(f"c:{conversation_id}"), self.per_conversation)]
        if address is not None:
            windows.insert(0, (self.hide(f"a:{address}"), self.per_address))
        for key, most in windows:
            times = self._seen.get(key)
            while times and now - times[0] >= MINUTE:
                times.popleft()
            if times is None:
                continue
            self._seen.move_to_end(key)
            if len(times) >= most:
                # Counted elsewhere in the same moment there may be more than `most`.
                return max(1, int(MINUTE - (now - times[len(times) - most])) + 1)
        keys = [key for key, _ in windows]
        self._count(keys, now)
        if self.tell is not None:
            self.tell(keys)
        return 0

    def heard(self, keys: Sequence[str]) -> None:
        """Count what another process let in, by its hidden names."""
        self._count(keys, self.clock())

    def _count(self, keys: Sequence[str], now: float) -> None:
        for key in keys:
            times = self._seen.setdefault(key, deque())
            while times and now - times[0] >= MINUTE:
                times.popleft()
            times.append(now)
            self._seen.move_to_end(key)
        while len(self._seen) > MOST_KEYS:
            self._seen.popitem(last=False)
