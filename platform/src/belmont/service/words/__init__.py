"""What the service says, in English and Simplified Chinese (docs/adr/0077).

    words = of(negotiate(query=..., cookie=..., accept=...))
    words("Vote on study {number}", number=Plain(3))
    words.say(Sentence("{member} froze permit {permit}", member=..., permit=Plain(3)))

``python -m belmont.service.words update`` adds what is new in the sources to the catalogues.
"""

from belmont.service.words import names
from belmont.service.words.errors import CatalogueBroken, UnknownLanguage, Unspeakable, WordsError
from belmont.service.words.languages import DEFAULT, LANGUAGES, negotiate
from belmont.service.words.speaking import Words, of
from belmont.service.words.templates import install
from belmont.service.words.values import (
    Country,
    Day,
    Hash,
    Listed,
    Moment,
    Plain,
    Sentence,
    Share,
    Size,
    Span,
    Thing,
    Value,
    Worded,
    counted,
    shortened,
)

__all__ = [
    "DEFAULT",
    "LANGUAGES",
    "CatalogueBroken",
    "Country",
    "Day",
    "Hash",
    "Listed",
    "Moment",
    "Plain",
    "Sentence",
    "Share",
    "Size",
    "Span",
    "Thing",
    "UnknownLanguage",
    "Unspeakable",
    "Value",
    "Worded",
    "Words",
    "WordsError",
    "counted",
    "install",
    "names",
    "negotiate",
    "of",
    "shortened",
]
