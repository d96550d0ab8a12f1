"""What a check finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.content.answers import Answer


@dataclass(frozen=True)
class Fault:
    """One thing to mend: where it is, what is wrong, and what to do about it."""

    file: str
    id: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.id}: {self.what}" + (f" -> {self.mend}" if self.mend else "")


def file_of(answer: Answer) -> str:
    return f"data/responses/{answer.subject}.yml"


def parts(answer: Answer) -> Iterator[tuple[str, str]]:
    """Every bubble of an answer that a patient may read, with the name of its part. Titles are not among them."""
    for part, texts in (
        ("text", answer.bubbles),
        ("opening", answer.openings[1:]),
        ("helper", answer.helper),
        ("more", answer.more),
        ("plain", answer.plain),
        ("flare", (answer.flare,)),
        ("why", (answer.why,)),
    ):
        yield from ((part, text) for text in texts)
