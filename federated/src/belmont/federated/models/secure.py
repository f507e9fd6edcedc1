"""The researcher's side of secure sums: packages before, masked vectors, shares after; only the total is ever read.

1. Packages for the rounds to come are asked for once (`MAX_ROUNDS_DEALT` at a time), and carried to whom they are for.
2. A vector counts if it is the one that its hospital recorded on chain.
3. Where every participant recorded, the sum can be opened. Where some did not, and the permit's minimum did, the
   researcher closes the round on chain over those that did.
4. Whoever recorded and whose vector did not arrive is asked again, and so is who does not release: the same request
   gets the same bytes.
5. Where updates are bounded, their proofs are verified before shares are asked for. A total that is not the sum of what
   was committed to is no result: every hospital is asked for an account of its masks, and who lied is named.
6. What was opened is a `RoundRecord`, from which anybody computes and checks the same total.
7. In a private sum nobody says on how many rows it rests: rows are those that the chain has of the versions in it.
"""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from flwr.app import ConfigRecord, Message, RecordDict

from belmont.federated.bounded.account import MaskAccount
from belmont.federated.bounded.blame import Verdict, judge
from belmont.federated.bounded.record import (
    Delivered,
    RoundRecord,
    check_delivered,
    check_updates,
    open_round,
    recorded_hashes,
    unmasked,
)
from belmont.federated.bounded.settings import read_bounds
from belmont.federated.errors import (
    FederatedError,
    PackageRefused,
    RoundRefused,
    RoundRefuted,
    SecAggError,
    VectorRejected,
)
from belmont.federated.exchange import Exchange
from belmont.federated.executor.protocol import Kind
from belmont.federated.hashes import RunConfig
from belmont.federated.models.combine import ROWS_METRIC, Update
from belmont.federated.node.requests import (
    ACCOUNT,
    DEAL,
    MAX_ROUNDS_DEALT,
    SETTLE,
    UNMASK,
    Claim,
    after_content,
    deal_content,
)
from belmont.federated.outcome import HospitalOutcome
from belmont.federated.query.pair_proof import PairProof
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.settings import read_secure_sum, threshold_of
from belmont.federated.secagg.setup import PublicPart, public_part
from belmont.registry.types import DatasetId, UseKind


@dataclass(frozen=True)
class Opened:
    """The total of one round, as one update over all rows, and whose vectors are in it."""

    update: Update
    recorded: tuple[DatasetId, ...]
    wrong_shares: tuple[DatasetId, ...]
    """Who released shares that were not dealt to it; the total is right without them."""
    record: RoundRecord


class SecureRounds:
    """The secure sums of one permit's rounds."""

    def __init__(self, exchange: Exchange, config: RunConfig) -> None:
        self._exchange = exchange
        self._config = dict(config)
        self._bounds = read_bounds(config)
        self._dealt: dict[int, dict[DatasetId, dict[DatasetId, bytes]]] = {}
        """By round, then by whom a package is for, then by who dealt it."""

    def packages(self, claim: Claim) -> dict[DatasetId, list[bytes]]:
        """What each participant is to be given for a round, in the participants' order (1). Raises RoundRefused."""
        if claim.n not in self._dealt:
            self._deal(claim)
        return {each: list(self._dealt[claim.n][each].values()) for each in claim.participants}

    def open(
        self,
        claim: Claim,
        contents: Mapping[DatasetId, RecordDict],
        replies: dict[DatasetId, Message],
        kind: Kind = "train",
    ) -> Opened:
        """The total. ``contents`` are what was sent, ``replies`` what came. Raises RoundRefused or SecAggError."""
        secure = read_secure_sum(self._config, kind)
        if secure is None:
            raise FederatedError("the configuration asks for no secure sum")
        context = self._context(claim)
        registry = self._exchange.registry
        state = registry.round_state(claim.permit_id, claim.n)
        if len(state.recorded) < len(claim.participants) and not state.closed:
            registry.close_round(claim.permit_id, claim.n)  # 3
            state = registry.round_state(claim.permit_id, claim.n)
        recorded = recorded_hashes(registry, claim.permit_id, claim.n)
        missing = tuple(each for each in claim.participants if each in recorded and each not in replies)
        if missing:  # 4
            again, _ = self._exchange.ask(kind, claim.n, contents, missing)
            replies = replies | again
        inside = tuple(each for each in claim.participants if each in recorded)
        delivered = {each: _delivered(each, replies[each]) for each in inside if each in replies}
        for each in inside:
            if each not in delivered:
                raise VectorRejected(each, "it is recorded and has not come")
        record = RoundRecord(
            registry.identity,
            claim.permit_id,
            claim.n,
            claim.participants,
            self._config,
            tuple(each.to_bytes() for each in self._publics(context)),
            delivered,
            {},
        )
        updates = check_delivered(record, registry)  # 2, 5
        proofs, packages = self._proofs(record), self.packages(claim)
        asked = {each: after_content(claim, self._config, packages[each], proofs) for each in inside}
        answers, outcomes = self._exchange.ask(UNMASK, claim.n, asked, inside)
        if len(answers) < context.threshold:
            raise RoundRefused(claim.n, outcomes)
        record = replace(record, shares={each: _shares(answer) for each, answer in answers.items()})
        try:
            opened = open_round(record, registry, updates)
        except RoundRefuted as error:
            raise RoundRefuted(claim.n, error.why, record, self._verdict(claim, record)) from error
        arrays, metrics = secure.decode(opened.total)
        if secure.private:
            metrics = {ROWS_METRIC: float(self._registered_rows(claim, opened.sum.recorded))}  # 7
        return Opened(Update(arrays, metrics), opened.sum.recorded, opened.sum.wrong_shares, record)

    def _proofs(self, record: RoundRecord) -> list[tuple[bytes, bytes]] | None:
        """What hospitals verify of each other's updates."""
        if self._bounds is None:
            return None
        return [(each.proof, hashlib.sha256(each.values).digest()) for each in record.delivered.values()]

    def _verdict(self, claim: Claim, record: RoundRecord) -> Verdict:
        """Whom the hospitals' accounts of their masks name (5)."""
        registry, context = self._exchange.registry, self._context(claim)
        opened = unmasked(record, registry)
        packages, inside = self.packages(claim), opened.recorded
        shape = next(iter(check_updates(record, context).values())).statement.shape
        content = {each: after_content(claim, self._config, packages[each]) for each in inside}
        replies, _ = self._exchange.ask(ACCOUNT, claim.n, content, inside)
        accounts: dict[DatasetId, MaskAccount | None] = {}
        for each, reply in replies.items():
            others = tuple(other for other in inside if other != each)
            try:
                accounts[each] = MaskAccount.from_bytes(each, others, shape, _bytes_of(reply, "account"))
            except FederatedError:
                accounts[each] = None
        verdict = judge(record, opened, registry, accounts)
        proofs: dict[tuple[DatasetId, DatasetId], PairProof] = {}
        for pair in verdict.disputes:
            for own, peer in (pair, pair[::-1]):
                account = accounts[peer]
                if account is None:
                    continue
                signed = peer, account.to_bytes()
                asked = after_content(claim, self._config, packages[own], self._proofs(record), signed)
                answer, _ = self._exchange.ask(SETTLE, claim.n, {own: asked}, (own,))
                if own in answer:
                    with suppress(FederatedError):
                        proofs[own, peer] = PairProof.from_bytes(_bytes_of(answer[own], "pair", "proof"))
        return judge(record, opened, registry, accounts, proofs) if verdict.disputes else verdict

    def can_open(self, claim: Claim, outcomes: tuple[HospitalOutcome, ...]) -> bool:
        """Whether enough answered, and none refused for a reason of its own."""
        answered = sum(outcome.answered for outcome in outcomes)
        return answered >= self._context(claim).threshold and all(o.answered or o.may_pass for o in outcomes)

    def _registered_rows(self, claim: Claim, datasets: tuple[DatasetId, ...]) -> int:
        """Rows of the versions that a round's sum rests on, by the chain."""
        registry, rows = self._exchange.registry, 0
        for use in registry.uses(claim.permit_id):
            if (use.kind, use.n) == (UseKind.ROUND, claim.n) and use.dataset_id in datasets:
                version = registry.version(use.dataset_id, use.version)
                if version is None:
                    raise FederatedError(f"the chain has no version {use.version} of a dataset that was computed on")
                rows += version.rows
        return rows

    def _deal(self, claim: Claim) -> None:
        permit = self._exchange.permit()
        count = max(1, min(MAX_ROUNDS_DEALT, permit.terms.rounds - claim.n + 1))
        content = deal_content(claim, count)
        replies, outcomes = self._exchange.ask(DEAL, claim.n, content, claim.participants)
        if not all(outcome.answered for outcome in outcomes):
            raise RoundRefused(claim.n, outcomes)
        others = len(claim.participants) - 1
        dealt: dict[int, dict[DatasetId, dict[DatasetId, bytes]]] = {
            n: {each: {} for each in claim.participants} for n in range(claim.n, claim.n + count)
        }
        for dealer in claim.participants:
            packages = _bytes_list(replies[dealer].content, "packages")
            if len(packages) != count * others:
                raise PackageRefused(dealer, "it did not deal one for each other participant and round")
            holders = [each for each in claim.participants if each != dealer]
            for k in range(count):
                given = packages[k * others : (k + 1) * others]
                self._check_one_setup(replace(claim, n=claim.n + k), dealer, given)
                for holder, package in zip(holders, given, strict=True):
                    dealt[claim.n + k][holder][dealer] = package
        self._dealt |= dealt

    def _check_one_setup(self, claim: Claim, dealer: DatasetId, packages: list[bytes]) -> None:
        """Whoever shows two hospitals two public parts is named now: later, they would seem to be those who differ."""
        context = self._context(claim)
        try:
            publics = {public_part(context, each).to_bytes() for each in packages}
        except SecAggError as error:
            raise PackageRefused(dealer, str(error)) from error
        if len(publics) > 1:
            raise PackageRefused(dealer, "those that came from it show the other hospitals different public parts")

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


def _delivered(dataset_id: DatasetId, reply: Message) -> Delivered:
    record = reply.content.get("masked")
    if not isinstance(record, ConfigRecord) or set(record) != {"transcript", "layout", "values", "proof"}:
        raise VectorRejected(dataset_id, "the hospital answered without one")
    found = [record[name] for name in ("transcript", "layout", "values", "proof")]
    parts = [each for each in found if isinstance(each, bytes)]
    if len(parts) != len(found):
        raise VectorRejected(dataset_id, "it is not made of bytes")
    return Delivered(*parts)


def _shares(reply: Message) -> bytes:
    """What a hospital released; nothing where it answered something else, which counts as wrong shares."""
    try:
        return _bytes_of(reply, "shares")
    except FederatedError:
        return b""


def _bytes_of(reply: Message, name: str, key: str = "") -> bytes:
    record = reply.content.get(name)
    data = record.get(key or name) if isinstance(record, ConfigRecord) else None
    if not isinstance(data, bytes):
        raise FederatedError(f"a hospital answered without {name}")
    return data


def _bytes_list(content: RecordDict, name: str) -> list[bytes]:
    record = content.get(name)
    values = record.get(name) if isinstance(record, ConfigRecord) else None
    if not isinstance(values, list):
        raise FederatedError(f"a hospital answered without {name}")
    found = [each for each in values if isinstance(each, bytes)]
    if len(found) != len(values):
        raise FederatedError(f"a hospital's {name} are not bytes")
    return found
