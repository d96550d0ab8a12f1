"""What was passed on to the clinic's people: how much, how fast, whether in time, and whether it was right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from bot.store.handoffs import HELD, QUIET, RESOLVED, RETURNED, WAITING, WITHDRAWN
from bot.store.models import Audit, Handoff
from bot.store.reports.figures import share, spread
from bot.store.reports.period import Period, monday, weeks
from bot.store.reports.small import Count, Table, added

TIERS = ("T0", "T1", "T2", "T3", "T4")
# What became of an item. Outcomes are grouped by what they say of the rule that raised it: it was right, it was a false
# alarm, or nothing (`seen_to`, `left_out`).
TRUE, FALSE, SEEN_TO, LEFT_OUT = "true", "false", "seen_to", "left_out"
OPEN_WAITING, OPEN_HELD = "waiting", "held"
OUTCOMES: dict[str, tuple[str, ...]] = {
    TRUE: ("true_red_flag", "sent_to_emergency"),
    FALSE: ("not_red_flag",),
    SEEN_TO: ("booked_visit", "booked_imaging", "answered"),
    LEFT_OUT: ("duplicate", "not_reached"),
}
ENDS = (*OUTCOMES, RETURNED, WITHDRAWN, OPEN_HELD, OPEN_WAITING)
_GROUP = {outcome: group for group, outcomes in OUTCOMES.items() for outcome in outcomes}
# Whether somebody took it before the first step of the chain was over: in time; late; the chain had ended first; still
# waiting in time; taken back before that.
IN_TIME, LATE, CHAIN_ENDED, NOT_DUE = "in_time", "late", "chain_ended", "not_due"
DEADLINES = (IN_TIME, LATE, CHAIN_ENDED, NOT_DUE, WITHDRAWN)
STAGES = ("delivered", "seen", "taken", "answered")
REACHED, NOT_REACHED = "yes", "no"
BY_RULE, NO_RULE, OTHER, UNKNOWN = "rules", "no_rule", "other", "unknown"
_TAKEN = ("handoff.claimed", "handoff.reassigned")
_CLIMBED, _ENDED, _ATTACHED, _RAISED = (f"handoff.{act}" for act in ("escalated", "exhausted", "attached", "raised"))
_ACTS = (*_TAKEN, _CLIMBED, _ENDED, _ATTACHED, _RAISED)

# When the first step of the clinic's chain is over for an item of a tier that begins at a moment.
Deadline = Callable[[str, datetime], datetime]


@dataclass
class Item:
    """One handoff without its words, and what the audit has of it."""

    id: str
    tier: str
    category: str | None
    rule: str | None
    rules_version: str | None
    status: str
    outcome: str | None
    raised: datetime
    delivered: datetime | None
    seen: datetime | None
    claimed: datetime | None
    answered: datetime | None
    closed: datetime | None
    acts: list[tuple[str, datetime, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def taken(self) -> datetime | None:
        """When somebody took it first. The row itself forgets that when it is released."""
        return next((at for act, at, _ in self.acts if act in _TAKEN), self.claimed)

    @property
    def end(self) -> str:
        """What became of it, one of ENDS."""
        if self.status == RESOLVED:
            return _GROUP.get(self.outcome or "", LEFT_OUT)
        if self.status in HELD:
            return OPEN_HELD
        return OPEN_WAITING if self.status in WAITING else self.status


def escalations(
    session: Session, clinic: str, period: Period, zone: tzinfo, deadline: Deadline, at: datetime
) -> tuple[dict[str, Any], Count]:
    """The whole part about handoffs as plain data, and the number of false alarms. `at`: now."""
    items = _items(session, clinic, period)
    # First what matters most, the alarms of the rules: whatever else is given must not give them away.
    raised_by = _table(
        (BY_RULE, NO_RULE),
        ENDS,
        ((BY_RULE if item.rule else NO_RULE, item.end) for item in items),
        dear=(BY_RULE,),
    )
    sums = {"fixed_columns": raised_by.column_sums, "fixed_total": raised_by.total}
    ends = _table(TIERS, ENDS, ((item.tier, item.end) for item in items), **sums)
    names = weeks((item.raised for item in items), zone)
    in_week = {item.id: monday(item.raised, zone).isoformat() for item in items}
    weekly = _table(
        names,
        TIERS,
        ((in_week[item.id], item.tier) for item in items),
        fixed_columns=ends.row_sums,
        fixed_total=ends.total,
    )
    judged = {item.id: kept_deadline(item, deadline, at) for item in items}
    in_time = _table(
        TIERS,
        DEADLINES,
        ((item.tier, judged[item.id]) for item in items),
        fixed_rows=ends.row_sums,
        fixed_total=ends.total,
    )
    in_time_weekly = _table(
        names,
        DEADLINES,
        ((in_week[item.id], judged[item.id]) for item in items),
        fixed_rows=weekly.row_sums,
        fixed_columns=in_time.column_sums,
        fixed_total=ends.total,
    )
    rules = _rules([item for item in items if item.rule], raised_by)
    made = {
        "total": ends.total,
        "raised_by": raised_by.as_dict(),
        "ends": ends.as_dict(),
        "outcomes": {group: _outcomes(items, ends, group) for group, several in OUTCOMES.items() if len(several) > 1},
        "by_week": weekly.as_dict(),
        "deadlines": {
            "by_tier": in_time.as_dict(),
            "by_week": in_time_weekly.as_dict(),
            "met": {tier: _met(row) for tier, row in in_time.as_dict()["rows"].items()}
            | {"all": _met(in_time.column_sums)},
        },
        "times": {stage: _times(items, ends, stage) for stage in STAGES},
        "rules": rules,
    }
    return made, raised_by.row(BY_RULE)[FALSE]


def judged(
    session: Session, clinic: str, period: Period, deadline: Deadline, at: datetime
) -> list[tuple[Item, str]]:
    """Every handoff of the period and whether it was taken in time (one of DEADLINES), for who may see each of them."""
    return [(item, kept_deadline(item, deadline, at)) for item in _items(session, clinic, period)]


def kept_deadline(item: Item, deadline: Deadline, at: datetime) -> str:
    """Whether the item was taken before the first step of its chain was over, one of DEADLINES. `at`: now.

    The audit says when the chain climbed; the clinic's limits are asked too, for the hours in which nothing climbed.
    Where a later message made an item graver, the chain began anew, and with it the time.
    """
    tier, begun, climbed = item.tier, item.raised, False
    ended = False
    for act, when, details in item.acts:
        if act in _TAKEN:
            break
        if act == _RAISED:
            tier = str(details.get("tier") or tier)
        elif act == _ATTACHED and details.get("graver"):
            climbed = climbed or when > deadline(tier, begun)
            tier, begun = str(details.get("tier") or tier), when
        climbed = climbed or act == _CLIMBED
        ended = ended or act == _ENDED
    if ended:
        return CHAIN_ENDED
    handled = item.taken or item.closed
    if climbed or (handled or at) > deadline(tier, begun):
        return LATE
    if item.status == WITHDRAWN and item.taken is None:
        return WITHDRAWN
    return IN_TIME if handled is not None else NOT_DUE


def _items(session: Session, clinic: str, period: Period) -> list[Item]:
    h = Handoff
    # What is read at the next contact has no deadline, and was right or wrong about nothing.
    mine = (h.clinic == clinic, func.coalesce(h.category, "").not_in(QUIET), *period.of(h.created_at))
    rows = session.execute(
        select(
            *(h.id, h.tier, h.category, h.rule, h.rules_version, h.status, h.outcome, h.created_at),
            *(h.delivered_at, h.seen_at, h.claimed_at, h.answered_at, h.closed_at),
        ).where(*mine)
    )
    items = {row[0]: Item(*row) for row in rows}
    acts = session.execute(
        select(Audit.subject, Audit.act, Audit.at, Audit.details)
        .join(h, h.id == Audit.subject)
        .where(*mine, Audit.clinic == clinic, Audit.act.in_(_ACTS))
        .order_by(Audit.seq)
    )
    for subject, act, when, details in acts:
        if subject in items:
            items[subject].acts.append((act, when, details or {}))
    return [items[key] for key in sorted(items)]


def _table(rows: Iterable[str], columns: Iterable[str], pairs: Iterable[tuple[str, str]], **fixed: Any) -> Table:
    return Table(tuple(rows), tuple(columns), Counter(pairs), **fixed)


def _outcomes(items: list[Item], ends: Table, group: str) -> dict[str, Any]:
    """The outcomes of one group by tier: its sums have been given already."""
    pairs = ((item.tier, str(item.outcome)) for item in items if item.end == group)
    sums = {tier: ends.row(tier)[group] for tier in TIERS}
    return _table(
        TIERS, OUTCOMES[group], pairs, fixed_rows=sums, fixed_total=ends.column_sums[group]
    ).as_dict()


def _met(row: Mapping[str, Count]) -> dict[str, Any]:
    return share(row[IN_TIME], added(row[LATE], row[CHAIN_ENDED]))


def _times(items: list[Item], ends: Table, stage: str) -> dict[str, Any]:
    """Seconds from raised to a stage, by tier and of all, with how many came so far."""
    seconds: dict[str, list[float]] = defaultdict(list)
    pairs = []
    for item in items:
        at = getattr(item, stage)
        pairs.append((item.tier, REACHED if at is not None else NOT_REACHED))
        if at is not None:
            seconds[item.tier].append(max(0.0, (at - item.raised).total_seconds()))
    came = _table(TIERS, (REACHED, NOT_REACHED), pairs, fixed_rows=ends.row_sums, fixed_total=ends.total)
    everybody = [value for values in seconds.values() for value in values]
    by_tier = {tier: spread(seconds[tier], came.row(tier)[REACHED]) for tier in TIERS}
    return {**by_tier, "all": spread(everybody, came.column_sums[REACHED])}


def _rules(items: list[Item], raised_by: Table) -> dict[str, Any]:
    """How often the safety rules were right, of what they raised: by category, by rule and by version."""
    whole = raised_by.row(BY_RULE)
    sums = {"fixed_columns": whole, "fixed_total": raised_by.row_sums[BY_RULE]}
    of = {item.id: item.category or OTHER for item in items}
    versions = {item.id: item.rules_version or UNKNOWN for item in items}
    categories = _table(sorted(set(of.values())), ENDS, ((of[item.id], item.end) for item in items), **sums)
    by_version = _table(
        sorted(set(versions.values())), ENDS, ((versions[item.id], item.end) for item in items), **sums
    )
    by_rule = {}
    for name in categories.rows:
        its = [item for item in items if of[item.id] == name]
        fixed = {"fixed_columns": categories.row(name), "fixed_total": categories.row_sums[name]}
        rules = sorted({str(item.rule) for item in its})
        by_rule[name] = _rated(_table(rules, ENDS, ((str(item.rule), item.end) for item in its), **fixed))
    return {
        "all": {**whole, "all": raised_by.row_sums[BY_RULE], "precision": share(whole[TRUE], whole[FALSE])},
        "by_category": _rated(categories),
        "by_rule": by_rule,
        "by_version": _rated(by_version),
    }


def _rated(table: Table) -> dict[str, Any]:
    return {
        name: {**row, "precision": share(row[TRUE], row[FALSE])} for name, row in table.as_dict()["rows"].items()
    }
