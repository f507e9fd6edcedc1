"""From codes to the dictionary's units: code c stands for minimum + (c - 1) * step."""

from dataclasses import dataclass
from fractions import Fraction

from belmont.federated.errors import QueryError


@dataclass(frozen=True)
class LinearCoding:
    """The numeric code book of a column, in its unit. Sums are exact: decimal texts become fractions."""

    minimum: float
    step: float

    def sum_of(self, values: int, code_total: int) -> Fraction:
        """The sum of ``values`` values whose codes add up to ``code_total``."""
        minimum, step = Fraction(str(self.minimum)), Fraction(str(self.step))
        return values * (minimum - step) + step * code_total

    def codes(self, low: float, high: float) -> tuple[int, int]:
        """The codes whose values lie in [low, high]. Raises QueryError if there is none from 1 up."""
        minimum, step = Fraction(str(self.minimum)), Fraction(str(self.step))
        first = max(1, -((minimum - Fraction(str(low))) // step) + 1)
        last = (Fraction(str(high)) - minimum) // step + 1
        if last < first:
            raise QueryError(f"no value of this column lies between {low} and {high}")
        return int(first), int(last)


BIT = LinearCoding(1, 1)
"""A bit column: codes 0 and 1 stand for themselves."""
