"""Codes of an app: the numbers of RFC 6238, near steps, what is kept, and setting an app up."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from bot.web.people import second_factor
from bot.web.people.second_factor import Box, Factor, FactorUnreadable

# RFC 6238, appendix B: the secret, and (seconds, the last six digits of the SHA-1 code).
RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
RFC_CODES = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
STEP = second_factor.step_of(NOW)
BOX = Box("k" * 40)


@pytest.mark.parametrize(("seconds", "code"), RFC_CODES)
def test_the_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert second_factor.code_at(RFC_SECRET, seconds // 30) == code


@pytest.mark.parametrize(("off", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_to_either_side_is_taken(off: int, taken: bool) -> None:
    code = second_factor.code_at(RFC_SECRET, STEP + off)
    assert second_factor.matching_step(RFC_SECRET, code, NOW, None) == (STEP + off if taken else None)


def test_a_code_of_a_used_step_or_an_earlier_one_is_not_taken() -> None:
    for off in (-1, 0):
        code = second_factor.code_at(RFC_SECRET, STEP + off)
        assert second_factor.matching_step(RFC_SECRET, code, NOW, STEP) is None
    later = second_factor.code_at(RFC_SECRET, STEP + 1)
    assert second_factor.matching_step(RFC_SECRET, later, NOW, STEP) == STEP + 1


@pytest.mark.parametrize(
    ("typed", "read"),
    [("123 456", "123456"), (" 123456\n", "123456"), ("12345", None), ("1234567", None), ("١٢٣٤٥٦", None), ("", None)],
)
def test_what_is_typed(typed: str, read: str | None) -> None:
    assert second_factor.digits(typed) == read


def test_a_factor_opens_for_its_own_person_and_key_alone() -> None:
    factor = second_factor.with_recovery(Factor(RFC_SECRET), ("abcde-fghjk",))
    sealed = BOX.seal("lee", factor)
    assert RFC_SECRET not in sealed
    assert BOX.open("lee", sealed) == factor
    assert RFC_SECRET not in repr(factor) and factor.recovery[0] not in repr(factor)
    offer = BOX.offer("lee", RFC_SECRET, NOW)
    for person, box, kept in [("kim", BOX, sealed), ("lee", Box("j" * 40), sealed), ("lee", BOX, sealed[:-4] + "AAAA"),
                              ("lee", BOX, ""), ("lee", BOX, offer)]:  # fmt: skip
        with pytest.raises(FactorUnreadable):
            box.open(person, kept)


def test_a_new_key_still_opens_what_the_old_one_closed() -> None:
    sealed = BOX.seal("lee", Factor(RFC_SECRET))
    both = Box("n" * 40 + "," + "k" * 40)
    assert both.open("lee", sealed).secret == RFC_SECRET
    assert Box("n" * 40).open("lee", both.seal("lee", Factor(RFC_SECRET))).secret == RFC_SECRET


def test_an_offer_is_for_one_person_and_a_quarter_of_an_hour() -> None:
    offer = BOX.offer("lee", RFC_SECRET, NOW)
    assert BOX.offered("lee", offer, NOW + timedelta(minutes=15)) == RFC_SECRET
    assert BOX.offered("lee", offer, NOW + timedelta(minutes=15, seconds=1)) is None
    assert BOX.offered("kim", offer, NOW) is None
    assert BOX.offered("lee", "\ud800", NOW) is None
    assert BOX.offered("lee", BOX.seal("lee", Factor(RFC_SECRET)), NOW) is None


def test_each_recovery_code_is_used_up_alone() -> None:
    codes = second_factor.new_recovery_codes()
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    factor = second_factor.with_recovery(Factor(RFC_SECRET), codes)
    assert not set(codes) & set(factor.recovery)
    left = second_factor.without_used(factor, f" {codes[3].upper().replace('-', ' ')} ")
    assert left is not None and len(left.recovery) == len(codes) - 1
    assert second_factor.without_used(left, codes[3]) is None
    assert second_factor.without_used(left, codes[4]) is not None
    assert second_factor.without_used(factor, "") is None


def test_the_address_for_apps() -> None:
    secret = second_factor.new_secret()
    assert len(base64.b32decode(secret)) == 20
    made = second_factor.uri(secret, "Pain inbox: Dr & Söhne", "lee+x@demo.invalid")
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert unquote(parts.path) == "/Pain inbox: Dr & Söhne:lee+x@demo.invalid"
    asked = {key: value[0] for key, value in parse_qs(parts.query).items()}
    assert asked == {
        "secret": secret, "issuer": "Pain inbox: Dr & Söhne", "algorithm": "SHA1", "digits": "6", "period": "30"
    }  # fmt: skip
    assert second_factor.picture(made).startswith("data:image/svg+xml")
    assert second_factor.grouped(secret).replace(" ", "") == secret
