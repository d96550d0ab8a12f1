"""Whether a document is right FHIR R4: by fhirclient (shape, strictly), and by the value sets, which it does not check.

The sets are written down here from the R4 specification, apart from the program's own list of what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirclient.models import communication, observation, questionnaireresponse, task

CLASSES = {
    "Task": task.Task,
    "Communication": communication.Communication,
    "QuestionnaireResponse": questionnaireresponse.QuestionnaireResponse,
    "Observation": observation.Observation,
}
EVENT_STATUS = "preparation in-progress not-done on-hold stopped completed entered-in-error unknown"
PRIORITY = "routine urgent asap stat"
# Path -> the codes that R4 allows there (bindings of strength "required").
FIELDS = {
    "Task.status": "draft requested received accepted rejected ready cancelled in-progress on-hold failed completed "
    "entered-in-error",
    "Task.intent": "unknown proposal plan order original-order reflex-order filler-order instance-order option",
    "Task.priority": PRIORITY,
    "Communication.status": EVENT_STATUS,
    "Communication.priority": PRIORITY,
    "QuestionnaireResponse.status": "in-progress completed amended entered-in-error stopped",
    "Observation.status": "registered preliminary final amended corrected cancelled entered-in-error unknown",
    "Device.deviceName.type": "udi-label-name user-friendly-name patient-reported-name manufacturer-name model-name "
    "other",
}
# Code systems of others that we use -> their codes.
SYSTEMS = {
    "http://terminology.hl7.org/CodeSystem/communication-category": "alert notification reminder instruction",
    "http://terminology.hl7.org/CodeSystem/observation-category": "social-history vital-signs imaging laboratory "
    "procedure survey exam therapy activity",
    "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes": "launch-app-ehr launch-app-standalone "
    "smartonfhir-application smartonfhir-appcontext",
}
OURS = "https://pne-tutor.invalid/fhir/"
OWN_CODES = "handoff rule rules-version outcome nobody-claimed channel-test"


def faults_of(resource: dict[str, Any]) -> list[str]:
    """What is wrong with a resource, as sentences; empty where nothing is."""
    kind = resource.get("resourceType", "")
    if kind not in CLASSES:
        return [f"{kind} is not one that we send"]
    faults: list[str] = []
    try:
        again = CLASSES[kind](resource, strict=True).as_json()
    except Exception as error:
        return [f"{kind}: {error}"]
    if again != resource:
        faults.append(f"{kind}: the strict model reads it as something else")
    seen: set[str] = set()
    for path, value in _walk(kind, resource):
        seen.add(path)
        if path in FIELDS and value not in FIELDS[path].split():
            faults.append(f"{path} = {value}")
        if isinstance(value, dict) and "system" in value and "code" in value:
            faults.extend(_coding_faults(path, value["system"], value["code"]))
    required = [path for path in FIELDS if path.startswith(f"{kind}.") and path.count(".") == 1]
    faults.extend(f"{path} is missing" for path in required if path not in seen)
    faults.extend(_contained_faults(resource))
    return faults


def _coding_faults(path: str, system: str, code: str) -> list[str]:
    if system == f"{OURS}codes":
        return [] if code in OWN_CODES.split() else [f"{path}: {code} is no code of ours"]
    if system.startswith(OURS):
        return []
    return [] if code in SYSTEMS.get(system, "").split() else [f"{path}: {system} has no {code}"]


def _contained_faults(resource: dict[str, Any]) -> list[str]:
    """R4 dom-2 and dom-3: what is contained holds nothing contained, and is referred to."""
    used = {value for path, value in _walk("", resource) if path.endswith(".reference")}
    faults = []
    for one in resource.get("contained", ()):
        if "contained" in one or f"#{one['id']}" not in used:
            faults.append(f"contained {one['id']} is not referred to")
    return faults


def _walk(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(_kind(inner) or f"{path}.{name}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(_kind(inner) or path, inner)


def _kind(value: Any) -> str:
    """The kind of a resource (what is contained is one of its own); empty for anything else."""
    return str(value.get("resourceType", "")) if isinstance(value, dict) else ""
