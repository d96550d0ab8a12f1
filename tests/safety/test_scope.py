"""Who, when and whether: negation, time, other people, what-ifs and idioms (clinical 3.3 and 3.4)."""

from __future__ import annotations

import pytest

from bot.safety import Screening, screen


def _alarm(result: Screening) -> bool:
    return result.tier in ("T0", "T1", "T2", "T3") and not result.ask


def _scopes(result: Screening) -> set[str]:
    return {one.scope for one in result.findings}


@pytest.mark.parametrize(
    "text",
    [
        "no relief, I now have fever and back pain",
        "No numbness but I can't pee",
        "no chest pain yesterday, now my chest is tight",
        "I haven't slept because of chest pain",
        "not just back pain, I have wet myself",
        "no change in my back except that I can't feel when I wipe",
        "I didn't think much of it, but my face has dropped on one side",
        "never had this before, numb between my legs",
        "The pain never stops and I have chest pain",
        "no idea why, I can't pee",
        "nothing helps, I want to die",
        "I'm not suicidal but I don't want to be here",
        "no fever, I lost control of my bladder",
    ],
)
def test_negation_ends_in_time(text: str) -> None:
    assert _alarm(screen(text)), text


@pytest.mark.parametrize(
    "text",
    [
        "no numbness, weakness or fever",
        "no fever, no chills, no chest pain",
        "I do not have any numbness between my legs",
        "I don't have chest pain",
        "without chest pain or shortness of breath",
        "He denies chest pain",
        "never had chest pain",
        "cauda equina was ruled out, saddle numbness came back clear",
        "Saddle numbness? No. Chest pain? No.",
        "I haven't had any chest pain",
        "i havent got a fever",
        "neither chest pain nor fever",
    ],
)
def test_negated_lists_raise_nothing(text: str) -> None:
    result = screen(text)
    assert not _alarm(result) and not result.ask, result.worst
    assert all(one.tier == "T4" for one in result.findings)


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("my husband can't feel his legs", "other_now"),
        ("My wife has chest pain right now", "other_now"),
        ("his face is drooping on one side", "other_now"),
        ("My mum is 82. Her calf is swollen and hot", "other_now"),
    ],
)
def test_somebody_else_now_escalates(text: str, scope: str) -> None:
    result = screen(text)
    assert _alarm(result)
    assert result.worst is not None and result.worst.scope == scope


@pytest.mark.parametrize(
    "text",
    [
        "my dad had a stroke in 2010, he could not get his words out",
        "My mum had numbness between her legs years ago",
        "family history of chest pain",
        "my uncle died of chest pain",
    ],
)
def test_somebody_else_past_does_not(text: str) -> None:
    result = screen(text)
    assert not _alarm(result) and not result.ask
    assert _scopes(result) <= {"other_person_past"}


@pytest.mark.parametrize(
    "text",
    [
        "my husband says it's nothing but I can't pee",
        "My wife thinks I should not fuss, my chest is tight",
        "My doctor says it is fine, I can't feel when I wipe",
        "it's probably nothing, sorry to bother you, but I have chest pain",
        "I'm sure I am being silly but I don't want to be here any more",
    ],
)
def test_minimisers_never_lower(text: str) -> None:
    result = screen(text)
    assert _alarm(result)
    assert result.worst is not None and result.worst.scope == "now"


@pytest.mark.parametrize(
    "text",
    [
        "What is cauda equina?",
        "Could sciatica turn into numbness between the legs?",
        "what if I can't pee one day",
        "I'm worried about becoming numb from the waist down",
        "what are the symptoms of a stroke",
    ],
)
def test_hypothetical_raises_no_alarm(text: str) -> None:
    assert not _alarm(screen(text))


@pytest.mark.parametrize(
    "text",
    [
        "Is it normal that I can't pee?",
        "could my numb crotch be serious?",
        "If I cough I wet myself and my back is agony",
        "why can't I feel my legs",
        "it is as if I had no feeling between my legs",
        "what should I do, I have chest pain",
    ],
)
def test_a_question_about_oneself_is_no_general_question(text: str) -> None:
    assert _alarm(screen(text)), text


@pytest.mark.parametrize(
    "text",
    [
        "I used to have chest pain",
        "In 2015 I couldn't pee after surgery",
        "My face dropped years ago",
        "I've had chest pain for years",
        "my ex used to hit me",
        "I used to be suicidal",
    ],
)
def test_past_and_long_known_lead_to_a_question(text: str) -> None:
    result = screen(text)
    assert result.ask and result.worst is not None and result.worst.scope == "past", result.worst


@pytest.mark.parametrize(
    "text",
    [
        "I had surgery in 2015 and can't pee",
        "Years ago I had sciatica. Now I am numb between my legs",
        "I've had back pain for ten years and now I can't pee",
        "I've had chest pain for years but it is getting worse",
    ],
)
def test_now_wins_over_the_past(text: str) -> None:
    assert _alarm(screen(text)), text


@pytest.mark.parametrize(
    "text",
    [
        "what if I killed myself",
        "if I killed myself would anyone care",
        "What if I kill him",
        "I might take all my pills",
    ],
)
def test_self_harm_and_harm_to_others_ignore_what_if(text: str) -> None:
    result = screen(text)
    assert _alarm(result) and result.tier == "T0"


@pytest.mark.parametrize(
    "text",
    [
        "I'm dying to know",
        "this is killing me",
        "my back is shot",
        "numb with boredom",
        "hay fever is bad",
        "my phone died",
        "I do breaststroke",
        "could murder a coffee",
        "that gave me a heart attack",
        "stroke of luck",
        "my heart sank",
        "my boss will kill me",
        "cabin fever",
        "overkill",
        "trying to lose weight",
        "not suicidal",
        "collapse on the sofa",
        "I am paralysed by fear",
        "my leg goes dead when I sit on it",
        "compression socks",
    ],
)
def test_idioms_raise_nothing(text: str) -> None:
    result = screen(text)
    assert not _alarm(result) and not result.ask, result.worst


@pytest.mark.parametrize(
    "text",
    [
        "My father had a heart attack when he was 61",
        "my grandad had a foot that dragged",
        "Had Bell's palsy in 2008, face drooped, all better now",
        "I've had foot drop since 2011 and it has never changed",
        "I had a clot on the lung in 2009, fully treated",
        "Fell off my bike when I was twelve and it healed fine",
        "How do people recognise a stroke?",
        "Does sitting on a plane cause blood clots?",
        "If I ever lost the feeling between my legs I know who to ring",
        "my brother beat me at chess",
    ],
)
def test_what_is_over_general_or_somebody_elses_past_raises_nothing(text: str) -> None:
    result = screen(text)
    assert not _alarm(result) and not result.ask, result.worst


@pytest.mark.parametrize(
    "text",
    [
        "Had Bell's palsy in 2008, all better then, but my face has dropped again today",
        "I've had foot drop since 2011 and it is getting worse",
        "My dad had a fall and can't stand",
        "Does a plane cause blood clots? My calf is swollen and hot",
    ],
)
def test_now_wins_over_what_was_settled(text: str) -> None:
    assert _alarm(screen(text)), text


@pytest.mark.parametrize("text", ["I was suicidal", "It left me suicidal", "I felt suicidal after my injury"])
def test_suicidal_told_in_the_past_is_a_check_in(text: str) -> None:
    result = screen(text)
    assert result.ask and result.worst is not None and result.worst.scope == "past"


@pytest.mark.parametrize(
    "text",
    [
        "I am suicidal",
        "I feel suicidal",
        "I was suicidal last night",
        "I have felt suicidal",
        "I felt suicidal and still do",
    ],
)
def test_suicidal_now_is_an_alarm(text: str) -> None:
    assert _alarm(screen(text))


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("my partner hits the kids", "RF37"),
        ("the carers hit my mum", "RF37"),
        ("my niece is being abused", "RF37"),
        ("my sister's husband hits her", "RF38"),
        ("my daughter is scared of her boyfriend, he punches her", "RF38"),
    ],
)
def test_somebody_elses_danger_gets_the_helpers_words(text: str, category: str) -> None:
    result = screen(text)
    assert _alarm(result)
    assert "other_now" in {one.scope for one in result.findings if one.category == category}
    assert result.worst is not None and result.worst.scope == "other_now"


@pytest.mark.parametrize(
    "text", ["my husband hits me", "my dad hits me", "the carers hit me", "he beats me", "got hit by my husband"]
)
def test_ones_own_danger_gets_ones_own_words(text: str) -> None:
    result = screen(text)
    assert _alarm(result) and result.worst is not None and result.worst.scope == "now"
