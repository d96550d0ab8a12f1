"""The pages that a proxy shows while no web process answers: the numbers to call, and a problem for programs.

A patient who opens the chat in the night must find the numbers even where nothing of ours runs. So they are plain
files, written at roll-out (``pne outage-pages``) from the clinics and ``data/outage.yml``, for the proxy to keep.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

from bot.content import Clinic, Wording
from bot.content.files import DATA, ContentError, name, read_yaml
from bot.content.wording import ENGLISH
from bot.settings import ROOT
from bot.web.problems import PROBLEMS

FILE = "outage.yml"
TEMPLATES = ROOT / "bot" / "web" / "templates"
# What each problem file answers, and the code of it. Where no web process answers, a message may or may not be kept:
# the same client_id sent again gives the same answer, so that is what to do.
PROBLEM_FILES = {"unavailable.json": ("not_stored", 503), "too_large.json": ("too_large", 413),
                 "too_many.json": ("too_many", 429)}  # fmt: skip


def load_texts(data: Path = DATA) -> dict[str, str]:
    """The sentence above the numbers, by language. Raises ContentError where there is no English one."""
    texts = read_yaml(data / FILE).get("texts")
    if not isinstance(texts, dict) or not all(isinstance(one, str) for one in texts.values()) or ENGLISH not in texts:
        raise ContentError(f"{name(data / FILE)}: texts must have a sentence for each language, English among them.")
    return texts


def write_pages(folder: Path, clinics: Mapping[str, Clinic], wording: Wording, default: str) -> list[Path]:
    """Writes a page for each clinic, ``index.html`` for the clinic `default`, and the problems as JSON.

    Each file is replaced at once, so that a proxy never serves half of one. Raises ContentError.
    """
    texts = load_texts()
    made = {f"{clinic.id}.html": page(clinic, wording, texts) for clinic in clinics.values()}
    made["index.html"] = made[f"{default}.html"]
    for file, (code, status) in PROBLEM_FILES.items():
        made[file] = json.dumps(problem(code, status), indent=2) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in made.items():
        fresh = folder / f".{file}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / file)
    return [folder / file for file in made]


def page(clinic: Clinic, wording: Wording, texts: Mapping[str, str]) -> str:
    """The page of one clinic, in each of its languages that has the words."""
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=select_autoescape())
    tags = [tag for tag in clinic.languages if tag in texts and tag in wording.interfaces] or [ENGLISH]
    sections = [{"strings": wording.interfaces[tag], "text": texts[tag]} for tag in tags]
    return environment.get_template("outage.html").render(sections=sections, numbers=clinic.page_numbers()) + "\n"


def problem(code: str, status: int) -> dict[str, Any]:
    """The same shape as the web app's own problems."""
    _, title, mend = PROBLEMS[code]
    return {"type": f"/docs/problems#{code}", "title": title, "status": status, "code": code, "detail": mend}
