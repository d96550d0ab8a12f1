"""Scores of the measures, and what a change is called. Pure arithmetic on answers; what was skipped never counts as 0.

Answers are whole numbers as the questionnaires give them (``data/forms/tutor_measures_*.yml``), None where skipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PEG_ITEMS = ("peg_pain", "peg_enjoyment", "peg_activity")
PHQ2_ITEMS = ("phq_interest", "phq_down")
GAD2_ITEMS = ("gad_nervous", "gad_control")
ACTIVITIES = ("activity_1", "activity_2", "activity_3")
BETTER, SAME, WORSE = "better", "same", "worse"


@dataclass(frozen=True)
class Change:
    """A change between two scores. `enough`: it reaches the mark for a change that matters; for WORSE, that it is a
    clear worsening."""

    direction: str
    enough: bool = False

    @property
    def key(self) -> str:
        """Which words fit it: ``better_enough``, ``better``, ``same``, ``worse``, ``worse_enough``."""
        return f"{self.direction}_enough" if self.enough else self.direction


def peg(answers: Mapping[str, Any]) -> float | None:
    """PEG: the mean of its three items, 0 to 10; None unless all three were answered.

    Krebs EE et al. J Gen Intern Med 2009;24:733-738."""
    return mean(answers, PEG_ITEMS)


def phq2(answers: Mapping[str, Any]) -> int | None:
    """PHQ-2: the sum of its two items (0 to 3 each), 0 to 6; None unless both were answered.

    Cut and accuracy: Arroll B et al. Ann Fam Med 2010;8:348-353."""
    return total(answers, PHQ2_ITEMS)


def gad2(answers: Mapping[str, Any]) -> int | None:
    """GAD-2: the sum of its two items (0 to 3 each), 0 to 6; None unless both were answered. Same answers as PHQ-2."""
    return total(answers, GAD2_ITEMS)


def mean(answers: Mapping[str, Any], items: Sequence[str]) -> float | None:
    """The mean of items that were all answered; None where one was skipped."""
    given = [number(answers.get(item)) for item in items]
    whole = [value for value in given if value is not None]
    return sum(whole) / len(whole) if whole and len(whole) == len(given) else None


def total(answers: Mapping[str, Any], items: Sequence[str]) -> int | None:
    """The sum of items that were all answered; None where one was skipped."""
    given = [number(answers.get(item)) for item in items]
    whole = [value for value in given if value is not None]
    return sum(whole) if whole and len(whole) == len(given) else None


def number(answer: Any) -> int | None:
    """An answer as a whole number (choices are kept as text); None where it was skipped or is none."""
    if isinstance(answer, bool):
        return None
    if isinstance(answer, str) and answer.isascii() and answer.isdigit():
        return int(answer)
    return answer if isinstance(answer, int) else None


def change_of_peg(before: float, after: float, rule: Mapping[str, Any]) -> Change:
    """The change between two PEG scores (0 to 10, less is better).

    A fall of 30% is the usual benchmark; a rise of 30% or 2 points starts the safety check (clinical reference, 2.10
    and 4.2). Thirds of a point are compared as whole numbers."""
    was, now = round(before * 3), round(after * 3)
    if now < was:
        return Change(BETTER, fell_by(was, now, rule["fall_percent"]))
    if now == was:
        return Change(SAME)
    by_share = was > 0 and 100 * (now - was) >= rule["rise_percent"] * was
    return Change(WORSE, by_share or now - was >= 3 * rule["rise_points"])


def change_of_nrs(before: float, after: float, rule: Mapping[str, Any]) -> Change:
    """The change between two 0 to 10 pain scores (less is better); a fall of about 2 points or 30% matters.

    Farrar JT et al. Pain 2001;94:149-158."""
    if after < before:
        was, now = int(before), int(after)
        return Change(BETTER, was - now >= rule["points"] or fell_by(was, now, rule["fall_percent"]))
    return Change(SAME if after == before else WORSE)


def change_of_activities(before: float, after: float, rule: Mapping[str, Any]) -> Change:
    """The change of the mean of activities (0 to 10, more is better); about 2 points on average matter."""
    gain = round(6 * after) - round(6 * before)  # means of one to three whole numbers are whole sixths
    if gain > 0:
        return Change(BETTER, gain >= 6 * rule["points"])
    return Change(WORSE if gain < 0 else SAME)


def fell_by(before: int, after: int, percent: int) -> bool:
    """Whether a whole number fell by so many percent of what it was, or more."""
    return before > 0 and 100 * (before - after) >= percent * before


def shown(value: float) -> str:
    """A score with one decimal where it has one, as people read it: 6, 6.3."""
    return f"{value:.1f}".removesuffix(".0")
