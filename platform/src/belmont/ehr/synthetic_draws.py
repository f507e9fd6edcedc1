"""Random draws that are the same on every machine and every numpy 2.

numpy promises that a bit generator's raw output never changes, but not that `Generator.normal` does not. So everything
is made here from the raw 64-bit words of PCG64: uniforms from the upper 52 bits, normals by Wichura's AS 241 (PPND16,
Applied Statistics 37, 1988, 477-484: the inverse normal to about 1 part in 10**16).
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# AS 241, PPND16: numerator and denominator coefficients, highest power first, for the centre and the two tails.
_CENTRE = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
_NEAR_TAIL = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
_FAR_TAIL = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip


class Draws:
    """A stream of draws for `rows` rows, set by a seed and a path of small integers."""

    def __init__(self, seed: int, path: tuple[int, ...], rows: int) -> None:
        self._source = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=path))
        self.rows = rows

    def uniform(self) -> Array:
        """Uniform on the open interval (0, 1): the odd multiples of 2**-53."""
        raw = self._source.random_raw(self.rows)
        return ((raw >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52

    def normal(self) -> Array:
        """Standard normal."""
        return inverse_normal(self.uniform())

    def chance(self, probability: Array | float) -> Mask:
        """True with this probability."""
        return self.uniform() < probability

    def exponential(self, mean: float) -> Array:
        return -mean * np.log(self.uniform())

    def whole(self, low: int, high: int) -> NDArray[np.int64]:
        """Whole numbers from low to high, both included."""
        return low + np.floor(self.uniform() * (high - low + 1)).astype(np.int64)


def inverse_normal(p: Array) -> Array:
    """The standard normal quantile of 0 < p < 1 (AS 241, PPND16)."""
    q = p - 0.5
    central = 0.180625 - q * q
    result = q * _ratio(_CENTRE, central)
    tail = np.abs(q) > 0.425
    if bool(tail.any()):
        side = q[tail]
        r = np.sqrt(-np.log(np.minimum(p[tail], 1.0 - p[tail])))
        size = np.where(r <= 5.0, _ratio(_NEAR_TAIL, r - 1.6), _ratio(_FAR_TAIL, r - 5.0))
        result[tail] = np.where(side < 0, -size, size)
    return result


def _ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    above, below = (np.full_like(x, part[0]) for part in coefficients)
    for a, b in zip(coefficients[0][1:], coefficients[1][1:], strict=True):
        above = above * x + a
        below = below * x + b
    return above / below
