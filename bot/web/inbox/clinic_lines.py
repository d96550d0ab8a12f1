"""The sections of the clinic's page with words of its own: lines to call, and replies that clinicians start from."""

from __future__ import annotations

from typing import Any

from bot.content.canned import LONGEST_TEXT, LONGEST_TITLE, MOST, SETTING, checked, load_canned, merge
from bot.content.clinic_numbers import CHANGEABLE, LONGEST_LABEL, MOST_LINES, digits, read_own
from bot.content.clinics import Clinic
from bot.content.inbox import InboxWording
from bot.web.inbox.clinic_fields import Form, Section, WrongFields

KINDS = ("tel", "sms", "url", "words")
NEW = "new"


def _uses(clinic: Clinic, words: InboxWording) -> list[tuple[str, str]]:
    return [(use, words.text(f"clinic_use_{use}")) for use in CHANGEABLE]


def _fill_lines(clinic: Clinic, part: str) -> Form:
    made: Form = {}
    for number, line in enumerate(clinic.calls.get(part, ())):
        kind = next((kind for kind in KINDS if kind in line), "words")
        made |= {f"l{number}_label": line["label"], f"l{number}_kind": kind, f"l{number}_value": line.get(kind, "")}
        made |= {f"l{number}_body": line["body"]} if "body" in line else {}
    return made


def _read_lines(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    """The lines of one use. A number that is new must have been typed twice: people in danger will call it."""
    faults: dict[str, Any] = {}
    lines = []
    known = {line.get(kind) for line in clinic.calls.get(part, ()) for kind in KINDS}
    for number in range(MOST_LINES):
        label, value, again, body = (
            " ".join(form.get(f"l{number}_{field}", "").split()) for field in ("label", "value", "again", "body")
        )
        kind = form.get(f"l{number}_kind", "tel")
        if not label and not value:
            continue
        if not label or len(label) > LONGEST_LABEL or "{" in label:
            faults[f"l{number}_label"] = ("clinic_line_label", {"most": LONGEST_LABEL})
        elif kind not in KINDS or (kind != "words" and not value):
            faults[f"l{number}_value"] = ("clinic_line_value", {})
        elif kind != "words" and value not in known and value != again:
            faults[f"l{number}_again"] = ("clinic_not_the_same", {})
        elif kind in ("tel", "sms") and (not digits(value) or digits(value) not in digits(label)):
            faults[f"l{number}_label"] = ("clinic_line_shows", {"number": value})
        else:
            line = {"label": label, **({kind: value} if kind != "words" else {})}
            line |= {"body": body} if kind == "sms" and body else {}
            try:
                read_own({part: [line]}, frozenset({part}))
            except ValueError:
                faults[f"l{number}_value"] = ("clinic_line_value", {})
            lines.append(line)
    if not lines and not faults:
        faults["l0_label"] = ("clinic_no_lines", {})
    if faults:
        raise WrongFields(faults)
    own = clinic.about.get("numbers") or {}
    return {"numbers": {**{use: own[use] for use in CHANGEABLE if use in own}, part: lines}}


def _shown_lines(clinic: Clinic, words: InboxWording) -> list[str]:
    shown = {use: "; ".join(line["label"] for line in clinic.calls.get(use, ())) for use in ("emergency", *CHANGEABLE)}
    return [
        words.text("clinic_use_line", use=words.text(f"clinic_use_{use}"), lines=lines or words.text("clinic_none"))
        for use, lines in shown.items()
    ]


def _replies(clinic: Clinic, words: InboxWording) -> list[tuple[str, str]]:
    changes = checked(clinic.about.get(SETTING) or {})
    hidden = [one for one in load_canned() if one.id in changes and changes[one.id] is None]
    shown = [(one.id, one.title) for one in merge(clinic.about.get(SETTING))]
    return [
        *shown,
        *((one.id, words.text("clinic_reply_hidden", title=one.title)) for one in hidden),
        (NEW, words.text("clinic_reply_new")),
    ]


def _fill_reply(clinic: Clinic, part: str) -> Form:
    known = {one.id: one for one in (*load_canned(), *merge(clinic.about.get(SETTING)))}
    found = known.get(part)
    own = str(len(clinic.about.get(SETTING) or {}))
    made = {"title": found.title, "text": found.text} if found else {"title": "", "text": "", "own": own}
    return made | ({"hide": "on"} if part in known and part not in _ids(clinic) else {})


def _ids(clinic: Clinic) -> set[str]:
    return {one.id for one in merge(clinic.about.get(SETTING))}


def _read_reply(form: Form, clinic: Clinic, part: str) -> dict[str, Any]:
    changes = dict(clinic.about.get(SETTING) or {})
    ours = {one.id for one in load_canned()}
    if "hide" in form and part != NEW:
        # Ours is hidden; one of the clinic's own is gone.
        changes = {**changes, part: None} if part in ours else {key: v for key, v in changes.items() if key != part}
        return {SETTING: changes}
    title, text = form.get("title", "").strip(), form.get("text", "").replace("\r\n", "\n").strip()
    faults: dict[str, Any] = {}
    if not title or len(title) > LONGEST_TITLE:
        faults["title"] = ("clinic_reply_title", {"most": LONGEST_TITLE})
    if not text or len(text) > LONGEST_TEXT:
        faults["text"] = ("clinic_reply_text", {"most": LONGEST_TEXT})
    if part == NEW and len(changes) >= MOST:
        faults["title"] = ("clinic_reply_most", {"most": MOST})
    if faults:
        raise WrongFields(faults)
    key = part if part != NEW else next(f"own_{n}" for n in range(1, MOST + 2) if f"own_{n}" not in changes)
    same = {one.id: (one.title, one.text) for one in load_canned()}.get(key) == (title, text)
    changes = {other: value for other, value in changes.items() if other != key or not same}
    return {SETTING: changes if same else {**changes, key: {"title": title, "text": text}}}


def _shown_replies(clinic: Clinic, words: InboxWording) -> list[str]:
    found = merge(clinic.about.get(SETTING))
    own = sum(one.own for one in found)
    return [words.text("clinic_replies_line", count=len(found), own=own)]


NUMBERS = Section("numbers", ("numbers",), _fill_lines, _read_lines, _shown_lines, _uses)
REPLIES = Section("replies", (SETTING,), _fill_reply, _read_reply, _shown_replies, _replies)

