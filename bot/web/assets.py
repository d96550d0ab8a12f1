"""The widget's files as they are served: one module of the chat, its loader, and the words of each language.

``widget/`` is written as plain ES modules. Here the modules of the chat are put into one file, without their comments
and imports, so that a slow phone asks once, and one hash (SRI) covers all of it. What is rarely used comes in files of
its own, which the chat loads when it needs them and whose hashes it holds (docs/decisions/011). Every file has its
content's hash in its name and may be kept for good; the same without the hash is asked about each time.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rjsmin import jsmin
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content.files import ContentError
from bot.content.wording import load_wording
from bot.settings import ROOT
from bot.web.problems import Problem

WIDGET = ROOT / "widget"
# Files of earlier versions that clinics' pages may still name, hash and all.
RELEASED = WIDGET / "released"
STATIC = Path(__file__).resolve().parent / "static"
ENTRY = "element.js"
CHAT, LOADER, FIRST = "pne-chat.js", "loader.js", "first.js"
# What widget/later.js loads when it is needed: a module, and a style sheet of the same name. Never anything of safety,
# sending, receiving, questions, calls or leaving: the chat must do all that from its first file alone.
LATER = ("settings", "extras", "pictures")
LIGHT = (STATIC / "base.css", WIDGET / "chat.css", WIDGET / "messages.css", WIDGET / "parts.css")
DARK = (STATIC / "dark.css",)
KEEP = "public, max-age=31536000, immutable"
_IMPORT = re.compile(r'^import (?:\{[^}]*\} from )?"\./([\w-]+\.js)";\n', re.M)
_TAKEN = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let) )", re.M)
_OFFERED = re.compile(r"^export (?:async )?(?:function|class|const) (\w+)", re.M)
_DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.M)
_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.S)
LOADER_WORDS = ("launcher_open", "launcher_close", "launcher_unread", "frame_title")


@dataclass(frozen=True)
class Asset:
    """One file. `name` holds the hash of its content, `plain` does not."""

    plain: str
    body: bytes

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.body).hexdigest()[:12]

    @property
    def name(self) -> str:
        stem, _, suffix = self.plain.rpartition(".")
        return f"{stem}-{self.hash}.{suffix}"

    @property
    def integrity(self) -> str:
        """The value of the ``integrity`` attribute (SRI)."""
        return "sha384-" + base64.b64encode(hashlib.sha384(self.body).digest()).decode()

    @property
    def packed(self) -> bytes:
        return _packed(self.body)


@lru_cache(maxsize=64)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


@lru_cache(maxsize=1)
def load_assets() -> Mapping[str, Asset]:
    """All files by plain name. Raises ContentError where two modules declare the same name."""
    wording = load_wording()
    languages = {
        tag: Asset(f"{tag}.json", _json(words).encode()) for tag, words in wording.interfaces.items()
    }
    parts, shared = {}, set()
    for part in LATER:
        text, taken = later_part(f"{part}.js", _css(WIDGET / f"{part}.css"))
        parts[part] = Asset(f"pne-{part}.js", text.encode())
        shared |= taken
    build = {
        "locales": {tag: asset.name for tag, asset in languages.items()},
        "later": {part: [asset.name, asset.integrity] for part, asset in parts.items()},
        "light": "".join(_css(path) for path in LIGHT),
        "dark": "".join(_css(path) for path in DARK),
    }
    made_here = f"const BUILD = {_json(build)};\nconst SHARED = () => ({{{', '.join(sorted(shared))}}});\n"
    labels = {
        tag: {"dir": words["dir"], **{key.partition("_")[2]: words[key] for key in LOADER_WORDS}}
        for tag, words in wording.interfaces.items()
    }
    made = [
        Asset(CHAT, bundle(ENTRY, {"build.js": made_here}).encode()),
        *parts.values(),
        Asset(LOADER, _alone(bundle(LOADER, {"labels.js": f"const LABELS = {_json(labels)};\n"})).encode()),
        Asset(FIRST, _alone(bundle(FIRST)).encode()),
        *languages.values(),
    ]
    return {asset.plain: asset for asset in made}


def bundle(entry: str, made: Mapping[str, str] | None = None, folder: Path = WIDGET) -> str:
    """A module and all that it imports as one text, each after what it needs. `made`: modules made here, by name.
    Raises ContentError where two modules declare the same name."""
    return _joined(modules(entry, made or {}, folder))


def later_part(entry: str, css: str, first: str = ENTRY, folder: Path = WIDGET) -> tuple[str, set[str]]:
    """A module for later, with what it needs beside the modules of the `first` file; and the names that it takes from
    those. It is served as one function of these names, which gives what the module exports and `styles`.

    Raises ContentError where two modules declare the same name, or where the first file would hold this module too."""
    there = modules(first, {"build.js": "\n"}, folder)
    if entry in there:
        raise ContentError(f"widget/{entry} is for later, but a module of the first file imports it.")
    own = {name: text for name, text in modules(entry, {}, folder).items() if name not in there}
    taken = {
        name.strip()
        for text in own.values()
        for names, other in _TAKEN.findall(text)
        if other in there
        for name in names.split(",")
        if name.strip()
    }
    offered = ",".join([*_OFFERED.findall(own[entry]), f"styles:{_json(css)}"])
    function = f"export default({{{','.join(sorted(taken))}}})=>{{\n{_joined(own)}return{{{offered}}}\n}};\n"
    return function, taken


def modules(entry: str, made: Mapping[str, str], folder: Path = WIDGET) -> dict[str, str]:
    """A module and all that it imports, by name, each after what it needs."""
    texts: dict[str, str] = {}

    def take(name: str) -> None:
        if name in texts:
            return
        source = made.get(name) or (folder / name).read_text(encoding="utf-8")
        texts[name] = ""
        for other in _IMPORT.findall(source):
            take(other)
        texts.pop(name)
        texts[name] = source

    take(entry)
    return texts


def _joined(texts: Mapping[str, str]) -> str:
    owner: dict[str, str] = {}
    for name, source in texts.items():
        for declared in _DECLARED.findall(source):
            if declared in owner:
                raise ContentError(f"widget/{name} and widget/{owner[declared]} both declare {declared}; rename one.")
            owner[declared] = name
    whole = "".join(_EXPORT.sub("", _IMPORT.sub("", source)) for source in texts.values())
    return str(jsmin(whole)) + "\n"


def _alone(script: str) -> str:
    """As a classic script that leaves no names behind."""
    return f'(() => {{\n"use strict";\n{script}}})();\n'


def _css(path: Path) -> str:
    text = _CSS_COMMENT.sub("", path.read_text(encoding="utf-8"))
    short = re.sub(r"\s*([{};,>])\s*", r"\1", re.sub(r"\s+", " ", text))
    return short.replace(": ", ":").replace(";}", "}").strip()


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def routes() -> list[Route]:
    return [Route("/w/{name}", asset, methods=["GET"])]


async def asset(request: Request) -> Response:
    """One file. Any page may load it: which pages may show a chat is decided where the chat is opened."""
    wanted = request.path_params["name"]
    headers = {
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Accept-Encoding",
    }
    for found in load_assets().values():
        if wanted not in (found.name, found.plain):
            continue
        kept = KEEP if wanted == found.name else "no-cache"
        return _answer(request, found.body, found.packed, wanted, {**headers, "Cache-Control": kept})
    released = RELEASED / wanted
    if released.parent == RELEASED and os.path.isfile(released):  # Path.is_file raises for a name that is too long
        body = released.read_bytes()
        return _answer(request, body, _packed(body), wanted, {**headers, "Cache-Control": KEEP})
    raise Problem("not_found")


def _answer(request: Request, body: bytes, packed: bytes, name: str, headers: dict[str, str]) -> Response:
    kind = "application/json" if name.endswith(".json") else "text/javascript; charset=utf-8"
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = {**headers, "ETag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, media_type=kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(body, media_type=kind, headers=headers)
