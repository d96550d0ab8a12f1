"""The Safety Card: intervals, counting, gates, staleness, what changed, and the same bytes from the same inputs."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bot import safety_card
from bot.cli import app
from bot.content.files import ContentError
from bot.safety_card import (
    STALE,
    Case,
    Sets,
    Verdict,
    card_hash,
    check_card,
    failing_gates,
    gate_values,
    load_sets,
    load_texts,
    measure,
    rewrite_card,
    write_card,
)
from bot.safety_card_page import Texts, a_conversation, at_least_one, before, changes, embedded, html, interval, share
from bot.settings import ROOT

TEXTS = load_texts()
CATEGORIES = {"RF01": ("spine: nerves | bladder", "T1"), "RF34": ("self-harm", "T0")}
ALARM, LATE, ASKED, QUIET = Verdict("T1", False, "RF01"), Verdict("T3", False, "RF01"), Verdict(asked=True), Verdict()
OUT_OF_FOLD = {
    "a": Verdict("T0", False, "RF34"),
    "b": LATE,
    "c": ASKED,
    "d": QUIET,
    "e": ALARM,
    "f": ASKED,
    "g": QUIET,
    "h": QUIET,
}
LEARNING = [
    Case("a", "fire", "RF34", "positive", "mind"),
    Case("b", "fire", "RF01", "positive", "spine"),
    Case("c", "ask", "RF01", "unclear", "spine"),
    Case("d", "fire", "RF99", "positive", "spine"),  # a category that has no rules yet
    Case("e", "none", "RF01", "decoy", "spine"),
    Case("f", "none", None, "decoy", "spine"),
    Case("g", "none", None, "ordinary", "mind"),
    Case("h", "none", None, "topics", "topics"),
]
ROW = {"kind": "both_one", "n": 3, "wall_p50": 1.25, "wall_p99": 9.0, "processor_p50": 1.0, "processor_p99": 7.0}
TIMES = {"processor": "a | processor", "rows": [ROW]}


def measured(learning: list[Case] = LEARNING, current: str = "one") -> dict[str, Any]:
    sets = Sets(
        learning, [Case("x", "none", None, "heldout", "heldout")], [Case("y", "fire", "RF01", "must_fire", "examples")]
    )
    about = {"hash": current, "reviewed": 0, "soft_threshold": 0.5, "crisis_threshold": 0.4}
    return measure(sets, OUT_OF_FOLD.__getitem__, lambda text: ALARM if text == "y" else QUIET, CATEGORIES, about)


def texts(**gates: dict[str, Any]) -> Texts:
    """The card's own wording with these gates in place of its own."""
    shown: dict[str, dict[str, Any]] = {"caught_all": {"least": 0}, **gates}
    return replace(
        TEXTS, config={**TEXTS.config, "gates": {name: {"name": name, "bar": 98, **of} for name, of in shown.items()}}
    )


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "card.md", tmp_path / "card.html"


# Intervals: Clopper CJ, Pearson ES. Biometrika 1934; the values are of published tables of exact limits.


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (0, 100, 0.0, 0.0362),
        (50, 100, 0.3983, 0.6017),
        (1, 1, 0.025, 1.0),
    ],
)
def test_exact_intervals(part: int, whole: int, low: float, high: float) -> None:
    assert interval(part, whole) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("whole", [1, 3, 20])
def test_the_limits_are_where_the_binomial_tail_is_two_and_a_half_per_cent(whole: int) -> None:
    from math import comb

    def at_most(part: int, rate: float) -> float:
        return sum(comb(whole, k) * rate**k * (1 - rate) ** (whole - k) for k in range(part + 1))

    for part in range(whole + 1):
        low, high = interval(part, whole)
        assert part == whole or at_most(part, high) == pytest.approx(0.025)
        assert part == 0 or 1 - at_most(part - 1, low) == pytest.approx(0.025)


@pytest.mark.parametrize(("part", "whole"), [(-1, 10), (11, 10), (0, 0)])
def test_no_interval_of_what_is_no_share(part: int, whole: int) -> None:
    with pytest.raises(ValueError, match="no share"):
        interval(part, whole)


def test_shares_as_shown() -> None:
    assert share(5, 10) == "50.0\u00a0% (18.7–81.3)"
    assert share(0, 0) == a_conversation(0, 0, 6) == at_least_one(0, 0, 6) == "–"
    assert a_conversation(5, 10, 6) == "3.000 (1.123–4.877)"
    assert at_least_one(10, 10, 6).startswith("100.0\u00a0%")


# Counting


def test_each_message_is_counted_once_where_it_belongs() -> None:
    figures = measured()
    assert figures["categories"]["RF01"] == {
        "name": "spine: nerves | bladder",
        "tier": "T1",
        **{"n": 2, "alarm": 1, "question": 1, "missed": 0},
        "look_alikes": {"n": 1, "alarm": 1, "question": 0, "missed": 0},
        "false_alarms": 1,
    }
    assert figures["categories"]["RF99"]["tier"] == "" and figures["categories"]["RF99"]["missed"] == 1
    assert figures["tiers"]["T1"]["clear"] == {"n": 1, "alarm": 1, "question": 0, "missed": 0, "less_urgent": 1}
    assert figures["tiers"]["T0"]["clear"]["less_urgent"] == 0
    assert figures["tiers"][""]["clear"]["missed"] == 1
    assert figures["quiet"]["look_alikes"] == {"n": 2, "alarm": 1, "question": 1, "missed": 0}
    assert figures["quiet"]["ordinary"]["n"] == figures["quiet"]["topics"]["n"] == 1
    assert figures["regression"]["must_fire"]["alarm"] == 1
    assert figures["sets"] == {"examples": 1, "heldout": 1, "mind": 2, "spine": 5, "topics": 1}
    assert sum(one["n"] for one in figures["all"].values()) == 4


def test_the_sets_of_the_repository_are_read_once_each() -> None:
    sets = load_sets()
    keys = [case.text.strip().lower() for case in sets.learning]
    assert len(keys) == len(set(keys))
    assert {case.kind for case in sets.learning} == {"positive", "unclear", "decoy", "ordinary", "topics"}
    assert any(case.kind == "decoy" and case.category for case in sets.learning)
    assert {case.kind for case in sets.examples} == {"must_fire", "must_ask", "must_not_fire"}
    assert {case.source for case in sets.held_out} == {"heldout", "heldout_outside"}


# Gates


def test_a_gate_that_fails_is_named_with_its_figure() -> None:
    gates = texts(
        caught_T0={"least": 100},
        caught_clear={"least": 67},
        look_alikes_alarmed={"most": 50},
        ordinary_alarmed={"most": 0},
    ).config["gates"]
    assert failing_gates(measured(), gates) == ["gate caught_clear (caught_clear): 66.67 %, at least 67 %"]


def test_a_gate_on_nothing_fails() -> None:
    assert gate_values(measured())["caught_T3"] is None
    (fault,) = failing_gates(measured(), {"caught_T3": {"name": "soon", "least": 0, "bar": 98}})
    assert "nothing was measured" in fault


def test_the_card_stands_also_where_a_gate_fails_and_the_check_says_so(files: tuple[Path, Path]) -> None:
    said = texts(caught_all={"least": 99})
    faults = write_card(measured(), TIMES, said, *files)
    assert [one.split()[1] for one in faults] == ["caught_all"]
    assert check_card(said, "one", *files) == faults
    assert "**no**" in files[0].read_text()


@pytest.mark.parametrize(
    "gate",
    [
        {"caught_everything": {"name": "x", "bar": 1, "least": 1}},
        {"caught_all": {"name": "x", "bar": 1}},
        {"caught_all": {"name": "x", "bar": 1, "least": 1, "most": 2}},
        {"caught_all": {"least": 1}},
    ],
)
def test_a_slip_in_the_gates_is_named(gate: dict[str, Any], tmp_path: Path) -> None:
    folder = tmp_path / "safety" / "card"
    shutil.copytree(ROOT / "data" / "safety" / "card", folder)
    config = (folder / "card.yml").read_text().split("\ngates:")[0]
    (folder / "card.yml").write_text(config + "\ngates: " + json.dumps(gate))
    with pytest.raises(ContentError, match=r"card\.yml gates caught_"):
        load_texts(folder)


# Stale or not


def test_a_fresh_card_holds(files: tuple[Path, Path]) -> None:
    assert write_card(measured(), TIMES, texts(), *files) == []
    assert check_card(texts(), "one", *files) == []


def test_a_card_of_other_inputs_or_none_is_stale(files: tuple[Path, Path]) -> None:
    assert check_card(texts(), "one", *files) == [STALE]
    write_card(measured(), TIMES, texts(), *files)
    assert check_card(texts(), "two", *files) == [STALE]
    files[0].write_text(
        re.sub(r"<!-- figures.*", "<!-- figures\n{broken\n-->\n", files[0].read_text(), flags=re.DOTALL)
    )
    assert check_card(texts(), "one", *files) == [STALE]


def test_what_was_changed_by_hand_is_seen_and_the_times_are_not(files: tuple[Path, Path]) -> None:
    card, page = files
    write_card(measured(), TIMES, texts(), card, page)
    written, shown = card.read_text(), page.read_text()
    assert "| 3 | 1.2 | 9.0 | 1.0 | 7.0 |" in written and "<td>9.0</td>" in shown
    card.write_text(written.replace("| 3 | 1.2 | 9.0 |", "| 3 | 7.7 | 8.8 |"))
    assert check_card(texts(), "one", card, page) == []
    assert ":** 0.0\u00a0%" in written
    card.write_text(written.replace(":** 0.0\u00a0%", ":** 9.0\u00a0%"))
    assert "says something other than its figures" in check_card(texts(), "one", card, page)[0]
    card.write_text(written)
    page.write_text(shown.replace("RF34", "RF35"))
    assert "is not made from" in check_card(texts(), "one", card, page)[0]


def test_the_hash_follows_every_input_and_nothing_else(tmp_path: Path) -> None:
    names = (
        "data/safety/learning/one.jsonl",
        "data/safety/examples/a.yml",
        "bot/safety/soft.py",
        "tests/safety/blind_round_9.yml",
        "bot/safety_card.py",
        "bot/screening.py",
        "tests/nlu/heldout.yml",
    )
    seen = {card_hash(tmp_path)}
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
        seen.add(card_hash(tmp_path))
    (tmp_path / names[0]).write_text("b")
    seen.add(card_hash(tmp_path))
    assert len(seen) == len(names) + 2
    for other in ("docs/safety-card.md", "data/safety/card/card.yml", "bot/web/app.py", "tests/safety/test_check.py"):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("a")
    assert card_hash(tmp_path) in seen


def test_new_wording_or_a_new_round_is_written_without_measuring(files: tuple[Path, Path]) -> None:
    assert rewrite_card(texts(), "one", *files) is None
    write_card(measured(), TIMES, texts(), *files)
    more = replace(texts(), rounds=[*TEXTS.rounds, {**TEXTS.rounds[0], "round": 77}])
    assert "data/safety/card" in check_card(more, "one", *files)[0]
    assert rewrite_card(more, "two", *files) is None
    assert rewrite_card(more, "one", *files) == [] == check_card(more, "one", *files)
    assert "**Blind, round 77:**" in files[0].read_text()
    for path in files:
        assert "9.0" in path.read_text()


# The same bytes, and what changed


def test_the_same_inputs_give_the_same_bytes_with_and_without_a_card_before(files: tuple[Path, Path]) -> None:
    def twice() -> list[list[bytes]]:
        found = []
        for _ in range(2):
            write_card(measured(current="two"), TIMES, texts(), *files)
            found.append([path.read_bytes() for path in files])
        return found

    first, again = twice()
    assert first == again
    for path in files:
        path.unlink()
    write_card(measured(LEARNING[1:], "one"), TIMES, texts(), *files)
    first, again = twice()
    assert first == again
    assert b"`one` \xe2\x86\x92 `two`" in first[0]


def test_what_changed_since_the_last_card(files: tuple[Path, Path]) -> None:
    write_card(measured(), TIMES, texts(), *files)
    last = embedded(files[0].read_text())
    assert last is not None and changes(last) is None
    more = [*LEARNING, Case("d", "fire", "RF01", "positive", "forum")]
    figures = {**measured(more, "two"), "before": before(last, "two")}
    found = changes(figures)
    assert found is not None and found["hash"] == "one"
    assert found["moved"] == [{"id": "RF01", "old": [2, 2], "now": [2, 3]}]
    assert found["sets"] == [("forum", 0, 1)]
    assert found["all"] == {"old": [3, 4], "now": [3, 5]}
    write_card(figures, TIMES, texts(), *files)
    assert "| RF01 | 2 of 2: 100.0\u00a0%" in files[0].read_text()


def test_a_new_and_a_vanished_category_are_told(files: tuple[Path, Path]) -> None:
    write_card(measured(LEARNING[1:]), TIMES, texts(), *files)
    figures = measured([*LEARNING[:1], *LEARNING[4:]], "two")
    found = changes({**figures, "before": before(embedded(files[0].read_text()), "two")})
    assert found is not None
    moved = {one["id"]: (one["old"], one["now"]) for one in found["moved"]}
    assert moved == {"RF34": ([0, 0], [1, 1]), "RF01": ([2, 2], [0, 0]), "RF99": ([0, 1], [0, 0])}


# The page


def test_the_page_needs_nothing_else_and_its_tables_can_be_reached(files: tuple[Path, Path]) -> None:
    write_card(measured(), TIMES, texts(), *files)
    page = files[1].read_text()
    assert not re.search(r"<script|<link|src=|https?://", page)
    assert '<html lang="en-GB">' in page and 'name="viewport"' in page
    assert page.count("<table>") == page.count('role="region" tabindex="0" aria-label="') > 8
    assert "figures\n" not in page and '"soft_threshold"' not in page


def test_a_bar_in_a_name_does_not_break_its_table_and_exceptions_are_listed() -> None:
    listed = [{"category": "RF01", "transformation": "typo", "text": "ab12", "why": "a | b"}]
    said = replace(texts(), exceptions=listed)
    card = safety_card.page.markdown({**measured(), "before": None}, TIMES, said, [])
    assert "| RF01 | typo | ab12 | a / b |" in card
    for table in re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE):
        assert len({len(line.split("|")) for line in table.splitlines()}) == 1, table
    assert "--" not in card.split("<!-- figures")[1].removesuffix("-->\n")
    assert "<h1>Safety Card</h1>" in html(card, said)


# What this repository says


def test_the_rounds_are_those_of_the_record() -> None:
    record = (ROOT / "docs" / "safety-rounds.md").read_text()
    for one in TEXTS.rounds:
        row = f"{one['caught']} of {one['of']} ("
        assert any(f"`{one['batch']}`" in record and row in line for line in record.splitlines()), one["round"]
        assert one["caught"] <= one["of"] and one["alarms"] + one["questions"] <= one["quiet"]


def test_no_gate_is_beyond_its_bar() -> None:
    for identity, gate in TEXTS.config["gates"].items():
        assert gate["least"] <= gate["bar"] if "least" in gate else gate["most"] >= gate["bar"], identity


def test_the_command_says_what_is_wrong_and_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety_card, "run", lambda: pytest.fail("measured"))
    monkeypatch.setattr(safety_card, "check_card", lambda *_: ["gate caught_all (all): 1.00 %, at least 2 %"])
    done = CliRunner().invoke(app, ["safety-card", "--check"])
    assert done.exit_code == 1 and "gate caught_all" in done.output
    monkeypatch.setattr(safety_card, "check_card", lambda *_: [])
    assert CliRunner().invoke(app, ["safety-card", "--check"]).exit_code == 0
