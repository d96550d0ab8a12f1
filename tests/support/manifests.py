"""Faults in the files of deploy/, found by reading them: no container, cluster or schema from outside is needed.

What is checked is written here by hand from the Compose specification and the Kubernetes API: the essentials that these
files rely on, not every field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from bot.settings import ROOT, Settings

DEPLOY = ROOT / "deploy"
COMPONENT = "app.kubernetes.io/component"
# Variables that are not ours and may be set.
OTHERS = re.compile(r"OTEL_[A-Z_]+|POSTGRES_[A-Z_]+|PYTHON[A-Z]+|HOME|MPLCONFIGDIR|XDG_[A-Z_]+")
KINDS = {
    "Namespace": "v1", "ConfigMap": "v1", "Secret": "v1", "Service": "v1", "Deployment": "apps/v1",
    "StatefulSet": "apps/v1", "Job": "batch/v1", "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1", "PodDisruptionBudget": "policy/v1",
}  # fmt: skip
TOP = {"name", "services", "networks", "volumes", "configs", "secrets"}
OF_SERVICE = {
    "image", "user", "command", "environment", "networks", "depends_on", "healthcheck", "deploy", "read_only",
    "cap_drop", "security_opt", "restart", "logging", "tmpfs", "secrets", "configs", "volumes", "ports",
    "sysctls", "stop_signal", "stop_grace_period", "shm_size",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def variables() -> set[str]:
    """The names of all settings."""
    return {item.metadata["variable"] for item in fields(Settings)}


def secret_variables() -> set[str]:
    """The settings that are secrets."""
    return {item.metadata["variable"] for item in fields(Settings) if not item.repr}


def compose() -> dict[str, Any]:
    """deploy/compose.yml without its templates, merged."""
    loaded: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yml").read_text())
    return {key: value for key, value in loaded.items() if not key.startswith("x-")}


def objects() -> list[dict[str, Any]]:
    """Everything of the kustomization, in its order, and the template of the secret."""
    kustomization = yaml.safe_load((DEPLOY / "kustomization.yaml").read_text())
    paths = [DEPLOY / name for name in kustomization["resources"]] + [DEPLOY / "kubernetes/secret.example.yaml"]
    return [one for path in paths for one in yaml.safe_load_all(path.read_text())]


def pinned(image: str) -> bool:
    """Whether an image names one version: a tag with a number of three parts, or a digest."""
    image = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image)
    return "@sha256:" in image or bool(re.search(r":v?\d+\.\d+(\.\d+)?[\w.-]*$", image))


def compose_faults(made: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a compose file."""
    yield from (f"{key} is no part of a compose file" for key in made.keys() - TOP)
    for name, service in made["services"].items():
        for fault in _service_faults(name, service, made):
            yield f"{name}: {fault}"
    for kind in ("configs", "secrets"):
        for name, about in made[kind].items():
            if set(about) != {"file"}:
                yield f"{kind} {name}: it must be a file"
            elif kind == "configs" and not (DEPLOY / about["file"]).is_file():
                yield f"{kind} {name}: there is no {about['file']}"


def _service_faults(name: str, service: Mapping[str, Any], made: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"unknown key {key}" for key in service.keys() - OF_SERVICE)
    if not pinned(service["image"]):
        yield f"{service['image']} is no one version"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))):
        yield "it may be root"
    if service.get("read_only") is not True or service.get("cap_drop") != ["ALL"]:
        yield "its file system can be written, or it has capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", ()):
        yield "it may gain privileges"
    if not any(one.startswith("/tmp") for one in service.get("tmpfs", ())):
        yield "it has no /tmp"
    limits = service.get("deploy", {}).get("resources", {}).get("limits", {})
    if not {"memory", "pids"} <= limits.keys():
        yield "it has no limits"
    if not service.get("restart") or not service.get("healthcheck"):
        yield "nothing is said of restarts or health"
    if service.get("ports") and name != "nginx":
        yield "it is reachable from outside"
    for kind in ("networks", "configs", "secrets"):
        for used in service.get(kind, ()):
            used = used["source"] if isinstance(used, dict) else used
            if used not in made[kind]:
                yield f"there is no {used} among the {kind}"
    for volume in service.get("volumes", ()):
        source = volume.rsplit(":/", 1)[0].split(":/")[0]
        if not source.startswith(("$", ".")) and source.split(":")[0] not in made["volumes"]:
            yield f"there is no volume {source}"
    for other, about in service.get("depends_on", {}).items():
        if other not in made["services"] or about["condition"] not in CONDITIONS:
            yield f"it waits for {other}, which is not there, or in an unknown way"
    yield from _environment_faults(service.get("environment", {}))


def _environment_faults(environment: Mapping[str, str]) -> Iterator[str]:
    for variable, value in environment.items():
        plain = variable.removesuffix("_FILE") if variable.startswith("PNE_") else variable
        if plain not in variables() and not OTHERS.fullmatch(variable):
            yield f"{variable} is no setting"
        if variable in secret_variables() and ("@" in str(value) or not str(value).startswith("redis://")):
            yield f"{variable} is a secret and belongs into a file"


def kubernetes_faults(made: list[dict[str, Any]]) -> Iterator[str]:
    """What is wrong with the objects of a kustomization, each and together."""
    names = [(one["kind"], one["metadata"]["name"]) for one in made]
    yield from (f"{name} is there twice" for name in set(names) if names.count(name) > 1)
    for one in made:
        for fault in _object_faults(one, made):
            yield f"{one['kind']} {one['metadata']['name']}: {fault}"
    yield from _policy_faults(made)


def of_kind(made: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    return [one for one in made if one["kind"] in kinds]


def workloads(made: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What runs pods, by its component."""
    found = of_kind(made, "Deployment", "StatefulSet", "Job")
    return {one["spec"]["template"]["metadata"]["labels"].get(COMPONENT, ""): one for one in found}


def _object_faults(one: dict[str, Any], made: list[dict[str, Any]]) -> Iterator[str]:
    if KINDS.get(one["kind"]) != one["apiVersion"]:
        yield f"{one['apiVersion']} {one['kind']} is not known here"
        return
    spec = one.get("spec", {})
    if one["kind"] == "ConfigMap":
        yield from (f"{key} is no setting" for key in one["data"].keys() - variables())
        yield from (f"{key} is a secret" for key in one["data"].keys() & secret_variables())
        yield from (f"{key} must be text" for key, value in one["data"].items() if not isinstance(value, str))
    if one["kind"] == "Secret":
        yield from (f"{key} is no secret setting" for key in one["stringData"].keys() - secret_variables())
        yield from (f"{key} is missing" for key in secret_variables() - one["stringData"].keys())
    if one["kind"] in ("Deployment", "StatefulSet", "Job"):
        yield from _workload_faults(one, made)
    if one["kind"] == "Service":
        behind = workloads(made).get(spec["selector"].get(COMPONENT, ""))
        if behind is None or not spec["selector"].items() <= behind["spec"]["template"]["metadata"]["labels"].items():
            yield "it selects nothing"
        elif {port["targetPort"] for port in spec["ports"]} - {"http"} or not _port(behind):
            yield "its port is none of the pods'"
    if one["kind"] == "PodDisruptionBudget" and spec["selector"]["matchLabels"].get(COMPONENT) not in workloads(made):
        yield "it selects nothing"
    if one["kind"] == "Ingress":
        services = {service["metadata"]["name"] for service in of_kind(made, "Service")}
        hosts = {host for tls in spec["tls"] for host in tls["hosts"]}
        for rule in spec["rules"]:
            if rule["host"] not in hosts:
                yield f"{rule['host']} has no TLS"
            for path in rule["http"]["paths"]:
                if path["backend"]["service"]["name"] not in services & {"edge"}:
                    yield "it leads past the edge"


def _workload_faults(one: dict[str, Any], made: list[dict[str, Any]]) -> Iterator[str]:
    spec, pod = one["spec"], one["spec"]["template"]["spec"]
    labels = spec["template"]["metadata"]["labels"]
    if one["kind"] != "Job" and not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "its selector does not match its pods"
    if one["kind"] == "Deployment" and spec["strategy"]["rollingUpdate"]["maxUnavailable"] != 0:
        yield "a roll-out takes pods away before others are there"
    headless = [service for service in of_kind(made, "Service") if service["spec"].get("clusterIP") == "None"]
    if one["kind"] == "StatefulSet" and spec["serviceName"] not in {one["metadata"]["name"] for one in headless}:
        yield "its pods have no names"
    if pod.get("automountServiceAccountToken") is not False:
        yield "its pods carry a token of the cluster"
    about = pod.get("securityContext", {})
    if about.get("runAsNonRoot") is not True or not about.get("runAsUser"):
        yield "it may be root"
    if about.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    volumes = {volume["name"] for volume in pod.get("volumes", ())}
    for container in [*pod.get("initContainers", ()), *pod["containers"]]:
        for fault in _container_faults(container, volumes, made):
            yield f"{container['name']}: {fault}"
    if one["kind"] != "Job":
        for container in pod["containers"]:
            yield from (f"{container['name']} has no {probe}" for probe in PROBES if probe not in container)
            if "preStop" not in container.get("lifecycle", {}):
                yield f"{container['name']} stops while requests are still sent to it"
        if not [b for b in of_kind(made, "PodDisruptionBudget")
                if b["spec"]["selector"]["matchLabels"].items() <= labels.items()]:  # fmt: skip
            yield "all its pods may be taken away at once"


def _container_faults(
    container: dict[str, Any], volumes: set[str], made: list[dict[str, Any]]
) -> Iterator[str]:
    if not pinned(container["image"]):
        yield f"{container['image']} is no one version"
    about = container.get("securityContext", {})
    if (about.get("allowPrivilegeEscalation"), about.get("readOnlyRootFilesystem")) != (False, True):
        yield "it may gain privileges, or write its file system"
    if about.get("capabilities") != {"drop": ["ALL"]}:
        yield "it has capabilities"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
        yield "it has no requests or no limit"
    mounts = container.get("volumeMounts", ())
    yield from (f"there is no volume {one['name']}" for one in mounts if one["name"] not in volumes)
    if not any(one["mountPath"] == "/tmp" for one in mounts):
        yield "it has no /tmp"
    sources = {(one["kind"], one["metadata"]["name"]) for one in of_kind(made, "ConfigMap", "Secret")}
    for source in container.get("envFrom", ()):
        [(kind, ref)] = source.items()
        if ({"configMapRef": "ConfigMap", "secretRef": "Secret"}[kind], ref["name"]) not in sources:
            yield f"there is no {ref['name']}"
    for item in container.get("env", ()):
        if item["name"] not in variables() and not OTHERS.fullmatch(item["name"]):
            yield f"{item['name']} is no setting"
        if item["name"] in secret_variables():
            yield f"{item['name']} is a secret"


def _port(workload: dict[str, Any]) -> int | None:
    ports = [port["containerPort"] for one in workload["spec"]["template"]["spec"]["containers"]
             for port in one.get("ports", ()) if port["name"] == "http"]  # fmt: skip
    return ports[0] if len(ports) == 1 else None


def _policy_faults(made: list[dict[str, Any]]) -> Iterator[str]:
    policies = of_kind(made, "NetworkPolicy")
    closed = [one for one in policies if one["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}]
    if not closed:
        yield "nothing shuts everything out first"
    named = {one["spec"]["podSelector"].get("matchLabels", {}).get(COMPONENT): one["spec"] for one in policies}
    found = workloads(made)
    yield from (f"{name}: no network policy" for name in found.keys() - named.keys())
    for name, spec in named.items():
        if name is None:
            continue
        for rule in spec.get("ingress", ()):
            if {port["port"] for port in rule["ports"]} != {_port(found[name])}:
                yield f"{name}: its policy opens another port than it has"
        for other, port in _reached(spec):
            if port != _port(found[other]):
                yield f"{name}: it may reach {other} on another port than it has"
            if name not in _let_in(named[other]):
                yield f"{name}: {other} does not let it in"
        yield from (f"{name}: lets in {other}, which may not go there" for other in _let_in(spec)
                    if name not in {there for there, _ in _reached(named[other])})  # fmt: skip


def _reached(spec: Mapping[str, Any]) -> set[tuple[str, int]]:
    return {
        (to["podSelector"]["matchLabels"][COMPONENT], port["port"])
        for rule in spec.get("egress", ())
        for to in rule["to"]
        if "podSelector" in to
        for port in rule["ports"]
    }


def _let_in(spec: Mapping[str, Any]) -> set[str]:
    return {
        come["podSelector"]["matchLabels"][COMPONENT]
        for rule in spec.get("ingress", ())
        for come in rule["from"]
        if "podSelector" in come
    }


def included(path: Path) -> set[str]:
    """The files of ours that an nginx file includes, whatever is included in them too: names as nginx reads them."""
    found = set(re.findall(r"^\s*include (pne/[\w-]+\.conf);", path.read_text(), re.M))
    return found.union(*(included(DEPLOY / "nginx" / name) for name in found if (DEPLOY / "nginx" / name).exists()))
