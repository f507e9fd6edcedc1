"""What a hospital says of its masks when a round's total is refuted, signed (docs/bounded_updates.md, D1).

1. Commitments to the mask of each pair with another recorded hospital: K points each. They tell nothing of an update.
2. Signed by the data holder's account over EIP-712 typed data that name the consortium, the sum's whole context, the
   dataset and the hash of the vector that it recorded: an account counts for its own vector only.
3. One encoding.
4. It proves that its hospital knows the mask key that it dealt. A peer shows their pair's secret for it, which the
   hospital knows anyway only then: a multiple of a third hospital's key would make it the secret with that one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from eth_account.signers.local import LocalAccount

from belmont.federated.errors import QueryError, SecAggError
from belmont.federated.query.pair_proof import KNOWLEDGE_BYTES, check_knowledge, prove_knowledge
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.groups import SCALARS, scalars
from belmont.federated.secagg.masking import pair_stream
from belmont.federated.secagg.setup import Joined
from belmont.federated.typed_data import digest_of, sign
from belmont.registry.identities.recovery import signer_of
from belmont.registry.protocol import Registry
from belmont.registry.types import Address, DatasetId
from belmont.zk.bounded.dispute import commit_elements
from belmont.zk.bounded.encoding import read_points, write_points
from belmont.zk.bounded.shape import Shape
from belmont.zk.curve import COMPRESSED_BYTES, G1
from belmont.zk.errors import ProofMalformed
from belmont.zk.field import N

SIGNATURE_BYTES = 65
_DOMAIN = "Belmont bounded update"
_TYPES = {
    "Account": [
        {"name": "consortium", "type": "string"},
        {"name": "context", "type": "bytes32"},
        {"name": "dataset", "type": "bytes32"},
        {"name": "recorded", "type": "bytes32"},
        {"name": "content", "type": "bytes32"},
    ]
}


@dataclass(frozen=True)
class MaskAccount:
    """``points`` are the encoded commitments to its mask with each other recorded hospital, in order; ``knowledge``
    proves its mask key (4)."""

    dataset_id: DatasetId
    points: Mapping[DatasetId, bytes]
    knowledge: bytes
    signature: bytes = b""

    def content(self) -> bytes:
        """What is signed: the proof of its key, then each other dataset, then its points with their length (3)."""
        return self.knowledge + b"".join(each + len(data).to_bytes(4) + data for each, data in self.points.items())

    def to_bytes(self) -> bytes:
        """Signature, then content."""
        return self.signature + self.content()

    @classmethod
    def from_bytes(
        cls, dataset_id: DatasetId, others: tuple[DatasetId, ...], shape: Shape, data: bytes
    ) -> "MaskAccount":
        """Read one that speaks of exactly these others. Raises SecAggError."""
        size = shape.chunks * COMPRESSED_BYTES
        start = SIGNATURE_BYTES + KNOWLEDGE_BYTES
        if len(data) != start + len(others) * (32 + 4 + size):
            raise SecAggError("an account of masks has another length")
        points, at = {}, start
        for other in others:
            if data[at : at + 36] != other + size.to_bytes(4):
                raise SecAggError("an account of masks speaks of others")
            points[other] = data[at + 36 : at + 36 + size]
            at += 36 + size
        return cls(dataset_id, points, data[SIGNATURE_BYTES:start], data[:SIGNATURE_BYTES])

    def signed(self, account: LocalAccount, context: Context, recorded: bytes) -> "MaskAccount":
        """The same with the account's signature (2)."""
        return replace(self, signature=sign(account, self._digest(context, recorded)))

    def signer(self, context: Context, recorded: bytes) -> Address | None:
        """Whose signature this is; None if it is nobody's."""
        return signer_of(self._digest(context, recorded), self.signature)

    def commitments(self, other: DatasetId, shape: Shape) -> tuple[G1, ...]:
        """The points of one pair. Raises SecAggError for what are none."""
        try:
            return read_points(shape, self.points[other])
        except (ProofMalformed, KeyError) as error:
            raise SecAggError("an account's commitments cannot be read") from error

    def check_key(self, context: Context, key: bytes) -> None:
        """Raise SecAggError unless this proves that its hospital knows the mask key that it dealt (4)."""
        try:
            check_knowledge(self.knowledge, key, _knowledge_context(context, context.position(self.dataset_id)))
        except QueryError as error:
            raise SecAggError(f"its account does not prove its mask key: {error}") from error

    def _digest(self, context: Context, recorded: bytes) -> bytes:
        values = {
            "consortium": context.consortium,
            "context": context.digest,
            "dataset": bytes(self.dataset_id),
            "recorded": recorded,
            "content": hashlib.sha256(self.content()).digest(),
        }
        return digest_of(_DOMAIN, _TYPES, values)


def is_signed(registry: Registry, account: MaskAccount, context: Context, recorded: bytes) -> bool:
    """Whether the dataset's holder, or who works for it now by the chain, signed an account for the recorded vector."""
    dataset, signer = registry.dataset(account.dataset_id), account.signer(context, recorded)
    return dataset is not None and signer is not None and registry.identities.works_for(dataset.holder, signer)


def account_of(joined: Joined, layout_hash: bytes, shape: Shape, others: tuple[DatasetId, ...]) -> MaskAccount:
    """A hospital's own commitments to its pair masks with the other recorded hospitals (1), unsigned."""
    context, own = joined.context, joined.position
    points = {}
    for other_id in others:
        other = context.position(other_id)
        secret = joined.pair_secrets[other]
        mask = grown_mask(context, joined.transcript, layout_hash, shape, own, other, secret)
        points[other_id] = write_points(commit_elements(shape, mask))
    key = X25519PrivateKey.from_private_bytes(joined.key)
    knowledge = prove_knowledge(key, _knowledge_context(context, own))
    return MaskAccount(context.participants[own], points, knowledge)


def _knowledge_context(context: Context, position: int) -> bytes:
    return context.info(b"mask-key-known", position)


def grown_mask(
    context: Context, transcript: bytes, layout_hash: bytes, shape: Shape, own: int, other: int, shared: bytes
) -> list[int]:
    """The mask that grows from a pair's X25519 secret."""
    values = scalars([0] * (shape.chunks * N))
    SCALARS.add_stream(values, pair_stream(context, transcript, layout_hash, own, other, shared), 1)
    return [int(x) for x in values]
