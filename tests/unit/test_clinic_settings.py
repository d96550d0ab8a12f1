"""What an admin changes: put over the file part by part, safe where it is broken, at once and everywhere."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from actions import handoff as action
from bot.content import Clinic, load_clinics
from bot.content.clinic_changes import KEYS, apply_changes, with_changes
from bot.content.files import ContentError
from bot.handoff.climb import climb_overdue
from bot.handoff.states import TIERS
from bot.live_clinics import LiveClinics, clinic_now
from bot.store import audit, clinic_settings
from bot.store.clinic_settings import ChangedMeanwhile, save, settings_of
from bot.store.models import Audit, ClinicSetting, Outbox
from bot.store.session import Database
from bot.web import clinics as web_clinics
from tests.support.database import HandClock, at_once, new_conversation, raise_one
from tests.support.patient_api import broken, make_services

DEMO = load_clinics()["demo"]
CONTACTS = {"team": {"name": "the night team", "channel": "email", "to": ["night@example.org"]}}
HANDOFF = {**DEMO.about["handoff"], "contacts": CONTACTS, "chain": [{"to": ["team"]}]}
OWN_LINE = {"label": "our nurse line on 020 7946 0199", "tel": "020 7946 0199"}


def put(db: Database, key: str, value: Any, clinic: str = "demo", by: str = "lee", seen: Any = None) -> None:
    with db.begin() as session:
        save(session, clinic, key, value, seen=seen, by=by)


def kept(db: Database, clinic: str = "demo") -> dict[str, Any]:
    with db.read() as session:
        return settings_of(session, clinic)


def acts(db: Database) -> list[Audit]:
    with db.read() as session:
        return audit.trail(session, "demo", "demo")


# --- put over the file ---


def test_a_change_takes_the_place_of_its_part_and_of_no_other() -> None:
    made = with_changes(DEMO, {"phone": "020 7946 0999", "handoff": HANDOFF})
    assert (made.phone, made.numbers["clinic_phone"]) == ("020 7946 0999", "020 7946 0999")
    assert [contact.id for contact in made.chain.contacts.values()] == ["team"]
    assert made.hours == DEMO.hours and made.identity == DEMO.identity and made.name == DEMO.name
    assert DEMO.phone == "020 7946 0101"


def test_own_lines_go_over_the_countrys_use_by_use() -> None:
    made = with_changes(DEMO, {"numbers": {"urgent": [OWN_LINE]}})
    assert made.numbers["urgent_line"] == OWN_LINE["label"]
    assert made.calls["crisis"] == DEMO.calls["crisis"] and made.numbers["emergency_number"] == "999"


def test_the_emergency_number_is_changed_in_the_file_only() -> None:
    with pytest.raises(ContentError, match="only urgent, crisis"):
        with_changes(DEMO, {"numbers": {"emergency": [{"label": "998", "tel": "998"}]}})


@pytest.mark.parametrize("key", sorted(set(DEMO.about) - set(KEYS)))
def test_who_gets_in_is_changed_in_the_file_only(key: str) -> None:
    with pytest.raises(ContentError, match="in the clinic's file only"):
        with_changes(DEMO, {key: DEMO.about[key]})


def test_a_switch_turns_a_channel_on_and_changes_nothing_else_of_it() -> None:
    hook = {"on": False, "url": "https://clinic.example/hook", "secrets": ["PNE_HOOK"]}
    file = replace(DEMO, about={**DEMO.about, "channels": {**DEMO.about["channels"], "webhook": hook}})
    made = with_changes(file, {"channels": {"webhook": {"on": True, "words": True}}})
    assert made.chain.webhook is not None
    assert (made.chain.webhook.url, made.chain.webhook.words) == ("https://clinic.example/hook", True)
    for channels in ({"webhook": {"url": "https://evil.example"}}, {"webhook": {"on": 1}}, {"pager": {"on": True}}):
        with pytest.raises(ContentError, match="switched here"):
            with_changes(file, {"channels": channels})


def test_broken_changes_leave_the_files_values_and_the_others_hold() -> None:
    found = apply_changes(DEMO, {"hours": "always", "phone": "020 7946 0999", "identity": {}, "colours": {"accent": 1}})
    assert found.clinic.hours == DEMO.hours and found.clinic.phone == "020 7946 0999"
    assert set(found.broken) == {"hours", "identity", "colours"}
    assert all(cause.endswith(".") for cause in found.broken.values())


def test_changes_that_hold_only_together_hold_together() -> None:
    """A contact by webhook needs the webhook on, whichever of the two is looked at first."""
    hook = {"on": False, "url": "https://clinic.example/hook", "secrets": ["PNE_HOOK"]}
    file = replace(DEMO, about={**DEMO.about, "channels": {**DEMO.about["channels"], "webhook": hook}})
    pager = {**HANDOFF, "contacts": {"team": {"name": "the pager", "channel": "webhook"}}}
    changes = {"handoff": pager, "channels": {"webhook": {"on": True}}, "name": ""}
    found = apply_changes(file, changes)
    assert set(found.broken) == {"name"} and found.clinic.chain.contacts["team"].channel == "webhook"
    assert set(apply_changes(file, {"handoff": pager, "name": ""}).broken) == {"handoff", "name"}


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [None], {"x": None}, {"to": {"a": []}}, True])
def test_whatever_stands_in_the_database_the_clinic_has_what_safety_needs(value: Any) -> None:
    found = apply_changes(DEMO, dict.fromkeys((*KEYS, "nothing"), value))
    assert found.clinic.numbers["emergency_number"] == "999" and found.clinic.phone
    assert set(found.clinic.chain.limits) == set(TIERS) and found.clinic.chain.steps


# --- saved ---


def test_a_change_is_kept_with_both_values_in_the_audit(db: Database) -> None:
    with db.begin() as session:
        save(session, "demo", "phone", "020 7946 0999", seen=None, by="lee", before="020 7946 0101")
    assert kept(db)["phone"].value == "020 7946 0999" and kept(db)["phone"].by == "lee"
    (row,) = acts(db)
    assert (row.act, row.actor) == ("clinic.changed", "lee")
    assert row.details == {"part": "phone", "before": "020 7946 0101", "after": "020 7946 0999"}


def test_nobody_overwrites_what_they_have_not_seen(db: Database, clock: HandClock) -> None:
    put(db, "phone", "020 7946 0991")
    first = kept(db)["phone"].at
    with pytest.raises(ChangedMeanwhile):
        put(db, "phone", "020 7946 0992", by="kim")
    put(db, "phone", "020 7946 0993", seen=first)  # in the same microsecond
    assert kept(db)["phone"].at > first
    with pytest.raises(ChangedMeanwhile):
        put(db, "phone", "020 7946 0994", seen=first, by="kim")
    with pytest.raises(ChangedMeanwhile), db.begin() as session:
        clinic_settings.go_back(session, "demo", "phone", seen=first, by="kim")
    assert kept(db)["phone"].value == "020 7946 0993" and len(acts(db)) == 2


@pytest.mark.parametrize("again", [False, True])
def test_of_many_at_once_one_is_first(db: Database, again: bool) -> None:
    if again:
        put(db, "phone", "020 7946 0100")
    seen = kept(db)["phone"].at if again else None

    def change(number: int) -> Callable[[], bool]:
        def run() -> bool:
            try:
                put(db, "phone", f"020 7946 02{number:02}", by=f"p{number}", seen=seen)
            except ChangedMeanwhile:
                return False
            return True

        return run

    done = at_once(*(change(number) for number in range(8)))
    assert sum(done) == 1 and len(acts(db)) == 1 + again
    assert kept(db)["phone"].by == f"p{done.index(True)}"


def test_back_to_the_file(db: Database) -> None:
    put(db, "phone", "020 7946 0999")
    with db.begin() as session:
        seen = settings_of(session, "demo")["phone"].at
        clinic_settings.go_back(session, "demo", "phone", seen=seen, by="lee", after=DEMO.phone)
    assert kept(db) == {}
    assert [(row.act, row.details["after"]) for row in acts(db)][-1] == ("clinic.reset", DEMO.phone)


def test_a_picture_is_named_in_the_audit_by_its_hash(db: Database) -> None:
    put(db, "logo", {"png": "A" * 100_000})
    (row,) = acts(db)
    assert set(row.details["after"]) == {"sha256", "characters"}


# --- live ---


class Process:
    """A process with its own clinics over the database."""

    def __init__(self) -> None:
        self.live = LiveClinics()
        self.clinics: dict[str, Clinic] = dict(load_clinics())

    def refresh(self, db: Database) -> None:
        self.live.refresh(db, self.clinics, lambda new: self.clinics.update(new))


def test_a_change_reaches_every_process_and_leaves_it_again(db: Database, clock: HandClock) -> None:
    one, other = Process(), Process()
    one.refresh(db)
    put(db, "phone", "020 7946 0991")
    for process in (one, other):
        process.refresh(db)
        assert process.clinics["demo"].phone == "020 7946 0991"
        assert process.clinics["portal"].phone == load_clinics()["portal"].phone
    put(db, "phone", "020 7946 0992", seen=kept(db)["phone"].at)
    one.refresh(db)
    assert one.clinics["demo"].phone == "020 7946 0992"
    assert one.live.file(one.clinics, "demo").phone == DEMO.phone
    with db.begin() as session:
        clinic_settings.go_back(session, "demo", "phone", seen=settings_of(session, "demo")["phone"].at, by="lee")
    one.refresh(db)
    assert one.clinics["demo"].phone == DEMO.phone
    assert load_clinics()["demo"].phone == DEMO.phone


def test_where_nothing_has_changed_nothing_is_read_again(db: Database) -> None:
    process = Process()
    put(db, "phone", "020 7946 0991")
    process.refresh(db)
    before = process.clinics["demo"]
    process.refresh(db)
    assert process.clinics["demo"] is before


def test_a_broken_row_or_one_of_no_clinic_stops_nothing(db: Database, clock: HandClock) -> None:
    with db.begin() as session:
        for clinic, key in (("demo", "hours"), ("gone", "phone"), ("demo", "nothing")):
            session.add(ClinicSetting(clinic=clinic, key=key, value=["x"], at=clock(), by="system"))
    put(db, "phone", "020 7946 0991")
    process = Process()
    process.refresh(db)
    assert process.clinics["demo"].hours == DEMO.hours and process.clinics["demo"].phone == "020 7946 0991"


def test_without_the_database_the_clinic_is_as_it_was(db: Database) -> None:
    process = Process()
    put(db, "phone", "020 7946 0991")
    process.refresh(db)
    assert clinic_now(db, DEMO).phone == "020 7946 0991"
    gone = broken(db)
    with pytest.raises(Exception, match="gone"):
        process.refresh(gone)
    assert process.clinics["demo"].phone == "020 7946 0991"
    assert clinic_now(gone, DEMO) is DEMO


def test_two_that_refresh_at_once_end_with_the_newest(db: Database) -> None:
    process = Process()
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            process.refresh(db)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for number in range(10):
            seen = kept(db)["phone"].at if number else None
            put(db, "phone", f"020 7946 01{number:02}", seen=seen)
            process.refresh(db)
            assert process.clinics["demo"].phone == f"020 7946 01{number:02}"
    finally:
        stop.set()
        watcher.join()


async def test_an_open_item_climbs_the_new_chain_at_its_next_step(db: Database, clock: HandClock) -> None:
    """The first step was told by the old chain; a night team that was put in since is told next."""
    process = Process()
    conversation = new_conversation(db)
    raise_one(db, conversation, clinic_of=lambda clinic: process.clinics[clinic])
    chain = [{"to": ["team"]}, {"to": ["night"]}]
    contacts = {**DEMO.about["handoff"]["contacts"], "night": CONTACTS["team"]}
    put(db, "handoff", {**DEMO.about["handoff"], "contacts": contacts, "chain": chain})
    process.refresh(db)
    clock.at += timedelta(minutes=11)
    climbed = await climb_overdue(db, lambda clinic: process.clinics[clinic], lambda *_: None, lambda *_: None)
    with db.read() as session:
        told = [row.contact for row in session.query(Outbox).order_by(Outbox.step).all() if row.contact]
    assert climbed == 1 and told == ["team", "night"]


async def test_a_chain_that_was_made_shorter_ends_for_open_items(db: Database, clock: HandClock) -> None:
    """Nobody is left to be told: the item is exhausted, so that the patient is told whom to call, and never stuck."""
    process = Process()
    raise_one(db, new_conversation(db), clinic_of=lambda clinic: process.clinics[clinic])
    put(db, "handoff", HANDOFF)
    process.refresh(db)
    clock.at += timedelta(minutes=11)
    ends: list[bool] = []
    await climb_overdue(
        db, lambda clinic: process.clinics[clinic], lambda _s, _i, climbed: ends.append(climbed.ended), lambda *_: None
    )
    assert ends == [True]


def test_the_action_server_reads_the_chain_as_it_is_now(
    db: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(action, "_database", lambda _url: db)
    put(db, "handoff", HANDOFF)
    assert list(action._clinic("demo").chain.contacts) == ["team"]
    assert action._clinic("nowhere").id == "demo"
    monkeypatch.setattr(action, "_database", lambda _url: broken(db))
    assert action._clinic("demo").chain == DEMO.chain


async def test_the_web_apps_worker_brings_in_what_another_process_saved(tmp_path: Path) -> None:
    services = make_services(tmp_path, None)
    look = web_clinics.clinics_watch(services)
    await look()
    assert services.clinic("demo").phone == DEMO.phone
    put(services.db, "phone", "020 7946 0991")
    await look()
    assert services.clinic("demo").phone == "020 7946 0991" and load_clinics()["demo"].phone == DEMO.phone


async def test_the_app_starts_with_what_was_changed_and_without_a_database_with_the_files(tmp_path: Path) -> None:
    services = make_services(tmp_path, None)
    put(services.db, "phone", "020 7946 0991")
    whole, services.db = services.db, broken(services.db)
    await web_clinics.first_look(services)
    assert services.clinic("demo").phone == DEMO.phone
    services.db = whole
    await web_clinics.first_look(services)
    assert services.clinic("demo").phone == "020 7946 0991"
