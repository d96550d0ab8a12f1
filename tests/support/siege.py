"""The web app under attack in this process: who attacks, who must not notice, and what is wrong with an answer."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from typing import Any, TypeVar
from urllib.parse import unquote

import jsonschema

from bot.store import rights
from bot.web.bodies import CONSENT, END
from bot.web.openapi import openapi
from bot.web.problems import MEDIA_TYPE, PROBLEMS
from bot.web.services import Services
from tests.support.hostile import FORM, JSON, MARK, REPLY, Got, Operation, PickyRasa, Sent, exchange
from tests.support.patient_api import QUESTION

T = TypeVar("T")
DESCRIPTION = openapi("0")
EVENTS = "/v1/conversations/{own}/events"


@dataclass
class Somebody:
    """A conversation, its token, and the numbers of a questionnaire and of a reply in it."""

    conversation: str
    token: str
    form: int = 0
    reply: int = 0


@dataclass
class Siege:
    """The app in this process, one conversation after another that attacks it, and one that must not notice."""

    services: Services
    rasa: PickyRasa
    loop: asyncio.AbstractEventLoop
    app: Any = None
    me: Somebody = field(default_factory=lambda: Somebody("", ""))
    bystander: Somebody = field(default_factory=lambda: Somebody("", ""))
    sent: int = 0
    keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def send(self, sent: Sent, chunks: Any = None) -> Got:
        """The request with the ids of the attacker and of the bystander filled in."""
        self.sent += 1
        signed = {"own": f"Bearer {self.me.token}", "none": ""}.get(sent.session, sent.session)
        headers = (*sent.headers, *([("authorization", signed)] if signed else []), ("content-type", JSON))
        path = sent.path.replace("{own}", self.me.conversation).replace("{other}", self.bystander.conversation)
        path = path.replace("{conversation}", self.me.conversation)
        body = sent.body.replace(FORM.encode(), str(self.me.form).encode())
        body = body.replace(REPLY.encode(), str(self.me.reply).encode())
        return self.run(exchange(self.app, replace(sent, path=path, headers=headers, body=body), chunks))

    def post(self, what: str, **body: Any) -> Got:
        path = f"/v1/conversations/{{own}}/{what}" if what != "session" else "/v1/session"
        return self.send(Sent("POST", path, body=json.dumps(body).encode()))

    def say(self, text: str, **more: Any) -> Got:
        return self.post("messages", **{"kind": "text", "text": text, "client_id": self.new_id(), **more})

    def press(self, payload: str) -> Got:
        return self.post("messages", kind="button", text="x", payload=payload, client_id=self.new_id())

    def new_id(self) -> str:
        return f"siege-{next(self.keys):06d}"

    def open(self) -> None:
        """A new conversation to attack from: notice accepted, questions asked, one answer given."""
        opened = json.loads(self.post("session", clinic="demo").body)
        self.me = Somebody(opened["conversation"], opened["session"])
        assert self.press(CONSENT).status == self.press(END).status == self.say(QUESTION).status == 202
        self.settle()
        for said in self.events():
            if said["body"]["kind"] == "questionnaire":
                self.me.form = said["seq"]
            if said["body"].get("version"):
                self.me.reply = said["seq"]
        assert self.me.form and self.me.reply

    def events(self, after: int = 0) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := json.loads(self.send(Sent("GET", EVENTS, f"wait=0&after={after}")).body)["events"]:
            found, after = [*found, *page], page[-1]["seq"]
        return found

    def settle(self) -> None:
        self.run(self.services.finish_turns(5.0))

    def kept(self, whose: Somebody) -> dict[str, Any]:
        with self.services.db.read() as session:
            return rights.kept(session, whose.conversation)

    def alive(self) -> None:
        """The app answers, and an ordinary patient gets an ordinary answer."""
        assert self.send(Sent("GET", "/healthz", session="none")).status == 200
        self.open()
        assert self.events()[-1]["body"]["answer_id"] == "pain/why_it_persists"


class Tags(HTMLParser):
    """The elements and attributes that a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found |= {tag, *(f"@{name}" for name, _ in attrs)}


def problem_schema() -> jsonschema.Draft202012Validator:
    parts = DESCRIPTION["components"]
    return jsonschema.Draft202012Validator({**parts["schemas"]["Problem"], "components": parts})


PROBLEM = problem_schema()


def faults(sent: Sent, got: Got, answers: frozenset[int] | set[int]) -> list[str]:
    """What is wrong with an answer, whatever the request was."""
    found = [got.error] if got.error else []
    names = [name for name, _ in got.headers if name != "vary"]
    policy = got.header("content-security-policy")
    if got.header("x-content-type-options") != "nosniff" or "default-src 'none'" not in policy:
        found.append("headers are not safe")
    if len(names) != len(set(names)) or any(MARK in value or not value.isprintable() for _, value in got.headers):
        found.append("a header comes twice or holds what was sent")
    if got.status == 307 and unquote(sent.path).endswith("/"):
        return found  # the same address without the slash
    if got.status < 400:
        return found if got.status in answers else [*found, f"status {got.status} is not described"]
    if got.header("content-type") != MEDIA_TYPE:
        return [*found, f"{got.status} is no problem JSON: {got.body[:80]!r}"]
    if sent.method == "HEAD":
        return found
    about = json.loads(got.body)
    found += [error.message[:200] for error in PROBLEM.iter_errors(about)]
    if PROBLEMS[about["code"]][0] != got.status or about["status"] != got.status:
        found.append("status and code differ")
    if got.status >= 500 and (got.status, about["code"]) != (503, "identity_unavailable"):
        found.append(f"{got.status} {about['code']} with everything in good health")
    if got.status == 405 and not got.header("allow"):
        found.append("405 does not say what is allowed")
    if MARK in got.body.decode("utf-8", "replace"):
        found.append("what was sent comes back")
    return found


def check(siege: Siege, sent: Sent, operation: Operation) -> list[str]:
    """Sends one request; faults, with the request that shows them."""
    got = siege.send(sent)
    found = faults(sent, got, operation.answers)
    shown = f"{sent.method} {sent.path[:90]}?{sent.query[:40]} {sent.session[:20]} {sent.headers} {sent.body[:160]!r}"
    if got.status == 204 and sent.method == "DELETE" and "messages" not in sent.path:
        siege.settle()
        siege.open()
    return [f"{fault}: {shown}" for fault in found]
