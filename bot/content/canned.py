"""Replies that clinicians may start from (``data/canned_replies.yml``), and a clinic's own changes to them.

They are only ever put into the box for editing. A clinic's changes (`clinic_setting`, key ``canned_replies``) are a
document by id: ``{"hello": {"title": …, "text": …}, "visit": None}``; None hides ours, a new id adds one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.clinics import Clinic
from bot.content.files import DATA, ContentError, fill, name, read_yaml

# The key of a clinic's changes in its settings.
SETTING = "canned_replies"
LONGEST_TITLE = 80
LONGEST_TEXT = 2_000
MOST = 60
_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True)
class Canned:
    """One reply to start from. `text` has its placeholders still in it; `own`: the clinic's own words."""

    id: str
    title: str
    text: str
    own: bool = False

    def filled(self, clinic: Clinic, by: str) -> str:
        """The text as it goes into the box, for the clinician whose name is `by`."""
        return fill(self.text, {**clinic.numbers, "clinic": clinic.name, "clinic_phone": clinic.phone, "name": by})


@lru_cache(maxsize=4)
def load_canned(data: Path = DATA) -> tuple[Canned, ...]:
    """Ours, in the file's order. Raises ContentError that names the reply and the mend."""
    path = data / "canned_replies.yml"
    content = read_yaml(path)
    if not isinstance(content, dict) or set(content) != {"review", "replies"} or not content["replies"]:
        raise ContentError(f"{name(path)}: write review and replies, and nothing else.")
    try:
        return tuple(_canned(str(key), fields, own=False) for key, fields in content["replies"].items())
    except ValueError as error:
        raise ContentError(f"{name(path)}: {error}") from None


def checked(setting: Any) -> dict[str, Canned | None]:
    """A clinic's changes by id; None hides ours. Raises ValueError with a sentence for people."""
    if not isinstance(setting, Mapping):
        raise ValueError("The replies must be a list by id.")
    if len(setting) > MOST:
        raise ValueError(f"There are {len(setting)} replies; {MOST} at most.")
    return {
        str(key): None if fields is None else _canned(str(key), fields, own=True) for key, fields in setting.items()
    }


def merge(setting: Any, ours: tuple[Canned, ...] | None = None) -> tuple[Canned, ...]:
    """Ours with the clinic's changes put over them, the clinic's new ones last. Raises ValueError, as `checked`."""
    changes = checked(setting or {})
    known = {one.id: one for one in (load_canned() if ours is None else ours)}
    return tuple(one for one in {**known, **changes}.values() if one is not None)


def _canned(key: str, fields: Any, own: bool) -> Canned:
    if not _ID.fullmatch(key):
        raise ValueError(f"{key[:40]!r}: the id is a short word in lower case, such as call_me.")
    if not isinstance(fields, Mapping) or set(fields) != {"title", "text"}:
        raise ValueError(f"{key}: a reply has a title and a text, and nothing else.")
    title, text = (str(fields[part] or "").replace("\r\n", "\n").strip() for part in ("title", "text"))
    if not title or not text:
        raise ValueError(f"{key}: title and text must not be empty.")
    if len(title) > LONGEST_TITLE or "\n" in title:
        raise ValueError(f"{key}: the title must be one line of {LONGEST_TITLE} characters at most.")
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{key}: the text has {len(text)} characters; {LONGEST_TEXT} at most.")
    return Canned(key, title, text, own)
