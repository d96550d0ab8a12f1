"""The widget's files: one text of many modules, hashes of what is served, and loaders that stay."""

from __future__ import annotations

import base64
import gzip
import hashlib
from pathlib import Path

import pytest

from bot.content.files import ContentError
from bot.web import assets
from bot.web.assets import CHAT, ENTRY, FIRST, LATER, LOADER, RELEASED, bundle, later_part, load_assets, modules
from tests.support.patient_api import ScriptedRasa, door, make_services


def sri(body: bytes) -> str:
    return "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("plain", [CHAT, "pne-settings.js", LOADER, FIRST, "en.json"])
async def test_what_is_served_is_what_the_hash_covers(tmp_path: Path, plain: str, packed: bool) -> None:
    made = load_assets()[plain]
    async with door(make_services(tmp_path, ScriptedRasa())) as client:
        headers = {"Accept-Encoding": "gzip" if packed else "identity", "Origin": "https://anywhere.example"}
        named = await client.get(f"/w/{made.name}", headers=headers)
        again = await client.get(f"/w/{made.name}", headers={**headers, "If-None-Match": named.headers["etag"]})
        unnamed = await client.get(f"/w/{plain}", headers=headers)
    assert sri(named.content) == made.integrity == sri(unnamed.content)
    assert hashlib.sha256(named.content).hexdigest()[:12] in made.name
    assert named.headers.get("content-encoding") == ("gzip" if packed else None)
    assert named.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert unnamed.headers["cache-control"] == "no-cache"
    assert named.headers["access-control-allow-origin"] == "*", "the browser checks a hash only of what it may read"
    assert "access-control-allow-credentials" not in named.headers
    assert "Accept-Encoding" in named.headers["vary"]
    assert (again.status_code, again.content) == (304, b"")


async def test_a_released_loader_stays_and_nothing_else_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "released"
    folder.mkdir()
    (folder / "loader-000000000000.js").write_bytes(b"an earlier loader\n")
    (tmp_path / "secret.js").write_text("outside")
    monkeypatch.setattr(assets, "RELEASED", folder)
    async with door(make_services(tmp_path, ScriptedRasa())) as client:
        kept = await client.get("/w/loader-000000000000.js")
        assert (kept.status_code, kept.content) == (200, b"an earlier loader\n")
        assert kept.headers["cache-control"].endswith("immutable")
        assert kept.headers["content-type"].startswith("text/javascript")
        for wrong in ("loader-111111111111.js", "..%2Fsecret.js", "%2e%2e/secret.js", "element.js", "%00"):
            assert (await client.get(f"/w/{wrong}")).status_code == 404, wrong


def test_the_present_loader_is_released() -> None:
    made = load_assets()[LOADER]
    kept = RELEASED / made.name
    mend = (
        "The loader has changed. Pages that name its hash must get it for good: when the change is done, keep it with "
        "`.venv/bin/python -m bot.cli embed --release` and commit widget/released/. Never take an older file away."
    )
    assert kept.is_file() and kept.read_bytes() == made.body, mend


def test_every_released_loader_is_what_its_name_says() -> None:
    for path in RELEASED.glob("loader-*.js"):
        assert path.stem.rpartition("-")[2] == hashlib.sha256(path.read_bytes()).hexdigest()[:12], path.name


def test_modules_become_one_text_in_the_order_of_need(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text(
        'import { two } from "./b.js";\nimport { BUILD } from "./build.js";\n// why\nlet one = two;\n'
    )
    (tmp_path / "b.js").write_text("export const two = 2;\nexport function three() {}\n")
    made = bundle("a.js", {"build.js": "const BUILD = {};\n"}, tmp_path)
    assert "import" not in made and "export" not in made and "why" not in made
    assert made.index("two=2") < made.index("one=two")


def test_a_name_that_two_modules_declare_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text('import { two } from "./b.js";\nconst same = two;\n')
    (tmp_path / "b.js").write_text("export const two = 2;\nfunction same() {}\n")
    with pytest.raises(ContentError, match="both declare same"):
        bundle("a.js", {}, tmp_path)


def test_the_page_is_small_on_the_way_where_the_browser_can_read_that() -> None:
    for made in load_assets().values():
        assert gzip.decompress(made.packed) == made.body


# What is loaded later


def test_only_the_menu_and_the_tutors_pictures_are_loaded_later() -> None:
    """Safety, sending, receiving, questions, calls and leaving must work from the first file alone."""
    there = modules(ENTRY, {"build.js": "\n"})
    later = {name for part in LATER for name in modules(f"{part}.js", {})} - set(there)
    pictures = {name for name in later if name.startswith("picture_")}
    assert later - pictures == {"settings.js", "data.js", "extras.js", "breath.js", "pictures.js", "visual.js"}
    assert len(pictures) == 9


def test_the_chat_names_what_it_loads_by_its_hash() -> None:
    chat = load_assets()[CHAT].body.decode()
    for part in LATER:
        made = load_assets()[f"pne-{part}.js"]
        assert f'"{part}":["{made.name}","{made.integrity}"]' in chat


def test_a_part_takes_what_is_there_and_brings_the_rest(tmp_path: Path) -> None:
    (tmp_path / "first.js").write_text(
        'import { two } from "./b.js";\nimport { BUILD } from "./build.js";\nlet one = BUILD ?? two;\n'
    )
    (tmp_path / "b.js").write_text("export const two = 2;\nexport function three() {}\nexport const unused = 4;\n")
    (tmp_path / "part.js").write_text(
        'import {\n  three,\n  two,\n} from "./b.js";\nimport { own } from "./c.js";\n'
        "export function show() { three(own, two); }\n"
    )
    (tmp_path / "c.js").write_text('import { two } from "./b.js";\nexport const own = two + 1;\n')
    text, taken = later_part("part.js", "p { color: red }", "first.js", tmp_path)
    assert taken == {"two", "three"}
    assert text.startswith("export default({three,two})=>{") and "import" not in text and text.count("export") == 1
    assert text.index("own=two") < text.index("function show")
    assert 'return{show,styles:"p { color: red }"}' in text


def test_a_part_that_the_first_file_holds_already_is_refused(tmp_path: Path) -> None:
    (tmp_path / "first.js").write_text('import { show } from "./part.js";\nshow();\n')
    (tmp_path / "part.js").write_text("export function show() {}\n")
    with pytest.raises(ContentError, match="is for later"):
        later_part("part.js", "", "first.js", tmp_path)
