"""Lists: bounded, in an order that stays, and page by page.

A page ends with ``next``: the cursor to ask for what comes after it, null at the end. What is added meanwhile moves
nothing. ``total`` is of all pages.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query

from belmont.audit.errors import QueryError
from belmont.audit.events import Position
from belmont.audit.search import EventPage
from belmont.service.api.values import EXACT_MOST, Answer
from belmont.service.errors import Malformed

T = TypeVar("T")
MOST = 200
Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Second = Annotated[int | None, Query(ge=0, le=EXACT_MOST, description="Whole Unix seconds.")]
After = Annotated[
    str | None,
    Query(
        min_length=1, max_length=80, pattern="^[0-9A-Za-z.]+$", description="Where to go on: the last page's `next`."
    ),
]


class Page(Answer, Generic[T]):
    """One page of a list."""

    items: list[T]
    total: int
    next: str | None
    """Cursor of the next page; null on the last."""


def cut(
    items: Iterable[T], key: Callable[[T], object], after: str | None, limit: int
) -> tuple[list[T], int, str | None]:
    """The items of one page, how many there are in all, and the cursor of the next. Raises Malformed."""
    every: Sequence[T] = list(items)
    start = 0
    if after is not None:
        start = next((place + 1 for place, each in enumerate(every) if str(key(each)) == after), 0)
        if not start:
            raise Malformed("query.after: is not the `next` of a page of this list", code="CURSOR_UNKNOWN")
    found = list(every[start : start + limit])
    more = start + limit < len(every)
    return found, len(every), str(key(found[-1])) if more else None


def next_of(page: EventPage) -> str | None:
    """The cursor of what comes after a page of the index."""
    return str(page.next) if page.next else None


def position(text: str | None) -> Position | None:
    """The place in the index that a cursor stands for. Raises Malformed."""
    if text is None:
        return None
    try:
        return Position.parse(text)
    except QueryError as error:
        raise Malformed("query.after: is not the `next` of a page of this list", code="CURSOR_UNKNOWN") from error
