"""Whether one part answers, for a container's health check: ``healthcheck.py web|rasa|actions``. Exit 0 or 1.

The web part is healthy while it can answer a patient at all, which it can without Rasa and without a database: taking
it out of service then would take the safety words away too. Whether everything works is what /readyz is for.
"""

from __future__ import annotations

import os
import sys
import urllib.request

PROBES = {
    "web": ("PNE_PORT", "8080", "/healthz"),
    "rasa": ("PNE_RASA_PORT", "5055", "/webhooks/web/health"),
    "actions": ("PNE_ACTIONS_PORT", "5056", "/health"),
}


def main(part: str) -> int:
    """0 where the part answers within three seconds."""
    variable, port, path = PROBES[part]
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{os.environ.get(variable, port)}{path}", timeout=3) as answer:
            return 0 if answer.status == 200 else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "web"))
