"""What the researcher's notebook needs of this model. It is part of the bundle, so the board reads it too.

Only `initial` has to be here. `OwnModel` also uses, where they are here, `predictions`, `coefficients`, `combine(model,
updates)` in place of federated averaging, and `is_finished(before, after)`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def initial(names: Sequence[str]) -> dict[str, Floats]:
    """The model that the first round starts from. ``names`` are the columns of the design: "intercept", the features,
    then "<feature> missing". Names and shapes of these arrays are what a round sums, and the permit binds them."""
    return {"weights": np.zeros(len(names))}


def predictions(design: Floats, arrays: dict[str, Floats]) -> Floats:
    """Risks of standardised rows, shape (rows,). The hospitals evaluate with this same function."""
    linear = design @ arrays["weights"]
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * linear)))  # the logistic function, without overflow


def coefficients(names: Sequence[str], arrays: dict[str, Floats]) -> dict[str, float]:
    """By name, for tables and plots."""
    return dict(zip(names, arrays["weights"].tolist(), strict=True))
