"""Trees as tables and plots."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from belmont.federated.hashes import Arrays
from belmont.federated.models.tree_noise import NoisyPlan
from belmont.federated.models.trees import WORD_BITS, TreePlan
from belmont.lab.models.tree_columns import TreeColumn

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


def importances_frame(plan: TreePlan | NoisyPlan, arrays: Arrays) -> "pd.DataFrame":
    """By feature: gain and number of its splits. With noise the standard deviation of its steps stands for the gain,
    and it has one split."""
    import pandas as pd

    count = len(plan.features)
    if isinstance(plan, NoisyPlan):
        bins = plan.trees.bins
        shape = arrays["shape"]
        gains = np.array([shape[a : a + n].std() for a, n in zip(bins.starts, bins.sizes, strict=True)])
        splits = np.ones(count, np.int64)
    else:
        complete = int(arrays["at"][0])
        feature = arrays["feature"][:complete].astype(np.int64)
        inner = feature >= 0
        gains = np.bincount(feature[inner], arrays["gain"][:complete][inner], count)
        splits = np.bincount(feature[inner], minlength=count)
    return pd.DataFrame({"gain": gains, "splits": splits}, index=pd.Index(plan.features, name="feature"))


def importances_plot(importances: "pd.DataFrame", ax: "Axes | None" = None) -> "Axes":
    """Horizontal bars of the gain, the largest on top."""
    import matplotlib.pyplot as plt

    if ax is None:
        _, ax = plt.subplots(figsize=(6, 0.3 * len(importances) + 1))
    ordered = importances.sort_values("gain")
    ax.barh(ordered.index, ordered["gain"])
    ax.set_xlabel("gain of its splits")
    return ax


def trees_frame(plan: TreePlan, arrays: Arrays, columns: Mapping[str, TreeColumn]) -> "pd.DataFrame":
    """One row for each node that exists: children of node i are 2i + 1 (left) and 2i + 2."""
    import pandas as pd

    rows = []
    for tree in range(int(arrays["at"][0])):
        feature = arrays["feature"][tree].astype(np.int64)
        for node in range(len(feature)):
            if node and feature[(node - 1) // 2] < 0:
                continue
            split = feature[node] >= 0
            name = plan.features[feature[node]] if split else ""
            left, missing = _sides(plan, arrays, tree, node, columns[name]) if split else ("", "")
            found = [float(arrays[each][tree, node]) for each in ("gain", "rows", "value")]
            rows.append((tree, tree % plan.classes, node, name, left, missing, found[0], int(found[1]), found[2]))
    names = ["tree", "class", "node", "feature", "goes left", "missing goes", "gain", "rows", "value"]
    return pd.DataFrame(rows, columns=names)


def _sides(plan: TreePlan, arrays: Arrays, tree: int, node: int, column: TreeColumn) -> tuple[str, str]:
    """Which values go left, and where missing ones go."""
    name = plan.features[int(arrays["feature"][tree, node])]
    left = _unpacked(arrays, tree, node, len(plan.cuts[name]) + 2)
    if column.is_bit:
        return ("0", "") if left[0] else ("1", "")
    texts, missing = column.bin_texts(plan.cuts[name]), "left" if left[0] else "right"
    chosen = np.flatnonzero(left[1:]) + 1
    if name in plan.categorical:
        return ", ".join(texts[b] for b in chosen), missing
    if len(chosen) == len(left) - 1:
        return "any value", missing
    return f"up to {texts[chosen[-1]].rpartition(' to ')[2]}", missing


def _unpacked(arrays: Arrays, tree: int, node: int, size: int) -> NDArray[np.bool_]:
    bins = np.arange(size)
    words = arrays["left"][tree, node].astype(np.int64)
    return np.asarray((words[bins // WORD_BITS] >> (bins % WORD_BITS)) & 1, bool)
