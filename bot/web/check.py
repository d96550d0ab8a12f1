"""The quick safety check in the chat: its payloads, its bodies, and when it is offered. Needs no Rasa.

Where a check stands travels in the payloads that were offered: ``check:<question>:<answer>:<answers so far>``. The
server takes only payloads that it offered in this conversation, so nothing else has to be kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot import safety
from bot.content import Clinic, Wording
from bot.content.replies import button
from bot.safety import Screening
from bot.safety import check as flow
from bot.safety.check import Step
from bot.web import bodies
from bot.web.bodies import CHECK_START

PREFIX = "check:"
# The way into the lessons.
LEARN = "tutor:home"
LIST_NONE, LIST_SOME, LIST_NOT_SURE = "check:list:none", "check:list:some", "check:list:not_sure"
LIST_ID = "check/list"
# Under this key the list carries the replies that it was shown in place of: they come after a "none".
AFTERWARDS = "afterwards"
_LISTED = {flow.YES: LIST_SOME, flow.NOT_SURE: LIST_NOT_SURE, flow.NO: LIST_NONE, flow.SKIP: LIST_NONE}
_LIST_ANSWERS = {LIST_NONE: flow.NO, LIST_SOME: flow.YES, LIST_NOT_SURE: flow.NOT_SURE}
_MISSES = ("not_understood", "out_of_scope")
RAISED_BY = flow.RAISED_BY


def step_after(payload: str) -> Step | None:
    """What a button of the check leads to; None for any other button, and for the list's "none"."""
    if payload in (CHECK_START, LIST_SOME, LIST_NOT_SURE):
        return flow.first_step(flow.load_check())
    named = _parts(payload)
    if named is None:
        return None
    try:
        return flow.next_step(flow.load_check(), *named)
    except (KeyError, ValueError):  # offered before the questions changed: begin again rather than guess
        return flow.first_step(flow.load_check())


def screening(payload: str) -> Screening:
    """The screening of a button: an alarm for a yes to a question of the check, else nothing."""
    step = step_after(payload)
    if step is None or step.finding is None:
        return Screening(None, False, (), None)
    return Screening(step.finding.tier, False, (step.finding,), step.finding)


def answer_of(payload: str) -> str:
    """The answer that a button of the check gives to its question; empty for other buttons."""
    named = _parts(payload)
    return named[1] if named else _LIST_ANSWERS.get(payload, "")


def category_of(payload: str) -> str:
    """The category that a button's question asks about; empty where there is none."""
    named = _parts(payload)
    check = flow.load_check()
    try:
        return check.questions[check.place(named[0])].category if named else ""
    except KeyError:
        return ""


def facts_of(payload: str) -> tuple[str, ...]:
    """What a button's answer confirms for the rest of the conversation: families of the rules, for a plain yes."""
    named = _parts(payload)
    check = flow.load_check()
    try:
        return check.questions[check.place(named[0])].facts if named and named[1] == flow.YES else ()
    except KeyError:
        return ()


def pressed_by(text: str, offered: Sequence[str]) -> str:
    """The button of the check that a typed message stands for, of those last offered; empty where it is none."""
    ours = [payload for payload in offered if payload.startswith(PREFIX) and payload != CHECK_START]
    answer = flow.typed_answer(text) if ours else ""
    wanted = [payload for payload in ours if answer and answer_of(payload) == answer]
    return wanted[0] if wanted else _LISTED.get(answer, "") if LIST_NONE in ours else ""


def shown(step: Step, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """The next question, or the end of the check. Raises ValueError for a step that has neither."""
    if step.question is not None:
        return _question(step, clinic, wording)
    if step.ending == flow.STOPPED:
        key = "check_stopped_some" if step.so_far == flow.SOME else "check_stopped"
    elif step.ending == flow.CLOSED:
        ends = {flow.ALL_NO: "check_closed", flow.SKIPPED: "check_closed_skipped", flow.SOME: "check_closed_some"}
        key = ends[step.so_far]
    else:
        raise ValueError("this step shows nothing")
    return bodies.notice(key, clinic, wording, ways_out=True)


def goes_on(step: Step) -> bool:
    """Whether there is anything to show after the words of a finding."""
    return step.question is not None or bool(step.ending)


def _question(step: Step, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    check, question = flow.load_check(), step.question
    assert question is not None
    place = check.place(question.id)
    count = len(check.questions)
    lead = check.progress.replace("{place}", str(place + 1)).replace("{count}", str(count))
    intro = wording.bubbles("check_intro", **clinic.numbers) if place == 0 else []
    labels = wording.labels
    titles = {
        flow.YES: labels["yes"],
        flow.NO: labels["no"],
        flow.NOT_SURE: labels["not_sure"],
        flow.SKIP: labels["skip_question"],
        flow.STOP: labels["stop_check"],
    }
    # Who is in danger of themselves or of others has the lines for that on screen while answering.
    near = question.tier == bodies.CRISIS or question.category in clinic.own_lines
    calls = {"calls": bodies.calls(clinic, question.tier, question.category)} if near else {}
    leave = {"leave": True} if question.category in clinic.own_lines else {}
    return bodies.body(
        "question",
        (*intro, lead, question.text),
        lead=lead,
        text=question.text,
        category=question.category,
        answer_id=f"check/{question.id}",
        progress={"place": place + 1, "count": count},
        buttons=[button(title, f"{PREFIX}{question.id}:{answer}:{step.so_far}") for answer, title in titles.items()],
        **calls,
        **leave,
    )


def listed(clinic: Clinic, wording: Wording, afterwards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """All questions as one message, in place of a reply that understood nothing; `afterwards` is that reply."""
    labels = wording.labels
    return bodies.body(
        "question",
        wording.bubbles("check_list", **clinic.numbers),
        answer_id=LIST_ID,
        buttons=[
            button(labels["none"], LIST_NONE),
            button(labels["one_or_more"], LIST_SOME),
            button(labels["not_sure"], LIST_NOT_SURE),
        ],
        **{AFTERWARDS: [dict(one) for one in afterwards]},
    )


def none_listed(asked: Mapping[str, Any] | None, clinic: Clinic, wording: Wording) -> list[dict[str, Any]]:
    """What follows "none" under the list: thanks, then the reply that was held back, or the ways out."""
    held = [dict(one) for one in (asked or {}).get(AFTERWARDS) or ()]
    return [bodies.notice("check_list_none", clinic, wording, ways_out=not held), *held]


def comes_first(about: Mapping[str, Any], text: str) -> bool:
    """Whether the list goes before a reply: Rasa understood nothing, and the message tells of the body."""
    understood = about.get("understood")
    vague = understood == "did_you_mean" and (about.get("score") or 0.0) < flow.load_check().did_you_mean_below
    return (understood in _MISSES or vague) and safety.tells_of_symptom(text)


def offer(body: Mapping[str, Any], wording: Wording) -> dict[str, Any]:
    """The body with the button that starts the check, before its other buttons."""
    buttons = [start_button(wording), *(body.get("buttons") or ())]
    kept = {key: value for key, value in body.items() if key not in ("kind", "bubbles", "buttons", "fallback_text")}
    return bodies.body(body["kind"], body["bubbles"], **kept, buttons=buttons)


def start_button(wording: Wording) -> dict[str, str]:
    return button(wording.labels["check_start"], CHECK_START)


def first_words(clinic: Clinic, wording: Wording, closed: str = "") -> dict[str, Any]:
    """After consent: the lessons, the check, the ways out. `closed`: that the clinic is closed, before it."""
    words = bodies.notice("consent_recorded", clinic, wording, ways_out=True)
    words["buttons"].insert(0, button(wording.labels["tutor_start"], LEARN))
    return offer(bodies.with_lead(words, closed) if closed else words, wording)


def refused(hold: Mapping[str, Any], text: str, times: int, clinic: Clinic, wording: Wording) -> dict[str, Any]:
    """To somebody who does not want to go: heard, one reason, the numbers, a person. Shorter each of `times` before."""
    tier, category = str(hold.get("tier") or bodies.EMERGENCY), str(hold.get("category") or "")
    crisis = tier == bodies.CRISIS and category not in clinic.own_lines
    said = safety.refusal(text)
    heard = said.heard[min(times, 1)] if said else ""
    if times == 0:
        key = "safety_refused_crisis" if crisis else "safety_refused"
        texts = [heard, _reason(hold, tier, category, clinic), *wording.bubbles(key, **clinic.numbers)]
    elif times == 1:
        key = "safety_refused_again_crisis" if crisis else "safety_refused_again"
        texts = [heard, *wording.bubbles(key, **clinic.numbers)]
    else:
        key = "safety_refused_short_crisis" if crisis else "safety_refused_short"
        texts = wording.bubbles(key, **clinic.numbers)
    return bodies.body(
        "safety",
        [one for one in texts if one],
        tier=tier,
        answer_id=f"safety/{key}",
        calls=bodies.calls(clinic, tier, category),
        buttons=bodies.hold(tier, clinic, wording)["buttons"],
    )


def _reason(hold: Mapping[str, Any], tier: str, category: str, clinic: Clinic) -> str:
    """One reason in plain words: the second bubble of what was said."""
    shared = flow.shares_words(str(hold.get("rule") or ""))
    try:
        words = safety.words_for(category, tier, clinic.numbers, helper=hold.get("scope") == "other_now", shared=shared)
    except KeyError:  # the category is gone from the rules
        return ""
    return words.bubbles[1]


def _parts(payload: str) -> tuple[str, str, str] | None:
    named = payload.split(":")
    return (named[1], named[2], named[3]) if len(named) == 4 and payload.startswith(PREFIX) else None
