"""What both kinds of copy of an item, the page and the PDF, list of it."""

from __future__ import annotations

from typing import Any

from bot.web.inbox.acts import Desk


def facts(desk: Desk, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Why the item is here and what became of it, as label and value."""
    words, item, row = desk.words, shown["item"], shown["row"]
    found = [
        ("fact_category", shown["category"] if item.rule else shown["asked_for"]),
        ("fact_rule", item.rule or words.text("fact_no_rule")),
        ("fact_rules_version", item.rules_version or words.text("not_recorded") if item.rule else ""),
        ("fact_heard", shown["heard"]),
        ("fact_scope", shown["scope"]),
        *(("fact_asked", f"{asked} {answer or words.text('no_answer')}") for asked, answer in shown["safety_answers"]),
        ("fact_raised", row.raised.shown),
        ("fact_seen", shown["seen"].shown if shown["seen"] else words.text("fact_not_seen")),
        ("fact_claimed", _at_by(desk, shown["claimed"], shown["holder"])),
        ("fact_answered", shown["answered"].shown if shown["answered"] else ""),
        ("fact_outcome", words.word("outcome", item.outcome) if item.outcome else ""),
        ("fact_state", shown["answers"]),
        ("fact_deadline", shown["deadline"]),
        *(("fact_notices", notice["text"]) for notice in shown["notices"]),
        ("fact_numbers", ", ".join(item.numbers_shown or ())),
        ("fact_shown", " ".join(text.replace("**", "") for text in shown["shown"]) or item.message_shown),
    ]
    return [(words.text(key), str(value)) for key, value in found if value]


def _at_by(desk: Desk, at: Any, name: str) -> str:
    return desk.words.text("at_by", time=at.shown, name=name) if at else ""
