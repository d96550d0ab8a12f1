"""Who, when and whether: is it about this person now, or negated, past, someone else's, a what-if, an idiom?

Negation reaches four content words, runs along a list, and ends at "but", "now", "have" and "except".
The word lists are in ``data/safety/common.yml``; this file only knows their roles.
"""

from __future__ import annotations

from collections.abc import Iterable

from bot.safety.matching import Found, Hit, Span
from bot.safety.normalise import COMMA, LINE, OTHER, QUESTION, SELF, STOP, Tokens

NOW, NEGATED, PAST, KNOWN = "now", "negated", "past", "known"
OTHER_NOW, OTHER_PAST = "other_now", "other_person_past"
HYPOTHETICAL, QUESTION_SCOPE, IDIOM = "hypothetical", "question", "idiom"
SETTLED = "settled"  # long past or long known, and said to be over or unchanged
SCOPES = (NOW, OTHER_NOW, KNOWN, PAST, SETTLED, OTHER_PAST, HYPOTHETICAL, QUESTION_SCOPE, NEGATED, IDIOM)
# A finding shows these finer kinds of "past" under one name.
SHOWN_AS = {KNOWN: PAST, SETTLED: PAST}

# Families of cue words; data/safety/common.yml must define every one of them.
CUES = (
    "cue_negation",
    "cue_negation_near",
    "cue_not_negation",
    "cue_negation_after",
    "cue_bare_no",
    "cue_joiner",
    "cue_or",
    "cue_end",
    "cue_have",
    "cue_clause",
    "cue_past",
    "cue_known",
    "cue_recent",
    "cue_hypothetical",
    "cue_if",
    "cue_not_if",
    "cue_become",
    "cue_general",
    "cue_modal",
    "cue_kin",
    "cue_he_she",
    "cue_i",
    "cue_subject",
    "cue_it",
    "cue_says",
    "cue_had",
    "cue_has",
    "cue_died",
    "cue_family_history",
    "cue_self_negated",
    "cue_present",
    "cue_finite",
    "cue_settled",
    "cue_if_ever",
    "cue_suppose",
    "cue_asks",
    "cue_cause",
    "cue_narrated",
    "cue_sudden",
    "cue_contrast",
    "cue_not_past",
    "cue_animal",
    "cue_dated",
    "cue_lied",
    "cue_asked",
    "cue_denies_all",
    "cue_fiction",
)
_CONDITIONS = ("cue_if_ever", "cue_hypothetical", "cue_if", "cue_become")
_NEGATION_REACH = 4
_LISTED_REACH = 6  # from one item of a denied list to the next
_NEAR_REACH = 2  # "didn't ..." and "not ..." deny what follows at once: "didn't sleep because of chest pain" does not
_PAST_BEFORE, _PAST_AFTER = 8, 6
_KNOWN_REACH = 6
_HYPOTHETICAL_REACH = 6
_QUESTION_REACH = 12
_SUBJECT_REACH = 40


class ScopeReader:
    """Answers the scope of hits in one text. Cheap to make; cues are looked up once."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._tokens: Tokens = found.tokens
        self._at = {cue: _positions(found.of(cue)) for cue in CUES}
        excluded = {place for span in found.of("cue_not_negation") for place in range(*span)}
        self._ends = {span[1] - 1 for span in found.of("cue_negation")} - excluded
        self._near_ends = {span[1] - 1 for span in found.of("cue_negation_near")} - excluded
        self._conditions = frozenset().union(*(self._at[cue] for cue in _CONDITIONS))
        self._lasting = self._at["cue_recent"] - self._at["cue_sudden"]
        self._of_span: dict[Span, str] = {}
        self._people = (self._at["cue_kin"] | self._at["cue_he_she"]) - self._at["cue_past"] - self._at["cue_known"]

    def scope(self, hit: Hit, idioms: Iterable[str] = (), ignore_person: bool = False) -> str:
        """The scope of one hit. ``idioms`` are families whose places mean something else altogether."""
        span = hit.span
        if any(start < span[1] and span[0] < end for family in idioms for start, end in self._found.of(family)):
            return IDIOM
        if self._negated(hit) or self._denied_when_asked(span):
            return NEGATED
        if self._hypothetical(span):
            return HYPOTHETICAL
        if self._general_question(span):
            return QUESTION_SCOPE
        if self._told_as_fiction(span) or self._about_animal(span):
            return HYPOTHETICAL
        if not ignore_person and self._about_other(span):
            return OTHER_PAST if self._other_past(span) or self._settled(span) else OTHER_NOW
        if self._settled(span):
            return SETTLED
        if self._past(hit):
            return PAST
        return KNOWN if self._known(span) else NOW

    def scope_of(self, span: Span) -> str:
        """The scope of the words at a place, whatever they are part of. Remembered: many families share a place."""
        if span not in self._of_span:
            self._of_span[span] = self.scope(Hit(span, (span,)), ("idiom",))
        return self._of_span[span]

    def same_clause(self, first: int, last: int, whole: bool) -> bool:
        """No sentence ends between two places; nor, unless the ``whole`` counts, does an "and" or "but" stand there."""
        if max(self._tokens.breaks[first : last + 1]) >= LINE:
            return False
        if whole:
            return True
        between = range(first, last)
        return not any(place in self._at["cue_clause"] or place in self._at["cue_joiner"] for place in between)

    def tells_of_another(self, hit: Hit) -> bool:
        """ "scared of her boyfriend": somebody else's, and no "I" or "me" in it or just before it."""
        start, end = hit.span
        if self._stands("cue_i", range(max(0, start - 3), end)):
            return False
        owners = self._tokens.owners[start:end]
        return OTHER in owners and SELF not in owners

    def narrated(self, hit: Hit) -> bool:
        """Told in the past tense ("I was ...", "it left me ...") with nothing that brings it up to now."""
        start, end = hit.span
        tokens = self._tokens
        first = start
        while first > max(0, start - 4) and tokens.breaks[first] < COMMA:
            first -= 1
        told = any(tokens.narrated[place] or place in self._at["cue_narrated"] for place in range(first, start + 1))
        perfect = self._stands("cue_has", range(first, start))
        return told and not perfect and not self._recent_near((start, end))

    # -- negation

    def _negated(self, hit: Hit) -> bool:
        start, end = hit.span
        inside = {place for part in hit.parts for place in range(*part)}
        outside = [place for place in range(start, end) if place not in inside or place in hit.between]
        if any(place in self._ends or place in self._near_ends for place in outside):
            return True
        return self._negated_after(end) or (start not in self._at["cue_self_negated"] and self._negated_before(start))

    def _negated_before(self, start: int) -> bool:
        tokens, budget, crossed, listed = self._tokens, _NEGATION_REACH, False, False
        place = start - 1
        while place >= 0 and budget > 0:
            if tokens.breaks[place + 1] >= LINE:
                return False
            if tokens.breaks[place + 1] == COMMA:
                crossed, listed, budget = True, False, _LISTED_REACH
            if crossed and not listed and (tokens.verbs[place + 1] or start in self._at["cue_finite"]):
                return False
            near = start - place <= _NEAR_REACH or listed  # "have not fallen or hit my head" denies both
            if place in self._ends or (place in self._near_ends and near):
                return True
            if (
                place in self._at["cue_have"]
                or place in self._at["cue_end"]
                or place in self._at["cue_subject"]
                or place in self._at["cue_he_she"]
            ):
                return False
            if place in self._at["cue_joiner"]:
                crossed, budget = True, _LISTED_REACH
                listed = listed or place in self._at["cue_or"]
            budget -= 1
            place -= 1
        return False

    def _negated_after(self, end: int) -> bool:
        tokens = self._tokens
        for place in range(end, min(end + 3, len(tokens))):
            if tokens.breaks[place] in (LINE, STOP) or place in self._at["cue_clause"]:
                return False
            if tokens.breaks[place] == QUESTION and place > end:
                return False
            if place in self._at["cue_bare_no"]:
                return place == end and tokens.breaks[place + 1] > 0
            if place in self._at["cue_negation_after"] and tokens.breaks[place] == 0:
                return True
        return False

    def _denied_when_asked(self, span: Span) -> bool:
        """ "They asked about chest pain and I said no", "asked about fever. None of that": and no "but" after it."""
        first, last = self._sentence(span)
        if not self._stands("cue_asked", range(first, span[0])):
            return False
        following = self._tokens.sentence_ends[min(last + 1, len(self._tokens))]
        denials = [end for start, end in self._found.of("cue_denies_all") if span[1] <= start < following]
        if not denials:
            return False
        end = self._tokens.sentence_ends[denials[0]]
        doubts = self._at["cue_clause"] | self._at["cue_recent"]
        lied = self._stands("cue_lied", range(first, end))
        return not lied and not any(place in doubts for place in range(denials[0], end))

    # -- hypothetical and general questions

    def _hypothetical(self, span: Span) -> bool:
        start = span[0]
        supposed = self._stands("cue_suppose", range(self._sentence(span)[0], start))
        if supposed and not self._recent_near(span):
            return True
        for place in range(start - 1, max(-1, start - 1 - _HYPOTHETICAL_REACH), -1):
            if self._tokens.breaks[place + 1] > 0 or place in self._at["cue_end"]:
                return False
            if place not in self._conditions:
                continue
            if place in self._at["cue_if_ever"]:
                return True
            between = self._subjects(place + 1, start)
            if place in self._at["cue_hypothetical"]:
                return between == 0 and self._tokens.owners[start] != SELF
            if place in self._at["cue_if"] and place not in self._at["cue_not_if"]:
                return between + int(self._tokens.owners[start] is not None) <= 1
            own = SELF in self._tokens.owners[start : span[1]]
            if place in self._at["cue_become"] and between == 0 and not own and not self._recent_near(span):
                return self._stands("cue_modal", range(max(0, place - 8), place))
        return False

    def _general_question(self, span: Span) -> bool:
        start, end = span
        if any(owner == SELF for owner in self._tokens.owners[start:end]):
            return False
        for place in range(start - 1, max(-1, start - 1 - _QUESTION_REACH), -1):
            if self._tokens.breaks[place + 1] > 0 or place in self._at["cue_end"]:
                return False
            if place in self._at["cue_i"] or self._tokens.owners[place] == SELF:
                return False
            if place in self._at["cue_general"]:
                return True
        return self._asks_about_causes(span)

    def _asks_about_causes(self, span: Span) -> bool:
        """ "Do long flights cause clots?", "how do you spot a stroke?": nobody in it, and a question mark."""
        first, last = self._sentence(span)
        places = range(first, last)
        if self._tokens.breaks[last] != QUESTION or not self._stands("cue_asks", places):
            return False
        someone = self._people | self._at["cue_i"] | self._lasting
        if any(place in someone or self._tokens.owners[place] is not None for place in places):
            return False
        return self._stands("cue_cause", places)

    def _told_as_fiction(self, span: Span) -> bool:
        """A dream, a film, a novel: said before it in the same sentence."""
        first, _ = self._sentence(span)
        return self._stands("cue_fiction", range(first, span[0]))

    def _about_animal(self, span: Span) -> bool:
        """ "Our old dog has ...": an animal is who the sentence is about, and no person stands between."""
        first, _ = self._sentence(span)
        if not self._at["cue_animal"]:
            return False
        if SELF in self._tokens.owners[span[0] + 1 : span[1]] or span[0] in self._at["cue_i"]:
            return False
        for place in range(span[1] - 1, first - 1, -1):
            if place in self._at["cue_animal"]:
                return True
            if place in self._at["cue_i"] or place in self._at["cue_kin"]:
                return False
        return False

    def _subjects(self, first: int, last: int) -> int:
        return sum(
            1
            for place in range(first, last)
            if place in self._at["cue_i"]
            or place in self._at["cue_it"]
            or place in self._at["cue_he_she"]
            or self._tokens.owners[place] is not None
        )

    # -- somebody else

    def _about_other(self, span: Span) -> bool:
        start, end = span
        owners = self._tokens.owners[start:end]
        if SELF in owners:
            return False
        if OTHER in owners or not self._people.isdisjoint(range(start, end)):
            return True
        for place in range(start - 1, max(-1, start - 1 - _SUBJECT_REACH), -1):
            if place in self._people:
                if not self._only_says(place, start):
                    return True
            elif place in self._at["cue_i"] or self._tokens.owners[place] == SELF:
                return False
        return self._after_family_history(start)

    def _only_says(self, person: int, start: int) -> bool:
        """ "My husband says ..." names a speaker, not the one who is ill."""
        return self._stands("cue_says", range(person + 1, min(person + 4, start)))

    def _after_family_history(self, start: int) -> bool:
        return self._stands("cue_family_history", range(max(0, start - 6), start))

    def _other_past(self, span: Span) -> bool:
        first, last = self._sentence(span)
        places = range(first, last)
        if self._after_family_history(span[0]) or self._stands("cue_family_history", places):
            return True
        if self._people.isdisjoint(places):
            return False
        dated = self._stands("cue_dated", places)
        recent = self._lasting if dated else self._at["cue_recent"]
        if any(place in recent for place in places if not span[0] <= place < span[1]):
            return False
        if any(place in self._at["cue_past"] or place in self._at["cue_died"] for place in places):
            return True
        if self._stands("cue_present", places):
            return False  # "had a fall and can't stand": the second half is about now
        before = range(max(first, span[0] - 4), span[0])
        return any(place in self._at["cue_had"] and place - 1 not in self._at["cue_has"] for place in before)

    # -- past and long known

    def _settled(self, span: Span) -> bool:
        """A date or a length of time in the same sentence, and that it is over or has not changed since."""
        first, last = self._sentence(span)
        dated = any(
            first <= start and end <= last for cue in ("cue_past", "cue_known") for start, end in self._found.of(cue)
        )
        return dated and any(
            first <= start and end <= last and not self._clause_between(span, (start, end))
            for start, end in self._found.of("cue_settled")
            if end - 1 not in self._at["cue_not_past"]
        )

    def _clause_between(self, one: Span, other: Span) -> bool:
        """A "but" between two places: what was settled before it is not what comes after it."""
        (_, end), (start, _) = sorted((one, other))
        return self._stands("cue_contrast", range(end, start))

    def _past(self, hit: Hit) -> bool:
        span = hit.span
        if span[0] in self._at["cue_present"]:
            return False  # "I can't ..." is the present tense: a year named nearby belongs to something else
        for start, end in self._found.of("cue_past"):
            if end - 1 in self._at["cue_not_past"]:
                continue
            if span[0] <= start and end <= span[1] and not any(part[0] <= start < part[1] for part in hit.parts):
                return True  # "my ex used to hit me"
            if end <= span[0] and span[0] - end <= _PAST_BEFORE:
                reaches = self._reaches(end, span[0], whole_clause=self._opens_clause(start))
            else:
                near = span[1] <= start <= span[1] + _PAST_AFTER
                reaches = near and self._reaches(span[1], start, whole_clause=False)
            if reaches and not self._recent_near((span[0], max(span[1], end)), dated=self._dated(start, end)):
                return True
        return False

    def _known(self, span: Span) -> bool:
        for start, end in self._found.of("cue_known"):
            if end - 1 in self._at["cue_not_past"]:
                continue
            before = end <= span[0] and span[0] - end <= _KNOWN_REACH and self._reaches(end, span[0], False)
            after = start >= span[1] and start - span[1] <= _KNOWN_REACH and self._reaches(span[1], start, False)
            if (before or after) and not self._recent_near(span):
                return True
        return False

    def _reaches(self, first: int, last: int, whole_clause: bool) -> bool:
        """No clause ends between two places; a cue that opens its clause reaches over commas and "and"."""
        for place in range(first, last + 1):
            kind = self._tokens.breaks[place]
            if kind >= LINE or (kind == COMMA and not whole_clause):
                return False
            if place < last and place in self._at["cue_clause"]:
                return False
            if place < last and not whole_clause and place in self._at["cue_joiner"]:
                return False
        return True

    def _opens_clause(self, start: int) -> bool:
        return start == 0 or self._tokens.breaks[start] > 0

    def _recent_near(self, span: Span, dated: bool = False) -> bool:
        """A word for now beside it; beside a date, "sudden" only says how it was then."""
        first, last = self._sentence(span)
        near = (*range(max(first, span[0] - 6), span[0]), *range(span[1], min(last, span[1] + 7)))
        return not (self._lasting if dated else self._at["cue_recent"]).isdisjoint(near)

    def _dated(self, first: int, last: int) -> bool:
        return self._stands("cue_dated", range(first, last))

    def _stands(self, cue: str, places: Iterable[int]) -> bool:
        """A word of this kind stands at one of the places."""
        return not self._at[cue].isdisjoint(places)

    def _sentence(self, span: Span) -> Span:
        return self._tokens.sentence_starts[span[0]], self._tokens.sentence_ends[span[1]]


def _positions(spans: Iterable[Span]) -> frozenset[int]:
    return frozenset(place for span in spans for place in range(*span))
