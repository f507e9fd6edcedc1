"""What estimators say of rows and labels that they cannot read, or would read otherwise than meant.

1. A missing label is nobody's class: the rows are for the caller to leave out.
2. Rows alone do not say which numbers words stand for: a model that makes numbers of them warns.
3. ``performance_`` exists once a model was evaluated; until then its absence says how it comes about.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.node.design import LEVEL_MARK
from belmont.lab.errors import LabError
from belmont.lab.models.references import is_words

if TYPE_CHECKING:
    import pandas as pd


class NotEvaluated:
    """What ``performance_`` is on the class: an AttributeError, until an evaluation sets it on the model (3)."""

    def __get__(self, model: object, kind: type) -> Any:
        why = getattr(model, "not_evaluated_", None)
        if why is not None:
            raise AttributeError(f"this model was not evaluated: {why}")
        raise AttributeError(
            "this model was not evaluated: apply with holdout=0.25 or the like, and fit(permit) or "
            "permit.evaluate(model) evaluates it; rows that are here are for score(X, y)"
        )


def labelled(y: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """The classes among labels, and the place of each label among them. Raises LabError where one is missing (1)."""
    import pandas as pd

    labels = np.asarray(y)
    missing = int(np.sum(pd.isna(labels)))
    if missing:
        raise LabError(f"{missing} of {len(labels)} outcomes are missing: leave these rows out")
    classes, places = np.unique(labels, return_inverse=True)
    return classes, places


def check_class(evaluated: float | None, classes: tuple[float, ...], holdout: float) -> None:
    """Raises LabError where patients are kept apart and it is not known whose risk is evaluated on them."""
    names = ", ".join(f"{each:g}" for each in classes)
    if evaluated is None:
        if holdout and classes != (0.0, 1.0):
            raise LabError(
                f"an evaluation tells one class apart from all others: name it, evaluated_class={classes[-1]:g} or "
                f"another of {names}; or leave holdout out"
            )
    elif isinstance(evaluated, bool) or evaluated not in classes:
        raise LabError(f"evaluated_class is {evaluated!r}: it is one of the classes, {names}")


def question_words(frame: "pd.DataFrame", named: Sequence[str], *, becomes_numbers: bool) -> None:
    """Warns of features of more than two words where a model makes numbers of them (2). Raises LabError for dates."""
    import pandas as pd

    for name in [each for each in named if each in frame.columns and is_words(frame[each])]:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            raise LabError(f"column {name!r} holds dates: make numbers of them, such as days since a reference")
        levels = frame[name].astype("category").cat.categories.astype(str).tolist()
        if becomes_numbers and len(levels) > 2:
            warnings.warn(
                f"column {name!r} holds words and becomes one number: 1, 2, ... for {', '.join(levels[:5])}. Name "
                f"levels as features, as in '{name}{LEVEL_MARK}{levels[0]}', unless that is an order",
                UserWarning,
                stacklevel=4,
            )
