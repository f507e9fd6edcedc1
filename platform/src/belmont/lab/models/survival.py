"""Survival: what Cox's model and Kaplan-Meier curves have in common, fitted under a permit or to rows here.

    model = CoxRegression(features=("age", "ldl"), duration="days", outcome="cvd_event")
    model.fit(permit).summary_

    curves = KaplanMeier(duration="days", outcome="cvd_event", cuts=(90, 180, 365, 730), by=("sex=female", "sex=male"))
    curves.fit(permit).plot()

``outcome`` is 1 where the event was seen, ``duration`` the time until then, or until the patient was last seen
(docs/survival.md). The two are `lab.models.cox` and `lab.models.kaplan_meier`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import RoundRefused
from belmont.federated.node.design import column_of
from belmont.lab.errors import LabError
from belmont.lab.models.base import StudyModel
from belmont.lab.models.references import References
from belmont.registry.reasons import Reason

if TYPE_CHECKING:
    from belmont.lab.permit import Permit

Floats = NDArray[np.float64]
COARSER = (
    "too few patients at a hospital, of one outcome, of a value of a column, or in a cell of the grid of times: take "
    "coarser cut points (cuts), leave out rare levels, or let each hospital have its own baseline, which needs no grid"
)


@dataclass(eq=False, repr=False)
class SurvivalModel(StudyModel):
    """What both have in common: a duration, and a public grid of times."""

    duration: str = ""
    cuts: Sequence[float] = ()
    """Ends of the cells of time, ascending: (0, c1], (c1, c2], ... Who is followed longer is withdrawn at the last.
    Where rows are here and none are given, all times that occur."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.duration:
            raise LabError("name the column of times: duration=")
        if self.duration in (self.outcome, *map(column_of, self.features)):
            raise LabError(
                f"the times {self.duration!r} are also the outcome or a feature: they would be told from itself"
            )

    @property
    def grid(self) -> tuple[float, ...]:
        """The cut points. Raises LabError where there are none."""
        found = tuple(float(cut) for cut in self.cuts) or tuple(getattr(self, "cuts_", ()))
        if not found:
            raise LabError("give cuts: under a permit the grid of times is public, and in the application")
        return found

    @property
    def outcomes(self) -> tuple[float, ...]:
        return (0.0, 1.0)

    @property
    def other_columns(self) -> tuple[str, ...]:
        return (self.duration,)

    def _take_names(self, found: tuple[str, ...]) -> None:
        super()._take_names(tuple(name for name in found if name != self.duration))

    def _fit_rows(self, X: Any, y: Any, **choices: Any) -> Any:
        frame = self._frame(X)
        if self.duration not in frame.columns:
            raise LabError(f"the rows have no column of times {self.duration!r}; duration= names it")
        try:
            times = np.asarray(frame[self.duration], np.float64)
        except (TypeError, ValueError) as error:
            raise LabError(f"{self.duration!r} is no column of times: {error}") from error
        if np.nanmin(times, initial=0.0) < 0:
            raise LabError(f"{int((times < 0).sum())} times in {self.duration!r} are negative: they start at 0")
        if y is None and self.outcome not in frame.columns:
            raise LabError(f"the rows have no outcome {self.outcome!r}: give y, or the outcome among the columns")
        event = np.asarray(self._labels(frame[self.outcome] if y is None else y), np.float64)
        if not np.isin(event[np.isfinite(event)], (0.0, 1.0)).all():
            raise LabError("the outcome is 1 where the event was seen and 0 where not, and it has other values")
        self.cuts_ = tuple(np.unique(times[np.isfinite(times) & (times > 0)]).tolist())
        return super()._fit_rows(frame, y, **choices)

    def _fit_permit(self, permit: "Permit", rounds: int | None = None, **choices: Any) -> Any:
        columns = References.of_dictionary(permit.consortium.dictionary)
        if self.duration not in columns:
            raise LabError(f"the dictionary has no column {self.duration!r}: duration= names the column of times")
        if columns[self.duration].values.min() < 0:
            raise LabError(f"{self.duration!r} can be negative by the dictionary: times start at 0")
        try:
            return super()._fit_permit(permit, rounds, **choices)
        except RoundRefused as refused:
            if any(each.reason is Reason.COHORT_TOO_SMALL for each in refused.hospitals):
                refused.add_note(COARSER)
            raise
