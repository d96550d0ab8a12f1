"""Rasa without TensorFlow: every command of its own command line works, and nothing leaves the machine."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import sys
import types
from pathlib import Path

import pytest

from bot import rasa_light
from bot.rasa_light.finder import DEFERRED, INTERCEPTED, RasaFinder
from tests.support.rasa_project import Finished, make_project, run, trained

pytestmark = pytest.mark.rasa

# Runs several commands of Rasa's in one process, because importing Rasa takes most of the time of each.
COMMANDS = """
import json, sys, traceback
from pathlib import Path
from bot.rasa_light import activate, main

results = {}

def command(name, *arguments):
    try:
        main(list(arguments))
        results[name] = "ok"
    except SystemExit as end:
        results[name] = f"exit {end.code}"
    except BaseException as error:
        results[name] = "".join(traceback.format_exception(error))

command("api", "run", "--enable-api")
command("validate", "data", "validate")
command("nlu", "test", "nlu", "--no-plot", "--successes")
command("core", "test", "core", "--stories", "tests", "--e2e", "--no-plot")
Path("config.yml").write_text(sys.argv[1].replace("KeywordIntentClassifier", "DIETClassifier"))
command("diet", "train", "--dry-run")
Path("config.yml").write_text(sys.argv[1])
Path("data/rules.yml").write_text(Path("data/rules.yml").read_text().replace("utter_hello", "utter_helo"))
command("mistyped", "train", "core", "--out", "nowhere")

import rasa.utils.train_utils as deferred
import pickle
results["empty before use"] = "rank_and_mask" not in vars(deferred)
try:
    deferred.init_split_entities(True, True)
except ImportError as error:
    results["used"] = str(error)
from rasa.utils.tensorflow.model_data import ragged_array_to_ndarray
results["forwarded"] = ragged_array_to_ndarray([[1, 2], [3]]).shape
from rasa.core.channels import BUILTIN_CHANNELS
results["channels"] = sorted(BUILTIN_CHANNELS)
import rasa.telemetry
results["telemetry"] = rasa.telemetry.is_telemetry_enabled()
import rasa.core.training.interactive
results["interactive"] = "ok"
json.dump(results, open("results.json", "w"))
"""


@pytest.fixture(scope="module")
def commands() -> dict[str, object]:
    """What came of several of Rasa's commands, by name."""
    project, _ = trained()
    copy = make_project(project / "commands")
    (copy / "models").symlink_to(project / "models")
    finished = run(copy, "-c", COMMANDS, (copy / "config.yml").read_text())
    assert finished.code == 0, finished.output
    results: dict[str, object] = json.loads((copy / "results.json").read_text())
    return results | {"output": finished.output, "guard": finished.guard}


def clean(finished: Finished) -> bool:
    """Whether no process of a run imported TensorFlow or asked for an address elsewhere."""
    return bool(finished.guard) and all(
        not noted["tensorflow"] and not noted["outside"] for noted in finished.guard
    )


def test_train_writes_a_model_without_tensorflow_and_without_calling_home() -> None:
    project, finished = trained()
    assert finished.code == 0, finished.output
    assert (project / "models/tiny.tar.gz").exists()
    assert clean(finished), finished.guard


def test_shell_talks() -> None:
    project, _ = trained()
    finished = run(project, "-m", "bot.rasa_light", "shell", stdin="pain\nyes\n/stop\n")
    assert finished.code == 0, finished.output
    assert "Shall I go on" in finished.output
    assert "going on" in finished.output
    assert clean(finished), finished.guard


@pytest.mark.parametrize("name", ["validate", "nlu", "core", "interactive"])
def test_command_works(commands: dict[str, object], name: str) -> None:
    assert commands[name] == "ok", commands["output"]


def test_core_test_found_the_right_actions(commands: dict[str, object]) -> None:
    assert "Correct:          1 / 1" in str(commands["output"])


def test_commands_neither_import_tensorflow_nor_call_home(commands: dict[str, object]) -> None:
    assert commands["guard"] == [{"outside": [], "tensorflow": False}]
    assert commands["telemetry"] is False


def test_a_neural_component_is_refused_by_name(commands: dict[str, object]) -> None:
    assert commands["diet"] == "exit 1"
    assert "'DIETClassifier' needs TensorFlow" in str(commands["output"])


def test_a_mistyped_action_in_a_rule_stops_the_training(commands: dict[str, object]) -> None:
    assert "action 'utter_helo' in 'hello'" in str(commands["mistyped"]) + str(commands["output"])


def test_rasas_http_api_is_refused(commands: dict[str, object]) -> None:
    assert "--enable-api is refused" in str(commands["api"])


def test_the_deferred_module_is_run_on_first_use_only(commands: dict[str, object]) -> None:
    assert commands["empty before use"] is True
    assert "needs 'tensorflow'" in str(commands["used"])


@pytest.mark.parametrize("module", DEFERRED)
def test_deferred_names_are_those_of_the_real_module(module: str) -> None:
    spec = importlib.util.find_spec("rasa")
    assert spec and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0], *module.split(".")[1:]).with_suffix(".py")
    own, imported = set(), set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Assign):
            own |= {name.id for name in node.targets if isinstance(name, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            imported |= {name.name for name in node.names}
    own = {name for name in own if not name.startswith("_") and name != "logger"}
    assert own <= DEFERRED[module] <= own | imported


def test_a_function_that_was_taken_early_runs_the_real_one(commands: dict[str, object]) -> None:
    assert commands["forwarded"] == [2]


def test_no_messenger_can_be_configured(commands: dict[str, object]) -> None:
    assert commands["channels"] == ["cmdline"]


def test_another_version_of_rasa_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, RasaFinder)])
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "3.7.0")
    with pytest.raises(rasa_light.UnsupportedRasa, match=r"3\.7\.0 is installed"):
        rasa_light.activate()


def test_coming_too_late_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", [f for f in sys.meta_path if not isinstance(f, RasaFinder)])
    name = next(iter(INTERCEPTED))
    monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    with pytest.raises(rasa_light.UnsupportedRasa, match="after the import"):
        rasa_light.activate()
