"""Gradient-boosted trees from securely summed histograms (`apps.trees`): the pooled trees, without pooled rows.

Chen and Guestrin, "XGBoost" (KDD 2016), and Ke et al., "LightGBM" (NeurIPS 2017), grow trees from sums of gradients and
Hessians by node, feature and bin. Hospitals' sums add up to those of the pooled rows, and bins are cut at codes that
the configuration names, alike at every hospital. So federated trees are the pooled ones: the same splits, and leaf
values to what fixed-point sums round (`secagg.encoding`, 2^-33 for each hospital and sum).

1. **One round a level**: ``trees / parallel * max_depth`` rounds at most. The level of leaves needs none, since the
   sums of a split's two sides are known when it is chosen. A step whose trees cannot be split further ends early.
   Subtracting siblings (LightGBM) would halve what is sent, and save no round.
2. **No round for the start.** The first is asked of a model that predicts 0. From counts and gradients follow the
   outcome's mean and, with it, the sums at a model that predicts the mean: all rows have the same prediction.
3. **Trees side by side** save rounds: with ``parallel`` = m, m trees are grown on the same gradients, each on features
   drawn by ``seed`` (``max_features``), and each moves the prediction by 1/m of a step: a small forest is boosted.
   With softmax one tree of each class is always grown side by side (Friedman 2001, algorithm 6).
4. **Training goes on from the arrays alone**: finished trees, the trees being grown, and where they are.
5. Rows are never drawn: each random subset would be one more question on nearly the same patients.
6. With noise there is no tree of more than one level (`belmont.federated.models.tree_noise` says why).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.tree_splits import Bins, Rules, best_split, leaf_value
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SecureSum

Floats = NDArray[np.float64]

HISTOGRAM: Final = "histogram"
LOSSES: Final = ("logistic", "softmax", "squared")
WORD_BITS: Final = 32
"""Bins whose side one number of ``left`` holds: exact in float64."""
MOST_DEPTH = 8
MOST_NUMBERS = 1 << 21
"""In a round's sums: 16 MiB."""


@dataclass(frozen=True)
class TreePlan:
    """Everything about the trees that is fixed before training. Raises FederatedError for what is no plan."""

    features: tuple[str, ...]
    cuts: Mapping[str, tuple[int, ...]]
    """Of each feature: bin b holds the codes above cut b - 1 up to cut b, the last one all above; code 0 is bin 0."""
    categorical: tuple[str, ...] = ()
    loss: str = "logistic"
    classes: int = 1
    """Scores of a row: 1, or the number of classes for softmax, whose outcome is 0, 1, ..."""
    trees: int = 50
    """For each class; a multiple of ``parallel``."""
    max_depth: int = 3
    learning_rate: float = 0.1
    parallel: int = 1
    max_features: float = 1.0
    """Share of the features that a tree may split on."""
    seed: int = 0
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) != len(self.features):
            raise FederatedError("features are distinct names of columns, at least one")
        for name in self.features:
            cuts = self.cuts.get(name)
            if cuts is None or list(cuts) != sorted(set(cuts)) or any(type(c) is not int or c < 1 for c in cuts):
                raise FederatedError(f"cuts of {name!r} are codes from 1 on, each larger than the one before")
        if not set(self.categorical) <= set(self.features):
            raise FederatedError("a categorical column is one of the features")
        if self.loss not in LOSSES or (self.classes > 2) != (self.loss == "softmax") or self.classes == 2:
            raise FederatedError("loss is logistic or squared with one score, or softmax with three classes or more")
        _whole("trees", self.trees, 1, 10_000)
        _whole("max_depth", self.max_depth, 1, MOST_DEPTH)
        _whole("parallel", self.parallel, 1, self.trees)
        _whole("seed", self.seed, 0, 2**32 - 1)
        if self.trees % self.parallel:
            raise FederatedError("trees is a multiple of parallel: so many are grown side by side")
        if not 0 < self.learning_rate <= 1 or not 0 < self.max_features <= 1:
            raise FederatedError("learning_rate and max_features are above 0 and at most 1")
        if self.rules.l2 < 0 or self.rules.min_child_weight < 0 or self.rules.min_rows_leaf < 1:
            raise FederatedError("l2 and min_child_weight are at least 0, min_rows_leaf at least 1")
        if np.prod(self.histogram_shape) > MOST_NUMBERS:
            raise FederatedError(
                f"a round would sum {np.prod(self.histogram_shape):,} numbers: fewer bins, features or levels"
            )

    @property
    def bins(self) -> Bins:
        sizes = tuple(len(self.cuts[name]) + 2 for name in self.features)
        return Bins(sizes, tuple(name in self.categorical for name in self.features))

    @property
    def step(self) -> int:
        """Trees that are grown side by side."""
        return self.classes * self.parallel

    @property
    def rounds(self) -> int:
        """That training takes at most."""
        return self.trees // self.parallel * self.max_depth

    @property
    def histogram_shape(self) -> tuple[int, int, int]:
        return self.step * 2 ** (self.max_depth - 1), self.bins.total, 2 if self.loss == "squared" else 3

    def config(self) -> dict[str, str | int | float | bool]:
        """The app's own keys of the run configuration."""
        cuts = ";".join(",".join(str(cut) for cut in self.cuts[name]) for name in self.features)
        return {"loss": self.loss, "cuts": cuts, "depth": self.max_depth, "trees-a-step": self.step}

    def sums(self, fraction_bits: int = FRACTION_BITS) -> SecureSum:
        """What a round's secure sum is made of."""
        return SecureSum(((HISTOGRAM, self.histogram_shape),), ("loss",), False, fraction_bits)

    def initial(self) -> Arrays:
        """No tree yet: every prediction is 0."""
        trees, nodes = self.classes * self.trees, 2 ** (self.max_depth + 1) - 1
        words = -(-self.bins.widest // WORD_BITS)
        return {
            "base": np.zeros(self.classes),
            "at": np.zeros(2),
            "feature": np.full((trees, nodes), -1.0),
            "left": np.zeros((trees, nodes, words)),
            "value": np.zeros((trees, nodes)),
            "gain": np.zeros((trees, nodes)),
            "rows": np.zeros((trees, nodes)),
        }

    def tree_features(self, tree: int) -> tuple[int, ...]:
        """Places of the features that a tree may split on: all, or a share drawn by seed and tree (3)."""
        count = max(1, round(self.max_features * len(self.features)))
        if count == len(self.features):
            return tuple(range(count))
        draws = np.random.default_rng([self.seed, tree])
        return tuple(sorted(int(each) for each in draws.choice(len(self.features), count, replace=False)))

    def binned(self, codes: NDArray[np.integer]) -> NDArray[np.int64]:
        """Each row's bins, from codes of shape (rows, features)."""
        columns = [
            np.where(column > 0, 1 + np.searchsorted(np.asarray(self.cuts[name], np.int64), column), 0)
            for name, column in zip(self.features, np.asarray(codes, np.int64).T, strict=True)
        ]
        return np.column_stack(columns)


def equal_cuts(width: int, bins: int) -> tuple[int, ...]:
    """Cuts that part the codes 1 to ``width`` into ``bins`` equal ranges, or one for each code if they are fewer."""
    count = min(bins, width)
    return tuple(width * i // count for i in range(1, count))


def grow(plan: TreePlan) -> Combine:
    """The combination rule: from the sums of the level that was asked for to its splits, and on to the next level."""

    def combine(model: Arrays, updates: Sequence[Update]) -> Arrays:
        histogram = _total(plan, updates)
        grown: Arrays = {name: np.array(array, np.float64) for name, array in model.items()}
        first, level = at(model)
        if first >= len(grown["feature"]):
            raise FederatedError("all trees are grown: nothing is left to do")
        if (first, level) == (0, 0):
            base = _base(plan, histogram[: plan.step, 0])
            histogram[: plan.step, 0] = _moved(plan, histogram[: plan.step, 0], base)  # 2
            grown["base"] = base
        is_split = False
        for slot in range(plan.step):
            is_split |= _grow_level(plan, grown, first + slot, level, histogram[slot])
        is_done = not is_split or level + 1 == plan.max_depth  # 1
        grown["at"] = np.array([first + plan.step, 0.0] if is_done else [first, level + 1.0])
        return grown

    return combine


def is_finished(plan: TreePlan, before: Arrays, after: Arrays) -> bool:
    """Whether all trees are grown, or the last step of trees found nothing to split."""
    first, last = at(before)[0], at(after)[0]
    is_all = last >= len(after["feature"])
    return is_all or (last > first and plan.max_features == 1.0 and bool((after["feature"][first:last, 0] < 0).all()))


def at(model: Arrays) -> tuple[int, int]:
    """The first tree being grown, and the level that its next round is for."""
    first, level = (int(each) for each in model["at"])
    return first, level


def node_of(model: Arrays, tree: int, bins: NDArray[np.int64]) -> NDArray[np.int64]:
    """The leaf that each row falls into, as the node's place in the tree's arrays."""
    feature = model["feature"][tree].astype(np.int64)
    node = np.zeros(len(bins), np.int64)
    rows = np.arange(len(bins))
    while True:
        split = feature[node] >= 0
        if not split.any():
            return node
        value = bins[rows, feature[node]]
        word = model["left"][tree][node, value // WORD_BITS].astype(np.int64)
        goes_left = (word >> (value % WORD_BITS)) & 1
        node = np.where(split, 2 * node + 2 - goes_left, node)


def scores(model: Arrays, bins: NDArray[np.int64], trees: int | None = None) -> Floats:
    """Log-odds or values, of shape (rows, classes), by the complete trees or the first ``trees`` of them."""
    classes = len(model["base"])
    found = np.tile(np.asarray(model["base"], np.float64), (len(bins), 1))
    complete = min(at(model)[0], len(model["feature"]))
    for tree in range(complete if trees is None else min(trees, complete)):
        found[:, tree % classes] += model["value"][tree, node_of(model, tree, bins)]
    return found


def _total(plan: TreePlan, updates: Sequence[Update]) -> Floats:
    """The hospitals' histograms, added, as (trees of a step, nodes, bins, 3)."""
    total = np.zeros(plan.histogram_shape)
    for update in updates:
        array = update.arrays.get(HISTOGRAM)
        if array is None or array.shape != total.shape:
            raise FederatedError("an update has no histogram of the plan's shape")
        total += array
    if plan.loss == "squared":
        total = np.concatenate([total, total[..., :1]], axis=-1)
    return total.reshape(plan.step, -1, plan.bins.total, 3)


def _base(plan: TreePlan, roots: Floats) -> Floats:
    """Each class's start, from the first round's sums at a model that predicts 0 (2)."""
    sums = roots[: plan.classes, : plan.bins.sizes[0]].sum(axis=1)
    rows, gradient = sums[:, 0], sums[:, 1]
    if rows[0] < 0.5:
        raise FederatedError("no hospital has enough rows for a single sum")
    if plan.loss == "squared":
        return np.asarray(-gradient / rows)
    # A patient has one outcome, so these are whole numbers.
    counts = np.rint(rows * (0.5 if plan.loss == "logistic" else 1 / plan.classes) - gradient)
    share = counts / rows
    if plan.loss == "logistic":
        if not 0 < counts[0] < rows[0]:
            raise FederatedError("all patients have the same outcome: there is nothing to tell apart")
        return np.asarray(np.log(share / (1 - share)))
    if counts.min() < 1:
        raise FederatedError(f"no patient has outcome {int(np.argmin(counts))}: give fewer classes")
    return np.asarray(np.log(share))


def _moved(plan: TreePlan, roots: Floats, base: Floats) -> Floats:
    """The sums at a model that predicts 0, as they are at one that predicts ``base``."""
    moved = roots.copy()
    own = np.tile(base, plan.parallel)[:, None]
    rows = roots[..., 0]
    if plan.loss == "squared":
        moved[..., 1] += rows * own
        return moved
    start, risk = (0.5, 1 / (1 + np.exp(-own))) if plan.loss == "logistic" else (1 / plan.classes, np.exp(own))
    moved[..., 1] += rows * (risk - start)
    moved[..., 2] = rows * risk * (1 - risk)
    return moved


def _grow_level(plan: TreePlan, grown: Arrays, tree: int, level: int, histogram: Floats) -> bool:
    """Split the nodes of one level of one tree; whether any was."""
    rate = plan.learning_rate / plan.parallel
    allowed, bins, is_split = plan.tree_features(tree), plan.bins, False
    for j in range(2**level):
        node = 2**level - 1 + j
        if level == 0:
            sums = histogram[0, : bins.sizes[0]].sum(axis=0)
            grown["value"][tree, 0] = rate * leaf_value(sums, plan.rules.l2)
            grown["rows"][tree, 0] = np.rint(sums[0])
        elif grown["feature"][tree, (node - 1) // 2] < 0:
            continue
        split = best_split(histogram[j], bins, allowed, plan.rules)
        if split is None:
            continue
        is_split = True
        grown["feature"][tree, node], grown["gain"][tree, node] = split.feature, split.gain
        grown["left"][tree, node] = _packed(split.left, grown["left"].shape[2])
        for child, sums in zip((2 * node + 1, 2 * node + 2), split.sums, strict=True):
            grown["value"][tree, child] = rate * leaf_value(sums, plan.rules.l2)
            grown["rows"][tree, child] = np.rint(sums[0])
    return is_split


def _packed(left: NDArray[np.bool_], words: int) -> Floats:
    """Sides of bins as numbers of ``WORD_BITS`` bits, the lowest bin first."""
    padded = np.zeros(words * WORD_BITS, bool)
    padded[: len(left)] = left
    return np.asarray((padded.reshape(words, WORD_BITS) * 2.0 ** np.arange(WORD_BITS)).sum(axis=1))


def _whole(name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise FederatedError(f"{name} is {value!r}: give a whole number from {low:,} to {high:,}")
