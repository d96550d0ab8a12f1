"""What the benchmarks make of their measurements: percentiles, parts of several runs, bars, tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import load, report, run
from benchmarks.bars import BARS, bars, figures
from benchmarks.bench import QUICK, Bench
from benchmarks.process import BenchmarkFailed
from benchmarks.profile import counted, part_of
from benchmarks.results import STOCK, WHOLE, Part, Samples, all_samples, merged, older, read_parts
from benchmarks.stats import percentile, spread
from benchmarks.tables import TABLES, Row, cell
from benchmarks.talkers import message_in, of_conversation

MACHINE = {"cores": 2, "processor": "one", "memory_gb": 4, "python": "3.12"}


def part(name: str, run_name: str = "2026-01-02", **values: dict[str, list[float]]) -> Part:
    return Part(name, run_name, f"{run_name}T00:00", "abc1234", 5, 60.0, False, MACHINE, Samples(dict(values)))


def turns(run_name: str = "2026-01-02", ours: float = 20.0) -> Part:
    return part("turns", run_name, p50_ms_1={WHOLE: [ours, 30, 10], STOCK: [100, 90, 110]})


def test_a_percentile_is_the_nearest_rank() -> None:
    values = [float(number) for number in range(1, 201)]
    assert [percentile(values, p) for p in (50, 95, 99, 100)] == [100, 190, 198, 200]
    assert percentile([7.0], 1) == percentile([7.0], 99) == 7
    assert percentile([3, 1, 2], 34) == 2  # two of three are needed to cover 34 of 100
    for values, percent in (([], 50), ([1.0], 0), ([1.0], 101)):
        with pytest.raises(ValueError):
            percentile(values, percent)


def test_a_spread_has_median_lowest_and_highest() -> None:
    assert spread([3, 1, 2.00049]) == {"median": 2.0, "low": 1, "high": 3, "values": [3, 1, 2.0]}


def test_a_ratio_is_of_medians_of_one_run() -> None:
    found = figures({"turns": turns()})
    assert found["turn_p50_ratio_whole"] == 0.2
    assert found["boot_ratio"] is None


def test_a_part_that_was_not_run_again_stays_and_is_marked() -> None:
    earlier = {"turns": turns("2026-01-01"), "sse": part("sse", "2026-01-01", chats_web_mb={WHOLE: [250]})}
    together = merged(earlier, {"turns": turns("2026-01-02", ours=40)})
    assert together["turns"].samples.median("p50_ms_1", WHOLE) == 30
    assert older(together) == ["sse"]
    shown = report.full(together)
    assert "Memory with all chats open, after the replies †" in shown and "sse (2026-01-01T00:00 at abc1234)" in shown
    assert "median †" not in shown  # the turns are of the newest run
    assert report.summary(together)["older_parts"] == {"sse": {"at": "2026-01-01T00:00", "commit": "abc1234"}}


def test_a_part_that_failed_keeps_its_earlier_values_under_their_date() -> None:
    failed = Part("turns", "2026-01-02", "2026-01-02T00:00", failed="Rasa died")
    together = merged({"turns": turns("2026-01-01")}, {"turns": failed, "sse": part("sse")})
    assert together["turns"].run == "2026-01-01" and "Rasa died" in together["turns"].failed
    assert older(together) == ["turns"]
    assert "**turns failed**: 2026-01-02T00:00: Rasa died" in report.short(together)
    assert merged({}, {"turns": failed})["turns"].failed == "Rasa died"
    partly = turns("2026-01-02", ours=40)
    partly.failed = "round 3, stock: died"  # what it has measured is new all the same
    assert merged({"turns": turns("2026-01-01")}, {"turns": partly})["turns"].run == "2026-01-02"


def test_one_figure_cannot_come_from_two_parts() -> None:
    with pytest.raises(ValueError, match="p50_ms_1"):
        all_samples({"turns": turns(), "scale": part("scale", p50_ms_1={WHOLE: [1.0]})})


def test_bars_say_met_not_met_and_not_measured() -> None:
    slow = {"turns": turns(ours=60), "sse": part("sse", chats_web_mb={WHOLE: [250.0]})}
    found = {bar["figure"]: bar for bar in bars(slow)}
    assert found["turn_p50_ratio_whole"]["met"] is True and found["turn_p50_ratio_whole"]["measured"] == 0.3
    assert found["chats_web_mb"]["met"] is True and found["chats_web_mb"]["commit"] == "abc1234"
    assert found["boot_s_whole"]["met"] is None
    assert {bar["figure"]: bar for bar in bars({"sse": part("sse", chats_web_mb={WHOLE: [301]})})}["chats_web_mb"][
        "met"
    ] is False
    fast = next(bar for bar in BARS if bar.figure == "turns_per_s_ratio_8_whole")
    assert [fast.met(value) for value in (2.99, 3.0, None)] == [False, True, None]


def test_every_bar_is_about_a_figure_and_a_sample_that_a_table_shows() -> None:
    rows = {row.key for table in TABLES for row in table.rows}
    named = figures({})
    for bar in BARS:
        assert bar.figure in named and bar.key in rows, bar.name


def test_results_survive_being_written_and_read(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    parts = {"turns": turns()}
    result = report.write(tmp_path, parts, {readme: report.short(parts), tmp_path / "absent.md": "x"})
    assert result["turn_p50_ratio_whole"] == 0.2 and result["machine"] == MACHINE
    assert read_parts(tmp_path / "latest.json") == parts
    text = readme.read_text()
    assert "old" not in text and text.startswith("before\n") and text.endswith("after\n")
    assert "| One turn, 1 client, median |" in text and not (tmp_path / "absent.md").exists()


@pytest.mark.parametrize("kept", ["", "[]", '{"boot_ratio": 1}', '{"parts": {"turns": {"name": 1}}}'])
def test_results_of_another_shape_are_no_results(tmp_path: Path, kept: str) -> None:
    (tmp_path / "latest.json").write_text(kept)
    assert read_parts(tmp_path / "latest.json") == {}


def test_a_cell_has_the_spread_where_there_is_one() -> None:
    assert cell([1.04, 1.0, 1.1], Row("k", "t", "ms", 1)) == "1.0 ms (1.0 to 1.1)"
    assert cell([5], Row("k", "t", "%")) == "5%"
    assert cell([], Row("k", "t", "%")) == ""


def test_one_part_that_fails_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def breaks(_bench: Bench) -> Part:
        raise BenchmarkFailed("no PostgreSQL")

    def unforeseen(_bench: Bench) -> Part:
        raise KeyError("x")

    acts = {"inbox": breaks, "sse": unforeseen, "screening": lambda _bench: Part("screening", rounds=2)}
    monkeypatch.setattr(run, "ALONE", acts)
    said: list[str] = []
    found = run.measure(Bench(tmp_path, QUICK, said.append), ["inbox", "sse", "screening"], quick=True)
    assert found["inbox"].failed == "no PostgreSQL" and found["sse"].failed.startswith("KeyError")
    assert not found["screening"].failed and found["screening"].at and found["screening"].quick
    assert any("failed" in line for line in said)


def test_frames_of_a_stream_are_told_apart() -> None:
    event: dict[str, Any] = {"seq": 3, "author": "bot"}
    assert message_in(b"id: 3\ndata: " + json.dumps(event).encode()) == event
    assert message_in(b"event: status\ndata: {}") is None
    assert message_in(b": still here") is None and message_in(b"retry: 1000") is None


def test_no_question_is_asked_twice() -> None:
    asked = load.fresh(["one", "two", "three"], 0, 3 * len(load.OPENINGS))
    assert asked[:4] == ["one", "two", "three", f"{load.OPENINGS[1]} one"] and len(set(asked)) == len(asked)
    assert load.fresh(["one", "two", "three"], 4, 2) == asked[4:6]


async def test_a_drive_that_fails_ends_early() -> None:
    class Mute:
        async def open(self) -> None:
            return None

        async def ask(self, text: str) -> float:
            raise load.NoReply(text)

        async def close(self) -> None:
            return None

    found = await load.drive(Mute, ["a"], clients=2, turns=1000, most_failures=3)
    assert not found.seconds and 3 < len(found.failures) < 10


def test_a_conversation_has_one_web_process_and_all_are_used() -> None:
    urls = ["a", "b", "c"]
    chosen = {str(number): of_conversation(str(number), urls) for number in range(300)}
    assert chosen == {name: of_conversation(name, urls) for name in chosen}
    assert all(60 < list(chosen.values()).count(url) < 140 for url in urls)


def test_a_sample_counts_for_the_innermost_known_frame() -> None:
    stack = ["run (asyncio/runners.py:1)", "go (bot/screening.py:2)", "run (onnxruntime/capi.py:3)", "x (<built-in>)"]
    assert part_of(stack) == "encoder" and part_of(stack[:2]) == "screening" and part_of(["f (y.py)"]) == "other"
    parts, functions = counted([f"{';'.join(stack)} 3", "a (y.py:1) 1", "", "broken"])
    assert part_of(["go (bot/screening.py:2)", "Condition.wait (/usr/lib/python3.12/threading.py:355)"]) == "waiting"
    assert dict(parts) == {"encoder": 3, "other": 1} and functions["x (<built-in>)"] == 3
