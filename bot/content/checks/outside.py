"""Wording for patients stands in ``data/`` only: the search for sentences in Python that speak to somebody."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from bot.content.checks.fault import Fault
from bot.settings import ROOT

# Written for people who run the product, not for patients: the command line, its start, the checks, the model's card,
# and problem JSON, whose sentences the page never shows.
FOR_OPERATORS = (
    "bot/cli.py", "bot/cli_", "bot/processes.py", "bot/settings.py",
    "bot/web/problems.py", "bot/model_card.py", "bot/content/checks/", "bot/rasa_light/",
)  # fmt: skip
# A sentence: starts with a capital, has three words or more, and ends as sentences do.
SENTENCE = re.compile(r"(?:^|[\s>])[A-Z][\w'’]*(?: [\w'’,]+){2,}[^<>{}]*[.?!…](?:\s|$)")
TO_SOMEBODY = re.compile(r"\b(?:you|your|yours|please|sorry)\b", re.IGNORECASE)


def wording_in_code(root: Path = ROOT) -> Iterator[Fault]:
    """Sentences to somebody in string literals of the product's Python."""
    for path in sorted([*(root / "bot").rglob("*.py"), *(root / "actions").rglob("*.py")]):
        file = path.relative_to(root).as_posix()
        if file.startswith(FOR_OPERATORS):
            continue
        for line, text in strings(path):
            if said_to_somebody(text):
                yield Fault(file, f"line {line}", f"wording in code: {text!r}", "move it to data/")


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The string literals of a module that are not docstrings and not the message of something raised or logged."""
    tree = ast.parse(path.read_text())
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(id(node.value))
        elif isinstance(node, (ast.Raise, ast.Assert)):
            skipped |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.lineno, node.value


def said_to_somebody(text: str) -> bool:
    return bool(SENTENCE.search(text)) and bool(TO_SOMEBODY.search(text))
