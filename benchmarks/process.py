"""Starting a server, asking the kernel what it costs, and stopping it. Linux only: reads ``/proc``."""

from __future__ import annotations

import contextlib
import http.client
import os
import platform
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

STOP_SECONDS = 10.0
READY_SECONDS = 180.0
# Often enough for a start of some seconds, and too seldom to slow down what it waits for.
PROBE_EVERY = 0.03
GENERATOR = "generator"
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

    def pids(self) -> list[int]:
        return family(self.process.pid)

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far."""
        return cpu_seconds(self.pids())

    def memory_mb(self) -> float:
        """Proportional set size of the process and its children: shared pages are counted once."""
        return memory_mb(self.pids())

    def resident_mb(self) -> float:
        """Resident set size of the process and its children."""
        return sum(_status_kb(pid, "VmRSS:") for pid in self.pids()) / 1024

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


@dataclass
class Used:
    """What a block cost: seconds on the clock, CPU seconds by name, and each core's share of idle time."""

    wall: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    idle: list[float] = field(default_factory=list)

    def cores(self, *names: str) -> float:
        """How many cores the named processes kept busy (all of them, if none is named)."""
        return sum(self.cpu[name] for name in names or self.cpu) / self.wall


@contextmanager
def metered(groups: Mapping[str, Callable[[], Sequence[int]]]) -> Iterator[Used]:
    """Measures what the processes of each group, and this process (GENERATOR), use during the block."""

    def read() -> dict[str, float]:
        return {GENERATOR: time.process_time(), **{name: cpu_seconds(pids()) for name, pids in groups.items()}}

    used, cores, before, began = Used(), _core_times(), read(), time.perf_counter()
    try:
        yield used
    finally:
        used.wall = time.perf_counter() - began
        used.cpu = {name: seconds - before[name] for name, seconds in read().items()}
        used.idle = [
            (idle - idle_before) / max(total - total_before, 1)
            for (idle, total), (idle_before, total_before) in zip(_core_times(), cores, strict=True)
        ]


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


def status_of(url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> int:
    """The status of one request (a POST where there is a JSON body); 0 where nobody answers. Costs next to nothing."""
    return _request(url, body, headers)[0]


def text_of(url: str) -> str:
    """The beginning of what a GET brings; empty where nobody answers."""
    return _request(url, None, None)[1].decode("utf-8", "replace")[:1000]


def _request(url: str, body: bytes | None, headers: Mapping[str, str] | None) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        sent = {"Content-Type": "application/json", **(headers or {})} if body is not None else dict(headers or {})
        connection.request("POST" if body is not None else "GET", parts.path or "/", body, sent)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def until_ready(server: Server, ready: Callable[[], bool], why_not: Callable[[], str] | None = None) -> float:
    """The moment at which `ready` is first true. Raises BenchmarkFailed with `why_not` and the server's log."""
    until = time.perf_counter() + READY_SECONDS
    while time.perf_counter() < until and server.alive():
        if ready():
            return time.perf_counter()
        time.sleep(PROBE_EVERY)
    raise BenchmarkFailed(f"{server.name} was not ready: {why_not() if why_not else ''}\n{server.tail()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def many_files(count: int) -> None:
    """Let this process and its children hold so many files and sockets open. Raises BenchmarkFailed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchmarkFailed(f"{count} open files are needed; this account may have {hard} (ulimit -Hn).")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def confine(pids: Iterable[int], cores: set[int]) -> None:
    """Let all threads of the processes run on these cores only."""
    for pid in pids:
        with contextlib.suppress(OSError):  # a process or thread that has just ended
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError):
                    os.sched_setaffinity(int(thread), cores)


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


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far, with that of children which have ended."""
    return sum(_cpu_seconds(pid) for pid in pids)


def memory_mb(pids: Iterable[int]) -> float:
    """Proportional set size."""
    return sum(_pss_mb(pid) for pid in pids)


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


def _core_times() -> list[tuple[int, int]]:
    """For each core the ticks that it was idle, and all ticks."""
    found = []
    for line in _lines("/proc/stat"):
        name, *rest = line.split()
        if name.startswith("cpu") and name != "cpu":
            ticks = [int(value) for value in rest[:8]]
            found.append((ticks[3] + ticks[4], sum(ticks)))
    return found


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(value) for value in fields[11:15]) / _TICKS


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
