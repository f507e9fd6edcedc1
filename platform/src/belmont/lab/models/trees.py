"""Gradient-boosted trees on securely summed histograms: the federated trees are the pooled ones.

    model = HistGradientBoostingClassifier(features=("age", "hba1c"), outcome="cvd_event", trees=50, max_depth=3)

Docs: `belmont.federated.models.trees`, and with noise `belmont.federated.models.tree_noise`.

1. Columns are cut into bins at codes of the dictionary, before anybody is asked; the configuration holds the cuts, so
   the permit binds them. Rows that are here and have no dictionary are cut at ranks of their own values.
2. A missing value is a bin of its own, and goes where it gains most. Nothing is filled in or standardised.
3. A round is a level: ``rounds`` says how many to apply for.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning

from belmont.ehr.dictionary import Dictionary
from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays, RunConfig
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.glm import PrivateSteps
from belmont.federated.models.tree_noise import FEW_BINS, NoisyPlan, cells_of, step_functions, step_scores
from belmont.federated.models.tree_splits import Rules
from belmont.federated.models.trees import TreePlan, grow, is_finished, scores
from belmont.federated.node.design import LEVEL_MARK
from belmont.federated.secagg.settings import SecureSum
from belmont.federated.table import NodeTable
from belmont.lab.errors import LabError
from belmont.lab.models.base import StudyModel
from belmont.lab.models.first_use import check_class, labelled
from belmont.lab.models.tree_columns import TreeColumn
from belmont.lab.models.tree_frames import importances_frame, importances_plot, trees_frame

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
BINS = 32
NOISY_ROUNDS = 6
"""Did well on the synthetic study (docs/trees.md): each round more has more noise in all."""


@dataclass(eq=False, repr=False)
class BoostedTrees(StudyModel):
    """What classifier and regressor have in common. Leave ``features`` whole: a category is split by its levels."""

    app: ClassVar[str] = "trees"
    takes_words: ClassVar[bool] = True
    loss: ClassVar[str] = ""

    trees: int = 50
    """Of each class; with ``parallel`` a multiple of it."""
    max_depth: int = 3
    learning_rate: float = 0.1
    l2: float = 1.0
    min_child_weight: float = 1.0
    """Least sum of Hessians in a leaf, over all hospitals."""
    min_rows_leaf: int = 20
    """Least patients in a leaf, over all hospitals."""
    max_bins: int | None = None
    """Of a column, beside the missing values; 32, or 4 with noise, unless given."""
    categorical: Sequence[str] | None = None
    """Columns whose levels have no order; those that the dictionary calls categories, unless given."""
    parallel: int = 1
    """Trees that are grown in the same rounds, each on ``max_features`` of the features: so many times fewer rounds."""
    max_features: float = 1.0
    seed: int = 0
    dictionary: Dictionary | None = None
    """Where columns are cut; the one that ships, unless given."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing_indicators:
            raise LabError("trees split on whether a value is missing by themselves: give no missing_indicators")
        if isinstance(self.categorical, str):
            raise LabError("categorical is a list of columns: ('smoking',) and not 'smoking'")
        if self.max_bins is not None and (type(self.max_bins) is not int or self.max_bins < 2):
            raise LabError(f"max_bins is {self.max_bins!r}: give a whole number of at least 2")
        if any(LEVEL_MARK in name for name in self.features):
            raise LabError("trees take whole columns and split on their levels: 'smoking' and not 'smoking=current'")

    # --- what the base asks for ---

    def settings(self) -> RunConfig:
        return self.design_plan().config()

    def sums(self) -> SecureSum:
        return self.tree_plan().sums(self.fraction_bits)

    def private_sums(self, private: PrivateSteps) -> SecureSum:
        return self._noisy_plan(private).sums()

    def initial(self) -> Arrays:
        return self.design_plan().initial()

    def combine(self) -> Combine:
        plan = self.design_plan()
        return grow(plan) if isinstance(plan, TreePlan) else step_functions(plan)

    def is_finished(self, before: Arrays, after: Arrays) -> bool:
        plan = self.design_plan()
        return isinstance(plan, TreePlan) and is_finished(plan, before, after)

    def learned(self, updates: Sequence[Update]) -> None:
        self.plan_ = self.design_plan()
        self.columns_ = self._known()
        gains = self.importances()["gain"].to_numpy()
        self.feature_importances_ = gains / gains.sum() if gains.sum() > 0 else gains

    def predictions(self, rows: Floats, arrays: Arrays) -> Floats:
        """Of a design, whose missing values were filled: `predict_values` reads rows with their gaps."""
        codes = [self.columns_[name].codes_of(rows[:, 1 + j]) for j, name in enumerate(self.columns)]
        return self._values(self._scores(np.column_stack(codes), arrays))

    def predict_values(self, X: Any) -> Floats:
        return self._values(self._scores(self.codes_of(X), self._arrays))

    def _tell_unfinished(self, rounds: int) -> None:
        plan = self.plan_
        if isinstance(plan, TreePlan):
            grown, wanted = int(self.arrays_["at"][0]), plan.classes * plan.trees
            warnings.warn(
                f"{grown} of {wanted} trees have grown in {rounds} rounds: all of them take {self.rounds}, and an "
                "evaluation one more; under a permit fit(permit, start=model.result_) goes on",
                ConvergenceWarning,
                stacklevel=4,
            )

    # --- plans ---

    @property
    def rounds(self) -> int:
        """Rounds that training takes at most; with noise what `with_noise` paid for is the permit's to say."""
        return self.tree_plan().rounds

    def design_plan(self) -> TreePlan | NoisyPlan:
        """What is fixed before training. Raises LabError or FederatedError for what cannot be."""
        return self.tree_plan() if self.private is None else self._noisy_plan(self.private)

    def tree_plan(self) -> TreePlan:
        """Without noise."""
        known = self._known()
        cuts = {name: column.equal_cuts(self.max_bins or BINS) for name, column in known.items()}
        named = self.categorical
        categorical = tuple(name for name in known if (known[name].is_category if named is None else name in named))
        rules = Rules(self.l2, self.min_child_weight, self.min_rows_leaf)
        return TreePlan(
            self.columns,
            cuts,
            categorical,
            self.loss if self._class_count == 2 else "softmax",
            1 if self._class_count == 2 else self._class_count,
            self.trees,
            self.max_depth,
            self.learning_rate,
            self.parallel,
            self.max_features,
            self.seed,
            rules,
        )

    def _noisy_plan(self, private: PrivateSteps) -> NoisyPlan:
        if self.loss != "logistic" or self._class_count != 2:
            raise LabError("noise is for an outcome of two classes: one patient's gradient has no bound otherwise")
        if private.momentum:
            raise LabError("step functions have no momentum: make the noise by model.with_noise(epsilon=...)")
        return NoisyPlan(self.columns, self._noisy_cuts(), private.noise, private.step)

    def _noisy_cuts(self) -> Mapping[str, tuple[int, ...]]:
        return {name: column.reference_cuts(self.max_bins or FEW_BINS) for name, column in self._known().items()}

    @property
    def _class_count(self) -> int:
        return 2

    def _known(self) -> Mapping[str, TreeColumn]:
        """How each feature is coded: in the rows that are being fitted to, or in the dictionary."""
        here: Mapping[str, TreeColumn] | None = getattr(self, "_here", None)
        if here is not None:
            return {name: here[name] for name in self.columns}
        book = self.dictionary or Dictionary.builtin()
        lacking = [name for name in self.columns if name not in {column.name for column in book}]
        if lacking:
            raise LabError(f"dictionary {book.name} has no column {lacking[0]!r}: give dictionary=, where bins are cut")
        return {name: TreeColumn.of_dictionary(book.column(name)) for name in self.columns}

    # --- fit and predict ---

    def _fit_tables(self, tables: Sequence[NodeTable], rounds: int | None = None, **safeguards: Any) -> Any:
        if not tables:
            raise LabError("there is no table to fit to")
        first = tables[0]
        unknown = [name for name in self.features if name not in first.columns]
        if unknown:
            raise LabError(f"the rows have no column {unknown[0]!r}")
        self._here = {name: TreeColumn.of_table(first, name) for name in first.columns}
        try:
            self._take_names(tuple(name for name in first.columns if name != self.outcome))
            most = rounds or (self.rounds if self.private is None else NOISY_ROUNDS)
            return super()._fit_tables(tables, most, **safeguards)
        finally:
            del self._here

    def codes_of(self, X: Any) -> NDArray[np.int64]:
        """Codes of rows, shape (n, features), as hospitals would code them."""
        self._arrays  # noqa: B018  raises where there is none
        is_table = hasattr(X, "codes") and hasattr(X, "observed")
        table = X if is_table else self.references_.table(self._frame(X), self.columns)
        return np.column_stack([np.asarray(table.codes(name), np.int64) for name in self.columns])

    def staged_values(self, X: Any) -> Iterator[Floats]:
        """Risks or values after each step of trees. Raises LabError with noise, where there are no trees."""
        plan, codes = self._grown(), self.codes_of(X)
        bins = plan.binned(codes)
        for trees in range(plan.step, plan.classes * plan.trees + 1, plan.step):
            if trees <= int(self._arrays["at"][0]):
                yield self._values(scores(self._arrays, bins, trees))

    def importances(self) -> "pd.DataFrame":
        """By feature: the gain of all its splits and their number; with noise the spread of its steps."""
        arrays = self._arrays  # raises where there is none
        return importances_frame(self.plan_, arrays)

    def plot_importances(self, ax: "Axes | None" = None) -> "Axes":
        """Bars of `importances`, the largest first."""
        return importances_plot(self.importances(), ax)

    def to_frame(self) -> "pd.DataFrame":
        """Every node of every tree: what it splits on, in the column's unit, its gain, rows and value."""
        return trees_frame(self._grown(), self._arrays, self.columns_)

    def _grown(self) -> TreePlan:
        self._arrays  # noqa: B018  raises where there is none
        if not isinstance(self.plan_, TreePlan):
            raise LabError("with noise there are no trees but one step function for each feature: see step_frame()")
        return self.plan_

    def _scores(self, codes: NDArray[np.int64], arrays: Arrays) -> Floats:
        plan = self.plan_
        if isinstance(plan, NoisyPlan):
            return step_scores(plan, arrays, plan.trees.binned(codes))
        return scores(arrays, plan.binned(codes))

    def _values(self, found: Floats) -> Floats:
        """From scores of shape (n, classes) to what is predicted."""
        return found[:, 0]


@dataclass(eq=False, repr=False)
class HistGradientBoostingClassifier(ClassifierMixin, BoostedTrees):  # type: ignore[misc]
    """Boosted trees for an outcome of two classes, or of more (softmax) where ``classes`` says how many."""

    loss: ClassVar[str] = "logistic"

    classes: int = 2
    """The outcome is 0, 1, ... up to one less."""
    evaluated_class: float | None = None
    """The one of them that an evaluation tells apart from all others; to be named where they are not 0 and 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.classes) is not int or self.classes < 2:
            raise LabError(f"classes is {self.classes!r}: give a whole number of at least 2")
        check_class(self.evaluated_class, tuple(map(float, range(self.classes))), self.holdout)

    @property
    def class_to_evaluate(self) -> float | None:
        return None if self.evaluated_class is None else float(self.evaluated_class)

    @property
    def _class_count(self) -> int:
        return int(getattr(self, "_classes_here", self.classes))

    @property
    def outcomes(self) -> tuple[float, ...]:
        return tuple(map(float, range(self._class_count)))

    def with_noise(
        self, *, epsilon: float, rounds: int = NOISY_ROUNDS, **choices: Any
    ) -> "HistGradientBoostingClassifier":
        """The same with noise, so that ``rounds`` rounds together come to ``epsilon`` at most for each dataset.

        One step function a feature takes the place of trees. ``choices`` are those of `PrivateSteps.of_epsilon`.
        """
        cells = cells_of(self.columns, self._noisy_cuts())
        given = {"step": 0.4, "momentum": 0.0} | choices
        return replace(self, private=PrivateSteps.of_epsilon(epsilon, rounds, cells, **given))

    def learned(self, updates: Sequence[Update]) -> None:
        super().learned(updates)
        self.classes_ = getattr(self, "classes_", np.arange(self._class_count))

    def _labels(self, y: Any) -> Any:
        self.classes_, labels = labelled(y)
        if len(self.classes_) < 2:
            raise LabError("all rows have the same outcome: there is nothing to tell apart")
        self._classes_here = len(self.classes_)
        return labels.astype(np.float64)

    def _fit_rows(self, X: Any, y: Any, **choices: Any) -> Any:
        try:
            return super()._fit_rows(X, y, **choices)
        finally:
            self.__dict__.pop("_classes_here", None)

    def _values(self, found: Floats) -> Floats:
        if found.shape[1] == 1:
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * found[:, 0])))
        return np.asarray(np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True)))

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of the classes, shape (n, classes)."""
        return _both(self.predict_values(X))

    def predict(self, X: Any) -> Any:
        """The likeliest class of each row."""
        likeliest = np.argmax(self.predict_proba(X), axis=1)
        return self.classes_[likeliest]

    def learning_curve(self, X: Any, y: Any) -> "pd.DataFrame":
        """Mean log-loss of rows after each step of trees, by the number of steps."""
        self._arrays  # noqa: B018  raises where there is none
        place = np.searchsorted(self.classes_, np.asarray(y))
        risks = [_both(each)[np.arange(len(place)), place] for each in self.staged_values(X)]
        return _curve([-float(np.mean(np.log(np.maximum(each, 1e-300)))) for each in risks])

    def step_frame(self) -> "pd.DataFrame":
        """With noise: the log-odds that each feature's bins add. Raises LabError for trees."""
        import pandas as pd

        self._arrays  # noqa: B018  raises where there is none
        plan = self.plan_
        if isinstance(plan, TreePlan):
            raise LabError("these are trees: see to_frame()")
        rows, shape = [], self._arrays["shape"]
        for start, size, name in zip(plan.trees.bins.starts, plan.trees.bins.sizes, plan.features, strict=True):
            texts = self.columns_[name].bin_texts(plan.cuts[name])
            rows += [(name, text, float(shape[start + b])) for b, text in enumerate(texts[:size])]
        return pd.DataFrame(rows, columns=["feature", "bin", "log-odds"])


@dataclass(eq=False, repr=False)
class HistGradientBoostingRegressor(RegressorMixin, BoostedTrees):  # type: ignore[misc]
    """Boosted trees for a number, by squared loss in its own unit."""

    loss: ClassVar[str] = "squared"
    evaluates: ClassVar[str] = "value"

    def predict(self, X: Any) -> Floats:
        """Expected values of the outcome."""
        return self.predict_values(X)

    def learning_curve(self, X: Any, y: Any) -> "pd.DataFrame":
        """Half the mean squared error of rows after each step of trees, by the number of steps."""
        outcome = np.asarray(y, np.float64)
        return _curve([float(np.mean((each - outcome) ** 2) / 2) for each in self.staged_values(X)])


def _both(values: Floats) -> Floats:
    return np.column_stack([1.0 - values, values]) if values.ndim == 1 else values


def _curve(losses: Sequence[float]) -> "pd.DataFrame":
    import pandas as pd

    if not losses:
        raise FederatedError("no tree is complete yet")
    return pd.DataFrame({"loss": losses}, index=pd.Index(range(1, len(losses) + 1), name="steps"))
