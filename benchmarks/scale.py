"""``python -m benchmarks.scale``: one web app and one Rasa against two of each, on PostgreSQL and Redis.

Each client talks to the web process that its conversation hashes to, as the proxy in front would send it. All processes
are started once and idle while the others are measured. On a machine of two cores that also has the database and the
load generator the answer depends on what one of each leaves idle: so the idle share is measured too, and a second
reading gives one of each a single core for everything and two of each both cores.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from redis import Redis

from benchmarks import backing
from benchmarks.bench import Bench
from benchmarks.load import Load
from benchmarks.ours import Ours, settings_for
from benchmarks.process import GENERATOR, confine, metered
from benchmarks.results import CORE, ONE, TWO, Part
from benchmarks.rounds import Groups
from benchmarks.talkers import Patient
from bot.processes import parts

NAME = "scale"
CLIENTS = (8, 32)
# One of each has a web app of its own, which knows one Rasa; two of each share both Rasas.
WEBS = {ONE: ("web",), TWO: ("web2", "web3"), CORE: ("web",)}
RASAS = {ONE: ("rasa",), TWO: ("rasa", "rasa2"), CORE: ("rasa",)}


def measure(bench: Bench) -> Part:
    """Rounds of drives by 8 and by 32 clients, the arrangements in turn; one client first, for the simulation."""
    part = Part(NAME, rounds=bench.plan.rounds)
    folder = bench.folder / "scale"
    folder.mkdir()
    with backing.redis(folder) as (server, address):
        more = {"PNE_REDIS_URL": address}
        with bench.product(True, None, **more) as product:
            bench.say("several processes: starting three web apps, two Rasas, one action server")
            _add_second(bench, product, more)
            product.start("actions", "rasa", "web")
            product.wait_ready()
            product.start("rasa2", "web2", "web3")
            product.wait_ready()
            counter = Redis.from_url(address)
            runs = Drives(bench, part, product, {"redis": server.pids, "postgres": bench.postgres.pids}, counter)
            for arrangement in (ONE, TWO):
                runs.drive(arrangement, 1, bench.plan.warm_up)
            runs.alone()
            for number in range(1, bench.plan.rounds + 1):
                for clients in CLIENTS:
                    for arrangement in (ONE, TWO, CORE):
                        runs.measure(arrangement, clients)
                bench.say(f"several processes: round {number} of {bench.plan.rounds}: {runs.so_far()}")
    return part


def _add_second(bench: Bench, product: Ours, more: dict[str, str]) -> None:
    """The processes that an installation of two of each has more than one of one: settings differ by ports alone."""
    folder, own = product.settings.var_folder, product.settings
    shared = {
        "PNE_DATABASE_URL": own.database_url,
        "PNE_TRACKER_URL": own.tracker_url,
        "PNE_RASA_SECRET": own.rasa_secret,
        "PNE_SECRET_KEY": own.secret_key,
        "PNE_ACTIONS_URL": own.actions_url,
        **more,
    }
    second = settings_for(folder, **shared)
    both = ",".join((own.rasa_url, second.rasa_url))
    third = settings_for(folder, **shared, PNE_RASA_URLS=both, PNE_RASA_PORT=str(own.rasa_port))
    second = settings_for(folder, **shared, PNE_RASA_URLS=both, PNE_RASA_PORT=str(second.rasa_port))
    for name, settings in (("rasa2", second), ("web2", third), ("web3", second)):
        part = next(one for one in parts(settings, bench.model) if name.startswith(one.name))
        product.add(name, part, settings)


class Drives:
    """Drives of the arrangements over the same processes and databases."""

    def __init__(self, bench: Bench, part: Part, product: Ours, stores: Groups, redis: Redis) -> None:
        self.bench = bench
        self.redis = redis
        self.part = part
        self.product = product
        self.stores = stores

    def groups(self, arrangement: str) -> Groups:
        """The processes that an arrangement uses, by what they are for: both web apps together."""
        servers = self.product.servers

        def pids(names: Sequence[str]) -> list[int]:
            return [pid for name in names for pid in servers[name].pids()]

        return {
            "web": lambda: pids(WEBS[arrangement]),
            "rasa": lambda: pids(RASAS[arrangement]),
            "actions": servers["actions"].pids,
            **self.stores,
        }

    def drive(self, arrangement: str, clients: int, turns: int) -> Load:
        urls = [self.product.urls[name] for name in WEBS[arrangement]]
        return self.bench.drive(lambda http: Patient(http, urls), clients, turns)

    def alone(self) -> None:
        """One client on one of each: the cost of a turn where nobody waits for anybody."""
        turns = self.bench.plan.turns_1
        with metered(self.groups(ONE)) as used:
            found = self.drive(ONE, 1, turns)
        self.part.about["turns_ms"] = [round(1000 * seconds, 2) for seconds in found.seconds]
        self.part.about["opening_ms"] = round(found.opening_ms(), 2)
        self.part.about["cpu_ms"] = {name: round(1000 * seconds / turns, 3) for name, seconds in used.cpu.items()}

    def measure(self, arrangement: str, clients: int) -> None:
        turns, add, before = self.bench.plan.turns(clients), self.part.samples.add, self._redis_commands()
        with _on_one_core(self.groups(CORE), arrangement == CORE), metered(self.groups(arrangement)) as used:
            found = self.drive(arrangement, clients, turns)
        per_turn = {name: 1000 * seconds / turns for name, seconds in used.cpu.items()}
        cores = os.cpu_count() or 1
        add(
            arrangement,
            **{
                f"scale_per_second_{clients}": found.per_second(),
                f"scale_p50_ms_{clients}": found.percentile_ms(50),
                f"scale_p95_ms_{clients}": found.percentile_ms(95),
                f"scale_busy_cores_{clients}": used.cores(),
                f"scale_idle_percent_{clients}": 100 * sum(used.idle) / len(used.idle),
                f"scale_cpu_ms_{clients}": sum(per_turn.values()),
                f"scale_redis_commands_{clients}": (self._redis_commands() - before) / turns,
            },
            **{f"scale_cpu_{name}_ms_{clients}": value for name, value in per_turn.items() if name != "actions"},
        )
        if arrangement == ONE:
            # Turns need so much processor time each: all cores busy with nothing else would give no more than this.
            add(ONE, **{f"scale_ceiling_{clients}": cores / used.cores()})

    def _redis_commands(self) -> int:
        """So far; asking is one of them."""
        stats: Any = self.redis.info("stats")
        return int(stats["total_commands_processed"])

    def so_far(self) -> str:
        shown = []
        for clients in CLIENTS:
            key = f"scale_per_second_{clients}"
            latest = [f"{side} {self.part.samples.of(key, side)[-1]:.0f}" for side in (ONE, TWO, CORE)]
            shown.append(f"{clients} clients: {', '.join(latest)} turns/s")
        return "; ".join(shown)


@contextmanager
def _on_one_core(groups: Groups, wanted: bool) -> Iterator[None]:
    """All of them, and this process, on the first core for the block."""
    cores = os.sched_getaffinity(0)
    if not wanted:
        yield
        return

    def everyone() -> list[int]:
        return [os.getpid(), *(pid for pids in groups.values() for pid in pids())]

    confine(everyone(), {min(cores)})
    try:
        yield
    finally:
        confine(everyone(), cores)


def explained(part: Part) -> list[str]:
    """What the measured ceiling is, in words with numbers."""
    samples, lines = part.samples, []
    for clients in CLIENTS:
        busy = samples.median(f"scale_busy_cores_{clients}", ONE)
        each = samples.median(f"scale_cpu_ms_{clients}", ONE)
        rate, ceiling = (samples.median(f"scale_{key}_{clients}", ONE) for key in ("per_second", "ceiling"))
        if None in (busy, each, rate, ceiling):
            continue
        names = ("web", "rasa", "postgres", "redis", GENERATOR)
        costs = [(name, samples.median(f"scale_cpu_{name}_ms_{clients}", ONE)) for name in names]
        shown = ", ".join(f"{name} {value:.1f}" for name, value in costs if value is not None)
        lines.append(
            f"{clients} clients, one of each: {rate:.0f} turns/s × {each:.1f} ms of processor time a turn ({shown}) "
            f"keep {busy:.2f} of {os.cpu_count()} cores busy; with every core busy there could be {ceiling:.2f} × as "
            "many."
        )
    return lines


if __name__ == "__main__":
    from benchmarks.run import main

    with suppress(KeyboardInterrupt):
        sys.exit(main(["--only", NAME, *sys.argv[1:]]))
