"""``python -m benchmarks.profile``: where the processor time of a turn goes, in the web app and in Rasa.

Both run for real, on PostgreSQL or SQLite, while one client asks; py-spy looks at them a hundred times a second and
every sample is counted for the part of the product that its innermost known frame belongs to. py-spy is not installed
with this project (``uv tool install py-spy``, or give --py-spy). Without it, turns of the assistant in this process are
profiled with cProfile, which sees the screening and Rasa but neither HTTP nor SQL.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.bench import FULL, Bench
from benchmarks.ours import NAMES, Ours
from benchmarks.process import BenchmarkFailed, metered
from benchmarks.results import commit
from benchmarks.run import RESULTS, say
from bot.settings import ROOT

RATE = 100
TOP = 12
SECONDS = 20
# The first part whose pattern is in the frame's file, from the innermost frame outwards.
PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("encoder", ("onnxruntime", "tokenizers", "bot/understanding/encoder")),
    ("spelling", ("symspellpy", "bot/understanding/spelling")),
    ("classifier", ("bot/understanding/classifier", "bot/understanding/decide", "sklearn", "scipy")),
    ("screening", ("bot/safety", "bot/screening", "spacy", "thinc")),
    ("JSON", ("/json/", "orjson")),
    ("logging", ("structlog", "/logging/")),
    ("SQL", ("sqlalchemy", "psycopg2", "sqlite3", "bot/store")),
    ("tracker", ("bot/channels/tracker_store", "rasa/core/tracker_store", "rasa/shared/core/trackers",
                 "rasa/shared/core/events", "rasa/core/lock")),
    ("HTTP", ("uvicorn", "starlette", "httpx", "httpcore", "h11", "httptools", "sanic", "aiohttp", "anyio", "uvloop",
              "bot/web/assistant")),
    ("Rasa's graph", ("rasa/",)),
    ("our Rasa parts", ("bot/nlu", "bot/channels", "bot/dialogue", "actions/")),
    ("the web app's own", ("bot/web", "bot/tutor", "bot/content", "bot/understanding")),
    ("event loop, threads", ("asyncio", "concurrent/futures", "threading.py", "selectors.py")),
)  # fmt: skip
OTHER = "other"
# Innermost frames of threads that wait, for a request, for each other or for the disk, but do not always look so.
WAITING = "waiting"
_WAITS = ("_worker (", "Condition.wait (", "Runner.run (", "serve (sanic", "do_commit (")


def main(arguments: Sequence[str] | None = None) -> int:
    """Profile, print the table, write benchmarks/results/profile.md. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--py-spy", default=shutil.which("py-spy"), help="the program; default: found on the PATH")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="how long each process is watched")
    parser.add_argument("--clients", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RESULTS / "profile.md")
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pne-bench-") as folder:
        bench = Bench(Path(folder), FULL, say)
        try:
            text = _watched(bench, asked) if asked.py_spy else _in_process(bench)
        except BenchmarkFailed as error:
            say(str(error))
            return 1
        finally:
            bench.close()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


def part_of(stack: Sequence[str]) -> str:
    """The part of the product that a stack (outermost frame first) is at work for, or WAITING."""
    if any(wait in _without_line(stack[-1]) for wait in _WAITS):
        return WAITING
    for frame in reversed(stack):
        for part, patterns in PARTS:
            if any(pattern in frame for pattern in patterns):
                return part
    return OTHER


def counted(folded: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Samples by part and by innermost function, from folded stacks (``frame;frame;frame count``)."""
    parts: Counter[str] = Counter()
    functions: Counter[str] = Counter()
    for line in folded:
        stack, _, count = line.strip().rpartition(" ")
        if stack and count.isdigit():
            frames = stack.split(";")
            part = part_of(frames)
            parts[part] += int(count)
            if part != WAITING:
                functions[_without_line(frames[-1])] += int(count)
    return parts, functions


def _watched(bench: Bench, asked: argparse.Namespace) -> str:
    """Both processes under py-spy, one after the other, while clients ask."""
    with bench.product(asked.postgres) as product:
        product.start(*NAMES)
        product.wait_ready()
        bench.drive(product.patient, 1, bench.plan.warm_up)
        found = {name: _watch(bench, product, name, asked) for name in ("web", "rasa")}
    where = "PostgreSQL" if asked.postgres else "SQLite"
    lines = [
        f"Measured at {commit() or 'an unknown commit'} on {where}, {asked.clients} client(s): py-spy, {RATE} samples "
        f"a second for {asked.seconds} seconds; milliseconds are processor time of a turn as the kernel counts it.",
        "",
    ]
    names = [part for part, _ in PARTS] + [OTHER]
    parts = {name: one[0] for name, one in found.items()}
    waits = "; ".join(f"{one.pop(WAITING, 0)} of {name}'s, beside {sum(one.values())}" for name, one in parts.items())
    lines += [f"Left out are samples of threads that waited for requests, each other or the disk ({waits}).", ""]
    lines += ["| Part | web, ms a turn | | Rasa, ms a turn | |", "|---|---|---|---|---|"]
    for part in sorted(names, key=lambda one: -sum(parts[name][one] for name in parts)):
        cells = [_share(parts[name][part], sum(parts[name].values()), found[name][2]) for name in ("web", "rasa")]
        if any(parts[name][part] for name in parts):
            lines.append(f"| {part} | {' | '.join(cells)} |")
    totals = " | | ".join(f"**{found[name][2]:.1f}**" for name in ("web", "rasa"))
    lines += [f"| **all** | {totals} | |", ""]
    for name in ("web", "rasa"):
        total = sum(found[name][0].values()) or 1
        lines += [f"Costliest functions of {name} by their own time:", ""]
        lines += [f"- {100 * count / total:.1f} % `{function}`" for function, count in found[name][1].most_common(TOP)]
        lines.append("")
    return "\n".join(lines).rstrip()


def _watch(
    bench: Bench, product: Ours, name: str, asked: argparse.Namespace
) -> tuple[Counter[str], Counter[str], float]:
    """Samples of one process by part and by function, and its processor time of a turn in milliseconds."""
    bench.say(f"watching {name} for {asked.seconds} s")
    pid, folded = product.servers[name].process.pid, bench.folder / f"{name}.folded"
    command = [asked.py_spy, "record", "--pid", str(pid), "--format", "raw", "--rate", str(RATE), "--full-filenames",
               "--output", str(folded), "--duration", str(asked.seconds), "--nonblocking"]  # fmt: skip
    watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    turns, began = 0, time.perf_counter()
    with metered({name: product.servers[name].pids}) as used:
        while time.perf_counter() - began < asked.seconds:
            turns += len(bench.drive(product.patient, asked.clients, 10 * asked.clients).seconds)
    said = watching.communicate(timeout=60)[0].decode(errors="replace")
    if watching.returncode != 0 or not folded.exists():
        raise BenchmarkFailed(f"py-spy could not watch {name} (it may need root): {said[-500:]}")
    parts, functions = counted(folded.read_text(encoding="utf-8").splitlines())
    return parts, functions, 1000 * used.cpu[name] / turns


def _in_process(bench: Bench) -> str:
    """The assistant in this process under cProfile: screening and Rasa without HTTP and SQL."""
    from bot.asking import open_tutor
    from bot.settings import read_settings

    say("py-spy is not there: profiling turns in this process, without HTTP and databases")
    texts = bench.texts[: bench.plan.turns_1]
    ask = open_tutor(read_settings({"PNE_VAR": str(bench.folder)}))
    profile = cProfile.Profile()

    async def talk() -> None:
        await ask(texts[0])
        profile.enable()
        for text in texts[1:]:
            await ask(text)
        profile.disable()

    asyncio.run(talk())
    stats, parts = pstats.Stats(profile), defaultdict[str, float](float)
    own = {(file, name): times[2] for (file, _, name), times in stats.stats.items()}  # type: ignore[attr-defined]
    for (file, name), seconds in own.items():
        parts[part_of([f"{name} ({file})"])] += seconds
    total = sum(own.values()) or 1.0
    lines = [
        f"Measured at {commit() or 'an unknown commit'} by cProfile in one process: no HTTP, no databases; built-in "
        "functions count as other.",
        "",
        "| Part | share | ms a turn |",
        "|---|---|---|",
        *(f"| {part} | {100 * seconds / total:.0f} % | {1000 * seconds / len(texts):.2f} |"
          for part, seconds in sorted(parts.items(), key=lambda pair: -pair[1])),
    ]  # fmt: skip
    return "\n".join(lines)


def _share(count: int, total: int, ms: float) -> str:
    return f"{ms * count / total:.1f} | {100 * count / total:.0f} %" if total and count else " | "


def _without_line(frame: str) -> str:
    """A frame as ``function (file)``, the file from the package on."""
    name, _, place = frame.partition(" (")
    file = place.rstrip(")").rpartition(":")[0] or place.rstrip(")")
    for root in ("site-packages/", f"{ROOT}/", "lib/python"):
        file = file.rpartition(root)[2]
    return f"{name} ({file})"


if __name__ == "__main__":
    sys.exit(main())
