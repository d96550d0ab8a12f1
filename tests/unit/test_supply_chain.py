"""What we depend on: docs/dependencies.md and uv.lock say the same, the bill of materials is whole, the audit cannot
pass by accident, licences are known, and nothing reports to its maker."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bot.settings import ROOT

sys.path.insert(0, str(ROOT / "deploy"))
import image_size
import sbom

DOC = (ROOT / "docs/dependencies.md").read_text()
LOCK = (ROOT / "uv.lock").read_text()
PROJECT = (ROOT / "pyproject.toml").read_text()
# The tables are about the Python that the image has.
PYTHON = (ROOT / ".python-version").read_text().strip()
# What was published before must be explained.
OLD = "2024-01-01"
# Libraries under the LGPL that are used unchanged; the text on licences says why that is well.
LGPL = {"fpdf2", "psycopg2-binary"}


def names(block: str) -> list[str]:
    """The plain names of the quoted requirements of a list in pyproject.toml."""
    [found] = re.findall(rf"^{block} = \[([^\n]*)\]$|^{block} = \[\n(.*?)^\]", PROJECT, re.M | re.S)
    return [sbom.plain(name) for name in re.findall(r'"([A-Za-z0-9_.-]+)', "".join(found))]


def published() -> dict[tuple[str, str], str]:
    """The day of the newest file of each locked package."""
    days = {}
    for block in LOCK.split("[[package]]")[1:]:
        name, version = re.findall(r'^name = "(.+)"\nversion = "(.+)"', block, re.M)[0]
        days[name, version] = max(re.findall(r'upload-time = "(\d{4}-\d\d-\d\d)', block), default="")
    return days


@pytest.fixture(scope="module")
def run_time() -> dict[str, str]:
    return sbom.locked([sbom.uv(), *sbom.EXPORT], PYTHON)


@pytest.fixture(scope="module")
def everything() -> dict[str, str]:
    return sbom.locked([sbom.uv(), "export", "--quiet", "--frozen", "--all-extras", "--group", "test"], PYTHON)


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    made, missing = sbom.bill()
    assert missing == []
    return made


def table() -> dict[str, tuple[str, str, str, str]]:
    """The rows of our own dependencies: version, day, licence and reason by name."""
    rows = re.findall(r"^\| ([\w.-]+) \| ([\w.]+) \| (\d{4}-\d\d-\d\d) \| ([^|]+) \| ([^|]+) \|$", DOC, re.M)
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def test_every_dependency_of_ours_is_in_the_table_as_it_is_locked(everything: dict[str, str]) -> None:
    direct = {*names("dependencies"), *names("tracing"), *names("test")}
    days = published()
    assert table().keys() == direct
    for name, (version, day, licence, reason) in table().items():
        assert (version, day) == (everything[name], days[name, everything[name]]), name
        assert licence and len(reason) > 3, name


def test_every_old_package_is_explained_with_its_version(run_time: dict[str, str]) -> None:
    section = DOC.split("## Held back")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    said = dict(re.findall(r"([a-z][\w-]*) (\d[\w.]*)", ",".join(cells)))
    days = published()
    old = {name: version for name, version in run_time.items() if days[name, version] < OLD}
    assert len(old) > 20
    assert old.items() <= said.items()
    assert {name: run_time.get(name) for name in said} == said


def test_every_override_is_explained() -> None:
    lifted = DOC.split("## Lifted above")[1].split("\n## ")[0].lower()
    assert [name for name in names("override-dependencies") if name not in sbom.plain(lifted)] == []


def test_what_is_left_out_is_neither_locked_nor_imported_by_us() -> None:
    out = set(names("exclude-dependencies"))
    assert {"tensorflow", "twilio", "confluent-kafka"} <= out
    assert out.isdisjoint(name for name, _ in published())
    decided = "".join(path.read_text() for path in (ROOT / "docs/decisions").glob("01*.md"))
    decided += (ROOT / "docs/decisions/001-rasa-without-tensorflow.md").read_text()
    assert [name for name in out if not name.startswith("tensorflow") and name not in decided] == []
    modules = {name.replace("-", "_") for name in out} | {"google", "socketio", "engineio", "rocketchat_API"}
    for path in [*(ROOT / "bot").rglob("*.py"), *(ROOT / "actions").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {one.split(".")[0] for one in named} & modules, path


def test_the_bill_of_materials_has_every_package_that_runs(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    packages = {one["name"]: one for one in bill["components"] if one.get("purl", "").startswith("pkg:pypi/")}
    wanted = sbom.locked([sbom.uv(), *sbom.EXPORT])
    assert len(wanted) > 100
    assert {sbom.plain(name): one["version"] for name, one in packages.items()} == wanted
    for name, one in packages.items():
        hashes = [digest for file in one["externalReferences"] for digest in file.get("hashes", ())]
        assert hashes and all(len(digest["content"]) == 64 for digest in hashes), name
        assert one["licenses"], name
    refs = {one["bom-ref"] for one in packages.values()} | {bill["metadata"]["component"]["bom-ref"]}
    assert {ref for one in bill["dependencies"] for ref in one.get("dependsOn", [])} <= refs


def test_the_bill_of_materials_has_what_is_no_package(bill: dict[str, Any]) -> None:
    beside = {one["name"]: one for one in bill["components"] if not one.get("purl", "").startswith("pkg:pypi/")}
    assert sum(one["type"] == "machine-learning-model" for one in beside.values()) == 2
    assert "2.0" in beside["htmx.org"]["version"]
    assert all(len(one["hashes"][0]["content"]) == 64 for one in beside.values())


def test_an_environment_that_is_not_the_locked_one_gets_no_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = sbom.installed
    monkeypatch.setattr(sbom, "installed", lambda name: "0.1" if name == "starlette" else real(name))
    assert sbom.main(tmp_path / "sbom.json") == 1
    assert "starlette" in capsys.readouterr().err and not (tmp_path / "sbom.json").exists()


def test_nothing_that_runs_is_under_the_gpl_or_unsaid(bill: dict[str, Any]) -> None:
    said = {one["name"]: json.dumps(one["licenses"]) for one in bill["components"]}
    assert {name for name, text in said.items() if re.search(r"LGPL|Lesser", text)} == LGPL
    assert [name for name, text in said.items() if name not in LGPL and re.search(r"GPL|GNU|unknown", text)] == []
    licences = DOC.split("## Licences")[1]
    assert all(name in licences for name in LGPL)
    # The table says what the packages say, in short.
    for name, (version, _, licence, _) in table().items():
        if said.get(name) and metadata.version(name) == version:
            kinds = set(re.findall("MIT|BSD|Apache|LGPL|MPL", licence))
            assert kinds and kinds <= set(re.findall("MIT|BSD|Apache|LGPL|MPL", said[name])), name


def test_the_image_is_as_large_as_what_goes_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").write_bytes(b"x" * 3_000_000)
    monkeypatch.setattr(image_size, "_models", lambda: [tmp_path / "model"])
    found = image_size.sizes()
    assert found["models_mb"] == 3.0
    assert found["packages"] == len(sbom.locked([sbom.uv(), *sbom.EXPORT]))
    parts = [found[f"{part}_mb"] for part in ("packages", "ours", "models")]
    assert found["total_mb"] == pytest.approx(sum(parts), abs=0.2)
    assert sum(found["largest_mb"].values()) < found["packages_mb"] < 900 and found["ours_mb"] > 5


@contextmanager
def osv(known: dict[str, str]) -> Iterator[str]:
    """A stand-in for the vulnerability service on loopback: `known` names what each package suffers from."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))["queries"]
            found = [known.get(query["package"]["name"]) for query in asked]
            when = "2026-01-01T00:00:00Z"
            self.say({"results": [{"vulns": [{"id": one, "modified": when}]} if one else {} for one in found]})

        def do_GET(self) -> None:
            self.say({"id": self.path.split("/")[-1], "modified": "2026-01-01T00:00:00Z", "affected": []})

        def say(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def audit(service: str) -> subprocess.CompletedProcess[str]:
    """The command of ``make audit`` with another service."""
    shown = subprocess.run(["make", "--dry-run", "audit"], cwd=ROOT, capture_output=True, text=True, check=True)
    [line] = [line for line in shown.stdout.splitlines() if " audit " in line]
    command = [sbom.uv(), *line.split()[1:], "--service-url", service]
    environ = {**os.environ, "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environ)


def test_the_audit_passes_only_where_it_was_answered_and_nothing_was_found() -> None:
    with osv({}) as service:
        assert audit(service).returncode == 0
    with osv({"jinja2": "MADE-UP-1"}) as service:
        found = audit(service)
        assert found.returncode != 0 and "MADE-UP-1" in found.stdout
    assert audit(service).returncode != 0  # nobody is there any more


def test_the_encoder_reports_nothing_to_its_maker(tmp_path: Path) -> None:
    code = "from bot.understanding.encoder import load_encoder; print(load_encoder()(['a']).shape)"
    environ = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=True)
    assert "384" in done.stdout
    # Where it may report, it makes a device id and a queue of reports at once.
    assert list(tmp_path.rglob("*")) == []
