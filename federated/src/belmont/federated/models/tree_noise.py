"""Boosting with noise: what of boosted trees a privacy budget pays for, trees of one feature each.

1. A row is in one bin of each feature, where it counts with its gradient g and its Hessian h of the logistic loss:
   |g| <= 1 and h <= 1/4, so with p features its norm is at most sqrt(17 p / 16) (`row_norm`), whatever the model.
   Each row's part is computed from that row and the model alone, and the hospital cuts it.
2. **One level, a leaf for each bin, all features side by side** (Nori, Caruana, Bu, Shen and Kulkarni, ICML 2021,
   boost one feature after another with noise in leaves alone). All features at once cost what one after the other
   would, in one round (Maddock, Cormode, Wang, Maple and Jha, CCS 2022: batched updates). Deeper trees would spread
   the rows over more cells with as much noise in each, and a row's part would be an array of nodes x bins.
3. No split is searched, so none costs budget. Bins are few and cut where the dictionary's reference values say.
4. Bins of a feature add up to all rows, so the total is known from each: their mean moves the start by a Newton step.
   What is left of a feature's bins moves them by ``rate`` of
       - G / (H + (1 + variance / H) / spread^2)
   the step to be expected of effects of size ``spread``, given the noise's variance in G (a Gaussian prior; without
   noise that is the ridge penalty 1 / spread^2). H is taken as 1 at least.
5. Training goes on from the arrays alone. They are base (1,) and shape (bins,): the log-odds of a row are the base and
   its bins' shapes, added.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.accounting.settings import Clipping, PrivacySettings
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.trees import HISTOGRAM, TreePlan
from belmont.federated.secagg.settings import SecureSum

Floats = NDArray[np.float64]

FEW_BINS = 4
"""Of a feature: with more, each has fewer rows and as much noise."""


@dataclass(frozen=True)
class NoisyPlan:
    """Step functions with noise. Raises FederatedError for what is no plan."""

    features: tuple[str, ...]
    cuts: Mapping[str, tuple[int, ...]]
    """As a `TreePlan` has them."""
    noise: PrivacySettings
    rate: float = 0.4
    spread: float = 0.3
    """Size of a bin's effect on the log-odds that is expected."""

    def __post_init__(self) -> None:
        if self.noise.clipping is not Clipping.EXAMPLE:
            raise FederatedError("each row's part is cut: belmont-clipping is example")
        if not 0 < self.rate <= 1 or not self.spread > 0:
            raise FederatedError("rate is above 0 and at most 1, spread above 0")
        _ = self.trees, self.release

    @property
    def trees(self) -> TreePlan:
        """The bins, as trees of one level have them."""
        return TreePlan(self.features, self.cuts, trees=1, max_depth=1)

    @property
    def release(self) -> ReleasePlan:
        """Each hospital's noise and charge in a round."""
        return plan_release(self.noise, cells_of(self.features, self.cuts))

    def config(self) -> dict[str, str | int | float | bool]:
        """The app's own keys of the run configuration; the noise's own are `PrivacySettings.as_config`."""
        return self.trees.config()

    def sums(self) -> SecureSum:
        """What a round's secure sum is made of: gradient and Hessian of each bin."""
        shape = (self.trees.bins.total, 2)
        return SecureSum(((HISTOGRAM, shape),), fraction_bits=self.noise.fraction_bits, private=True)

    def initial(self) -> Arrays:
        return {"base": np.zeros(1), "shape": np.zeros(self.trees.bins.total)}


def cells_of(features: Sequence[str], cuts: Mapping[str, tuple[int, ...]]) -> int:
    """Numbers in a round's sums."""
    return 2 * sum(len(cuts[name]) + 2 for name in features)


def row_norm(features: int) -> float:
    """What no row's part is longer than (1): nothing is cut at this norm."""
    return float(np.sqrt(17 * features / 16))


def step_functions(plan: NoisyPlan) -> Combine:
    """The combination rule (4)."""
    sizes = np.array(plan.trees.bins.sizes)
    of_feature = np.repeat(np.arange(len(sizes)), sizes)
    scale = 2.0**-plan.noise.fraction_bits
    variance = plan.noise.min_contributors * (float(plan.release.sigma) * scale) ** 2

    def combine(model: Arrays, updates: Sequence[Update]) -> Arrays:
        total = np.zeros((int(sizes.sum()), 2))
        for update in updates:
            array = update.arrays.get(HISTOGRAM)
            if array is None or array.shape != total.shape:
                raise FederatedError("an update has no histogram of the plan's shape")
            total += array
        gradient, hessian = total[:, 0], np.maximum(total[:, 1], 1.0)
        gradients, hessians = np.bincount(of_feature, gradient), np.bincount(of_feature, hessian)
        base = np.asarray(model["base"], np.float64) - gradients.mean() / hessians.mean()
        gradient = gradient - hessian * (gradients / hessians)[of_feature]
        step = gradient / (hessian + (1 + variance / hessian) / plan.spread**2)
        return {"base": base, "shape": np.asarray(model["shape"], np.float64) - plan.rate * step}

    return combine


def step_scores(plan: NoisyPlan, model: Arrays, bins: NDArray[np.int64]) -> Floats:
    """Log-odds of shape (rows, 1), from bins of shape (rows, features)."""
    shape = np.asarray(model["shape"], np.float64)
    return np.asarray(model["base"][0] + shape[bins + np.array(plan.trees.bins.starts)].sum(axis=1))[:, None]
