"""The clinic's own page, used as an admin's browser uses it."""

from __future__ import annotations

import html
import re
from typing import Any

from starlette.testclient import TestClient

from bot.store.clinic_settings import settings_of
from bot.store.session import Database
from tests.support.database import CLINIC


def fields_of(page: str) -> dict[str, str]:
    """What the page's form would send if nothing were changed."""
    (form,) = re.findall(r'<form class="card clinic-form".*?</form>', page, re.S)
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        kind = re.search(r'type="(\w+)"', tag)
        if name and not (kind and kind[1] == "checkbox" and "checked" not in tag) and not (kind and kind[1] == "file"):
            found[name[1]] = html.unescape(value[1]) if value else "on"
    for name, body in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>(.*?)</textarea>', form, re.S):
        found[name] = html.unescape(body)
    for name, body in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'value="([^"]*)" selected', body) or re.search(r'value="([^"]*)"', body)
        assert chosen
        found[name] = chosen[1]
    return found


def send(browser: TestClient, section: str, part: str = "", **changes: Any) -> Any:
    """Opens a section's form, changes fields (None takes one away), and sends it."""
    path = f"/inbox/clinic/{section}{f'?part={part}' if part else ''}"
    page = browser.get(path)
    assert page.status_code == 200, page.text
    sent = {key: value for key, value in {**fields_of(page.text), **changes}.items() if value is not None}
    return browser.post(path, data=sent)


def saved(answer: Any, section: str) -> bool:
    return answer.status_code == 303 and answer.headers["location"] == f"/inbox/clinic?saved={section}#{section}"


def kept(db: Database, clinic: str = CLINIC) -> dict[str, Any]:
    with db.read() as session:
        return {key: one.value for key, one in settings_of(session, clinic).items()}
