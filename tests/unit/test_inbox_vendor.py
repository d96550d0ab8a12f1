"""htmx as it is kept: the published file, unchanged, and set up so that it can do no harm."""

from __future__ import annotations

import hashlib
import json
import re

from bot.web.pages import HERE

FILE = HERE / "static" / "vendor" / "htmx-2.0.11.min.js"
SHA256 = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
LAYOUT = (HERE / "templates" / "inbox" / "layout.html").read_text(encoding="utf-8")


def test_the_file_is_the_published_one_and_the_page_uses_it() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256
    assert f"/static/vendor/{FILE.name}" in LAYOUT
    assert "Permission to use, copy" in (FILE.parent / "htmx-LICENSE.txt").read_text(encoding="utf-8")


def test_htmx_runs_no_code_makes_no_styles_keeps_no_pages_and_asks_nobody_else() -> None:
    found = re.search(r"<meta name=\"htmx-config\" content='([^']+)'>", LAYOUT)
    assert found
    config = json.loads(found[1])
    for name in ("allowEval", "allowScriptTags", "includeIndicatorStyles", "historyEnabled"):
        assert config[name] is False, name
    assert config["selfRequestsOnly"] is True
    assert config["historyCacheSize"] == 0, "patients' words must not stay in the browser's storage"
    assert "style" not in config["attributesToSettle"]
