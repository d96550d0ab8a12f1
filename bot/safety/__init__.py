"""Red flags in what a person wrote: text in, findings and safety words out.

Pure library: no Rasa, no database, no network. Rules and wording are data (``data/safety``); README.md here
says what this package may not do and who signs off changes. Importing it reads nothing and compiles nothing:
the rules are loaded at the first use, or when a program calls load_rules() at its start. The trained soft layer is
handed in (``bot.screening`` does so for our processes).
"""

from bot.safety.check import load_check, words_of
from bot.safety.cues import is_refusal, load_cues, refusal, tells_of_change, tells_of_symptom
from bot.safety.rules import RuleSet, load_rules
from bot.safety.screening import Finding, Screening, screen
from bot.safety.words import (
    AnswerWords,
    SafetyQuestion,
    SafetyWords,
    answer_words,
    has_direct_question,
    is_plain_no,
    is_plain_yes,
    question_for,
    typed_answer,
    words_for,
)

__all__ = [
    "AnswerWords",
    "Finding",
    "RuleSet",
    "SafetyQuestion",
    "SafetyWords",
    "Screening",
    "answer_words",
    "has_direct_question",
    "is_plain_no",
    "is_plain_yes",
    "is_refusal",
    "load_check",
    "load_cues",
    "load_rules",
    "question_for",
    "refusal",
    "screen",
    "tells_of_change",
    "tells_of_symptom",
    "typed_answer",
    "words_for",
    "words_of",
]
