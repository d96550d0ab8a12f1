"""deploy/alerts.yml: rules that Prometheus can read, about metrics that are really there, each with what to do."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from sqlalchemy import update

from bot.operate import state
from bot.settings import ROOT
from bot.store import outbox
from bot.store.models import Handoff
from bot.store.session import Database
from bot.web.metrics import AT_ONCE, Metrics
from bot.web.standing import Standing
from tests.support.database import new_conversation, raise_one
from tests.support.metrics import Scraped

ALERTS = ROOT / "deploy" / "alerts.yml"
RUNBOOK = ROOT / "docs" / "runbook.md"
GROUPS: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"]
RULES: dict[str, dict[str, Any]] = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
# What a section says, by the beginning of its paragraphs.
PARTS = ("**The patient now:**", "**Look at:**", "**Do:**", "**Call:**")
_NAME = re.compile(r"\b(pne_\w+|process_\w+)(\{[^}]*\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"([^\"]*)\"")
_DURATION = re.compile(r"(\d+(ms|s|m|h|d))+")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    """Every metric of a process that has seen everything once, from the real registries."""
    from tests.support.database import HandClock, sqlite_database

    folder = tmp_path_factory.mktemp("alerts")
    clock = HandClock()
    db = sqlite_database(folder, clock)
    metrics = Metrics()
    _everything_once(metrics, db)
    clinics = {"demo": SimpleNamespace(chain=SimpleNamespace(channels=("email",)))}
    assistant = SimpleNamespace(states=lambda: [{"state": "open"}])
    services: Any = SimpleNamespace(
        db=db, metrics=metrics, clinics=clinics, waiting=0, fanout=SimpleNamespace(up=True), assistant=assistant
    )
    standing = Standing(services)
    clock.move(hours=9)
    standing._seen = (state.read_figures(db), [state.Disk(Path("/"), 1, 2, True)], True, True)
    found = Scraped.of_registry(metrics.registry)
    found.update(Scraped.of_registry(standing.registry))
    db.close()
    return found


def _everything_once(metrics: Metrics, db: Database) -> None:
    finding: Any = SimpleNamespace(tier="T0", category="RF01")
    metrics.build(model="m", rules="r", content="c", schema="s")
    metrics.request("POST", "/x", 202, 0.1)
    metrics.stream("/x", 1)
    metrics.turn("converse", AT_ONCE)
    with metrics.rasa_call():
        pass
    from bot.web import metrics as module

    began = module._began.set(0.0)
    metrics.turn("converse", AT_ONCE)
    metrics.unkept_words(finding)
    module._began.reset(began)
    raise_one(db, new_conversation(db), tier="T0", category="RF30")
    with db.begin() as session:
        (row,) = outbox.lease(session, "email", "me", timedelta(minutes=1), 10)
        outbox.record_dead(session, row.id, "me", "x")
        session.execute(update(Handoff).values(exhausted_at=db.clock()))
        for name in ("outbox.email", "outbox.retention", state.BACKUP, state.RETENTION):
            outbox.beat(session, name)


def expressions() -> list[tuple[str, str, dict[str, str]]]:
    """Alert, metric and labels that its expression asks for."""
    return [
        (alert, name, dict(_LABEL.findall(labels or "")))
        for alert, rule in RULES.items()
        for name, labels in _NAME.findall(rule["expr"])
    ]


@pytest.mark.parametrize("alert", RULES)
def test_a_rule_is_one_that_prometheus_takes(alert: str) -> None:
    rule = RULES[alert]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", alert)
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert _DURATION.fullmatch(rule.get("for", "0s"))
    for opening, closing in ("()", "{}", "[]"):
        assert rule["expr"].count(opening) == rule["expr"].count(closing)
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{alert.lower()}"
    # A template can only show labels that the expression leaves.
    kept = set(",".join(re.findall(r"by \(([^)]*)\)", rule["expr"])).replace(" ", "").split(","))
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= kept


def test_every_alert_is_there_once_and_in_one_group() -> None:
    assert len(RULES) == sum(len(group["rules"]) for group in GROUPS)
    assert len({group["name"] for group in GROUPS}) == len(GROUPS)


@pytest.mark.parametrize(("alert", "name", "labels"), expressions())
def test_every_metric_of_an_expression_is_really_exported(
    exported: Scraped, alert: str, name: str, labels: dict[str, str]
) -> None:
    there = [dict(found) for known, found in exported if known == name]
    assert there, f"{alert}: nobody exports {name}"
    assert set(labels) <= set(there[0]), f"{alert}: {name} has no such label"


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_has_its_section_in_the_runbook(alert: str) -> None:
    found = re.search(rf"^## {alert}\n(.*?)(?=^## |\Z)", RUNBOOK.read_text(), re.M | re.S)
    assert found, f"docs/runbook.md has no section {alert}"
    for part in PARTS:
        assert found[1].count(part) == 1, f"{alert}: {part}"


def test_the_runbook_has_no_section_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOK.read_text(), re.M)) == set(RULES)


def test_commands_of_the_runbook_exist() -> None:
    from typer.main import get_command

    from bot.cli import app

    known: Any = get_command(app)
    for text in (RUNBOOK.read_text(), (ROOT / "docs" / "operations.md").read_text()):
        for words in re.findall(r"`pne ([a-z][a-z -]*)", text):
            command = known
            for word in words.split():
                if not hasattr(command, "commands"):
                    break
                assert word in command.commands, f"pne {words}"
                command = command.commands[word]
