"""Errors as RFC 9457 problem JSON: a code, a sentence a person understands, and what to do."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"
# code -> (status, title, what to do). For programs and developers; patients see data/interface/.
PROBLEMS: dict[str, tuple[int, str, str]] = {
    "not_json": (400, "The request is not a JSON object", "Send a JSON object in UTF-8."),
    "bad_field": (422, "A field is missing or of the wrong kind", "See GET /v1/schema for the fields."),
    "too_large": (413, "The request is too large", "Send 32 kB at most."),
    "too_long": (422, "The message is too long", "Send at most 4,000 characters; split a longer text."),
    "empty": (422, "The message is empty", "Write something, or press a button."),
    "no_session": (401, "There is no valid session", "Open one with POST /v1/session."),
    "identity_needed": (401, "This clinic's chat is for signed-in patients", "Send the clinic's token as identity."),
    "bad_identity": (401, "The clinic's token was not accepted", "Get a fresh one; docs/identity.md lists the rules."),
    "identity_unavailable": (503, "The clinic's keys cannot be read just now", "Try again in a minute."),
    "not_yours": (404, "There is no such conversation for this session", "Use the conversation of your session."),
    "unknown_clinic": (404, "There is no such clinic", "Use the clinic id you were given."),
    "origin_refused": (403, "This page may not show the clinic's chat", "Name its origin in the clinic's file."),
    "consent_needed": (409, "The first-run notice was not accepted yet", "Accept it with its button first."),
    "not_offered": (409, "This button was not offered in this conversation", "Press a button of this chat."),
    "open_handoff": (409, "A message is with the clinic's people", "Erase it when they have closed it."),
    "too_many": (429, "Too many messages", "Wait a minute, then send again."),
    "not_stored": (503, "The message could not be saved", "Send it again with the same client_id."),
    "slow": (503, "It takes longer than usual to save the message", "Send it again with the same client_id."),
    "not_found": (404, "There is nothing at this address", "Check the address."),
    "not_allowed": (405, "This address does not take this method", "See GET /v1/schema."),
    "internal": (500, "Something went wrong on our side", "Try again in a few minutes."),
}


class Problem(Exception):
    """Raised anywhere in a request; becomes problem JSON. `events` are shown to the patient at once."""

    def __init__(self, code: str, detail: str = "", events: list[dict[str, Any]] | None = None, retry_after: int = 0):
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.events = events or []
        self.retry_after = retry_after


def problem_response(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    status, title, mend = PROBLEMS[error.code]
    body: dict[str, Any] = {
        "type": f"/docs/problems#{error.code}",
        "title": title,
        "status": status,
        "code": error.code,
        "detail": error.detail or mend,
    }
    if error.events:
        body["events"] = error.events
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)
