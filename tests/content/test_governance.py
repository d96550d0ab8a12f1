"""Sign-offs: whose words, which words, until when; and what production does without them."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path

import pytest

from bot.content import governance
from bot.content.files import DATA, ContentError
from bot.content.governance import EXPIRED, PENDING, REVIEWED
from bot.settings import PRODUCTION, Settings
from bot.web import app as web
from tests.support.small_content import change

DAY = datetime.date(2026, 3, 1)
LATER = datetime.timedelta(days=30)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for folder in ("responses", "report_words", "findings", "clinics", "safety"):
        shutil.copytree(DATA / folder, tmp_path / folder, ignore=shutil.ignore_patterns("learning", "examples", "card"))
    for file in ("finding_card.yml",):
        shutil.copyfile(DATA / file, tmp_path / file)
    return tmp_path


def sign(data: Path, *versions: str, until: datetime.date | None = None) -> None:
    governance.sign("demo", versions, "A. Example", "physiotherapist", DAY, until, data)


def test_nothing_is_signed_in_this_repository() -> None:
    counts = governance.status("demo", DAY)
    assert sum(found[REVIEWED] + found[EXPIRED] for found in counts.values()) == 0
    assert sum(found[PENDING] for found in counts.values()) >= 250
    assert {"pain", "finding", "findings", "finding_card", "safety"} <= set(counts)


def test_a_sign_off_counts_for_its_text_until_its_last_day(data: Path) -> None:
    sign(data, "pain/alarm.v1", until=DAY + LATER)
    review = governance.review_of("pain/alarm.v1", "demo", DAY + LATER, data)
    assert review.state == REVIEWED and review.by is not None and review.by.reviewer == "A. Example"
    assert (
        governance.review_of("pain/alarm.v1", "demo", DAY + LATER + datetime.timedelta(days=1), data).state == EXPIRED
    )
    assert governance.review_of("pain/is_real.v1", "demo", DAY, data).state == PENDING
    assert governance.review_of("pain/alarm.v1", "another", DAY, data).state == PENDING


def test_changed_words_are_unsigned_again(data: Path) -> None:
    sign(data, "pain/alarm.v1")
    for cached in (governance.clinical_texts, governance.load_answers):
        cached.cache_clear()
    change(
        data / "responses" / "pain.yml",
        lambda f: f["responses"]["utter_pain/alarm"][0]["metadata"].update(flare="Other words."),
    )
    assert governance.review_of("pain/alarm.v1", "demo", DAY, data).state == PENDING


@pytest.mark.parametrize(
    ("versions", "reviewer", "role", "what"),
    [
        (["pain/no_such.v1"], "A", "b", "No such text"),
        ([], "A", "b", "No such text"),
        (["pain/alarm.v1"], " ", "b", "name and role"),
    ],
)
def test_a_sign_off_that_is_none(data: Path, versions: list[str], reviewer: str, role: str, what: str) -> None:
    with pytest.raises(ContentError, match=what):
        governance.sign("demo", versions, reviewer, role, DAY, None, data)
    with pytest.raises(ContentError, match="still to come"):
        governance.sign("demo", ["pain/alarm.v1"], "A", "b", DAY, DAY, data)


def test_production_refuses_text_that_nobody_has_signed() -> None:
    with pytest.raises(ContentError, match="not signed for the clinic 'demo'"):
        web.make_services(Settings(environment=PRODUCTION, rasa_secret="s" * 40))
