"""A clinic's chain: deadlines that never come earlier for a later start, and every wrong document refused."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content import load_clinics
from bot.content.chain import ALWAYS, CLOSED, OPEN, TIERS, Chain, Limit, Step, read_chain
from bot.content.files import DATA, read_yaml
from bot.content.hours import DAYS, Hours, read_hours

UTC = timezone.utc
GIVEN = read_yaml(DATA / "clinics" / "demo.yml")["handoff"]
ON = {"email": {"on": True}}
WEBHOOK = {"webhook": {"on": True, "url": "https://clinic.example/hook", "secrets": ["PNE_HOOK"]}}
OFFICE = read_hours("Europe/London", {day: [["09:00", "17:00"]] if day < "saturday" else [] for day in DAYS}, ())
START = datetime(2026, 10, 23, tzinfo=UTC)  # the clocks change two days later


def changed(path: str, value: Any) -> dict[str, Any]:
    """The demo clinic's part with one value changed, named by its path; ... takes it away."""
    made = deepcopy(GIVEN)
    *above, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place: Any = made
    for key in above:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@given(
    st.sampled_from(TIERS), st.integers(1, 3_000), st.booleans(), st.integers(0, 20_000), st.integers(0, 5_000)
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_step_that_begins_later_never_ends_earlier(
    tier: str, minutes: int, open_hours: bool, start: int, more: int
) -> None:
    chain = Chain({tier: Limit(minutes, open_hours)}, ())
    first = START + timedelta(minutes=start)
    ends = chain.deadline(tier, OFFICE, first)
    assert first < ends <= chain.deadline(tier, OFFICE, first + timedelta(minutes=more))
    assert ends >= first + timedelta(minutes=minutes)


def test_an_emergency_has_the_same_time_at_night() -> None:
    chain = load_clinics()["demo"].chain
    night = datetime(2026, 10, 24, 2, tzinfo=UTC)
    for tier in ("T0", "T1"):
        minutes = chain.limits[tier].minutes
        assert chain.deadline(tier, OFFICE, night) == night + timedelta(minutes=minutes)


def test_a_clinic_that_never_opens_is_asked_on_the_clock() -> None:
    chain = Chain({"T4": Limit(60, True)}, ())
    never = Hours(OFFICE.zone, ((),) * 7)
    assert chain.deadline("T4", never, START) == START + timedelta(minutes=60)


@given(st.lists(st.sampled_from([ALWAYS, OPEN, CLOSED]), max_size=6), st.integers(0, 6), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_the_next_step_is_the_first_that_holds(whens: list[str], number: int, minutes: int) -> None:
    chain = Chain({}, tuple(Step((), when) for when in whens))
    at = START + timedelta(minutes=minutes)
    holding = {ALWAYS, OPEN if OFFICE.is_open(at) else CLOSED}
    wanted = [place for place in range(number, len(whens)) if whens[place] in holding]
    assert chain.place_at(number, OFFICE, at) == (wanted[0] if wanted else None)


@pytest.mark.parametrize(("path", "value", "said"), [
    ("contacts", ..., "contacts"),
    ("contacts", {}, "contacts"),
    ("contacts", [], "contacts"),
    ("contacts.team", None, "contacts.team"),
    ("contacts.team.name", "", "contacts.team"),
    ("contacts.team.channel", "pigeon", "contacts.team"),
    ("contacts.team.to", [], "contacts.team.to"),
    ("contacts.team.to", "team@example.org", "contacts.team.to"),
    ("contacts.team.to", ["nobody"], "contacts.team.to"),
    ("contacts.team.to", ["a@b.c\nBcc: x@y.z"], "contacts.team.to"),
    ("contacts.team.to", 3, "contacts.team.to"),
    ("chain", ..., "chain"),
    ("chain", [], "chain"),
    ("chain", "team", "chain"),
    ("chain.0.to", ["nobody"], "none of handoff.contacts"),
    ("chain.0.to", [], "needs `to`"),
    ("chain.0.to", [["team"]], "none of handoff.contacts"),
    ("chain.0", {"to": ["team"], "when": "open"}, "first step must hold always"),
    ("chain.1", {"to": ["team"], "when": "sometimes"}, "`when`"),
    ("chain.1", "team", "needs `to`"),
    ("claim_within", ..., "claim_within"),
    ("claim_within", [], "claim_within"),
    ("claim_within.T0", ..., "claim_within.T0"),
    ("claim_within.T1.minutes", 0, "claim_within.T1"),
    ("claim_within.T1.minutes", "10", "claim_within.T1"),
    ("claim_within.T1.minutes", True, "claim_within.T1"),
    ("claim_within.T1.minutes", float("nan"), "claim_within.T1"),
    ("claim_within.T4.minutes", 10_081, "claim_within.T4"),
    ("claim_within.T3.hours", "sometimes", "claim_within.T3"),
    ("claim_within.T1.hours", "open", "an emergency's clock never stops"),
    ("claim_within.T0.hours", "open", "an emergency's clock never stops"),
])  # fmt: skip
def test_a_chain_that_would_leave_somebody_unheard_is_refused(path: str, value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_chain(changed(path, value), ON)


@pytest.mark.parametrize(("channels", "said"), [
    ({"email": {"on": False}}, "channels.email is off"),
    ({"pager": {"on": True}}, "'pager' is none of"),
    ({"webhook": {"on": True}}, "channels.webhook needs"),
    ({"webhook": {**WEBHOOK["webhook"], "url": "http://clinic.example/hook"}}, "channels.webhook needs"),
    ({"webhook": {**WEBHOOK["webhook"], "secrets": []}}, "channels.webhook needs"),
    ({"webhook": {**WEBHOOK["webhook"], "secrets": ["A", "B", "C"]}}, "channels.webhook needs"),
    ({"fhir": {"on": True}}, "channels.fhir"),
    ({"fhir": {"on": True, "base_url": "ftp://x", "client_id": "c", "key_variable": "K"}}, "https"),
    ({"fhir": {"on": True, "base_url": "https://x", "client_id": "c", "key_variable": "K", "x": 1}}, "channels.fhir"),
    ({"email": True}, "channels.email"),
    ({"webhook": "https://clinic.example"}, "channels.webhook"),
])  # fmt: skip
def test_a_channel_that_could_not_send_is_refused(channels: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_chain(GIVEN, channels)


def test_a_contact_by_webhook_needs_the_webhook_on() -> None:
    given = changed("contacts.team", {"name": "the pager", "channel": "webhook"})
    with pytest.raises(ValueError, match=r"channels\.webhook is off"):
        read_chain(given, ON)
    assert read_chain(given, {**ON, **WEBHOOK}).channels == ("email", "webhook")
