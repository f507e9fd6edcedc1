"""The researcher's side of federated training: open a round on chain, ask every hospital, combine, repeat.

    training = Training(registry, grid, permit_id, config=config, model=model, combine=newton(), participants=ids)
    for result in training.rounds(10):
        print(result.n, result.metrics["loss"])
    print(training.evaluate().updates)

An evaluation is a round of its own: it is opened, checked, charged and counted like the others, and the model stays as
it is. The app's ``evaluate`` function answers it.

``registry`` is bound to the permit's data user. A round that any hospital refuses raises RoundRefused with each
hospital's own reason, and leaves the model as it was. What a hospital sent is compared with the hash that it recorded
on chain, so a coordinator that changes an update on its way is noticed. Where the configuration asks for a secure sum,
only the total over the hospitals is read (`belmont.federated.models.secure`), and a round goes on without those that
were away, down to the permit's minimum. With noise (docs/differential_privacy.md) there are no metrics, and each result
says what it cost; a round that a dataset has no budget for is not opened.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict
from flwr.serverapp import Grid

from belmont.federated.accounting.budget import spend
from belmont.federated.accounting.epsilon import DELTA
from belmont.federated.accounting.release import ReleasePlan, plan_release
from belmont.federated.bounded.record import RoundRecord
from belmont.federated.errors import FederatedError, RoundRefused
from belmont.federated.exchange import Exchange
from belmont.federated.executor.protocol import Kind
from belmont.federated.grid.records import read_arrays, read_metrics, write_arrays
from belmont.federated.hashes import Arrays, RunConfig, model_hash, update_hash
from belmont.federated.models.combine import ROWS_METRIC, Combine, Update, weighted_metrics
from belmont.federated.models.privacy import RoundPrivacy, left_for, spent_under
from belmont.federated.models.secure import SecureRounds
from belmont.federated.node.noise import read_noise
from belmont.federated.node.requests import Claim, round_content
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.secagg.settings import read_secure_sum
from belmont.registry.protocol import Registry
from belmont.registry.types import DatasetId, Permit, PermitId, UseKind


@dataclass(frozen=True)
class RoundResult:
    """One finished round. Metrics are means over all rows of all hospitals, never one hospital's own."""

    n: int
    model_hash: bytes
    """Of the model that the round started from, as opened on chain."""
    hospitals: tuple[HospitalOutcome, ...]
    rows: int
    """That the update rests on; in a private round the rows that the chain has of the versions in it."""
    metrics: dict[str, float]
    milliseconds: float
    model: Arrays
    """The model after this round."""
    record: RoundRecord | None = None
    """From which anybody computes and checks the total, where the sum is secure."""
    privacy: RoundPrivacy | None = None
    """What the round cost; None where it had no noise. `RoundPrivacy.epsilon` is of all rounds so far."""


@dataclass(frozen=True)
class EvaluationResult:
    """One round in which the current model was evaluated, over all hospitals that took part."""

    n: int
    model_hash: bytes
    """Of the model that was evaluated, as opened on chain."""
    hospitals: tuple[HospitalOutcome, ...]
    participants: tuple[DatasetId, ...]
    rows: int
    updates: tuple[Update, ...]
    """One, the sums over the hospitals, where they are secure; otherwise each hospital's own."""
    milliseconds: float
    record: RoundRecord | None = None
    privacy: RoundPrivacy | None = None


@dataclass(frozen=True)
class _Ran:
    """What one round of either kind gave."""

    n: int
    model_hash: bytes
    outcomes: tuple[HospitalOutcome, ...]
    updates: list[Update]
    recorded: tuple[DatasetId, ...]
    record: RoundRecord | None
    permit: Permit


class Training:
    """The rounds of one permit. ``model`` is the current model, ``results`` the rounds so far, ``updates`` what the
    newest was combined from: one, the sums over the hospitals, where they are secure."""

    def __init__(
        self,
        registry: Registry,
        grid: Grid,
        permit_id: PermitId,
        *,
        config: RunConfig,
        model: Arrays,
        combine: Combine,
        participants: tuple[DatasetId, ...],
        purpose: int | None = None,
        timeout_seconds: float | None = None,
        node_ids: Mapping[DatasetId, int] | None = None,
        patience_seconds: float = 0.0,
        delta: float = DELTA,
    ) -> None:
        """``timeout_seconds``, ``patience_seconds`` and ``node_ids`` are those of `Exchange`; epsilon is shown at
        ``delta``. Raises FederatedError for a configuration that no node would understand."""
        self.model = model
        self.results: list[RoundResult] = []
        self.updates: tuple[Update, ...] = ()
        self._config = dict(config)
        self._combine = combine
        self._exchange = Exchange(
            registry, grid, permit_id, participants, purpose, timeout_seconds, node_ids, patience_seconds
        )
        self._delta = delta
        self._plan("train")  # raises for what no node would understand
        is_secure = read_secure_sum(self._config) is not None
        self._secure = SecureRounds(self._exchange, self._config) if is_secure else None

    def rounds(self, count: int | None = None) -> Iterator[RoundResult]:
        """Run the next ``count`` rounds (by default all that are left), yielding each as it ends.

        Raises RoundRefused, or FederatedError for an update that does not fit.
        """
        if count is None:
            permit = self._exchange.permit()
            count = permit.terms.rounds - permit.rounds_opened
        for _ in range(count):
            yield self.round()

    def round(self) -> RoundResult:
        """Run the next round. Raises Refusal (BUDGET_EXHAUSTED), and opens nothing, where too little is left."""
        started = time.perf_counter()
        ran = self._run("train")
        self.updates = tuple(ran.updates)
        self.model = self._combine(self.model, ran.updates)
        metrics = weighted_metrics(ran.updates)
        rows = int(metrics.pop(ROWS_METRIC))
        milliseconds = 1000 * (time.perf_counter() - started)
        cost = self._cost("train", ran)
        result = RoundResult(
            ran.n, ran.model_hash, ran.outcomes, rows, metrics, milliseconds, self.model, ran.record, cost
        )
        self.results.append(result)
        return result

    def evaluate(self) -> EvaluationResult:
        """Evaluate the current model in the next round. Raises what ``round`` raises."""
        started = time.perf_counter()
        ran = self._run("evaluate")
        rows = int(sum(update.metrics.get(ROWS_METRIC, 0) for update in ran.updates))
        milliseconds = 1000 * (time.perf_counter() - started)
        cost, participants = self._cost("evaluate", ran), self._exchange.participants
        return EvaluationResult(
            ran.n, ran.model_hash, ran.outcomes, participants, rows, tuple(ran.updates), milliseconds, ran.record, cost
        )

    def _run(self, kind: Kind) -> _Ran:
        exchange, plan = self._exchange, self._plan(kind)
        permit = exchange.permit()
        n = permit.rounds_opened + 1
        if plan is not None:
            for left in left_for(exchange.registry, permit, exchange.participants):
                spend(plan.rho, left.rho)
        hashed = model_hash(self.model)
        claim = Claim(exchange.permit_id, n, exchange.purpose, exchange.participants)
        contents = self._contents(claim)
        opening_error = exchange.open(UseKind.ROUND, n, hashed)
        replies, outcomes = exchange.ask(kind, n, contents)
        if self._secure is not None and self._secure.can_open(claim, outcomes):
            opened = self._secure.open(claim, contents, replies, kind)
            return _Ran(n, hashed, outcomes, [opened.update], opened.recorded, opened.record, permit)
        if self._secure is None and all(outcome.answered for outcome in outcomes):
            return _Ran(n, hashed, outcomes, self._updates(n, replies), exchange.participants, None, permit)
        raise RoundRefused(n, outcomes) from opening_error

    def _plan(self, kind: Kind) -> ReleasePlan | None:
        """What each hospital adds and is charged in a round of a kind. Raises FederatedError."""
        secure = read_secure_sum(self._config, kind)
        noise = read_noise(self._config, secure)
        return None if noise is None or secure is None else plan_release(noise, secure.layout.size)

    def _cost(self, kind: Kind, ran: _Ran) -> RoundPrivacy | None:
        plan = self._plan(kind)
        if plan is None:
            return None
        spent = spent_under(self._exchange.registry, ran.permit, ran.recorded, plan, self._delta)
        return RoundPrivacy(plan.rho, spent)

    def _contents(self, claim: Claim) -> dict[DatasetId, RecordDict]:
        """What each participant is sent."""
        if self._secure is None:
            return dict.fromkeys(claim.participants, round_content(claim, self._config, self.model))
        packages, model = self._secure.packages(claim), write_arrays(self.model)
        return {each: round_content(claim, self._config, model, packages[each]) for each in claim.participants}

    def _updates(self, n: int, replies: dict[DatasetId, Message]) -> list[Update]:
        """Each hospital's own update, as it recorded it."""
        exchange = self._exchange
        updates = {dataset_id: _read_update(reply) for dataset_id, reply in replies.items()}
        exchange.check_recorded(UseKind.ROUND, n, {d: update_hash(u.arrays, u.metrics) for d, u in updates.items()})
        return [updates[dataset_id] for dataset_id in exchange.participants]


def _read_update(reply: Message) -> Update:
    arrays, metrics = reply.content.get("arrays"), reply.content.get("metrics")
    if not isinstance(arrays, ArrayRecord) or not isinstance(metrics, MetricRecord):
        raise FederatedError("a hospital answered without arrays and metrics")
    return Update(read_arrays(arrays), read_metrics(metrics))
