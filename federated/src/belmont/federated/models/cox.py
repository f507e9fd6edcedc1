"""Cox's model by federated Newton steps: what is configured and summed, and the researcher's step.

1. With a baseline for each hospital (the default) hospitals answer loss, gradient and information of their own partial
   likelihood. Sums over hospitals are those of the pooled rows with hospital as the stratum, so the fit is that one.
2. With a common baseline times are cells of a public grid, and the hospitals answer sums by cell (`apps/cox`), of which
   the partial likelihood of the pooled, grouped rows is made here. Second moments come added up with the hazard of the
   round before: its scale is corrected by the hazard of this one, and once coefficients stand still it is exact. The
   first round gets the hazard and takes no step.
3. A step is the Newton step on loss + ridge / 2 * N * |b|^2, N rows, b per reference standard deviation (lifelines'
   ``penalizer`` where the references are the rows' own mean and deviation), cut so that no coefficient moves by more
   than ``LARGEST_STEP``. Where it made the loss worse, half of it is tried.
4. With Firth's penalty, hospitals of 1 also answer its score under the inverse information that the model has. Where
   that is of other coefficients, the next round asks at the same ones with their own: two rounds make a step.
5. No events, constant or collinear columns are refused in the first step. A likelihood that grows without end
   (monotone: Bryson and Johnson, Technometrics 23:381, 1981) is noticed by information that vanishes in a direction,
   below ``VANISHED`` of what it was at 0, and refused with the columns' names: a ridge or Firth's penalty helps.

Everything that the next step needs is in the model's arrays, so fitting goes on where it stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.federated.hashes import Arrays
from belmont.federated.models.combine import Combine, Update
from belmont.federated.models.survival_curves import refuse_no_grid
from belmont.federated.secagg.encoding import FRACTION_BITS
from belmont.federated.secagg.settings import SecureSum

COEFFICIENTS = "coefficients"
AT = "at"
"""Where loss and information in the model are from: the coefficients are one step further."""
INFORMATION = "information"
BASELINE = "baseline"
"""Of a common baseline, by cell: events, and the weight of those at risk."""
PROGRESS = "progress"
"""Penalised loss and loss at ``at``, loss at 0, events, rows, and how many steps were taken."""
LARGEST_STEP = 1.0
SETTLED = 1e-8
"""A step of so little of a coefficient's standard error changes nothing; rounding of the sums is below."""
VANISHED = 1e-3
_NO_VARIATION = 1e-9

Floats: TypeAlias = NDArray[np.float64]
Ties = Literal["efron", "breslow"]


@dataclass(frozen=True)
class CoxModel:
    """What a study fits. ``columns`` are the design's without an intercept; ``cuts`` make the baseline common.

    Raises FederatedError for settings that do not go together.
    """

    columns: tuple[str, ...]
    duration: str
    ties: Ties = "efron"
    cuts: tuple[float, ...] = ()
    ridge: float = 0.0
    firth: bool = False

    def __post_init__(self) -> None:
        if not self.columns:
            raise FederatedError("Cox's model needs at least one feature")
        if self.ties not in ("efron", "breslow"):
            raise FederatedError('ties are treated by "efron" or by "breslow"')
        if not (isinstance(self.ridge, int | float) and np.isfinite(self.ridge) and self.ridge >= 0):
            raise FederatedError("ridge is a number from 0")
        if self.cuts:
            refuse_no_grid(self.cuts)
        if self.firth and self.cuts:
            raise FederatedError("Firth's penalty is for a baseline of each hospital: with a common one, use ridge")
        if self.firth and self.ridge:
            raise FederatedError("Firth's penalty or a ridge, not both")

    def settings(self) -> dict[str, str | int | float | bool]:
        """The app's own keys of the run configuration."""
        cuts, penalty = ",".join(repr(float(cut)) for cut in self.cuts), "firth" if self.firth else ""
        return {"duration": self.duration, "ties": self.ties, "cuts": cuts, "penalty": penalty}

    def sums(self, fraction_bits: int = FRACTION_BITS) -> SecureSum:
        """What a round's sum is made of."""
        p, cells = len(self.columns), len(self.cuts)
        if not cells:
            firth = (("firth", (p,)),) if self.firth else ()
            arrays = ("gradient", (p,)), ("information", (p, p)), ("events", (1,)), *firth
            return SecureSum(arrays, ("loss",), False, fraction_bits)
        kinds = 2 if self.ties == "efron" else 1
        by_cell = ("weights", (cells, kinds)), ("moments", (cells, kinds, p))
        arrays = ("events", (cells,)), ("score", (p,)), *by_cell, ("spread", (p, p))
        return SecureSum(arrays, (), False, fraction_bits)

    def initial(self) -> Arrays:
        """Zero coefficients, and nothing known yet."""
        p, cells = len(self.columns), len(self.cuts)
        model: Arrays = {name: np.zeros(p) for name in (COEFFICIENTS, AT)}
        model |= {INFORMATION: np.zeros((p, p)), "null": np.zeros((p, p)), PROGRESS: np.zeros(6)}
        if cells:
            model |= {"hazard": np.zeros((2, cells)), BASELINE: np.zeros((cells, 2))}
        return model | ({"inverse": np.zeros((p, p))} if self.firth else {})

    def combine(self) -> Combine:
        """The rule from the model and the hospitals' sums to the next model. It raises FederatedError (5)."""

        def step(model: Arrays, updates: Sequence[Update]) -> Arrays:
            totals = self._totals(updates)
            rows = sum(update.rows for update in updates)
            point = self._pooled(model, totals) if self.cuts else self._summed(totals, updates)
            return self._next(model, point, rows)

        return step

    def is_settled(self, before: Arrays, after: Arrays) -> bool:
        """Whether another step would change nothing that is shown."""
        if after[PROGRESS][5] == 0:
            return False
        error = np.sqrt(np.diag(self.covariance(after)))
        moved = np.abs(after[COEFFICIENTS] - after[AT]) / error
        lag = np.abs(after[AT] - before[AT]) / error if self.cuts else np.zeros(1)
        return bool(moved.max() <= SETTLED and lag.max() <= 100 * SETTLED)

    def covariance(self, model: Arrays) -> Floats:
        """Of the coefficients, per reference standard deviation: the inverse of the (penalised) information."""
        rows = float(model[PROGRESS][4])
        return np.asarray(np.linalg.inv(model[INFORMATION] + self.ridge * rows * np.eye(len(self.columns))), np.float64)

    def _totals(self, updates: Sequence[Update]) -> dict[str, Floats]:
        totals: dict[str, Floats] = {}
        for name, shape in self.sums().arrays:
            found = [update.arrays.get(name, np.zeros(0)) for update in updates]
            if any(array.shape != shape for array in found):
                raise FederatedError(f"an update has no {name!r} of the model's size")
            totals[name] = np.asarray(np.sum(found, axis=0), np.float64)
        return totals

    def _summed(self, totals: dict[str, Floats], updates: Sequence[Update]) -> "_Point":
        """1 and 4."""
        loss = sum(update.metrics.get("loss", 0.0) * update.rows for update in updates)
        score = totals["gradient"] - totals["firth"] if self.firth else totals["gradient"]
        return _Point(loss, score, totals["information"], float(totals["events"][0]))

    def _pooled(self, model: Arrays, totals: dict[str, Floats]) -> "_Point":
        """2: the partial likelihood of the pooled rows, as `apps/cox` has it for one hospital's."""
        events = np.rint(totals["events"]).astype(np.int64)
        weights, moments = totals["weights"], totals["moments"]
        there = _later(weights.sum(axis=1)), _later(moments.sum(axis=1))
        is_efron = weights.shape[1] == 2
        ending = (weights[:, 1], moments[:, 1]) if is_efron else (0.0 * there[0], 0.0 * there[1])
        k = np.repeat(np.arange(len(events)), events)
        f = (np.arange(len(k)) - np.repeat(np.cumsum(events) - events, events)) / events[k]
        d = there[0][k] - f * ending[0][k]
        if (d <= 0).any():
            raise FederatedError("a cell has events and no weight at risk: the hospitals' sums do not fit each other")
        m = (there[1][k] - f[:, None] * ending[1][k]) / d[:, None]
        hazard = np.array([np.bincount(k, 1.0 / d, len(events)), np.bincount(k, f / d, len(events))], np.float64)
        sent = np.asarray(model["hazard"], np.float64)
        under = float(sent[0] @ there[0] - sent[1] @ ending[0])
        scale = len(k) / under if under > 0 else 0.0
        information = totals["spread"] * scale - m.T @ m
        loss = float(np.log(d).sum() - totals["score"] @ model[COEFFICIENTS])
        state: Arrays = {"hazard": hazard, BASELINE: np.column_stack([events.astype(np.float64), there[0]])}
        is_lagging = not _is_same(sent, hazard)
        gradient = m.sum(axis=0) - totals["score"]
        return _Point(loss, gradient, information, float(len(k)), state, scale > 0, is_lagging)

    def _next(self, model: Arrays, point: "_Point", rows: float) -> Arrays:
        """3 and 5."""
        b, at = np.asarray(model[COEFFICIENTS], np.float64), np.asarray(model[AT], np.float64)
        progress = np.array(model[PROGRESS], np.float64)
        size, is_first = len(b), progress[5] == 0
        if point.events < 0.5:
            raise FederatedError("no hospital has a patient with an event: there is nothing to fit")
        if not point.has_information:
            return model | point.state
        if is_first:
            self._refuse_flat(point)
        penalty = self.ridge * rows
        objective = point.loss + 0.5 * penalty * float(b @ b)
        information = point.information + penalty * np.eye(size)
        eigenvalues = np.linalg.eigvalsh(information)
        is_definite = bool(eigenvalues[0] > 1e-12 * max(1.0, eigenvalues[-1]))
        if self.firth and is_definite:
            objective -= 0.5 * float(np.linalg.slogdet(information)[1])
        worse = not is_first and objective > progress[0] + 1e-9 * (1.0 + abs(progress[0]))
        if worse and float(np.abs(b - at).max()) > SETTLED:
            return model | {COEFFICIENTS: 0.5 * (b + at)}
        null = point.information if is_first else np.asarray(model["null"], np.float64)
        vanished = () if self.ridge or self.firth else self._vanished(point.information, null)
        if point.is_lagging and (vanished or not is_definite):
            return model | point.state  # the hazard was of other coefficients: ask here once more
        if vanished:
            remedy = "a ridge" if self.cuts else "a ridge or Firth's penalty"
            raise FederatedError(
                f"the likelihood grows without end along {_listed(vanished)} (separation: events order the patients "
                f"perfectly there, and no estimate exists): leave it out, or use {remedy}"
            )
        if not is_definite:
            raise FederatedError("the information is singular: leave out columns, or use a ridge")
        if self.firth and not _is_same(model["inverse"], inverse := np.linalg.inv(information)):
            return model | {"inverse": inverse}  # 4
        move = np.linalg.solve(information, point.gradient + penalty * b)
        largest = float(np.abs(move).max())
        null_loss = point.loss if is_first else progress[2]
        after: Arrays = {
            COEFFICIENTS: b - move * min(1.0, LARGEST_STEP / largest) if largest > 0 else b,
            AT: b,
            INFORMATION: point.information,
            "null": null,
            PROGRESS: np.array([objective, point.loss, null_loss, point.events, rows, progress[5] + 1]),
        }
        return model | after | point.state

    def _refuse_flat(self, point: "_Point") -> None:
        variation = np.diag(point.information) / point.events
        constant = [name for name, each in zip(self.columns, variation, strict=True) if each < _NO_VARIATION]
        if constant:
            where = (
                "among those at risk at any event" if self.cuts else "among those at risk at any event of a hospital"
            )
            raise FederatedError(f"{_listed(constant)} varies nowhere {where}: leave it out")
        size = np.sqrt(np.diag(point.information))
        values, vectors = np.linalg.eigh(point.information / np.outer(size, size))
        if values[0] < 1e-8:
            names = [name for name, each in zip(self.columns, vectors[:, 0], strict=True) if abs(each) > 0.1]
            raise FederatedError(f"{_listed(names)} say the same of every patient (collinear): leave one out")

    def _vanished(self, information: Floats, null: Floats) -> tuple[str, ...]:
        """The columns along which information has vanished, none where it has not."""
        root = np.linalg.inv(np.linalg.cholesky(null))
        values, vectors = np.linalg.eigh(root @ information @ root.T)
        if values[0] >= VANISHED:
            return ()
        along = np.abs(root.T @ vectors[:, 0]) * np.sqrt(np.diag(null))
        return tuple(name for name, each in zip(self.columns, along, strict=True) if each > 0.3 * along.max())


@dataclass(frozen=True)
class _Point:
    """The pooled likelihood at the coefficients that were sent."""

    loss: float
    gradient: Floats
    information: Floats
    events: float
    state: Arrays = field(default_factory=dict)
    has_information: bool = True
    is_lagging: bool = False
    """Whether second moments were weighted with the hazard of other coefficients (2)."""


def baseline_hazard(model: Arrays) -> Floats:
    """Of a common baseline, the cumulative hazard at each cut point (Breslow, J R Stat Soc B 34:216, 1972), at the
    reference values of all features."""
    events, weight = model[BASELINE].T
    return np.asarray(np.cumsum(np.divide(events, weight, out=np.zeros_like(events), where=weight > 0)), np.float64)


def _is_same(sent: NDArray[Any], here: NDArray[Any]) -> bool:
    return bool(np.allclose(sent, here, rtol=1e-8, atol=1e-12 * float(np.abs(here).max(initial=0.0))))


def _later(sums: Floats) -> Floats:
    return np.asarray(np.cumsum(sums[::-1], axis=0)[::-1], np.float64)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
