"""A small disk of a drill's own that can be filled and freed, and SQLite files that somebody else holds."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class Disk:
    """`fill` takes every byte, and every byte that becomes free, until `free`."""

    folder: Path
    _full: threading.Event = field(default_factory=threading.Event)
    _filling: threading.Thread | None = None

    @property
    def ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self) -> None:
        self._full.set()
        self._write()
        self._filling = threading.Thread(target=self._keep_full, daemon=True)
        self._filling.start()

    def free(self) -> None:
        self._full.clear()
        if self._filling is not None:
            self._filling.join(5)
        self.ballast.unlink()

    def _keep_full(self) -> None:
        while self._full.is_set():
            self._write()
            threading.Event().wait(0.05)

    def _write(self) -> None:
        for size in (1 << 20, 4096):
            with self.ballast.open("ab", buffering=0) as file:
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError as error:
                    assert error.errno == errno.ENOSPC


@contextmanager
def small_disk(folder: Path, megabytes: int = 12) -> Iterator[Disk]:
    """A tmpfs at `folder`. Skips the test where nothing may be mounted."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0755", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def held(*files: Path) -> Iterator[None]:
    """Somebody else writes to these SQLite files for the block, and takes long."""
    with ExitStack() as stack:
        for file in files:
            connection = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
            stack.callback(connection.close)
            connection.execute("BEGIN IMMEDIATE")
        yield


def sound(file: Path) -> bool:
    """Whether SQLite finds nothing wrong in the file."""
    with suppress(sqlite3.DatabaseError):
        connection = sqlite3.connect(file, timeout=10)
        try:
            return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
        finally:
            connection.close()
    return False
