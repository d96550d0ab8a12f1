"""Find or install a browser for the tests: ``python -m tests.support.browser``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_browser() -> str | None:
    """The path of an installed Chromium or Chrome, or of the one that playwright has downloaded."""
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    downloads = Path.home() / ".cache" / "ms-playwright"
    found = sorted(downloads.glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


def install_browser() -> str:
    """Install Chromium: Debian's package as root, else playwright's own download. Raises SystemExit with the mend."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Browser: installing Debian's chromium (once)", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=quiet, stdout=subprocess.DEVNULL)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium", "fonts-dejavu-core"],
            env=quiet,
            stdout=subprocess.DEVNULL,
        )
    else:
        print("Browser: downloading playwright's chromium (once)", flush=True)
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])
    path = find_browser()
    if path is None:
        raise SystemExit("No browser for the tests. Install Chromium: apt-get install chromium")
    return path


if __name__ == "__main__":
    print(f"Browser: {find_browser() or install_browser()}")
