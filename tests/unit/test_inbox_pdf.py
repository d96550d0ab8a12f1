"""An item as PDF: whatever a person wrote comes through, or the document says what it could not print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.content import load_clinics, load_wording
from bot.settings import Settings
from bot.store import events
from bot.store.columns import storable_text
from bot.web import pdf_page
from bot.web.inbox import item_view, pdf
from bot.web.inbox.acts import Desk
from bot.web.inbox.copies import OnPaper
from bot.web.limits import Limits
from bot.web.services import Services
from tests.support.database import CLINIC, HandClock, add_person, new_conversation, raise_one, sqlite_database
from tests.support.inbox import WORDS, StubAssistant

ARABIC, HEBREW = "ظهري يؤلمني كثيرا and 112 منذ أمس", "כואב לי הגב"
KINDS = {
    "nothing": "",
    "emoji": "back \N{FIRE}\N{WOMAN}\N{EMOJI MODIFIER FITZPATRICK TYPE-4}\N{ZERO WIDTH JOINER}\N{STAFF OF AESCULAPIUS}",
    "arabic": ARABIC,
    "hebrew": HEBREW,
    "persian, whose letters must stay apart": "می\u200cخواهم",
    "chinese": "我的背很痛",
    "hindi": "मेरी पीठ",
    "control characters": "a\0b\x07c\x1bd \u202eback to front\u2066x\u2069\ufeff",
    "half a character": "x\ud800y",
    "private and unassigned": "\ue000\uffff",
    "one word of 4,000": "a" * 4_000,
    "4,000 characters": "pain " * 800,
    "4,000 of Arabic": "ظهري" * 1_000,
    "signs without direction after Arabic": "ظ" + "." * 3_999,
    "emoji after Arabic": "ظ" + "\N{FIRE}" * 2_000,
    "marks on marks": "ظ" + "\N{COMBINING GRAVE ACCENT}" * 3_000,
    "nothing but lines": "\n" * 4_000,
    "marks of a mark-up": "**bold** __under__ --x-- [link](http://x) <b>",
}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    db = sqlite_database(tmp_path, HandClock())
    made = Settings(var=str(tmp_path), rasa_secret="s" * 40)
    stub: Any = StubAssistant()
    clinics = {CLINIC: load_clinics()[CLINIC]}
    services = Services(made, db, clinics, load_wording(), stub, lambda _text: {}, Limits(1000, 1000))
    return OnPaper(services, add_person(db, "lee"), "csrf", WORDS)


def shown(desk: Desk, words: str) -> dict[str, Any]:
    """The values of an item that somebody raised with these words."""
    conversation = new_conversation(desk.db)
    with desk.db.begin() as session:
        body = {"kind": "text", "text": words, "fallback_text": words}
        kind = {"type": events.MESSAGE, "author": events.PATIENT}
        events.append_event(session, conversation, **kind, body=body, client_id="m1")
    item = raise_one(desk.db, conversation, words=words).handoff_id
    with desk.db.read() as session:
        return item_view.item_view(session, desk, item, everything=True)


@pytest.mark.parametrize("words", KINDS.values(), ids=KINDS.keys())
def test_any_words_make_a_document(desk: Desk, words: str) -> None:
    made = pdf.document(desk, shown(desk, words))
    assert made.startswith(b"%PDF-") and made.rstrip().endswith(b"%%EOF")
    assert len(made) < 200_000


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(max_size=400))
def test_nothing_that_can_be_typed_breaks_it(desk: Desk, words: str) -> None:
    page = pdf_page.new_page("title", "en", "foot")
    pdf_page.line(page, storable_text(words))
    assert bytes(page.output()).startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("written", "printed", "missing"),
    [
        ("plain ä €", "plain ä €", False),
        ("e\N{COMBINING ACUTE ACCENT}", "é", False),
        ("a\0b\u202ec\ufeff", "abc", False),
        ("x\r\ny\u2028z\tw", "x\ny\nz    w", False),
        ("a\n\n\n\n \nb", "a\n\nb", False),
        ("\N{FIRE}", "[fire]", False),
        ("\N{REGIONAL INDICATOR SYMBOL LETTER G}\N{REGIONAL INDICATOR SYMBOL LETTER B}", "[G][B]", False),
        ("\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}", "\N{HEAVY BLACK HEART}", False),
        ("痛", "□", True),
        (ARABIC, ARABIC, False),
        (HEBREW, HEBREW, False),
    ],
)
def test_what_the_font_lacks_is_named_or_stands_as_a_box(written: str, printed: str, missing: bool) -> None:
    assert pdf_page.printable(written) == (printed, missing)


def test_the_document_says_that_something_is_missing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    line = pdf.line

    def listen(page: Any, text: str, *more: Any, **kinds: Any) -> None:
        said.append(text)
        line(page, text, *more, **kinds)

    monkeypatch.setattr(pdf, "line", listen)
    pdf.document(desk, shown(desk, "痛 and more"))
    assert WORDS.texts["copy_missing"] in said
    said.clear()
    pdf.document(desk, shown(desk, "all here"))
    assert WORDS.texts["copy_missing"] not in said and "all here" in said


def test_times_on_paper_have_their_date(desk: Desk) -> None:
    values = dict(pdf.facts(desk, shown(desk, "words")))
    assert values[WORDS.texts["fact_raised"]] == "2 January 2030, 03:04"
    assert desk.time() == "2 January 2030, 03:04"


def test_the_names_of_clinics_are_printed_too(desk: Desk) -> None:
    services = desk.services
    services.clinics = {CLINIC: replace(services.clinics[CLINIC], name="עיתון \N{FIRE} 痛")}
    assert pdf.document(desk, shown(desk, "words")).startswith(b"%PDF-")


def test_a_very_long_chat_is_cut_and_says_so(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    line = pdf.line

    def listen(page: Any, text: str, *more: Any, **kinds: Any) -> None:
        said.append(text)
        line(page, text, *more, **kinds)

    monkeypatch.setattr(pdf, "line", listen)
    monkeypatch.setattr(pdf, "MOST_ENTRIES", 1)
    values = shown(desk, "the newest words")
    (entry, *_) = values["entries"]
    older = replace(entry, bubbles=("older words",))
    pdf.document(desk, {**values, "entries": [older, older, entry]})
    assert WORDS.text("copy_newest", count=1, all=3) in said
    assert "older words" not in said and any("the newest words" in text for text in said)
