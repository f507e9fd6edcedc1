"""One secure round as anybody can check it: everything that was opened, held against the chain.

    record = RoundRecord.from_bytes(Path("round-3.json").read_bytes())
    opened = open_round(record, registry)          # computes the total again; raises what is wrong, and with whom

1. The configuration is the one that the permit was approved with, and the participants are those of the opened round.
2. Whose vectors are in the sum is the chain's: final, and each the one that its hospital recorded, proof and all. That
   is looked at first, so that what somebody changed on its way is never held against a hospital; then that it has the
   configuration's form, so that no hospital is measured by what another sent.
3. Masks are taken off as `belmont.federated.secagg.opening` does; who dealt or released wrongly is named.
4. Where updates are bounded, each comes with its proof, the proofs are what the hospitals recorded, and the total is
   the sum of what they commit to. So nobody changed, left out or added anything, whoever carried it.

A record tells the total, and whose vectors are in it. It holds no hospital's own update, and no secret that was not
released for this sum. Its file is canonical JSON.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from belmont.federated.bounded.proved import check_update, statement_of
from belmont.federated.bounded.settings import UpdateBounds, read_bounds
from belmont.federated.errors import FederatedError, RoundRefuted, SecAggError, VectorRejected
from belmont.federated.executor.protocol import Kind
from belmont.federated.hashes import RunConfig, canonical_json, config_hash
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.groups import SCALARS, WORDS
from belmont.federated.secagg.masking import MaskedVector
from belmont.federated.secagg.opening import OpenedSum, open_sum
from belmont.federated.secagg.release import Shares
from belmont.federated.secagg.settings import KEYS, SECURE_EVALUATION_KEY, SecureSum, read_secure_sum, threshold_of
from belmont.federated.secagg.setup import PublicPart, transcript_of
from belmont.registry.errors import RegistryArgumentError
from belmont.registry.hashes import participants_hash
from belmont.registry.protocol import Registry
from belmont.registry.strict_json import loads
from belmont.registry.types import DatasetId, PermitId, UseKind
from belmont.zk.bounded.proof import UpdateCommitment
from belmont.zk.bounded.sums import add_updates
from belmont.zk.bounded.sums import open_sum as open_committed
from belmont.zk.errors import UpdateRefuted
from belmont.zk.field import N

MAX_RECORD_BYTES = 1024 * 1024 * 1024
_FORMAT = "belmont-secure-round/1"


@dataclass(frozen=True)
class Delivered:
    """What one hospital delivered: its masked vector's bytes, and the proof of its update where there is one."""

    transcript: bytes
    layout_hash: bytes
    values: bytes
    proof: bytes


@dataclass(frozen=True)
class RoundRecord:
    """``publics`` are of all participants in order, ``delivered`` and ``shares`` by dataset."""

    consortium: str
    permit_id: PermitId
    n: int
    participants: tuple[DatasetId, ...]
    config: RunConfig
    publics: tuple[bytes, ...]
    delivered: Mapping[DatasetId, Delivered]
    shares: Mapping[DatasetId, bytes]

    @cached_property
    def kind(self) -> Kind:
        """Of the round, by the layout of what was delivered: a configuration's two are not the same. FederatedError."""
        if SECURE_EVALUATION_KEY in self.config:
            other = read_secure_sum(self.config, "evaluate")
            if other is not None and {each.layout_hash for each in self.delivered.values()} == {self._hash(other)}:
                return "evaluate"
        return "train"

    @cached_property
    def secure(self) -> SecureSum:
        """What is summed: in training or in an evaluation. Raises FederatedError."""
        found = read_secure_sum(self.config, self.kind)
        if found is None:
            raise FederatedError("the configuration asks for no secure sum")
        return found

    def _hash(self, secure: SecureSum) -> bytes:
        return secure.layout.hash if self.bounds is None else self.bounds.layout_hash(secure.layout)

    @cached_property
    def bounds(self) -> UpdateBounds | None:
        """What every update is bounded by."""
        return read_bounds(self.config)

    def context(self, registry: Registry) -> Context:
        """What the sum is bound to; the threshold is the permit's. Raises FederatedError."""
        try:
            return self._context(registry)
        except RegistryArgumentError as error:
            raise FederatedError(f"no chain has a round like this: {error}") from error

    def _context(self, registry: Registry) -> Context:
        permit = registry.permit(self.permit_id)
        if permit is None or self.consortium != registry.identity:
            raise FederatedError("the chain has no such permit: this record is of another consortium")
        if config_hash(self.config) != permit.terms.config_hash:
            raise FederatedError("the configuration is not the one that the permit was approved with")  # 1
        opened = registry.opened(self.permit_id, UseKind.ROUND, self.n)
        if opened is None or opened.participants_hash != participants_hash(self.participants):
            raise FederatedError("this round was not opened on chain for these participants")
        threshold = threshold_of(len(self.participants), permit.terms.min_hospitals)
        return Context(self.consortium, self.permit_id, self.n, self.participants, threshold)

    def public_parts(self) -> list[PublicPart]:
        """Raises SecAggError for what are none."""
        return [PublicPart.from_bytes(each, len(self.participants)) for each in self.publics]

    def vector(self, dataset_id: DatasetId) -> MaskedVector:
        """One delivered vector. Raises SecAggError for bytes that are none."""
        each = self.delivered[dataset_id]
        group = WORDS if self.bounds is None else SCALARS
        values = group.from_bytes(each.values)
        if values is None:
            raise SecAggError(f"the masked vector of dataset {dataset_id.hex()[:12]} cannot be read")
        proof_hash = b"" if self.bounds is None else hashlib.sha256(each.proof).digest()
        return MaskedVector(dataset_id, each.transcript, each.layout_hash, values, group, proof_hash)

    def to_bytes(self) -> bytes:
        """The file."""
        return canonical_json(
            {
                "format": _FORMAT,
                "consortium": self.consortium,
                "permit": self.permit_id,
                "n": self.n,
                "participants": [each.hex() for each in self.participants],
                "config": dict(self.config),
                "publics": [_text(each) for each in self.publics],
                "delivered": [
                    [dataset_id.hex(), *map(_text, (each.transcript, each.layout_hash, each.values, each.proof))]
                    for dataset_id, each in self.delivered.items()
                ],
                "shares": [[dataset_id.hex(), _text(each)] for dataset_id, each in self.shares.items()],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "RoundRecord":
        """Read the file. Raises FederatedError for anything else."""
        try:
            if len(data) > MAX_RECORD_BYTES:
                raise ValueError("too long")
            fields = loads(data)
            delivered = {
                _id(each[0]): Delivered(_bytes(each[1]), _bytes(each[2]), _bytes(each[3]), _bytes(each[4]))
                for each in fields["delivered"]
            }
            found = cls(
                str(fields["consortium"]),
                PermitId(int(fields["permit"])),
                int(fields["n"]),
                tuple(_id(each) for each in fields["participants"]),
                dict(fields["config"]),
                tuple(_bytes(each) for each in fields["publics"]),
                delivered,
                {_id(each[0]): _bytes(each[1]) for each in fields["shares"]},
            )
            if found.to_bytes() != data:
                raise ValueError("not canonical")
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
            raise FederatedError("this is no record of a secure round") from error
        return found

    def __repr__(self) -> str:
        return f"RoundRecord(permit {self.permit_id}, round {self.n}, {len(self.delivered)} vectors)"


@dataclass(frozen=True)
class OpenedRound:
    """A checked total: int64, one number for each coordinate of the layout."""

    total: NDArray[np.int64]
    sum: OpenedSum
    updates: tuple[UpdateCommitment, ...]
    """What the hospitals committed to, where updates are bounded."""


def recorded_hashes(registry: Registry, permit_id: PermitId, n: int) -> dict[DatasetId, bytes]:
    """What each hospital recorded in a round that is final (2). Raises SecAggError where more may follow."""
    state = registry.round_state(permit_id, n)
    found = {
        use.dataset_id: use.result_hash
        for use in registry.uses(permit_id)
        if (use.kind, use.n) == (UseKind.ROUND, n) and use.dataset_id in state.recorded
    }
    if set(found) != set(state.recorded):
        raise SecAggError("the chain's uses are not those of this round's state: read it again")
    return found


Updates = Mapping[DatasetId, UpdateCommitment]
"""What hospitals are bound to by proofs that were verified; nothing where updates are not bounded."""


def check_delivered(record: RoundRecord, registry: Registry) -> Updates:
    """All that can be checked before shares are there (2, 4). Raises FederatedError, which names whose fault it is."""
    check_vectors(record, registry)
    return check_updates(record, record.context(registry))


def open_round(record: RoundRecord, registry: Registry, updates: Updates | None = None) -> OpenedRound:
    """The total of a round, checked in every part. Raises FederatedError; RoundRefuted where a hospital lied.

    ``updates`` are what ``check_delivered`` gave of the same vectors and proofs, where the caller did that before.
    """
    if updates is None:
        updates = check_delivered(record, registry)
    opened = unmasked(record, registry)
    if record.bounds is None:
        return OpenedRound(opened.total, opened, ())
    try:
        proved = tuple(updates[each] for each in opened.recorded)
        total = open_committed(add_updates(proved), opened.total.tolist())  # 4
    except UpdateRefuted as error:
        raise RoundRefuted(record.n, str(error), record) from error
    return OpenedRound(total, opened, proved)


def unmasked(record: RoundRecord, registry: Registry) -> OpenedSum:
    """The sum of a round's vectors without masks (2, 3); whether it is that of the updates is not looked at."""
    context = record.context(registry)
    recorded = recorded_hashes(registry, record.permit_id, record.n)
    if len(recorded) < len(context.participants) and not registry.round_state(record.permit_id, record.n).closed:
        raise SecAggError("this round is not closed: more hospitals may follow")  # 2
    group = WORDS if record.bounds is None else SCALARS
    vectors = {each: record.vector(each) for each in record.delivered if each in recorded}
    shares = {each: _shares(context, each, data) for each, data in record.shares.items()}
    return open_sum(context, record.public_parts(), recorded, vectors, shares, group)


def check_vectors(record: RoundRecord, registry: Registry) -> None:
    """Raise VectorRejected unless each recorded hospital's vector and proof are there, the ones that it recorded, under
    one setup, and of the configuration's form (2). SecAggError for vectors or shares of others."""
    context, recorded = record.context(registry), recorded_hashes(registry, record.permit_id, record.n)
    if not set(record.delivered) | set(record.shares) <= set(recorded):
        raise SecAggError("there is a vector, or there are shares, of a hospital that recorded nothing in this round")
    layout, bounds = record.secure.layout, record.bounds
    layout_hash, size = layout.hash, layout.size
    if bounds is not None:
        shape = statement_of(bounds, context, layout, context.participants[0]).shape
        layout_hash, size = bounds.layout_hash(layout), shape.chunks * N
    found = transcript(record, context)
    _refuse_two_kinds(record)
    for each in (each for each in context.participants if each in recorded):
        if each not in record.delivered:
            raise VectorRejected(each, "it is recorded and has not come")
        vector = record.vector(each)
        if vector.recorded_hash(context) != recorded[each]:
            raise VectorRejected(each, "it is not the one that the hospital recorded")
        if vector.transcript != found:
            raise VectorRejected(each, "the hospital was shown other setup packages than these")
        if (vector.layout_hash, len(vector.values)) != (layout_hash, size):
            raise VectorRejected(each, "it has another layout than the configuration's")


def _refuse_two_kinds(record: RoundRecord) -> None:
    """Whoever asks some hospitals to train and others to evaluate has none of them to blame. Raises SecAggError."""
    found = {each.layout_hash for each in record.delivered.values()}
    if len(found) < 2 or SECURE_EVALUATION_KEY not in record.config:
        return
    if found <= {record._hash(each) for k in KEYS if (each := read_secure_sum(record.config, k))}:
        raise SecAggError("some hospitals were asked to train and some to evaluate: there is no sum of both")


def check_updates(record: RoundRecord, context: Context) -> dict[DatasetId, UpdateCommitment]:
    """What each delivered update commits its hospital to (4). Raises UpdateUnproved, which names the first without."""
    bounds = record.bounds
    if bounds is None:
        return {}
    layout = record.secure.layout
    return {
        each: check_update(statement_of(bounds, context, layout, each), delivered.proof)
        for each, delivered in record.delivered.items()
    }


def transcript(record: RoundRecord, context: Context) -> bytes:
    """The hash of all public parts."""
    return transcript_of(context, record.public_parts())


def _shares(context: Context, dataset_id: DatasetId, data: bytes) -> Shares:
    """What a hospital released; what is no shares at all was not dealt to it either, and names it like wrong ones."""
    try:
        return Shares.from_bytes(context, dataset_id, data)
    except SecAggError:
        return Shares(dataset_id, (), ())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _id(text: str) -> DatasetId:
    return DatasetId(bytes.fromhex(text))
