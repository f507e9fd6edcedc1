"""A hospital's part in rounds whose updates are bounded (`belmont.federated.bounded`, docs/bounded_updates.md).

1. Before a sum is opened, every other recorded hospital's proof is verified: for the statement that this node makes
   from the chain and the approved configuration, and it is the one whose hash that hospital recorded with its vector.
2. Where the total is refuted, this hospital commits to its pair masks and signs that. They tell nothing of its update.
3. Only where a peer signed another mask for their pair does it prove the pair's secret: the peer knows that secret, and
   said so itself by then. It has to prove that it knows the key that it dealt, or the secret could be one with somebody
   else; and every recorded vector has to be of this hospital's own setup (1), or two honest ones differ without a lie.
4. All of it for a round that this hospital answered and that is final. The gate decides each time until its shares
   left; after that, accounts are given whatever became of permit and consents.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount
from flwr.app import ConfigRecord, RecordDict

from belmont.federated.bounded.account import MaskAccount, account_of, is_signed
from belmont.federated.bounded.blame import pair_context
from belmont.federated.bounded.proved import check_update, statement_of
from belmont.federated.bounded.settings import UpdateBounds
from belmont.federated.errors import Refusal, SecAggError, UpdateUnproved
from belmont.federated.gate.gate import chain_read
from belmont.federated.node.requests import AfterMessage
from belmont.federated.query.pair_proof import prove_pair
from belmont.federated.secagg.encoding import Layout
from belmont.federated.secagg.groups import SCALARS
from belmont.federated.secagg.masking import recorded_hash
from belmont.federated.secagg.setup import Joined
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, RoundState
from belmont.zk.bounded.shape import Shape


@dataclass(frozen=True)
class Answered:
    """A secure round that this hospital answered. ``hashes`` are what the chain has, where updates are bounded."""

    joined: Joined
    state: RoundState
    hashes: Mapping[DatasetId, bytes]
    layout: Layout
    bounds: UpdateBounds | None

    @property
    def others(self) -> tuple[DatasetId, ...]:
        """The other recorded hospitals, in order."""
        context = self.joined.context
        own = context.participants[self.joined.position]
        return tuple(each for each in context.participants if each in self.state.recorded and each != own)


def check_updates(answered: Answered, own: DatasetId, updates: Sequence[tuple[bytes, bytes]] | None) -> None:
    """Raise Refusal unless every other recorded hospital's update is proved (1). ``updates`` are of all recorded."""
    bounds, context = answered.bounds, answered.joined.context
    if bounds is None:
        if updates is not None:
            raise Refusal(Reason.REQUEST_MALFORMED, "nothing is proved of updates that are not bounded")
        return
    recorded = [each for each in context.participants if each in answered.state.recorded]
    if updates is None or len(updates) != len(recorded):
        raise Refusal(Reason.UPDATE_UNPROVED, "there is not one proof of each recorded hospital's update")
    layout_hash = bounds.layout_hash(answered.layout)
    for dataset_id, (proof, values_hash) in zip(recorded, updates, strict=True):
        if dataset_id == own:
            continue
        proof_hash = hashlib.sha256(proof).digest()
        transcript = answered.joined.transcript
        found = recorded_hash(context, dataset_id, SCALARS, transcript, layout_hash, proof_hash, values_hash)
        if found != answered.hashes.get(dataset_id):
            what = f"the proof of dataset {dataset_id.hex()[:12]} is not the one that it recorded"
            raise Refusal(Reason.UPDATE_UNPROVED, what)
        try:
            check_update(statement_of(bounds, context, answered.layout, dataset_id), proof)
        except UpdateUnproved as error:
            raise Refusal(Reason.UPDATE_UNPROVED, str(error)) from error


@dataclass(frozen=True)
class Disputes:
    """What one hospital says when a total is refuted. ``answered`` lets the gate decide (4)."""

    registry: Registry
    dataset_id: DatasetId
    account: LocalAccount
    answered: Callable[[AfterMessage], Answered]

    def give_account(self, asked: AfterMessage) -> RecordDict:
        """This hospital's commitments to its pair masks, signed (2). Raises Refusal."""
        answered, found, _ = self._account(asked)
        signed = found.signed(self.account, answered.joined.context, answered.hashes[self.dataset_id])
        return RecordDict({"account": ConfigRecord({"account": signed.to_bytes()})})

    def settle(self, asked: AfterMessage) -> RecordDict:
        """The pair proof with a peer whose signed account differs from this hospital's (3). Raises Refusal."""
        answered, own_account, shape = self._account(asked)
        if asked.account is None or asked.account[0] not in answered.others:
            raise Refusal(Reason.REQUEST_MALFORMED, "there is no account of another recorded hospital")
        peer, data = asked.account
        joined = answered.joined
        other = joined.context.position(peer)
        recorded = [each for each in joined.context.participants if each in answered.state.recorded]
        try:
            account = MaskAccount.from_bytes(peer, tuple(each for each in recorded if each != peer), shape, data)
            account.check_key(joined.context, joined.keys[other])
        except SecAggError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        with chain_read():
            is_theirs = is_signed(self.registry, account, joined.context, answered.hashes[peer])
        if not is_theirs:
            raise Refusal(Reason.REQUEST_MALFORMED, "this account is not signed by the hospital that it is of")
        if account.points[self.dataset_id] == own_account.points[peer]:
            raise Refusal(Reason.REQUEST_MALFORMED, "both hospitals say the same of their pair: nothing is disputed")
        check_updates(answered, self.dataset_id, asked.updates)
        key = X25519PrivateKey.from_private_bytes(joined.key)
        proof = prove_pair(key, joined.keys[other], pair_context(joined.context, joined.position, other))
        return RecordDict({"pair": ConfigRecord({"proof": proof.to_bytes()})})

    def _account(self, asked: AfterMessage) -> tuple[Answered, MaskAccount, Shape]:
        """What this hospital says of its masks, unsigned. Raises Refusal (4)."""
        answered = self.answered(asked)
        bounds, context = answered.bounds, answered.joined.context
        if bounds is None:
            raise Refusal(Reason.REQUEST_MALFORMED, "updates of this round are not bounded: nothing was committed to")
        if len(answered.state.recorded) < len(context.participants) and not answered.state.closed:
            raise Refusal(Reason.ROUND_NOT_FINAL, "more hospitals may follow")
        shape = statement_of(bounds, context, answered.layout, self.dataset_id).shape
        account = account_of(answered.joined, bounds.layout_hash(answered.layout), shape, answered.others)
        return answered, account, shape
