"""The shipped nginx configuration in a real nginx: where requests go, what is refused, and what a patient sees when
nothing of ours answers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bot.content import load_clinics, load_wording
from bot.outage import write_pages
from tests.support.nginx import HOST, Backend, Nginx, running
from tests.support.stack import Stack


@dataclass
class Front:
    """nginx with two backends."""

    nginx: Nginx
    backends: list[Backend]

    def asked(self) -> list[tuple[str, str, dict[str, str]]]:
        return [one for backend in self.backends for one in backend.asked]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("outage")
    write_pages(folder, load_clinics(), load_wording(), "demo")
    return folder


@pytest.fixture
def front(tmp_path: Path, pages: Path) -> Iterator[Front]:
    backends = [Backend("one"), Backend("two")]
    for backend in backends:
        backend.start()
    try:
        with running(tmp_path / "nginx", [backend.port for backend in backends], pages) as nginx:
            yield Front(nginx, backends)
    finally:
        for backend in backends:
            backend.stop()


def test_a_conversation_is_always_answered_by_the_same_process_and_all_share_the_work(front: Front) -> None:
    with front.nginx.client() as client:
        first = {}
        for number in range(40):
            here = f"/v1/conversations/conversation-{number}"
            first[here] = client.post(f"{here}/messages", json={}).headers["x-backend"]
        assert set(first.values()) == {"one", "two"}
        for here, name in first.items():
            for rest in ("/messages", "/settings?x=1", "/data"):
                assert client.get(f"{here}{rest}").headers["x-backend"] == name
        assert {client.get("/v1/schema").headers["x-backend"] for _ in range(40)} == {"one", "two"}


@pytest.mark.parametrize("path", ["/v1/conversations/conversation-1/events", "/inbox/live", "/inbox/items/7/live"])
def test_a_stream_arrives_as_it_is_written(front: Front, path: str) -> None:
    with front.nginx.client(headers={"accept-encoding": "gzip"}) as client, client.stream("GET", path) as answer:
        assert answer.status_code == 200 and "content-encoding" not in answer.headers
        pieces = answer.iter_bytes()
        assert next(pieces) == b"data: first\n\n"  # the second one is not written yet
        for backend in front.backends:
            backend.go_on.set()
        assert b"".join(pieces) == b"data: second\n\n"


def test_a_process_that_is_away_is_passed_over_and_nobody_sees_it(front: Front) -> None:
    front.backends[0].stop()
    with front.nginx.client() as client:
        for number in range(20):
            answer = client.post(f"/v1/conversations/conversation-{number}/messages", json={})
            assert (answer.status_code, answer.headers["x-backend"]) == (200, "two")
        assert client.post("/v1/session", json={}).status_code == 200


def test_a_message_in_the_hands_of_a_process_that_dies_goes_to_the_next_and_other_requests_are_not_doubled(
    front: Front,
) -> None:
    with front.nginx.client() as client:
        path = "/v1/conversations/conversation-1/messages"
        first = client.post(path, json={"client_id": "a"}).headers["x-backend"]
        next(one for one in front.backends if one.name == first).drop_next = True
        answer = client.post(path, json={"client_id": "b"})
        assert answer.status_code == 200 and answer.headers["x-backend"] != first
        before = len(front.asked())
        for backend in front.backends:
            backend.drop_next = True
        assert client.post("/inbox/items/7/answer", data={"words": "x"}).status_code == 503
        assert len(front.asked()) == before + 1


def test_too_large_a_body_never_reaches_a_process(front: Front) -> None:
    with front.nginx.client() as client:
        answer = client.post("/v1/conversations/conversation-1/messages", content=b"x" * 60_000)
        assert answer.status_code == 413 and answer.json()["code"] == "too_large"
        assert answer.headers["content-type"] == "application/problem+json"
        assert front.asked() == []
        # What the web app refuses itself, with its own words, gets there; so does a clinic's logo.
        assert client.post("/v1/conversations/conversation-1/messages", content=b"x" * 33_000).status_code == 200
        assert client.post("/inbox/clinic/looks", content=b"x" * 200_000).status_code == 200


def test_a_flood_of_one_kind_is_stopped_and_does_not_stop_messages(front: Front) -> None:
    with front.nginx.client() as client:
        answers = [client.post("/v1/session", json={}) for _ in range(160)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused and answers[0].status_code == 200
        assert refused[0].json()["code"] == "too_many" and refused[0].headers["retry-after"]
        assert client.post("/v1/conversations/conversation-1/messages", json={}).status_code == 200


def test_what_a_browser_says_about_its_address_is_not_passed_on(front: Front) -> None:
    forged = {"x-forwarded-for": "203.0.113.9", "forwarded": "for=203.0.113.9", "x-forwarded-host": "evil.example"}
    with front.nginx.client(headers=forged) as client:
        client.get("/v1/schema")
        client.get("/w/none.js")
    for _, _, headers in front.asked():
        assert headers["x-forwarded-for"] == "127.0.0.1"
        assert headers["x-forwarded-proto"] == "https" and headers["host"] == HOST
        assert "evil" not in str(headers.get("x-forwarded-host")) and not headers.get("forwarded")


def test_only_the_own_name_over_tls_is_answered(front: Front) -> None:
    answer = httpx.get(f"{front.nginx.plain}/chat/demo?lang=es", headers={"host": HOST})
    assert (answer.status_code, answer.headers["location"]) == (301, f"https://{HOST}/chat/demo?lang=es")
    with front.nginx.client() as client:
        assert client.get("/healthz").headers["strict-transport-security"].startswith("max-age=63072000")
    with front.nginx.client(headers={"host": "evil.example"}) as client:
        assert client.get("/healthz").status_code == 421


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_numbers_of_the_inside_stay_inside(front: Front, path: str) -> None:
    with front.nginx.client() as client:
        assert client.get(path).status_code == 404
    assert front.asked() == []


def test_with_no_process_left_the_patient_still_sees_the_numbers(front: Front) -> None:
    with front.nginx.client() as client:
        client.get("/w/none.js")
        for backend in front.backends:
            backend.stop()
        for path in ("/chat/demo", "/", "/chat/nobody"):
            page = client.get(path)
            assert page.status_code == 503, path
            assert 'href="tel:999"' in page.text and 'href="tel:116123"' in page.text
            assert page.headers["content-type"] == "text/html; charset=utf-8"
            assert page.headers["strict-transport-security"] and page.headers["cache-control"] == "no-store"
        for path in ("/v1/session", "/v1/conversations/conversation-1/messages"):
            answer = client.post(path, json={})
            assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (503, 503, "not_stored")
            assert answer.headers["content-type"] == "application/problem+json"
        assert client.get("/v1/conversations/conversation-1/events").json()["code"] == "not_stored"
        assert client.get("/outage/index.html").status_code == 404  # not an address of its own


def test_a_process_own_refusal_with_its_words_is_passed_on_as_it_is(front: Front) -> None:
    for backend in front.backends:
        backend.status = 503
    with front.nginx.client() as client:
        answer = client.post("/v1/conversations/conversation-1/messages", json={})
        assert answer.status_code == 503 and answer.text in ("one", "two")
    assert len(front.asked()) == 1


def test_a_file_that_only_the_newer_process_has_is_found_there_and_kept(front: Front) -> None:
    front.backends[1].files["/w/pne-chat-abc.js"] = b"new"
    with front.nginx.client() as client:
        for _ in range(6):
            assert client.get("/w/pne-chat-abc.js").content == b"new"
        assert sum(path == "/w/pne-chat-abc.js" for _, path, _ in front.backends[1].asked) == 1
        for backend in front.backends:
            backend.stop()
        assert client.get("/w/pne-chat-abc.js").content == b"new"


def test_the_log_names_nobody(front: Front) -> None:
    with front.nginx.client() as client:
        client.get("/v1/conversations/secret-conversation/events?after=3&wait=1&token=secret")
        client.get("/inbox/items/secret-item?q=secret")
        client.get("/secret-place")
        for backend in front.backends:
            backend.stop()
        client.get("/chat/secret-clinic")
    until = time.monotonic() + 5
    while front.nginx.log().count("\n") < 4 and time.monotonic() < until:
        time.sleep(0.02)
    log = front.nginx.log()
    assert log.count("\n") == 4 and "/v1/conversations/-/events" in log and " 503 GET /chat " in log
    assert "secret" not in log and not re.search(r"\d+\.\d+\.\d+\.\d+", log)


def test_behind_an_ingress_the_address_is_the_one_that_the_ingress_saw(tmp_path: Path, pages: Path) -> None:
    backend = Backend("one")
    backend.start()
    try:
        with running(tmp_path / "nginx", [backend.port] * 2, pages, site="pne-behind-tls.conf") as nginx:
            assert httpx.get(f"{nginx.plain}/nginx-health").text == "ok\n"
            forged = {"x-forwarded-for": "203.0.113.9, 198.51.100.7"}  # the ingress puts what it saw at the end
            answer = httpx.get(f"{nginx.plain}/v1/schema", headers=forged)
            assert answer.headers["strict-transport-security"]
        [(_, _, headers)] = backend.asked
        assert headers["x-forwarded-for"] == "198.51.100.7" and headers["x-forwarded-proto"] == "https"
    finally:
        backend.stop()


def test_the_real_web_process_counts_the_patients_address_and_streams_through(tmp_path: Path, pages: Path) -> None:
    stack = Stack.start(tmp_path / "web", names=("web",), PNE_RATE_PER_ADDRESS="5")
    port = stack.settings.port
    try:
        with running(tmp_path / "nginx", [port, port], pages) as nginx, nginx.client() as client:
            made = client.post("/v1/session", json={"clinic": "demo"}, headers={"origin": f"https://{HOST}"})
            assert made.status_code == 201, made.text
            here = f"/v1/conversations/{made.json()['conversation']}"
            client.headers["authorization"] = f"Bearer {made.json()['session']}"
            statuses = []
            for number in range(7):
                body = {"client_id": f"message-{number}", "kind": "button", "payload": "consent:accept", "text": "Yes"}
                forged = {"x-forwarded-for": f"203.0.113.{number}"}
                statuses.append(client.post(f"{here}/messages", json=body, headers=forged).status_code)
            assert statuses.count(429) == 2 and statuses[-1] == 429
            with client.stream("GET", f"{here}/events") as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                assert any(line.startswith("data:") for line in answer.iter_lines())
    finally:
        stack.stop()
