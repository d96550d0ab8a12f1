"""What an admin has changed, in the chat: the assistant's answers and the safety words have the new numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.store.clinic_settings import save
from bot.store.session import Database
from bot.web import clinics as web_clinics
from tests.support.patient_api import ScriptedRasa, accepted, after, broken, make_services

OWN_LINE = {"label": "our nurse line on 020 7946 0199", "tel": "020 7946 0199"}


def put(db: Database, key: str, value: Any) -> None:
    with db.begin() as session:
        save(session, "demo", key, value, seen=None, by="lee")


async def test_the_assistant_is_told_the_numbers_as_they_are_now(tmp_path: Path) -> None:
    rasa = ScriptedRasa()
    services = make_services(tmp_path, rasa)
    put(services.db, "numbers", {"urgent": [OWN_LINE]})
    await web_clinics.first_look(services)
    async with accepted(services) as patient:
        await after(patient, await patient.say("why does my back still hurt after two years"))
    assert rasa.asked[-1]["numbers"]["urgent_line"] == OWN_LINE["label"]
    assert rasa.asked[-1]["numbers"]["emergency_number"] == "999"


async def test_safety_words_have_the_new_number_and_need_no_database_for_it(tmp_path: Path) -> None:
    services = make_services(tmp_path, ScriptedRasa())
    put(services.db, "numbers", {"crisis": [{"label": "our night line on 020 7946 0777", "tel": "020 7946 0777"}]})
    await web_clinics.first_look(services)
    async with accepted(services) as patient:
        services.db = broken(services.db)
        answer = await patient.say("I want to end my life tonight")
        words = str(answer.json())
    assert answer.status_code == 503 and "020 7946 0777" in words
