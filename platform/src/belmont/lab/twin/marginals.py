"""Noisy tables made to agree: counts that are not below 0, and all tables with the same rows and outcomes.

1. The number of rows, and of each outcome, is estimated from all tables at once by least squares: each has the same
   noise in every cell, so a table of k cells tells a total with k times the variance.
2. What is below 0 is then corrected by the nearest point that is not and has the right total: the projection on the
   simplex (Duchi, Shalev-Shwartz, Singer, Chandra, ICML 2008, figure 1). On noisy histograms it is "Norm-Sub" (Wang et
   al., NDSS 2020, section IV), which is the maximum-likelihood estimate for Gaussian noise and a total that is known.
3. This is processing of what was published: it costs no budget.

Arrays have a leading axis of draws, so that intervals repeat all of it (`feasibility`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.profile.document import Profile

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Marginals:
    """Consistent tables, for each of d draws. Without an outcome there is one outcome group, that of all rows."""

    rows: Floats
    """Shape (d,)."""
    outcomes: Floats
    """Shape (d, outcome groups); its sum is ``rows``."""
    tables: tuple[Floats, ...]
    """Of each column in the profile's order, shape (d, groups, outcome groups); its sum over groups is ``outcomes``."""


def consistent(rows: Floats, tables: Sequence[Floats]) -> Marginals:
    """Of noisy ``rows``, shape (d,), and ``tables``, each of shape (d, groups, outcome groups) (1, 2)."""
    if not tables:
        known = np.maximum(rows, 0.0)
        return Marginals(known, known[:, None], ())
    weight = sum(1 / each.shape[1] for each in tables)
    stated = sum((each.sum(axis=1) / each.shape[1] for each in tables), np.zeros(())) / weight
    count = stated.shape[1]
    total = stated.sum(axis=1)
    known = np.maximum((rows + total * weight / count) / (1 + weight / count), 0.0)
    outcomes = project(stated + ((known - total) / count)[:, None], known)
    agreed = tuple(np.moveaxis(project(np.moveaxis(each, 1, 2), outcomes), 2, 1) for each in tables)
    return Marginals(known, outcomes, agreed)


def project(values: Floats, totals: Floats) -> Floats:
    """The nearest points to ``values``, shape (..., k), with no entry below 0 and these sums, shape (...) (2)."""
    falling = -np.sort(-values, axis=-1)
    over = np.cumsum(falling, axis=-1) - totals[..., None]
    count = np.arange(1, values.shape[-1] + 1)
    last = np.maximum(np.sum(falling * count > over, axis=-1, keepdims=True), 1) - 1
    shift = np.take_along_axis(over, last, axis=-1) / (last + 1)
    found: Floats = np.maximum(values - shift, 0.0)
    return found


def estimated(profile: Profile) -> Marginals:
    """The consistent tables of a profile: one draw."""
    return consistent(np.array([float(profile.rows)]), [each[None].astype(np.float64) for each in profile.counts])


def redrawn(profile: Profile, draws: int, seed: int) -> Marginals:
    """The same, had the noise been another: so many draws around what was published."""
    generator = np.random.default_rng(seed)
    sigma = float(profile.sigma)
    rows = profile.rows + generator.normal(0, sigma, draws)
    return consistent(rows, [each + generator.normal(0, sigma, (draws, *each.shape)) for each in profile.counts])
