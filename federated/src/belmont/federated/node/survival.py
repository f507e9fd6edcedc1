"""What a study of survival may call at a hospital: rows with a time and an event, and the rules for sums over them.

The rules of `belmont.federated.node.data` hold for the rows, and those below for what is asked for here: approved code
that sums by time on its own is not held to them. Rows are standardised by the dictionary alone, since
a fill for missing values that changes from round to round would show the rows of those who lack them. Sums by cells of
a public grid of times show more than sums over all rows, so these come on top:

1. Times are finite and not negative, and events are 0 or 1; anything else is an error for the hospital's log.
2. A grid's cells are (0, c1], (c1, c2], ... A time of 0 is in the first cell. Who is followed beyond the last cut point
   has no event in the grid, and leaves it in the last cell.
3. Sums by cell leave only where the approved configuration makes them secure sums: the coordinator and the researcher
   see totals over hospitals. Counts of one hospital would be a table of its patients by time.
4. In every cell (of every group) nobody, or at least ``smallest_cell`` patients, have an event, and nobody, or at least
   so many, leave without one. So where all other hospitals have nobody, or work together, what they see of this one
   rests on that many patients.
5. Where weighted sums of covariates leave by cell (`SurvivalData.hold_parts`), each value of a column of up to
   ``FEW_VALUES`` values is there nobody's, or at least ``smallest_cell`` patients': in as many rounds as there are
   values, sums over each value's patients follow by interpolation, and those of one patient are that patient's row.
6. No patient has more than half of a sum's weight (`SurvivalData.hold`; the (1, 50 %) dominance rule, Hundepool et al.,
   Statistical Disclosure Control, 2012, section 4.2.2). The researcher chooses the coefficients, and for Firth's
   score the inverse information; large ones, or one that only a few rows have a length under, would give one patient
   all the weight.

Where 4 to 6 fail, the node refuses the round with COHORT_TOO_SMALL; coarser cut points, a level less or `merge` help.
With noise (``smallest_cell`` is 1 then) and in rehearsals that allow single patients, 4 to 6 do not apply.

What is not hidden: totals over the hospitals, also where only one hospital has patients in a cell (at least
``smallest_cell`` then); groups that only a combination of columns picks out; the difference between two studies with
other cut points; and, under large coefficients, which of two hospitals has the patients of larger weight. Each round of
weighted sums by cell is ``cells * (features + 1)`` more numbers about the same rows: a permit's rounds bound them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flwr.app import Context
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.node.data import EVERYBODY, Offer, offer_of, training_data
from belmont.federated.node.design import LEVEL_MARK, code_of, column_of, usable
from belmont.federated.secagg.settings import SECURE_SUM_KEY

LARGEST_SHARE = 0.5
FEW_VALUES = 10
"""A column of up to so many values picks groups out of the rows (5)."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class SurvivalData:
    """Rows of one hospital. Arrays have one element, or row, for each patient."""

    design: Floats
    """Standardised features, shape (rows, p), without an intercept."""
    duration: Floats
    event: Flags
    cell: Integers
    """The grid's cell in which the patient leaves; 0 throughout without a grid. An event beyond the grid is none."""
    columns: tuple[str, ...]
    _offer: Offer

    def hold(self, weights: Floats, parts: Integers | None = None) -> None:
        """Rule 6, for sums over all rows or over each part. Raises FederatedError, and the node refuses the round."""
        _hold(self._offer, np.abs(weights), np.zeros(len(weights), np.int64) if parts is None else parts)

    def hold_parts(self, weights: Floats, parts: Integers) -> None:
        """Rules 5 and 6, for sums of covariates over each part, and over each value of a column within it."""
        if self._offer.smallest_cell == 1:
            return
        self.hold(weights, parts)
        for column in self.design.T:
            values, which = np.unique(column, return_inverse=True)
            if len(values) <= FEW_VALUES:
                within = parts * len(values) + which
                _refuse_small(self._offer, np.bincount(within))
                self.hold(weights, within)


@dataclass(frozen=True)
class Departures:
    """When the patients of one hospital leave the grid, for counts. One element for each patient of a group."""

    group: Integers
    cell: Integers
    event: Flags


def survival_data(
    context: Context,
    features: Sequence[str],
    duration: str,
    outcome: str,
    missing_indicators: Sequence[str] = (),
    *,
    cuts: Sequence[float] = (),
    keep: tuple[float, float] = EVERYBODY,
) -> SurvivalData:
    """The rows of this hospital with a time and an outcome; with ``cuts``, for sums by their cells (3, 4).

    Raises FederatedError for what breaks a rule, and as `training_data` does.
    """
    data = training_data(context, features, outcome, missing_indicators, keep=keep, required=(duration,))
    offer, times = offer_of(context), data.values[duration]
    event = checked_event(times, data.outcome)
    cell = np.zeros(len(times), np.int64)
    if len(cuts):
        _refuse_open(context)
        cell, event = cells_of(times, event, cuts)
        _refuse_small(offer, np.bincount(2 * cell + event))
    return SurvivalData(data.design[:, 1:], times, event, cell, data.columns[1:], offer)


def departures(
    context: Context,
    duration: str,
    outcome: str,
    cuts: Sequence[float],
    groups: Sequence[str] = (),
    *,
    merge: bool = False,
    keep: tuple[float, float] = EVERYBODY,
) -> Departures:
    """Who leaves in which cell, by group: levels ``column=level`` of one column, or everybody.

    With ``merge``, cells that rule 4 would refuse are merged at this hospital: patients are counted later than they
    left, at the end of the shortest run of cells that has enough of them (`merged`). Raises as `survival_data` does.
    """
    _refuse_open(context)
    offer = offer_of(context)
    by = sorted({column_of(name) for name in groups})
    if len(by) > 1 or any(LEVEL_MARK not in name for name in groups) or len(set(groups)) != len(groups):
        raise FederatedError("groups are different levels, column=level, of one column")
    data = training_data(context, (), outcome, keep=keep, required=(duration, *by))
    event = checked_event(data.values[duration], data.outcome)
    cell, event = cells_of(data.values[duration], event, cuts)
    group = np.zeros(len(cell), np.int64)
    if by:
        rows = usable(offer.table, outcome, (duration, *by), offer.rows(keep))
        codes = np.asarray(offer.table.codes(by[0]))[rows]
        group[:] = -1
        for k, name in enumerate(groups):
            group[codes == code_of(offer.table, by[0], name.partition(LEVEL_MARK)[2])] = k
        cell, event, group = cell[group >= 0], event[group >= 0], group[group >= 0]
    shape = max(1, len(groups)), len(cuts), 2
    counts = np.bincount((group * len(cuts) + cell) * 2 + event, minlength=int(np.prod(shape))).reshape(shape)
    if merge and offer.smallest_cell > 1:  # with noise, what a row adds depends on that row alone
        for k, kind in np.ndindex(shape[0], 2):
            ends = merged(counts[k, :, kind], offer.smallest_cell)
            mine = (group == k) & (event == bool(kind))
            cell[mine] = ends[cell[mine]]
            counts[k, :, kind] = np.bincount(cell[mine], minlength=len(cuts))
    _refuse_small(offer, counts)
    return Departures(group, cell, event)


def cells_of(times: Floats, event: Flags, cuts: Sequence[float]) -> tuple[Integers, Flags]:
    """Rule 2: each row's cell, and whether it has an event in the grid. Raises FederatedError for no grid."""
    ends = np.asarray(cuts, np.float64)
    if ends.ndim != 1 or not len(ends) or not np.isfinite(ends).all() or ends[0] <= 0 or (np.diff(ends) <= 0).any():
        raise FederatedError("cut points are finite numbers above 0, each larger than the one before")
    cell = np.searchsorted(ends, times, side="left")
    return np.minimum(cell, len(ends) - 1), event & (cell < len(ends))


def merged(counts: Integers, smallest: int) -> Integers:
    """For each cell the last cell of its run. Runs go from early to late and are as short as they can be with at least
    ``smallest``; who is left at the end belongs to the last run."""
    ends = np.empty(len(counts), np.int64)
    first, held, starts = 0, 0, []
    for k, count in enumerate(counts):
        held += int(count)
        if held >= smallest:
            starts.append(first)
            ends[first : k + 1] = k
            first, held = k + 1, 0
    ends[first:] = np.arange(first, len(counts))
    if held:
        ends[starts[-1] if starts else first :] = len(counts) - 1
    return ends


def checked_event(times: Floats, outcome: Floats) -> Flags:
    """Who had the event, (rows,) like the arguments. Raises FederatedError for what breaks rule 1."""
    if not np.isfinite(times).all() or (times < 0).any():
        raise FederatedError("a time is negative: the duration column holds times from each patient's start")  # 1
    if not np.isin(outcome, (0.0, 1.0)).all():
        raise FederatedError("an outcome is neither 0 nor 1: the column has to say whether the event was seen")
    return np.asarray(outcome == 1.0)


def _refuse_open(context: Context) -> None:
    if SECURE_SUM_KEY not in context.run_config:
        raise FederatedError("sums by cells of time leave a hospital only as a secure sum")  # 3


def _refuse_small(offer: Offer, counts: Integers) -> None:
    if ((counts > 0) & (counts < offer.smallest_cell)).any():  # 4, 5
        _refuse(offer)


def _hold(offer: Offer, weights: Floats, parts: Integers) -> None:
    if offer.smallest_cell == 1 or not len(weights):
        return
    largest, total = np.zeros(int(parts.max()) + 1), np.bincount(parts, weights)
    np.maximum.at(largest, parts, weights)
    if not (largest <= LARGEST_SHARE * total).all():  # 6; not true of NaN
        _refuse(offer)


def _refuse(offer: Offer) -> None:
    offer.too_small = True
    raise FederatedError("too few patients in a cell of time: take coarser cut points")
