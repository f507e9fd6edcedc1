"""Days of a filter's form, in UTC."""

from __future__ import annotations

import calendar
import datetime
from typing import Final

from belmont.service.console.parts import Filters
from belmont.service.console.signing import Errors
from belmont.service.words import Day, Sentence

SECONDS: Final = 86_400


def second_of(text: str, field: str, errors: Errors, end: bool = False) -> int | None:
    """A day as Unix seconds: its first, or the one after its last; None for none, or for what is no day (an error)."""
    if not text:
        return None
    try:
        seconds = calendar.timegm(datetime.date.fromisoformat(text).timetuple())
    except ValueError:
        errors.append((field, Sentence("A day is written as 2026-11-27.")))
        return None
    return max(0, seconds) + (SECONDS if end else 0)


def in_words(since: int | None, until: int | None) -> Filters:
    """The period, from a first second until the one after its last, as a printed page says it."""
    first: Filters = [(Sentence("From day"), Day(since))] if since is not None else []
    return [*first, (Sentence("To day"), Day(until - SECONDS))] if until is not None else first
