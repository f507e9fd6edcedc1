"""The researcher's side of an encrypted query: open it on chain, ask every hospital, decrypt the total.

    answer = ask(registry, grid, permit_id, mean("hba1c", between("age", 43, 93)), width=120, participants=ids)
    answer.mean(LinearCoding(minimum=3.0, step=0.1))

``registry`` is bound to the permit's data user. If any hospital refuses, QueryRefused says why, and there is no answer:
the masks of the others do not cancel, and a query without one hospital is another query.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from flwr.app import ConfigRecord, Message
from flwr.serverapp import Grid

from belmont.federated.errors import FederatedError, QueryError, QueryRefused
from belmont.federated.exchange import Exchange
from belmont.federated.hashes import answer_hash, query_hash
from belmont.federated.node.requests import Claim, query_content
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.query.bfv import LARGEST_TOTAL, ResearcherKey
from belmont.federated.query.coordinator import add_answers
from belmont.federated.query.question import Aggregate, Query
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

    @property
    def rows(self) -> int:
        """Rows the answer rests on; for a sum or mean those that have a value, for a histogram those shown."""
        if self.query.aggregate is Aggregate.HISTOGRAM:
            return sum(self.cells[: len(self.cells) // 2])
        return self.cells[0]

    @property
    def code_total(self) -> int:
        """The sum of the codes. Raises QueryError for a count or histogram."""
        if self.query.aggregate not in (Aggregate.SUM, Aggregate.MEAN):
            raise QueryError("only a sum or a mean has a total")
        return self.cells[1]

    def total(self, coding: LinearCoding) -> Fraction:
        """The exact sum in the column's unit."""
        return coding.sum_of(self.rows, self.code_total)

    def mean(self, coding: LinearCoding) -> float:
        """The mean in the column's unit."""
        return float(self.total(coding) / self.rows)

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
) -> Answer:
    """Ask the permit's next query. ``width`` is the largest code of the query's column (any number for a count).

    Raises QueryRefused, or QueryError if the total cannot be one that masks cancelled in.
    """
    clock = _Phases()
    exchange = Exchange(registry, grid, permit_id, participants, purpose, timeout_seconds, node_ids)
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
    ciphertexts = {dataset_id: _ciphertext(reply) for dataset_id, reply in replies.items()}
    exchange.check_recorded(UseKind.QUERY, n, {d: answer_hash(c) for d, c in ciphertexts.items()})
    clock.end("check")
    total = add_answers(key.public_context, [ciphertexts[d] for d in participants], cells)
    clock.end("add")
    clear = key.decrypt(total, cells)
    clock.end("decrypt")
    _check_plausible(exchange, query, width, clear)
    return Answer(query, permit_id, n, hashed, tuple(clear), width, outcomes, clock.milliseconds)


class _Phases:
    """Milliseconds of consecutive phases."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._started = time.perf_counter()

    def end(self, phase: str) -> None:
        now = time.perf_counter()
        self.milliseconds[phase] = 1000 * (now - self._started)
        self._started = now


def _ciphertext(reply: Message) -> bytes:
    answer = reply.content.get("answer")
    ciphertext = answer.get("ciphertext") if isinstance(answer, ConfigRecord) else None
    if not isinstance(ciphertext, bytes):
        raise FederatedError("a hospital answered without a ciphertext")
    return ciphertext


def _check_plausible(exchange: Exchange, query: Query, width: int, cells: list[int]) -> None:
    """Masks that do not cancel leave numbers near the plaintext modulus; real totals are far below."""
    rows = 0
    for dataset_id in exchange.participants:
        dataset = exchange.registry.dataset(dataset_id)
        version = None if dataset is None else exchange.registry.version(dataset_id, dataset.versions)
        rows += 0 if version is None else version.rows
    bounds = query.cell_bounds(rows, width, len(exchange.participants))
    if any(cell > min(bound, LARGEST_TOTAL) for cell, bound in zip(cells, bounds, strict=True)):
        raise QueryError("the decrypted total is impossible: a hospital or the coordinator did not follow the protocol")
