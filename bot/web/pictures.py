"""Pictures made on the server: 100 dots, of which so many are filled. An ordinary image: no script, cached for good."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.content.dots import path as path
from bot.web.problems import Problem

DOTS, A_ROW, STEP, RADIUS = 100, 10, 24, 9
# Not Starlette's {:int}: it fails for a number of thousands of digits.
_NUMBER = re.compile(r"[0-9]{1,3}")
# Filled or empty: the shape tells, not the colour alone. Both schemes, as the page has them.
_STYLE = (
    "circle{fill:none;stroke:#8b8577;stroke-width:2}.on{fill:#12575a;stroke:#12575a}"
    "@media (prefers-color-scheme:dark){circle{stroke:#77827e}.on{fill:#8cc9c0;stroke:#8cc9c0}}"
)


def routes() -> list[Route]:
    return [Route("/pictures/dots-{filled}.svg", dots)]


def dots_svg(filled: int) -> str:
    """100 dots in ten rows, the first `filled` of them full. Raises ValueError outside 0 to 100."""
    if not 0 <= filled <= DOTS:
        raise ValueError(f"{filled} of {DOTS} dots")
    size = A_ROW * STEP
    circles = "".join(
        f'<circle{" class=" + chr(34) + "on" + chr(34) if i < filled else ""} cx="{i % A_ROW * STEP + STEP // 2}" '
        f'cy="{i // A_ROW * STEP + STEP // 2}" r="{RADIUS}"/>'
        for i in range(DOTS)
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}"><style>{_STYLE}</style>{circles}</svg>'


async def dots(request: Request) -> Response:
    """The picture. What it shows never changes under its address."""
    asked = request.path_params["filled"]
    filled = int(asked) if _NUMBER.fullmatch(asked) else DOTS + 1
    if filled > DOTS:
        raise Problem("not_found")
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return Response(dots_svg(filled), media_type="image/svg+xml", headers=headers)
