"""Small numbers: by brute force, nothing that a report hides can be worked out from what it gives of the same table."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from bot.store.reports.small import FEWEST, HIDDEN, Cell, Count, Table, is_small, parts, shown, steady


def others(table: Table, widest: int = 2) -> Iterator[dict[Cell, int]]:
    """Every other table near the true one that has the same given cells: whoever reads it cannot tell them apart.

    A reader knows that zeros are given, so that a hidden count is one at least.
    """
    inner = [(i, j) for i in range(1, len(table.rows) + 1) for j in range(1, len(table.columns) + 1)]
    free = [cell for cell in inner if table.given(cell) == HIDDEN]
    for steps in product(range(-widest, widest + 1), repeat=len(free)):
        counts = {cell: table.value[cell] for cell in inner}
        for cell, step in zip(free, steps, strict=True):
            counts[cell] += step
        if any(counts[cell] < min(1, table.value[cell]) for cell in free):
            continue
        for (i, j), count in list(counts.items()):
            for cell in ((i, 0), (0, j), (0, 0)):
                counts[cell] = counts.get(cell, 0) + count
        if all(table.given(cell) in (HIDDEN, counts[cell]) for cell in counts):
            yield counts


def worked_out(table: Table) -> set[Cell]:
    """The hidden cells that have the same count in every table that could be the true one."""
    left = set(table.hidden)
    for other in others(table):
        left = {cell for cell in left if other[cell] == table.value[cell]}
        if not left:
            break
    return left


def made(rng: random.Random, rows: int, columns: int, **fixed: Any) -> Table:
    some = (0, 0, 1, 2, 3, 4, 5, 6, 9, 14)
    names = [f"r{i}" for i in range(rows)], [f"c{j}" for j in range(columns)]
    counts = {(row, column): rng.choice(some) for row in names[0] for column in names[1]}
    return Table(names[0], names[1], counts, **fixed)


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 3), (2, 2), (3, 2), (2, 3)])
def test_nothing_hidden_can_be_worked_out(rows: int, columns: int) -> None:
    rng = random.Random(rows * 10 + columns)
    for _ in range(150):
        table = made(rng, rows, columns, dear=("r0",) if rng.random() < 0.3 else ())
        assert not worked_out(table), (table.value, sorted(table.hidden))


def test_sums_that_another_table_has_given_stay_and_no_small_number_follows_from_them() -> None:
    rng = random.Random(5)
    for _ in range(150):
        first = made(rng, 2, 3)
        again = {(row, name): 0 for row in first.rows for name in ("yes", "no")}
        for i, row in enumerate(first.rows, 1):
            yes = rng.randint(0, first.value[i, 0])
            again |= {(row, "yes"): yes, (row, "no"): first.value[i, 0] - yes}
        second = Table(first.rows, ("yes", "no"), again, fixed_rows=first.row_sums, fixed_total=first.total)
        assert second.row_sums == first.row_sums and second.total == first.total
        out = {cell for cell in worked_out(second) if is_small(second.value[cell])}
        assert not out, (second.value, sorted(second.hidden))


def test_no_small_number_is_given_and_none_together() -> None:
    rng = random.Random(7)
    for _ in range(400):
        table = made(rng, rng.randint(1, 6), rng.randint(1, 6))
        for cell, count in table.value.items():
            assert table.given(cell) in (HIDDEN, count)
            assert not is_small(count) or table.given(cell) == HIDDEN
        for i, row in enumerate(table.rows, 1):
            cells = [(i, j) for j in range(1, len(table.columns) + 1)]
            together = sum(table.value[cell] for cell in cells if cell in table.hidden)
            assert table.row_sums[row] == HIDDEN or together == 0 or together >= FEWEST


def test_a_table_without_small_numbers_is_given_whole() -> None:
    table = Table(("a", "b"), ("x", "y"), {("a", "x"): 5, ("a", "y"): 0, ("b", "x"): 17, ("b", "y"): 6})
    assert table.as_dict() == {
        "rows": {"a": {"x": 5, "y": 0, "all": 5}, "b": {"x": 17, "y": 6, "all": 23}},
        "all": {"x": 22, "y": 6, "all": 28},
    }
    assert Table((), (), {}).as_dict() == {"rows": {}, "all": {"all": 0}}


def test_the_least_is_hidden_that_will_do() -> None:
    counts = {("a", "x"): 3, ("a", "y"): 9, ("b", "x"): 8, ("b", "y"): 20, ("c", "x"): 50, ("c", "y"): 60}
    table = Table(("a", "b", "c"), ("x", "y"), counts)
    assert table.hidden == {(1, 1), (1, 2), (2, 1), (2, 2)}


@pytest.mark.parametrize(
    ("counts", "total", "given"),
    [
        ({"a": 9, "b": 8}, 17, {"a": 9, "b": 8}),
        ({"a": 9, "b": 3, "c": 7}, 19, {"a": 9, "b": HIDDEN, "c": HIDDEN}),
        ({"a": 9, "b": 3, "c": 0}, 12, {"a": HIDDEN, "b": HIDDEN, "c": 0}),
        ({"a": 20, "b": 1, "c": 1, "d": 6}, 28, {"a": 20, "b": HIDDEN, "c": HIDDEN, "d": HIDDEN}),
        ({"a": 9, "b": 3}, HIDDEN, {"a": 9, "b": HIDDEN}),
        ({"a": 9, "b": 0}, 9, {"a": 9, "b": 0}),
        ({}, 0, {}),
    ],
)
def test_parts_of_a_whole(counts: dict[str, int], total: Count, given: dict[str, Count]) -> None:
    assert parts(counts, total) == (given, total)


def test_a_whole_of_single_people_is_not_given() -> None:
    ones = dict.fromkeys("abcde", 1)
    assert parts(ones, 5) == (dict.fromkeys("abcde", HIDDEN), HIDDEN)


def test_counts_within_counts() -> None:
    assert steady({"opened": 100, "accepted": 97, "started": 80}) == {
        "opened": 100, "accepted": HIDDEN, "started": 80,
    }  # fmt: skip
    assert steady({"a": 100, "b": 100, "c": 95, "d": 2, "e": 0}) == {"a": 100, "b": 100, "c": 95, "d": HIDDEN, "e": 0}
    assert steady({"a": 12}, also=(14,)) == {"a": HIDDEN}
    assert [shown(count) for count in (0, 1, 4, 5)] == [0, HIDDEN, HIDDEN, 5]
