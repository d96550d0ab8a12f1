"""The sections of the clinic's page about who is told of a handoff: contacts, the chain, and how long each step has."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

from bot.content.chain import ALWAYS, CLOSED, EMAIL, OPEN, TIERS, WEBHOOK
from bot.content.clinics import Clinic
from bot.content.inbox import InboxWording
from bot.web.inbox.clinic_fields import Form, Section, WrongFields, only_digits, wrong

# Empty rows to write into: no script adds any.
SPARE_CONTACTS, SPARE_STEPS = 2, 1
LONGEST_WEEK = 10_080
# Tiers whose clock may stop while the clinic is closed.
PAUSING = ("T2", "T3", "T4")
_ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")


def contact_rows(clinic: Clinic) -> range:
    """The rows of the form of contacts."""
    return range(len(clinic.chain.contacts) + SPARE_CONTACTS)


def step_rows(clinic: Clinic) -> range:
    """The rows of the form of the chain."""
    return range(len(clinic.chain.steps) + SPARE_STEPS)


def _fill_contacts(clinic: Clinic, part: str) -> Form:
    made: Form = {}
    for number, contact in enumerate(clinic.chain.contacts.values()):
        made |= {
            f"c{number}_id": contact.id,
            f"c{number}_name": contact.name,
            f"c{number}_channel": contact.channel,
            f"c{number}_to": ", ".join(contact.to),
        }
    return made


def _read_contacts(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    handoff = deepcopy(clinic.about["handoff"])
    in_chain = {name for step in handoff["chain"] for name in step["to"]}
    contacts: dict[str, Any] = {}
    faults: dict[str, Any] = {}
    for number in contact_rows(clinic):
        name = " ".join(form.get(f"c{number}_name", "").split())[:80]
        addresses = [one for one in re.split(r"[,;\s]+", form.get(f"c{number}_to", "")) if one]
        known = form.get(f"c{number}_id", "")
        if not name and not addresses:
            if known in in_chain:
                faults[f"c{number}_name"] = ("clinic_contact_used", {"name": clinic.chain.contacts[known].name})
            continue
        channel = WEBHOOK if form.get(f"c{number}_channel") == WEBHOOK else EMAIL
        if not name:
            faults[f"c{number}_name"] = ("clinic_contact_name", {})
        elif channel == EMAIL and not (addresses and all(map(_ADDRESS.fullmatch, addresses))):
            faults[f"c{number}_to"] = ("clinic_contact_address", {"name": name})
        key = known if known in clinic.chain.contacts else _new_id(name, {*contacts, *clinic.chain.contacts})
        contacts[key] = {"name": name, "channel": channel, **({"to": addresses} if channel == EMAIL else {})}
    if faults:
        raise WrongFields(faults)
    # One that somebody has added since the form was shown has no row in it, and stays.
    named = {value for field, value in form.items() if field.endswith("_id")}
    later = {key: value for key, value in handoff["contacts"].items() if key not in named}
    return {"handoff": {**handoff, "contacts": {**contacts, **later}}}


def _new_id(name: str, taken: set[str]) -> str:
    """A short name for a new contact, which the chain and the notices call it by."""
    start = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:30] or "contact"
    number = 1
    while (made := start if number == 1 else f"{start}_{number}") in taken:
        number += 1
    return made


def _shown_contacts(clinic: Clinic, words: InboxWording) -> list[str]:
    return [
        words.text("clinic_contact_email", name=contact.name, addresses=", ".join(contact.to))
        if contact.channel == EMAIL
        else words.text("clinic_contact_webhook", name=contact.name)
        for contact in clinic.chain.contacts.values()
    ]


def _fill_chain(clinic: Clinic, part: str) -> Form:
    made: Form = {}
    for number, step in enumerate(clinic.chain.steps):
        made[f"s{number}_when"] = step.when
        made |= {f"s{number}_to_{contact.id}": "on" for contact in step.contacts}
    return made


def _read_chain(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    steps = []
    for number in step_rows(clinic):
        to = [contact for contact in clinic.chain.contacts if f"s{number}_to_{contact}" in form]
        when = form.get(f"s{number}_when", ALWAYS)
        if to:
            steps.append({"to": to} if when not in (OPEN, CLOSED) else {"to": to, "when": when})
    if not steps:
        raise wrong("s0_when", "clinic_chain_empty")
    if "when" in steps[0]:
        raise wrong("s0_when", "clinic_chain_first")
    return {"handoff": {**deepcopy(clinic.about["handoff"]), "chain": steps}}


def _shown_chain(clinic: Clinic, words: InboxWording) -> list[str]:
    return [
        words.text(
            "clinic_step_line",
            number=number,
            names=", ".join(contact.name for contact in step.contacts),
            when=words.text(f"clinic_when_{step.when}"),
        )
        for number, step in enumerate(clinic.chain.steps, 1)
    ]


def _fill_limits(clinic: Clinic, part: str) -> Form:
    made = {tier: f"{clinic.chain.limits[tier].minutes:g}" for tier in TIERS}
    return made | {f"{tier}_open": "on" for tier in TIERS if clinic.chain.limits[tier].open_hours}


def _read_limits(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    faults: dict[str, Any] = {}
    limits: dict[str, Any] = {}
    for tier in TIERS:
        given = form.get(tier, "").strip()
        if not only_digits(given) or not 1 <= int(given[:6]) <= LONGEST_WEEK:
            faults[tier] = ("clinic_wrong_minutes", {"most": LONGEST_WEEK})
            continue
        limits[tier] = {"minutes": int(given)}
        if tier in PAUSING and f"{tier}_open" in form:
            limits[tier]["hours"] = OPEN
    if faults:
        raise WrongFields(faults)
    return {"handoff": {**deepcopy(clinic.about["handoff"]), "claim_within": limits}}


def _shown_limits(clinic: Clinic, words: InboxWording) -> list[str]:
    return [
        words.text(
            "clinic_limit_open" if limit.open_hours else "clinic_limit_line",
            tier=words.word("tier", tier),
            minutes=f"{limit.minutes:g}",
        )
        for tier, limit in ((tier, clinic.chain.limits[tier]) for tier in TIERS)
    ]


PEOPLE = (
    Section("contacts", ("handoff",), _fill_contacts, _read_contacts, _shown_contacts),
    Section("chain", ("handoff",), _fill_chain, _read_chain, _shown_chain),
    Section("limits", ("handoff",), _fill_limits, _read_limits, _shown_limits),
)
