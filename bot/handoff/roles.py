"""Who of a clinic may do what. Pure. Every page and act of the inbox names the right that it needs."""

from __future__ import annotations

# See the queue and open items (patients' words); take, answer and finish them; give one to somebody else; watch over
# the whole (what nobody took, dead letters, deadlines); people and the clinic's settings; the audit; counts, no words.
READ, ANSWER, ASSIGN, SUPERVISE = "read", "answer", "assign", "supervise"
MANAGE, AUDIT, REPORT = "manage", "audit", "report"
RIGHTS = (READ, ANSWER, ASSIGN, SUPERVISE, MANAGE, AUDIT, REPORT)

# Least privilege: who manages people or audits them has no need of patients' words.
ROLES: dict[str, frozenset[str]] = {
    "clinician": frozenset({READ, ANSWER, REPORT}),
    "triage": frozenset({READ, ANSWER, ASSIGN, SUPERVISE, REPORT}),
    "admin": frozenset({SUPERVISE, MANAGE, REPORT}),
    "auditor": frozenset({AUDIT, REPORT}),
}


def may(role: str, right: str) -> bool:
    """Whether somebody of this role has this right. A role that nobody knows has none."""
    return right in ROLES.get(role, frozenset())
