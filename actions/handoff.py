"""The assistant's own handoff: passes a message on, and says what became of it only after it did."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.events import FollowupAction, SlotSet
from rasa_sdk.executor import CollectingDispatcher

from bot.content import Clinic, load_clinics
from bot.handoff.escalate import add_note, raise_handoff
from bot.live_clinics import clinic_now
from bot.settings import read_settings
from bot.store.session import Database, DatabaseUnavailable, connect, upgrade

PERSON: dict[str, Any] = {"category": "contact", "tier": "T4", "rule": None}


class ActionClinicianHandoff(Action):
    """Once per message. Behind the web app it finds the handoff already made; elsewhere it makes it."""

    def name(self) -> str:
        return "action_clinician_handoff"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        settings = read_settings()
        message = _raising_message(tracker)
        found = ((message.get("parse_data") or {}).get("red_flag") or {}).get("worst") or PERSON
        metadata = message.get("metadata") or {}
        try:
            raised = raise_handoff(
                _database(settings.database_url),
                conversation_id=tracker.sender_id,
                message_key=metadata.get("message_id") or message.get("message_id") or "",
                clinic=metadata.get("clinic") or settings.default_clinic,
                clinic_of=_clinic,
                tier=found["tier"],
                category=found["category"],
                rule=found["rule"],
                words=message.get("text") or "",
                message_shown="",
            )
        except DatabaseUnavailable:
            dispatcher.utter_message(response="utter_handoff_failed")
            return []
        dispatcher.utter_message(response="utter_handoff_made", time=raised.at.astimezone().strftime("%H:%M"))
        return [SlotSet("contact_note", None), FollowupAction("contact_form")] if found is PERSON else []


class ActionAddContactNote(Action):
    """Puts what the person wrote for the clinician with the handoff that they asked for."""

    def name(self) -> str:
        return "action_add_contact_note"

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        note = tracker.get_slot("contact_note") or ""
        try:
            kept = add_note(_database(read_settings().database_url), tracker.sender_id, note)
        except DatabaseUnavailable:
            kept = False
        dispatcher.utter_message(response="utter_contact_note_kept" if kept else "utter_handoff_failed")
        return [SlotSet("contact_note", None)]


def _raising_message(tracker: Tracker) -> dict[str, Any]:
    """The message that this handoff is about: behind a safety question the one that raised it, else the latest."""
    turns = [event for event in tracker.events if event.get("event") == "user"]
    if tracker.latest_message.get("intent", {}).get("name") == "talk_to_person" or not turns:
        return turns[-1] if turns else dict(tracker.latest_message)
    flagged = [turn for turn in turns if (turn.get("parse_data") or {}).get("red_flag")]
    return flagged[-1] if flagged else turns[-1]


def _clinic(clinic: str) -> Clinic:
    """The clinic as it is now: whom it tells of a handoff may have changed since this process began."""
    clinics, settings = load_clinics(), read_settings()
    return clinic_now(_database(settings.database_url), clinics.get(clinic) or clinics[settings.default_clinic])


@lru_cache(maxsize=1)
def _database(url: str) -> Database:
    upgrade(url)
    return connect(url)
