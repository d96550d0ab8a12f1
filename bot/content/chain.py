"""Who a clinic tells of a handoff, in which order, how long each has, and over what (``handoff`` in its file)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bot.content.hours import Hours

EMAIL, WEBHOOK, FHIR = "email", "webhook", "fhir"
TIERS = ("T0", "T1", "T2", "T3", "T4")
ALWAYS, OPEN, CLOSED = "always", "open", "closed"
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# Without a user and password in it: addresses stand in causes and logs.
URL = re.compile(r"https://[^\s/@]+(/\S*)?|http://(127\.0\.0\.1|localhost)(:\d+)?(/\S*)?")


@dataclass(frozen=True)
class Limit:
    """How long each step of the chain has until somebody claims; `open_hours`: only the clinic's open time counts."""

    minutes: float
    open_hours: bool = False


@dataclass(frozen=True)
class Contact:
    """Somebody of the chain. `channel`: email (to the addresses `to`), or webhook (the clinic's, which pages them)."""

    id: str
    name: str
    channel: str
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """Contacts who are told at once. `when`: always, or only while the clinic is open or closed."""

    contacts: tuple[Contact, ...]
    when: str = ALWAYS


@dataclass(frozen=True)
class Webhook:
    """Where signed events go. `secret_variables`: environment variables with the secrets, the newest first (two while
    one takes the other's place). `words`: whether the patient's words go with them."""

    url: str
    secret_variables: tuple[str, ...]
    words: bool = False


@dataclass(frozen=True)
class Fhir:
    """The clinic's FHIR R4 server and how we sign in to it (SMART Backend Services). `key_variable`: the environment
    variable with our private key (PEM) or its file's path; `token_url`: empty: from the server's own description."""

    base_url: str
    client_id: str
    key_variable: str
    key_id: str = ""
    algorithm: str = "ES384"
    token_url: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Chain:
    """`steps` are climbed one after the other while nobody claims; the first is told when an item is raised."""

    limits: Mapping[str, Limit]
    steps: tuple[Step, ...]
    email: bool = True
    webhook: Webhook | None = None
    fhir: Fhir | None = None
    contacts: Mapping[str, Contact] = field(default_factory=dict)

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that are on."""
        on = {EMAIL: self.email, WEBHOOK: self.webhook is not None, FHIR: self.fhir is not None}
        return tuple(channel for channel, is_on in on.items() if is_on)

    def place_at(self, number: int, hours: Hours, at: datetime) -> int | None:
        """The place of the first step from `number` (from 0) on that holds at this hour; None: the chain has ended."""
        now = OPEN if hours.is_open(at) else CLOSED
        for place in range(number, len(self.steps)):
            if self.steps[place].when in (ALWAYS, now):
                return place
        return None

    def deadline(self, tier: str, hours: Hours, at: datetime) -> datetime:
        """When a step that begins at `at` is over. A clinic that never opens again is asked on the clock instead."""
        limit = self.limits[tier]
        by_clock = at + timedelta(minutes=limit.minutes)
        return (hours.after_open(at, limit.minutes) or by_clock) if limit.open_hours else by_clock


def read_chain(given: Mapping[str, Any], channels: Mapping[str, Any]) -> Chain:
    """The chain from a clinic's file. Raises ValueError with a sentence that says what is wrong or missing."""
    contacts = {key: _contact(key, value) for key, value in _mapping(given, "contacts").items()}
    email, webhook, fhir = _channels(channels)
    steps = tuple(_step(place, step, contacts) for place, step in enumerate(given.get("chain") or ()))
    if not any(step.when == ALWAYS for step in steps[:1]):
        raise ValueError("handoff.chain: the first step must hold always: somebody must be told at any hour")
    used = {contact.channel for step in steps for contact in step.contacts}
    if EMAIL in used and not email:
        raise ValueError("handoff.chain names a contact by email, but channels.email is off")
    if WEBHOOK in used and webhook is None:
        raise ValueError("handoff.chain names a contact by webhook, but channels.webhook is off")
    limits = {tier: _limit(tier, given.get("claim_within")) for tier in TIERS}
    return Chain(limits, steps, email, webhook, fhir, contacts)


def _mapping(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"handoff.{key} is missing: safety needs it")
    return value


def _limit(tier: str, given: Any) -> Limit:
    found = given.get(tier) if isinstance(given, Mapping) else None
    minutes = found.get("minutes") if isinstance(found, Mapping) else None
    if isinstance(minutes, bool) or not isinstance(minutes, (int, float)) or not 0 < minutes <= 10_080:
        raise ValueError(f"handoff.claim_within.{tier}: give minutes, more than 0 and at most a week")
    assert isinstance(found, Mapping)
    if found.get("hours", ALWAYS) not in (ALWAYS, OPEN):
        raise ValueError(f"handoff.claim_within.{tier}.hours is always or open")
    open_hours = found.get("hours") == OPEN
    if open_hours and tier in ("T0", "T1"):
        raise ValueError(f"handoff.claim_within.{tier}: an emergency's clock never stops; leave hours out")
    return Limit(float(minutes), open_hours)


def _contact(key: str, given: Any) -> Contact:
    if not isinstance(given, Mapping) or given.get("channel") not in (EMAIL, WEBHOOK) or not given.get("name"):
        raise ValueError(f"handoff.contacts.{key} needs a name and a channel: email or webhook")
    named = given.get("to")
    to = tuple(str(address) for address in named) if isinstance(named, (list, tuple)) else ()
    if given["channel"] == EMAIL and not (to and all(_ADDRESS.fullmatch(address) for address in to)):
        raise ValueError(f"handoff.contacts.{key}.to needs one e-mail address or more")
    return Contact(key, str(given["name"]), str(given["channel"]), to)


def _step(place: int, given: Any, contacts: Mapping[str, Contact]) -> Step:
    names = given.get("to") if isinstance(given, Mapping) else None
    if not isinstance(names, (list, tuple)) or not names:
        raise ValueError(f"handoff.chain: step {place + 1} needs `to`, a list of contacts")
    if unknown := [name for name in names if str(name) not in contacts]:
        raise ValueError(f"handoff.chain: step {place + 1}: {unknown[0]!r} is none of handoff.contacts")
    when = given.get("when", ALWAYS)
    if when not in (ALWAYS, OPEN, CLOSED):
        raise ValueError(f"handoff.chain: step {place + 1}: `when` is always, open or closed")
    return Step(tuple(contacts[name] for name in dict.fromkeys(names)), when)


def _channels(given: Mapping[str, Any]) -> tuple[bool, Webhook | None, Fhir | None]:
    if unknown := set(given) - {EMAIL, WEBHOOK, FHIR}:
        raise ValueError(f"channels: {sorted(unknown)[0]!r} is none of email, webhook, fhir")
    parts = {channel: given.get(channel) or {} for channel in (EMAIL, WEBHOOK, FHIR)}
    for channel, part in parts.items():
        if not isinstance(part, Mapping) or type(part.get("on", False)) is not bool:
            raise ValueError(f"channels.{channel} holds `on: true` or `on: false`, and what it needs")
    email = bool(parts[EMAIL].get("on", True))
    webhook = _webhook(parts[WEBHOOK]) if parts[WEBHOOK].get("on") else None
    fhir = _fhir(parts[FHIR]) if parts[FHIR].get("on") else None
    return email, webhook, fhir


def _webhook(given: Mapping[str, Any]) -> Webhook:
    secrets = tuple(str(name) for name in given.get("secrets") or ())
    if not URL.fullmatch(str(given.get("url"))) or not 1 <= len(secrets) <= 2:
        raise ValueError("channels.webhook needs an https:// url and one or two secrets (environment variables)")
    return Webhook(str(given["url"]), secrets, given.get("words") is True)


def _fhir(given: Mapping[str, Any]) -> Fhir:
    try:
        made = Fhir(**{key: str(value) for key, value in given.items() if key != "on"})
    except TypeError as error:
        raise ValueError(f"channels.fhir: {error}") from None
    if not URL.fullmatch(made.base_url) or (made.token_url and not URL.fullmatch(made.token_url)):
        raise ValueError("channels.fhir.base_url and token_url must be https:// addresses")
    if made.algorithm not in ("ES384", "RS384"):
        raise ValueError("channels.fhir.algorithm is ES384 or RS384, as SMART Backend Services asks")
    return made
