"""``pne ask``: one text through the whole assistant, screened first as the web app does, and what came back."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from bot.content import load_clinics
from bot.safety import is_plain_no
from bot.screening import screen
from bot.settings import Settings
from bot.training import train
from bot.web import bodies
from bot.web.app import message_reader
from bot.web.plan import NO_ALARM

# Answers and safety words have ids that patients' answers are checked by; these only ask or admit.
NO_ANSWERS = ("control/", "notice/", "handoff/")


def open_tutor(settings: Settings) -> Callable[[str], Awaitable[dict[str, Any]]]:
    """A function from a text to ``{answer_ids, tier, ask, buttons, score, oos, texts}``. Trains first if needed."""
    from bot.channels.in_process import open_agent

    say = open_agent(train(settings))
    read = message_reader()
    clinic = load_clinics()[settings.default_clinic]

    async def ask(text: str) -> dict[str, Any]:
        screening = screen(text)
        about: dict[str, Any] = {}
        if screening.worst is not None and screening.tier not in NO_ALARM:
            if screening.ask:
                shown = [bodies.safety_question(screening.worst, clinic)]
            else:
                shown = [bodies.safety_words(screening.worst, clinic)]
        elif not text.strip():
            shown = []
        else:
            screened = {"found": None, "plain_no": is_plain_no(text)}
            heard = {"clinic": clinic.id, "reading": read(text), "screened": screened}
            replies = await say(f"ask-{uuid.uuid4().hex}", text, heard)
            shown = [bodies.reply(reply) for reply in replies]
            about = (replies[-1].get("metadata") or {}) if replies else {}
        ids = [str(body["answer_id"]) for body in shown]
        return {
            "answer_ids": [i for i in ids if not i.startswith(NO_ANSWERS)],
            "tier": screening.tier,
            "ask": screening.ask,
            "buttons": [button for body in shown for button in body.get("buttons", ())],
            "score": about.get("score"),
            "oos": about.get("understood") == "out_of_scope",
            "texts": [bubble for body in shown for bubble in body["bubbles"]],
        }

    return ask
