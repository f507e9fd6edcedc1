"""Saying things in one language: messages, dates, durations, numbers, lists.

1. Times are said in UTC, and say so: readers of one consortium live in several time zones.
2. A duration is said exactly, since permits are bound by it: 36 hours are "1 day 12 hours", never "2 days".
3. Every string that comes out is plain text. Templates escape it.
4. A sentence begins with a capital, also where it begins with a parameter; a stranger's text stays as it is.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum, Flag
from functools import cache, lru_cache

from babel.dates import format_date, format_timedelta
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent

from belmont.service.words import names
from belmont.service.words.catalogues import translations
from belmont.service.words.errors import Unspeakable
from belmont.service.words.languages import Language, language
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
)

PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_YEAR_9999 = 253_370_764_800
_DAY = 86_400
_UNITS = ("B", "kB", "MB", "GB", "TB")
_FLOAT_DIGITS = 3


class Words:
    """One language. Ask ``of(code)`` for one; they are shared and never change."""

    def __init__(self, code: str) -> None:
        self._language = language(code)
        self._translations = translations(self._language)
        self._locale = self._language.locale

    @property
    def language(self) -> str:
        """BCP 47 code, for ``lang`` and the cookie."""
        return self._language.code

    # --- messages ---

    def __call__(self, message: str, /, **parameters: Value) -> str:
        """``words("Study {number} is open", number=Plain(3))``. Raises Unspeakable for a parameter that is missing."""
        return self.say(Sentence(message, **parameters))

    def counted(self, singular: str, plural: str, n: int, /, **parameters: Value) -> str:
        """``words.counted("{n} round", "{n} rounds", 12)``."""
        return self.say(counted(singular, plural, n, **parameters))

    def gettext(self, message: str) -> str:
        """The translation of a message, its placeholders as they are."""
        return self._translations.gettext(message)

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The same, in the form for ``n``."""
        return self._translations.ngettext(singular, plural, n)

    # --- values ---

    def say(self, value: Value) -> str:
        """Any value as text."""
        if isinstance(value, Sentence):
            return "".join(part if isinstance(part, str) else self.say(part.text) for part in self.parts(value))
        return self._said(value)

    def parts(self, sentence: Sentence) -> tuple[str | Thing, ...]:
        """A sentence as text and things, in order, so that a page can make each thing a link."""
        merged: list[str | Thing] = []
        for part in self._pieces(sentence):
            if isinstance(part, str) and merged and isinstance(last := merged[-1], str):
                merged[-1] = last + part
            elif part != "":
                merged.append(part)
        return (self._opening(sentence, merged[0]), *merged[1:]) if merged else ()

    def moment(self, seconds: int) -> str:
        """Date and time (1)."""
        if not _in_calendar(seconds):
            return self.day(seconds)
        hours, minutes = divmod(seconds % _DAY // 60, 60)
        return f"{self.day(seconds)} {hours:02}:{minutes:02} UTC"

    def day(self, seconds: int) -> str:
        """The day in UTC; what no calendar has stays a number."""
        if not _in_calendar(seconds):
            return self.say(Sentence("second {n}", n=Plain(seconds)))
        return _day_text(self._language, seconds // _DAY)

    def ago(self, seconds: int, now: int) -> str:
        """``3 minutes ago``, or ``in 3 minutes``: how far a moment is from another, roughly."""
        if not _in_calendar(seconds):
            return self.day(seconds)
        difference = timedelta(seconds=seconds - now)
        return str(format_timedelta(difference, add_direction=True, locale=self._locale))

    def span(self, seconds: int) -> str:
        """A duration (2)."""
        left, said = max(0, int(seconds)), list[str]()
        for size, sentence in _spans(left):
            if left >= size and len(said) < 2:
                said.append(self.say(sentence))
                left %= size
        return " ".join(said) if said else self.counted("{n} second", "{n} seconds", 0)

    def number(self, value: float, digits: int = _FLOAT_DIGITS) -> str:
        """A whole number in full; any other to so many significant digits, and from 1,000 on rounded to a whole one."""
        if isinstance(value, int):
            return str(format_decimal(value, locale=self._locale))
        rounded = Decimal(f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:.0f}")
        if not rounded.is_finite():
            return str(value)
        return str(format_decimal(rounded, format="#,##0.##########", locale=self._locale))

    def percent(self, fraction: float) -> str:
        """0.255 as 25.5 %."""
        return str(format_percent(Decimal(f"{fraction:.6f}"), format="#,##0.#%", locale=self._locale))

    def size(self, count: int) -> str:
        """Bytes in the unit that suits."""
        value, unit = float(count), 0
        while value >= 1000 and unit < len(_UNITS) - 1:
            value, unit = value / 1000, unit + 1
        return f"{self.number(count if unit == 0 else value)} {_UNITS[unit]}"

    def listed(self, items: tuple[Value, ...] | list[Value], *, either: bool = False) -> str:
        """``a, b and c`` as the language joins them."""
        return self.say(Listed(tuple(items), either))

    def _said(self, value: Value) -> str:
        match value:
            case None | ():
                return self.gettext(names.NONE.message)
            case bool():
                return self.say(names.YES if value else names.NO)
            case Flag():
                members = tuple(names.of(each) for each in value)
                return self.listed(members) if members else self.gettext(names.NONE.message)
            case Enum():
                return self.say(names.of(value))
            case str():
                return value
            case int() | float():
                return self.number(value)
            case tuple():
                return self.listed(value)
            case Listed(items, either):
                return self._joined([self.say(each) for each in items], either) if items else self._said(None)
            case Moment(seconds):
                return self.moment(seconds)
            case Day(seconds):
                return self.day(seconds)
            case Span(seconds):
                return self.span(seconds)
            case Share(fraction):
                return self.percent(fraction)
            case Size(count):
                return self.size(count)
            case Plain(number):
                return str(number)
            case Hash():
                return value.text
            case Worded():
                return value.spoken(self.language)
            case Country(letters):
                return str(self._locale.territories.get(letters, letters))
            case Thing():
                return self.say(value.text)
            case _:
                raise Unspeakable(f"{type(value).__name__} has no words")

    def _pieces(self, value: Value) -> Iterator[str | Thing]:
        """Text and things, with sentences within sentences taken apart."""
        if isinstance(value, Thing):
            yield value
        elif isinstance(value, tuple | Listed):
            yield from self._list_pieces(value if isinstance(value, Listed) else Listed(value))
        elif not isinstance(value, Sentence):
            yield self._said(value)
        else:
            text = self.gettext(value.message)
            if value.plural is not None and value.n is not None:
                text = self.ngettext(value.message, value.plural, value.n)
            for place, piece in enumerate(PLACEHOLDER.split(text)):
                if place % 2 == 0:
                    yield piece
                elif piece in value.parameters:
                    yield from self._pieces(value.parameters[piece])
                else:
                    raise Unspeakable(f"{value.message!r} is said without {piece}")

    def _opening(self, sentence: Sentence, first: str | Thing) -> str | Thing:
        """How a whole sentence begins: with a capital, unless it begins with a stranger's text (4)."""
        found = PLACEHOLDER.match(sentence.message)
        if found is None or not sentence.message.endswith("."):
            return first
        value = sentence.parameters.get(found[1])
        if isinstance(first, Thing):
            text = first.text if isinstance(first.text, str) else _capital(self.say(first.text))
            return Thing(first.kind, first.key, text)
        return first if isinstance(value, str) else _capital(first)

    def _list_pieces(self, listed: Listed) -> Iterator[str | Thing]:
        """The items of a list between the words that join them."""
        if not listed.items:
            yield self._said(None)
            return
        marks = [f"\0{place}\0" for place in range(len(listed.items))]
        for place, piece in enumerate(self._joined(marks, listed.either).split("\0")):
            if place % 2:
                yield from self._pieces(listed.items[int(piece)])
            else:
                yield piece

    def _joined(self, items: list[str], either: bool) -> str:
        return str(format_list(items, style="or" if either else "standard", locale=self._locale))


def _in_calendar(seconds: int) -> bool:
    return 0 <= seconds < _YEAR_9999


@lru_cache(maxsize=4096)
def _day_text(spoken: Language, number: int) -> str:
    """The day so many days after the first of 1970."""
    return str(format_date(date(1970, 1, 1) + timedelta(days=number), spoken.day_pattern, locale=spoken.locale))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def of(code: str) -> Words:
    """The words of a language. Raises UnknownLanguage, and CatalogueBroken where its files cannot be read."""
    return Words(code)


def _spans(seconds: int) -> tuple[tuple[int, Sentence], ...]:
    """Units from the largest, each with what is said of it. Years only where they are whole."""
    years, days = divmod(seconds, 365 * 86400)
    is_years = years > 0 and days == 0
    return (
        *([(365 * 86400, counted("{n} year", "{n} years", years))] if is_years else []),
        (86400, counted("{n} day", "{n} days", seconds // 86400)),
        (3600, counted("{n} hour", "{n} hours", seconds % 86400 // 3600)),
        (60, counted("{n} minute", "{n} minutes", seconds % 3600 // 60)),
        (1, counted("{n} second", "{n} seconds", seconds % 60)),
    )
