"""Tables of what scans show in people without pain: ``data/findings/<region>.yml``, cell by cell.

Every cell has its source, its population and its mark: V (seen) or K (known). A cell marked U, one that is hidden (no
people of that age behind the model), and one of people with and without pain together are never shown as a figure of
pain-free people. Figures are said as natural frequencies: about 6 in 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.files import DATA, ContentError, name, read_yaml

SHOWN_MARKS = ("V", "K")
PAIN_FREE = "pain_free"
FEWEST_IN_TEN = 9.5  # percent; below it "in 10" would round too much away


@dataclass(frozen=True)
class Cell:
    """One figure. Ages in years, inclusive; `percent_to` for a range over studies; `around`: the decade it is for."""

    key: str
    percent: float
    mark: str
    who: str
    start: int | None = None
    end: int | None = None
    around: int | None = None
    percent_to: float | None = None
    hidden: str = ""

    def fits(self, age: int) -> bool:
        return self.start is not None and self.end is not None and self.start <= age <= self.end

    @property
    def tenths(self) -> int:
        """Of ten people, as it is said; halves go up, as in the sources' own abstracts."""
        return int(self.percent / 10 + 0.5)

    @property
    def dots(self) -> int:
        """Of a hundred people, as it is drawn."""
        return int(self.percent + 0.5)


@dataclass(frozen=True)
class Row:
    """One finding in one region, by one study or review. `n`: people (or joints), None where it is not given."""

    id: str
    title: str
    source: str
    population: str
    n: int | None
    cells: tuple[Cell, ...]
    shown: bool = True

    @property
    def quotable(self) -> tuple[Cell, ...]:
        """The cells that may be said to a patient."""
        if not self.shown or self.population != PAIN_FREE:
            return ()
        return tuple(c for c in self.cells if c.mark in SHOWN_MARKS and not c.hidden)


@dataclass(frozen=True)
class Region:
    """A part of the body: its name in a sentence, who the figures are about, and when a scan is the right step."""

    id: str
    name: str
    who: str
    when_scan: str
    rows: dict[str, Row]
    no_figures: str = ""


@lru_cache(maxsize=4)
def load_regions(data: Path = DATA) -> dict[str, Region]:
    """All regions by id. Raises ContentError for a cell that is not typed as above."""
    regions: dict[str, Region] = {}
    for path in sorted((data / "findings").glob("*.yml")):
        content = read_yaml(path)
        if "region" not in content:
            continue  # the counterweight and the natural course: no prevalence
        try:
            region = _region(content)
        except (KeyError, TypeError, ValueError) as error:
            raise ContentError(f"{name(path)}: {type(error).__name__}: {error}") from None
        regions[region.id] = region
    return regions


def cell_for(row: Row, age: int | None) -> Cell | None:
    """The cell to quote for an age in years; for no age the one of all ages. None where nothing may be quoted."""
    if age is not None:
        found = next((c for c in row.quotable if c.fits(age)), None)
        if found or any(c.fits(age) for c in row.cells):  # a hidden cell is not replaced by another age's
            return found
    return next((c for c in row.quotable if c.start is None), None)


def ages(row: Row) -> tuple[Cell, ...]:
    """The cells of a row that differ by age, youngest first; empty where age does not matter."""
    return tuple(sorted((c for c in row.quotable if c.start is not None), key=lambda c: c.start or 0))


def find_cell(reference: str, data: Path = DATA) -> tuple[Region, Row, Cell] | None:
    """The cell that an answer names: ``lower_back/disc_bulge@50``, or without @ the one of all ages."""
    place, _, key = reference.partition("@")
    region_id, _, row_id = place.partition("/")
    region = load_regions(data).get(region_id)
    row = region.rows.get(row_id) if region else None
    if region is None or row is None:
        return None
    cell = next((c for c in row.cells if c.key == (key or "all")), None)
    return (region, row, cell) if cell else None


def quotable(reference: str, data: Path = DATA) -> bool:
    """Whether the cell that an answer names is there and may be said to a patient."""
    found = find_cell(reference, data)
    return found is not None and found[2] in found[1].quotable


def _region(content: dict[str, Any]) -> Region:
    rows = {}
    for row_id, row in content.get("rows", {}).items():
        cells = tuple(_cell(cell, content["who"]) for cell in row["cells"])
        rows[row_id] = Row(
            row_id, row["title"], row["source"], row["population"], row.get("n"), cells, row.get("shown", True)
        )
    return Region(
        content["region"], content["name"], content["who"], content["when_scan"], rows, content.get("no_figures") or ""
    )


def _cell(cell: dict[str, Any], who: str) -> Cell:
    if cell["mark"] not in ("V", "K", "U"):
        raise ValueError(f"mark {cell['mark']!r}; use V, K or U")
    return Cell(
        key=str(cell["key"]),
        percent=float(cell["percent"]),
        mark=cell["mark"],
        who=cell.get("who") or who,
        start=cell.get("from"),
        end=cell.get("to"),
        around=cell.get("around"),
        percent_to=cell.get("percent_to"),
        hidden=str(cell.get("hidden") or ""),
    )
