"""Tables of figures: which cell is quoted for whom, which never is, and what the tables say."""

from __future__ import annotations

import pytest

from bot.content import figures
from bot.content.cards import people, share
from bot.content.figures import Cell, Row, cell_for, find_cell, load_regions, quotable

REGIONS = load_regions()
# Brinjikji 2015, AJNR 36:811: percent of people without back pain, at 20, 30 ... 80. Typed from the paper's table apart
# from the data file, so that a slip in either fails. None: cells without people behind them.
LUMBAR = {
    "disc_degeneration": [37, 52, 68, 80, 88, 93, 96],
    "disc_signal_loss": [17, 33, 54, 73, 86, 94, 97],
    "disc_height_loss": [24, 34, 45, 56, 67, 76, 84],
    "disc_bulge": [30, 40, 50, 60, 69, 77, 84],
    "disc_protrusion": [29, 31, 33, 36, 38, 40, 43],
    "annular_fissure": [19, 20, 22, 23, 25, 27, 29],
    "facet_degeneration": [4, 9, 18, 32, 50, 69, 83],
    "spondylolisthesis": [3, 5, 8, 14, 23, 35, 50],
}
NOBODY_BEHIND = {
    ("facet_degeneration", 20),
    ("facet_degeneration", 30),
    ("spondylolisthesis", 20),
    ("spondylolisthesis", 30),
}


@pytest.mark.parametrize("row", LUMBAR)
def test_the_lumbar_table_cell_by_cell(row: str) -> None:
    cells = {cell.around: cell for cell in REGIONS["lower_back"].rows[row].cells}
    assert [cells[age].percent for age in range(20, 90, 10)] == LUMBAR[row]


@pytest.mark.parametrize(("row", "age"), sorted(NOBODY_BEHIND))
def test_cells_without_people_are_never_quoted(row: str, age: int) -> None:
    found = REGIONS["lower_back"].rows[row]
    assert cell_for(found, age) is None
    assert not quotable(f"lower_back/{row}@{age}")


def test_only_known_cells_of_people_without_pain_are_quotable() -> None:
    for region in REGIONS.values():
        for row in region.rows.values():
            for cell in row.quotable:
                assert cell.mark in ("V", "K")
                assert row.population == "pain_free" and row.shown and not cell.hidden


@pytest.mark.parametrize(
    "reference", ["neck/cord_compression", "brain/aneurysm", "knee/nothing", "nowhere/disc_bulge@50"]
)
def test_cord_brain_and_what_is_not_there_is_not_quotable(reference: str) -> None:
    assert not quotable(reference)


@pytest.mark.parametrize(("age", "around"), [(16, 20), (24, 20), (25, 30), (52, 50), (54, 50), (55, 60), (99, 80)])
def test_an_age_finds_the_middle_of_its_decade(age: int, around: int) -> None:
    cell = cell_for(REGIONS["lower_back"].rows["disc_bulge"], age)
    assert cell is not None and cell.around == around


def row_of(*cells: Cell, population: str = "pain_free") -> Row:
    return Row("x", "x", "s", population, None, cells)


def cell(percent: float, **more: object) -> Cell:
    return Cell(**{"key": "all", "percent": percent, "mark": "V",
        "who": "people with no pain", **more})  # type: ignore[arg-type]


def test_a_hidden_age_is_not_replaced_by_the_cell_of_all_ages() -> None:
    row = row_of(cell(10), cell(4, key="20", start=16, end=24, hidden="nobody"))
    assert cell_for(row, 20) is None
    assert cell_for(row, 60) == row.cells[0]
    assert cell_for(row, None) == row.cells[0]


def test_people_with_and_without_pain_together_are_never_quoted() -> None:
    assert cell_for(row_of(cell(62), population="mixed"), None) is None
    assert cell_for(row_of(cell(62, mark="U")), None) is None


@pytest.mark.parametrize(
    ("percent", "said"),
    [(60, "about 6 in 10"), (65, "about 7 in 10"), (33, "about 3 in 10"), (2.1, "about 2 in 100"),
     (5.7, "about 6 in 100"),
     (0.3, "about 1 in 100"), (9.7, "about 1 in 10"), (96, "more than 9 in 10"), (94, "about 9 in 10")],
)  # fmt: skip
def test_a_figure_is_said_as_a_natural_frequency(percent: float, said: str) -> None:
    assert share(cell(percent)) == said


def test_a_range_and_the_people_it_is_about() -> None:
    assert share(cell(39, percent_to=69)) == "about 4 to 7 in 10"
    assert people(cell(60, around=50)) == "people around age 50 with no pain"
    assert people(cell(60)) == "people with no pain"


def test_a_reference_names_region_row_and_cell() -> None:
    found = find_cell("lower_back/disc_bulge@50")
    assert found is not None and (found[0].id, found[1].id, found[2].percent) == ("lower_back", "disc_bulge", 60)
    assert find_cell("lower_back/disc_bulge@55") is None


def test_regions_without_figures_say_so() -> None:
    assert not any(row.quotable for row in REGIONS["other"].rows.values())
    assert figures.load_regions()["other"].when_scan
