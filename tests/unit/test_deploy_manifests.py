"""The files of deploy/ read and compared with each other and with the program. Where they are wrong it is seen here:
no container and no cluster runs in these tests."""

from __future__ import annotations

import copy
import ipaddress
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.routing import Route
from typer.testing import CliRunner

from bot.cli import app as pne
from bot.processes import parts
from bot.settings import ROOT, read_settings
from bot.web.app import FINISH_SECONDS, create_app
from tests.support import manifests
from tests.support.manifests import (
    COMPONENT,
    DEPLOY,
    compose,
    compose_faults,
    included,
    kubernetes_faults,
    objects,
    pinned,
    secret_variables,
    variables,
    workloads,
)

sys.path.insert(0, str(DEPLOY))
import healthcheck

SETTINGS = read_settings({"PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32})
NGINX = DEPLOY / "nginx"
SITES = ("nginx.conf", "pne.conf", "pne-behind-tls.conf")


def known_command(words: list[str]) -> bool:
    return CliRunner().invoke(pne, [*words[:1], "--help"]).exit_code == 0


def web_paths() -> set[str]:
    return {route.path for route in create_app(SETTINGS).routes if isinstance(route, Route)}


def probe_paths() -> dict[str, set[str]]:
    """What each part answers without a token, from its own source."""
    assert '@routes.get("/health")' in (ROOT / "bot/channels/web.py").read_text()
    rasa_sdk = metadata.distribution("rasa-sdk").locate_file("rasa_sdk/endpoint.py")
    assert '"/health"' in Path(str(rasa_sdk)).read_text()
    rasa = {"/", "/webhooks/web/health"}
    return {"web": web_paths(), "rasa": rasa, "actions": {"/health"}, "nginx": {"/nginx-health"}}


def test_compose_has_no_faults() -> None:
    assert list(compose_faults(compose())) == []


def changed(service: str, **more: Any) -> Callable[[dict[str, Any]], None]:
    return lambda made: made["services"][service].update(more)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (changed("web1", image="pne-tutor:latest"), "no one version"),
        (changed("web1", user="0:0"), "root"),
        (changed("rasa1", read_only=False), "written"),
        (changed("rasa1", cap_drop=[]), "capabilities"),
        (changed("actions", security_opt=[]), "privileges"),
        (changed("actions", tmpfs=[]), "/tmp"),
        (changed("postgres", deploy={}), "limits"),
        (changed("postgres", ports=["5432:5432"]), "from outside"),
        (changed("valkey", networks=["outside"]), "outside among the networks"),
        (changed("nginx", volumes=["pages:/etc/nginx/pne/outage:ro"]), "no volume pages"),
        (changed("web2", depends_on={"nobody": {"condition": "service_healthy"}}), "waits for nobody"),
        (changed("web2", environment={"PNE_COLOUR": "1"}), "no setting"),
        (changed("web2", environment={"PNE_SECRET_KEY": "x" * 32}), "belongs into a file"),
        (changed("web2", environment={"PNE_REDIS_URL": "redis://:word@valkey"}), "belongs into a file"),
        (changed("web2", privileged=True), "unknown key"),
        (lambda made: made["configs"].update(site={"file": "./nginx/none.conf"}), "no ./nginx/none.conf"),
    ],
)  # fmt: skip
def test_a_fault_in_compose_is_found(change: Callable[[dict[str, Any]], None], fault: str) -> None:
    made = copy.deepcopy(compose())
    change(made)
    assert any(fault in one for one in compose_faults(made))


def test_compose_lets_only_nginx_out_and_its_parts_find_each_other() -> None:
    services = compose()["services"]
    networks = {name: set(service["networks"]) for name, service in services.items()}
    assert compose()["networks"]["inside"]["internal"] is True
    assert {name for name, where in networks.items() if "edge" in where} == {"nginx", "web1", "web2"}
    assert {name for name, where in networks.items() if "inside" not in where} == {"nginx"}
    address = services["nginx"]["networks"]["edge"]["ipv4_address"]
    [ipam] = compose()["networks"]["edge"]["ipam"]["config"]
    assert ipaddress.ip_address(address) in ipaddress.ip_network(ipam["subnet"])
    webs = [name for name, service in services.items() if service.get("command") == ["run", "web"]]
    rasas = [name for name, service in services.items() if service.get("command") == ["run", "rasa"]]
    for name in webs:
        environment = services[name]["environment"]
        assert environment["PNE_PROXIES"] == address
        assert environment["PNE_RASA_URLS"] == ",".join(f"http://{one}:{SETTINGS.rasa_port}" for one in rasas)
        assert environment["PNE_ACTIONS_URL"] == f"http://actions:{SETTINGS.actions_port}/webhook"
    listed = re.findall(r"^server ([\w.-]+):(\d+)", (NGINX / "upstream/compose.conf").read_text(), re.M)
    assert listed == [(name, str(SETTINGS.port)) for name in webs]


def test_compose_runs_commands_that_are_there_and_asks_each_part_for_its_own_health() -> None:
    for service in compose()["services"].values():
        if not service["image"].startswith("pne-tutor"):
            continue
        assert known_command(service["command"]), service["command"]
        test = service["healthcheck"].get("test")
        assert service["healthcheck"].get("disable") or test == ["CMD", "python", "deploy/healthcheck.py",
                                                                 service["command"][1]]  # fmt: skip


def test_the_health_check_asks_paths_that_are_there_on_ports_that_are_the_settings() -> None:
    settings = {"web": ("PNE_PORT", SETTINGS.port), "rasa": ("PNE_RASA_PORT", SETTINGS.rasa_port),
                "actions": ("PNE_ACTIONS_PORT", SETTINGS.actions_port)}  # fmt: skip
    for part, (variable, port, path) in healthcheck.PROBES.items():
        assert (variable, int(port)) == settings[part]
        assert path in probe_paths()[part]


def test_the_secrets_of_compose_are_the_ones_that_the_script_makes(tmp_path: Path) -> None:
    for _ in range(2):  # the second time it keeps them
        subprocess.run(["sh", str(DEPLOY / "make-secrets.sh"), str(tmp_path / "made")], check=True, capture_output=True)
        kept = {path.name: path.read_text() for path in (tmp_path / "made").iterdir()}
    assert {f"./secrets/{name}" for name in kept} == {one["file"] for one in compose()["secrets"].values()}
    assert kept["database_url"] == f"postgresql://pne:{kept['postgres_password']}@postgres:5432/pne"
    secrets = {"PNE_RASA_SECRET": kept["rasa_secret"], "PNE_SECRET_KEY": kept["secret_key"]}
    assert read_settings({"PNE_ENVIRONMENT": "production", **secrets}).production
    assert len(set(kept.values())) == len(kept)
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_kubernetes_has_no_faults() -> None:
    assert list(kubernetes_faults(objects())) == []


def edit(kind: str, name: str, path: str, value: Any) -> Callable[[list[dict[str, Any]]], None]:
    def change(made: list[dict[str, Any]]) -> None:
        one: Any = next(one for one in made if (one["kind"], one["metadata"]["name"]) == (kind, name))
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        for part in way:
            one = one[part]
        one[last] = value

    return change


POD = "spec/template/spec"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (edit("Deployment", "actions", "apiVersion", "apps/v1beta1"), "not known"),
        (edit("ConfigMap", "pne-settings", "data/PNE_COLOUR", "1"), "no setting"),
        (edit("ConfigMap", "pne-settings", "data/PNE_SECRET_KEY", "1"), "is a secret"),
        (edit("ConfigMap", "pne-settings", "data/PNE_PORT", 8080), "must be text"),
        (edit("Secret", "pne-secrets", "stringData", {}), "PNE_SECRET_KEY is missing"),
        (edit("Deployment", "edge", "spec/selector/matchLabels", {COMPONENT: "web"}), "does not match"),
        (edit("Deployment", "edge", "spec/strategy/rollingUpdate/maxUnavailable", 1), "before others"),
        (edit("StatefulSet", "web", "spec/serviceName", "edge"), "no names"),
        (edit("StatefulSet", "web", f"{POD}/automountServiceAccountToken", True), "token"),
        (edit("StatefulSet", "web", f"{POD}/securityContext/runAsNonRoot", False), "root"),
        (edit("StatefulSet", "web", f"{POD}/securityContext/seccompProfile", {}), "seccomp"),
        (edit("StatefulSet", "web", f"{POD}/volumes", []), "no volume tmp"),
        (edit("StatefulSet", "web", f"{POD}/containers/0/image", "pne-tutor"), "no one version"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/securityContext/readOnlyRootFilesystem", False), "write"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/securityContext/capabilities", {}), "capabilities"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/resources/limits", {}), "limit"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/lifecycle", {}), "still sent"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/env", [{"name": "PNE_RASA_SECRET", "value": "x"}]), "secret"),
        (edit("StatefulSet", "rasa", f"{POD}/containers/0/envFrom/0/configMapRef/name", "none"), "no none"),
        (edit("Job", "migrate", f"{POD}/containers/0/volumeMounts", []), "/tmp"),
        (edit("Service", "actions", "spec/selector", {COMPONENT: "action"}), "selects nothing"),
        (edit("Service", "actions", "spec/ports/0/targetPort", "web"), "none of the pods'"),
        (edit("PodDisruptionBudget", "rasa", "spec/selector/matchLabels", {COMPONENT: "none"}), "selects nothing"),
        (edit("Ingress", "pne", "spec/tls", []), "no TLS"),
        (edit("Ingress", "pne", "spec/rules/0/http/paths/0/backend/service/name", "web"), "past the edge"),
        (edit("NetworkPolicy", "nothing", "spec/policyTypes", ["Ingress"]), "shuts everything out"),
        (edit("NetworkPolicy", "rasa", "spec/ingress/0/ports/0/port", 80), "another port"),
        (edit("NetworkPolicy", "rasa", "spec/ingress", []), "does not let it in"),
        (edit("NetworkPolicy", "web", "spec/egress", []), "may not go there"),
        (edit("NetworkPolicy", "actions", "spec/podSelector", {"matchLabels": {COMPONENT: "web"}}), "no network"),
    ],
)
def test_a_fault_in_kubernetes_is_found(change: Callable[[list[dict[str, Any]]], None], fault: str) -> None:
    made = copy.deepcopy(objects())
    change(made)
    assert any(fault in one for one in kubernetes_faults(made))


def test_kubernetes_parts_find_each_other_by_names_that_are_there() -> None:
    made = objects()
    found = workloads(made)
    settings = next(one for one in made if one["kind"] == "ConfigMap")["data"]
    namespace = next(one for one in made if one["kind"] == "Namespace")["metadata"]["name"]

    def pods(name: str, port: int) -> list[str]:
        count = found[name]["spec"]["replicas"]
        return [f"{name}-{one}.{name}.{namespace}.svc.cluster.local:{port}" for one in range(count)]

    assert settings["PNE_RASA_URLS"] == ",".join(f"http://{pod}" for pod in pods("rasa", SETTINGS.rasa_port))
    assert settings["PNE_ACTIONS_URL"] == f"http://actions:{SETTINGS.actions_port}/webhook"
    listed = re.findall(r"^server (\S+) resolve", (NGINX / "upstream/kubernetes.conf").read_text(), re.M)
    assert listed == pods("web", SETTINGS.port)
    assert all(one["metadata"].get("namespace", namespace) == namespace for one in made)
    host = next(one for one in made if one["kind"] == "Ingress")["spec"]["rules"][0]["host"]
    assert settings["PNE_PUBLIC_URL"] == f"https://{host}"


def test_kubernetes_runs_commands_that_are_there_and_probes_paths_that_are_answered() -> None:
    ports = {"web": SETTINGS.port, "rasa": SETTINGS.rasa_port, "actions": SETTINGS.actions_port, "nginx": 8080}
    answered = probe_paths()
    for workload in workloads(objects()).values():
        pod = workload["spec"]["template"]["spec"]
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            if container["image"].startswith("pne-tutor"):
                assert known_command(container["args"]), container["args"]
            for probe in manifests.PROBES:
                if probe in container:
                    asked = container[probe]["httpGet"]
                    assert asked["port"] == "http" and asked["path"] in answered[container["name"]]
                    assert [port["containerPort"] for port in container["ports"]] == [ports[container["name"]]]


def test_a_web_pod_stays_in_service_while_it_can_say_the_safety_words() -> None:
    [web] = workloads(objects())["web"]["spec"]["template"]["spec"]["containers"]
    assert {web[probe]["httpGet"]["path"] for probe in manifests.PROBES} == {"/healthz"}


def test_a_pod_has_time_to_finish() -> None:
    web = next(part for part in parts(SETTINGS, Path("model")) if part.name == "web")
    streams = float(web.command[web.command.index("--timeout-graceful-shutdown") + 1])
    pod = workloads(objects())["web"]["spec"]["template"]["spec"]
    pause = float(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= pause + streams + FINISH_SECONDS + 5
    assert int(compose()["services"]["web1"]["stop_grace_period"].rstrip("s")) >= streams + FINISH_SECONDS + 5


@pytest.mark.parametrize("site", ["pne.conf", "pne-behind-tls.conf"])
def test_every_file_that_nginx_includes_is_there(site: str) -> None:
    wanted = included(NGINX / site)
    assert "pne/locations.conf" in wanted and "pne/upstream.conf" in wanted
    assert all((NGINX / name).is_file() for name in wanted - {"pne/upstream.conf"})
    if site == "pne.conf":
        configs = compose()["services"]["nginx"]["configs"]
        mounted = {one["target"].removeprefix("/etc/nginx/") for one in configs}
    else:
        [edge] = workloads(objects())["edge"]["spec"]["template"]["spec"]["containers"]
        files = [one for one in edge["volumeMounts"] if one["name"] == "files"]
        mounted = {one["mountPath"].removeprefix("/etc/nginx/") for one in files}
        [generated] = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())["configMapGenerator"]
        assert all((DEPLOY / name).is_file() for name in generated["files"])
        assert {one["subPath"] for one in files} == {Path(name).name for name in generated["files"]}
    assert mounted == wanted | {"nginx.conf", "conf.d/pne.conf"}


def test_the_image_is_built_from_what_is_named_and_runs_as_nobody() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    lines = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.M)).splitlines()
    said = [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines if line.strip()]
    arguments = dict(value.split("=", 1) for word, value in said if word == "ARG")
    bases = [value.split(" ")[0] for word, value in said if word == "FROM"]
    assert all(pinned(re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], base)) for base in bases)
    last = said[max(at for at, (word, _) in enumerate(said) if word == "FROM"):]
    assert [value for word, value in last if word == "USER"] == ["10001:10001"]
    for word in ("ENTRYPOINT", "CMD"):
        [command] = [yaml.safe_load(value) for one, value in last if one == word]
        assert isinstance(command, list)
    assert known_command(command)
    assert any(word == "HEALTHCHECK" for word, _ in last)
    environment = dict(pair.split("=", 1) for word, value in said if word == "ENV" for pair in value.split())
    assert not environment.keys() & secret_variables() and not re.search("SECRET|PASSWORD|TOKEN", str(arguments))
    assert {name for name in environment if name.startswith("PNE_")} <= variables()
    assert read_settings({**environment, "PNE_RASA_SECRET": "r" * 32, "PNE_SECRET_KEY": "k" * 32}).production
    for variable in ("RASA_TELEMETRY_ENABLED", "ORT_DISABLE_TELEMETRY", "PYTHONDONTWRITEBYTECODE"):
        assert variable in environment


def test_only_what_the_image_is_made_of_is_sent_to_its_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    assert all((ROOT / name).exists() for name in let_in)
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.M)
    assert {name for line in copied for name in line.split() if name != "."} <= let_in
    assert not {name.split("/")[0] for name in let_in} & {"var", "tests", "docs", "benchmarks", "models", ".git"}
    # What the program reads beside its code.
    read = set(re.findall(r'ROOT / "([\w.]+)"', "".join(path.read_text() for path in (ROOT / "bot").rglob("*.py"))))
    assert read & {"data", "widget"} == {"data", "widget"}
    assert {name for name in read if (ROOT / name).exists()} - {"models", "bot", "docs", "tests"} <= let_in


def test_the_tools_that_build_the_image_are_the_projects_own() -> None:
    wanted = (DEPLOY / "build-requirements.txt").read_text()
    [(version, digest)] = re.findall(r"^setuptools==(\S+) --hash=sha256:([0-9a-f]{64})$", wanted, re.M)
    lock = (ROOT / "uv.lock").read_text()
    [locked] = re.findall(r'name = "setuptools"\nversion = "(.+)"', lock)
    assert version == locked and digest in lock
    assert re.search(r"^uv==\d+\.\d+\.\d+ --hash=sha256:[0-9a-f]{64}$", wanted, re.M)


def units() -> dict[str, list[tuple[str, str]]]:
    paths = (DEPLOY / "systemd").glob("*.service")
    return {path.name: re.findall(r"^(\w+)=(.*)$", path.read_text(), re.M) for path in paths}


def test_every_unit_runs_a_command_that_is_there_with_settings_that_are_there() -> None:
    assert {"pne-web@.service", "pne-rasa@.service", "pne-actions.service", "pne-migrate.service"} == units().keys()
    for name, lines in units().items():
        said = dict(lines)
        commands = [value.split()[1:] for key, value in lines if key == "ExecStart" and "/pne " in value]
        assert commands and all(known_command(command) for command in commands), name
        given = [pair.split("=", 1)[0] for key, value in lines if key == "Environment" for pair in value.split()]
        for variable in given:
            plain = variable.removesuffix("_FILE") if variable.startswith("PNE_") else variable
            assert plain in variables() or manifests.OTHERS.fullmatch(variable), (name, variable)
        assert said["NoNewPrivileges"] == "yes" and said["ProtectSystem"] == "strict" and said["User"] == "pne"
        assert name == "pne-migrate.service" or said["Restart"] == "always"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd; the test above reads them")
def test_systemd_itself_understands_the_units() -> None:
    paths = [str(path) for path in (DEPLOY / "systemd").iterdir()]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True)
    faults = [line for line in done.stderr.splitlines() if "systemd/pne" in line and "is not executable" not in line]
    assert faults == []
