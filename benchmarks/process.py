"""Starting a server, asking the kernel what it costs, and stopping it. Linux only: reads ``/proc``."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 10.0
_TICKS = os.sysconf("SC_CLK_TCK")
_MEGABYTE = 1024 * 1024


class BenchmarkFailed(Exception):
    """A server did not start or did not answer. The message holds the end of its log."""


@dataclass
class Server:
    """A running server process and where it logs. `spawned` is the monotonic time just before its start."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    spawned: float

    def alive(self) -> bool:
        return self.process.poll() is None

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far."""
        return sum(_cpu_seconds(pid) for pid in family(self.process.pid))

    def memory_mb(self) -> float:
        """Proportional set size of the process and its children: shared pages are counted once."""
        return sum(_pss_mb(pid) for pid in family(self.process.pid))

    def resident_mb(self) -> float:
        """Resident set size of the process and its children."""
        return sum(_status_kb(pid, "VmRSS:") for pid in family(self.process.pid)) / 1024

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]

    def stop(self) -> None:
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def start(
    name: str, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
) -> Server:
    """Start a server in `folder` with `environment` added to ours."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        spawned = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Server(name, process, log, spawned)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found, queue = [], [pid]
    while queue:
        found.append(queue.pop())
        queue.extend(children.get(found[-1], ()))
    return found


def folder_mb(folder: Path, without: Iterable[Path] = ()) -> float:
    """What a folder takes on disk. A file with two names counts once; files of `without` do not count."""
    left_out = {path.resolve() for path in without}
    seen: set[tuple[int, int]] = set()
    total = 0
    for top, _, names in os.walk(folder):
        for name in names:
            path = Path(top) / name
            about = path.lstat()
            if (about.st_dev, about.st_ino) in seen or (left_out and path.resolve() in left_out):
                continue
            seen.add((about.st_dev, about.st_ino))
            total += about.st_blocks * 512
    return total / _MEGABYTE


def machine() -> dict[str, object]:
    """What this machine is, and how busy it is now."""
    models = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    total = [int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")]
    return {
        "processor": models[0] if models else "unknown",
        "cores": os.cpu_count(),
        "memory_gb": round(sum(total) / 1024 / 1024, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": [round(value, 2) for value in os.getloadavg()],
    }


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _pss_mb(pid: int) -> float:
    for line in _lines(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return _status_kb(pid, "VmRSS:") / 1024


def _status_kb(pid: int, name: str) -> int:
    return next((int(line.split()[1]) for line in _lines(f"/proc/{pid}/status") if line.startswith(name)), 0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
