"""The signed webhook: Standard Webhooks, checked by its own package; words only where the clinic wants them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from bot.content import Clinic
from bot.handoff import steps
from bot.handoff.calling import Line, asked_wait
from bot.handoff.deliveries import need_secrets
from bot.handoff.webhook import signed_headers, webhook_delivery
from bot.handoff.worker import LEASE, Delivery, send_due
from bot.settings import SettingsError
from bot.store import outbox
from bot.store.models import Outbox
from bot.store.session import Database
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, add_person, raise_one
from tests.support.receivers import RESET, SECRETS, Fault, Faulty, Hook, Reply, clinic_with, no_network

URL = "https://hook.invalid/x?secret=path-that-nobody-may-read"
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def to(db: Database, receiver: Any, clinic: Clinic, environ: dict[str, str] | None = None) -> Delivery:
    known = SECRETS if environ is None else environ
    return webhook_delivery(db, lambda _: clinic, known, "https://tutor.invalid", Line(no_network(receiver)))


async def one_pass(db: Database, deliver: Delivery) -> int:
    return await send_due(db, "webhook", deliver, "w1", lambda: 1.0)


def raised_by(db: Database, its: Clinic, key: str = "m1", **more: Any) -> str:
    return raise_one(db, "c", key, clinic_of=lambda _: its, **more).handoff_id


def the_row(db: Database, handoff_id: str) -> Outbox:
    with db.read() as session:
        (row,) = [one for one in outbox.notices_of(session, handoff_id) if one.channel == "webhook"]
    return row


async def test_an_event_says_what_happened_without_the_patients_words(db: Database, clock: HandClock) -> None:
    clinic, hook = clinic_with(hook=URL), Faulty(Hook())
    raised = raised_by(db, clinic)
    await one_pass(db, to(db, hook, clinic))
    (request,) = hook.seen
    event = request.document
    at = "2030-01-02T03:04:05.678Z"
    assert (event["type"], event["timestamp"]) == ("handoff.raised", at)
    assert event["data"] == {
        "handoff": raised,
        "clinic": CLINIC,
        "tier": "T1",
        "category": "RF01",
        "status": "raised",
        "outcome": None,
        "step": 0,
        "contact": None,
        "raised_at": at,
        "link": f"https://tutor.invalid/inbox/{raised}",
    }
    assert b"wipe" not in request.body
    assert the_row(db, raised).sent_at == clock()


async def test_the_words_go_along_where_the_clinic_wants_them_and_only_with_calls(db: Database) -> None:
    clinic, hook = clinic_with(hook=URL, words=True), Faulty(Hook())
    raised = raised_by(db, clinic)
    raised_by(db, clinic, "m2", words="and my leg is numb")
    deliver = to(db, hook, clinic)
    await one_pass(db, deliver)
    person = add_person(db, "ada")
    steps.claim(db, raised, person, 2)
    await one_pass(db, deliver)
    # What is due at the same moment goes out side by side: only the claim is sure to be the last.
    *together, second = [request.document for request in hook.seen]
    first, attached = sorted(together, key=lambda event: event["type"] != "handoff.raised")
    assert (attached["type"], "words" in attached["data"]) == ("handoff.changed", False)
    assert [one["text"] for one in first["data"]["words"]] == [PATIENT_WORDS, "and my leg is numb"]
    assert second["type"] == "handoff.changed" and second["data"]["status"] == "claimed"
    assert "words" not in second["data"]


def test_each_of_two_secrets_verifies_while_one_takes_the_others_place() -> None:
    now = datetime.now(timezone.utc)  # the package looks at the real clock
    secrets = [Webhook(one)._whsecret for one in SECRETS.values()]
    content = json.dumps({"a": "é"}).encode()
    headers = signed_headers(secrets, "id-1", now, content)
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in SECRETS.values():
        assert Webhook(secret).verify(content, headers) == {"a": "é"}
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90").verify(content, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS["HOOK_OLD"]).verify(content + b" ", headers)
    late = signed_headers(secrets, "id-1", now - timedelta(minutes=6), content)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS["HOOK_NEW"]).verify(content, late)


async def test_the_id_stays_and_the_time_moves_over_attempts(db: Database, clock: HandClock) -> None:
    clinic = clinic_with(hook=URL, secrets=("HOOK_NEW", "HOOK_OLD"))
    hook = Faulty(Hook(), [Fault(Reply(500)), Fault(RESET, after=True)])
    raised = raised_by(db, clinic)
    for seconds in (2, 4, 8):
        await one_pass(db, to(db, hook, clinic))
        clock.move(seconds=seconds)
    ids = {request.headers["webhook-id"] for request in hook.seen}
    times = [request.headers["webhook-timestamp"] for request in hook.seen]
    assert len(hook.seen) == 3 and ids == {the_row(db, raised).id}
    assert len(set(times)) == 3
    assert len(hook.handle.events) == 1  # type: ignore[attr-defined]


async def test_a_crash_between_sending_and_recording_sends_the_same_id_again(db: Database, clock: HandClock) -> None:
    clinic, hook = clinic_with(hook=URL), Faulty(Hook())
    raised_by(db, clinic)
    deliver = to(db, hook, clinic)
    with db.begin() as session:
        (notice,) = outbox.lease(session, "webhook", "killed", LEASE, 1)
    await deliver(notice)
    clock.move(seconds=LEASE.total_seconds())
    await one_pass(db, deliver)
    assert len(hook.seen) == 2 and len(hook.handle.events) == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (Reply(410), "closed for good"),
        (Reply(302, {"location": "https://elsewhere.invalid/"}), "never follow"),
        (Reply(401), "signature"),
        (Reply(404), "Check the address"),
        (Reply(418), "would not help"),
    ],
)
async def test_what_would_fail_again_is_a_dead_letter_with_a_cause_for_people(
    db: Database, clock: HandClock, reply: Reply, cause: str
) -> None:
    clinic, hook = clinic_with(hook=URL), Faulty(Hook(), [Fault(reply)])
    raised = raised_by(db, clinic)
    await one_pass(db, to(db, hook, clinic))
    row = the_row(db, raised)
    assert row.dead_at == clock() and len(hook.seen) == 1
    assert cause in row.last_error and f"hook.invalid answered {reply.status}" in row.last_error
    assert "path-that" not in row.last_error, "an address may hold a secret"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503, 599])
async def test_what_may_go_well_later_is_tried_again(db: Database, clock: HandClock, status: int) -> None:
    clinic = clinic_with(hook=URL)
    hook = Faulty(Hook(), [Fault(Reply(status, {"retry-after": "120"}))])
    raised = raised_by(db, clinic)
    await one_pass(db, to(db, hook, clinic))
    row = the_row(db, raised)
    assert (row.dead_at, row.due_at) == (None, clock() + timedelta(seconds=120))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Wed, 02 Jan 2030 03:05:05 GMT", 60),
        ("Wed, 02 Jan 2030 03:00:00 GMT", 0),
        ("999999999999999", 10**8),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
        ("²", None),
    ],
)
def test_retry_after_in_seconds_and_as_a_date(value: str | None, seconds: int | None) -> None:
    assert asked_wait(value, NOW) == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize("off", ["off", "other clinic", "no secret", "contact gone"])
async def test_what_cannot_be_sent_never_leaves(db: Database, clock: HandClock, off: str) -> None:
    clinic, hook = clinic_with(hook=URL), Faulty(Hook())
    raised = raised_by(db, clinic, clinic="other" if off == "other clinic" else CLINIC)
    if off == "contact gone":
        with db.begin() as session:
            session.get(Outbox, the_row(db, raised).id).contact = "pager"
    now = clinic_with() if off == "off" else clinic
    await one_pass(db, to(db, hook, now, {} if off == "no secret" else None))
    row = the_row(db, raised)
    assert row.dead_at == clock() and hook.seen == []
    assert ("HOOK_NEW" in row.last_error) is (off == "no secret")


@pytest.mark.parametrize("secret", ["", "plain", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsec_" + "A" * 100])
def test_a_missing_or_weak_secret_refuses_the_start(secret: str) -> None:
    with pytest.raises(SettingsError, match="Clinic demo: HOOK_NEW must be"):
        need_secrets([clinic_with(hook=URL)], {"HOOK_NEW": secret})
    need_secrets([clinic_with(hook=URL, secrets=("HOOK_NEW", "HOOK_OLD")), clinic_with()], SECRETS)
