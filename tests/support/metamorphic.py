"""Other ways to say the same, and ways that take it back: pure functions of a text, for the tests of the screening.

Where there is something to choose, the text itself decides, so that a failure can be made again.
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bot.content.files import read_yaml
from bot.safety import Screening
from bot.safety.normalise import english_words
from bot.safety.rules import DATA
from bot.safety.schema import TIERS

EXCEPTIONS_FILE = DATA / "card" / "exceptions.yml"  # beside what prints it; data/safety/*.yml are rules
BURIED_WORDS = 120
QUIET = 2 * len(TIERS)

# Talk that raises nothing, with the words that could mislead the reading of what stands beside it: other people, times,
# "not".
ORDINARY = (
    "Hello there. I am fifty six and I work in a school kitchen. My lower back has bothered me on and off since the "
    "spring, mostly after a long shift. I walk the dog each morning and that loosens things up. The physio gave me "
    "some exercises and I do them when I remember, which is not as often as I should. My scan two years ago showed "
    "some wear.",
    "It was my sister's birthday at the weekend, so we had a full house and I did most of the cooking. The garden is "
    "nearly ready for the summer and the beans are up. I sleep all right if I put a pillow under my knees. My boss has "
    "been kind about the hours and lets me stand at the till when sitting gets too much.",
    "I read a leaflet at the surgery about pain and how it works, and it made some sense to me. I would like to get "
    "back to swimming on Thursdays with my friend Carol. The bus into town is not too bad if I get a seat. Anyway, "
    "that is all my news, and I will have a cup of tea and then put the washing out.",
)
BENIGN = (
    "Thanks for reading.",
    "No rush.",
    "It is not that bad.",
    "I'm fine really.",
    "My dad had the same years ago.",
    "The weather is lovely today.",
    "lol",
    "I used to play football.",
    "What is a disc bulge?",
    "The doctor said my scan was clear.",
    "Sorry to bother you!",
    "I have no other problems.",
    "Is that normal?",
    "If it gets worse I will call.",
    "No.",
    "Nothing new.",
)
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj", "i": "uo", "j": "hk",
    "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "wa", "r": "et", "s": "ad", "t": "ry",
    "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu", "z": "x",
}  # fmt: skip
_MINIMISERS = (
    "it's probably nothing but {}",
    "{}. My husband says it's nothing.",
    "I'm sure I am being silly, {}",
    "{}, my wife says it's just my age",
    "don't want to make a fuss but {}",
)
_HELPERS = ("my mum says: {}", 'I am typing for my dad, he wrote this: "{}"', "my friend asked me to send this: {}")
_EMOJI = ("😭", "😩", "🙏", "😢", "🤕", "❤️")
_BRITISH = {
    "anaemia": "anemia", "anaesthetic": "anesthetic", "bum": "butt", "centre": "center", "colour": "color",
    "diarrhoea": "diarrhea", "foetal": "fetal", "gynaecologist": "gynecologist", "grey": "gray",
    "haemorrhage": "hemorrhage", "leukaemia": "leukemia", "litre": "liter", "metre": "meter", "mum": "mom",
    "mummy": "mommy", "mums": "moms", "mum's": "mom's", "neighbour": "neighbor", "neighbours": "neighbors",
    "oedema": "edema", "orthopaedic": "orthopedic", "paralysed": "paralyzed", "poo": "poop", "pooed": "pooped",
    "pyjamas": "pajamas", "realise": "realize", "recognise": "recognize", "tumour": "tumor", "wee": "pee",
    "weeing": "peeing",
}  # fmt: skip
_AMERICAN = {american: british for british, american in _BRITISH.items()}
_SWAPS = {**_BRITISH, **_AMERICAN, "pee": "pee", "peeing": "peeing"}  # "pee" is said in both
_LONG_WORD = re.compile(r"[A-Za-z]{5,}")
_WORD = re.compile(r"[A-Za-z]+(?:['’][A-Za-z]+)*")


@dataclass(frozen=True)
class Listed:
    """A change of wording that is known to lower what is raised, with the reason."""

    category: str
    transformation: str
    text: str
    why: str


def level(result: Screening) -> int:
    """How much a result says, most first: the alarms by tier, then the questions by tier, then nothing."""
    if result.tier is None or result.tier == TIERS[-1]:
        return QUIET
    return TIERS.index(result.tier) + (len(TIERS) if result.ask else 0)


def is_alarm(result: Screening) -> bool:
    return level(result) < len(TIERS) - 1


def chance(text: str, use: str) -> random.Random:
    """Random choices that are always the same for a text and a use."""
    return random.Random(zlib.crc32(f"{use}\0{text}".encode("utf-8", "surrogatepass")))


# -- the same said differently: what is raised may never be lower


def typo(text: str) -> str | None:
    """One slip in a word of five letters or more. A slip that spells another English word is another message."""
    choose = chance(text, "typo")
    places = [match.span() for match in _LONG_WORD.finditer(text)]
    choose.shuffle(places)
    for start, end in places:
        slips = _slips(text[start:end], choose)
        for slip in slips:
            if slip.lower() not in english_words() and slip != text[start:end]:
                return text[:start] + slip + text[end:]
    return None


def _slips(word: str, choose: random.Random) -> list[str]:
    """Neighbouring key, swap, dropped and double letter, each once, in a random order; the first letter stays."""
    place = choose.randrange(1, len(word) - 1)
    letter = word[place].lower()
    slips = [
        word[:place] + choose.choice(_NEIGHBOURS[letter]) + word[place + 1 :],
        word[:place] + word[place + 1] + word[place] + word[place + 2 :],
        word[:place] + word[place + 1 :],
        word[:place] + letter + word[place:],
    ]
    choose.shuffle(slips)
    return slips


def apostrophes(text: str) -> str | None:
    changed = re.sub("['’]", "", text)
    return changed if changed != text else None


def capitals(text: str) -> str:
    return text.upper()


def voice(text: str) -> str:
    """Dictated: lower case, no punctuation but spoken, and an "um" somewhere."""
    choose = chance(text, "voice")
    text = re.sub(r",\s*", " comma " if choose.random() < 0.3 else " ", text.lower())
    words = re.sub(r"(?<!\d)[.](?!\d)|\.(?=\s|$)|[!?;:\"()+]", " ", text).split()
    words.insert(choose.randrange(len(words)), choose.choice(("um", "uh", "er")))
    return " ".join(words)


def emoji(text: str) -> str:
    choose = chance(text, "emoji")
    words = text.split(" ")
    words.insert(choose.randrange(len(words)), choose.choice(_EMOJI))
    return " ".join(words) + " " + choose.choice(_EMOJI) * choose.randrange(1, 4)


def minimised(text: str) -> str:
    return chance(text, "minimised").choice(_MINIMISERS).format(text)


def polite(text: str) -> str:
    return f"Hope you don't mind me asking, {text}. Many thanks"


def helper(text: str) -> str:
    return chance(text, "helper").choice(_HELPERS).format(text)


def buried(text: str) -> str:
    """In the middle of about 120 words of ordinary talk."""
    before, after = chance(text, "buried").sample(ORDINARY, 2)
    return f"{before} {sentence(text)} {after}"


def spelling(text: str) -> str | None:
    """British words the American way and the other way round."""
    changed = _WORD.sub(lambda match: _SWAPS.get(match.group().lower(), match.group()), text)
    return changed if changed != text else None


def thanks(text: str) -> str:
    return f"{text} thanks"


def sentence(text: str) -> str:
    return text if text.rstrip().endswith((".", "!", "?")) else f"{text}."


SAME: Mapping[str, Callable[[str], str | None]] = {
    "typo": typo,
    "apostrophes": apostrophes,
    "capitals": capitals,
    "voice": voice,
    "emoji": emoji,
    "minimised": minimised,
    "polite": polite,
    "helper": helper,
    "buried": buried,
    "spelling": spelling,
    "thanks": thanks,
}
TWO_FLAGS = "two_flags"


def two_flags(text: str, category: str, examples: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """A text together with one of another category, in either order; and that other one."""
    choose = chance(text, TWO_FLAGS)
    other = choose.choice(examples[choose.choice([one for one in examples if one != category])])
    pair = [sentence(text), sentence(other)]
    choose.shuffle(pair)
    return " ".join(pair), other


# -- the same taken back: no alarm. Made from names of what each category is about, not from its sentences.


def negated(names: Sequence[str]) -> list[str]:
    bare = [_bare(name) for name in names]
    return [
        f"I do not have any of this: {', '.join(names)}",
        *(f"I don't have {name}" for name in names),
        *(f"no {name}" for name in bare),
        f"No {', '.join(bare[:-1])} or {bare[-1]}",
    ]


def past(names: Sequence[str]) -> list[str]:
    return [f"Ten years ago I had {name}, long over, fine since." for name in names]


def hypothetical(names: Sequence[str]) -> list[str]:
    return [f"I'm worried that one day I might get {name}" for name in names]


def other_past(names: Sequence[str]) -> list[str]:
    return [f"my late uncle had {name} in 1998" for name in names]


TAKEN_BACK: Mapping[str, Callable[[Sequence[str]], list[str]]] = {
    "negated": negated,
    "past": past,
    "hypothetical": hypothetical,
    "other_past": other_past,
}
# Each raises an alarm or a question when it is said of now.
NAMES: Mapping[str, tuple[str, ...]] = {
    "RF01": ("saddle numbness", "numbness between the legs", "loss of bladder control"),
    "RF02": ("weakness in both legs", "numbness from the waist down", "spinal cord compression"),
    "RF03": ("breast cancer and new back pain", "bone metastases with back pain"),
    "RF04": ("back pain with a fever", "a spinal infection", "discitis"),
    "RF05": ("unexplained weight loss", "drenching night sweats", "a lump in the neck"),
    "RF06": ("a broken ankle", "a broken hip", "a spinal fracture"),
    "RF07": ("foot drop", "weakness in one arm", "a weak hand"),
    "RF08": ("neck pain with double vision", "a torn neck artery", "a droopy eyelid with neck pain"),
    "RF09": ("clumsy hands", "myelopathy", "numbness in both hands and poor balance"),
    "RF10": ("psoriasis and back pain", "a painful red eye"),
    "RF11": ("chest pain", "a tight chest", "a heart attack"),
    "RF12": ("tearing chest pain", "an aortic dissection", "a sudden ripping pain in the back"),
    "RF13": ("a pulsing lump in the belly", "a leaking aneurysm"),
    "RF14": ("sudden shortness of breath", "a blood clot on the lung", "coughing up of blood"),
    "RF15": ("a swollen calf", "a DVT", "a blood clot in the leg"),
    "RF16": ("a cold white foot", "gangrene in a toe", "a cold numb leg"),
    "RF17": ("a stroke", "a drooping face", "slurred speech"),
    "RF18": ("a thunderclap headache", "a sudden severe headache"),
    "RF19": ("meningitis", "a stiff neck with fever", "a rash that doesn't fade under a glass"),
    "RF20": ("sepsis", "blue lips", "blood poisoning"),
    "RF21": ("temporal arteritis", "jaw pain when chewing", "a sore scalp with a new headache"),
    "RF22": ("a seizure", "a blackout", "a head injury with vomiting"),
    "RF23": ("a hot swollen knee", "septic arthritis", "an infected joint"),
    "RF24": ("compartment syndrome", "a cast that is too tight with numb toes"),
    "RF25": ("a spreading skin infection", "cellulitis with a fever", "flesh eating disease"),
    "RF26": ("pus from the wound", "an infected wound", "a gaping wound"),
    "RF27": ("CRPS", "complex regional pain syndrome"),
    "RF28": ("a stress fracture", "pain in one spot on the shin bone"),
    "RF29": ("vomiting of blood", "sudden severe belly pain", "black tarry poo"),
    "RF30": ("an ectopic pregnancy", "a positive pregnancy test with pain on one side"),
    "RF31": ("a twisted testicle", "sudden testicle pain", "a swollen testicle"),
    "RF32": ("a kidney infection", "blood in the urine", "a water infection with fever"),
    "RF33": ("bleeding in pregnancy", "pre-eclampsia", "reduced fetal movements"),
    "RF34": ("suicidal thoughts", "thoughts of self-harm", "a plan to end my life"),
    "RF35": ("thoughts of hurting others", "an urge to kill somebody"),
    "RF36": ("voices in my head", "a manic episode", "psychosis"),
    "RF37": ("child neglect", "a neglected child"),
    "RF38": ("domestic violence", "a violent partner"),
    "RF39": ("an overdose", "an overdose of paracetamol"),
    "RF40": ("opioid withdrawal", "withdrawal from morphine"),
    "RF41": ("an adrenal crisis", "vomiting on long-term steroids"),
    "RF42": ("serotonin syndrome", "yellow skin and eyes", "bleeding on warfarin"),
    "RF43": ("anaphylaxis", "a swollen tongue", "a severe allergic reaction"),
    "RF44": ("a stab wound", "heavy bleeding that won't stop"),
}
_NOT_HAD_BY_AN_UNCLE = frozenset({"RF30", "RF33"})


def statement(name: str) -> str:
    """That one has it now."""
    return f"I think I have {name}"


def names_for(category: str, transformation: str) -> tuple[str, ...]:
    if transformation == "other_past" and category in _NOT_HAD_BY_AN_UNCLE:
        return ()
    return NAMES[category]


def _bare(name: str) -> str:
    return re.sub(r"^(?:an?|the) ", "", name)


@lru_cache(maxsize=1)
def load_exceptions() -> tuple[Listed, ...]:
    """The listed exceptions; none where there is no file. Raises TypeError for one that has other keys."""
    if not EXCEPTIONS_FILE.exists():
        return ()
    return tuple(Listed(**one) for one in read_yaml(EXCEPTIONS_FILE)["exceptions"] or ())
