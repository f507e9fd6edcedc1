"""The researcher's side of secure sums: packages before, masked vectors, shares after; only the total is ever read.

1. Packages for the rounds to come are asked for once (`MAX_ROUNDS_DEALT` at a time), and carried to whom they are for.
2. A vector counts if it is the one that its hospital recorded on chain.
3. Where every participant recorded, the sum can be opened. Where some did not, and the permit's minimum did, the
   researcher closes the round on chain over those that did.
4. Whoever recorded and whose vector did not arrive is asked again, and so is who does not release: the same request
   gets the same bytes.
5. In a private sum nobody says on how many rows it rests: rows are those that the chain has of the versions in it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict

from belmont.federated.errors import FederatedError, RoundRefused, SecAggError
from belmont.federated.exchange import Exchange
from belmont.federated.models.combine import ROWS_METRIC, Update
from belmont.federated.node.requests import DEAL, MAX_ROUNDS_DEALT, UNMASK, Claim, deal_content, unmask_content
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.masking import MaskedVector
from belmont.federated.secagg.opening import open_sum
from belmont.federated.secagg.release import Shares
from belmont.federated.secagg.settings import SecureSum, threshold_of
from belmont.federated.secagg.setup import PublicPart, public_part
from belmont.registry.types import DatasetId, RecordedUse, UseKind


@dataclass(frozen=True)
class Opened:
    """The total of one round, as one update over all rows, and whose vectors are in it."""

    update: Update
    recorded: tuple[DatasetId, ...]
    wrong_shares: tuple[DatasetId, ...]
    """Who released shares that were not dealt to it; the total is right without them."""


class SecureRounds:
    """The secure sums of one permit's rounds."""

    def __init__(self, exchange: Exchange, secure: SecureSum) -> None:
        self._exchange = exchange
        self._secure = secure
        self._dealt: dict[int, dict[DatasetId, dict[DatasetId, bytes]]] = {}
        """By round, then by whom a package is for, then by who dealt it."""

    def packages(self, claim: Claim) -> dict[DatasetId, list[bytes]]:
        """What each participant is to be given for a round, in the participants' order (1). Raises RoundRefused."""
        if claim.n not in self._dealt:
            self._deal(claim)
        return {each: list(self._dealt[claim.n][each].values()) for each in claim.participants}

    def open(self, claim: Claim, contents: Mapping[DatasetId, RecordDict], replies: dict[DatasetId, Message]) -> Opened:
        """The total. ``contents`` are what was sent, ``replies`` what came. Raises RoundRefused or SecAggError."""
        context = self._context(claim)
        registry = self._exchange.registry
        state = registry.round_state(claim.permit_id, claim.n)
        if len(state.recorded) < len(claim.participants) and not state.closed:
            registry.close_round(claim.permit_id, claim.n)  # 3
            state = registry.round_state(claim.permit_id, claim.n)
        uses = [
            use
            for use in registry.uses(claim.permit_id)
            if (use.kind, use.n) == (UseKind.ROUND, claim.n) and use.dataset_id in state.recorded
        ]
        recorded = {use.dataset_id: use.result_hash for use in uses}
        missing = tuple(each for each in claim.participants if each in recorded and each not in replies)
        if missing:  # 4
            again, _ = self._exchange.ask("train", claim.n, contents, missing)
            replies = replies | again
        vectors = {each: _masked(each, reply) for each, reply in replies.items()}
        inside = tuple(each for each in claim.participants if each in recorded)
        packages = self.packages(claim)
        asked = {each: unmask_content(claim, packages[each]) for each in inside}
        answers, outcomes = self._exchange.ask(UNMASK, claim.n, asked, inside)
        if len(answers) < context.threshold:
            raise RoundRefused(claim.n, outcomes)
        shares = {each: _shares(context, each, answer) for each, answer in answers.items()}
        opened = open_sum(context, self._publics(context), recorded, vectors, shares)
        arrays, metrics = self._secure.decode(opened.total)
        if self._secure.private:
            metrics = {ROWS_METRIC: float(sum(self._registered(use) for use in uses))}  # 5
        return Opened(Update(arrays, metrics), opened.recorded, opened.wrong_shares)

    def can_open(self, claim: Claim, outcomes: tuple[HospitalOutcome, ...]) -> bool:
        """Whether enough answered, and none refused for a reason of its own."""
        answered = sum(outcome.answered for outcome in outcomes)
        return answered >= self._context(claim).threshold and all(o.answered or o.may_pass for o in outcomes)

    def _registered(self, use: RecordedUse) -> int:
        version = self._exchange.registry.version(use.dataset_id, use.version)
        if version is None:
            raise FederatedError(f"the chain has no version {use.version} of a dataset that was computed on")
        return version.rows

    def _deal(self, claim: Claim) -> None:
        permit = self._exchange.permit()
        count = max(1, min(MAX_ROUNDS_DEALT, permit.terms.rounds - claim.n + 1))
        content = deal_content(claim, count)
        replies, outcomes = self._exchange.ask(DEAL, claim.n, content, claim.participants)
        if not all(outcome.answered for outcome in outcomes):
            raise RoundRefused(claim.n, outcomes)
        others = len(claim.participants) - 1
        for n in range(claim.n, claim.n + count):
            self._dealt[n] = {each: {} for each in claim.participants}
        for dealer in claim.participants:
            packages = _bytes_list(replies[dealer].content, "packages")
            if len(packages) != count * others:
                raise SecAggError("a hospital did not deal one package for each other participant and round")
            holders = [each for each in claim.participants if each != dealer]
            for k in range(count):
                for holder, package in zip(holders, packages[k * others : (k + 1) * others], strict=True):
                    self._dealt[claim.n + k][holder][dealer] = package

    def _publics(self, context: Context) -> list[PublicPart]:
        """Every participant's public part, from the first package that it dealt."""
        dealt = self._dealt[context.n]
        found = []
        for dealer in context.participants:
            package = next(given[dealer] for holder, given in dealt.items() if holder != dealer)
            found.append(public_part(context, package))
        return found

    def _context(self, claim: Claim) -> Context:
        exchange = self._exchange
        threshold = threshold_of(len(claim.participants), exchange.permit().terms.min_hospitals)
        return Context(exchange.registry.identity, claim.permit_id, claim.n, claim.participants, threshold)


def _masked(dataset_id: DatasetId, reply: Message) -> MaskedVector:
    record = reply.content.get("masked")
    if not isinstance(record, ConfigRecord) or set(record) != {"transcript", "layout", "values"}:
        raise FederatedError("a hospital answered without a masked vector")
    transcript, layout, values = record["transcript"], record["layout"], record["values"]
    if not (isinstance(transcript, bytes) and isinstance(layout, bytes) and isinstance(values, bytes)):
        raise FederatedError("a hospital's masked vector is not made of bytes")
    if not values or len(values) % 8:
        raise FederatedError("a hospital's masked vector is not made of 64-bit numbers")
    return MaskedVector(dataset_id, transcript, layout, np.frombuffer(values, "<u8"))


def _shares(context: Context, dataset_id: DatasetId, reply: Message) -> Shares:
    record = reply.content.get("shares")
    data = record.get("shares") if isinstance(record, ConfigRecord) else None
    if not isinstance(data, bytes):
        raise FederatedError("a hospital answered without shares")
    return Shares.from_bytes(context, dataset_id, data)


def _bytes_list(content: RecordDict, name: str) -> list[bytes]:
    record = content.get(name)
    values = record.get(name) if isinstance(record, ConfigRecord) else None
    if not isinstance(values, list):
        raise FederatedError(f"a hospital answered without {name}")
    found = [each for each in values if isinstance(each, bytes)]
    if len(found) != len(values):
        raise FederatedError(f"a hospital's {name} are not bytes")
    return found
