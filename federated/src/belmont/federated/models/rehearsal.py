"""A study's rounds on tables that are here: the same code, read as strictly, summed in the same form, and no permit.

    rehearsal = Rehearsal(bundle, config, model, combine, tables)
    rehearsal.round().metrics["loss"]

1. The bundle is loaded and run by what a node runs it with (`belmont.federated.executor.compute`), on each table.
2. Where the configuration asks for a secure sum, answers are encoded, added and decoded as nodes and a researcher would
   do it, without masks: what a node would refuse to encode, or is above the bound, is refused here. Noise is drawn as a
   hospital would.
3. Who is kept apart for evaluation is drawn as a hospital would, from a secret that lasts as long as this object. In
   training the code gets the rows of the others alone, and what it answers to an evaluation is looked at as there.

One table is a fit to what is here; one table of all rows is what pooling would give; a synthetic twin's tables show
that code works before anybody is asked (docs/twin.md). It runs the code in this very process, unless a runner is given.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from belmont.federated.accounting.release import plan_release
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import FederatedError
from belmont.federated.evaluation.layout import (
    evaluation_cuts_of,
    holdout_of,
    most_evaluations,
    refuse_other_rows,
    refuse_small_sums,
    reports_hospitals,
)
from belmont.federated.executor.in_process import InProcessRunner
from belmont.federated.executor.protocol import Answer, AppRunner, Kind, Stopped, Task, TooSmall
from belmont.federated.gate.gate import TOO_FEW_REMEDY, TOO_FEW_ROWS
from belmont.federated.hashes import Arrays, RunConfig, code_hash, config_hash
from belmont.federated.models.combine import ROWS_METRIC, Combine, Update, weighted_metrics
from belmont.federated.node.data import fractions_of, given
from belmont.federated.node.noise import Noisy, read_noise
from belmont.federated.secagg.settings import SecureSum, read_secure_sum
from belmont.federated.table import NodeTable, Selection


@dataclass(frozen=True)
class RehearsedRound:
    """One round: metrics are means over all rows of all tables; with noise there are none."""

    n: int
    rows: int
    metrics: dict[str, float]
    model: Arrays
    """After the round."""


class Rehearsal:
    """The rounds of one study here. ``model`` is the current model, ``updates`` what the newest was combined from."""

    def __init__(
        self,
        bundle: bytes,
        config: RunConfig,
        model: Arrays,
        combine: Combine,
        tables: Sequence[NodeTable],
        *,
        min_cohort: int = 1,
        smallest_cell: int = 1,
        runner: AppRunner | None = None,
    ) -> None:
        """``min_cohort`` and ``smallest_cell`` are a permit's and a node's safeguards; by default nothing is too small.

        Raises FederatedError for a configuration that no node would understand.
        """
        self.model = model
        self.updates: tuple[Update, ...] = ()
        self.n = 0
        self._bundle, self._config, self._combine, self._tables = bundle, dict(config), combine, list(tables)
        self._min_cohort, self._smallest_cell = min_cohort, smallest_cell
        config_hash(self._config)
        read_noise(self._config, read_secure_sum(self._config))
        self._holdout, self._bounds = holdout_of(self._config), read_bounds(self._config)
        reports_hospitals(self._config)
        evaluation_cuts_of(self._config)
        most_evaluations(self._config, noisy=False)  # as a node reads it; here nothing is counted
        secret = secrets.token_bytes(32)
        self._fractions = [_fractions(table, secret, k) for k, table in enumerate(self._tables)]
        self._trained_on = [Selection() for _ in self._tables]
        self._runners: list[AppRunner] = [InProcessRunner() if runner is None else runner for _ in tables]

    def round(self) -> RehearsedRound:
        """Run the next round. Raises FederatedError that says what a node would not do, and at which table."""
        updates, rows = self._asked("train")
        self.updates = tuple(updates)
        self.model = self._combine(self.model, updates)
        metrics = {} if rows is not None else weighted_metrics(updates)
        counted = rows if rows is not None else int(metrics.pop(ROWS_METRIC))
        return RehearsedRound(self.n, counted, metrics, self.model)

    def evaluate(self) -> tuple[Update, ...]:
        """What the tables answer when the current model is evaluated."""
        updates, _ = self._asked("evaluate")
        return tuple(updates)

    def _asked(self, kind: Kind) -> tuple[list[Update], int | None]:
        """The updates to combine, and the rows where the answers do not say them."""
        self.n += 1
        secure = read_secure_sum(self._config, kind)
        noise = read_noise(self._config, secure)
        is_noisy = noise is not None
        answers = [self._answer(k, kind, noisy=is_noisy) for k in range(len(self._tables))]
        if secure is None:
            return [Update(answer.arrays, answer.metrics) for answer, _ in answers], None
        rows = sum(table.rows for table in self._tables) if is_noisy else None
        total = sum(
            (self._vector(secure, answer, given_rows) for answer, given_rows in answers),
            np.zeros(secure.layout.size, np.int64),
        )
        arrays, metrics = secure.decode(total)
        return [Update(arrays, metrics if rows is None else {ROWS_METRIC: float(rows)})], rows

    def _vector(self, secure: SecureSum, answer: Answer, rows: int) -> NDArray[np.int64]:
        """What one table's answer, from so many rows, adds to the sum (2)."""
        noise, bounds = read_noise(self._config, secure), self._bounds
        if noise is not None:
            vector = Noisy(plan_release(noise, secure.layout.size), secure, rows).vector(answer.arrays)
            return vector if bounds is None else bounds.nearest(vector)
        vector = secure.encode(answer.arrays, answer.metrics, len(self._tables))
        if bounds is not None and not np.array_equal(bounds.nearest(vector), vector):
            raise FederatedError("the update is larger than the approved bound")
        return vector

    def _answer(self, k: int, kind: Kind, *, noisy: bool) -> tuple[Answer, int]:
        """What the code answers, and of how many rows it is (3)."""
        own, smallest_cell = self._tables[k], 1 if noisy else self._smallest_cell
        table, fractions = given(kind, self._holdout, own, self._fractions[k], self._trained_on[k])
        task = Task(
            bundle=self._bundle,
            code_hash=code_hash(self._bundle),
            config=self._config,
            arrays=self.model,
            permit_id=0,
            n=self.n,
            node_id=k + 1,
            table=table,
            min_cohort=self._min_cohort,
            smallest_cell=smallest_cell,
            noisy=noisy,
            fractions=fractions,
            kind=kind,
            position=k,
        )
        outcome = self._runners[k].run(task)
        if isinstance(outcome, Answer):
            if kind == "evaluate":
                refuse_other_rows(self._config, outcome.arrays, k)
                refuse_small_sums(self._config, outcome.arrays, self._min_cohort, smallest_cell)
            return outcome, table.rows
        where = f"table {k + 1} of {len(self._tables)}, {table.rows} rows"
        if isinstance(outcome, TooSmall):
            raise FederatedError(f"{where}: {TOO_FEW_ROWS.format(self._min_cohort)}. {TOO_FEW_REMEDY}")
        if isinstance(outcome, Stopped):
            raise FederatedError(f"{where}: the study's code was stopped: {outcome.limit}")
        if isinstance(outcome.error, FederatedError):
            raise FederatedError(f"{where}: {outcome.error}") from outcome.error
        what = f"{type(outcome.error).__name__}: {outcome.error}" if outcome.error else outcome.place
        raise FederatedError(f"{where}: the study's code failed: {what}") from outcome.error


def _fractions(table: NodeTable, secret: bytes, k: int) -> NDArray[np.float64]:
    """A table without pseudonyms is split by the place of its rows."""
    try:
        pseudonyms = table.pseudonyms
    except FederatedError:
        pseudonyms = np.arange(1, table.rows + 1, dtype=np.uint64)
    return fractions_of(pseudonyms, secret + k.to_bytes(4))
