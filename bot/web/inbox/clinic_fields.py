"""What the sections of the clinic's page share: fields that are wrong, and the shape of a section."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bot.content.clinics import Clinic
from bot.content.inbox import InboxWording

Form = dict[str, str]
# A key of data/inbox and what fills its placeholders.
Said = tuple[str, dict[str, object]]


class WrongFields(ValueError):
    """What cannot be saved, by field: a key of the wording, with values. The field "" stands for the whole form."""

    def __init__(self, fields: Mapping[str, Said]) -> None:
        super().__init__(", ".join(fields))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Section:
    """A part of the page with one form. `keys` are the settings that it changes.

    `fill` makes the form's fields from the clinic (the same fields: nothing has been changed), `read` the settings from
    the fields that were sent (it raises WrongFields), `shown` says in lines what holds now. `part` is what of a longer
    list is edited (a use of lines, a reply); `parts` are those that there are, with their names.
    """

    id: str
    keys: tuple[str, ...]
    fill: Callable[[Clinic, str], Form]
    read: Callable[[Form, Clinic, str], dict[str, Any]]
    shown: Callable[[Clinic, InboxWording], list[str]]
    parts: Callable[[Clinic, InboxWording], list[tuple[str, str]]] | None = None


def wrong(field: str, key: str, **values: object) -> WrongFields:
    return WrongFields({field: (key, values)})


def only_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()
