"""The e-mail notice: "an item of this tier waits", with a link. It never holds the patient's words.

E-mail is read on lock screens and kept on servers that nobody chose. The notice is built from ``Due``, which
has no field for words, so none can get in.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import ssl
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses, make_msgid, parseaddr
from pathlib import Path
from string import Formatter
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from bot.content import Clinic
from bot.content.chain import EMAIL, Contact
from bot.handoff.notices import ESCALATED, RAISED
from bot.handoff.worker import TryLater, Undeliverable
from bot.store.outbox import Due
from bot.store.session import Clock, utc_now

logger = logging.getLogger(__name__)

TEST = "test"
# A message id on a line of its own, as folding would write it, is not understood everywhere; lines may be this long.
_POLICY = SMTP.clone(max_line_length=998, cte_type="7bit")
_PLACEHOLDERS = {
    RAISED: frozenset({"tier", "clinic", "link"}),
    ESCALATED: frozenset({"tier", "clinic", "link", "waited"}),
    TEST: frozenset({"clinic", "link"}),
}
_TIMEOUT_SECONDS = 10.0
_HIGH = frozenset({"T0", "T1"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True)
class MailWords:
    """`texts` are subject and body of each kind of mail, with their placeholders; `tiers` each tier's word, `waited`
    how a time is said ({n} minutes, hours, days)."""

    texts: Mapping[str, tuple[str, str]]
    tiers: Mapping[str, str]
    waited: Mapping[str, str]


def read_words(mail: Mapping[str, Any]) -> MailWords:
    """The words of ``mail`` in data/messages.yml. Raises ValueError: a notice that cannot be written must stop the
    start, not the night."""
    parts = {RAISED: mail, ESCALATED: mail[ESCALATED], TEST: mail[TEST]}
    texts = {kind: (str(part["subject"]).strip(), str(part["body"])) for kind, part in parts.items()}
    for kind, (subject, body) in texts.items():
        named = {name for text in (subject, body) for _, name, _, _ in Formatter().parse(text) if name is not None}
        if unknown := named - _PLACEHOLDERS[kind]:
            raise ValueError(f"the mail {kind!r} has unknown placeholders: {sorted(unknown)}")
        if "{link}" not in body or not subject or "\n" in subject:
            raise ValueError(f"the mail {kind!r} needs a subject of one line and {{link}} in its body")
    return MailWords(texts, mail["tiers"], mail["waited"])


@dataclass(frozen=True)
class Server:
    """Where mail goes. `use_tls`: from the first byte; `start_tls`: True insists, None if it is offered."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    use_tls: bool
    start_tls: bool | None


@dataclass(frozen=True)
class Mailer:
    """Sends to the addresses of the clinics as their settings are at that moment, over one server (None: writes
    ``.eml`` files into `folder`)."""

    server: Server | None
    folder: Path
    sender: str
    clinics: Callable[[str], Clinic]
    words: MailWords
    public_url: str
    clock: Clock = utc_now
    tls: ssl.SSLContext | None = None

    async def send(self, notice: Due) -> None:
        """One notice. Raises TryLater, Undeliverable."""
        await self._post(self._compose(notice))

    async def test(self, clinic: Clinic, contact: Contact) -> None:
        """A mail to a contact that says that it is a test. Raises TryLater, Undeliverable."""
        values = {"clinic": clinic.name, "link": f"{self.public_url.rstrip('/')}/inbox"}
        await self._post(self._message(make_msgid(domain="pne-tutor.invalid"), contact.to, TEST, values))

    def _compose(self, notice: Due) -> EmailMessage:
        clinic = self.clinics(notice.clinic)
        if clinic.id != notice.clinic:  # its file is gone: another clinic's people must not be told in its place
            raise Undeliverable("This clinic has no file any more, so nobody is known to write to.")
        values = {
            "tier": self.words.tiers.get(notice.tier, notice.tier),
            "clinic": clinic.name,
            "link": f"{self.public_url.rstrip('/')}/inbox/{notice.handoff_id}",
            "waited": _waited(self.clock() - notice.raised_at, self.words.waited),
        }
        kind = RAISED if notice.kind == RAISED else ESCALATED
        message = self._message(notice.message_id, _addresses(clinic, notice.contact), kind, values)
        if notice.tier in _HIGH:
            # Mail programs may show the grave ones first.
            message["Importance"] = "high"
            message["X-Priority"] = "1"
        return message

    def _message(self, message_id: str, to: Sequence[str], kind: str, values: Mapping[str, str]) -> EmailMessage:
        subject, body = self.words.texts[kind]
        message = EmailMessage(policy=_POLICY)
        message["Message-ID"] = message_id
        message["Date"] = format_datetime(self.clock().astimezone(timezone.utc))
        message["From"] = self.sender
        message["To"] = ", ".join(to)
        # A clinic's name may have been typed with a line break in it, which no subject may have.
        message["Subject"] = " ".join(subject.format_map(values).split())
        # No holiday reply may come back.
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body.format_map(values))
        return message

    async def _post(self, message: EmailMessage) -> None:
        if self.server is None:
            await asyncio.to_thread(_write, self.folder, message)
        else:
            await _send(self.server, message, self.tls)


def make_mailer(
    smtp_url: str,
    *,
    sender: str,
    clinics: Callable[[str], Clinic],
    words: MailWords,
    public_url: str,
    folder: Path,
    clock: Clock = utc_now,
    tls: ssl.SSLContext | None = None,
) -> Mailer:
    """The mailer of an installation.

    `smtp_url`: ``smtp://[user:password@]host[:port]``, ``smtp+starttls://…``, ``smtps://…``; empty writes
    ``.eml`` files into `folder`, ``file:PATH`` into PATH. Raises ValueError for any other url.
    """
    to_files = not smtp_url or smtp_url.startswith("file:")
    server = None if to_files else read_server(smtp_url)
    target = Path(smtp_url[len("file:") :]) if smtp_url.startswith("file:") else folder
    return Mailer(server, target, sender, clinics, words, public_url, clock, tls)


def _addresses(clinic: Clinic, contact: str) -> tuple[str, ...]:
    if not clinic.chain.email:
        raise Undeliverable("E-mail is switched off in this clinic's settings.")
    if not contact:
        # A notice from before clinics had a chain.
        return (clinic.email,)
    known = clinic.chain.contacts.get(contact)
    if known is None or known.channel != EMAIL:
        raise Undeliverable(f"The contact {contact!r} is no longer in the clinic's chain.")
    return known.to


def _waited(time: timedelta, words: Mapping[str, str]) -> str:
    minutes = max(int(time.total_seconds() // 60), 0)
    if minutes < 120:
        return words["minutes"].format(n=minutes)
    if minutes < 48 * 60:
        return words["hours"].format(n=minutes // 60)
    return words["days"].format(n=minutes // (24 * 60))


def read_server(url: str) -> Server:
    """The server of an smtp url. Raises ValueError. A password leaves this machine only inside TLS."""
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("the mail server must be smtp://, smtp+starttls:// or smtps:// and a host, or file:")
    username = unquote(parts.username) if parts.username else None
    insist = parts.scheme == "smtp+starttls" or (username is not None and parts.hostname not in _LOOPBACK)
    use_tls = parts.scheme == "smtps"
    return Server(
        host=parts.hostname,
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        username=username,
        password=unquote(parts.password) if parts.password else None,
        use_tls=use_tls,
        start_tls=False if use_tls else (True if insist else None),
    )


async def _send(server: Server, message: EmailMessage, tls: ssl.SSLContext | None) -> None:
    try:
        refused, _ = await aiosmtplib.send(
            # As bytes: written by the library, long header lines would be folded.
            message.as_bytes(),
            sender=parseaddr(message["From"])[1],
            recipients=[address for _, address in getaddresses([message["To"]])],
            hostname=server.host,
            port=server.port,
            username=server.username,
            password=server.password,
            use_tls=server.use_tls,
            start_tls=server.start_tls,
            tls_context=tls,
            timeout=_TIMEOUT_SECONDS,
        )
    except aiosmtplib.SMTPAuthenticationError as error:
        # A wrong password is mended by a person, and then the notice must still go out.
        raise TryLater(f"The mail server refused the sign-in ({error.code}). Check PNE_SMTP_URL.") from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        if all(code >= 500 for code in codes):
            cause = f"The mail server refused every address {codes}. Check the contact's addresses."
            raise Undeliverable(cause) from error
        raise TryLater(f"The mail server refused every address for now {codes}.") from error
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
        if error.code >= 500:
            raise Undeliverable(f"The mail server refused the message ({error.code}). Check PNE_MAIL_FROM.") from error
        raise TryLater(f"The mail server asks us to come again later ({error.code}).") from error
    except aiosmtplib.SMTPResponseException as error:
        raise TryLater(f"The mail server answered {error.code} ({type(error).__name__}).") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TryLater(f"The mail server cannot be reached ({type(error).__name__}).") from error
    if refused:
        logger.warning("the mail server refused %d of the clinic's addresses", len(refused))


def _write(folder: Path, message: EmailMessage) -> None:
    """Writes the message whole or not at all; the same message again takes the place of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9.-]", "_", str(message["Message-ID"]).strip("<>"))
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(message.as_bytes())
    os.replace(temporary, folder / f"{name}.eml")
