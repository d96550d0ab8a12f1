"""The clinician inbox, server-rendered. Every page belongs to one clinic: what is another clinic's is not found.

- ``door``    session cookie, lock, rights, CSRF, forms, and the frame that every page is made in
- ``sign_in`` password, code and invitation; ``oidc`` the clinic's own provider; ``lock`` and ``lock_view`` the lock
- ``account`` one's own account; ``people`` the clinic's people
- ``queue``   what waits; ``queue_view`` its values, ``rows`` its lines, ``calls`` what every page calls out
- ``search``  looking for items; ``supervise`` and ``supervise_view`` the page of those who look after the whole
- ``item``    one item, ``item_view`` its values; ``item_forms`` the acts on it, ``acts`` and ``passing`` what happens
- ``copies``  an item on paper and as PDF
- ``reports`` the figures of a quarter; ``report_view`` how they are shown, ``report_charts`` their small charts
- ``audit``   who did and saw what, for auditors
- ``clinic``  what admins change of their clinic, section by section
- ``live``    the streams that say that something changed
"""

from __future__ import annotations

from starlette.routing import Route

from bot.content.inbox import load_inbox_wording
from bot.web.inbox import (
    account,
    audit,
    clinic,
    clinic_test,
    copies,
    item,
    item_forms,
    lock,
    oidc,
    people,
    queue,
    reports,
    search,
    sign_in,
    supervise,
)


def routes() -> list[Route]:
    """All routes of the inbox. Raises ContentError where its wording is wrong: at the start, not at night."""
    load_inbox_wording()
    # An item's address has a place for its id: whatever has a name of its own comes before it.
    at_the_door = (sign_in, oidc, lock, account, people)
    parts = (*at_the_door, queue, search, supervise, reports, audit, clinic_test, clinic, copies, item_forms, item)
    return [route for part in parts for route in part.routes()]
