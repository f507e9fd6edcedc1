"""Discrete Gaussian noise over the integers, a vector at a time, drawn exactly.

    P[Z = z] = exp(-z^2 / (2 sigma^2)) / sum over all integers y of exp(-y^2 / (2 sigma^2))

(Canonne, Kamath and Steinke, NeurIPS 2020, Definition 1.) sigma is rational, sigma = p/q. One trial is Karney's
algorithm D (ACM Transactions on Mathematical Software 42, 2016), which needs no normalising constant:

1. k >= 0 with P[k >= j] = exp(-j/2).
2. k stays with probability exp(-k(k-1)/2), so that what is left has P[k] proportional to exp(-k^2/2).
3. j uniform in 0 ... ceil(sigma) - 1, and a sign. The candidate is +-(i + j) with i = ceil(k sigma), and x = (i +
   j)/sigma - k. Too far if x >= 1; zero counts with one sign only.
4. It is accepted with probability exp(-x(2k + x)/2), and then has P proportional to exp(-(k + x)^2/2).

No float decides anything. Each comparison of a random number with an exponential reads 32 bits of the number first,
and integers enclose the exponential (`_acceptance` proves its margin). If the bits lie clear of the enclosure, that is
the answer; if not (about once in four million trials), `exact.LazyUniform` narrows both until one answer is certain.

Randomness is the operating system's (``os.urandom``), read anew for every vector.

Time: the number of trials is fixed in advance and is the same for all outcomes but about one in 10^15; within that,
how many candidates pass each step, and so the time, depends on the noise drawn. A vector's time says at most how many
of its trials ended early, not which; the time of a noise of a few cells says more. A node answers over the network
after training, whose time depends on the data far more; nothing here is constant-time in the sense of cryptographic
code.
"""

import math
import os
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.exact import LazyUniform, RandomBytes, exp_bounds
from belmont.federated.errors import PrivacyError

LEAST_SIGMA = Fraction(1, 2)
"""KLS21 asks for sigma >= 1/2 in the sum of several; less protects nothing anyway."""
MOST_SIGMA = 2**46
"""So that the total of 1,024 hospitals stays below 2^63: a draw is beyond 64 sigma with probability 2^-2900."""
MOST_DENOMINATOR = 64

_BITS = 32
_X_BITS = 28
_STEPS = 256
"""exp is tabulated at this many places to the unit."""
_MARGIN = 512
_SMALL_K = 8
_CHUNK = 1 << 14
_K_TABLE = [exp_bounds(Fraction(j, 2), _BITS)[0] for j in range(1, 46)]
"""floor(2^32 exp(-j/2)); the last is 0."""
_KEEP_TABLE = np.array(
    [1 << _BITS, 1 << _BITS, *(exp_bounds(Fraction(k * (k - 1), 2), _BITS)[0] for k in range(2, 46))], np.uint64
)
"""floor(2^32 exp(-k(k-1)/2)), for k < 2 all numbers."""
_EXP_TABLE = np.array([exp_bounds(Fraction(i, _STEPS), 31)[0] for i in range(_SMALL_K * _STEPS)], np.uint64)


def discrete_gaussian(size: int, sigma: Fraction, source: RandomBytes = os.urandom) -> NDArray[np.int64]:
    """``size`` independent draws, int64 of shape (size,).

    ``sigma`` is in units of the integer lattice, at least 1/2, below 2^46, with a denominator of at most 64. ``source``
    is for tests alone. Raises PrivacyError for a sigma that is none of these.
    """
    if type(sigma) is not Fraction or not LEAST_SIGMA <= sigma < MOST_SIGMA or sigma.denominator > MOST_DENOMINATOR:
        raise PrivacyError(f"noise of sigma {sigma!r} cannot be drawn")
    if size < 0:
        raise PrivacyError("the number of draws cannot be negative")
    out = np.empty(size, np.int64)
    done = 0
    while done < size:
        wanted = min(_CHUNK, size - done)
        drawn = _trials(_enough(wanted, sigma), sigma, source)[:wanted]
        out[done : done + len(drawn)] = drawn
        done += len(drawn)
    return out


def _enough(wanted: int, sigma: Fraction) -> int:
    """Trials that give ``wanted`` draws, but for eight standard deviations of bad luck; then there is another go."""
    each = 0.3934 * 1.2533 * float(sigma) / math.ceil(sigma)
    return math.ceil(wanted / each + 8 * math.sqrt(wanted) / each + 64)


def _words(count: int, source: RandomBytes) -> NDArray[np.uint32]:
    """32-bit random words."""
    return np.frombuffer(source(4 * count), "<u4").astype(np.uint32, copy=False)


def _signs(count: int, source: RandomBytes) -> NDArray[np.bool_]:
    return np.unpackbits(np.frombuffer(source(-(-count // 8)), np.uint8), count=count).view(np.bool_)


def _trials(count: int, sigma: Fraction, source: RandomBytes) -> NDArray[np.int64]:
    """What is accepted of ``count`` trials, in order."""
    p, q = sigma.numerator, sigma.denominator
    k = _steps_out(count, source)  # step 1
    k = k[_kept(k, source)]  # step 2
    width = math.ceil(sigma)  # step 3
    j = _uniform(len(k), width, source)
    negative = _signs(len(k), source)
    begins = [-(-each * p // q) for each in range(int(k.max(initial=0)) + 1)]
    i = np.array(begins, np.uint64)[k]
    a = np.array([q * begin - each * p for each, begin in enumerate(begins)], np.uint64)[k] + j * np.uint64(q)
    possible = np.flatnonzero((a < p) & ~(negative & (i + j == 0)))
    k, a, z, negative = k[possible], a[possible], (i + j)[possible].astype(np.int64), negative[possible]
    accepted = _accepted(k, a, p, source)  # step 4
    return np.where(negative, -z, z)[accepted]


def _steps_out(count: int, source: RandomBytes) -> NDArray[np.uint64]:
    """Step 1: for each trial how many j >= 1 have U < exp(-j/2)."""
    u = _words(count, source)
    k = np.zeros(count, np.uint8)
    open_ = np.zeros(count, np.bool_)
    for low in _K_TABLE[: _SMALL_K - 1]:
        k += u < low
        open_ |= u == low
    far = np.flatnonzero(u < _K_TABLE[_SMALL_K - 2])
    for low in _K_TABLE[_SMALL_K - 1 :]:
        k[far] += u[far] < low
        open_[far] |= u[far] == low
    for at in np.flatnonzero(open_):
        uniform, steps = LazyUniform(int(u[at]), _BITS, source), 0
        while uniform.below_exp(Fraction(steps + 1, 2)):
            steps += 1
        k[at] = steps
    return k.astype(np.uint64)


def _kept(k: NDArray[np.uint64], source: RandomBytes) -> NDArray[np.intp]:
    """Step 2: the places of the trials that go on."""
    keep = k < 2
    asked = np.flatnonzero(~keep)
    u = _words(len(asked), source)
    low = _KEEP_TABLE[np.minimum(k[asked], np.uint64(len(_KEEP_TABLE) - 1))]
    keep[asked] = u < low
    for at in np.flatnonzero(u == low):
        steps = int(k[asked[at]])
        keep[asked[at]] = LazyUniform(int(u[at]), _BITS, source).below_exp(Fraction(steps * (steps - 1), 2))
    return np.flatnonzero(keep)


def _uniform(count: int, width: int, source: RandomBytes) -> NDArray[np.uint64]:
    """Uniform in 0 ... width - 1: random words below the largest multiple of ``width``, modulo ``width``."""
    kind = np.dtype("<u4" if width <= 1 << 24 else "<u8")
    words = np.frombuffer(source(count * kind.itemsize), kind).astype(np.uint64)
    last = np.uint64((1 << 8 * kind.itemsize) // width * width - 1)
    while len(beyond := np.flatnonzero(words > last)):
        words[beyond] = np.frombuffer(source(len(beyond) * kind.itemsize), kind)
    return words - words // np.uint64(width) * np.uint64(width)


def _accepted(k: NDArray[np.uint64], a: NDArray[np.uint64], p: int, source: RandomBytes) -> NDArray[np.bool_]:
    """Step 4, with x = a/p."""
    u = _words(len(k), source).astype(np.int64)
    value = _acceptance(np.minimum(k, np.uint64(_SMALL_K - 1)), a, p).astype(np.int64)
    accepted: NDArray[np.bool_] = u < value
    for at in np.flatnonzero((np.abs(u - value) <= _MARGIN) | (k >= _SMALL_K)):
        x = Fraction(int(a[at]), p)
        accepted[at] = LazyUniform(int(u[at]), _BITS, source).below_exp(x * (2 * int(k[at]) + x) / 2)
    return accepted


def _acceptance(k: NDArray[np.uint64], a: NDArray[np.uint64], p: int) -> NDArray[np.uint64]:
    """2^32 exp(-x(2k + x)/2) for x = a/p < 1 and k < 8, off by less than ``_MARGIN``.

    x in units of 2^-28: too low by less than 2 (one for the division, and less than one because a and p lose their low
    bits, of which 35 stay). gamma = x(2k + x)/2: its slope in x is k + x < 8, so too low by less than 2*8 + 1 = 17
    units, which makes exp too high by at most 17 * 2^4 = 272 of 2^-32. With gamma = i/256 + r, exp(-i/256) from the
    table is too low by less than 2 of 2^-32, the three terms of exp(-r) are off by less than 1 for their division and
    by 43 for the terms left out (r^3/6 < 2^-26.5), and the last shift by 1. Together less than 320.
    """
    shift = max(0, p.bit_length() - 36)
    x = (a >> np.uint64(shift) << np.uint64(_X_BITS)) // np.uint64((p >> shift) + (shift > 0))
    gamma = x * ((k << np.uint64(_X_BITS + 1)) + x) >> np.uint64(_X_BITS + 1)
    i, r = gamma >> np.uint64(20), gamma & np.uint64((1 << 20) - 1)
    series = np.uint64(1 << _BITS) - (r << np.uint64(4)) + (r * r >> np.uint64(25))
    value: NDArray[np.uint64] = _EXP_TABLE[i] * series >> np.uint64(31)
    return value
