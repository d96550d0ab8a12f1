"""The figures of a report: what counts as what, what changes nothing, and a whole year in seconds."""

from __future__ import annotations

import json
import time
from datetime import date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from bot.content import load_clinics
from bot.content.inbox import load_inbox_wording
from bot.handoff import climb, steps
from bot.handoff.steps import mark_seen
from bot.store import events, opinions, reports, rights
from bot.store.conversations import open_conversation, record_consent
from bot.store.models import Conversation, Handoff
from bot.store.reports import HIDDEN, Period
from bot.store.reports.escalations import Item, kept_deadline
from bot.store.reports.figures import share, spread, wilson
from bot.store.reports.period import quarters, weeks
from bot.store.session import Database
from bot.web.inbox import report_view
from tests.support.database import CLINIC, HandClock, a_clinic, add_person, new_conversation, raise_one, sqlite_database
from tests.support.year import FIRST, WORDS, Year, fill

# Processor time, so that a busy machine does not matter; it takes about 0.3 s, and the reading from disk hardly more.
YEAR_SECONDS = 3
LONDON = ZoneInfo("Europe/London")
WORDING = load_inbox_wording()
ABOUT = report_view.about(load_clinics()["demo"])


def found(db: Database, since: datetime | None = None, until: datetime | None = None) -> dict[str, Any]:
    with db.read() as session:
        return reports.report(session, ABOUT, Period(since, until))


def numbers(part: Any, path: str = "") -> dict[str, Any]:
    """Every figure by its path."""
    if isinstance(part, dict):
        return {name: value for key, one in part.items() for name, value in numbers(one, f"{path}/{key}").items()}
    if isinstance(part, list):
        named = {one["answer"] if isinstance(one, dict) else str(place): one for place, one in enumerate(part)}
        return numbers(named, path)
    return {path: part}


# A whole year


def test_a_year_of_a_thousand_people_is_reported_in_seconds(db: Database) -> None:
    fill(db, Year())
    began = time.process_time()
    made = found(db)
    seconds = time.process_time() - began
    assert seconds < YEAR_SECONDS, f"{seconds:.1f} s"
    assert made["conversations"]["opened"] == 1000
    assert WORDS not in json.dumps(made)
    assert report_view.sections(made, WORDING) and not report_view.is_empty(made)


def test_no_word_and_no_id_of_a_person_is_in_it(db: Database) -> None:
    fill(db, Year(people=200, prefix="secretid"))
    text = json.dumps(found(db)) + report_view.as_csv(found(db))
    assert "zebracorn" not in text and "secretid" not in text and "subject-" not in text


def test_another_clinic_changes_nothing(db: Database) -> None:
    fill(db, Year(people=150))
    before = found(db)
    fill(db, Year(people=90, clinic="portal", seed=3, prefix="q"))
    assert found(db) == before
    with db.of(CLINIC).read() as session:
        assert reports.report(session, ABOUT) == before


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    made = []
    for place in (None, 1, 2):
        folder = tmp_path / str(place)
        folder.mkdir()
        db = sqlite_database(folder, HandClock())
        fill(db, Year(people=150), shuffled=place)
        made.append(found(db))
    assert made[0] == made[1] == made[2]


def test_two_halves_add_up_to_the_whole(db: Database) -> None:
    fill(db, Year(people=400, seed=11))
    middle = FIRST + timedelta(days=182)
    first, second, whole = (numbers(found(db, *span)) for span in ((None, middle), (middle, None), (None, None)))
    compared = 0
    for path, count in whole.items():
        halves = first.get(path, 0), second.get(path, 0)
        rated = any(part in path for part in ("median", "p90", "share", "mean", "low", "high", "each", "active"))
        if rated or not isinstance(count, int) or not all(isinstance(half, int) for half in halves):
            continue
        assert sum(halves) == count, path
        compared += 1
    assert compared > 60


def test_a_report_of_nothing(db: Database) -> None:
    made = found(db)
    assert report_view.is_empty(made)
    assert made["escalations"]["total"] == 0 and made["false_alarms"]["each"] is None
    assert report_view.sections(made, WORDING)
    with db.read() as session:
        assert reports.known_quarters(session, ABOUT) == []


# Handoffs


def several(db: Database, number: int, **raised: Any) -> list[str]:
    return [raise_one(db, new_conversation(db), **raised).handoff_id for _ in range(number)]


def close(db: Database, items: list[str], outcome: str) -> None:
    who = add_person(db, f"who-{outcome}")
    for item in items:
        steps.claim(db, item, who, 1)
        steps.close(db, item, who, outcome)


def test_precision_counts_what_an_outcome_says(db: Database) -> None:
    for outcome, number in (
        ("true_red_flag", 7), ("sent_to_emergency", 6), ("not_red_flag", 5), ("duplicate", 5), ("booked_visit", 5),
    ):  # fmt: skip
        close(db, several(db, number), outcome)
    several(db, 5)
    several(db, 5, tier="T4", category="contact", rule=None)
    part = found(db)["escalations"]
    assert part["total"] == 38
    assert part["rules"]["by_category"]["RF01"]["precision"] == {"n": 18, "share": 0.722, "low": 0.491, "high": 0.875}
    precision = part["rules"]["by_category"]["RF01"]["precision"]
    assert part["rules"]["all"]["precision"] == precision
    assert (part["rules"]["all"]["true"], part["rules"]["all"]["all"]) == (13, 33)
    row = part["rules"]["by_rule"]["RF01"]["saddle-numb"]
    assert (row["true"], row["false"], row["left_out"], row["seen_to"], row["waiting"]) == (13, 5, 5, 5, 5)
    assert part["raised_by"]["rows"]["no_rule"]["waiting"] == 5 and set(part["rules"]["by_category"]) == {"RF01"}
    assert part["outcomes"]["true"]["all"] == {"true_red_flag": 7, "sent_to_emergency": 6, "all": 13}
    assert part["ends"]["rows"]["T4"]["all"] == 5


def test_a_few_who_only_asked_for_a_person_do_not_hide_how_good_the_rules_are(db: Database) -> None:
    close(db, several(db, 12), "not_red_flag")
    close(db, several(db, 12), "true_red_flag")
    close(db, several(db, 2, tier="T4", category="contact", rule=None), "answered")
    two = several(db, 2, tier="T4", category="contact", rule=None)
    who = add_person(db, "another")
    for item in two:
        steps.close(db, item, who, "not_red_flag")
    part = found(db)["escalations"]
    assert part["rules"]["all"]["precision"]["share"] == 0.5
    assert part["ends"]["all"]["false"] == HIDDEN  # else the two could be worked out


def test_false_alarms_for_each_conversation(db: Database) -> None:
    close(db, several(db, 6), "not_red_flag")
    for _ in range(12):
        chat(db)
    assert found(db)["false_alarms"] == {"count": 6, "conversations": 12, "each": 0.5}


def test_times_begin_when_it_was_raised_and_a_release_does_not_wind_them_back(db: Database, clock: HandClock) -> None:
    who = add_person(db, "who")
    items = several(db, 5)
    clock.move(minutes=2)
    for item in items:
        mark_seen(db, item, who)
    clock.move(minutes=1)
    for item in items:
        steps.claim(db, item, who, 1)
    clock.move(minutes=30)
    for item in items:
        steps.release(db, item, who, a_clinic(CLINIC))
    times = found(db)["escalations"]["times"]
    assert times["seen"]["T1"] == {"n": 5, "median": 120.0, "p90": 120.0}
    assert times["taken"]["all"] == {"n": 5, "median": 180.0, "p90": 180.0}
    assert times["answered"]["T1"] == {"n": 0, "median": None, "p90": None}


def test_times_of_fewer_than_five_are_not_told(db: Database, clock: HandClock) -> None:
    who = add_person(db, "who")
    for item in several(db, 20)[:4]:
        clock.move(minutes=1)
        mark_seen(db, item, who)
    seen = found(db)["escalations"]["times"]["seen"]
    assert seen["T1"] == {"n": HIDDEN, "median": None, "p90": None}


def in_tiers(db: Database) -> dict[str, Any]:
    return dict(found(db)["escalations"]["deadlines"]["by_tier"]["rows"]["T1"])


def test_a_deadline_is_kept_by_who_comes_before_the_first_climb(db: Database, clock: HandClock) -> None:
    who = add_person(db, "who")
    early, late, lost = several(db, 5), several(db, 6), several(db, 7)
    clock.move(minutes=9)
    for item in early:
        steps.claim(db, item, who, 1)
    clock.move(minutes=2)
    with db.begin() as session:
        for item in [*late, *lost]:
            climb.climb(session, session.get(Handoff, item), a_clinic(CLINIC))
    for item in late:
        steps.claim(db, item, who, 1)
    with db.begin() as session:
        for item in lost:
            while not climb.climb(session, session.get(Handoff, item), a_clinic(CLINIC)).ended:
                pass
    several(db, 8)
    row = in_tiers(db)
    assert (row["in_time"], row["late"], row["chain_ended"], row["not_due"]) == (5, 6, 7, 8)
    met = found(db)["escalations"]["deadlines"]["met"]["T1"]
    assert met["n"] == 18 and met["share"] == 0.278


def test_a_stopped_watch_does_not_make_a_late_claim_early(db: Database, clock: HandClock) -> None:
    """Nothing climbed, because nothing ran: the clinic's own limit says that it was late."""
    who = add_person(db, "who")
    items = several(db, 5)
    clock.move(hours=3)
    for item in items:
        steps.claim(db, item, who, 1)
    assert in_tiers(db)["late"] == 5


def test_what_becomes_graver_has_its_time_from_then_on() -> None:
    at = datetime(2030, 1, 2, tzinfo=timezone.utc)

    def judged(*acts: tuple[str, float, dict[str, Any]], taken: float | None = None, tier: str = "T1") -> str:
        made = [(f"handoff.{act}", at + timedelta(minutes=minutes), details) for act, minutes, details in acts]
        if taken is not None:
            made.append(("handoff.claimed", at + timedelta(minutes=taken), {}))
        item = Item("h", tier, "RF01", "r", None, "seen", None, at, None, None, None, None, None, made)
        return kept_deadline(item, limit, at + timedelta(minutes=100))

    def limit(tier: str, begun: datetime) -> datetime:
        return begun + timedelta(minutes={"T1": 10, "T2": 30}[tier])

    graver = ("attached", 25.0, {"graver": True, "tier": "T1"})
    assert judged(("raised", 0, {"tier": "T2"}), graver, taken=34) == "in_time"
    assert judged(("raised", 0, {"tier": "T2"}), graver, taken=36) == "late"
    assert judged(("raised", 0, {"tier": "T2"}), ("escalated", 20, {}), graver, taken=30) == "late"
    assert judged(("raised", 0, {"tier": "T1"}), taken=9) == "in_time"
    assert judged(taken=11) == "late"
    assert judged(("escalated", 5, {}), ("exhausted", 8, {}), taken=9) == "chain_ended"
    assert judged() == "late"  # nobody has taken it, and its time is over


# People


def chat(
    db: Database, subject: str = "", wrote_after: tuple[float, ...] = (0,), survey: dict[str, Any] | None = None
) -> str:
    """A conversation that is accepted, with a message so many days after each other."""
    clock = db.clock
    assert isinstance(clock, HandClock)
    begun = clock.at
    with db.begin() as session:
        lifetime = timedelta(days=999)
        opened = open_conversation(session, clinic=CLINIC, locale="en", lifetime=lifetime, subject=subject or None)
        key = str(opened.conversation.id)
        record_consent(session, key, "v1")
        accepts = {"kind": "text", "text": "", "payload": "consent:accept", "consent_version": "v1"}
        events.append_event(session, key, type="message", author="patient", body={**accepts, "fallback_text": ""})
    for place, days in enumerate(wrote_after):
        clock.at = begun + timedelta(days=days)
        with db.begin() as session:
            body = {"kind": "text", "text": WORDS, "fallback_text": WORDS}
            events.append_event(session, key, type="message", author="patient", body=body)
            if survey is not None:
                opinions.record_survey(session, key, 90 + place, "survey", survey)
    clock.at = begun
    return key


def test_who_accepts_but_never_writes_has_not_started(db: Database) -> None:
    for _ in range(10):
        chat(db, wrote_after=())
    for _ in range(20):
        chat(db)
    with db.begin() as session:
        for _ in range(7):
            open_conversation(session, clinic=CLINIC, locale="en", lifetime=timedelta(days=1))
    part = found(db)["adoption"]
    assert (part["opened"], part["accepted"], part["started"]) == (None, 30, 20)
    # Within the day for which a conversation is kept that nobody accepted, it is known how many were opened.
    assert found(db, db.clock() - timedelta(hours=1))["adoption"]["opened"] == 37


def test_a_person_who_signed_in_is_one_however_often_they_come(db: Database) -> None:
    for _ in range(3):
        for number in range(6):
            chat(db, subject=f"s{number}", wrote_after=(0, 0.5))
    part = found(db)["adoption"]
    assert part["started"] == part["known_people"] == 6
    assert part["messages"] == {"n": 6, "median": 6, "p90": 6}
    assert part["visits"] == {"n": 6, "median": 2, "p90": 2}
    assert found(db)["conversations"]["accepted"] == 18


def test_only_who_could_have_come_back_is_asked_for(db: Database, clock: HandClock) -> None:
    for _ in range(10):
        chat(db, wrote_after=(0, 31))
    for _ in range(10):
        chat(db, wrote_after=(0, 29))
    begun = clock.at
    clock.at = begun + timedelta(days=59)
    assert found(db)["adoption"]["active"]["30"]["could"] == 0
    clock.at = begun + timedelta(days=60)
    active = found(db)["adoption"]["active"]
    assert (active["30"]["could"], active["30"]["active"], active["30"]["share"]) == (20, 10, 0.5)
    assert active["182"] == {"could": 0, "active": 0, "share": None, "low": None, "high": None}


def test_erasing_changes_nothing_of_who_stayed(db: Database, clock: HandClock) -> None:
    keys = [chat(db, wrote_after=(0, 40)) for _ in range(6)] + [chat(db) for _ in range(6)]
    clock.move(days=70)
    before = found(db)["adoption"]
    with db.begin() as session:
        for key in keys:
            rights.erase(session, key)
    after = found(db)["adoption"]
    assert before["active"] == after["active"] and before["active"]["30"]["active"] == 6
    assert after["started"] == 12 and after["messages"] == {"n": 0, "median": None, "p90": None}


def test_the_newest_reason_of_a_conversation_counts(db: Database) -> None:
    for _ in range(6):
        key = chat(db, survey={"why": "needed"})
        with db.begin() as session:
            opinions.record_survey(session, key, 99, "survey", {"why": "no_help"})
    why = found(db)["surveys"]["survey"]["items"]["why"]
    assert why["n"] == 6 and why["choices"]["no_help"] == 6 and why["choices"]["needed"] == 0


# Notices, periods, shares


def test_weeks_are_the_clinic_s_own() -> None:
    sunday_night = datetime(2029, 7, 1, 23, 30, tzinfo=timezone.utc)  # Monday already in London
    assert weeks([sunday_night], LONDON) == ["2029-07-02"]
    later = sunday_night + timedelta(days=15)
    assert weeks([later, sunday_night], LONDON) == ["2029-07-02", "2029-07-09", "2029-07-16"]
    assert weeks([], LONDON) == []


def test_quarters_follow_one_another_and_the_present_one_ends_with_a_week() -> None:
    at = datetime(2030, 5, 16, 12, tzinfo=timezone.utc)  # a Thursday
    found = quarters(datetime(2029, 11, 9, tzinfo=timezone.utc), at, LONDON)
    assert [(one.name, one.whole) for one in found] == [("2030-Q2", False), ("2030-Q1", True), ("2029-Q4", True)]
    spans = [one.period for one in reversed(found)]
    assert all(earlier.until == later.since for earlier, later in pairwise(spans))
    assert spans[-1].until is not None and spans[-1].until.astimezone(LONDON).date() == date(2030, 5, 13)
    assert spans[-1].since is not None and spans[-1].since.hour == 23  # midnight in London's summer


def test_a_quarter_that_has_just_begun_counts_nothing_yet() -> None:
    at = datetime(2030, 1, 2, tzinfo=timezone.utc)  # a Wednesday
    first = quarters(at, at, LONDON)[0].period
    assert first.since == first.until


def test_shares_and_their_intervals() -> None:
    low, high = wilson(0, 10)
    assert low == 0 and 0.27 < high < 0.28
    assert share(9, 1) == {"n": 10, "share": 0.9, "low": 0.596, "high": 0.982}
    assert share(HIDDEN, 9)["share"] is None and share(3, 0)["share"] is None
    assert spread([1, 2, 3, 4, 100], 5) == {"n": 5, "median": 3, "p90": 100}
    assert spread([1, 2, 3, 4], HIDDEN)["median"] is None


def test_one_conversation_changes_one_figure_at_a_time(db: Database) -> None:
    for _ in range(9):
        chat(db)
    before = numbers(found(db))
    several(db, 5)
    after = numbers(found(db))
    changed = {path for path in after if before.get(path) != after[path]}
    assert not any(path.startswith(("/answers", "/surveys", "/gaps", "/adoption/started")) for path in changed)


def test_what_is_handed_over_twice_is_counted_by_its_conversation_once(db: Database) -> None:
    for _ in range(6):
        key = new_conversation(db)
        raise_one(db, key)
        raise_one(db, key, key="m2", category="RF12")
    made = found(db)
    assert made["conversations"]["passed_on"] == 6 and made["escalations"]["total"] == 12
    with db.read() as session:
        assert session.query(Conversation).count() == 6


def test_csv_has_every_figure_once(db: Database) -> None:
    fill(db, Year(people=120))
    made = found(db)
    lines = report_view.as_csv(made).splitlines()
    assert lines[0] == "figure,row,column,value"
    assert len(lines) == len(set(line.rsplit(",", 1)[0] for line in lines))
    assert f"escalations.ends,all,all,{made['escalations']['total']}" in lines
