"""The clinician inbox, server-rendered. Every page belongs to one clinic: what is another clinic's is not found.

- ``door``    sign-in, session cookie, rights, CSRF, forms, and the frame that every page is made in
- ``queue``   what waits; ``queue_view`` its values
- ``item``    one item and the acts on it; ``item_view`` its values, ``acts`` what happens, without HTTP
- ``live``    the streams that say that something changed
"""

from __future__ import annotations

from starlette.routing import Route

from bot.content.inbox import load_inbox_wording
from bot.web.inbox import door, item, queue


def routes() -> list[Route]:
    """All routes of the inbox. Raises ContentError where its wording is wrong: at the start, not at night."""
    load_inbox_wording()
    # An item's address has a place for its id: whatever has a name of its own comes before it.
    return [*door.routes(), *queue.routes(), *item.routes()]
