"""The patient API as OpenAPI (docs/api.md says it in words)."""

from __future__ import annotations

from typing import Any

from bot.web.problems import PROBLEMS


def openapi(version: str) -> dict[str, Any]:
    """The OpenAPI description of the patient API (docs/api.md says it in words)."""
    text = {"type": "string"}
    problem = {"description": "Problem JSON; `events`, if there, must be shown at once", "content": {
        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}  # fmt: skip

    def operation(summary: str, request: dict[str, Any] | None, answers: dict[str, Any]) -> dict[str, Any]:
        made: dict[str, Any] = {"summary": summary, "responses": {**answers, "default": problem}}
        if request:
            made["requestBody"] = {"required": True, "content": {"application/json": {"schema": request}}}
        return made

    def object_of(required: list[str], **properties: Any) -> dict[str, Any]:
        return {"type": "object", "required": required, "properties": properties}

    event = {"$ref": "#/components/schemas/Event"}
    conversation = {"name": "conversation", "in": "path", "required": True, "schema": text}
    return {
        "openapi": "3.1.0",
        "info": {"title": "PNE Tutor patient API", "version": version},
        "paths": {
            "/v1/session": {
                "post": operation(
                    "Open a conversation, or resume the one that `token` or `identity` (the clinic's JWT) opens",
                    object_of(["clinic"], clinic=text, token=text, locale=text, identity={**text, "maxLength": 8192}),
                    {"201": {"description": "A new conversation"}, "200": {"description": "The same conversation"}},
                ),
                "delete": operation(
                    "End the session of the Authorization header for good",
                    None,
                    {"204": {"description": "Ended, or there was nothing to end"}},
                ),
            },
            "/v1/conversations/{conversation}/messages": {
                "parameters": [conversation],
                "post": operation(
                    "Send a message; the same client_id gives the same answer",
                    object_of(
                        ["client_id", "kind"],
                        client_id={**text, "minLength": 8, "maxLength": 64},
                        kind={"enum": ["text", "button", "answer"]},
                        text={**text, "maxLength": 4000},
                        payload=text,
                        reply_to={"type": "integer"},
                    ),
                    {"202": {"description": "Stored, with its number"}},
                ),
            },
            "/v1/conversations/{conversation}/events": {
                "parameters": [conversation],
                "get": operation(
                    "Events after a number: SSE, or JSON with `wait`",
                    None,
                    {"200": {"description": "Events", "content": {"application/json": {
                        "schema": object_of(["events"], events={"type": "array", "items": event})}}}},
                ),
            },
        },
        "components": {
            "schemas": {
                "Event": object_of(
                    ["seq", "type", "at", "author", "body"],
                    seq={"type": ["integer", "null"]},
                    type={"enum": ["message", "state"]},
                    at={**text, "format": "date-time"},
                    author={"enum": ["patient", "bot", "clinician", "system"]},
                    body=object_of(["kind", "fallback_text"], kind=text, fallback_text=text),
                    client_id=text,
                ),
                "Problem": object_of(
                    ["type", "title", "status", "code", "detail"],
                    type=text, title=text, status={"type": "integer"}, code={"enum": list(PROBLEMS)}, detail=text,
                    events={"type": "array", "items": event},
                ),
            }
        },
    }  # fmt: skip
