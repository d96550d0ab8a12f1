"""100 dots: as many as the figure says, told by shape, served as a plain image."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bot.web import bodies, pictures
from bot.web.problems import Problem, problem_response


@pytest.mark.parametrize("filled", [0, 1, 60, 100])
def test_as_many_dots_are_filled(filled: int) -> None:
    circles = ElementTree.fromstring(pictures.dots_svg(filled)).findall("{http://www.w3.org/2000/svg}circle")
    assert len(circles) == 100
    assert sum(circle.get("class") == "on" for circle in circles) == filled


@pytest.mark.parametrize("filled", [-1, 101])
def test_there_are_a_hundred_dots(filled: int) -> None:
    with pytest.raises(ValueError, match="of 100 dots"):
        pictures.dots_svg(filled)


def test_the_picture_is_an_image_without_scripts() -> None:
    page = TestClient(Starlette(routes=pictures.routes(), exception_handlers={Problem: problem_response}))
    answer = page.get(pictures.path(60))
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/svg+xml"
    assert "script" not in answer.text and "default-src 'none'" in answer.headers["content-security-policy"]
    assert page.get("/pictures/dots-101.svg").status_code == 404
    assert page.get("/pictures/dots-x.svg").status_code == 404


def test_a_reply_with_a_figure_carries_its_twin_in_words() -> None:
    about = {"answer_id": "finding/disc_bulge", "picture": {"kind": "dots", "cell": "lower_back/disc_bulge@50"}}
    body = bodies.reply({"text": "Words.", "metadata": about})
    assert body["picture"]["src"] == "/pictures/dots-60.svg"
    assert "60" in body["picture"]["alt"]
    assert "people around age 50 with no back pain" in body["picture"]["caption"]
    assert body["picture"]["caption"] in body["fallback_text"]
