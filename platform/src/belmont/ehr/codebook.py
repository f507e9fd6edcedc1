"""Code books: how a value becomes a small integer and back.

Code 0 is missing (or absent); values start at 1 and end at the width W. A numeric book has W equally spaced values
from `minimum` to `maximum`; a categorical book has one code for each category, in the order the dictionary lists them.
Only additions, multiplications, divisions and floors of IEEE doubles are used, one at a time, so that a value is coded
alike one by one, in an array, and on another machine.
"""

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint16]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class NumericBook:
    """Values minimum, minimum + step, ..., maximum, in the column's unit; others are rounded to the nearest.

    Anything outside [minimum, maximum] has no code. Halves go up.
    """

    minimum: float
    maximum: float
    step: float

    @property
    def width(self) -> int:
        return round((self.maximum - self.minimum) / self.step) + 1

    @property
    def decimals(self) -> int:
        """Digits after the point that the values of this book have."""
        return max(_decimals(self.step), _decimals(self.minimum))

    def encode(self, value: float) -> int:
        """The code of one value, 0 where it is out of range or not a number."""
        if not self.minimum <= value <= self.maximum:
            return 0
        return math.floor((value - self.minimum) / self.step + 0.5) + 1

    def encode_array(self, values: Values) -> Codes:
        """As `encode`, for an array; NaN and values out of range become 0."""
        inside = (values >= self.minimum) & (values <= self.maximum)
        steps = np.floor((np.where(inside, values, self.minimum) - self.minimum) / self.step + 0.5)
        return np.where(inside, steps + 1.0, 0.0).astype(np.uint16)

    def decode_array(self, codes: Codes) -> Values:
        """The values of codes, rounded to the book's decimals; NaN for code 0."""
        values = np.round(self.minimum + (codes.astype(np.float64) - 1.0) * self.step, self.decimals)
        return np.where(codes > 0, values, np.nan)


@dataclass(frozen=True, slots=True)
class Category:
    """One category: its name, the number a model sees for it, and the codes or words that mean it in the input."""

    name: str
    value: float
    matches: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CategoryBook:
    """Categories coded 1, 2, ... in this order."""

    categories: tuple[Category, ...]

    @property
    def width(self) -> int:
        return len(self.categories)

    def encode(self, word: str) -> int:
        """The code of a word from the input, 0 where no category lists it."""
        for code, category in enumerate(self.categories, start=1):
            if word == category.name or word in category.matches:
                return code
        return 0

    def decode_array(self, codes: Codes) -> Values:
        """The numbers that stand for the categories; NaN for code 0."""
        numbers = np.array([np.nan, *(category.value for category in self.categories)])
        return np.asarray(numbers[codes])


def _decimals(number: float) -> int:
    exponent = Decimal(repr(number)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
