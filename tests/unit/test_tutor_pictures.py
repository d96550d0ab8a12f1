"""The pictures' area: a list of all, each as one message, the dial with the person's own factors."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.content.visuals import VISUALS, load_visuals
from bot.settings import ROOT
from bot.tutor import areas, pictures
from bot.tutor.journal import Entry, Journal
from bot.tutor.saying import VISUAL, Button, Moment, Say, payload
from bot.web import bodies

NOW = datetime(2026, 3, 1, 9, tzinfo=timezone.utc)
MOMENT = Moment(NOW)
SCHEMA = json.loads((ROOT / "widget" / "events.schema.json").read_text())
CHECK = jsonschema.Draft202012Validator({"$defs": SCHEMA["$defs"], **SCHEMA["$defs"]["body"]})


def body(say: Say) -> dict[str, Any]:
    buttons = [{"title": one.title, "payload": one.payload} for one in say.buttons]
    return bodies.body(say.kind, say.bubbles, answer_id=say.id, **{**say.more, "buttons": buttons})


def test_all_pictures_are_offered_and_each_opens() -> None:
    (listed,) = areas.pressed(MOMENT, "tutor:pictures").says
    assert [one.payload for one in listed.buttons] == [payload("pictures", "show", id) for id in VISUALS]
    for button in listed.buttons:
        (shown,) = areas.pressed(MOMENT, button.payload).says
        assert shown.kind == VISUAL and shown.buttons and shown.ways
        assert list(CHECK.iter_errors(body(shown))) == []


@pytest.mark.parametrize("args", [[], ["nothing"], ["alarm", "more"], ["chart"]])
def test_a_picture_that_is_not_there_opens_the_list(args: list[str]) -> None:
    assert areas.pressed(MOMENT, payload("pictures", "show", *args)).says[0].id == "pictures/pictures"


def test_another_area_puts_its_own_buttons_and_values_under_a_picture() -> None:
    mine = (Button("Go on", "tutor:course:next"),)
    ups = [{"id": "work", "title": "Work"}]
    say = pictures.picture_say("dial", MOMENT, values={"ups": ups}, buttons=mine)
    assert say.buttons == mine and say.more["values"]["ups"] == ups
    assert say.more["values"]["calms"] == load_visuals()["dial"].values["calms"]
    assert say.more["review"] == "pending"
    with pytest.raises(KeyError):
        pictures.picture_say("nothing", MOMENT)


def test_a_chart_fits_the_schema() -> None:
    points = [{"day": "3 Nov", "at": 0, "value": 6}, {"day": "17 Nov", "at": 14, "value": 4}]
    values = {"title": "How it went", "min": 0, "max": 10, "low": "none", "high": "most", "points": points}
    say = pictures.chart_say("measures/chart", ["Here it is."], values, ["First 6, then 4."])
    assert list(CHECK.iter_errors(body(say))) == []


factor_entries = st.lists(
    st.builds(
        Entry,
        st.just(pictures.FACTOR),
        st.sampled_from(["sleep", "work", "calm_moving", "calm_rest", "of_an_older_version"]),
        st.one_of(st.none(), st.booleans().map(lambda kept: {"kept": kept, "words": ""})),
        st.just(NOW),
    ),
    max_size=12,
)


@given(factor_entries)
def test_the_dial_shows_what_is_kept_and_nothing_that_was_taken_back(entries: list[Entry]) -> None:
    newest = {entry.key: bool(entry.value and entry.value["kept"]) for entry in entries}
    moment = Moment(NOW, Journal(tuple(entries)))
    assert set(pictures.kept_factors(moment)) == {id for id, kept in newest.items() if kept}
    values = pictures.picture_say("dial", moment).more["values"]
    assert values["ups"] and values["calms"]
    own = {one["id"] for kind in ("ups", "calms") for one in values[kind]}
    general = {one["id"] for kind in ("ups", "calms") for one in load_visuals()["dial"].values[kind]}
    assert own <= general | set(newest)
