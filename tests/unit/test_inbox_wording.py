"""The inbox's wording: every text is used, every text that is used is there, every code has its word."""

from __future__ import annotations

import re
from pathlib import Path

import bot.web
from bot.content.inbox import load_inbox_wording
from bot.handoff.roles import ROLES
from bot.handoff.states import OUTCOMES, TIERS
from bot.store.handoffs import STATUSES

WEB = Path(bot.web.__file__).parent
TEXTS = load_inbox_wording().texts
TEMPLATES = {path: path.read_text(encoding="utf-8") for path in (WEB / "templates" / "inbox").glob("*.html")}
CODE = {path: path.read_text(encoding="utf-8") for path in WEB.rglob("*.py")}
EVERYTHING = "\n".join([*TEMPLATES.values(), *CODE.values()])
# A key that is put together: "tier_" ~ row.tier, f"status_{status}", word("outcome", …), counted("dead", …).
MADE = re.compile(r"""["']([a-z_]+_)["']|f["']([a-z_]+_)\{|\bword\(["']([a-z_]+)["']""")
COUNTED = re.compile(r"""\bcounted\(\s*["']([a-z_]+)["']""")


def starts() -> tuple[str, ...]:
    found = [next(part for part in match.groups() if part) for match in MADE.finditer(EVERYTHING)]
    return tuple({part if part.endswith("_") else f"{part}_" for part in found})


def test_every_text_is_used() -> None:
    counted = {f"{key}_one" for key in COUNTED.findall(EVERYTHING)}
    named = set(re.findall(r"[A-Za-z0-9_]+", EVERYTHING)) | counted
    assert [key for key in TEXTS if key not in named and not key.startswith(starts())] == []


def test_every_text_that_a_template_names_is_there() -> None:
    for path, source in TEMPLATES.items():
        named = {*re.findall(r"\bt\.([a-z]\w+)", source), *re.findall(r"""\btext\(["'](\w+)["']""", source)}
        named |= {form for key in COUNTED.findall(source) for form in (key, f"{key}_one")}
        assert named <= set(TEXTS), (path.name, named - set(TEXTS))


def test_every_code_has_its_word() -> None:
    for tier in TIERS:
        assert {f"tier_{tier}", f"tier_about_{tier}"} <= set(TEXTS)
    assert {f"outcome_{outcome}" for outcome in OUTCOMES} <= set(TEXTS)
    assert {f"role_{role}" for role in ROLES} <= set(TEXTS)
    assert len(STATUSES) == 8, "a new status needs its words in the queue (rows.py)"
