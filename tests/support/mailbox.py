"""A mail server for tests, on loopback: it says what it is told to, and keeps what it accepted."""

from __future__ import annotations

import asyncio
import email
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message

from aiosmtpd.smtp import SMTP, Envelope

OK = "250 OK"


@dataclass
class Mailbox:
    """Says its `answers` to messages and to `recipients` one after the other, then OK."""

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

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"


def body_of(message: Message) -> str:
    body = message.get_payload(decode=True)
    assert isinstance(body, bytes)
    return body.decode()


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
