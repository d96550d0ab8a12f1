"""Train and talk: the trained assistant in this process, then with the real action server. Also runs on Python 3.10."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from bot.settings import ROOT, read_settings
from bot.store.handoffs import handoffs_in
from bot.store.models import Audit, Handoff, Outbox
from bot.store.session import connect
from bot.training import rasa_environment, train
from tests.support.stack import free_port

pytestmark = pytest.mark.rasa
Talk = Callable[[str], Awaitable[list[dict[str, Any]]]]
ASK, RED = "I can't take this any more", "since this morning I can't pee and I am numb between my legs"


@pytest.fixture(scope="module")
def say() -> Any:
    from bot.channels.in_process import open_agent

    return open_agent(train(read_settings()))


@pytest.fixture
def talk(say: Any) -> Talk:
    conversation = f"talk-{uuid.uuid4().hex}"

    async def one(text: str) -> list[dict[str, Any]]:
        return await say(conversation, text, {})

    return one


async def ids(talk: Talk, text: str) -> list[str]:
    return [reply["metadata"]["answer_id"] for reply in await talk(text)]


async def test_it_answers_tells_more_says_why_and_repeats(talk: Talk) -> None:
    assert await ids(talk, "why does my back still hurt after two years") == ["pain/why_it_persists"]
    assert await ids(talk, "tell me more") == ["pain/why_it_persists#more"]
    assert await ids(talk, "why do you say that?") == ["pain/why_it_persists#why"]
    assert await ids(talk, "can you say that again please") == ["pain/why_it_persists#why"]


async def test_misses_in_a_row_differ(talk: Talk) -> None:
    texts = ["please book me a taxi to the airport", "which team won the football cup", "what is the capital of peru"]
    said = [(await talk(text))[0]["text"] for text in texts]
    assert len(set(said)) == 3


async def test_a_red_flag_gives_the_safety_words_of_its_category(talk: Talk) -> None:
    first = (await ids(talk, RED))[0]
    assert first.startswith("safety/RF01.T1")


@pytest.mark.parametrize(("reply", "category"), [("not sure", "safety/RF34"), ("what about my scan", "safety/RF34")])
async def test_anything_but_a_plain_no_counts_as_yes(talk: Talk, reply: str, category: str) -> None:
    assert (await ids(talk, ASK))[0].startswith("safety/RF34.ask")
    assert (await ids(talk, reply))[0].startswith(category)


async def test_a_no_never_answers_the_next_question(talk: Talk) -> None:
    for _ in range(2):
        assert (await ids(talk, ASK))[0].startswith("safety/RF34.ask")
        assert await ids(talk, "no") == ["safety/cleared"]
    assert (await ids(talk, ASK))[0].startswith("safety/RF34.ask")
    assert (await ids(talk, "yes"))[0].startswith("safety/RF34.T")
    assert await ids(talk, "why does my back still hurt after two years") == ["pain/why_it_persists"]


async def test_a_red_flag_ends_the_safety_question_too(talk: Talk) -> None:
    await talk(ASK)
    assert (await ids(talk, RED))[0].startswith("safety/RF01.T1")
    assert await ids(talk, "how does sleep change pain") == ["life/sleep"]


async def test_no_turn_is_empty(talk: Talk) -> None:
    for text in ("?", "😀😀", "yes", "no", "ok", "x" * 3000, "\u0000", "/", "//restart", "/pain/alarm extra"):
        assert await talk(text), text


def test_no_tensorflow_was_loaded(say: Any) -> None:
    assert "tensorflow" not in sys.modules


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("shell")
    variables = {
        "PNE_VAR": str(folder),
        "PNE_ACTIONS_PORT": str(free_port()),
        "PNE_DATABASE_URL": f"sqlite:///{folder}/pne.db",
        "PNE_TRACKER_URL": f"sqlite:///{folder}/tracker.db",
    }
    settings = read_settings(variables)
    variables = {**os.environ, **rasa_environment(settings), **variables}
    server = subprocess.Popen(
        [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(settings.actions_port)],
        cwd=ROOT, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    _wait(f"http://127.0.0.1:{settings.actions_port}/health")
    yield variables
    server.kill()
    server.wait()


class TestWithTheActionServer:
    """``pne rasa shell`` with the action server escalates too: same row, outbox and audit, once per message."""

    def _shell(self, environment: dict[str, str], *texts: str) -> str:
        model = train(read_settings())
        done = subprocess.run(
            [sys.executable, "-m", "bot.cli", "rasa", "shell", "--model", str(model)],
            cwd=ROOT, env=environment, input="\n".join([*texts, "/stop", ""]), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180,
        )  # fmt: skip
        return done.stdout

    def test_a_red_flag_typed_into_the_shell_reaches_the_clinic(self, environment: dict[str, str]) -> None:
        out = self._shell(environment, RED)
        assert "999" in out
        with connect(environment["PNE_DATABASE_URL"]).read() as session:
            items = [item for item in session.execute(select(Handoff)).scalars() if item.category == "RF01"]
            (item,) = items
            assert (item.tier, item.words) == ("T1", RED)
            assert session.execute(select(Outbox).where(Outbox.handoff_id == item.id)).scalars().all()
            audits = session.execute(select(Audit).where(Audit.subject == item.id)).scalars().all()
            assert [row.act for row in audits] == ["handoff.raised"]
            assert len(handoffs_in(session, item.conversation_id)) == 1


def _wait(url: str) -> None:
    import time

    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise AssertionError(f"{url} did not answer")


def test_a_change_of_the_code_that_fits_is_seen_by_rasas_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bot.rasa_light import activate

    activate()
    from bot.nlu import answers

    monkeypatch.setattr(answers, "UNDERSTANDING", tmp_path)
    (tmp_path / "training.py").write_text("MOST = 1")
    before = answers.AnswerClassifier.fingerprint_addon({})
    assert answers.AnswerClassifier.fingerprint_addon({}) == before
    (tmp_path / "training.py").write_text("MOST = 2")
    assert answers.AnswerClassifier.fingerprint_addon({}) != before
