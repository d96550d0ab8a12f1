"""People who wander through the tutor: a persona presses, types, skips, leaves and comes back, by a fixed seed.

Pure: the areas are asked as the web app asks them, and what they note goes into a journal."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from bot.tutor import areas, home
from bot.tutor.journal import FORM, Entry, Journal
from bot.tutor.saying import CHECK, TO_CLINIC, Moment, Outcome, Say, payload

START = datetime(2030, 1, 7, 9, tzinfo=timezone.utc)
PERSON_BUTTON = "person:ask"
# What people type where words are asked for: an answer, a question, nothing to the point.
TYPED = (
    "pain is like an alarm that tries to keep you safe", "i sleep badly and work is too much", "what does that mean?",
    "no idea", "skip", "walking the dog with my wife", "my back", "stop", "it hurts less when i am with people",
    "the report says mild disc bulge at l4", "can i ask something else", "😀", "x" * 600,
)  # fmt: skip
CLINIC = {"id": "demo", "name": "Demo", "research": "A study."}


@dataclass
class Walk:
    """One person. `seen` are the ids of all that was said; `at` is the last thing said."""

    seed: int
    facts: Mapping[str, str] = field(default_factory=dict)
    open_flag: bool = False
    journal: Journal = field(default_factory=Journal)
    now: datetime = START
    seen: list[str] = field(default_factory=list)
    at: tuple[Say, ...] = ()

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def moment(self) -> Moment:
        return Moment(self.now, self.journal, self.open_flag, self.facts, clinic=CLINIC, person=f"walk-{self.seed}")

    def take(self, outcome: Outcome) -> Outcome:
        """What an area answered: noted, and on the screen."""
        self.journal = self.journal.with_(outcome.notes, self.now)
        self.at = (*outcome.says, *outcome.after)
        self.seen += [say.id for say in self.at]
        self.now += timedelta(seconds=self.rng.randrange(5, 90))
        return outcome

    def press(self, pressed: str) -> Outcome:
        return self.take(areas.pressed(self.moment(), pressed))

    def buttons(self) -> list[str]:
        """What can be pressed, with the ways out that the web app puts under the last thing said."""
        own = [button.payload for say in self.at for button in say.buttons]
        ways = [payload("home"), home.STOP] if self.at and self.at[-1].ways else []
        return list(dict.fromkeys([*own, *ways]))

    def form(self) -> Say | None:
        return next((say for say in reversed(self.at) if "form" in say.more), None)

    def step(self) -> Outcome:
        """Something that a person may do now."""
        form, roll = self.form(), self.rng.random()
        if roll < 0.06:
            return self.press(payload(self.rng.choice(areas.AREAS)))
        if roll < 0.1:
            self.now += timedelta(days=self.rng.choice([1, 2, 7, 14, 31, 45]))
            back = areas.due(self.moment())
            return self.take(back) if back is not None else self.press(payload("home"))
        if form is not None and roll < 0.8:
            return self.fill(form)
        awaits = next((say.awaits for say in reversed(self.at) if say.awaits), "")
        if awaits and roll < 0.7:
            return self.tell(awaits, self.rng.choice(TYPED))
        ours = [one for one in self.buttons() if one.startswith("tutor:")]
        return self.press(self.rng.choice(ours) if ours else payload("home"))

    def tell(self, awaits: str, text: str) -> Outcome:
        way = home.way_out(text)
        if way == home.STOPS:
            return self.press(home.STOP)
        found = areas.typed(self.moment(), awaits, "" if way == home.SKIPS else text)
        return self.take(found) if found is not None else self.press(payload("home"))

    def fill(self, form: Say) -> Outcome:
        answers = {item["id"]: self.answer(item) for item in form.more["items"]}
        name = str(form.more["form"])
        outcome = areas.filled(self.moment(), name, answers)
        if name.startswith("tutor_measures_"):
            self.journal = self.journal.with_([Entry(FORM, name, answers)], self.now)
        return self.take(outcome)

    def answer(self, item: Mapping[str, Any]) -> Any:
        if self.rng.random() < 0.15:
            return None
        if item["kind"] == "scale":
            return self.rng.randint(item.get("min", 0), item.get("max", 10))
        if item["kind"] == "choice":
            return self.rng.choice([choice["value"] for choice in item["choices"]])
        return self.rng.choice(TYPED)[: item.get("max", 500)]

    def goes_on(self, outcome: Outcome) -> bool:
        """Whether there is a way on: to press, to fill, or what the web app does."""
        return bool(outcome.then in (CHECK, TO_CLINIC) or self.buttons() or self.form())


def persona(seed: int) -> Walk:
    """A made-up person: what they have confirmed, and whether a red flag of theirs stands open."""
    rng = random.Random(seed)
    kept = rng.sample(["sleep", "load_stress", "fear_of_moving", "worry_spiral", "on_watch", "work"], rng.randrange(4))
    notes = [Entry("factor", factor, {"kept": True, "words": ""}, START) for factor in kept]
    walk = Walk(seed, {"age": "52"} if seed % 2 else {}, open_flag=seed % 7 == 0)
    return replace(walk, journal=Journal(tuple(notes)))
