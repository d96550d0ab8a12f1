"""Report words: what a pasted report is read as, and the two locks over all that is said of it."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.checks.answers import MOST_WORDS
from bot.content.library import load_library
from bot.content.report_words import URGENT
from bot.content.tutor import load_lines
from bot.safety.normalise import english_words
from bot.tutor import areas, scan
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import CHECK, Moment, Outcome, parts_of
from bot.tutor.scan_words import load_lexicon, read, serious_key

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=timezone.utc)
LIBRARY, LEXICON = load_library(), load_lexicon()
FORMS: list[str] = load_lines("scan").rest["serious"]["forms"]
GRAVE = sorted(
    {" ".join(words) for options in LEXICON.serious.values() for words, _ in options}
    | {form for form in FORMS if any(form.startswith(start) for start, _ in LEXICON.starts)}
)
HARMLESS = [key for key, word in LIBRARY.words.items() if serious_key(key) is None]
# One plain phrase of each; general words ("cannot exclude", "no abnormality") are sentences of their own.
NEIGHBOURS = [LIBRARY.words[key].says[0] for key in HARMLESS if len(LIBRARY.words[key].regions) < 6]
# A serious word is there, or it is not clear that it is not.
FRAMES = (
    "{s}", "There is a {s} at L3.", "{n} and {s}.", "{n}. {s} noted", "No {n}. {s}.", "Cannot exclude {s}. {n}.",
    "?{s}", "{n} ?{s}", "Possible {s} in the sacrum, {n}.", "{s} cannot be ruled out. {n}", "No {n} but {s} is seen",
    "{n}\n{s}\n{n}", "No change in the {s}. {n}", "Known {s}. Stable. {n}", "No longer {s}, {n}",
    "Not only {n}, {s} too",
    "No {n}, {s} at T12",
    "Clinical question: {s}? {n}", "{n} with {s}", "it says no {n} {s} at l4",
    "no new {s}", "no {s} apart from L2", "{n}, query {s}", "MRI to exclude {s}", "I do not know if there is no {s}",
)  # fmt: skip
DENIED = (
    "No {n}.", "There is no evidence of {n}.", "{n} is not seen.", "No {n} or {m}.", "{n}: none.", "Without {n}",
    "No {n}, {m} or {o}.", "No sign of {n} in the lumbar spine.", "no {n} at l4/5", "Negative for {n}",
)  # fmt: skip
SOFT = re.compile(r"\d|\bcommon|\busual|\boften\b|\bmany\b|\bmost people|\bage\b|\bdots?\b", re.IGNORECASE)


def moment(*entries: Entry, **more) -> Moment:
    return Moment(NOW, Journal(tuple(entries)), **more)


def noted(kind: str, key: str = "", value=None, hours: float = 1) -> Entry:
    return Entry(kind, key, value, NOW - timedelta(hours=hours))


def told(outcome: Outcome) -> list[str]:
    return [text for say in (*outcome.says, *outcome.after) for text in say.bubbles]


def is_locked(outcome: Outcome | None) -> bool:
    assert outcome is not None
    text = re.sub(r"\{\w+\}", "", " ".join(told(outcome)))
    quiet = not SOFT.search(text) and not any("picture" in say.more for say in outcome.says)
    payloads = [one.payload for say in outcome.says for one in say.buttons]
    return quiet and all(say.id.startswith("scan/locked") for say in outcome.says) and payloads == [
        "tutor:scan:check", scan.ASK_PERSON,
    ]  # fmt: skip


def press(at: Moment, payload: str) -> Outcome:
    assert len(payload) <= 200 and re.fullmatch(r"[a-z0-9_:]+", payload), payload
    return areas.pressed(at, payload)


def after(at: Moment, outcome: Outcome) -> Moment:
    return Moment(NOW, at.journal.with_(outcome.notes, NOW))


# ---- the first lock


@pytest.mark.parametrize("frame", FRAMES)
def test_every_serious_word_in_every_frame_locks_the_whole_report(frame: str) -> None:
    neighbours = itertools.cycle(NEIGHBOURS)
    for word in GRAVE:
        text = frame.format(s=word, n=next(neighbours))
        outcome = scan.words(moment(), "report", text)
        assert is_locked(outcome), (text, told(outcome) if outcome else None)
        assert [(one.kind, one.key in LEXICON.when) for one in outcome.notes] == [(scan.LOCK, True)]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(GRAVE), st.sampled_from(FRAMES), st.lists(st.sampled_from(NEIGHBOURS), min_size=1, max_size=5),
    st.sampled_from([" ", ". ", "\n", "; ", ", "]), st.booleans(), st.booleans(),
)  # fmt: skip
def test_a_serious_word_locks_whatever_stands_beside_it(
    word: str, frame: str, beside: list[str], joint: str, first: bool, shouted: bool
) -> None:
    grave, plain = frame.format(s=word, n=beside[0]), joint.join(beside)
    text = f"{grave}. {plain}" if first else f"{plain}. {grave}"
    assert is_locked(scan.words(moment(), "report", text.upper() if shouted else text)), text


@pytest.mark.parametrize("frame", DENIED)
def test_what_a_report_did_not_see_is_told_so_and_locks_nothing(frame: str) -> None:
    for place, word in enumerate(NEIGHBOURS):
        others = [NEIGHBOURS[(place + step) % len(NEIGHBOURS)] for step in (7, 13)]
        text = frame.format(n=word, m=others[0], o=others[1])
        report = read(text)
        assert report.serious is None and not report.words, (text, report)
        outcome = scan.words(moment(), "report", text.rstrip(".") + ". That is all it says.")
        assert outcome and outcome.says[0].id == "scan/absent", text


@pytest.mark.parametrize("key", [key for key, word in LIBRARY.words.items() if word.handling == URGENT])
def test_each_word_of_the_table_that_is_urgent_has_a_group_of_its_own(key: str) -> None:
    found = serious_key(key)
    assert found is not None and found.group != "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "No fracture.", "No acute fracture or dislocation. Mild disc bulge at L4/5.", "No evidence of\nfracture.",
        "Fracture: none. Disc bulge at L5/S1.",
        "There is no cord compression or abnormal cord signal. Disc bulge C5/6.",
        "The cord is normal in signal and calibre. Disc protrusion C5/6.",
        "Conus and cauda equina normal. Disc bulge L4.",
        "No suspicious bone lesion. Facet arthropathy.", "Fractures are not seen. Osteophytes.",
        "No focal bone lesion, fracture or infection. Degenerative changes in the lumbar spine.",
        "Anterior cam lesion of the hip with a labral tear.", "SLAP lesion of the shoulder.",
        "Bone marrow lesion in the medial tibial plateau of the knee.", "No fracture, mild disc bulge at L4/5.",
        "Negative for metastases. Disc desiccation L5/S1.", "No acute abnormality or fracture. Facet arthropathy.",
        "No mass. No collection. Disc height loss at L5/S1.", "Can you explain this? Disc bulge at L4/5.",
    ],
)  # fmt: skip
def test_clear_denials_and_harmless_names_do_not_lock(text: str) -> None:
    assert read(text).serious is None


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("vertebral frcature at L1", "today"), ("suspisious area in the sacrum", "today"), ("myelomalasia C5", "today"),
        ("# L2", "today"), ("AVN of the hip", "today"), ("bone marrow lesion at L3", "today"), ("myxoma", "today"),
        ("sacroilitis on the left", "soon"), ("bony erosions", "soon"), ("cauda equina compression", "now"),
        ("aortic dissection", "now"), ("disc bulge, bony erosions, AAA", "today"), ("no fracture healing yet", "today"),
        ("disc bulge fracture l3 no stenosis", "today"), ("No fracture, however collapse of L1", "today"),
        ("Fracture cannot be excluded", "today"), ("No fracture seen. This cannot be excluded.", "today"),
        ("No interval change in the lesion", "today"), ("not a fracture", "today"), ("The cord is displaced", "today"),
        ("cord signal is normal except at C5", "today"), ("with or without fracture", "today"),
        ("Disc bulge. " * 800 + "fine", "today"), ("pars fracture", "today"), ("spon\u00addylodiscitis", "today"),
        ("frac-\nture of L1", "today"), ("ＦＲＡＣＴＵＲＥ", "today"), ("Fractúre", "today"),
    ],
)  # fmt: skip
def test_serious_words_misspelt_or_in_doubt_lock_with_the_right_haste(text: str, when: str) -> None:
    found = read(text).serious
    assert found is not None and found.when == when


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300))
def test_reading_never_fails(text: str) -> None:
    read(text)
    scan.words(moment(), "report", text)


@given(st.sampled_from(sorted(set(FORMS))), st.data())
@settings(max_examples=200, deadline=None)
def test_a_slip_of_one_letter_in_a_long_word_is_still_seen(word: str, data: st.DataObject) -> None:
    if len(word) < 8 or read(word).serious is None:
        return
    at = data.draw(st.integers(1, len(word) - 3))
    slip = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    assert slip in english_words() or read(slip).serious is not None


def test_the_lock_holds_for_a_day_against_harmless_words_and_buttons() -> None:
    locked = moment(noted(scan.LOCK, "bone", "today", hours=20))
    for payload in ("tutor:scan", "tutor:scan:pick", "tutor:scan:word:0:lower_back:disc_bulge", "tutor:scan:ages"):
        assert is_locked(press(locked, payload))
    assert is_locked(scan.words(locked, "report", "a harmless disc bulge at L4"))
    assert is_locked(scan.filled(locked, "tutor_scan_before_pick", {"worry": 3}))
    assert not is_locked(scan.open(moment(noted(scan.LOCK, "bone", "today", hours=25))))


def test_an_open_red_flag_locks_too() -> None:
    flagged = moment(open_flag=True)
    assert scan.open(flagged).says[0].id == "scan/locked_flag"
    assert is_locked(press(flagged, "tutor:scan:word:0:lower_back:disc_bulge"))


def test_the_safety_check_is_one_press_away() -> None:
    assert press(moment(open_flag=True), "tutor:scan:check").then == CHECK


def test_a_serious_word_that_was_picked_or_hidden_in_a_button_locks() -> None:
    for payload in ("word:0:lower_back:lesion", "word:0:lower_back:disc_bulge:lesion", "age:40:0:hip:sacroiliitis"):
        assert is_locked(press(moment(), f"tutor:scan:{payload}")), payload


# ---- what is explained


def test_words_are_gone_through_one_by_one_after_region_and_age() -> None:
    at = moment()
    asked = scan.words(at, "report", "L4/5 disc bulge with facet arthropathy and a disc extrusion.")
    assert asked and [say.id for say in asked.says] == ["scan/ask_age"]
    shown = press(at, next(one.payload for one in asked.says[0].buttons if ":50:" in one.payload))
    assert shown.notes == (Entry(scan.AGE, value="50"),)
    seen = []
    for _ in range(3):
        (say,) = shown.says
        seen.append((say.id, "picture" in say.more))
        at = after(at, shown)
        shown = press(at, say.buttons[0].payload)
    # In the order of the report; a figure and its dots only where there is one for this word.
    figures = {"disc_bulge": True, "facet_changes": True, "disc_extrusion": False}
    assert seen == [(f"scan/word/{word}", drawn) for word, drawn in figures.items()]
    assert shown.says[0].id == "scan/list"


def test_the_age_is_asked_once_and_may_be_skipped_for_the_range() -> None:
    at = moment(noted(scan.AGE, value="refused"))
    (say,) = scan.words(at, "report", "lumbar disc bulge was seen there").says
    assert say.id == "scan/word/disc_bulge" and "picture" not in say.more
    assert sum("in 10" in text for text in say.bubbles) == 1


def test_the_age_that_the_dialogue_knows_is_used() -> None:
    (say,) = scan.words(moment(facts={"age": "52"}), "report", "lumbar disc bulge was seen there").says
    assert say.more["picture"]["src"].startswith("/pictures/dots-")


def test_an_unclear_region_is_asked_and_gets_no_figure_of_another_one() -> None:
    at = moment(noted(scan.AGE, value="50"))
    (say,) = scan.words(at, "report", "it says there is a disc bulge").says
    assert say.id == "scan/which_region"
    shown = press(at, next(one.payload for one in say.buttons if ":other:" in one.payload))
    assert "picture" not in shown.says[0].more and not re.search(r"\d", " ".join(told(shown)))


def test_more_words_than_fit_are_cut_and_said_so() -> None:
    text = ". ".join(NEIGHBOURS[:20]) + ". lumbar"
    outcome = scan.words(moment(noted(scan.AGE, value="40")), "report", text)
    assert outcome and "scan/more_words" in [say.id for say in outcome.says]
    for button in outcome.says[-1].buttons:
        press(moment(), button.payload)


def test_questions_and_other_remarks_go_to_the_assistant() -> None:
    for text in ("what is a scan?", "hello", "my knee hurts"):
        assert scan.words(moment(), "report", text) is None
    assert scan.words(moment(), "other", "disc bulge") is None


def test_a_report_without_known_words_says_so_and_offers_a_way() -> None:
    (say,) = scan.words(moment(), "report", "the quick brown fox jumps over it all").says
    assert say.id == "scan/nothing_known" and say.buttons


def test_nothing_of_the_report_is_noted() -> None:
    for text in ("Mr Miller: L4/5 disc bulge", "Mr Miller: fracture of L1, disc bulge", "Mr Miller: no lesion seen"):
        outcome = scan.words(moment(noted(scan.AGE, value="40")), "report", text)
        assert outcome and "miller" not in repr(outcome).lower()
        assert {one.kind for one in outcome.notes} <= {scan.LOCK}


# ---- the ends


def test_three_questions_are_kept_only_when_asked_for() -> None:
    shown = press(moment(), "tutor:scan:end:lower_back:disc_bulge:facet_changes")
    (say,) = shown.says
    assert say.id == "scan/questions" and not shown.notes and sum(text.count("- ") for text in say.bubbles) == 3
    kept = press(moment(), say.buttons[0].payload)
    (entry,) = kept.notes
    assert entry.kind == scan.QUESTIONS and len(entry.value) == 3
    assert scan.kept_questions(moment(noted(scan.QUESTIONS, value=entry.value))) == entry.value
    assert press(moment(), say.buttons[1].payload).notes == ()


def test_the_worry_is_asked_once_before_and_once_after() -> None:
    first = press(moment(), "tutor:scan:paste").says[0]
    assert first.kind == "questionnaire" and first.more["form"] == "tutor_scan_before_paste"
    shown = scan.filled(moment(), first.more["form"], {"worry": 7})
    assert shown.notes == (Entry(scan.WORRY, scan.BEFORE, 7),) and shown.says[0].awaits == "scan:report"
    rated = moment(noted(scan.WORRY, scan.BEFORE, 7))
    assert press(rated, "tutor:scan:paste").says[0].id == "scan/paste"
    assert press(rated, "tutor:scan:done").says[-1].more["form"] == "tutor_scan_after"
    done = scan.filled(rated, "tutor_scan_after", {"worry": 9})
    assert done.notes == (Entry(scan.WORRY, scan.AFTER, 9),)
    assert told(done) == told(scan.filled(rated, "tutor_scan_after", {"worry": 0}))
    skipped = moment(noted(scan.WORRY, scan.BEFORE, None))
    assert len(press(skipped, "tutor:scan:done").says) == 1
    twice = moment(noted(scan.WORRY, scan.BEFORE, 7), noted(scan.WORRY, scan.AFTER, 5))
    assert len(press(twice, "tutor:scan:done").says) == 1


# ---- everything that can be reached


def everything() -> list[Outcome]:
    """All that the buttons lead to from the first page, for people of two ages and for one who does not say."""
    found: list[Outcome] = []
    for age in ("refused", "30", "80"):
        at = moment(noted(scan.AGE, value=age), noted(scan.WORRY, scan.BEFORE, 5))
        waiting, seen = ["tutor:scan", "tutor:scan:ages"], set()
        while waiting:
            payload = waiting.pop()
            shape = re.sub(r":word:(\d+):(\w+):.*:(\w+)$", r":word:\2:\3", payload)
            if payload == scan.ASK_PERSON or shape in seen or len(payload.split(":")) > 7:
                continue
            seen.add(shape)
            outcome = press(at, payload)
            found.append(outcome)
            waiting += [one.payload for say in outcome.says for one in say.buttons if "tutor:scan" in one.payload]
    return found


EVERYTHING = everything()
# The second lock: never a statement about this person's scan or body.
OWN_SCAN = re.compile(
    r"\byour (?:scan|mri|x-ray|report|discs?|spine|back|neck|knee|hip|shoulder|joints?|tendon|cord|bones?)\b"
    r" (?:is|are|has|have|shows?|says|looks?|means?)|\byou (?:may |probably )?have (?!had\b)"
    r"|\bin your case (?:it|this) is\b",
    re.IGNORECASE,
)


def test_nothing_reachable_is_a_dead_end_or_about_this_persons_scan() -> None:
    assert len(EVERYTHING) > 300
    for outcome in EVERYTHING:
        assert outcome.says or outcome.then
        for say in outcome.says:
            assert say.bubbles and (say.buttons or say.awaits or say.kind == "questionnaire"), say.id
            for text in say.bubbles:
                assert not OWN_SCAN.search(text), (say.id, text)
                if not say.id.startswith("scan/why/"):
                    assert len(text.split()) <= MOST_WORDS, (say.id, text)
            if "picture" in say.more:
                assert any("on its own it cannot tell us why you hurt" in text for text in say.bubbles)


def test_each_figure_stands_alone_in_its_message() -> None:
    for outcome in EVERYTHING:
        for say in outcome.says:
            assert sum(bool(re.search(r"\d+ in 10", text)) for text in say.bubbles) <= 1
            if is_locked(Outcome((say,))):
                assert "picture" not in say.more


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from("word list age why end keep x 0 9 none hip lesion".split(" ")), max_size=8))  # noqa: SIM905
def test_odd_buttons_never_raise(parts: list[str]) -> None:
    payload = ":".join(["tutor:scan", *parts])
    assert parts_of(payload)[0] == "scan"
    assert areas.pressed(moment(), payload).says


def test_what_is_as_usual_is_not_explained_as_a_finding() -> None:
    report = read("Normal lumbar lordosis. No suspicious bone lesion. Disc bulge at L4/5.")
    assert report.words == ("disc_bulge",) and report.absent == ()
