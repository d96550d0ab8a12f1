"""The gap report: clusters of what was missed, and nothing that tells who asked."""

from __future__ import annotations

from bot.gaps import Asked, clusters
from bot.understanding.gap_words import kept_words, vocabulary


def asked(words: str, kind: str = "not_understood", nearest: str = "care/treatments") -> Asked:
    return Asked(tuple(sorted(words.split())), kind, nearest)


def test_the_same_question_in_other_words_is_one_cluster() -> None:
    found = clusters(
        [
            *(asked("tens machine shoulder"), asked("tens machine"), asked("machine tens back")),
            *(asked("diet sugar"), asked("sugar diet inflammation"), asked("diet sugar help")),
        ]
    )
    assert [(c.count, set(c.words)) for c in found] == [(3, {"diet", "sugar"}), (3, {"machine", "tens"})]
    assert found[0].kinds == {"not_understood": 3} and found[0].nearest == {"care/treatments": 3}


def test_what_fewer_than_three_asked_is_not_shown() -> None:
    assert clusters([asked("tens machine"), asked("tens machine")]) == []
    assert clusters([]) == []
    three = clusters([asked("tens machine"), asked("tens machine galway"), asked("tens machine")])
    assert "galway" not in three[0].words


def test_no_names_places_numbers_or_rare_words_are_kept() -> None:
    words = kept_words(
        "My name is Declan Murphy from Galway, phone 0871234567, my shoulder and Zylotrex, does TENS help?"
    )
    assert "shoulder" in words
    assert not {"declan", "murphy", "galway", "zylotrex", "0871234567"} & set(words)
    assert words == sorted(words)
    assert kept_words("") == kept_words("🦵 123 !!") == []
    assert len(kept_words(" ".join(sorted(vocabulary())))) <= 12
