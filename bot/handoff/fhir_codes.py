"""The codes of FHIR R4 that we use, and which of our states and tiers each stands for.

Every coded field of what we send is one of these: nothing else can be written. The whole value sets stand in the tests.
"""

from __future__ import annotations

from enum import Enum

from bot.store import handoffs

# Our own identifiers and codes. Never an address that answers; the same for every installation, so that it stays the
# same when one moves.
OWN = "https://pne-tutor.invalid/fhir"
CODES = f"{OWN}/codes"
HANDOFF, MESSAGE, ANSWERS, SCORE = (f"{OWN}/{name}" for name in ("handoff", "message", "answers", "score"))
SMART = "http://hl7.org/fhir/smart-app-launch/CodeSystem/smart-codes"
# The type of a Task's input that holds the address of the program to open.
SMART_APPLICATION = "smartonfhir-application"
COMMUNICATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
OBSERVATION_CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


class TaskStatus(str, Enum):
    REQUESTED = "requested"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class TaskIntent(str, Enum):
    # The chat never orders anything: it asks.
    PROPOSAL = "proposal"


class Priority(str, Enum):
    ROUTINE = "routine"
    URGENT = "urgent"
    STAT = "stat"


class EventStatus(str, Enum):
    COMPLETED = "completed"


class CommunicationCategory(str, Enum):
    ALERT = "alert"
    NOTIFICATION = "notification"


class AnswersStatus(str, Enum):
    COMPLETED = "completed"


class ObservationStatus(str, Enum):
    FINAL = "final"


class ObservationCategory(str, Enum):
    SURVEY = "survey"


class DeviceNameType(str, Enum):
    MODEL = "model-name"


class Own(str, Enum):
    """Codes of our own (system CODES): what a Task is, what its inputs and outputs are, and that nobody came."""

    HANDOFF = "handoff"
    RULE = "rule"
    RULES_VERSION = "rules-version"
    OUTCOME = "outcome"
    NOBODY_CLAIMED = "nobody-claimed"
    CHANNEL_TEST = "channel-test"


TASK_STATUS = {
    handoffs.RAISED: TaskStatus.REQUESTED,
    handoffs.DELIVERED: TaskStatus.REQUESTED,
    handoffs.SEEN: TaskStatus.RECEIVED,
    handoffs.CLAIMED: TaskStatus.ACCEPTED,
    handoffs.IN_CONVERSATION: TaskStatus.IN_PROGRESS,
    # The assistant answers again, but the clinician still owes the outcome.
    handoffs.RETURNED: TaskStatus.IN_PROGRESS,
    handoffs.RESOLVED: TaskStatus.COMPLETED,
    handoffs.WITHDRAWN: TaskStatus.CANCELLED,
}
# R4 orders them routine < urgent < asap < stat. "stat" is for emergencies; a same-day item should be acted on promptly,
# which is "urgent"; "asap" would put it above that, and no tier of ours lies between.
PRIORITY = {
    "T0": Priority.STAT,
    "T1": Priority.STAT,
    "T2": Priority.URGENT,
    "T3": Priority.ROUTINE,
    "T4": Priority.ROUTINE,
}
