"""The signed webhook (Standard Webhooks): what happened to an item, to the address that the clinic chose.

The signing is our own: it is one HMAC, and the package for it signs with one secret only, where a rotation needs two.
The package checks our signatures in the tests.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlsplit

from bot.content import Clinic
from bot.content.chain import Webhook
from bot.handoff.calling import Line, call, need_accepted
from bot.handoff.current import Current, read_current
from bot.handoff.notices import ESCALATED, EXHAUSTED, RAISED
from bot.handoff.worker import Delivery, Undeliverable
from bot.settings import SettingsError
from bot.store.outbox import Due
from bot.store.session import Database

TEST = "test"
# What asks somebody to come. The patient's words, where the clinic wants them, go with these alone.
_WITH_WORDS = (RAISED, ESCALATED, EXHAUSTED)
_PREFIX = "whsec_"
_SHORTEST_SECRET, _LONGEST_SECRET = 24, 64


def webhook_delivery(
    db: Database, clinics: Callable[[str], Clinic], environ: Mapping[str, str], public_url: str, line: Line
) -> Delivery:
    """A delivery to each clinic's webhook as its settings are at that moment."""

    async def send(notice: Due) -> None:
        hook = _hook(clinics(notice.clinic), notice)
        current = await asyncio.to_thread(read_current, db, notice.handoff_id, notice.clinic)
        body = event(notice, current, public_url, words=hook.words and notice.kind in _WITH_WORDS)
        await post(hook, notice.id, body, environ, db.clock(), line)

    return send


async def post(
    hook: Webhook, message_id: str, body: Mapping[str, Any], environ: Mapping[str, str], at: datetime, line: Line
) -> None:
    """Sends one event. `message_id` must be the same over all attempts. Raises TryLater, Undeliverable."""
    try:
        secrets = read_secrets(hook, environ)
    except SettingsError as error:
        raise Undeliverable(str(error)) from None
    content = json.dumps(body, separators=(",", ":")).encode()
    headers = signed_headers(secrets, message_id, at, content)
    who = f"The webhook at {urlsplit(hook.url).hostname}"
    need_accepted(await call(line, "POST", hook.url, who=who, headers=headers, content=content), at)


def event(notice: Due, current: Current, public_url: str, words: bool) -> dict[str, Any]:
    """The event of a notice. It holds words of the patient only with `words`."""
    data: dict[str, Any] = {
        "handoff": current.id,
        "clinic": current.clinic,
        "tier": current.tier,
        "category": current.category,
        "status": current.status,
        "outcome": current.outcome,
        "step": notice.step,
        "contact": notice.contact or None,
        "raised_at": _iso(current.created_at),
        "link": f"{public_url.rstrip('/')}/inbox/{current.id}",
    }
    if words:
        data["words"] = [{"at": _iso(one.at), "text": one.words} for one in current.said]
    return {"type": f"handoff.{notice.kind}", "timestamp": _iso(notice.created_at or notice.raised_at), "data": data}


def signed_headers(secrets: Iterable[bytes], message_id: str, at: datetime, content: bytes) -> dict[str, str]:
    """The headers of a signed event: one signature for each secret, so that the receiver may know either."""
    seconds = int(at.timestamp())
    signed = f"{message_id}.{seconds}.".encode() + content
    signatures = (base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode() for secret in secrets)
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def read_secrets(hook: Webhook, environ: Mapping[str, str]) -> list[bytes]:
    """The secrets of a clinic's webhook. Raises SettingsError with a sentence that says which one and what to do."""
    return [_secret(variable, environ.get(variable, "")) for variable in hook.secret_variables]


def _secret(variable: str, text: str) -> bytes:
    try:
        secret = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.strip().startswith(_PREFIX) or not _SHORTEST_SECRET <= len(secret) <= _LONGEST_SECRET:
        raise SettingsError(
            f"{variable} must be a webhook secret: {_PREFIX} and then {_SHORTEST_SECRET} to {_LONGEST_SECRET} random "
            "bytes in base64. Make one with: python -c 'import base64, secrets; "
            f'print("{_PREFIX}" + base64.b64encode(secrets.token_bytes(32)).decode())\''
        )
    return secret


def _hook(clinic: Clinic, notice: Due) -> Webhook:
    if clinic.id != notice.clinic or clinic.chain.webhook is None:
        raise Undeliverable("The webhook is switched off in this clinic's settings.")
    known = clinic.chain.contacts.get(notice.contact)
    if notice.contact and (known is None or known.channel != "webhook"):
        raise Undeliverable(f"The contact {notice.contact!r} is no longer in the clinic's chain.")
    return clinic.chain.webhook


def _iso(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
