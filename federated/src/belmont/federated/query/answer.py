"""The researcher's side of an encrypted query: open it on chain, ask every hospital, decrypt the total.

    answer = ask(registry, grid, permit_id, mean("hba1c", between("age", 43, 93)), width=120, participants=ids)
    answer.mean(LinearCoding(minimum=3.0, step=0.1))

``registry`` is bound to the permit's data user. If any hospital refuses, QueryRefused says why, and there is no answer:
the masks of the others do not cancel, and a query without one hospital is another query.

With ``columns``, the layout of the hospitals' dictionary, the answer is proved where that is possible: counts, sums
and means over versions that are proven on chain. ``answer.proof`` is the proof, or None, and then ``answer.not_proved``
says why. A total that the commitments contradict raises TotalRefuted, with the case that the ethics board needs.
"""

import html
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from flwr.serverapp import Grid

from belmont.federated.errors import AnswerRejected, NotProved, QueryError, QueryRefused, TotalRefuted
from belmont.federated.exchange import Exchange
from belmont.federated.hashes import query_hash
from belmont.federated.node.requests import Claim, query_content
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.query.bfv import LARGEST_TOTAL, ResearcherKey
from belmont.federated.query.case import Case, Place
from belmont.federated.query.checks import (
    NO_EVIDENCE,
    CheckedAnswer,
    check_answer,
    recorded_uses,
    why_not_proved,
    without_evidence,
)
from belmont.federated.query.columns import Columns
from belmont.federated.query.coordinator import add_answers
from belmont.federated.query.proof import AnswerProof, CellProof
from belmont.federated.query.question import Aggregate, Query
from belmont.federated.query.signed_answer import SignedAnswer
from belmont.federated.query.units import LinearCoding
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, PermitId, UseKind


@dataclass(frozen=True)
class HistogramCell:
    """Rows with codes from ``low`` to ``high`` (0 to 0 is missing), over the ``hospitals`` that had enough of them."""

    low: int
    high: int
    rows: int
    hospitals: int


@dataclass(frozen=True)
class Answer:
    """The decrypted total over all hospitals. ``milliseconds`` has the time of each phase."""

    query: Query
    permit_id: PermitId
    n: int
    query_hash: bytes
    cells: tuple[int, ...]
    width: int
    hospitals: tuple[HospitalOutcome, ...]
    milliseconds: dict[str, float]
    proof: AnswerProof | None = None
    not_proved: str = ""
    """Why there is no proof, in words."""

    def verify(self) -> AnswerProof:
        """Check the proof again. Raises NotProved if there is none, `belmont.zk.errors.TotalRefuted` if it fails."""
        if self.proof is None:
            raise NotProved(f"this answer is not proved: {self.not_proved}")
        if tuple(cell.total for cell in self.proof.cells) != self.cells or self.proof.query_hash != self.query_hash:
            raise NotProved("this proof belongs to another answer")
        return self.proof.verify()

    def _repr_html_(self) -> str:
        proof = f"<p><b>Not proved</b>: {html.escape(self.not_proved)}</p>"
        shown = proof if self.proof is None else self.proof._repr_html_()
        return (
            f"<p>{html.escape(self.query.aggregate)} over {len(self.hospitals)} hospitals: {self.rows} rows</p>{shown}"
        )

    @property
    def rows(self) -> int:
        """Rows the answer rests on; for a sum or mean those that have a value, for a histogram those shown."""
        if self.query.aggregate is Aggregate.HISTOGRAM:
            return sum(self.cells[: len(self.cells) // 2])
        return self.cells[0]

    @property
    def code_total(self) -> int:
        """The sum of the codes. Raises QueryError for a count or histogram."""
        if self.query.aggregate not in (Aggregate.SUM, Aggregate.MEAN, Aggregate.VARIANCE):
            raise QueryError("only a sum, mean or variance has a total")
        return self.cells[1]

    def total(self, coding: LinearCoding) -> Fraction:
        """The exact sum in the column's unit."""
        return coding.sum_of(self.rows, self.code_total)

    def mean(self, coding: LinearCoding) -> float:
        """The mean in the column's unit."""
        return float(self.total(coding) / self.rows)

    def variance(self, coding: LinearCoding) -> float:
        """The sample variance (divisor rows - 1) in the column's unit squared; NaN for fewer than two rows.

        Raises QueryError for other queries.
        """
        if self.query.aggregate is not Aggregate.VARIANCE:
            raise QueryError("only a variance has the sum of squares")
        rows, codes, squares = self.cells
        if rows < 2:
            return float("nan")
        return float(Fraction(str(coding.step)) ** 2 * Fraction(rows * squares - codes**2, rows * (rows - 1)))

    def histogram(self) -> list[HistogramCell]:
        """The cells of a histogram, missing first. Raises QueryError for other queries."""
        if self.query.aggregate is not Aggregate.HISTOGRAM:
            raise QueryError("only a histogram has cells")
        half, step = len(self.cells) // 2, self.query.codes_per_cell
        ranges = [(0, 0), *((1 + i * step, min(self.width, (i + 1) * step)) for i in range(half - 1))]
        return [HistogramCell(low, high, self.cells[i], self.cells[half + i]) for i, (low, high) in enumerate(ranges)]


def ask(
    registry: Registry,
    grid: Grid,
    permit_id: PermitId,
    query: Query,
    *,
    width: int,
    participants: tuple[DatasetId, ...],
    purpose: int | None = None,
    key: ResearcherKey | None = None,
    timeout_seconds: float | None = None,
    node_ids: Mapping[DatasetId, int] | None = None,
    patience_seconds: float = 0.0,
    columns: Columns | None = None,
    require_proof: bool = False,
) -> Answer:
    """Ask the permit's next query. ``width`` is the largest code of the query's column (any number for a count).

    Raises QueryRefused; AnswerRejected for a hospital whose answer is not what it has to be; TotalRefuted if the total
    is not the registered columns'; QueryError if it cannot be one that masks cancelled in; and with ``require_proof``
    NotProved instead of an answer without proof.
    """
    clock = _Phases()
    exchange = Exchange(registry, grid, permit_id, participants, purpose, timeout_seconds, node_ids, patience_seconds)
    n = exchange.permit().queries_opened + 1
    cells = query.cells(width)
    key = key or ResearcherKey()
    clock.end("key")
    hashed = query_hash(query.canonical(), key.public_context, permit_id, n, participants)
    opening_error = exchange.open(UseKind.QUERY, n, hashed)
    clock.end("open")
    claim = Claim(permit_id, n, exchange.purpose, participants)
    replies, outcomes = exchange.ask("query", n, query_content(claim, query.canonical(), key.public_context))
    clock.end("hospitals")
    if not all(outcome.answered for outcome in outcomes):
        raise QueryRefused(n, outcomes) from opening_error
    answers = {d: SignedAnswer.from_record(reply.content, len(participants)) for d, reply in replies.items()}
    exchange.check_recorded(UseKind.QUERY, n, {d: answer.hash for d, answer in answers.items()})
    case = Case(
        registry.identity,
        permit_id,
        n,
        query.canonical(),
        key.public_context,
        participants,
        tuple(answers[d] for d in participants),
    )
    checked = _checked(registry, case, columns)
    clock.end("check")
    total = add_answers(key.public_context, [answer.ciphertext for answer in case.answers], cells)
    clock.end("add")
    clear = tuple(key.decrypt(total, cells))
    clock.end("decrypt")
    case = replace(case, claimed=clear)
    _check_plausible(case, checked, query, width)
    proof, not_proved = _proof(case, checked, columns)
    clock.end("verify")
    if require_proof and proof is None:
        raise NotProved(f"this answer cannot be proved: {not_proved}")
    return Answer(query, permit_id, n, hashed, clear, width, outcomes, clock.milliseconds, proof, not_proved)


class _Phases:
    """Milliseconds of consecutive phases."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def end(self, phase: str) -> None:
        now = time.perf_counter()
        self.milliseconds[phase] = 1000 * (now - self._started)
        self._started = now


def _checked(registry: Registry, case: Case, columns: Columns | None) -> list[CheckedAnswer]:
    uses = recorded_uses(registry, case)
    checked = [
        check_answer(registry, case, position, uses[dataset_id], columns)
        for position, dataset_id in enumerate(case.participants)
    ]
    for position in without_evidence(case, checked, columns):
        dataset = checked[position].dataset
        raise AnswerRejected(dataset.id, dataset.name, Place.OPENING, NO_EVIDENCE)
    for i, j in case.disputed_pairs():
        names = f"{checked[i].dataset.name} and {checked[j].dataset.name}"
        raise TotalRefuted(f"the masks do not cancel: {names} signed different seeds for their pair", case)
    return checked


def _check_plausible(case: Case, checked: list[CheckedAnswer], query: Query, width: int) -> None:
    """Masks that do not cancel leave numbers near the plaintext modulus; real totals are far below."""
    rows = sum(each.version.rows for each in checked)
    bounds = query.cell_bounds(rows, width, len(checked))
    if any(cell > min(bound, LARGEST_TOTAL) for cell, bound in zip(case.claimed, bounds, strict=True)):
        why = "the decrypted total is impossible: a hospital or the coordinator did not follow the protocol"
        raise TotalRefuted(why, case)


def _proof(case: Case, checked: list[CheckedAnswer], columns: Columns | None) -> tuple[AnswerProof | None, str]:
    """The proof, checked; or why there is none. Raises TotalRefuted, also where versions are not proven yet."""
    reason = why_not_proved(case, checked, columns)
    shown = [each.cells for each in checked if each.cells is not None]
    if columns is None or len(shown) != len(checked):
        return None, reason
    cells = tuple(
        CellProof(
            total,
            sum(each.bounds[i] for each in shown),
            tuple(each.commitments[i] for each in shown),
            tuple(each.masked[i] for each in checked),
        )
        for i, total in enumerate(case.claimed)
    )
    versions = tuple((each.dataset.name, each.version.number) for each in checked)
    proof = AnswerProof(case.context.query_hash, cells, versions, shown[0].source, case, columns)
    if not all(cell.holds() for cell in cells):
        raise TotalRefuted("the decrypted total is not what the registered columns add up to", case)
    return (None, reason) if reason else (proof, "")
