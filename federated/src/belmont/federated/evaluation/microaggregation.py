"""Scores in groups of at least k neighbours, all of whom get their group's score.

1. Scores are sorted and cut into groups of k or a few more consecutive patients (Domingo-Ferrer and Mateo-Sanz, IEEE
   TKDE 14:189, 2002: of all such groupings of one variable, the best has groups of k to 2k - 1).
2. A group's score is the one at the mean rank, among all the slot's patients, of the middle half of the group, and not
   its mean. A model that somebody made so that one patient scores 1 and everybody else 0 moves a mean of k patients by
   1/k, and a reader of sums would see which outcome that patient had; here the lowest and the highest quarter count for
   nothing (tests/federated/evaluation/test_attacks.py). Ranks, since the AUC is a mean of ranks: with few cases, a
   median makes it look too high (docs/evaluation.md has the numbers).
3. At that rank the score is the middle one of k or more neighbours among all the slot's patients, and the one that half
   of them share where they do: a patient whom a model puts alone between two halves of the others is in no bin of their
   own. With sets one in another (`evaluation.times`) each would be another chance to see in which that patient is
   (tests/federated/evaluation/test_survival_attacks.py).
4. What leaves is only in which bin a group's score is (`evaluation.layout`): the score may be one patient's own.

It holds against who knows nothing of the others. A reader who knows a quarter of a group's outcomes and aims at them
together, or makes models that score many at once, has to be met with noise.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def microaggregated(scores: Floats, k: int, among: Floats) -> Floats:
    """The scores, (n,), each as its group's; ``among`` are those of the whole slot.

    Raises ValueError where n is above 0 and below k.
    """
    count = len(scores)
    if k <= 1 or count == 0:
        return np.array(scores, np.float64)
    if count < k:
        raise ValueError("fewer scores than a group has")
    order, ascending = np.argsort(scores, kind="stable"), np.sort(among)
    ranks = sum(np.searchsorted(ascending, scores[order], side) for side in ("left", "right")) * 0.5 - 0.5
    sizes = _sizes(count, k)
    trimmed, ends = sizes // 4, np.cumsum(sizes)
    up_to = np.concatenate([[0.0], np.cumsum(ranks)])
    middle = (up_to[ends - trimmed] - up_to[ends - sizes + trimmed]) / (sizes - 2 * trimmed)
    found = np.empty(count)
    found[order] = np.repeat(_of_neighbours(ascending, k)[np.rint(middle).astype(np.int64)], sizes)
    return found


def _of_neighbours(ascending: Floats, k: int) -> Floats:
    """By rank, (n,), the middle score of each k to 2k - 1 neighbours, or the one that half of them share (3)."""
    sizes = _sizes(len(ascending), k)
    ends = np.cumsum(sizes)
    lower, upper = ascending[ends - sizes + (sizes - 1) // 2], ascending[ends - sizes + sizes // 2]
    found = 0.5 * (lower + upper)
    for middle in (upper, lower):
        first = np.maximum(np.searchsorted(ascending, middle, "left"), ends - sizes)
        shared = np.minimum(np.searchsorted(ascending, middle, "right"), ends) - first
        found = np.where(2 * shared >= sizes, middle, found)
    return np.repeat(found, sizes)


def _sizes(count: int, k: int) -> NDArray[np.int64]:
    """Of groups of at least k, as equal as can be."""
    base, longer = divmod(count, count // k)
    sizes = np.full(count // k, base)
    sizes[:longer] += 1
    return sizes
