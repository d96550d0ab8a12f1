"""What a process has loaded for good: put aside, and the rest of it given back to the system."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress


def settle() -> None:
    """Call when everything that stays is loaded.

    The garbage collector then need not walk through it at every turn, which could hold a message up by 70 ms; and what
    loading needed and freed goes back to the system, which the C library would keep (140 MB after the safety's rules).
    """
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)
