"""A roll-out: one Rasa after the other gets a new model with changed content, while conversations are in mid-flow.

A conversation's state is in the database, in the words of the model that wrote it. The new model must take it over
although an intent, a slot and a response of it are gone, a form asks for more, and all texts have changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import postgres, valkey
from tests.support.rasa_project import Server, make_project, run, serving
from tests.support.valkey import Valkey

pytestmark = pytest.mark.rasa
server, valkey = postgres.server, valkey.valkey
SESSION = "session_config: {session_expiration_time: 60, carry_over_slots_to_new_session: true}"
OLD_DOMAIN = f"""
    version: "3.1"
    intents: [hello, pain, yes, old_thing]
    slots:
      where:
        type: text
        influence_conversation: false
        mappings: [{{type: from_text, conditions: [{{active_loop: note_form, requested_slot: where}}]}}]
      mood:
        type: categorical
        values: [low, high]
        mappings: [{{type: from_intent, intent: old_thing, value: low}}]
    forms: {{note_form: {{required_slots: [where]}}}}
    responses:
      utter_hello: [{{text: "old hello", metadata: {{answer_id: hello, version: 1}}}}]
      utter_ask_where: [{{text: "old where"}}]
      utter_done: [{{text: "old done"}}]
      utter_old: [{{text: "old thing"}}]
    {SESSION}
    """
NEW_DOMAIN = f"""
    version: "3.1"
    intents: [hello, pain, yes, new_thing]
    slots:
      where:
        type: text
        influence_conversation: false
        mappings: [{{type: from_text, conditions: [{{active_loop: note_form, requested_slot: where}}]}}]
      since:
        type: text
        influence_conversation: false
        mappings: [{{type: from_text, conditions: [{{active_loop: note_form, requested_slot: since}}]}}]
    forms: {{note_form: {{required_slots: [where, since]}}}}
    responses:
      utter_hello: [{{text: "new hello", metadata: {{answer_id: hello, version: 2}}}}]
      utter_ask_where: [{{text: "new where"}}]
      utter_ask_since: [{{text: "new since"}}]
      utter_done: [{{text: "new done"}}]
      utter_new: [{{text: "new thing"}}]
    {SESSION}
    """
RULES = """
    version: "3.1"
    rules:
    - rule: hello
      steps: [{{intent: hello}}, {{action: utter_hello}}]
    - rule: a form begins
      steps: [{{intent: pain}}, {{action: note_form}}, {{active_loop: note_form}}]
    - rule: a form ends
      condition: [{{active_loop: note_form}}]
      steps:
      - action: note_form
      - active_loop: null
      - slot_was_set: [{{requested_slot: null}}]
      - action: utter_done
    - rule: one thing
      steps: [{{intent: {0}_thing}}, {{action: utter_{0}}}]
    """
NLU = """
    version: "3.1"
    nlu:
    - intent: hello
      examples: |
        - hello
        - hi
    - intent: pain
      examples: |
        - pain
        - hurts
    - intent: {0}_thing
      examples: |
        - {0} thing
        - {0} stuff
    """
ENDPOINTS = """
    tracker_store:
      type: bot.channels.tracker_store.TrackerStore
      db: ${PNE_TRACKER_URL}
    lock_store:
      type: bot.channels.lock_store.LockStore
      url: ${PNE_REDIS_URL}
    """
CONFIG = """
    recipe: default.v1
    assistant_id: tiny
    language: en
    pipeline:
      - name: WhitespaceTokenizer
      - name: KeywordIntentClassifier
    policies:
      - name: RulePolicy
    """


@pytest.fixture(scope="module")
def versions(
    server: object, valkey: Valkey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Server]]:
    """The old and the new version, both serving at once over the same database, as in the middle of a roll-out."""
    with ExitStack() as stack:
        os.environ["PNE_REDIS_URL"] = valkey.url
        stack.callback(os.environ.pop, "PNE_REDIS_URL")
        url = stack.enter_context(postgres.empty_database(server, "roll_out"))
        old, new = (
            stack.enter_context(serving(trained(tmp_path_factory.mktemp(name), name, domain), url))
            for name, domain in (("old", OLD_DOMAIN), ("new", NEW_DOMAIN))
        )
        yield old, new


def trained(folder: Path, name: str, domain: str) -> Path:
    """A project with its model."""
    files = {"config_yml": CONFIG, "domain_yml": domain, "endpoints_yml": ENDPOINTS}
    files |= {"data_rules_yml": RULES.format(name), "data_nlu_yml": NLU.format(name)}
    project = make_project(folder, **files)
    (project / "data" / "stories.yml").unlink()
    done = run(project, "-m", "bot.rasa_light", "train", "--fixed-model-name", name)
    assert done.code == 0, done.output
    return project


def said(rasa: Server, conversation: str, text: str) -> list[str]:
    answer = rasa.say(conversation, text)
    assert answer.status_code == 200, answer.text
    return [reply["text"] for reply in answer.json()["replies"]]


def test_a_conversation_in_mid_form_moves_to_the_new_version(versions: tuple[Server, Server]) -> None:
    old, new = versions
    assert said(old, "conversation-form", "hello") == ["old hello"]
    assert said(old, "conversation-form", "old thing") == ["old thing"]
    assert said(old, "conversation-form", "it hurts") == ["old where"]
    assert said(new, "conversation-form", "my knee") == ["new since"]  # its form asks for more: it goes on with that
    assert said(new, "conversation-form", "two years") == ["new done"]
    assert said(new, "conversation-form", "new stuff") == ["new thing"]


def test_and_back_where_the_roll_out_is_taken_back(versions: tuple[Server, Server]) -> None:
    old, new = versions
    assert said(new, "conversation-back", "new thing") == ["new thing"]
    assert said(new, "conversation-back", "pain") == ["new where"]
    assert said(new, "conversation-back", "my knee") == ["new since"]
    # The old one does not know what was asked last. It has no answer, and says so; then its own form, which has all it
    # wants, comes to its end, and the dialogue goes on.
    answer = old.say("conversation-back", "two years")
    assert (answer.status_code, answer.json()["code"]) == (503, "empty")
    assert said(old, "conversation-back", "hi") == ["old hello", "old done"]
    assert said(old, "conversation-back", "old thing") == ["old thing"]


def test_while_both_run_a_conversation_may_alternate(versions: tuple[Server, Server]) -> None:
    for turn in range(6):
        rasa, name = (versions[0], "old") if turn % 2 == 0 else (versions[1], "new")
        assert said(rasa, "conversation-both", "hello") == [f"{name} hello"]
        assert said(rasa, "conversation-both", f"{name} thing") == [f"{name} thing"]
    for rasa in versions:
        text = rasa.log.read_text(errors="replace")
        assert "Traceback" not in text and "my knee" not in text
