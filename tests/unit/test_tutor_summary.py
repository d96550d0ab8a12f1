"""The page for the next visit: only what was confirmed, only what was left in, only what was approved."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content.tutor import load_lines
from bot.tutor import summary
from bot.tutor import summary_page as pages
from bot.tutor.journal import FORM, Entry, Journal
from bot.tutor.saying import QUESTIONNAIRE, TO_CLINIC, Moment, Outcome

NOW = datetime(2027, 3, 1, 9, tzinfo=timezone.utc)
FACTS = {"body_part": "lower_back", "age": "52"}
PEG = {"peg_pain": 6, "peg_enjoyment": 6, "peg_activity": 6}
PLAN = {
    "id": "p", "state": "active", "activity": "own", "title": "Walk to the shop", "unit": "minutes", "step": 0,
    "dose": 5, "start": 5, "aim": 20, "raises": 0, "eases": 0, "days": 3,
    "steps": [{"text": "Walk to the gate", "worry": 2}], "review": "2027-03-15", "before": None,
}  # fmt: skip
DONE = (
    Entry("factor", "sleep", {"kept": True, "words": ""}, NOW),
    Entry("factor", "work", {"kept": True, "words": ""}, NOW),
    Entry("factor", "work", {"kept": False, "words": ""}, NOW),
    Entry("factor", "calm_moving", {"kept": True, "words": ""}, NOW),
    Entry("plan", "p", PLAN, NOW),
    Entry(FORM, "tutor_measures_core", PEG, NOW - timedelta(days=14)),
    Entry(FORM, "tutor_measures_core", {**PEG, "peg_pain": None}, NOW - timedelta(days=7)),
    Entry(FORM, "tutor_measures_core", {**PEG, "peg_pain": 0}, NOW),
)


class Walk:
    """A person at this page: presses and fills, and the journal keeps what the area notes."""

    def __init__(self, *entries: Entry, facts: dict[str, str] | None = None, open_flag: bool = False) -> None:
        self.moment = Moment(NOW, Journal(entries), open_flag, facts or {}, clinic={"name": "The clinic"})

    def after(self, outcome: Outcome | None) -> Outcome:
        assert outcome is not None
        journal = self.moment.journal.with_(outcome.notes, self.moment.now)
        self.moment = Moment(
            self.moment.now + timedelta(minutes=1), journal, self.moment.open_flag, {}, clinic=self.moment.clinic
        )
        return outcome

    def press(self, verb: str, *args: str) -> Outcome:
        return self.after(summary.press(self.moment, verb, list(args)))

    def fill(self, name: str, **answers: Any) -> Outcome:
        return self.after(summary.filled(self.moment, f"tutor_summary_{name}", answers))

    def text(self) -> str:
        made = summary.paper(self.moment)
        return pages.as_text(made) if made else ""

    def through(
        self, own: str = "It wakes me.", facts: tuple[str, ...] = (), questions: tuple[str, ...] = ()
    ) -> Outcome:
        self.press("begin")
        self.fill("words", own=own, question_1=None, question_2=None)
        if self.moment.journal.last("summary", "draft").value["facts"]:  # type: ignore[union-attr]
            self.fill("facts", **dict.fromkeys(facts, "on"))
        return self.fill("questions", **dict.fromkeys(questions, "on"))


def ids(outcome: Outcome) -> list[str]:
    return [say.id for say in outcome.says]


def payloads(outcome: Outcome) -> list[str]:
    return [one.payload for say in outcome.says for one in say.buttons]


def send_button(outcome: Outcome) -> list[str]:
    return next(one for one in payloads(outcome) if one.startswith("tutor:summary:send:")).split(":")[3:]


def test_it_asks_for_the_persons_own_words_first() -> None:
    walk = Walk(facts=FACTS)
    assert ids(walk.after(summary.open(walk.moment))) == ["summary/first"]
    asked = walk.press("begin")
    assert asked.says[0].kind == QUESTIONNAIRE and asked.says[0].more["form"] == "tutor_summary_words"
    assert asked.says[0].more["items"][0]["kind"] == "text" and asked.says[0].more["skipped"]


def test_facts_that_are_not_confirmed_do_not_appear() -> None:
    walk = Walk(facts=FACTS)
    walk.press("begin")
    asked = walk.fill("words", own="It wakes me.")
    assert asked.says[0].more["look"] == "chips"
    assert {item["id"] for item in asked.says[0].more["items"]} == {"body_part", "age"}
    walk.fill("facts", body_part="on", age="off")
    walk.fill("questions")
    assert "Lower back" in walk.text() and "52" not in walk.text()


def test_the_page_in_its_order() -> None:
    walk = Walk(*DONE, facts=FACTS)
    shown = walk.through(facts=("body_part",), questions=("sleep", "plan"))
    assert ids(shown) == ["summary/page", "summary/where"] and not shown.then
    text, lines = walk.text(), load_lines("summary")
    places = [text.index(lines.label(f"heading_{name}")) for name in pages.SECTIONS]
    assert places == sorted(places) and text.index("It wakes me.") < places[1]
    assert "Broken sleep" in text and "Walk to the shop" in text and "Work" not in text
    assert "6 of 10 on 15 February, 4 on 1 March" not in text
    assert "6 out of 10 on 15 February, 4 on 1 March" in text and "not scored on 22 February" in text


def test_everything_absent_is_an_empty_page_that_can_still_be_written() -> None:
    walk = Walk()
    shown = walk.through(own="")
    assert ids(shown) == ["summary/empty"] and summary.paper(walk.moment) is None
    walk.press("change")
    asked = walk.press("edit", "words")
    assert [item["id"] for item in asked.says[0].more["items"]] == ["words_new"]
    assert ids(walk.fill("edit_words", words_new="Hello")) == ["summary/page", "summary/where"]


def test_questions_fit_what_was_done_and_five_are_the_most() -> None:
    assert [key for key, _ in pages.suggested(Walk().moment)] == ["signs", "next_step", "ways"]
    walk = Walk(*DONE)
    offered = [key for key, _ in pages.suggested(walk.moment)]
    assert offered[:2] == ["plan", "sleep"] and "work" not in offered
    factors = ("worry_spiral", "load_stress", "people", "past_injury")
    more = [Entry("factor", key, {"kept": True}, NOW) for key in factors]
    many = Walk(*DONE, *more)
    assert len(pages.suggested(many.moment)) <= pages.MOST_SUGGESTED
    many.press("begin")
    many.fill("words", own="", question_1="Mine?", question_2=None)
    shown = many.fill("questions", **{key: "on" for key, _ in pages.suggested(many.moment)})
    draft = many.moment.journal.last("summary", "draft")
    assert draft is not None
    kept = list(draft.value["lines"]["questions"].values())
    assert len(kept) == 5 and kept[0] == "Mine?"
    assert load_lines("summary").bubbles("five")[0] in shown.says[0].bubbles


def test_a_worse_score_is_offered_as_a_question() -> None:
    worse = (
        Entry(FORM, "tutor_measures_core", PEG, NOW - timedelta(days=14)),
        Entry(FORM, "tutor_measures_core", dict.fromkeys(PEG, 9), NOW),
    )
    assert pages.suggested(Walk(*worse).moment)[0][0] == "worse"


def test_nothing_goes_without_approval_of_this_very_page() -> None:
    walk = Walk()
    args = send_button(walk.through())
    walk.fill("edit_words", words_1="Something else.")
    stale = walk.press("send", *args)
    assert not stale.then and ids(stale)[0] == "summary/changed"
    sent = walk.press("send", *send_button(stale))
    assert sent.then == TO_CLINIC and sent.words == walk.text()
    assert "Something else." in sent.words and "It wakes me." not in sent.words
    assert [one.value["sent"] for one in sent.notes] == [True]


def test_a_second_page_is_asked_about() -> None:
    walk = Walk()
    args = send_button(walk.through())
    assert walk.press("send", *args).then == TO_CLINIC
    asked = walk.press("send", *args)
    assert ids(asked) == ["summary/twice"] and not asked.then
    assert walk.press("send", *args, "again").then == TO_CLINIC


def test_paper_only_and_nowhere_send_nothing() -> None:
    walk = Walk()
    walk.through()
    for verb in ("take", "keep"):
        done = walk.press(verb)
        assert not done.then and done.says
    assert ids(walk.after(summary.open(walk.moment))) == ["summary/again"]
    papers = walk.press("take").says[0].more["papers"]
    assert [one["path"] for one in papers] == ["summary.html", "summary.pdf"]


def test_an_open_red_flag_comes_first() -> None:
    walk = Walk(*DONE, open_flag=True)
    shown = (summary.open(walk.moment), summary.press(walk.moment, "begin", []), walk.fill("words", own="x"))
    assert all(one is not None and ids(one) == ["summary/blocked"] and not one.notes for one in shown)


def test_own_words_stay_words() -> None:
    walk = Walk()
    walk.through(own="My {clinic}\nsaid   {emergency_number}")
    assert "My (clinic) said (emergency_number)" in walk.text()


changes = st.one_of(
    st.tuples(st.sampled_from(pages.SECTIONS), st.sampled_from(["remove", "change", "add"]), st.integers(0, 8)),
    st.tuples(st.just("again"), st.sampled_from(["words", "facts", "questions"]), st.integers(0, 1)),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(changes, max_size=12))
def test_a_line_that_was_removed_is_never_on_the_page(steps: list[tuple[str, str, int]]) -> None:
    walk = Walk(*DONE, facts=FACTS)
    walk.through(facts=("body_part", "age"), questions=("sleep", "plan", "signs"))
    gone: set[str] = set()
    for number, (where, what, place) in enumerate(steps):
        draft = walk.moment.journal.last("summary", "draft")
        assert draft is not None
        if where == "again":  # an earlier step is answered anew, with the answers that it had
            own = {"own": f"Words {number}"} if what == "words" else {}
            gone |= set(draft.value["lines"]["words"].values()) if what == "words" else set()
            walk.fill(what, **own, body_part="on", age="on", sleep="on", plan="on", signs="on")
        else:
            found = dict(draft.value["lines"][where])
            id = list(found)[place % len(found)] if found else ""
            if what == "remove" and id:
                gone.add(found.pop(id))
                found[id] = None
            elif what == "change" and id:
                gone.add(found[id])
                found[id] = f"Changed {number}"
            elif what == "add":
                found[f"{where}_new"] = f"New {number}"
            walk.fill(f"edit_{where}", **found)
        made = summary.paper(walk.moment)
        lines = [line for section in made.sections for line in section.lines] if made else []
        assert not gone & set(lines)
        assert len([one for one in (made.sections if made else ()) if len(one.lines) > 20]) == 0
        after = walk.moment.journal.last("summary", "draft")
        assert after is not None and len(after.value["lines"]["questions"]) <= 5


@pytest.mark.parametrize("verb", ["send", "edit", "view", "change", "take", "keep", "odd"])
def test_odd_buttons_raise_nothing(verb: str) -> None:
    for walk in (Walk(), Walk(*DONE)):
        summary.press(walk.moment, verb, [])
        summary.press(walk.moment, verb, ["odd", "odd"])
        summary.filled(walk.moment, f"tutor_summary_{verb}", {"odd": "x"})
        summary.filled(walk.moment, "tutor_summary_edit_odd", {"odd": "x"})
