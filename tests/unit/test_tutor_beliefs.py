"""Beliefs: what is heard as one, when a number is asked, and that every number gets the same reply."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.beliefs import load_beliefs
from bot.tutor import areas, beliefs
from bot.tutor.belief_words import which
from bot.tutor.beliefs import AFTER, ASKED, BEFORE, BELIEF, DAY_7, DAY_30, POINTS, QUIET, REMOVED, ledger
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import Moment, Outcome

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=timezone.utc)
SLIPPED, ANSWER = "my disc has slipped, i can feel it", "scans/slipped_disc"
# Apart from the phrases in data/beliefs.yml. Four tellings of each belief; remarks that sound alike; neutral questions.
TOLD = {
    "M01": (
        "the damage they saw on my mri is why my back is killing me",
        "my scan is full of problems so obviously that's what hurts",
        "i hurt because of the damage on the scan",
        "the radiology pictures show exactly why i'm in agony",
    ),
    "M02": (
        "one of the discs in my spine has slipped",
        "my slipped disc won't go back in",
        "the disc slipped out when i sneezed",
        "l5 disc is out of position",
    ),
    "M03": (
        "my degenerative discs will put me in a wheelchair",
        "ddd is going to leave me disabled",
        "my spine is degenerating and i'll be a cripple",
        "i'm scared my crumbling spine means i won't walk in ten years",
    ),
    "M04": (
        "a bulging disc doesn't ever heal",
        "my herniation will stay like this forever",
        "discs never repair themselves",
        "herniated disc is for life",
    ),
    "M05": (
        "my knees are bone on bone, exercise just grinds them down",
        "no cartilage left in my hip so walking wears the bone",
        "if i exercise i'll wear my joint out completely",
        "it's bone rubbing on bone, moving makes it worse",
    ),
    "M06": (
        "torn rotator cuff, it has to be operated on",
        "i can't get better without an operation on my torn cuff",
        "the tendon is torn so surgery is the only option",
        "a rip in the shoulder tendon must be repaired by a surgeon",
    ),
    "M07": (
        "my knee pain is from the torn meniscus",
        "the meniscus is torn and that's what is hurting",
        "that tear in the meniscus is the source of my pain",
        "it's the ripped meniscus that makes my knee hurt",
    ),
    "M08": (
        "at 35 a labral tear is a really serious thing",
        "my hip labrum tore and that's the end of my hip",
        "labral tear so young, that is terrible",
        "the torn labrum is going to wreck my hip joint",
    ),
    "M09": (
        "the x-ray found arthritis in my neck so it's fragile",
        "my neck is so fragile i dare not move it",
        "my neck could break with a wrong move",
        "arthritis of the neck means i have to protect it all the time",
    ),
    "M10": (
        "no one believes me because nothing is on the scan",
        "clear mri so they all think i'm pretending",
        "the scan came back normal and my doctor doesn't believe i'm in pain",
        "they don't believe my pain because my tests are normal",
    ),
    "M11": (
        "the more it hurts the more damage is being done",
        "pain this strong means something is badly damaged",
        "worse pain equals worse injury",
        "so much pain must mean a lot of damage",
    ),
    "M12": (
        "i need a new mri, they haven't found the cause yet",
        "they should do another scan because they missed something",
        "only one more scan can find the reason for this",
        "i want them to scan me again till they find it",
    ),
    "M13": (
        "when they find what's wrong they can repair it",
        "once the cause is found it can be fixed",
        "there is one broken thing and somebody must find and fix it",
        "if the doctors find the source then it's fixable",
    ),
    "M14": (
        "my pelvis is out of alignment",
        "my back is crooked and that's the cause",
        "my spine is twisted and needs putting straight",
        "a vertebra is out of place",
    ),
    "M15": (
        "it's my poor posture that did this",
        "weak core muscles are to blame for my back",
        "i slouch too much, that's what caused it",
        "my back hurts since my posture is terrible",
    ),
    "M16": (
        "i have to rest until it no longer hurts",
        "best stay in bed till the pain has gone",
        "complete rest is what my back needs until pain free",
        "i'm going to lie still until this passes",
    ),
    "M17": (
        "pain during movement means i have to stop",
        "if something hurts i'm damaging it so i stop",
        "whenever it hurts to move i know i'm doing harm",
        "it hurts when i lift so lifting must be harming me",
    ),
    "M18": (
        "an fmri scan would prove that my pain is real",
        "they could see my pain if they scanned my brain",
        "a brain scan would show everyone i'm really hurting",
        "i need a scan of my brain as proof of pain",
    ),
    "M19": (
        "so you're telling me it's all in my head",
        "you mean i'm imagining the pain",
        "so you think i'm making it all up",
        "you're basically saying it's psychological",
    ),
    "M20": (
        "i'm old, it will only get worse from here",
        "it's my age and there's nothing to be done",
        "pain is part of getting old and never improves",
        "at 70 it's all downhill",
    ),
    "M21": (
        "it's just wear and tear",
        "my joints have worn out",
        "i've got wear and tear in the spine",
        "years of hard work wore out my back",
    ),
    "M22": (
        "moving will damage my trapped nerve",
        "i have a pinched nerve and exercise will ruin it",
        "if i bend i'll crush the nerve",
        "the nerve is trapped so i must not move or it gets destroyed",
    ),
    "M23": (
        "getting scanned early is always the safer choice",
        "everyone should get an mri right at the start",
        "they should scan people straight away to be safe",
        "waiting with a scan is dangerous",
    ),
    "M24": (
        "the mri means i can't work any more",
        "my scan decides whether i can go back to work",
        "with a scan like mine nobody could work",
        "as long as the scan looks like this i can't do my job",
    ),
    "M25": (
        "the report says severe so my pain is severe",
        "severe is written on my mri so i'm in a really bad state",
        "my scan report said severe, that means i'm badly ill",
        "it says marked degeneration so things must be dire",
    ),
}
OTHERS = (
    "my back has been hurting for three weeks",
    "my knee is swollen today",
    "i got my mri results yesterday",
    "my scan is on friday",
    "the physio says my posture is fine",
    "i don't think my disc slipped anymore",
    "i know my scan doesn't explain everything",
    "my doctor showed me the pictures",
    "i took a painkiller this morning",
    "i can't sleep because of the pain",
    "i feel low lately",
    "my mri says mild disc bulge l5 s1",
    "i was told there is some arthritis in my hands",
    "i had surgery on my shoulder in may",
    "the rotator cuff exercises are going well",
    "i rested a bit and then went for a walk",
    "my work is stressful",
    "i went back to work on monday",
    "my brain feels foggy",
    "i had a brain scan after my accident and it was fine",
    "i have a headache",
    "my hip hurts when i climb stairs",
    "i am 45 years old",
    "i stopped lifting because it hurts",
    "my nerve pain is burning",
    "i have numbness in my toes since years",
    "what you said makes sense",
    "i don't understand the report",
    "i'd like to learn about pain",
    "i'm waiting for an operation on my knee",
    "my neck cracks when i turn",
    "it hurts less when i move",
    "they did not find anything",
    "my husband has wear and tear in his knee",
    "i used to believe that pain means damage",
    "no more scans for me please",
    "i have a family history of arthritis",
    "my posture is better since yoga",
    "the disc bulge is smaller now",
    "i am afraid of moving",
)
ASKED_ABOUT = (
    "is my disc slipped?",
    "does a disc bulge heal?",
    "does more pain mean more damage",
    "can a brain scan show pain",
    "do i need another scan?",
    "is wear and tear bad",
    "should i rest until the pain stops?",
    "what is degenerative disc disease",
    "are you saying it's in my head?",
    "is bone on bone bad?",
    "can my nerve be trapped",
    "why does my report say severe",
    "would an early scan be safer?",
    "how long until a herniated disc heals",
    "could my posture be the cause?",
    "is my neck fragile?",
)

def noted(kind: str, key: str = "", value=None, days: float = 0) -> Entry:
    return Entry(kind, key, value, NOW - timedelta(days=days))


def rated(point: str, strength: int | None, days: float, key: str = "M02") -> Entry:
    return noted(BELIEF, key, {"strength": strength, "point": point}, days)


def moment(*entries: Entry, **more) -> Moment:
    return Moment(NOW, Journal(tuple(entries)), **more)


def told(outcome: Outcome | None) -> str:
    assert outcome is not None
    return " ".join(text for say in (*outcome.says, *outcome.after) for text in say.bubbles)


# ---- hearing


def test_most_tellings_are_heard_as_the_right_belief_and_few_as_a_wrong_one() -> None:
    heard = [(belief, which(line)) for belief, lines in TOLD.items() for line in lines]
    right = sum(belief == found for belief, found in heard)
    wrong = sum(found not in (belief, None) for belief, found in heard)
    assert right >= 0.9 * len(heard) and wrong <= 0.02 * len(heard)


def test_few_other_remarks_are_heard_as_a_belief() -> None:
    assert sum(which(line) is not None for line in OTHERS) <= 0.05 * len(OTHERS)


@pytest.mark.parametrize("line", ASKED_ABOUT)
def test_a_neutral_question_states_nothing(line: str) -> None:
    assert which(line) is None


@pytest.mark.parametrize(
    ("line", "belief"),
    [
        ("my disc has slipped, is that bad?", "M02"), ("So it's all in my head then?", "M19"),
        ("Last year I fell. MY DISC HAS SLIPPED!! It hurts at night.", "M02"),
        ("i don't believe my disc has slipped", None),
        ("my husband has a slipped disc", None), ("i used to think i had wear and tear", None), ("", None),
        ("???", None),
    ],
)  # fmt: skip
def test_ways_of_telling(line: str, belief: str | None) -> None:
    assert which(line) == belief


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300))
def test_hearing_never_fails(text: str) -> None:
    assert which(text) in (None, *load_beliefs())


# ---- asking first


def test_a_number_is_asked_before_the_answer_that_corrects_the_belief() -> None:
    asked = beliefs.before(moment(), SLIPPED, ANSWER)
    assert asked and asked.notes == (Entry(ASKED, "M02", BEFORE),)
    (say,) = asked.says
    assert say.more["form"] == "tutor_beliefs_m02_before" and load_beliefs()["M02"].statement in told(asked)
    (item,) = say.more["items"]
    assert (item["kind"], item["min"], item["max"]) == ("scale", 0, 10)


@pytest.mark.parametrize(
    ("at", "text", "answer"),
    [
        (moment(open_flag=True), SLIPPED, ANSWER),
        (moment(), SLIPPED, "pain/alarm"),
        (moment(), "is a slipped disc bad?", ANSWER),
        (moment(), "my back hurts", ANSWER),
        (moment(rated(BEFORE, 4, 29)), SLIPPED, ANSWER),
        (moment(rated(BEFORE, None, 2)), SLIPPED, ANSWER),
        (moment(noted(ASKED, "M02", BEFORE, 3)), SLIPPED, ANSWER),
        (moment(rated(BEFORE, 4, 0.9, "M11")), SLIPPED, ANSWER),
        (moment(noted(ASKED, "M11", BEFORE, 0.5)), SLIPPED, ANSWER),
        (moment(noted(QUIET, value=True, days=200)), SLIPPED, ANSWER),
        (moment(), "so you are saying it's all in my head", "pain/in_my_head"),
    ],
)
def test_when_nothing_is_asked(at: Moment, text: str, answer: str) -> None:
    assert beliefs.before(at, text, answer) is None


def test_it_is_asked_again_after_a_month_and_when_another_is_a_day_old() -> None:
    assert beliefs.before(moment(rated(BEFORE, 4, 31)), SLIPPED, ANSWER)
    assert beliefs.before(moment(rated(BEFORE, 4, 1.1, "M11")), SLIPPED, ANSWER)
    assert beliefs.before(moment(noted(QUIET, value=True), noted(QUIET, value=False)), SLIPPED, ANSWER)


def test_the_number_comes_once_more_after_the_answer_and_not_where_it_was_skipped() -> None:
    given_ = areas.filled(moment(), "tutor_beliefs_m02_before", {"strength": 8})
    assert given_.notes == (Entry(BELIEF, "M02", {"strength": 8, "point": BEFORE}),)
    assert [say.more["form"] for say in given_.after] == ["tutor_beliefs_m02_after"]
    skipped = areas.filled(moment(), "tutor_beliefs_m02_before", {"strength": None})
    assert skipped.notes[0].value == {"strength": None, "point": BEFORE} and not skipped.after
    assert not areas.filled(moment(open_flag=True), "tutor_beliefs_m02_before", {"strength": 8}).after


@pytest.mark.parametrize("point", POINTS)
def test_whatever_the_number_the_reply_is_the_same(point: str) -> None:
    at = moment(rated(BEFORE, 5, 8))
    said = {told(beliefs.filled(at, f"tutor_beliefs_m02_{point}", {"strength": n})) for n in range(11)}
    assert len(said) == 1 and not re.search(r"\d|\b(?:better|worse|less|more than|great|well done|still)\b", said.pop())


@given(st.text(max_size=20), st.text(max_size=8), st.none() | st.integers() | st.text(max_size=3))
@settings(max_examples=100, deadline=None)
def test_odd_forms_and_buttons_never_raise(name: str, point: str, value) -> None:
    beliefs.filled(moment(), f"tutor_beliefs_{name}_{point}", {"strength": value})
    beliefs.press(moment(), name, [point])
    assert areas.pressed(moment(), "tutor:beliefs:remove:m99").says


# ---- later


@pytest.mark.parametrize(
    ("entries", "point"),
    [
        ([rated(BEFORE, 8, 6)], None), ([rated(BEFORE, 8, 7)], DAY_7), ([rated(BEFORE, 8, 29)], DAY_7),
        ([rated(BEFORE, 8, 30)], DAY_30), ([rated(BEFORE, 8, 45)], DAY_30), ([rated(BEFORE, 8, 91)], None),
        ([rated(BEFORE, None, 8)], None), ([rated(BEFORE, 8, 8), noted(ASKED, "M02", DAY_7, 1.5)], None),
        ([rated(BEFORE, 8, 33), rated(DAY_7, 8, 25)], DAY_30), ([rated(BEFORE, 8, 33), rated(DAY_30, 8, 2)], None),
        ([rated(BEFORE, 8, 8), noted(REMOVED, "M02", None, 3)], None),
        ([rated(BEFORE, 8, 8), noted(QUIET, value=True)], None),
        ([rated(BEFORE, 8, 8), rated(BEFORE, 3, 0.5, "M11")], None),
        ([rated(BEFORE, 8, 80), rated(DAY_30, 7, 45), rated(BEFORE, 6, 8)], DAY_7),
    ],
)  # fmt: skip
def test_the_later_number_is_offered_once_and_only_the_latest(entries: list[Entry], point: str | None) -> None:
    found = beliefs.due(moment(*entries))
    assert (found.notes[0].value if found else None) == point
    if found:
        assert found.says[0].more["form"] == f"tutor_beliefs_m02_{point}"
        assert "tutor:beliefs:quiet" in [one.payload for one in found.says[0].buttons]
        after = moment(*entries, *(noted(one.kind, one.key, one.value, 0) for one in found.notes))
        assert beliefs.due(after) is None
    assert beliefs.due(moment(*entries, open_flag=True)) is None


def test_days_are_those_of_the_clinics_calendar() -> None:
    late = Entry(BELIEF, "M02", {"strength": 8, "point": BEFORE}, datetime(2026, 11, 16, 23, 30, tzinfo=timezone.utc))
    early = Moment(datetime(2026, 11, 23, 1, 0, tzinfo=timezone.utc), Journal((late,)), zone=timezone.utc)
    assert beliefs.due(early) is not None
    east = Moment(early.now, early.journal, zone=ZoneInfo("Pacific/Auckland"))
    assert (beliefs.due(east) is None) == (east.day(late.at) < 7)


# ---- the list


def test_the_ledger_holds_the_newest_time_and_drops_what_was_taken_out() -> None:
    entries = [rated(BEFORE, 8, 50), rated(AFTER, 6, 50), rated(BEFORE, 5, 9), rated(AFTER, 4, 9), rated(DAY_7, 3, 2)]
    assert ledger(Journal(tuple(entries)))["M02"].strength == {BEFORE: 5, AFTER: 4, DAY_7: 3}
    removed = Journal((*entries, noted(REMOVED, "M02", None, 1)))
    assert ledger(removed) == {}
    assert ledger(Journal((*removed.entries, rated(BEFORE, 2, 0))))["M02"].strength == {BEFORE: 2}


@given(st.lists(st.tuples(st.sampled_from(["M02", "M99", ""]), st.none() | st.integers() | st.dictionaries(
    st.sampled_from(["strength", "point"]), st.integers(-2, 12) | st.sampled_from([*POINTS, "x"])))))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_odd_entries_never_raise_and_numbers_stay_within_the_scale(found: list) -> None:
    at = moment(*(noted(BELIEF, key, value, 40) for key, value in found))
    for held in ledger(at.journal).values():
        assert all(one is None or 0 <= one <= 10 for one in held.strength.values())
    assert beliefs.open(at).says
    beliefs.due(at)


def test_the_list_shows_words_and_a_chart_and_lets_things_be_taken_out() -> None:
    at = moment(rated(BEFORE, 8, 10), rated(AFTER, 5, 10), rated(BEFORE, 7, 2, "M11"))
    *charts, listed = beliefs.open(at).says
    assert [one.kind for one in charts] == ["visual"] and listed.id == "beliefs/list"
    assert [point["value"] for point in charts[0].more["values"]["points"]] == [8, 5]
    assert "13 Nov: 8 of 10." in told(Outcome((listed,)))
    assert {"tutor:beliefs:remove:m02", "tutor:beliefs:remove:m11"} <= {one.payload for one in listed.buttons}
    taken = areas.pressed(at, "tutor:beliefs:remove:m02")
    assert taken.notes == (Entry(REMOVED, "M02"),)
    left = Moment(NOW, at.journal.with_(taken.notes, NOW))
    assert list(ledger(left.journal)) == ["M11"]
    assert beliefs.open(moment()).says[0].buttons
