"""The tutor where Rasa is alone: its journal is a slot of the dialogue. Behind the web app its own page opens."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from bot.content import load_clinics
from bot.content.files import fill
from bot.settings import read_settings
from bot.tutor import areas
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import PREFIX, Moment, payload

WEB = "web"
JOURNAL = "tutor_journal"


class ActionTutor(Action):
    """One step of the tutor: the area that was asked for in words, or what a button of it says."""

    def name(self) -> str:
        return "action_tutor"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        if tracker.get_latest_input_channel() == WEB or _flagged(tracker):
            return []
        now = datetime.now(timezone.utc)
        kept = tracker.get_slot(JOURNAL) or []
        journal = Journal(tuple(Entry(kind, key, value, datetime.fromisoformat(at)) for kind, key, value, at in kept))
        intent = str((tracker.latest_message.get("intent") or {}).get("name") or "")
        pressed = str(next(tracker.get_latest_entity_values("tutor"), "") or payload(intent.removeprefix("open_")))
        pressed = pressed if pressed.startswith(PREFIX) else payload("home")
        outcome = areas.pressed(Moment(now, journal), pressed)
        numbers = load_clinics()[read_settings().default_clinic].numbers
        for say in outcome.says:
            text = "\n\n".join(fill(bubble, numbers) for bubble in say.bubbles)
            dispatcher.utter_message(text=text, buttons=[_button(one.title, one.payload) for one in say.buttons])
        journal = journal.with_(outcome.notes, now)
        return [SlotSet(JOURNAL, [[one.kind, one.key, one.value, _iso(one)] for one in journal.entries])]


def _flagged(tracker: Tracker) -> bool:
    """Whether a red flag was raised in this dialogue: nobody here knows whether it has been looked at since."""
    found = [(event.get("parse_data") or {}).get("red_flag") or {} for event in tracker.events]
    return any(one.get("worst") for one in found)


def _button(title: str, pressed: str) -> dict[str, str]:
    ours = pressed.startswith(PREFIX)
    return {"title": title, "payload": f'/tutor{{"tutor": "{pressed}"}}' if ours else pressed}


def _iso(entry: Entry) -> str:
    return entry.at.isoformat() if entry.at else ""
