"""Why a rule found what it found: a message with parameters, which people read in their own language.

``str()`` is English. Who says it in another language translates ``message`` and says the parameters there
(``belmont.service.explain.data_use``); ``because("...")`` is how messages are found for that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from belmont.registry.duo import codes
from belmont.registry.duo.conditions import day
from belmont.registry.duo.terms import Purpose


@dataclass(frozen=True)
class OnDay:
    """The day of a Unix second."""

    seconds: int

    def __str__(self) -> str:
        return day(self.seconds)


@dataclass(frozen=True)
class Countries:
    """Countries by their ISO 3166-1 numbers."""

    numbers: frozenset[int]

    @property
    def letters(self) -> tuple[str, ...]:
        """Two letters each, in their order."""
        return tuple(sorted(map(codes.country, self.numbers)))

    def __str__(self) -> str:
        return ", ".join(self.letters)


@dataclass(frozen=True)
class Terms:
    """Text that is the same in every language: terms of MONDO, accounts, identifiers."""

    items: tuple[str, ...]

    def __str__(self) -> str:
        return ", ".join(self.items)


Part: TypeAlias = int | str | Purpose | OnDay | Countries | Terms


@dataclass(frozen=True)
class Because:
    """One reason, or several in a row."""

    message: str
    parts: Mapping[str, Part]
    more: tuple["Because", ...] = ()

    def __str__(self) -> str:
        return " ".join((self.message.format(**self.parts), *map(str, self.more)))

    @property
    def each(self) -> tuple["Because", ...]:
        """The reasons one by one."""
        return (Because(self.message, self.parts), *self.more)


def because(message: str, /, **parts: Part) -> Because:
    """A reason."""
    return Because(message, parts)
