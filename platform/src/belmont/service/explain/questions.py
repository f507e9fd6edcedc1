"""What a query asks, in words, from its canonical bytes.

1. Columns and codes are a stranger's; with the dictionary that the datasets name they are labels and values, without
   it they stay what they are.
"""

from typing import Final

from belmont.ehr.codebook import CategoryBook, NumericBook
from belmont.ehr.dictionary import Column, Dictionary
from belmont.ehr.errors import DictionaryError
from belmont.federated.errors import QueryError
from belmont.federated.query.question import Aggregate, Condition, Query
from belmont.service.words import Listed, Sentence, Value, Worded

_MOST_SHOWN = 200


_WRITTEN: Final = {
    "a": "",
    "1": "",
    "mm[Hg]": "mmHg",
    "kg/m2": "kg/m²",
    "mL/min/{1.73_m2}": "mL/min/1.73 m²",
    "Cel": "°C",
}
"""Codes of UCUM as people write them; that an age is in years goes without saying."""


def question(canonical: bytes, dictionary: Dictionary | None = None) -> Sentence:
    """The question in a sentence's part: ``the mean of HbA1c``. What is no question is shown as far as it is text."""
    try:
        query = Query.from_canonical(canonical)
    except QueryError:
        text = canonical[:_MOST_SHOWN].decode("ascii", "replace")
        shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
        return Sentence("a query that this release cannot read: {text}", text=shown)
    return asked(query, dictionary)


def asked(query: Query, dictionary: Dictionary | None = None) -> Sentence:
    """A question that was read."""
    about = _about(query, dictionary)
    if not query.where:
        return about
    conditions = tuple(_condition(each, dictionary) for each in query.where)
    if query.column is None:
        return Sentence("the number of patients with {conditions}", conditions=Listed(conditions))
    return Sentence("{question}, of patients with {conditions}", question=about, conditions=Listed(conditions))


def labelled(name: str, dictionary: Dictionary | None) -> str | Worded:
    """A column's label with its unit, in the languages that it has, or its name where no dictionary has it (1)."""
    column = _column(name, dictionary)
    if column is None:
        return name
    unit = _WRITTEN.get(column.unit or "", column.unit)
    behind = f" ({unit})" if unit else ""
    label = f"{column.label}{behind}"
    return Worded(label, tuple((tag, f"{each}{behind}") for tag, each in column.labels)) if column.labels else label


def value_of(name: str, value: float, dictionary: Dictionary | None) -> str:
    """A column's value by its name, or as a number where there is none."""
    column = _column(name, dictionary)
    return f"{value:g}" if column is None else column.named(value)


def _about(query: Query, dictionary: Dictionary | None) -> Sentence:
    if query.column is None:
        return Sentence("the number of patients")
    column = labelled(query.column, dictionary)
    match query.aggregate:
        case Aggregate.SUM:
            return Sentence("the sum of {column}", column=column)
        case Aggregate.MEAN:
            return Sentence("the mean of {column}", column=column)
        case Aggregate.VARIANCE:
            return Sentence("the mean and the variance of {column}", column=column)
    return Sentence("how many patients have each value of {column}", column=column)


def _condition(condition: Condition, dictionary: Dictionary | None) -> Sentence:
    column = _column(condition.column, dictionary)
    label = labelled(condition.column, dictionary)
    ranges = tuple(_range(low, high, column) for low, high in condition.intervals)
    if column is None:
        return Sentence("{column} coded {values}", column=label, values=Listed(ranges, either=True))
    return Sentence("{column} {values}", column=label, values=Listed(ranges, either=True))


def _range(low: int, high: int, column: Column | None) -> Value:
    if column is not None and isinstance(column.codebook, CategoryBook):
        names = tuple(_value(code, column) for code in range(low, high + 1))
        return Listed(names, either=True)
    if low == high:
        return _value(low, column)
    return Sentence("from {low} to {high}", low=_value(low, column), high=_value(high, column))


def _value(code: int, column: Column | None) -> Value:
    """What a code stands for."""
    if column is None:
        return code
    if column.kind == "bit":
        return Sentence("present") if code else Sentence("absent")
    if code == 0:
        return Sentence("missing")
    book = column.codebook
    if isinstance(book, CategoryBook):
        return book.categories[code - 1].name if code <= book.width else code
    if isinstance(book, NumericBook):
        return f"{book.minimum + (code - 1) * book.step:.{book.decimals}f}"
    return code


def _column(name: str, dictionary: Dictionary | None) -> Column | None:
    if dictionary is None:
        return None
    try:
        return dictionary.column(name)
    except DictionaryError:
        return None
