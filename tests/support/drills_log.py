"""What must hold after a drill: what the pages saw against what the databases hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from bot.store import events
from bot.store.models import Handoff, Outbox
from bot.store.session import Database
from tests.support.drills import NO_ANSWER, RED, TOLD_WITHIN, Page, Said, Ward, busy


@dataclass(frozen=True)
class Result:
    """Of one drill: counts, times in seconds, and what the patients were told while there was no answer."""

    name: str
    messages: int
    alarms: int
    resent: int
    recovery: float
    silence: float
    told: Counter[str]

    def line(self) -> str:
        told = ", ".join(f"{what} x{number}" for what, number in self.told.most_common())
        return (
            f"DRILL {self.name}: {self.messages} messages ({self.alarms} alarms, {self.resent} sent again), 0 lost, "
            f"0 doubled, recovery {self.recovery:.1f} s, longest silence {self.silence:.2f} s, busy x{busy():.1f}; "
            f"told: {told or 'nothing else'}"
        )


def check(name: str, ward: Ward, db: Database, recovered: float = 0.0, told_within: float = TOLD_WITHIN) -> Result:
    """Asserts the bars for every page of the ward; prints and gives the figures."""
    said: list[Said] = []
    for page in ward.pages:
        nothing_lost_or_doubled(page, db)
        said += [one for one in page.said if one.kept]
    alarms = [one for one in said if one.text == RED]
    told = Counter(what for one in said for what in {what for _, what in one.told})
    told += Counter(one.answer for one in said if one.answer in NO_ANSWER)
    result = Result(
        name,
        len(said),
        len(alarms),
        sum(one.tries > 1 for one in said),
        recovered,
        max((one.silence for one in said), default=0.0),
        told,
    )
    print(result.line())
    late = [one for one in said if one.silence > told_within * slack()]
    silent = [(one.text, round(one.silence, 2), one.first_word()) for one in late]
    assert not silent, silent
    return result


def slack() -> float:
    """How much later than on a quiet machine a word may come: for the part of the time that is work, not waiting."""
    return 1 + 0.15 * (busy() - 1) + 0.1


def nothing_lost_or_doubled(page: Page, db: Database) -> None:
    """The page's messages against the log, the log against itself, and its alarms against the handoffs."""
    with db.read() as session:
        log = events.events_after(session, page.conversation, 0, 10_000)
        items = session.execute(select(Handoff).where(Handoff.conversation_id == page.conversation)).scalars().all()
        notices = session.execute(
            select(Outbox.handoff_id, Outbox.kind, Outbox.channel, Outbox.contact).where(
                Outbox.handoff_id.in_([item.id for item in items])
            )
        ).all()
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    keys = [event.client_id for event in log if event.client_id]
    assert _twice(keys) == []
    mine = {event.client_id: event.seq for event in log if event.author == events.PATIENT}
    sent = {one.key: one.seq for one in page.said if one.kept}
    assert sent.items() <= mine.items(), "a message that was taken is not in the log, or under another number"
    assert set(mine) <= {one.key for one in page.said}, "in the log is a message that nobody sent"
    # Every message has its replies, each once, or something else stands in their place, once.
    unreplied = []
    for one in page.said:
        replies = [event.body for event in log if str(event.client_id).startswith(f"{one.key}.")]
        assert _twice(str(body["fallback_text"]) for body in replies) == []
        if one.kept and not replies:
            unreplied.append(one)
    unkeyed = [event for event in log if event.author != events.PATIENT and not event.client_id]
    others = [str(event.body.get("answer_id")) for event in unkeyed]
    assert len(others) >= len(unreplied), "a message was taken and never answered"
    assert sum(answer in NO_ANSWER for answer in others) <= len(unreplied), "no answer was said where there was one"
    assert log[-1].author != events.PATIENT
    # The page: everything in the log, once and in order.
    seen = [event["seq"] for _, event in page.seen if event["seq"] is not None]
    assert seen == sorted(set(seen)) and set(seen) == {event.seq for event in log}, "the page has not what the log has"
    alarms = [one.key for one in page.said if one.text == RED and one.kept]
    assert sorted(item.message_key for item in items if item.tier in ("T0", "T1")) == sorted(alarms)
    assert _twice(notices) == [], "somebody was told twice"
    assert {row.handoff_id for row in notices} == {item.id for item in items}, "an alarm that nobody is told of"
    words = [event for event in log if event.body.get("kind") == "safety" and event.body.get("tier") in ("T0", "T1")]
    assert len(words) == len(alarms)


def _twice(values: Iterable[Any]) -> list[Any]:
    return [value for value, number in Counter(map(str, values)).items() if number > 1]
