"""A clinic's colour, from which readable ones are made, and its logo, of which nothing but the picture is kept."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.content import branding
from bot.content.branding import (
    LEAST_CONTRAST,
    Colours,
    contrast,
    darkened,
    least_contrast,
    read_colours,
    read_logo,
)

INKS = {"light": "#24302f", "dark": "#dcdfd9"}
GROUNDS = {"light": ("#f6f2ea", "#fffdf8", "#ede8dd"), "dark": ("#171b1b", "#202626", "#121616")}


def png(
    width: int = 3, height: int = 2, *extra: tuple[bytes, bytes], raw: bytes | None = None, kind: int = 2
) -> bytes:
    """A true-colour picture, with more chunks before its end."""
    rows = (b"\0" + b"\x12\x57\x5a" * width) * height if raw is None else raw
    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    chunks = [(b"IHDR", head), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return branding._SIGNATURE + b"".join(branding._chunk(*chunk) for chunk in chunks)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@given(st.integers(0, 0xFFFFFF))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_words_can_be_read_whatever_colour_a_clinic_has(number: int) -> None:
    accent = darkened(f"#{number:06x}")
    made = read_colours({"accent": accent})
    assert made == Colours(accent)
    for mode, sheet in (("light", made.light), ("dark", made.dark)):
        shown = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{6})(?=[;}])", sheet))
        assert set(shown) == {"accent", "accent-hover", "on-accent", "accent-soft", "accent-line"}
        for ground in (*GROUNDS[mode], shown["on-accent"], shown["accent-soft"]):
            assert contrast(shown["accent"], ground) >= LEAST_CONTRAST, (accent, mode, ground)
        assert contrast(shown["accent-hover"], shown["on-accent"]) >= LEAST_CONTRAST
        assert contrast(INKS[mode], shown["accent-soft"]) >= LEAST_CONTRAST


def test_a_colour_that_is_too_pale_is_refused_with_one_that_is_not() -> None:
    with pytest.raises(ValueError, match=r"#ffcc00 is too light.*#[0-9a-f]{6} is the nearest") as refused:
        read_colours({"accent": "#FFCC00"})
    (nearest,) = re.findall(r"(#[0-9a-f]{6}) is the nearest", str(refused.value))
    assert least_contrast(nearest) >= LEAST_CONTRAST
    assert read_colours(None) is read_colours({}) is None


@pytest.mark.parametrize("given", ["#12575a", {"accent": "12575a"}, {"accent": "#12575a;}"}, {"accent": 3}, {"a": "b"}])
def test_what_is_no_colour_never_reaches_a_style_sheet(given: object) -> None:
    with pytest.raises(ValueError, match="#rrggbb"):
        read_colours(given)


def test_a_logo_keeps_the_picture_and_nothing_about_who_took_it() -> None:
    given = png(3, 2, (b"tEXt", b"Author\0Dr Lee"), (b"eXIf", b"51.5 N, 0.1 W"))
    kept = read_logo(given + b"<script>alert(1)</script>")
    assert (kept.width, kept.height) == (3, 2)
    assert kept.png == png(3, 2)
    assert read_logo(kept.png) == kept and len(kept.hash) == 12


@pytest.mark.parametrize(("data", "said"), [
    (b"", "no PNG"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG"),
    (b"GIF89a" + b"\0" * 40, "no PNG"),
    (branding._SIGNATURE, "broken"),
    (png()[:-3], "broken"),
    (png()[:40], "broken"),
    (png().replace(b"IDAT", b"IDAX"), "broken"),
    (png()[:-1] + b"\0", "broken"),  # the last part's check sum
    (png(3, 2, raw=b"\0"), "broken"),
    (png(3, 2, raw=b"\0" * 10_000_000), "broken"),
    (png(3, 2, kind=9), "broken"),
    (png(2_000, 1), "2000 by 1 pixels"),
    (png(0, 1, raw=b"\0"), "0 by 1 pixels"),
    (b"\0" * 100_001, "100 kB at most"),
])  # fmt: skip
def test_what_is_no_whole_small_png_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_logo(data)


@given(st.integers(0, 68), st.integers(0, 255))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_a_damaged_logo_is_refused_or_read_and_never_an_error(place: int, value: int) -> None:
    data = bytearray(png())
    data[place % len(data)] = value
    try:
        read_logo(bytes(data))
    except ValueError as error:
        assert str(error).startswith("logo: ")
