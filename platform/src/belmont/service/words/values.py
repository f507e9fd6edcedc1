"""What is said, before it is said in a language: messages with parameters, and the kinds of values they hold.

1. A message is its English text, with ``{name}`` where a parameter stands. Catalogues are keyed by it.
2. A value knows nothing of languages: whoever has one says it with ``Words``. So facts can be put into words once, and
   tested without a language (docs/adr/0077).
3. Text of a stranger (a title, a name) is a plain ``str``. It is never a message, and never looked up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias


@dataclass(frozen=True)
class Moment:
    """A point in time, in Unix seconds; said as date and time in UTC."""

    seconds: int


@dataclass(frozen=True)
class Day:
    """The day, in UTC, of a Unix second."""

    seconds: int


@dataclass(frozen=True)
class Span:
    """How long, in seconds; said exactly, in the two largest units that there are."""

    seconds: int


@dataclass(frozen=True)
class Share:
    """A part of a whole: 0.25 is said as 25 %."""

    fraction: float


@dataclass(frozen=True)
class Size:
    """So many bytes."""

    count: int


@dataclass(frozen=True)
class Plain:
    """A whole number that is a label and no amount, such as a study's: said without separators."""

    number: int


@dataclass(frozen=True)
class Hash:
    """Bytes that stand for something; said by their first eight and last two, as hexadecimal."""

    content: bytes

    @property
    def text(self) -> str:
        """``0x0001020304050607…1e1f``: it ends in a digit, so that a sentence can end after it."""
        return shortened(self.content, 8)


@dataclass(frozen=True)
class Worded:
    """What somebody wrote in several languages: said in the reader's, or else as ``text``."""

    text: str
    others: tuple[tuple[str, str], ...]
    """By BCP 47 tag."""

    def spoken(self, language: str) -> str:
        """In the reader's own language, or one of another region or script of it, or as ``text``."""
        tags = {tag.lower(): said for tag, said in self.others}
        if language.lower() in tags:
            return tags[language.lower()]
        primary = language.lower().split("-", 1)[0]
        return next((said for tag, said in sorted(tags.items()) if tag.split("-", 1)[0] == primary), self.text)


@dataclass(frozen=True)
class Country:
    """A country by its two letters (ISO 3166-1); said by its name."""

    letters: str


@dataclass(frozen=True)
class Thing:
    """Something that has a page of its own: ``kind`` and ``key`` find it, ``text`` is what people call it.

    Kinds: ``member``, ``dataset``, ``study``, ``permit``, ``model``, ``proposal``, ``rule_proposal``, ``contract``. A
    key is an address, ``0x`` and a dataset's identifier, a number, or a permit's number, ``/`` and ``0x`` and a hash.
    """

    kind: str
    key: str
    text: "str | Sentence"


@dataclass(frozen=True)
class Listed:
    """Several values, joined as the language joins them, with ``or`` for ``and`` where ``either`` is set."""

    items: tuple["Value", ...]
    either: bool = False


def shortened(content: bytes, first: int) -> str:
    """``0x``, so many bytes, an ellipsis and the last two; or all of them where that is no longer."""
    if len(content) <= first + 2:
        return f"0x{content.hex()}"
    return f"0x{content[:first].hex()}…{content[-2:].hex()}"


class Sentence:
    """A message with its parameters (1). Equal ones are the same; make one with ``counted`` where a number decides."""

    __slots__ = ("message", "n", "parameters", "plural")

    message: str
    parameters: Mapping[str, "Value"]
    plural: str | None
    n: int | None

    def __init__(self, message: str, /, **parameters: "Value") -> None:
        _set(self, message, parameters, None, None)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Sentence never changes: {name} cannot be set")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.message, self.plural, self.n, *self.parameters))

    def __repr__(self) -> str:
        given = "".join(f", {name}={value!r}" for name, value in self.parameters.items())
        return f"Sentence({self.message!r}{given})"

    def _key(self) -> tuple[object, ...]:
        return self.message, self.plural, self.n, dict(self.parameters)


Value: TypeAlias = (
    str
    | int
    | float
    | Enum
    | Moment
    | Day
    | Span
    | Share
    | Size
    | Plain
    | Hash
    | Worded
    | Country
    | Thing
    | Listed
    | Sentence
    | tuple["Value", ...]
    | None
)
"""What a parameter can be. A tuple is ``Listed``, None and an empty tuple are "none", a bool is "yes" or "no"."""


def counted(singular: str, plural: str, n: int, /, **parameters: Value) -> Sentence:
    """A sentence about ``n`` of something, which it shows as ``{n}``: the language chooses the form."""
    sentence = Sentence.__new__(Sentence)
    _set(sentence, singular, {"n": n, **parameters}, plural, n)
    return sentence


def _set(sentence: Sentence, message: str, parameters: Mapping[str, Value], plural: str | None, n: int | None) -> None:
    for name, value in (("message", message), ("parameters", parameters), ("plural", plural), ("n", n)):
        object.__setattr__(sentence, name, value)
