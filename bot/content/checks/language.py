"""What no answer may say, with the context in which the same words are right. docs/content.md has the reasons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bot.content.answers import Answer
from bot.content.checks.fault import Fault, file_of, parts

PLACEHOLDERS = {"emergency_number", "urgent_line", "crisis_line", "poison_line", "abuse_line", "clinic", "clinic_phone"}
_NOT = r"(?<!not )(?<!never )(?<!n't )(?<!no )(?<!nobody can )(?<!no one can )(?<!cannot )"
_TREATMENT = (
    r"(?:medicines?|tablets?|pills?|opioids?|painkillers?|pain relief|codeine|morphine|tramadol|gabapentin|pregabalin|"
    r"amitriptyline|duloxetine|ibuprofen|paracetamol|anti-inflammator\w+|cannabis|cbd|supplements?|injections?|operation|surgery|brace)"
)
# The banned kinds of statements, each as a pattern; what stands in quotes is the person's own word, not ours.
BANNED: dict[str, str] = {
    "dismisses the pain": rf"\bpsychosomatic\b|{_NOT}\bmaking it up\b|\b(?:is|it's|are) (?:all |only |just )?in your (?:head|mind)\b"
    r"|\byou are just stressed\b|\bimagin(?:ed|ing|ary)\b(?<!not imagined)(?<!not imagining)(?<!not imaginary)",
    "claims what it cannot know": r"\bnothing is wrong with you\b|\bthere is no damage\b|\byour (?:tissues?|body|back|disc) ha(?:s|ve) healed\b"
    r"|\byou are (?:healed|fine)\b",
    "blames the brain": r"\boutput of the brain\b|\bbrain (?:makes?|creates?|produces?|invents?|decides) (?:up )?(?:the |your |all )?pain\b",
    "says that pain never warns": r"\bpain is never a sign\b|\bhurt(?:ing)? (?:does not|doesn't) (?:always )?(?:mean|equal) harm\b(?<!not always mean harm)"
    r"(?<!not always equal harm)|\bpain never means\b",
    "decides on a scan, an operation or a medicine": rf"\byou (?:do not|don't) need (?:(?:a|an|the|your|any) )?(?:scan|mri|x-ray|{_TREATMENT})\b"
    rf"|\bignore (?:your|the) (?:scan|report)\b|\b(?:your|the) scan is normal\b|\bscans are useless\b"
    rf"|\byou (?:should|must|ought to|need to|have to)(?: not)? (?:have|get|take|try|start|stop|use|refuse|avoid|skip)(?: \w+){{0,2}} {_TREATMENT}\b"
    rf"|(?:^|[.:;]\s+|\btoday, )(?:start|stop|take|try|use|increase|reduce|double|halve|skip|avoid|refuse|come off|cut down)(?: \w+){{0,2}} {_TREATMENT}\b",
    "names a diagnosis": r"\byou (?:have|may have|probably have|seem to have|are suffering from) (?:a |an )?(?:fibromyalgia|arthritis|sciatica|neuropath\w+|central "
    r"sensiti\w+|nociplastic|depression|anxiety|hypermobil\w+|stenosis|a? ?slipped|a? ?trapped)\b|\byour pain is (?:neuropathic|nociplastic|nociceptive|mechanical)\b",
    "promises": rf"{_NOT}\b(?:will|is going to|are going to) (?:cure|heal|fix|go away|get better|disappear|vanish)\b|\bguarantee|\bpain-free (?:forever|for good|for life)\b|\bcures?\b(?<!no cure)",
    "labels the person": r"\bcatastrophi|\bkinesiophob|\bmaladaptive\b|\bnon-?complian|\bhypervigilan|\bmalinger|\bsufferers?\b",
    "pushes": r"(?<!not )(?<!never )\bpush (?:on |yourself )?through\b|\bno pain,? no gain\b|\bjust relax\b|\bthink positive\b|\bman up\b|\btoughen\b",
    "blames others": r"\byour (?:doctor|gp|surgeon|physio|clinician|boss|family|partner|employer)s? (?:was|were|is|are) (?:wrong|lying|useless)\b|(?:^|[.?:;] )(?:(?!\b(?:no|not|none|never|nothing|neither|nobody)\b)[^.?;])*\byour (?:own )?fault\b"
    r"|\bbecause you are (?:overweight|fat|lazy|unfit)\b",
    "asks for what was done to them": r"\btell me (?:more )?(?:about|what) (?:the |your )?(?:abuse|trauma|assault|happened to you)\b|\bwhat happened to you\?",
    "claims to feel": r"\bi (?:understand|know) (?:exactly )?how you feel\b|\b(?:don't|do not) worry\b|\bi feel your pain\b",
    "compares with the healthy": r"\b(?:normal|healthy) people\b",
    "corrects from above": r"\bactually\b|\bto be honest\b|\bas i said\b",
    "shouts": r"!|—",
}
# Words to avoid as our own; in quotes they are the person's or the report's.
AVOIDED = (
    r"\bwear and tear\b|\bdegenerat\w*|\bcrumbl\w*|\bbone on bone\b|\bslipped dis[ck]\b|\binstability\b|\bout of (?:place|alignment)\b|"
    r"\b(?:trapped|pinched) nerve\b|\bchronic\b|\bpermanent\b|\blifelong\b|\babnormal\b|\bweak core\b|\bbad posture\b|\bsuffer\w*|\bcomplain(?:s|ed|ing) of\b"
)
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|‘[^’]*’")
# A bubble that speaks of pictures of the brain carries what they cannot do.
_BRAIN_TALK = re.compile(
    r"\b(?:fmri|pet scans?|pain matrix|brain (?:scans?|images?|pictures?|areas?)|scans? of (?:the|your) brain)\b", re.I
)
_BRAIN_CAVEAT = re.compile(
    r"\b(?:no|not one|not a) (?:single |one )?(?:pain )?(?:spot|place|centre|area)\b|\bno (?:scan|brain scan|picture|test)\b|\bcannot (?:tell|show|prove|measure|say)\b",
    re.I,
)
_TWO_SIDED = re.compile(
    r"\bright step\b|\bprompt check\b|\bchecked\b|\{urgent_line\}|\{emergency_number\}|\bscan can (?:help|be)\b", re.I
)
ABOUT_SCANS = {"scans", "imaging", "joints"}
NOT_ABOUT_FINDINGS = {"joints/posture", "joints/core", "joints/cracking"}


def said(text: str) -> str:
    """A text without what it quotes, in straight apostrophes."""
    return _QUOTED.sub('""', text.replace("’", "'"))


def banned(answer: Answer, data: Path) -> Iterator[Fault]:
    """None of the banned kinds of statements, and none of the words to avoid, outside quotes."""
    for part, text in parts(answer):
        for why, what in wrong_words(text):
            yield Fault(file_of(answer), answer.id, f"{part} {why}: {what!r}", MENDS.get(why, "say it in another way"))


MENDS = {
    "decides on a scan, an operation or a medicine": "say what to ask the clinician; the choice is theirs together",
    "promises": 'say "can" or "may", for groups of people',
    "uses a word to avoid": "put it in quotes where it is the person's word, or take the word of docs/content.md",
}


def wrong_words(text: str) -> Iterator[tuple[str, str]]:
    """(kind, words) of everything in a text that may not be said."""
    plain = said(text)
    for why, pattern in BANNED.items():
        found = re.search(pattern, plain, re.IGNORECASE | re.MULTILINE)
        if found:
            yield why, found.group().strip()
    found = re.search(AVOIDED, plain, re.IGNORECASE)
    if found:
        yield "uses a word to avoid", found.group()


def two_sided(answer: Answer, data: Path) -> Iterator[Fault]:
    """An answer about scans says when a scan or a check is the right step."""
    if answer.subject not in ABOUT_SCANS or answer.id in NOT_ABOUT_FINDINGS:
        return
    for part, texts in (("text", answer.bubbles), ("plain", answer.plain)):
        if texts and not _TWO_SIDED.search(" ".join(texts)):
            yield Fault(
                file_of(answer), answer.id, f"{part} does not say when a scan or a check is the right step",
                "name the signs that need a check, in these words themselves",
            )  # fmt: skip


def brain_talk(answer: Answer, data: Path) -> Iterator[Fault]:
    """Whoever speaks of pictures of the brain says on the same turn what they cannot do."""
    for part, texts in (
        ("text", answer.bubbles), ("plain", answer.plain), ("more", answer.more), ("helper", answer.helper),
    ):  # fmt: skip
        whole = " ".join(texts)
        if _BRAIN_TALK.search(whole) and not _BRAIN_CAVEAT.search(whole):
            yield Fault(
                file_of(answer), answer.id, f"{part} speaks of brain pictures without their caveat",
                "many areas work together; there is no single pain spot; no scan can measure or prove pain",
            )  # fmt: skip


def numbers_to_call(answer: Answer, data: Path) -> Iterator[Fault]:
    """Phone numbers come from the clinic's configuration."""
    for part, text in parts(answer):
        for placeholder in re.findall(r"\{(\w*)\}", text):
            if placeholder not in PLACEHOLDERS:
                yield Fault(file_of(answer), answer.id, f"{part}: unknown placeholder {{{placeholder}}}")
        if re.search(r"\b(999|911|112|988|116 ?123)\b", text):
            yield Fault(file_of(answer), answer.id, f"{part}: a phone number in the text; use a placeholder")
