"""A training run in a notebook: a card that grows with every round, then curves, coefficients and numbers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from belmont.federated.bounded.record import RoundRecord
from belmont.federated.models.combine import Update
from belmont.federated.models.training import RoundResult
from belmont.federated.node.design import REFERENCES
from belmont.lab import cards, plots, protection
from belmont.lab.errors import NotYet
from belmont.lab.metrics import roc_curve
from belmont.lab.models import StudyModel
from belmont.lab.progress import progress_bar
from belmont.lab.yardstick import Yardstick

if TYPE_CHECKING:
    import pandas as pd


class TrainingResult:
    """The rounds of one call to ``permit.train``, and the model they led to."""

    def __init__(self, model: StudyModel, rounds: list[RoundResult], yardstick: Yardstick | None) -> None:
        self.model = model
        self.rounds = rounds
        self.updates: Sequence[Update] = ()
        """What the newest round was combined from: one, the sums over the hospitals, where they are secure."""
        self._yardstick = yardstick if model.evaluates == "risk" else None  # AUC is of a risk

    @property
    def coefficients(self) -> "pd.Series[float]":
        """Log odds ratios per reference standard deviation of the dictionary; the first is the intercept."""
        import pandas as pd

        return pd.Series(self.model.coefficients(self._last.model), name="federated")

    @cached_property
    def history(self) -> "pd.DataFrame":
        """One row a round: rows over all hospitals, mean loss before the round, time, and AUC where it is known.

        With noise there is no loss, but what the round cost, and epsilon of all rounds up to it.
        """
        import pandas as pd

        records = []
        for result in self.rounds:
            row = {"round": result.n, "rows": result.rows, **result.metrics, "milliseconds": result.milliseconds}
            if result.privacy:
                row |= {"micro-rho": result.privacy.rho, "epsilon": result.privacy.epsilon}
            if self._yardstick:
                row["auc"] = self._yardstick.auc(self.model, result.model)
            records.append(row)
        return pd.DataFrame(records or {"round": [], "rows": []}).set_index("round")

    def record(self, n: int) -> RoundRecord:
        """Round ``n`` as anybody can check it, with ``belmont verify-round``; ``to_bytes()`` is its file.

        Raises ``NotYet`` for a round that is not among these, or whose sum is not secure.
        """
        found = next((each for each in self.rounds if each.n == n), None)
        if found is None:
            ran = ", ".join(str(each.n) for each in self.rounds) or "none"
            raise NotYet(f"there is no record of a round {n}: the rounds here are {ran}")
        if found.record is None:
            raise NotYet(
                f"there is no record of round {n}: only secure sums have one (secure=True, largest=, or noise)"
            )
        return found.record

    @property
    def auc(self) -> float:
        """AUC on fresh synthetic patients. Raises ``NotYet`` where there are none."""
        return self._known.auc(self.model, self._last.model)

    @property
    def auc_pooled(self) -> float:
        """AUC of the same model fitted to all rows in one place."""
        return self._known.auc(self.model, self._known.pooled(self.model, self._last.model))

    @property
    def auc_true_risk(self) -> float:
        """AUC of the patients' true risks."""
        return self._known.auc_true_risk(self.model)

    def compare(self) -> "pd.DataFrame":
        """Coefficients: federated, pooled, and of the nearest model to the truth."""
        frame = self.coefficients.to_frame()
        pooled = self._known.pooled(self.model, self._last.model)
        frame["pooled"] = list(self.model.coefficients(pooled).values())
        prepared = REFERENCES in self._last.model  # the truth is per reference deviation of the dictionary
        truth = {} if prepared else self._known.truth(self.model)
        frame["truth"] = [truth.get(name) for name in frame.index]
        return frame

    def plot_learning(self) -> plots.Picture:
        """AUC after each round beside pooled data and the truth."""
        references = {"pooled rows": self.auc_pooled, "true risk": self.auc_true_risk}
        return plots.learning_curve(self.history.index.tolist(), self.history["auc"].tolist(), references)

    def plot_coefficients(self) -> plots.Picture:
        """Coefficients beside those of pooled data and of the truth, without the intercept."""
        frame = self.compare().drop(index="intercept")
        return plots.coefficients(frame.index.tolist(), {name: frame[name].tolist() for name in frame})

    def plot_roc(self) -> plots.Picture:
        """ROC curves of the federated model and of the true risk."""
        outcome = self._known.fresh_outcome(self.model)
        scores = {
            "federated": (self._known.fresh_risk(self.model, self._last.model), self.auc),
            "true risk": (self._known.fresh_true_risk(), self.auc_true_risk),
        }
        return plots.roc({name: (*roc_curve(risk, outcome), area) for name, (risk, area) in scores.items()})

    @property
    def _known(self) -> Yardstick:
        if self._yardstick is None:
            raise NotYet(
                "there is nothing to compare with: these records are real, or the model's predictions are no risks"
            )
        return self._yardstick

    @property
    def _last(self) -> RoundResult:
        if not self.rounds:
            raise NotYet("no round has run: train at least one")
        return self.rounds[-1]

    def __repr__(self) -> str:
        privacy = self.rounds[-1].privacy if self.rounds else None
        spent = f", epsilon {privacy.epsilon:.3g}" if privacy else ""
        count = f"{len(self.rounds)} round{'' if len(self.rounds) == 1 else 's'}"
        return f"TrainingResult({count} of {type(self.model).__name__}{spent})"

    def _repr_html_(self) -> str:
        rows = [round_row(result) for result in self.rounds]
        count = f"{len(self.rounds)} round{'' if len(self.rounds) == 1 else 's'}"
        updates = cards.facts({"updates": protection.sentence(self.model.config)})
        return cards.card(f"Training: {count}", updates, cards.table(ROUND_COLUMNS, rows))

    @property
    def epsilon(self) -> float | None:
        """Of all rounds so far, for the dataset that has spent most; None where a round had no noise."""
        privacy = self._last.privacy
        return None if privacy is None else privacy.epsilon


ROUND_COLUMNS = ("round", "hospitals", "rows", "loss before the round", "epsilon so far", "model", "ms")


def round_row(result: RoundResult) -> list[object]:
    """One round as a table row."""
    answered = sum(hospital.answered for hospital in result.hospitals)
    loss = f"{result.metrics['loss']:.4f}" if "loss" in result.metrics else ""
    epsilon = f"{result.privacy.epsilon:.3g}" if result.privacy else "none: exact"
    model, milliseconds = cards.short(result.model_hash), f"{result.milliseconds:.0f}"
    return [result.n, answered, f"{result.rows:,}", loss, epsilon, model, milliseconds]


@contextmanager
def watched(
    rounds: Iterator[RoundResult], total: int, earlier: Sequence[RoundResult] = ()
) -> Iterator[Iterator[RoundResult]]:
    """The same rounds, with progress that grows by each: the curve of the loss and the newest rounds."""
    seen = list(earlier)
    with progress_bar("Training", total) as bar:

        def told() -> Iterator[RoundResult]:
            for result in rounds:
                seen.append(result)
                note = f"loss {result.metrics['loss']:.4f}" if "loss" in result.metrics else ""
                bar.advance(note=note, detail=_newest(seen))
                yield result

        yield told()
        ran = len(seen) - len(earlier)
        if 0 < ran < total:
            bar.advance(total - ran, note=f"({ran} rounds were enough: nothing moves any more)", detail=_newest(seen))


def _newest(rounds: Sequence[RoundResult]) -> cards.Html:
    losses = [each.metrics["loss"] for each in rounds if "loss" in each.metrics]
    newest = cards.table(ROUND_COLUMNS, [round_row(each) for each in rounds[-5:]])
    return cards.Html(cards.curve(losses, "loss before each round") + newest)
