"""What a password must be: long, and not one that is tried first."""

from __future__ import annotations

import pytest

from bot.web.people import passwords

OWN = ("Dr Lee Carter", "lee.carter@northstreet.example", "North Street Pain Clinic")


@pytest.mark.parametrize(
    "password",
    [
        "a good long password",
        "correct horse staple battery",
        "überlange wörter hier",
        "疼痛教育聊天室的长密码很安全",
        "lee carter likes seventeen purple boats",
        "!#%&/()=?+-_*:;,.<>",
    ],
)
def test_long_ones_are_good_without_any_composition(password: str) -> None:
    assert passwords.fault(password, OWN) is None


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("", "short"),
        ("elevenchars", "short"),
        ("x" * 1_025, "long"),
        ("Password1234!", "common"),
        ("p@ssw0rd2026!!", "common"),
        ("qwertyuiop123", "common"),
        ("123456789012", "common"),
        ("098765432109", "common"),
        ("abcdefghijklm", "common"),
        ("aaaaaaaaaaaaaaa", "common"),
        ("abababababababab", "common"),
        ("Liverpool2026!", "common"),
        ("letmein-please", "common"),
        ("Correct-Horse-Battery-Staple", "common"),
        ("Lee.Carter2026!", "own"),
        ("lee.carter@northstreet.example", "own"),
        ("NorthStreetPain1", "own"),
        ("clinic-carter-99", "own"),
    ],
)
def test_what_is_tried_first_is_refused(password: str, why: str) -> None:
    assert passwords.fault(password, OWN) == why


def test_the_list_holds_no_password_that_nobody_could_choose_anyway() -> None:
    assert len(passwords.common()) > 100
    assert all(word == word.casefold() for word in passwords.common())
