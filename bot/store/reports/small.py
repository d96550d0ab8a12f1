"""Small numbers: what of a table of counts may be given, so that nothing of one to four people can be worked out.

A count of 1 to 4 is never given (HIDDEN). Nor is any other count by which it could be worked out: from the sums at the
edge of its table, from a part and the whole, or because the rest leaves only one possibility. Zero is given: it is
about nobody. HIDDEN says nothing of the count: it may be small itself, or stand before a small one.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FEWEST = 5
HIDDEN = "hidden"
_DEAR = 1000
Count = int | str
Cell = tuple[int, int]  # row and column; 0 is the edge, where the sums are


def is_small(count: int) -> bool:
    """Whether a count is about so few people that it is not given."""
    return 0 < count < FEWEST


def shown(count: int) -> Count:
    """A count that stands alone."""
    return HIDDEN if is_small(count) else count


def added(*counts: Count) -> Count:
    """The sum of counts that are given; hidden where one of them is."""
    numbers = [count for count in counts if not isinstance(count, str)]
    return sum(numbers) if len(numbers) == len(counts) else HIDDEN


def steady(counts: Mapping[str, int], also: Iterable[int] = ()) -> dict[str, Count]:
    """Counts of which each is part of another, in the order in which they matter: one is given only if it differs from
    all that are given already (and from those `also` given) by nobody or by enough people."""
    given: list[int] = [*also]
    made: dict[str, Count] = {}
    for key, count in counts.items():
        safe = not is_small(count) and not any(is_small(abs(count - other)) for other in given)
        made[key] = count if safe else HIDDEN
        if safe:
            given.append(count)
    return made


def parts(counts: Mapping[str, int], total: Count) -> tuple[dict[str, Count], Count]:
    """The parts of a whole, and the whole: where it is given (`total`), what is hidden must not follow from the rest.

    The smallest others are hidden too until it does not; where that is not enough, the whole is.
    """
    hidden = {key for key, count in counts.items() if is_small(count)}
    # Zeros come last: by hiding them little is won.
    others = sorted(counts.keys() - hidden, key=lambda key: (counts[key] == 0, counts[key], key))
    while total != HIDDEN and hidden and _follows([counts[key] for key in hidden]):
        if others:
            hidden.add(others.pop(0))
        else:
            total = HIDDEN
    return {key: HIDDEN if key in hidden else count for key, count in counts.items()}, total


def _follows(hidden: Collection[int]) -> bool:
    """Whether hidden counts follow from their sum: one alone, or so few that the sum is small or all are ones."""
    return len(hidden) == 1 or sum(hidden) < FEWEST or sum(hidden) == len(hidden)


@dataclass
class Table:
    """Counts by row and by column with the sums of both. What is given of it is in `given`; `hide` decides it once.

    A sum that another table has given too must stay as it is there: `fixed_rows`, `fixed_columns` and `fixed_total` are
    what that one says of it. `dear`: rows that people need most, instead of which others are hidden.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    counts: Mapping[tuple[str, str], int]
    fixed_rows: Mapping[str, Count] | None = None
    fixed_columns: Mapping[str, Count] | None = None
    fixed_total: Count | None = None
    dear: Collection[str] = ()
    value: dict[Cell, int] = field(init=False)
    hidden: set[Cell] = field(init=False)

    def __post_init__(self) -> None:
        inner = {
            (i, j): self.counts.get((row, column), 0)
            for i, row in enumerate(self.rows, 1)
            for j, column in enumerate(self.columns, 1)
        }
        self.value = dict(inner)
        for (i, j), count in inner.items():
            for cell in ((i, 0), (0, j), (0, 0)):
                self.value[cell] = self.value.get(cell, 0) + count
        self.value.setdefault((0, 0), 0)
        self._fixed = self._said_before()
        self.hidden = {cell for cell, count in self.value.items() if is_small(count)}
        self.hidden = {cell for cell in self.hidden if cell not in self._fixed}
        self.hidden |= {cell for cell, said in self._fixed.items() if said == HIDDEN}
        dear = frozenset(i for i, row in enumerate(self.rows, 1) if row in self.dear)
        _Guard(self.value, self.hidden, frozenset(self._fixed), len(self.rows), len(self.columns), dear).hide()

    def given(self, cell: Cell) -> Count:
        """What is given of a cell."""
        return HIDDEN if cell in self.hidden else self.value.get(cell, 0)

    @property
    def total(self) -> Count:
        return self.given((0, 0))

    @property
    def row_sums(self) -> dict[str, Count]:
        return {row: self.given((i, 0)) for i, row in enumerate(self.rows, 1)}

    @property
    def column_sums(self) -> dict[str, Count]:
        return {column: self.given((0, j)) for j, column in enumerate(self.columns, 1)}

    def row(self, name: str) -> dict[str, Count]:
        """A row's cells by column."""
        place = list(self.rows).index(name) + 1
        return {column: self.given((place, j)) for j, column in enumerate(self.columns, 1)}

    def as_dict(self) -> dict[str, Any]:
        """Plain data: the cells by row and column, and the sums of both."""
        return {
            "rows": {row: {**self.row(row), "all": self.row_sums[row]} for row in self.rows},
            "all": {**self.column_sums, "all": self.total},
        }

    def _said_before(self) -> dict[Cell, Count]:
        said: dict[Cell, Count] = {}
        for i, row in enumerate(self.rows, 1):
            if self.fixed_rows is not None and row in self.fixed_rows:
                said[i, 0] = self.fixed_rows[row]
        for j, column in enumerate(self.columns, 1):
            if self.fixed_columns is not None and column in self.fixed_columns:
                said[0, j] = self.fixed_columns[column]
        if self.fixed_total is not None:
            said[0, 0] = self.fixed_total
        return said


@dataclass
class _Guard:
    """Hides further cells of a table until no hidden one can be worked out.

    The table with its sums is a graph: lines (rows, columns) are its points, hidden cells its edges. The counts of a
    cycle of hidden cells can all be one more or one less, in turns, without any sum changing: so no cell that lies on
    such a cycle can be worked out. (Gusfield, SIAM J. Comput. 17, 1988, 552: a cell on none can.) Where one lies on
    none, the cheapest cycle is made by hiding the smallest cells that close it.
    """

    value: Mapping[Cell, int]
    hidden: set[Cell]
    fixed: Collection[Cell]
    rows: int
    columns: int
    dear: Collection[int] = ()

    def hide(self) -> None:
        while True:
            before = len(self.hidden)
            if not (self._sums() and self._cycles()):
                self._everything()
                return
            if len(self.hidden) == before:
                return

    def _sums(self) -> bool:
        """What is hidden in a line must not be few people together, where the sum of the line is given. False: there
        is nothing left to hide with it."""
        for edge, line in self._lines():
            while edge not in self.hidden:
                hidden = [self.value[cell] for cell in line if cell in self.hidden]
                if not hidden or not _follows(hidden):
                    break
                free = [cell for cell in [*line, edge] if self._free(cell)]
                if not free:
                    return False
                self.hidden.add(min(free, key=lambda cell: (self._cost(cell), cell)))
        return True

    def _cycles(self) -> bool:
        """Puts every hidden cell on a cycle. False: there is one for which there is none."""
        safe: set[Cell] = set()
        for cell in sorted(self.hidden):
            if cell in safe:
                continue
            cycle = self._cycle(cell, up=True) or (self._cycle(cell, up=False) if self._may_fall(cell) else None)
            if cycle is None:
                return False
            self.hidden.update(cycle)
            safe.update(cycle)
        return True

    def _everything(self) -> None:
        """The last resort: nothing within the table is given, only the sums that are given elsewhere anyway."""
        self.hidden.update(cell for cell in self.value if cell not in self.fixed and not self._nobody(cell))

    def _cost(self, cell: Cell) -> int:
        """What is lost with a cell: its people, and much more where it is dear."""
        dear = cell[0] in self.dear or self._of_the_dear(cell)
        return (self.value[cell] + 1) * (_DEAR if dear else 1)

    def _of_the_dear(self, cell: Cell) -> bool:
        """Whether it is the sum of a column with nobody in it but in dear rows: it cannot be hidden without them."""
        if not self.dear or cell[0] != 0 or cell[1] == 0:
            return False
        return all(i in self.dear for i in range(1, self.rows + 1) if self.value[i, cell[1]])

    def _nobody(self, cell: Cell) -> bool:
        """Whether a sum that is given elsewhere says already that the cell is zero."""
        return any(self.value[edge] == 0 and edge in self.fixed for edge in ((cell[0], 0), (0, cell[1]), (0, 0)))

    def _cycle(self, cell: Cell, up: bool) -> set[Cell] | None:
        """The cheapest cycle on which the cell's count goes up (or down) by one; None: there is none."""
        row, column = ("row", cell[0]), ("column", cell[1])
        begin, end = (column, row) if self._from_row(cell, up) else (row, column)
        best: dict[Any, int] = {begin: 0}
        came: dict[Any, tuple[Any, Cell]] = {}
        todo: list[tuple[int, Any]] = [(0, begin)]
        while todo:
            cost, point = heapq.heappop(todo)
            if point == end:
                break
            if cost > best[point]:
                continue
            for other, way in self._ways(point):
                if way == cell:
                    continue
                more = cost + (0 if way in self.hidden else self._cost(way))
                if more < best.get(other, more + 1):
                    best[other], came[other] = more, (point, way)
                    heapq.heappush(todo, (more, other))
        if end not in came:
            return None
        cycle, point = {cell}, end
        while point != begin:
            point, way = came[point]
            cycle.add(way)
        return cycle

    def _ways(self, point: tuple[str, int]) -> Iterable[tuple[tuple[str, int], Cell]]:
        """Where one can go from a line, and over which cell: one that is hidden, or may be."""
        kind, number = point
        for other in range((self.columns if kind == "row" else self.rows) + 1):
            cell = (number, other) if kind == "row" else (other, number)
            if cell not in self.hidden and not self._free(cell):
                continue
            # From a row to a column the signed count rises, the other way round it falls.
            up = self._is_sum(cell) if kind == "column" else not self._is_sum(cell)
            if up or self._may_fall(cell):
                yield ("column" if kind == "row" else "row", other), cell

    def _from_row(self, cell: Cell, up: bool) -> bool:
        return up != self._is_sum(cell)

    def _is_sum(self, cell: Cell) -> bool:
        """Sums of one line count against it; the sum of all for it again."""
        return (cell[0] == 0) != (cell[1] == 0)

    def _may_fall(self, cell: Cell) -> bool:
        # Zeros are given, so whoever reads the table knows that a hidden count is one at least.
        return self.value[cell] > 1

    def _free(self, cell: Cell) -> bool:
        """Whether a cell that is given could be hidden, and it would help."""
        return cell not in self.hidden and cell not in self.fixed and self.value[cell] > 0

    def _lines(self) -> Iterable[tuple[Cell, list[Cell]]]:
        """Each line: the cell with its sum, and the cells that are added up."""
        for j in range(self.columns + 1):
            yield (0, j), [(i, j) for i in range(1, self.rows + 1)]
        for i in range(self.rows + 1):
            yield (i, 0), [(i, j) for j in range(1, self.columns + 1)]
