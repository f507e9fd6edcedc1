"""How good a risk model is, and what pooling all rows would have given.

Pooling is possible here only because the records are synthetic: it is the yardstick, never part of a study.
"""

import numpy as np
from numpy.typing import NDArray

from belmont.lab.errors import LabError

Floats = NDArray[np.float64]


def auc(scores: Floats, outcome: Floats) -> float:
    """Area under the ROC curve: the chance that a case scores above a control, ties counting half.

    Mann-Whitney statistic; Hanley and McNeil, Radiology 143 (1982). ``scores`` and ``outcome`` (0 or 1): shape (n,).
    """
    cases = int(outcome.sum())
    controls = len(outcome) - cases
    if cases == 0 or controls == 0:
        raise LabError("the AUC needs at least one case and one control: evaluate on more patients")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank_of_value = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = rank_of_value[inverse][outcome > 0.5].sum()
    return float((rank_sum - cases * (cases + 1) / 2.0) / (cases * controls))


def roc_curve(scores: Floats, outcome: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates at every threshold, each of shape (k,), from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    sorted_scores, sorted_outcome = scores[order], outcome[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(sorted_scores)), len(scores) - 1)
    true_positives = np.cumsum(sorted_outcome)[last_of_tie]
    false_positives = 1.0 + last_of_tie - true_positives
    return (
        np.concatenate([[0.0], false_positives / false_positives[-1]]),
        np.concatenate([[0.0], true_positives / true_positives[-1]]),
    )


def sigmoid(linear: Floats) -> Floats:
    """The logistic function without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * linear)), dtype=np.float64)


def pooled_logistic(design: Floats, outcome: Floats, ridge: float = 0.0, iterations: int = 50) -> Floats:
    """Maximum likelihood logistic regression by Newton's method (IRLS) on pooled rows.

    ``design`` has shape (n, p) with the intercept first, ``outcome`` shape (n,) with values from 0 to 1; gives
    coefficients of shape (p,). ``ridge`` is the penalty ridge/2 * |w|^2 on the mean log-likelihood, without the
    intercept. McCullagh and Nelder, Generalized Linear Models (1989), section 2.5.
    """
    rows, columns = design.shape
    weights = np.zeros(columns)
    penalty = np.full(columns, ridge)
    penalty[0] = 0.0
    for _ in range(iterations):
        risk = sigmoid(design @ weights)
        gradient = design.T @ (risk - outcome) / rows + penalty * weights
        hessian = (design * (risk * (1.0 - risk))[:, None]).T @ design / rows + np.diag(penalty + 1e-9)
        step = np.linalg.solve(hessian, gradient)
        weights = weights - step
        if float(np.abs(step).max()) < 1e-10:
            return np.asarray(weights, dtype=np.float64)
    raise LabError("pooled logistic regression did not converge: a column may separate the outcome perfectly")
