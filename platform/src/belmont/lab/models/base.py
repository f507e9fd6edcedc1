"""What a study applies with, and trains: an estimator with scikit-learn's habits whose ``fit`` runs gated rounds.

    model = LogisticRegression(features=("age", "hba1c"), outcome="cvd_event")
    permit = consortium.propose("Risk", model=model, rounds=10). ...
    model.fit(permit)                     rounds at the hospitals, each checked by each of them
    model.fit(frame, frame["cvd_event"])  the same code on rows that are here
    model.predict_proba(frame)

1. Parameters are kept as they were given, and what is learned ends with ``_``: ``clone`` and ``get_params`` work.
2. There is one implementation of each model: the app whose hash the permit names. A local fit rehearses it on one table
   (`belmont.federated.models.rehearsal`), without permit, masks and disclosure rules.
3. A model that was fitted reads new rows by the references that it was fitted with (`lab.models.references`).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from belmont.federated.errors import RoundRefused
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Update
from belmont.federated.models.rehearsal import Rehearsal
from belmont.federated.node.design import REFERENCES, TrainingData, column_of, design
from belmont.federated.table import NodeTable
from belmont.lab.errors import LabError, NotYet
from belmont.lab.models.applied import AppliedModel
from belmont.lab.models.first_use import question_words
from belmont.lab.models.references import References, is_words
from belmont.registry.reasons import Reason

if TYPE_CHECKING:
    import pandas as pd

    from belmont.lab.export import Graph
    from belmont.lab.model_card import ModelCard
    from belmont.lab.output_check import OutputCheck
    from belmont.lab.permit import Permit

Floats = NDArray[np.float64]
LOCAL_ROUNDS = 100
OF_ONE_FIT = ("permit_", "result_", "performance_", "history_", "not_evaluated_")
"""What an earlier fit leaves: of a model fitted anew it would say another's permit, rounds or performance."""


@dataclass(eq=False, repr=False)
class StudyModel(AppliedModel):
    """What every model has: `AppliedModel` has its parameters, this what is done with it."""

    # --- fit ---

    def fit(self, X: Any, y: Any = None, **choices: Any) -> Self:
        """Train under a permit, on a DataFrame, or on tables that are here.

        - a permit: the rounds that it has left, or until nothing changes; with ``holdout`` the last is kept for the
          evaluation, which is in ``performance_``. ``choices`` are those of ``permit.train``.
        - a DataFrame with ``y``, or with the outcome among its columns: the same code here. ``rounds=`` at most.
        - a twin, or a table of the dictionary, or a list of them, one a hospital.
        """
        from belmont.lab.permit import Permit
        from belmont.lab.twin.twin import Twin

        self.__post_init__()  # set_params may have changed anything
        self.__dict__.pop("classes_", None)  # of an earlier fit to labels
        if isinstance(X, Twin):
            X = X.tables()
        if isinstance(X, Permit):
            if y is not None:
                raise LabError("under a permit the outcome is the hospitals': leave y out")
            return self._fit_permit(X, **choices)
        if _is_table(X) or (isinstance(X, list | tuple) and X and all(_is_table(each) for each in X)):
            return self._fit_tables([X] if _is_table(X) else list(X), **choices)
        return self._fit_rows(X, y, **choices)

    def _fit_permit(self, permit: "Permit", rounds: int | None = None, **choices: Any) -> Self:
        record = permit.record
        left = record.terms.rounds - record.rounds_opened
        if rounds is None and self.holdout and left > 1 and permit.evaluations_left(self) != 0:
            rounds = left - 1  # one is for the evaluation
        result = permit.train(rounds, model=self, until_finished=True, **choices)
        models = [each.model for each in result.rounds]
        self._forget()
        self.result_, self.permit_ = result, permit  # first: a model that cannot be shown yet goes on from there
        self.adopt(models[-1], result.updates, References.of_dictionary(permit.consortium.dictionary))
        before = models[-2] if len(models) > 1 else self.start(choices.get("preparation"))
        if not self.is_finished(before, models[-1]):
            self._tell_unfinished(len(models))
        if self.holdout and permit.record.rounds_opened < permit.record.terms.rounds:
            try:
                permit.evaluate(self)
            except (NotYet, RoundRefused) as error:
                if isinstance(error, RoundRefused) and Reason.EVALUATIONS_EXHAUSTED not in error.reasons:
                    raise
                self.not_evaluated_ = str(error)
                warnings.warn(f"the model is fitted and was not evaluated: {error}", stacklevel=3)
        return self

    def _fit_tables(
        self, tables: Sequence[NodeTable], rounds: int = LOCAL_ROUNDS, *, min_cohort: int = 1, smallest_cell: int = 1
    ) -> Self:
        if not tables:
            raise LabError("there is no table to fit to")
        if type(rounds) is not int or rounds < 1:
            raise LabError(f"rounds is {rounds!r}: give a whole number of at least 1")
        self._refuse_lacking(tables[0].columns)
        for table in tables:
            observed = np.asarray(table.observed(self.outcome_name), bool)
            self.refuse_outcomes(np.asarray(table.values(self.outcome_name), np.float64)[observed])
        self._take_names(tuple(name for name in tables[0].columns if name != self.outcome_name))
        rehearsal = Rehearsal(
            self.bundle,
            self.config,
            self.initial(),
            self.step(),
            tables,
            min_cohort=min_cohort,
            smallest_cell=smallest_cell,
        )
        history: list[dict[str, float]] = []
        for _ in range(rounds):
            before = rehearsal.model
            ran = rehearsal.round()
            history.append({"round": ran.n, "rows": ran.rows, **ran.metrics})
            if self.is_finished(before, ran.model):
                break
        self._forget()
        self.history_ = history
        self.adopt(rehearsal.model, rehearsal.updates, References.of_table(tables[0]))
        if not self.is_finished(before, rehearsal.model):
            self._tell_unfinished(len(self.history_))
        return self

    def _forget(self) -> None:
        for name in OF_ONE_FIT:
            self.__dict__.pop(name, None)

    def _tell_unfinished(self, rounds: int) -> None:
        """Warns where it matters that the rounds were over before the fit was."""

    @property
    def outcomes(self) -> tuple[float, ...] | None:
        """The values that the outcome may have; None where any number will do."""
        return None

    def refuse_outcomes(self, values: Floats) -> None:
        """Raises LabError where ``values`` of the outcome are none that this model can be fitted to."""
        if self.outcomes is None:
            return
        others = values[~np.isin(values, self.outcomes)]
        if len(others):
            allowed = ", ".join(f"{each:g}" for each in self.outcomes)
            raise LabError(
                f"the outcome of {type(self).__name__} is one of {allowed}, and {self.outcome_name!r} has others, such "
                f"as {others[0]:g}: name another outcome, or take a model of numbers"
            )

    @property
    def other_columns(self) -> tuple[str, ...]:
        """What it reads beside features, outcome and indicators of missing values."""
        return ()

    def _refuse_lacking(self, known: Sequence[str]) -> None:
        """Raises LabError where rows lack a column."""
        if not self.outcome_name:
            raise LabError('name the column of the outcome: outcome="..."')
        named = (*map(column_of, self.features), *self.missing_indicators, self.outcome_name)
        lacking = [name for name in dict.fromkeys(named) if name not in known]
        if lacking:
            raise LabError(f"the rows have no column {', '.join(lacking)}; they have {', '.join(known)}")

    def _fit_rows(self, X: Any, y: Any, **choices: Any) -> Self:
        frame = self._frame(X)
        self.outcome_ = self.outcome or str(getattr(y, "name", None) or "outcome")
        if y is None:
            if self.outcome_ not in frame.columns:
                raise LabError(f"the rows have no outcome {self.outcome_!r}: give y, or the outcome among the columns")
            frame = frame[frame[self.outcome_].notna()]
            y = frame[self.outcome_] if is_words(frame[self.outcome_]) else None
        elif len(y) != len(frame):
            raise LabError(f"there are {len(frame)} rows and {len(y)} outcomes: give one for each row")
        if not len(frame):
            raise LabError("there is no row to fit to")
        if y is not None:
            frame = frame.assign(**{self.outcome_: self._labels(y)})
        named = self.features or [name for name in frame.columns if name != self.outcome_]
        question_words(frame, named, becomes_numbers=not self.takes_words)
        references = References.of_frame(frame)
        self._take_names(tuple(str(name) for name in frame.columns if name != self.outcome_))
        self._fit_tables([references.table(frame)], **choices)
        self.references_ = references
        return self

    def _labels(self, y: Any) -> Any:
        """The outcome as numbers; what a classifier's labels are is for it to say."""
        try:
            return np.asarray(y, np.float64)
        except (TypeError, ValueError) as error:
            raise LabError(f"the outcome of {type(self).__name__} is a number, and this one is not: {error}") from error

    def _take_names(self, found: tuple[str, ...]) -> None:
        self.feature_names_in_ = np.array(tuple(self.features) or found, dtype=object)
        self.n_features_in_ = len(self.feature_names_in_)

    def adopt(self, arrays: Arrays, updates: Sequence[Update], references: References) -> None:
        """Be fitted: with a model's arrays, what they were combined from, and what rows are read by."""
        self._take_names(self.columns)
        self.arrays_ = arrays
        self.references_ = references
        self.learned(updates)

    # --- predict ---

    def predict_values(self, X: Any) -> Floats:
        """Risks or values of rows in the dictionary's units, shape (n,) or (n, classes)."""
        return self.predictions(self.data_of(X).design, self._arrays)

    def data_of(self, X: Any) -> TrainingData:
        """Rows as the hospitals would standardise them; every row counts, with an outcome or without."""
        self._arrays  # noqa: B018  raises where there is none
        table = X if _is_table(X) else self.references_.table(self._frame(X), (*self.columns, *self.missing_indicators))
        references = self.arrays_.get(REFERENCES)
        given = None if references is None else np.asarray(references, np.float64)
        return design(_Everybody(table), self.columns, "", self.missing_indicators, 1, references=given)

    def _frame(self, X: Any) -> "pd.DataFrame":
        import pandas as pd

        if isinstance(X, pd.DataFrame):
            return X if all(isinstance(name, str) for name in X.columns) else X.rename(columns=str)
        if not (hasattr(X, "__array__") or isinstance(X, list | tuple)):
            raise LabError(
                f"rows are a DataFrame, an array or tables, and not {type(X).__name__}; rounds at the hospitals are "
                "fit(permit), with study.permit()"
            )
        array = np.asarray(X)
        if array.ndim != 2:
            raise LabError(f"rows are two-dimensional, and these have shape {array.shape}")
        names = list(dict.fromkeys(column_of(name) for name in self.columns))
        if names and array.shape[1] != len(names):
            raise LabError(f"there are {array.shape[1]} columns and {len(names)} features: {', '.join(names)}")
        return pd.DataFrame(array, columns=names or [f"x{k}" for k in range(array.shape[1])])

    # --- what comes of it ---

    def declared(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the arrays that a fitted model may have; what is released has no other."""
        shapes: dict[str, tuple[int, ...]] = {name: array.shape for name, array in self.initial().items()}
        return shapes | ({REFERENCES: (len(self.columns), 3)} if self.takes_references else {})

    def card(self) -> "ModelCard":
        """What it is, where it comes from and how well it does: ``to_markdown()``, ``to_dict()``, ``save(path)``."""
        from belmont.lab.model_card import card_of

        return card_of(self)

    def output_check(self) -> "OutputCheck":
        """Whether it may leave, by the permit's rule (`belmont.lab.output_check`)."""
        from belmont.lab.output_check import output_check

        return output_check(self)

    def export(self, path: Path | str) -> Path:
        """Writes the fitted model as .onnx or .skops, with its card inside (`belmont.lab.export`)."""
        from belmont.lab.export import exported

        return exported(self, path)

    def to_onnx(self, builder: "Graph") -> str:
        """Adds nodes that predict to an ONNX graph, and says which value is the prediction, of shape (n,).

        ``builder.design`` is the standardised rows, (n, columns), double. Raises LabError for a model without such a
        form.
        """
        raise LabError(f"{type(self).__name__} has no ONNX form: export('model.skops') is for most models")

    @property
    def fitted_arrays(self) -> Arrays:
        """The model. Raises NotFittedError where there is none."""
        return self._arrays

    @property
    def _arrays(self) -> Arrays:
        if not hasattr(self, "arrays_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit(permit) or fit(rows, y)")
        return self.arrays_

    def _get_fitted_attr_html(self, doc_link: str = "") -> tuple[()]:
        """scikit-learn's diagram would ask every property, and some raise where there is nothing to show."""
        return ()

    def __repr__(self) -> str:
        parts = [f"{self.outcome_name!r} on {len(self.columns)} features"]
        if self.secure or self.largest is not None or self.private is not None:
            parts.append("secure sums")
        if self.largest is not None:
            parts.append(f"numbers up to {self.largest:,g}")
        if self.private is not None:
            parts.append(f"noise for {self.rho_per_round:,} micro-rho a round")
        if self.holdout:
            parts.append(f"{self.holdout:.0%} of the patients kept apart")
        return f"{type(self).__name__}({', '.join(parts)})"


class _Everybody:
    """A table whose rows all count: what is predicted has no outcome yet."""

    def __init__(self, table: NodeTable) -> None:
        self._table = table
        self.rows = table.rows
        self.columns = (*table.columns, "")

    def observed(self, column: str) -> NDArray[np.bool_]:
        return np.ones(self.rows, bool) if column == "" else np.asarray(self._table.observed(column), bool)

    def values(self, column: str) -> Floats:
        return np.full(self.rows, np.nan) if column == "" else np.asarray(self._table.values(column), np.float64)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)


def _is_table(given: object) -> bool:
    return all(hasattr(given, name) for name in ("codes", "observed", "center", "levels"))
