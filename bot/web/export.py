"""Everything that is kept of a chat as one readable HTML document: no script, nothing loaded from anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from bot.content.beliefs import load_beliefs
from bot.content.factors import load_factors
from bot.content.files import fill
from bot.content.forms import load_forms, shown_answer
from bot.content.kept import KeptWords, load_kept_words
from bot.content.lessons import load_lessons

FILE_NAME = "pain-tutor-chat.html"
HEADERS = {
    "Content-Disposition": f'attachment; filename="{FILE_NAME}"',
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
}
_AUTHORS = {"patient": "you", "bot": "tutor", "clinician": "clinician"}
# Names of ours: a person's own words have a space in them, or no line under.
_ID = re.compile(r"[a-z0-9:.]+(_[a-z0-9:.]+)+")
Row = tuple[str, str]


def document(found: Mapping[str, Any], clinic: str, made_at: datetime) -> str:
    """The document, from what ``everything`` gives. All its words are those of ``data/messages.yml``."""
    kept = load_kept_words()
    words = kept.export
    return str(
        _template().render(
            words=words,
            intro=fill(words["intro"], {"clinic": clinic, "date": _shown(made_at.isoformat())}),
            sections=_sections(found, clinic, kept),
            entries=[_entry(event, words) for event in found["events"]],
        )
    )


@lru_cache(maxsize=1)
def _template() -> Any:
    folder = Path(__file__).resolve().parent / "templates"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=select_autoescape(), trim_blocks=True)
    return environment.get_template("export.html")


def _sections(found: Mapping[str, Any], clinic: str, kept: KeptWords) -> list[dict[str, Any]]:
    """The parts beside what was written: a title and rows, or a sentence where there are none."""
    words = kept.export
    facts = found["facts"]
    noted = [(fact["title"], fact["shown"]) for fact in facts or ()]
    parts = [
        ("about", _about(found, clinic, words)),
        ("noted", noted),
        ("feedback", [_feedback(row, words) for row in found["feedback"]]),
        ("surveys", [row for answers in found["surveys"] for row in _survey(answers, found["events"], words)]),
        ("learning", [_learned(row, words) for row in found["learning"]]),
        ("handoffs", [row for item in found["handoffs"] for row in _handoff(item, words)]),
        ("sessions", [_session(row, words) for row in found["sessions"]]),
        ("audit", [(_shown(row["at"]), _act(row, words)) for row in found["audit"]]),
    ]
    empty = {"noted": words["noted_missing"] if facts is None else words["nothing"]}
    return [{"title": words[key], "rows": rows, "empty": empty.get(key, words["nothing"])} for key, rows in parts]


def _about(found: Mapping[str, Any], clinic: str, words: Mapping[str, Any]) -> list[Row]:
    consent = found["consent"]
    reading = str(found["reading"] or "full")
    rows = [
        ("clinic", clinic),
        ("conversation", found["conversation"]),
        ("created", _shown(found["created_at"])),
        ("person_name", found["person_name"]),
        ("subject", found["subject"]),
        ("consent", f"{_shown(consent['at'])} ({consent['version']})" if consent["at"] else None),
        ("locale", found["locale"]),
        ("reading", words["readings"].get(reading, reading)),
        ("state", words["states"].get(found["state"], found["state"])),
        ("shown_at", _shown(found["shown_at"]) if found["shown_at"] else None),
        ("offers", str(found["offers"])),
    ]
    shown = [(words[key], value) for key, value in rows if value]
    return [*shown, *((words[key], words[f"{key}_row"]) for key in ("open_question", "hold") if found[key])]


def _entry(event: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """One event: who, when, and its words. What only a page can show stands in its plain-text twin."""
    body = event["body"]
    who = words[_AUTHORS.get(event["author"], "notice")]
    if event["author"] == "clinician" and body.get("name"):
        who = f"{body['name']}, {body.get('role') or who}"
    own = body.get("text") if event["author"] == "patient" else None
    lines = _lines(str(own or body.get("fallback_text") or ""))
    return {"seq": event["seq"], "author": event["author"], "who": who, "at": _shown(event["at"]), "lines": lines}


def _lines(text: str) -> list[str]:
    return [part.strip() for part in text.replace("**", "").split("\n\n") if part.strip()]


def _feedback(row: Mapping[str, Any], words: Mapping[str, Any]) -> Row:
    said = [words[row["value"]], words[row["code"]] if row["code"] else "", row["reason"] or ""]
    return fill(words["feedback_row"], {"seq": str(row["seq"])}), ". ".join(part for part in said if part)


def _survey(row: Mapping[str, Any], events: Iterable[Mapping[str, Any]], words: Mapping[str, Any]) -> list[Row]:
    """Questions and answers, as they were asked; by their ids alone where a form is gone."""
    form = load_forms().get(row["form"])
    items = {item.id: item.as_dict() for item in form.items} if form is not None else {}
    for event in events:
        if event["body"].get("kind") == "questionnaire" and event["body"].get("form") == row["form"]:
            items |= {item["id"]: item for item in event["body"]["items"]}
    return [
        (
            items[key]["text"] if key in items else key,
            words["skipped"] if answer is None else shown_answer(items[key], answer) if key in items else str(answer),
        )
        for key, answer in row["answers"].items()
    ]


def _learned(row: Mapping[str, Any], words: Mapping[str, Any]) -> Row:
    """One entry of the tutor's journal: when and what, and what was noted; by their names where we have no words."""
    kind = words["learning_kinds"].get(row["kind"], _spaced(row["kind"]))
    said = [_named(row["key"], words), _in_words(row["value"], words)]
    return f"{_shown(row['at'])}. {kind}", "\n".join(part for part in said if part)


def _in_words(value: Any, words: Mapping[str, Any]) -> str:
    """A plain value as people read it: parts with their names, one a line; what is empty is left out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(words["learning_yes" if value else "learning_no"])
    if isinstance(value, dict):
        labels = words["learning_parts"]
        parts = ((labels.get(key, _named(key, words)), _in_words(one, words)) for key, one in value.items())
        return "\n".join(f"{name}: {said}" for name, said in parts if said)
    if isinstance(value, list):
        return "; ".join(said for one in value if (said := _in_words(one, words).replace("\n", ", ")))
    return _named(value, words) if isinstance(value, str) else str(value)


def _named(text: str, words: Mapping[str, Any]) -> str:
    """An id in words; anything else, as the patient's own words, as it is."""
    if text in words["learning_names"]:
        return str(words["learning_names"][text])
    return _titles().get(text) or (_spaced(text) if _ID.fullmatch(text) else text)


@lru_cache(maxsize=1)
def _titles() -> dict[str, str]:
    """What the tutor's things are called, by id."""
    factors = {id: one.title for id, one in load_factors().by_id.items()}
    lessons = {id: one.title for id, one in load_lessons().items()}
    return {**lessons, **factors, **{id: one.statement for id, one in load_beliefs().items()}}


def _spaced(name: str) -> str:
    return name.replace("_", " ").strip()


def _handoff(item: Mapping[str, Any], words: Mapping[str, Any]) -> list[Row]:
    status = words["statuses"].get(item["status"], item["status"])
    about = f"{words['tiers'].get(item['tier'], item['tier'])}. {status}"
    sent = [f"{notice['channel']}: {_shown(notice['sent_at'] or notice['due_at'])}" for notice in item["notices"]]
    return [
        (_shown(item["at"]), about),
        (words["handoff_words"], "\n".join([item["words"], *filter(None, [item["about"].get("note")])])),
        *([(words["handoff_notices"], ", ".join(sent))] if sent else []),
    ]


def _session(row: Mapping[str, Any], words: Mapping[str, Any]) -> Row:
    until, revoked = _shown(row["expires_at"]), _shown(row["revoked_at"])
    ended = fill(words["session_revoked"], {"date": until, "revoked": revoked})
    return words["session_row"], ended if revoked else until


def _act(row: Mapping[str, Any], words: Mapping[str, Any]) -> str:
    act = words["acts"].get(row["act"], row["act"])
    return f"{act} ({words['actors'].get(row['actor'], row['actor'])})"


def _shown(at: str | None) -> str:
    """A time as people read it, in UTC."""
    return f"{datetime.fromisoformat(at.replace('Z', '+00:00')):%d %B %Y, %H:%M}" if at else ""
