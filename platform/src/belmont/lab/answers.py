"""The answer to one encrypted query, in the dictionary's units."""

from typing import TYPE_CHECKING

from belmont.ehr.dictionary import Dictionary
from belmont.federated.query.answer import Answer as EncryptedAnswer
from belmont.federated.query.proof import AnswerProof
from belmont.federated.query.question import Aggregate
from belmont.lab import cards, plots
from belmont.lab.errors import LabError
from belmont.lab.questions import Question, cell_labels, coding_of, shown_unit

if TYPE_CHECKING:
    import pandas as pd


class Answer:
    """A total over all hospitals. ``encrypted`` has the codes, hashes and times behind it."""

    def __init__(self, question: Question, encrypted: EncryptedAnswer, dictionary: Dictionary) -> None:
        self.question = question
        self.encrypted = encrypted
        self._dictionary = dictionary

    @property
    def patients(self) -> int:
        """How many patients the answer rests on."""
        return self.encrypted.rows

    @property
    def value(self) -> float:
        """The count, sum or mean, in the column's unit. Raises ``LabError`` for a histogram."""
        if self.question.column is None:
            return float(self.patients)
        coding = coding_of(self._dictionary.column(self.question.column))
        if self.encrypted.query.aggregate is Aggregate.SUM:
            return float(self.encrypted.total(coding))
        if self.encrypted.query.aggregate is Aggregate.MEAN:
            return self.encrypted.mean(coding)
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

    @property
    def unit(self) -> str:
        """Of ``value``."""
        column = self._dictionary.column(self.question.column) if self.question.column else None
        return "patients" if column is None else shown_unit(column)

    def __repr__(self) -> str:
        if self.encrypted.query.aggregate is Aggregate.HISTOGRAM:
            return f"Answer({self.question}: {self.patients} patients in cells that could be shown)"
        return f"Answer({self.question} = {self.value:g} {self.unit}, from {self.patients} patients)"

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
