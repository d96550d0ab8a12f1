"""Everything patients read, loaded from ``data/`` and typed. Pure: no Rasa, no database, no web."""

from bot.content.answers import Answer, load_answers
from bot.content.clinics import Clinic, load_clinics
from bot.content.wording import Wording, load_wording

__all__ = ["Answer", "Clinic", "Wording", "load_answers", "load_clinics", "load_wording"]
