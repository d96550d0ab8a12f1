"""Pages to print or take along: a map, a plan, a summary."""

from __future__ import annotations

from dataclasses import dataclass

# How a section's lines are set.
PARAGRAPHS, LIST, TABLE = "paragraphs", "list", "table"


@dataclass(frozen=True)
class Section:
    """One part of a page. Lines of a TABLE are cells apart by a tab, the first line its headings."""

    heading: str
    lines: tuple[str, ...]
    kind: str = LIST


@dataclass(frozen=True)
class Paper:
    """One page. `name` names the file; `foot` stands under it (what it is and is not)."""

    name: str
    title: str
    sections: tuple[Section, ...]
    foot: str

    def as_text(self) -> str:
        """The page as plain text, as it goes to the clinic's inbox."""
        parts = [self.title]
        for section in self.sections:
            marked = [f"- {line}" if section.kind == LIST else line.replace("\t", ": ") for line in section.lines]
            parts.append("\n".join([section.heading, *marked]))
        return "\n\n".join(parts)
