"""A clinic's looks: one colour, from which the others follow so that words stay readable, and a logo (PNG)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# WCAG 2.2 AA for words.
LEAST_CONTRAST = 4.5
MOST_LOGO_BYTES = 100_000
MOST_LOGO_PIXELS = 1_024
_HEX = re.compile(r"#[0-9a-f]{6}")
# Behind the colour, or in front of it (bot/web/static/base.css, dark.css).
_LIGHT, _LIGHT_GROUNDS = "#fbf9f4", ("#f6f2ea", "#fffdf8", "#ede8dd")
_DARK, _DARK_GROUNDS = "#10201f", ("#171b1b", "#202626", "#121616")
_PAPER, _DARK_PAPER = _LIGHT_GROUNDS[0], _DARK_GROUNDS[1]
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a picture needs. Everything else (where it was taken, by what program, a preview) is left out.
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True)
class Colours:
    """The clinic's colour, as ``#rrggbb``. Light words stand on it, and it stands on the light page as words."""

    accent: str

    @property
    def light(self) -> str:
        """The style sheet by day."""
        soft = readable_on(mixed(self.accent, _PAPER, 0.86), self.accent)
        hover, line = mixed(self.accent, "#000000", 0.2), mixed(self.accent, _PAPER, 0.68)
        return _sheet(accent=self.accent, hover=hover, on=_LIGHT, soft=soft, line=line)

    @property
    def dark(self) -> str:
        """The style sheet by night: the same colour, as much lighter as dark pages need."""
        accent = self.accent
        while contrast(accent, _lightest(_DARK_GROUNDS)) < 7 or contrast(accent, _DARK) < 7:
            accent = mixed(accent, "#ffffff", 0.08)
        soft = readable_on(mixed(accent, _DARK_PAPER, 0.8), accent)
        hover, line = mixed(accent, "#ffffff", 0.25), mixed(accent, _DARK_PAPER, 0.62)
        return _sheet(accent=accent, hover=hover, on=_DARK, soft=soft, line=line)


@dataclass(frozen=True)
class Logo:
    """A picture with nothing but what it shows; sizes in pixels."""

    png: bytes
    width: int
    height: int

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.png).hexdigest()[:12]


def read_colours(given: Any) -> Colours | None:
    """The colours of a clinic's document; None where it has none. Raises ValueError with a sentence for people."""
    if not given:
        return None
    accent = given.get("accent") if isinstance(given, Mapping) and set(given) == {"accent"} else None
    if not isinstance(accent, str) or not _HEX.fullmatch(accent.lower()):
        raise ValueError('colours: write {accent: "#rrggbb"}, six digits or letters from a to f after the #')
    accent = accent.lower()
    found = least_contrast(accent)
    if found < LEAST_CONTRAST:
        raise ValueError(
            f"colours: {accent} is too light: words would stand out by {found:.1f} to 1, and {LEAST_CONTRAST} to 1 is "
            f"needed. {darkened(accent)} is the nearest that is dark enough"
        )
    return Colours(accent)


def least_contrast(accent: str) -> float:
    """How far words stand out at worst: light ones on this colour, or ones of this colour on a light page."""
    return min(contrast(accent, other) for other in (_LIGHT, *_LIGHT_GROUNDS))


def darkened(accent: str) -> str:
    """The nearest darker colour on which, and as which, words can be read."""
    while least_contrast(accent) < LEAST_CONTRAST:
        accent = mixed(accent, "#000000", 0.04)
    return accent


def contrast(one: str, other: str) -> float:
    """The contrast of two colours by WCAG: from 1 (the same) to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def mixed(one: str, other: str, share: float) -> str:
    """A colour with so large a share of another one in it."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable_on(ground: str, words: str) -> str:
    """A tinted ground on which words of this colour can be read: as pale (or dark) as that takes."""
    away = "#ffffff" if _luminance(ground) > _luminance(words) else "#000000"
    while contrast(ground, words) < LEAST_CONTRAST and ground != away:
        ground = mixed(ground, away, 0.2)
    return ground


def read_logo(data: bytes) -> Logo:
    """A logo from the bytes of a PNG, with nothing in it but the picture. Raises ValueError with a sentence for people.

    The bytes decide, whatever the file was called.
    """
    if len(data) > MOST_LOGO_BYTES:
        raise ValueError(f"logo: the picture has {len(data) // 1000} kB; {MOST_LOGO_BYTES // 1000} kB at most")
    if not data.startswith(_SIGNATURE):
        raise ValueError("logo: this is no PNG picture. Save it as PNG first")
    try:
        chunks = list(_chunks(data))
        width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
        if not 0 < max(width, height) <= MOST_LOGO_PIXELS or min(width, height) < 1:
            raise ValueError(f"logo: {width} by {height} pixels; {MOST_LOGO_PIXELS} by {MOST_LOGO_PIXELS} at most")
        _unpack(chunks, height * ((width * depth * _CHANNELS[kind] + 7) // 8 + 1), bool(interlaced))
    except (struct.error, zlib.error, KeyError, IndexError):
        raise ValueError("logo: the picture is broken and cannot be read") from None
    kept = b"".join(_chunk(name, body) for name, body in chunks if name in _KEPT)
    return Logo(_SIGNATURE + kept, width, height)


def read_stored_logo(given: Any) -> Logo:
    """A logo as a clinic's settings keep it: ``{"png": base64}``. Raises ValueError with a sentence for people."""
    text = given.get("png") if isinstance(given, Mapping) else None
    if not isinstance(text, str):
        raise ValueError("logo: the picture is missing")
    try:
        return read_logo(base64.b64decode(text, validate=True))
    except binascii.Error:
        raise ValueError("logo: the picture is broken and cannot be read") from None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a PNG, IHDR first and IEND last. Raises struct.error where one is cut off or damaged."""
    at, last = len(_SIGNATURE), b""
    while last != b"IEND":
        size, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        (check,) = struct.unpack_from(">I", data, at + 8 + size)
        if check != zlib.crc32(name + body) or (not last and name != b"IHDR"):
            raise struct.error
        yield name, body
        at, last = at + 12 + size, name


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _unpack(chunks: list[tuple[bytes, bytes]], size: int, interlaced: bool) -> None:
    """Raises zlib.error unless the picture is all there. It is never unpacked any further than it should be long."""
    most = size * 2 + 1_024 if interlaced else size
    unpacker = zlib.decompressobj()
    found = len(unpacker.decompress(b"".join(body for name, body in chunks if name == b"IDAT"), most + 1))
    if found > most or (found < size and not interlaced) or not found:
        raise zlib.error


def _sheet(accent: str, hover: str, on: str, soft: str, line: str) -> str:
    return (
        f":root,:host{{--accent:{accent};--accent-hover:{hover};--on-accent:{on};--accent-soft:{soft};"
        f"--accent-line:{line}}}"
    )


def _lightest(colours: tuple[str, ...]) -> str:
    return max(colours, key=_luminance)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
