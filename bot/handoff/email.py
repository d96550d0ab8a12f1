"""The e-mail notice: "an item of this tier waits", with a link. It never holds the patient's words.

E-mail is read on lock screens and kept on servers that nobody chose. The notice is built from ``Due``, which
has no field for words, so none can get in.
"""

from __future__ import annotations

import logging
import os
import re
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from pathlib import Path
from string import Formatter
from urllib.parse import unquote, urlsplit

import aiosmtplib

from bot.handoff.worker import Delivery, TryLater, Undeliverable
from bot.store.outbox import Due
from bot.store.session import Clock, utc_now

logger = logging.getLogger(__name__)

_PLACEHOLDERS = frozenset({"tier", "clinic", "link"})
_TIMEOUT_SECONDS = 10.0
_HIGH = frozenset({"T0", "T1"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DEFAULT_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


@dataclass(frozen=True)
class ClinicMail:
    """A clinic's notice. `subject` and `body` may hold {tier}, {clinic} and {link}; `body` must hold {link}.

    `tiers` gives each tier's words in the notice ("T1" itself where it gives none).
    Raises ValueError for anything else: a notice that cannot be written must stop the start, not the night.
    """

    name: str
    to: tuple[str, ...]
    subject: str
    body: str
    tiers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for text in (self.subject, self.body):
            unknown = {name for _, name, _, _ in Formatter().parse(text) if name is not None} - _PLACEHOLDERS
            if unknown:
                raise ValueError(f"the notice of {self.name} has unknown placeholders: {sorted(unknown)}")
        if "{link}" not in self.body:
            raise ValueError(f"the notice of {self.name} has no {{link}}")
        if "\n" in self.subject.strip() or not self.to:
            raise ValueError(f"the notice of {self.name} needs a subject of one line and an address")


@dataclass(frozen=True)
class Server:
    """Where mail goes. `use_tls`: from the first byte; `start_tls`: True insists, None if it is offered."""

    host: str
    port: int
    username: str | None
    password: str | None = field(repr=False)
    use_tls: bool
    start_tls: bool | None


def email_delivery(
    smtp_url: str,
    *,
    sender: str,
    clinics: Mapping[str, ClinicMail],
    public_url: str,
    folder: Path,
    clock: Clock = utc_now,
    tls: ssl.SSLContext | None = None,
) -> Delivery:
    """A delivery by e-mail.

    `smtp_url`: ``smtp://[user:password@]host[:port]``, ``smtp+starttls://…``, ``smtps://…``; empty writes
    ``.eml`` files into `folder`, ``file:PATH`` into PATH. `clinics` is looked up at each sending.
    Raises ValueError for any other url.
    """
    if not smtp_url or smtp_url.startswith("file:"):
        target = Path(smtp_url[len("file:") :]) if smtp_url else folder

        async def write(notice: Due) -> None:
            _write(
                target, compose(notice, sender=sender, clinics=clinics, public_url=public_url, clock=clock)
            )

        return write

    server = read_server(smtp_url)

    async def send(notice: Due) -> None:
        message = compose(notice, sender=sender, clinics=clinics, public_url=public_url, clock=clock)
        await _send(server, message, tls)

    return send


def compose(
    notice: Due, *, sender: str, clinics: Mapping[str, ClinicMail], public_url: str, clock: Clock
) -> EmailMessage:
    """The message of a notice. Raises Undeliverable where the clinic has no mail settings."""
    clinic = clinics.get(notice.clinic)
    if clinic is None:
        raise Undeliverable(f"clinic {notice.clinic} has no e-mail notice")
    values = {
        "tier": clinic.tiers.get(notice.tier, notice.tier),
        "clinic": clinic.name,
        "link": f"{public_url.rstrip('/')}/inbox/{notice.handoff_id}",
    }
    message = EmailMessage(policy=SMTP_POLICY)
    message["Message-ID"] = notice.message_id
    message["Date"] = format_datetime(clock().astimezone(timezone.utc))
    message["From"] = sender
    message["To"] = ", ".join(clinic.to)
    message["Subject"] = clinic.subject.format_map(values).strip()
    # No holiday reply may come back, and mail programs may show the grave ones first.
    message["Auto-Submitted"] = "auto-generated"
    if notice.tier in _HIGH:
        message["Importance"] = "high"
        message["X-Priority"] = "1"
    message.set_content(clinic.body.format_map(values))
    return message


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
            message,
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
        raise TryLater(f"the mail server refused the sign-in: {error.code}") from error
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        if all(code >= 500 for code in codes):
            raise Undeliverable(f"every address was refused: {codes}") from error
        raise TryLater(f"every address was refused for now: {codes}") from error
    except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError) as error:
        if error.code >= 500:
            raise Undeliverable(f"the mail server refused the message: {error.code}") from error
        raise TryLater(f"the mail server said later: {error.code}") from error
    except aiosmtplib.SMTPResponseException as error:
        raise TryLater(f"{type(error).__name__}: {error.code}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TryLater(type(error).__name__) from error
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
