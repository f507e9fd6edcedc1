"""The answer to one encrypted query, in the dictionary's units."""

from typing import TYPE_CHECKING

from belmont.ehr.dictionary import Dictionary
from belmont.federated.query.answer import Answer as EncryptedAnswer
from belmont.federated.query.proof import AnswerProof
from belmont.federated.query.publication import claims_of, why_not_publishable
from belmont.federated.query.question import Aggregate
from belmont.lab import cards, plots
from belmont.lab.errors import LabError
from belmont.lab.published import CELLS, PublishedAnswer
from belmont.lab.questions import Question, cell_labels, coding_of, shown_unit
from belmont.registry.chain_registry import ChainRegistry

if TYPE_CHECKING:
    import pandas as pd


class Answer:
    """A total over all hospitals. ``encrypted`` has the codes, hashes and times behind it."""

    def __init__(
        self, question: Question, encrypted: EncryptedAnswer, dictionary: Dictionary, registry: ChainRegistry
    ) -> None:
        """``registry`` is bound to the permit's researcher."""
        self.question = question
        self.encrypted = encrypted
        self._dictionary = dictionary
        self._registry = registry

    @property
    def patients(self) -> int:
        """How many patients the answer rests on."""
        return self.encrypted.rows

    @property
    def value(self) -> float:
        """The count, sum, mean or variance, in ``unit``. Raises ``LabError`` for a histogram."""
        if self.question.column is None:
            return float(self.patients)
        coding = coding_of(self._dictionary.column(self.question.column))
        if self.encrypted.query.aggregate is Aggregate.SUM:
            return float(self.encrypted.total(coding))
        if self.encrypted.query.aggregate is Aggregate.MEAN:
            return self.encrypted.mean(coding)
        if self.encrypted.query.aggregate is Aggregate.VARIANCE:
            return self.encrypted.variance(coding)
        raise LabError("a histogram has no single value: use to_frame() or plot()")

    def to_frame(self) -> "pd.DataFrame":
        """The answer as a table: one row, or one for each cell of a histogram."""
        import pandas as pd

        if self.encrypted.query.aggregate is not Aggregate.HISTOGRAM or self.question.column is None:
            row = {"question": str(self.question), "patients": self.patients, "value": self.value, "unit": self.unit}
            return pd.DataFrame([row])
        column = self._dictionary.column(self.question.column)
        labels = cell_labels(column, self.encrypted.query.codes_per_cell)
        cells = self.encrypted.histogram()
        if column.kind == "bit":
            cells = cells[: len(labels)]
        rows = [(label, cell.rows, cell.hospitals) for label, cell in zip(labels, cells, strict=True)]
        return pd.DataFrame(rows, columns=[column.name, "patients", "hospitals"]).set_index(column.name)

    def plot(self) -> plots.Picture:
        """A histogram as bars. Raises ``LabError`` for any other answer."""
        if self.encrypted.query.aggregate is not Aggregate.HISTOGRAM or self.question.column is None:
            raise LabError("only a histogram has a picture: print the value instead")
        column = self._dictionary.column(self.question.column)
        frame = self.to_frame()
        unit = f"{column.label} ({shown_unit(column)})" if column.unit else column.label
        return plots.bars(frame.index.tolist(), frame["patients"].tolist(), column.label, unit)

    @property
    def proof(self) -> AnswerProof | None:
        """That the total is the total of what the hospitals registered; None where there is no proof."""
        return self.encrypted.proof

    def verify(self) -> AnswerProof:
        """Check the proof again. Raises ``NotProved`` where there is none, ``TotalRefuted`` where it does not hold."""
        return self.encrypted.verify()

    def publish(self, *cells: str) -> PublishedAnswer:
        """Have the contract check the answer's totals and keep them for everybody: all, or those named.

        A count has one, ``"patients"``; a sum or mean also has ``"codes"``, the sum of the column's codes. Raises
        ``LabError`` for an answer that the contract cannot check, and ``RegistryRefused`` with the contract's reason:
        each total of a query is published once.
        """
        if self.proof is None:
            raise LabError(f"this answer cannot be published: it is not proved, {self.encrypted.not_proved}")
        reason = why_not_publishable(self.encrypted.query)
        if reason:
            raise LabError(f"this answer cannot be published: {reason}")
        claims = dict(zip(CELLS, claims_of(self.proof), strict=False))
        unknown = sorted(set(cells) - set(claims))
        if unknown:
            raise LabError(f"this answer has no total {unknown[0]!r}: publish {' or '.join(claims)}, or all")
        chosen = {name: claim for name, claim in claims.items() if name in cells or not cells}
        for claim in chosen.values():
            self._registry.publish_total(claim)
        columns = {claim.column: name for name, claim in chosen.items()}
        found = {
            columns[total.column]: total
            for total in self._registry.totals(self.encrypted.permit_id)
            if total.n == self.encrypted.n and total.column in columns
        }
        return PublishedAnswer(str(self), found, self._registry.addresses["Totals"], self.proof.columns)

    @property
    def unit(self) -> str:
        """Of ``value``."""
        column = self._dictionary.column(self.question.column) if self.question.column else None
        if column is None:
            return "patients"
        unit = shown_unit(column)
        return f"({unit})²" if self.encrypted.query.aggregate is Aggregate.VARIANCE and unit else unit

    def __repr__(self) -> str:
        if self.encrypted.query.aggregate is Aggregate.HISTOGRAM:
            return f"Answer({self.question}: {self.patients} patients in cells that could be shown)"
        return f"Answer({self})"

    def __str__(self) -> str:
        if self.encrypted.query.aggregate is Aggregate.HISTOGRAM:
            return str(self.question)
        return f"{self.question} = {self.value:g} {self.unit}, from {self.patients} patients"

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {
            "patients": f"{self.patients:,}",
            "hospitals": len(self.encrypted.hospitals),
            "proved": f"no: {self.encrypted.not_proved}" if self.proof is None else f"yes, by {self.proof.source}",
            "query": cards.short(self.encrypted.query_hash),
            "took": f"{sum(self.encrypted.milliseconds.values()):.0f} ms",
        }
        if self.encrypted.query.aggregate is Aggregate.HISTOGRAM:
            frame = self.to_frame().reset_index()
            cells = cards.table(list(frame.columns), frame.itertuples(index=False))
            return cards.card(str(self.question), cards.facts(facts), cells, mark=self._mark())
        title = f"{self.question} = {self.value:.4g} {self.unit}"
        return cards.card(title, cards.facts(facts), mark=self._mark())

    def _mark(self) -> cards.Html:
        return cards.badge("not proved", cards.WAITING) if self.proof is None else cards.badge("proved", cards.GOOD)
