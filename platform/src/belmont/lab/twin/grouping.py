"""How a column's codes are grouped before they are counted, and how a code is drawn within its group.

Both come from the dictionary alone, so they tell nothing of a patient.

1. What the dictionary leads one to expect of a column (`reference`): a number is normal around its reference value
   (``center``, ``scale``) where that lies within its range, and anything in its range otherwise; a bit is 1 with
   probability ``center`` where that is between 0 and 1; categories are alike. Where a value may be missing, a tenth is.
2. Numbers are grouped so that each group has about the same share of that; categories and bits are not grouped, and
   missing is a group of its own. With ``cuts``, groups begin at values that somebody names.
3. Within a group codes are drawn as expected (1): a group says how many, not which.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.ehr.codebook import NumericBook
from belmont.ehr.dictionary import Column, Dictionary
from belmont.federated.errors import ProfileRefused
from belmont.federated.profile.document import Profile
from belmont.federated.profile.tables import Groups
from belmont.federated.query.question import MAX_CODE
from belmont.lab.errors import LabError

Floats = NDArray[np.float64]
CELLS = 12
MISSING_SHARE = 0.1
_FLOOR = 1e-9


def reference(column: Column) -> Floats:
    """The expected share of each code 0 ... width, shape (width + 1,) (1)."""
    shares = np.zeros(column.width + 1)
    if column.kind == "bit":
        one = column.center if 0 < column.center < 1 else 0.5
        return np.array([1 - one, one])
    book = column.codebook
    shares[1:] = 1.0
    if isinstance(book, NumericBook) and book.minimum < column.center < book.maximum:
        values = book.decode_array(np.arange(1, column.width + 1, dtype=np.uint16))
        shares[1:] = np.exp(-(((values - column.center) / column.scale) ** 2) / 2) + _FLOOR
    shares[1:] /= shares[1:].sum()
    if column.allows_missing:
        shares[1:] *= 1 - MISSING_SHARE
        shares[0] = MISSING_SHARE
    return shares


def first_code(column: Column) -> int:
    """The first code that a row can have."""
    return 0 if column.kind == "bit" or column.allows_missing else 1


def groups_of(column: Column, cells: int = CELLS, cuts: Sequence[float] | None = None) -> Groups:
    """About ``cells`` groups of a numeric column, or those that begin at ``cuts``, in its unit (2). Raises LabError."""
    if type(cells) is not int or not 1 <= cells <= MAX_CODE:
        raise LabError(f"cells is {cells!r}: give a whole number of groups, 1 to {MAX_CODE}")
    first, book = first_code(column), column.codebook
    if not isinstance(book, NumericBook):
        if cuts is not None:
            raise LabError(f"{column.name} has categories, each a group of its own: name no cuts")
        return Groups(column.name, tuple(range(first, column.width + 1)), column.width)
    if cuts is None:
        below = np.concatenate([[0.0], np.cumsum(reference(column)[1:])])[:-1]
        inner = np.searchsorted(below, below[-1] * np.arange(1, cells) / cells) + 1
        begins = {int(each) for each in inner}
    else:
        begins = {book.encode(float(each)) for each in cuts}
        if 0 in begins:
            raise LabError(f"{column.name} goes from {book.minimum:g} to {book.maximum:g}: cut it within that")
    begins = {each for each in begins if each <= column.width}
    return Groups(column.name, tuple(sorted({first, 1} | begins)), column.width)


def within(column: Column, groups: Groups) -> Floats:
    """The share of each code in its own group, shape (width + 1,): 1 in total for every group (3)."""
    shares = reference(column)
    shares[groups.starts[0] :] += _FLOOR * 1e-3  # a group that nobody expects anything in
    places = np.searchsorted(groups.starts, np.arange(column.width + 1), side="right") - 1
    totals = np.bincount(np.maximum(places, 0), np.where(places >= 0, shares, 0), minlength=len(groups))
    return np.where(places >= 0, shares / totals[np.maximum(places, 0)], 0.0)


def refuse_other_columns(profile: Profile, dictionary: Dictionary) -> None:
    """Raises ProfileRefused unless its tables are of columns of this dictionary, with every code in a group."""
    choices = profile.choices
    known = {column.name: column for column in dictionary}
    for groups in (*choices.columns, *([choices.outcome] if choices.outcome else [])):
        column = known.get(groups.column)
        if column is None or (groups.width, groups.starts[0]) != (column.width, first_code(column)):
            raise ProfileRefused(
                f"its table of {groups.column!r} is not of a column of dictionary {dictionary.name}: ask the hospital "
                "for the dictionary that it registered its dataset under"
            )


def group_labels(column: Column, groups: Groups) -> list[str]:
    """What each group stands for, in the dictionary's words."""
    book = column.codebook
    if column.kind == "bit":
        names = ["no", "yes"]
    elif isinstance(book, NumericBook):
        names = [f"{value:g}" for value in book.decode_array(np.arange(column.width + 1, dtype=np.uint16))]
        names[0] = "missing"
    else:
        names = ["missing", *(category.name for category in getattr(book, "categories", ()))]
    pairs = zip(groups.starts, groups.ends(), strict=True)
    return [names[a] if a == b else f"{names[a]} to {names[b]}" for a, b in pairs]
