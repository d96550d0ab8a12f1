"""The words of scan reports (``data/report_words/*.yml``) and the templates of the card that explains one.

One mechanism for all of them: a word brings its plain meaning, how to handle it and where its figures stand; the card
(``data/finding_card.yml``) brings everything that is said the same way for each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from bot.content.answers import CERTAINTIES
from bot.content.files import DATA, ContentError, name, read_yaml

EXPLAIN, CLINICIAN, URGENT = "explain", "clinician", "urgent"
COUNTERWEIGHTS = ("more_often", "not_clear", "not_collected")


@dataclass(frozen=True)
class ReportWord:
    """One finding as reports name it. `figures`: region -> row of ``data/findings``. `regions`: where it can be.

    `handling`: explain (with figures where there are some), clinician (its meaning, and the rest is theirs), urgent
    (never made to sound common: the clinician who ordered the scan, soon). `no_figure`: said in place of a figure where
    the card's own sentence would not fit the word.
    """

    id: str
    version: str
    title: str
    button: str
    says: tuple[str, ...]
    regions: tuple[str, ...]
    region_fixed: bool
    handling: str
    meaning: str
    outlook: str
    bring: str
    counterweight: str
    sources: tuple[str, ...]
    certainty: str
    review: str
    check: str = ""
    no_figure: str = ""
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CardWording:
    """What every card says. `texts` by name, `choices` are lists of wordings, `labels` stand on buttons."""

    version: str
    review: str
    texts: dict[str, str]
    openings: dict[str, tuple[str, ...]]
    checks: dict[str, str]
    counterweight: dict[str, str]
    certainty: dict[str, str]
    labels: dict[str, str]
    ages: dict[str, str]
    headlines: dict[str, tuple[str, ...]]


@lru_cache(maxsize=4)
def load_report_words(data: Path = DATA) -> dict[str, ReportWord]:
    """All words by key. Raises ContentError for a wrong field, or for a phrase that two words claim."""
    words: dict[str, ReportWord] = {}
    said: dict[str, str] = {}
    for path in sorted((data / "report_words").glob("*.yml")):
        for key, fields in (read_yaml(path) or {}).items():
            where = f"{name(path)}: {key}"
            word = _word(key, fields, where)
            if key in words:
                raise ContentError(f"{where} is defined twice; keep one.")
            for phrase in word.says:
                if said.setdefault(phrase.lower(), key) != key:
                    raise ContentError(f"{where}: {phrase!r} belongs to {said[phrase.lower()]} already.")
            words[key] = word
    return words


@lru_cache(maxsize=4)
def load_card(data: Path = DATA) -> CardWording:
    """The templates. Raises ContentError where a part is missing."""
    content = read_yaml(data / "finding_card.yml")
    try:
        return CardWording(
            version=content["id"],
            review=content["review"]["state"],
            texts=content["texts"],
            openings={kind: tuple(lines) for kind, lines in content["openings"].items()},
            checks=content["checks"],
            counterweight=content["counterweight"],
            certainty=content["certainty"],
            labels=content["labels"],
            ages={str(age): title for age, title in content["ages"].items()},
            headlines={region: tuple(keys) for region, keys in content["headlines"].items()},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"data/finding_card.yml: {type(error).__name__}: {error}") from None


def _word(key: str, fields: dict[str, Any], where: str) -> ReportWord:
    try:
        word = ReportWord(
            id=f"finding/{key}",
            version=fields["id"],
            title=fields["title"],
            button=fields["button"],
            says=tuple(str(phrase) for phrase in fields["says"]),
            regions=tuple(fields["regions"]),
            region_fixed=bool(fields["region_fixed"]),
            handling=fields["handling"],
            meaning=fields["meaning"].strip(),
            outlook=(fields.get("outlook") or "").strip(),
            bring=(fields.get("bring") or "").strip(),
            counterweight=fields["counterweight"],
            sources=tuple(fields["sources"] or ()),
            certainty=fields["certainty"],
            review=str(fields["review"]["state"]),
            check=fields.get("check") or "",
            no_figure=fields.get("no_figure") or "",
            figures=dict(fields.get("figures") or {}),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ContentError(f"{where}: {type(error).__name__}: {error}") from None
    if word.handling not in (EXPLAIN, CLINICIAN, URGENT):
        raise ContentError(f"{where}: handling {word.handling!r}; use explain, clinician or urgent.")
    if word.counterweight not in COUNTERWEIGHTS:
        raise ContentError(f"{where}: counterweight {word.counterweight!r}; use one of {', '.join(COUNTERWEIGHTS)}.")
    if word.certainty not in CERTAINTIES:
        raise ContentError(f"{where}: certainty {word.certainty!r}; use one of {', '.join(CERTAINTIES)}.")
    if not word.version.startswith(word.id + ".v"):
        raise ContentError(f"{where}: id {word.version!r} must be {word.id}.v1, .v2 ...")
    return word
