"""Notices by e-mail, over a real mail server on loopback: to whom, in which words, and what each refusal means."""

from __future__ import annotations

import email
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.content import Clinic, load_wording
from bot.content.chain import read_chain
from bot.handoff.email import Mailer, MailWords, make_mailer, read_server, read_words
from bot.handoff.worker import send_due
from bot.store import outbox
from bot.store.models import Handoff, Outbox
from bot.store.session import Database
from tests.support.database import CLINIC, PATIENT_WORDS, HandClock, a_clinic, raise_one
from tests.support.mailbox import OK, Mailbox, body_of, serving

MAIL: dict[str, Any] = {
    "subject": "{tier}: 1 item waits",
    "body": "An item waits at {clinic}.\n{link}\n",
    "escalated": {"subject": "{tier}: nobody for {waited}", "body": "{clinic} {link}"},
    "test": {"subject": "A test of {clinic}", "body": "{link}"},
    "waited": {"minutes": "{n} min", "hours": "{n} h", "days": "{n} days"},
    "tiers": {"T1": "Now"},
}


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with serving() as running:
        yield running


def two_addresses(clinic: str) -> Clinic:
    one = a_clinic(clinic)
    given = one.about["handoff"]
    team = {**given["contacts"]["team"], "to": ["duty@clinic.invalid", "second@clinic.invalid"]}
    return replace(one, chain=read_chain({**given, "contacts": {**given["contacts"], "team": team}}, {}))


def mailer(
    url: str, folder: Path, clock: HandClock, clinics: Callable[[str], Clinic] = two_addresses
) -> Mailer:
    return make_mailer(
        url,
        sender="tutor@clinic.invalid",
        clinics=clinics,
        words=read_words(MAIL),
        public_url="https://tutor.invalid/",
        folder=folder,
        clock=clock,
    )


@pytest.fixture
def mails(mailbox: Mailbox, tmp_path: Path, clock: HandClock) -> Mailer:
    return mailer(mailbox.url, tmp_path, clock)


async def one_pass(db: Database, mails: Mailer) -> int:
    return await send_due(db, "email", mails.send, "w1", lambda: 1.0)


def the_row(db: Database, handoff_id: str) -> Outbox:
    with db.read() as session:
        (row,) = outbox.notices_of(session, handoff_id)
    return row


async def test_a_notice_goes_to_the_contacts_addresses_with_a_link(
    db: Database, mailbox: Mailbox, mails: Mailer
) -> None:
    raised = raise_one(db, "c")
    await one_pass(db, mails)
    (message,) = mailbox.accepted
    assert message["Message-ID"] == the_row(db, raised.handoff_id).message_id
    assert message["Message-ID"].startswith(f"<{raised.handoff_id}.")
    assert message["To"] == "duty@clinic.invalid, second@clinic.invalid"
    assert message["Subject"] == "Now: 1 item waits"
    assert (message["Auto-Submitted"], message["Importance"]) == ("auto-generated", "high")
    assert f"https://tutor.invalid/inbox/{raised.handoff_id}" in body_of(message)


async def test_the_patients_words_are_never_in_the_mail(db: Database, mailbox: Mailbox, mails: Mailer) -> None:
    raised = raise_one(db, "c", about={"answers": [PATIENT_WORDS]}, message_shown=PATIENT_WORDS)
    with db.begin() as session:
        outbox.enqueue(session, session.get(Handoff, raised.handoff_id), "email", "escalated", "lead", 1)
    await one_pass(db, mails)
    assert len(mailbox.accepted) == 2
    for message in mailbox.accepted:
        whole = message.as_string() + body_of(message)
        for word in ("cannot", "feel", "anything", "wipe", "RF01", "saddle"):
            assert word not in whole


@pytest.mark.parametrize(
    ("after", "said"), [({"seconds": 630}, "10 min"), ({"hours": 5}, "5 h"), ({"days": 3, "hours": 2}, "3 days")]
)
async def test_a_notice_that_climbed_says_how_long_nobody_has_taken_it(
    db: Database, mailbox: Mailbox, mails: Mailer, clock: HandClock, after: dict[str, float], said: str
) -> None:
    raised = raise_one(db, "c")
    await one_pass(db, mails)
    clock.move(**after)
    with db.begin() as session:
        outbox.enqueue(session, session.get(Handoff, raised.handoff_id), "email", "escalated", "lead", 1)
    await one_pass(db, mails)
    message = mailbox.accepted[-1]
    assert (message["To"], message["Subject"]) == ("lead@example.org", f"Now: nobody for {said}")


async def test_settings_are_those_of_the_moment_of_sending(
    db: Database, mailbox: Mailbox, tmp_path: Path, clock: HandClock
) -> None:
    now: list[Clinic] = [a_clinic(CLINIC)]
    mails = mailer(mailbox.url, tmp_path, clock, lambda _: now[0])
    raise_one(db, "c")
    now[0] = two_addresses(CLINIC)
    await one_pass(db, mails)
    assert mailbox.accepted[0]["To"] == "duty@clinic.invalid, second@clinic.invalid"


@pytest.mark.parametrize("gone", ["contact", "channel"])
async def test_a_contact_or_channel_that_is_gone_is_a_dead_letter(
    db: Database, mailbox: Mailbox, tmp_path: Path, clock: HandClock, gone: str
) -> None:
    chain = a_clinic(CLINIC).chain
    changed = replace(chain, contacts={}) if gone == "contact" else replace(chain, email=False)
    raised = raise_one(db, "c")
    await one_pass(db, mailer(mailbox.url, tmp_path, clock, lambda one: replace(a_clinic(one), chain=changed)))
    row = the_row(db, raised.handoff_id)
    assert row.dead_at == clock() and mailbox.accepted == []
    assert ("'team'" in row.last_error) is (gone == "contact")
    with db.read() as session:
        assert session.get(Handoff, raised.handoff_id).climb_at == clock()


async def test_a_notice_from_before_there_was_a_chain_goes_to_the_clinics_address(
    db: Database, mailbox: Mailbox, mails: Mailer
) -> None:
    raise_one(db, "c")
    with db.begin() as session:
        session.query(Outbox).one().contact = ""
    await one_pass(db, mails)
    assert mailbox.accepted[0]["To"] == "team@example.org"


async def test_later_means_later(db: Database, mailbox: Mailbox, mails: Mailer, clock: HandClock) -> None:
    raised = raise_one(db, "c")
    mailbox.answers = ["451 Later"]
    await one_pass(db, mails)
    row = the_row(db, raised.handoff_id)
    assert (row.sent_at, row.dead_at, row.due_at) == (None, None, clock() + timedelta(seconds=2))
    assert "451" in row.last_error
    clock.move(seconds=2)
    await one_pass(db, mails)
    assert mailbox.ids == [row.message_id]


async def test_no_server_means_later(db: Database, tmp_path: Path, clock: HandClock) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    raised = raise_one(db, "c")
    mails = mailer(f"smtp://127.0.0.1:{port}", tmp_path, clock)
    await one_pass(db, mails)
    row = the_row(db, raised.handoff_id)
    assert row.dead_at is None and "SMTPConnectError" in row.last_error
    clock.move(seconds=2)
    async with serving(port) as late:
        await one_pass(db, mails)
    assert late.ids == [row.message_id]


async def test_refused_for_good_is_a_dead_letter(
    db: Database, mailbox: Mailbox, mails: Mailer, clock: HandClock
) -> None:
    raised = raise_one(db, "c")
    mailbox.answers = ["554 No"]
    await one_pass(db, mails)
    row = the_row(db, raised.handoff_id)
    assert row.dead_at == clock() and "554" in row.last_error


@pytest.mark.parametrize(
    ("answers", "state"),
    [(["550 Who", OK], "sent"), (["550 Who", "550 Who"], "dead"), (["550 Who", "450 Wait"], "due")],
)
async def test_one_good_address_is_enough_and_none_is_dead(
    db: Database, mailbox: Mailbox, mails: Mailer, answers: list[str], state: str
) -> None:
    raised = raise_one(db, "c")
    mailbox.recipients = answers
    await one_pass(db, mails)
    row = the_row(db, raised.handoff_id)
    assert state == ("sent" if row.sent_at else "dead" if row.dead_at else "due")


async def test_a_test_says_so_and_asks_nothing(mailbox: Mailbox, mails: Mailer) -> None:
    clinic = two_addresses(CLINIC)
    await mails.test(clinic, clinic.chain.contacts["team"])
    await mails.test(clinic, clinic.chain.contacts["team"])
    assert [message["Subject"] for message in mailbox.accepted] == ["A test of Demo Pain Clinic"] * 2
    assert len(set(mailbox.ids)) == 2 and "Importance" not in mailbox.accepted[0]


async def test_in_development_the_mail_is_a_file(db: Database, tmp_path: Path, clock: HandClock) -> None:
    for key, url, folder in (
        ("a", "", tmp_path / "mail"),
        ("b", f"file:{tmp_path / 'other'}", tmp_path / "other"),
    ):
        raised = raise_one(db, key)
        await one_pass(db, mailer(url, tmp_path / "mail", clock))
        (written,) = folder.iterdir()
        assert written.suffix == ".eml" and raised.handoff_id in written.name
        message = email.message_from_bytes(written.read_bytes())
        assert message["Subject"] == "Now: 1 item waits"


async def test_a_name_with_a_line_break_writes_no_header_of_its_own(
    db: Database, mailbox: Mailbox, tmp_path: Path, clock: HandClock
) -> None:
    words = read_words({**MAIL, "subject": "{clinic}"})
    named = replace(a_clinic(CLINIC), name="Clinic\r\nBcc: eve@example.org")
    mails = replace(mailer(mailbox.url, tmp_path, clock, lambda _: named), words=words)
    raise_one(db, "c")
    await one_pass(db, mails)
    (message,) = mailbox.accepted
    assert message["Bcc"] is None and message["Subject"] == "Clinic Bcc: eve@example.org"


@pytest.mark.parametrize(
    "wrong",
    [
        {"body": "no way to the item"},
        {"body": "{link} {words}"},
        {"subject": "{category}"},
        {"subject": "two\nlines"},
        {"escalated": {"subject": "", "body": "{link}"}},
        {"test": {"subject": "{tier}", "body": "{link}"}},
    ],
)
def test_a_notice_that_cannot_be_written_stops_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mail"):
        read_words({**MAIL, **wrong})


def test_the_products_own_words_can_be_written() -> None:
    words: MailWords = read_words(load_wording().mail)
    assert set(words.texts) == {"raised", "escalated", "test"}
    assert set(words.waited) == {"minutes", "hours", "days"}


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
def test_a_password_leaves_only_inside_tls(url: str, port: int, use_tls: bool, start_tls: bool | None) -> None:
    server = read_server(url)
    assert (server.port, server.use_tls, server.start_tls) == (port, use_tls, start_tls)
    assert server.password in (None, "p@ss") and "p@ss" not in repr(server)


@pytest.mark.parametrize("url", ["mail.invalid", "http://mail.invalid", "smtp://"])
def test_other_servers_are_refused(url: str, tmp_path: Path, clock: HandClock) -> None:
    with pytest.raises(ValueError):
        mailer(url, tmp_path, clock)
