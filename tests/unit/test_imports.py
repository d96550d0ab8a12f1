"""The import rule of bot/__init__.py, read from the source, and what the fast packages really load."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from bot.settings import ROOT

PURE = ("safety", "content", "understanding", "tutor")
OUTSIDE = {"rasa", "rasa_sdk", "sqlalchemy", "starlette", "uvicorn", "httpx"}


def imports_of(path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def modules(*folders: str):
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


@pytest.mark.parametrize("package", PURE)
def test_pure_packages_import_no_framework(package: str) -> None:
    for path in modules(f"bot/{package}"):
        tops = {name.split(".")[0] for name in imports_of(path)}
        assert not tops & OUTSIDE, path


def test_only_the_rasa_side_imports_rasa() -> None:
    for path in modules("bot", "actions"):
        tops = {name.split(".")[0] for name in imports_of(path)}
        part = path.relative_to(ROOT).parts
        if "rasa" in tops:
            assert part[:2] in {("bot", "nlu"), ("bot", "channels"), ("bot", "rasa_light")}, path
        if "rasa_sdk" in tops:
            assert part[0] == "actions", path


def test_the_store_knows_nothing_above_it_and_nothing_imports_actions_or_cli() -> None:
    for path in modules("bot", "actions"):
        names = imports_of(path)
        part = path.relative_to(ROOT).parts
        assert not any(name.split(".")[0] == "actions" or name == "bot.cli" for name in names), path
        if part[:2] == ("bot", "store"):
            assert all(name.startswith("bot.store") for name in names if name.startswith("bot")), path


def test_the_pure_packages_load_no_framework() -> None:
    """What the source says above, seen in a process of its own: also nothing by way of somebody else's imports."""
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules(*(f"bot/{p}" for p in PURE))]
    code = (
        f"import importlib, sys; [importlib.import_module(name) for name in {names!r}];"
        f"print(sorted({OUTSIDE | {'tensorflow'}!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_source_file_is_too_long_to_read() -> None:
    long = [str(p) for p in modules("bot", "actions") if len(p.read_text().splitlines()) > 420]
    assert not long
