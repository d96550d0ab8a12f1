"""The outbox: every notice arrives, over a real mail server, however often something fails."""

from __future__ import annotations

import asyncio
import email
import socket
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import Message
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bot.handoff import worker
from bot.handoff.email import ClinicMail, email_delivery, read_server
from bot.handoff.worker import Delivery, TryLater, Undeliverable, back_off, send_due
from bot.store import outbox
from bot.store.models import Outbox
from bot.store.outbox import Due
from bot.store.session import Database
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, raise_one, sqlite_database

MAIL = ClinicMail(
    name="Demo Clinic",
    to=("duty@clinic.invalid", "second@clinic.invalid"),
    subject="{tier}: 1 item waits",
    body="An item waits at {clinic}.\n{link}\n",
    tiers={"T1": "Now"},
)
OK = "250 OK"


@dataclass
class Mailbox:
    """A mail server that says what it is told to (then OK) and keeps what it accepted."""

    answers: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    accepted: list[Message] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, _s: object, _c: object, envelope: Envelope, address: str, _o: object) -> str:
        answer = self.recipients.pop(0) if self.recipients else OK
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: object, _session: object, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else OK
        if answer == OK:
            assert isinstance(envelope.content, bytes)
            self.accepted.append(email.message_from_bytes(envelope.content))
        return answer

    @property
    def ids(self) -> list[str]:
        return [message["Message-ID"] for message in self.accepted]


@asynccontextmanager
async def serving(port: int = 0) -> AsyncIterator[Mailbox]:
    mailbox = Mailbox()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(mailbox), "127.0.0.1", port)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def db(tmp_path: Path, clock: HandClock) -> Database:
    return sqlite_database(tmp_path, clock)


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with serving() as running:
        yield running


def mail(url: str, folder: Path, clock: HandClock, clinic: str = CLINIC) -> Delivery:
    return email_delivery(
        url,
        sender="tutor@clinic.invalid",
        clinics={clinic: MAIL},
        public_url="https://tutor.invalid/",
        folder=folder,
        clock=clock,
    )


@pytest.fixture
def deliver(mailbox: Mailbox, tmp_path: Path, clock: HandClock) -> Delivery:
    return mail(f"smtp://127.0.0.1:{mailbox.port}", tmp_path, clock)


def longest() -> float:
    return 1.0


async def one_pass(db: Database, deliver: Delivery, owner: str = "w1") -> int:
    return await send_due(db, "email", deliver, owner, longest)


def rows(db: Database, handoff_id: str) -> Outbox:
    with db.read() as session:
        (row,) = outbox.notices_of(session, handoff_id)
    return row


async def test_a_notice_is_delivered_once(
    db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock
) -> None:
    raised = raise_one(db, "c")
    assert await one_pass(db, deliver) == 1
    clock.move(days=1)
    assert await one_pass(db, deliver) == 0
    (message,) = mailbox.accepted
    assert message["Message-ID"] == f"<{raised.handoff_id}.email@pne-tutor.invalid>"
    assert message["To"] == "duty@clinic.invalid, second@clinic.invalid"
    assert message["Subject"] == "Now: 1 item waits"
    assert (message["Auto-Submitted"], message["Importance"]) == ("auto-generated", "high")
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert f"https://tutor.invalid/inbox/{raised.handoff_id}" in body.decode()
    assert "Demo Clinic" in body.decode()
    row = rows(db, raised.handoff_id)
    assert (row.sent_at, row.attempts, row.leased_until) == (raised.at, 1, None)


async def test_the_patients_words_are_never_in_the_mail(
    db: Database, mailbox: Mailbox, deliver: Delivery
) -> None:
    raise_one(db, "c", about={"answers": [PATIENT_WORDS]}, message_shown=PATIENT_WORDS)
    await one_pass(db, deliver)
    whole = mailbox.accepted[0].as_string() + str(mailbox.accepted[0].get_payload(decode=True))
    for word in ("cannot", "feel", "anything", "wipe", "RF01", "saddle"):
        assert word not in whole


async def test_later_means_later(db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    mailbox.answers = ["451 Later", "451 Later"]
    await one_pass(db, deliver)
    row = rows(db, raised.handoff_id)
    assert (row.sent_at, row.dead_at, row.due_at) == (None, None, clock() + timedelta(seconds=2))
    assert row.last_error == "TryLater: the mail server said later: 451"
    assert await one_pass(db, deliver) == 0
    clock.move(seconds=2)
    await one_pass(db, deliver)
    assert rows(db, raised.handoff_id).due_at == clock() + timedelta(seconds=4)
    clock.move(seconds=4)
    await one_pass(db, deliver)
    row = rows(db, raised.handoff_id)
    assert (row.sent_at, row.attempts) == (clock(), 3)
    assert len(mailbox.ids) == 1


async def test_no_server_means_later(db: Database, tmp_path: Path, clock: HandClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    raised = raise_one(db, "c")
    deliver = mail(f"smtp://127.0.0.1:{port}", tmp_path, clock)
    await one_pass(db, deliver)
    row = rows(db, raised.handoff_id)
    assert row.dead_at is None and row.last_error == "TryLater: SMTPConnectError"
    clock.move(seconds=2)
    async with serving(port) as late:
        await one_pass(db, deliver)
    assert late.ids == [row.message_id]


async def test_refused_for_good_is_a_dead_letter_that_can_be_replayed(
    db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock
) -> None:
    raised = raise_one(db, "c")
    mailbox.answers = ["554 No"]
    await one_pass(db, deliver)
    row = rows(db, raised.handoff_id)
    assert row.dead_at == clock() and row.last_error is not None and "554" in row.last_error
    clock.move(days=1)
    assert await one_pass(db, deliver) == 0
    with db.begin() as session:
        assert [dead.id for dead in outbox.dead_letters(session, CLINIC)] == [row.id]
        assert outbox.dead_letters(session, "other") == []
        assert outbox.replay(session, row.id)
        assert not outbox.replay(session, row.id)
    await one_pass(db, deliver)
    assert mailbox.ids == [row.message_id]


async def test_one_good_address_is_enough_and_none_is_dead(
    db: Database, mailbox: Mailbox, deliver: Delivery
) -> None:
    first, second, third = (raise_one(db, c).handoff_id for c in "abc")
    mailbox.recipients = ["550 Who", OK]
    with db.begin() as session:
        for other in (second, third):
            outbox.notices_of(session, other)[0].due_at += timedelta(hours=1)
    await one_pass(db, deliver)
    assert rows(db, first).sent_at is not None
    for handoff_id, answers, dead in (
        (second, ["550 Who"] * 2, True),
        (third, ["550 Who", "450 Wait"], False),
    ):
        mailbox.recipients = answers
        with db.begin() as session:
            outbox.notices_of(session, handoff_id)[0].due_at -= timedelta(hours=1)
        await one_pass(db, deliver)
        assert (rows(db, handoff_id).dead_at is not None) is dead
    assert len(mailbox.accepted) == 1


async def test_a_crash_before_recording_sends_again_with_the_same_id(
    db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock
) -> None:
    raised = raise_one(db, "c")

    async def killed_after_sending(notice: Due) -> None:
        await deliver(notice)
        raise SystemExit

    with pytest.raises(SystemExit):
        with db.begin() as session:
            (notice,) = outbox.lease(session, "email", "w1", worker.LEASE, worker.BATCH)
        await killed_after_sending(notice)
    assert await one_pass(db, deliver, owner="w2") == 0
    clock.move(seconds=worker.LEASE.total_seconds())
    assert await one_pass(db, deliver, owner="w2") == 1
    assert len(mailbox.ids) == 2 and len(set(mailbox.ids)) == 1
    assert rows(db, raised.handoff_id).attempts == 2


async def test_a_late_worker_cannot_undo_what_another_did(
    db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock
) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        (notice,) = outbox.lease(session, "email", "slow", worker.LEASE, 1)
    clock.move(minutes=2)
    assert await one_pass(db, deliver, owner="w2") == 1
    with db.begin() as session:
        outbox.record_dead(session, notice.id, "slow", "too late")
        outbox.record_retry(session, notice.id, "slow", clock(), "too late")
    row = rows(db, raised.handoff_id)
    assert row.sent_at == clock() and row.dead_at is None


async def test_a_bad_row_stops_no_other(db: Database, clock: HandClock) -> None:
    raised = {raise_one(db, key, key).handoff_id: key for key in ("bad", "dead", "good")}
    sent: list[str] = []

    async def deliver(notice: Due) -> None:
        if raised[notice.handoff_id] == "bad":
            raise ZeroDivisionError
        if raised[notice.handoff_id] == "dead":
            raise Undeliverable("never")
        sent.append(notice.handoff_id)

    assert await one_pass(db, deliver) == 3
    assert [raised[s] for s in sent] == ["good"]
    states = {key: rows(db, handoff_id) for handoff_id, key in raised.items()}
    assert states["bad"].last_error == "ZeroDivisionError" and states["bad"].dead_at is None
    assert states["dead"].dead_at == clock()


async def test_the_gravest_goes_first_and_a_batch_is_bounded(db: Database) -> None:
    for number in range(worker.BATCH):
        raise_one(db, f"c{number}", tier="T3")
    raise_one(db, "grave", tier="T0")
    with db.begin() as session:
        taken = outbox.lease(session, "email", "w1", worker.LEASE, worker.BATCH)
    assert len(taken) == worker.BATCH and taken[0].tier == "T0"


async def test_a_receiver_that_hangs_is_given_up_for_now(
    db: Database, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SENDING_LIMIT", timedelta(milliseconds=20))
    raised = raise_one(db, "c")

    async def hang(_notice: Due) -> None:
        await asyncio.Event().wait()

    await one_pass(db, hang)
    row = rows(db, raised.handoff_id)
    assert row.last_error == "TimeoutError" and row.due_at > clock()


async def test_a_wait_that_the_receiver_asks_for_is_kept(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")

    async def later(_notice: Due) -> None:
        raise TryLater("busy", after=timedelta(minutes=5))

    await one_pass(db, later)
    assert rows(db, raised.handoff_id).due_at == clock() + timedelta(minutes=5)


async def test_after_very_many_attempts_a_person_must_look(db: Database, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    with db.begin() as session:
        outbox.notices_of(session, raised.handoff_id)[0].attempts = worker.MOST_ATTEMPTS - 1

    async def later(_notice: Due) -> None:
        raise TryLater("busy")

    await one_pass(db, later)
    assert rows(db, raised.handoff_id).dead_at == clock()


@pytest.mark.parametrize(
    ("attempt", "seconds"), [(1, 2), (2, 4), (3, 8), (9, 512), (10, 900), (11, 900), (100_000, 900)]
)
def test_back_off_doubles_to_a_quarter_of_an_hour_with_full_jitter(attempt: int, seconds: int) -> None:
    assert back_off(attempt, 1.0) == timedelta(seconds=seconds)
    assert back_off(attempt, 0.5) == timedelta(seconds=seconds / 2)
    assert back_off(attempt, 0.0) == timedelta(0)


async def running(
    db: Database, deliveries: dict[str, Delivery], until: Callable[[], bool], limit: float = 3.0
) -> None:
    """Runs the worker until a condition holds, then stops it as the application does."""
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(db, deliveries, stop, every=0.005, chance=longest))

    async def reached() -> None:
        while not until():
            await asyncio.sleep(0.005)

    try:
        await asyncio.wait_for(reached(), limit)
    finally:
        stop.set()
        await task


async def test_the_worker_sends_shows_life_and_stops(
    db: Database, mailbox: Mailbox, deliver: Delivery, clock: HandClock
) -> None:
    assert not worker.alive(db, ["email"])
    raise_one(db, "c")
    await running(db, {"email": deliver}, lambda: bool(mailbox.accepted))
    assert worker.alive(db, ["email"])
    assert not worker.alive(db, ["email", "webhook"])
    clock.move(minutes=2)
    assert not worker.alive(db, ["email"])


async def test_a_channel_that_hangs_holds_up_no_other(db: Database) -> None:
    raise_one(db, "c", channels=("slow", "quick", "nobody"))
    sent: list[str] = []
    hanging, go = asyncio.Event(), asyncio.Event()

    async def slow(_notice: Due) -> None:
        hanging.set()
        await go.wait()

    async def quick(notice: Due) -> None:
        await hanging.wait()
        sent.append(notice.channel)

    def done() -> bool:
        if sent:
            go.set()
        return bool(sent)

    await running(db, {"slow": slow, "quick": quick}, done)
    with db.read() as session:
        (dead,) = outbox.dead_letters(session, CLINIC)
    assert dead.channel == "nobody" and dead.last_error == "no delivery is configured for this channel"


async def test_the_worker_outlives_a_database_that_is_away(
    db: Database, mailbox: Mailbox, deliver: Delivery
) -> None:
    raise_one(db, "c")
    refused = iter(range(10))

    def away() -> Session:
        if next(refused, None) is not None:
            raise OperationalError("", {}, sqlite3.OperationalError("unable to open database file"))
        return db.sessions()

    limping = replace(db, sessions=away, readers=away)
    await running(limping, {"email": deliver}, lambda: bool(mailbox.accepted))
    assert next(refused, None) is None


async def test_in_development_the_mail_is_a_file(db: Database, tmp_path: Path, clock: HandClock) -> None:
    for key, url, folder in (
        ("a", "", tmp_path / "mail"),
        ("b", f"file:{tmp_path / 'other'}", tmp_path / "other"),
    ):
        raised = raise_one(db, key)
        deliver = mail(url, tmp_path / "mail", clock)
        await one_pass(db, deliver)
        (written,) = folder.iterdir()
        assert written.name == f"{raised.handoff_id}.email_pne-tutor.invalid.eml"
        message = email.message_from_bytes(written.read_bytes())
        assert message["Subject"] == "Now: 1 item waits"


async def test_a_clinic_without_mail_is_a_dead_letter(db: Database, tmp_path: Path, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    await one_pass(db, mail("", tmp_path / "mail", clock, clinic="other"))
    assert rows(db, raised.handoff_id).last_error == "Undeliverable: clinic demo has no e-mail notice"
    assert not (tmp_path / "mail").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": "no way to the item"},
        {"body": "{link} {words}"},
        {"subject": "{category}"},
        {"subject": "two\nlines"},
        {"to": ()},
    ],
)
def test_a_notice_that_cannot_be_written_stops_the_start(wrong: dict[str, str]) -> None:
    values = {"name": "Demo", "to": ("a@b.invalid",), "subject": "One waits", "body": "{link}", **wrong}
    with pytest.raises(ValueError, match="notice of Demo"):
        ClinicMail(**values)


@pytest.mark.parametrize(
    ("url", "port", "use_tls", "start_tls"),
    [
        ("smtp://mail.invalid", 25, False, None),
        ("smtp://127.0.0.1:2525", 2525, False, None),
        ("smtp://me:p%40ss@localhost:2525", 2525, False, None),
        ("smtp://me:p%40ss@mail.invalid", 25, False, True),
        ("smtp+starttls://mail.invalid", 587, False, True),
        ("smtps://me:p%40ss@mail.invalid", 465, True, False),
    ],
)
def test_a_password_leaves_only_inside_tls(
    url: str, port: int, use_tls: bool, start_tls: bool | None
) -> None:
    server = read_server(url)
    assert (server.port, server.use_tls, server.start_tls) == (port, use_tls, start_tls)
    assert server.password in (None, "p@ss") and "p@ss" not in repr(server)


@pytest.mark.parametrize("url", ["mail.invalid", "http://mail.invalid", "smtp://"])
def test_other_servers_are_refused(url: str, tmp_path: Path, clock: HandClock) -> None:
    with pytest.raises(ValueError):
        mail(url, tmp_path, clock)
