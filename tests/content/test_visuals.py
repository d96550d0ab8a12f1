"""The pictures' files: complete, honest, and every figure that is drawn is its cell's or its fact's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.content import load_clinics
from bot.content.answers import load_facts
from bot.content.checks.tutor import wording
from bot.content.checks.visuals import visuals
from bot.content.clinics import make_clinic
from bot.content.figures import find_cell
from bot.content.files import DATA, ContentError, read_yaml
from bot.content.visuals import VISUALS, load_visuals
from bot.settings import ROOT


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for part in ("visuals", "findings", "facts", "sources"):
        shutil.copytree(DATA / part, folder / part)
    return folder


def change(data: Path, id: str, **changed: Any) -> list[str]:
    """What the checks say of a picture that was changed."""
    path = data / "visuals" / f"{id}.yml"
    path.write_text(yaml.safe_dump({**read_yaml(path), **changed}, allow_unicode=True))
    load_visuals.cache_clear()
    return [f"{fault.id}: {fault.what}" for fault in visuals(data)]


def test_all_pictures_are_there_and_without_fault() -> None:
    assert set(load_visuals()) == set(VISUALS) and len(VISUALS) >= 8
    assert list(visuals(DATA)) == []
    assert [fault for fault in wording(DATA) if fault.file.startswith("data/visuals")] == []


def test_what_is_drawn_is_what_the_cells_and_facts_say() -> None:
    twin, healing = load_visuals()["twin"], load_visuals()["healing"]
    for state in read_yaml(DATA / "visuals" / "twin.yml")["states"]:
        found = find_cell(state["figure"])
        assert found is not None and twin.values["dots"][state["id"]] == found[2].dots
    for state in read_yaml(DATA / "visuals" / "healing.yml")["states"]:
        weeks = [int(one) for one in re.findall(r"\d+", load_facts()[state["fact"]].say)]
        assert healing.values["weeks"][state["id"]] == weeks


def test_every_picture_that_is_named_is_drawn_and_every_label_it_asks_for_is_there() -> None:
    code = (ROOT / "widget" / "pictures.js").read_text()
    drawn = re.search(r"const PICTURES = \{(.*?)\};", code, re.S)
    assert drawn is not None
    names = {part.split(":")[0].strip() for part in drawn[1].split(",")}
    assert names == {*VISUALS, "chart"}


def test_a_figure_that_is_not_its_cells_is_a_fault(data: Path) -> None:
    states = read_yaml(data / "visuals" / "twin.yml")["states"]
    states[0]["text"] = states[0]["text"].replace("4 in 10", "2 in 10")
    assert any("its cell says otherwise" in fault for fault in change(data, "twin", states=states))


def test_a_figure_without_its_limit_is_a_fault(data: Path) -> None:
    states = read_yaml(data / "visuals" / "twin.yml")["states"]
    states[0]["text"] = states[0]["text"].split(". So")[0] + "."
    assert any("on its own" in fault for fault in change(data, "twin", states=states))


def test_a_cell_that_may_not_be_said_is_refused(data: Path) -> None:
    states = read_yaml(data / "visuals" / "twin.yml")["states"]
    states[0]["figure"] = "lower_back/disc_height_loss@20"
    with pytest.raises(ContentError, match="no cell that may be said"):
        change(data, "twin", states=states)


def test_a_brain_without_its_caveat_is_a_fault(data: Path) -> None:
    assert any("caveat must say" in fault for fault in change(data, "brain", caveat="A drawing."))
    assert any("caveat missing" in fault for fault in change(data, "brain", caveat=""))


def test_a_picture_that_does_not_say_that_it_is_one_is_a_fault(data: Path) -> None:
    assert any("drawing" in fault for fault in change(data, "cup", label="This is you."))


def test_a_twin_that_leaves_out_a_number_is_a_fault(data: Path) -> None:
    assert any("leaves out" in fault for fault in change(data, "healing", twin="It takes weeks."))


# A clinic's own videos

ABOUT = load_clinics()["demo"].about
FILM = {"title": "Our film", "src": "/static/film.mp4", "captions": "/static/film.vtt"}
ELSEWHERE = {"title": "Our film", "src": "https://www.clinic.example/a.mp4", "captions": "https://www.clinic.example/a.vtt"}


def test_captioned_videos_are_taken_and_told_to_the_tutor() -> None:
    about = {**ABOUT, "embedding": {"origins": ["https://www.clinic.example"]}, "videos": {"alarm": [FILM, ELSEWHERE]}}
    clinic = make_clinic(about, "x.yml")
    assert clinic.videos == {"alarm": (FILM, ELSEWHERE)} and clinic.about["videos"] == about["videos"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"alarm": [{key: value for key, value in FILM.items() if key != "captions"}]},
        {"alarm": [{**FILM, "captions": ""}]},
        {"alarm": [{**FILM, "title": " "}]},
        {"alarm": [ELSEWHERE]},
        {"alarm": [{**FILM, "src": "http://www.clinic.example/a.mp4"}]},
        {"alarm": [{**FILM, "src": "/static/../secret"}]},
        {"alarm": [{**FILM, "autoplay": True}]},
        {"alarm": FILM},
        {"Alarm!": [FILM]},
        ["alarm"],
    ],
)
def test_other_videos_are_refused(wrong: Any) -> None:
    with pytest.raises(ContentError, match="videos"):
        make_clinic({**ABOUT, "videos": wrong}, "x.yml")
