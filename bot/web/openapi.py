"""The patient API as OpenAPI (docs/api.md says it in words). What an event holds is ``widget/events.schema.json``."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from bot.settings import ROOT
from bot.web.bodies import FLARE, FULL, PLAIN
from bot.web.problems import PROBLEMS

EVENTS = ROOT / "widget" / "events.schema.json"
TEXT = {"type": "string"}
CONVERSATION = {"name": "conversation", "in": "path", "required": True, "schema": {"type": "string"}}


@lru_cache(maxsize=1)
def event_schemas() -> dict[str, Any]:
    """What an event may hold, as components: Event and all that it is made of."""
    whole = json.loads(EVENTS.read_text(encoding="utf-8").replace("#/$defs/", "#/components/schemas/"))
    parts: dict[str, Any] = whole.pop("$defs")
    return {"Event": whole, **parts}


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI description of the patient API."""
    problem = {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            **{name: TEXT for name in ("type", "title", "detail")},
            "status": {"type": "integer"},
            "code": {"enum": list(PROBLEMS)},
            "events": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "PNE Tutor patient API", "version": version},
        "paths": {"/v1/clinics/{clinic}": _clinic(), "/v1/session": _session(), **_of_a_conversation()},
        "components": {
            "schemas": {**event_schemas(), "Problem": problem},
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer"}},
        },
    }


def _clinic() -> dict[str, Any]:
    clinic = {"name": "clinic", "in": "path", "required": True, "schema": TEXT}
    answer = _json({"type": "object", "required": ["locale", "languages", "strings", "clinic"]})
    return {
        "parameters": [clinic],
        "get": _operation("What a chat needs before it opens", None, {"200": answer}, "lang"),
    }


def _session() -> dict[str, Any]:
    asked = _object(["clinic"], clinic=TEXT, token=TEXT, locale=TEXT, identity={**TEXT, "maxLength": 8192})
    return {
        "post": _operation(
            "Open a conversation, or resume the one that `token` or `identity` (the clinic's JWT) opens",
            asked,
            {"201": {"description": "A new conversation"}, "200": {"description": "The same conversation"}},
        ),
        "delete": _signed("End the session of the Authorization header for good", None, {"204": _nothing("Ended")}),
    }


def _of_a_conversation() -> dict[str, Any]:
    here = "/v1/conversations/{conversation}"
    events = _json(_object(["events"], events={"type": "array", "items": {"$ref": "#/components/schemas/Event"}}))
    data = _json({"type": "object", "required": ["conversation", "events", "facts"]})
    number = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    seq = {"name": "seq", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    return {
        f"{here}/messages": _path(
            post=_signed("Send it; the same client_id gives the same answer", _message(), {"202": _nothing("Stored")})
        ),
        f"{here}/events": _path(
            get=_signed("Events after a number: SSE, or JSON with `wait`", None, {"200": events}, "after", "wait")
        ),
        f"{here}/settings": _path(
            patch=_signed(
                "How answers are read",
                _object(["reading"], reading={"enum": [FULL, PLAIN, FLARE]}),
                {"204": _nothing("Kept")},
            )
        ),
        f"{here}/data": _path(
            get=_signed("Everything that is kept, as JSON or (`format=html`) to read", None, {"200": data}, "format"),
            delete=_signed("Erase it all", None, {"204": _nothing("Erased")}),
        ),
        f"{here}/data/facts": _path(
            patch=_signed(
                "Correct or (null) forget what was noted",
                _object(
                    ["key", "value"],
                    key={"enum": ["body_part", "finding", "age"]},
                    value={"type": ["string", "integer", "null"]},
                ),
                {"204": _nothing("Changed")},
            )
        ),
        f"{here}/data/messages/{{seq}}": {
            "parameters": [CONVERSATION, seq],
            "delete": _signed("Forget the words of one message", None, {"204": _nothing("Forgotten")}),
        },
        f"{here}/signs": _path(
            post=_signed(
                "One of: something is being written, or this event has been on the screen",
                {
                    **_object([], typing={"const": True}, shown=number),
                    "oneOf": [{"required": ["typing"]}, {"required": ["shown"]}],
                },
                {"204": _nothing("Passed on")},
            )
        ),
        f"{here}/feedback": _path(
            post=_signed(
                "What a reply was worth",
                _object(
                    ["seq", "value"],
                    seq={"type": "integer"},
                    value={"enum": ["up", "down"]},
                    code={"enum": ["not_for_me", "hard_to_read", "felt_dismissed"]},
                    reason={**TEXT, "maxLength": 500},
                ),
                {"204": _nothing("Noted")},
            )
        ),
    }  # fmt: skip


def _message() -> dict[str, Any]:
    return _object(
        ["client_id", "kind"],
        client_id={**TEXT, "pattern": "^[A-Za-z0-9_-]{8,64}$"},
        kind={"enum": ["text", "button", "answer"]},
        text={**TEXT, "maxLength": 4000},
        payload={**TEXT, "maxLength": 200},
        reply_to={"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
        answers={"type": "object", "additionalProperties": {"type": ["string", "integer", "null"]}},
    )


def _path(**operations: Any) -> dict[str, Any]:
    return {"parameters": [CONVERSATION], **operations}


def _signed(summary: str, asked: dict[str, Any] | None, answers: dict[str, Any], *query: str) -> dict[str, Any]:
    return {**_operation(summary, asked, answers, *query), "security": [{"session": []}]}


def _operation(summary: str, asked: dict[str, Any] | None, answers: dict[str, Any], *query: str) -> dict[str, Any]:
    problem = {"$ref": "#/components/schemas/Problem"}
    default = {
        "description": "Problem JSON; `events`, if there, must be shown at once",
        "content": {"application/problem+json": {"schema": problem}},
    }
    made: dict[str, Any] = {"summary": summary, "responses": {**answers, "default": default}}
    if asked:
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": asked}}}
    if query:
        made["parameters"] = [{"name": name, "in": "query", "schema": TEXT} for name in query]
    return made


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "JSON", "content": {"application/json": {"schema": schema}}}


def _nothing(description: str) -> dict[str, Any]:
    return {"description": description}
