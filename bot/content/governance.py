"""Who has read which clinical text, and until when it counts. A sign-off names the exact words by their hash.

Sign-offs belong to a clinic: ``data/clinics/signed/<clinic>.yml``, written by ``pne content sign``. A text whose words
have changed since is unsigned again. In production unsigned clinical text stops the start, and a text whose sign-off
has run out is withheld; safety words are shown whatever their sign-off says, because nobody is safer without them.
"""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from bot.content.answers import load_answers
from bot.content.figures import load_regions
from bot.content.files import DATA, ContentError, name, read_yaml
from bot.content.report_words import load_card, load_report_words

REVIEWED, PENDING, EXPIRED = "reviewed", "pending", "expired"
YEAR = datetime.timedelta(days=365)
SAFETY = "safety"


@dataclass(frozen=True)
class SignOff:
    """One person's sign-off of texts: version -> hash. Dates are ISO dates; `until` is the last day that counts."""

    reviewer: str
    role: str
    at: str
    until: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Review:
    """The state of one text for one clinic, and the sign-off that it rests on."""

    state: str
    by: SignOff | None = None


@lru_cache(maxsize=4)
def clinical_texts(data: Path = DATA) -> dict[str, str]:
    """Every clinical text as version -> hash of its words: answers, report words, cards, tables, safety files."""
    texts = {answer.version: _hash(asdict(answer)) for answer in load_answers(data).values()}
    texts |= {word.version: _hash(asdict(word)) for word in load_report_words(data).values()}
    texts[load_card(data).version] = _hash(asdict(load_card(data)))
    texts |= {f"findings/{region.id}": _hash(asdict(region)) for region in load_regions(data).values()}
    for path in sorted((data / SAFETY).glob("*.yml")):
        texts[f"{SAFETY}/{path.stem}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return texts


@lru_cache(maxsize=8)
def load_sign_offs(clinic: str, data: Path = DATA) -> tuple[SignOff, ...]:
    """A clinic's sign-offs, oldest first; none where nobody has signed. Raises ContentError for a wrong file."""
    path = _file(clinic, data)
    if not path.exists():
        return ()
    try:
        return tuple(SignOff(**entry) for entry in read_yaml(path) or ())
    except TypeError as error:
        raise ContentError(f"{name(path)}: {error}. Write sign-offs with: pne content sign") from None


def review_of(version: str, clinic: str, today: datetime.date, data: Path = DATA) -> Review:
    """Whether a text is reviewed, pending or expired for a clinic on a day."""
    wanted = clinical_texts(data).get(version)
    signed = [s for s in load_sign_offs(clinic, data) if wanted is not None and s.texts.get(version) == wanted]
    if not signed:
        return Review(PENDING)
    last = max(signed, key=lambda s: s.until)
    return Review(REVIEWED if today <= datetime.date.fromisoformat(last.until) else EXPIRED, last)


def status(clinic: str, today: datetime.date, data: Path = DATA) -> dict[str, Counter[str]]:
    """How many texts of each subject are reviewed, pending and expired."""
    counts: dict[str, Counter[str]] = {}
    for version in clinical_texts(data):
        state = review_of(version, clinic, today, data).state
        counts.setdefault(subject_of(version), Counter())[state] += 1
    return counts


def in_state(state: str, clinic: str, today: datetime.date, data: Path = DATA) -> list[str]:
    """The texts that are in this state for a clinic."""
    return [v for v in clinical_texts(data) if review_of(v, clinic, today, data).state == state]


def sign(
    clinic: str,
    versions: Sequence[str],
    reviewer: str,
    role: str,
    today: datetime.date,
    until: datetime.date | None = None,
    data: Path = DATA,
) -> Path:
    """Write one person's sign-off of these texts. Raises ContentError for a text that is not there, or no name."""
    texts = clinical_texts(data)
    unknown = sorted(set(versions) - set(texts))
    if unknown or not versions:
        raise ContentError(f"No such text: {', '.join(unknown) or 'none named'}. pne content status lists subjects.")
    if not reviewer.strip() or not role.strip():
        raise ContentError("A sign-off needs the reviewer's name and role.")
    last = until or today + YEAR
    if last <= today:
        raise ContentError("A sign-off must count until a day that is still to come.")
    entry = SignOff(
        reviewer.strip(), role.strip(), today.isoformat(), last.isoformat(), {v: texts[v] for v in versions}
    )
    path = _file(clinic, data)
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [asdict(s) for s in load_sign_offs(clinic, data)] + [asdict(entry)]
    path.write_text(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), encoding="utf-8")
    load_sign_offs.cache_clear()
    return path


def subject_of(version: str) -> str:
    """The part of the content that a text belongs to: ``pain``, ``finding``, ``findings``, ``safety``."""
    return version.split("/")[0].split(".")[0]


def _file(clinic: str, data: Path) -> Path:
    return data / "clinics" / "signed" / f"{clinic}.yml"


def _hash(words: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in words.items() if key != "review"}
    return hashlib.sha256(json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()
