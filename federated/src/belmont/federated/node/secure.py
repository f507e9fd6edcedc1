"""A hospital's part in secure aggregation (`belmont.federated.secagg`, docs/secure_aggregation.md).

1. ``deal``: sealed packages for the other participants of rounds to come, from a root secret that the ledger keeps for
   each permit. They say nothing of the hospital's records; the permit has to be there and cover all participants.
2. ``joined``: every other participant's package opens, or nothing is computed; nor is it where noise is for more
   hospitals than a sum may be of.
3. ``masked``: what the study's code answered, in the form and with the noise (`noise`) that the approved configuration
   names, as a masked vector. Its hash is what the chain records; the transcript of the setup is kept.
4. ``unmask``: the gate decides once more, for what the vector was computed for; the chain says who recorded a vector,
   and that nobody else can any more; the shares of exactly those leave. What was released for one set of hospitals is
   never released for another. Nothing of this rests on what the message says.
"""

import hashlib
import logging
from dataclasses import dataclass

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from flwr.app import ConfigRecord, RecordDict
from numpy.typing import NDArray

from belmont.federated.accounting.settings import PrivacySettings
from belmont.federated.bounded.proved import prove, statement_of
from belmont.federated.bounded.settings import UpdateBounds, read_bounds
from belmont.federated.errors import (
    AppFailed,
    EncodingRefused,
    FederatedError,
    PackageRefused,
    Refusal,
    ReleaseRefused,
    SecAggError,
)
from belmont.federated.executor.protocol import Answer, Kind
from belmont.federated.gate.gate import Asked, Gate, chain_read
from belmont.federated.gate.ledger import Ledger
from belmont.federated.hashes import RunConfig, config_hash
from belmont.federated.local_log import place_of
from belmont.federated.node.bounded import Answered, check_updates
from belmont.federated.node.mask_keys import mask_keys_of
from belmont.federated.node.noise import Noisy, check_hospitals
from belmont.federated.node.requests import MAX_ROUNDS_DEALT, AfterMessage, Claim
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.encoding import Layout
from belmont.federated.secagg.masking import MaskedVector, mask, mask_scalars
from belmont.federated.secagg.release import release
from belmont.federated.secagg.settings import SecureSum, read_secure_sum, threshold_of
from belmont.federated.secagg.setup import Joined, deal, join
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId, Permit, PermitId, UseKind

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SecureRounds:
    """Serves one dataset."""

    gate: Gate
    registry: Registry
    ledger: Ledger
    dataset_id: DatasetId
    mask_private_key: X25519PrivateKey

    def deal(self, claim: Claim, count: int) -> RecordDict:
        """Packages for ``count`` rounds from ``claim.n`` on: of each, one for each other participant in order."""
        permit = self._permit(claim.permit_id)
        if not set(claim.participants) <= set(permit.covered):
            raise Refusal(Reason.DATASET_NOT_COVERED, f"permit {permit.id} does not cover every participant")
        if not 1 <= count <= MAX_ROUNDS_DEALT or claim.n + count - 1 > permit.terms.rounds:
            raise Refusal(Reason.ROUNDS_EXHAUSTED, f"packages are for rounds up to {permit.terms.rounds}")
        keys, root = mask_keys_of(self.registry, claim.participants), self.ledger.root(claim.permit_id)
        packages: list[bytes] = []
        try:
            for n in range(claim.n, claim.n + count):
                context = self._context(claim, n, permit)
                dealt = deal(context, self.dataset_id, root, self.mask_private_key, keys)
                packages += [dealt[each] for each in claim.participants if each != self.dataset_id]
        except SecAggError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        return RecordDict({"packages": ConfigRecord({"packages": packages})})

    def joined(self, claim: Claim, packages: tuple[bytes, ...], noise: PrivacySettings | None = None) -> Joined:
        """What the participants set up for this round. Raises Refusal that names whose package cannot be used."""
        keys = mask_keys_of(self.registry, claim.participants)
        joined = self._joined(claim, packages, keys)
        if noise is not None:
            check_hospitals(noise, self._permit(claim.permit_id), joined)
        return joined

    def _joined(self, claim: Claim, packages: tuple[bytes, ...], keys: list[bytes]) -> Joined:
        permit = self._permit(claim.permit_id)
        others = [each for each in claim.participants if each != self.dataset_id]
        if len(packages) != len(others):
            raise Refusal(Reason.REQUEST_MALFORMED, "there is not one package from each other participant")
        try:
            return join(
                self._context(claim, claim.n, permit),
                self.dataset_id,
                self.ledger.root(claim.permit_id),
                self.mask_private_key,
                keys,
                dict(zip(others, packages, strict=True)),
            )
        except (PackageRefused, SecAggError) as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error

    def masked(
        self,
        config: RunConfig,
        secure: SecureSum,
        joined: Joined,
        answer: Answer,
        noisy: Noisy | None = None,
        kind: Kind = "train",
    ) -> tuple[RecordDict, bytes]:
        """The reply of a round, and the hash that the chain records."""
        context = joined.context
        root, bounds = self.ledger.root(context.permit_id), read_bounds(config)
        try:
            if noisy is None:
                vector = secure.encode(answer.arrays, answer.metrics, len(context.participants))
            else:
                vector = noisy.vector(answer.arrays)
                vector = vector if bounds is None else bounds.nearest(vector)
            found, proof = self._masked(bounds, secure.layout, joined, vector, root)
        except FederatedError as error:
            _log.error("round %d of permit %d: %s", context.n, context.permit_id, _said(error))
            raise AppFailed from None
        self.ledger.keep_transcript(context.permit_id, context.n, joined.transcript, joined.static_keys, kind)
        return masked_content(found, proof), found.recorded_hash(context)

    def _masked(
        self, bounds: UpdateBounds | None, layout: Layout, joined: Joined, vector: NDArray[np.int64], root: bytes
    ) -> tuple[MaskedVector, bytes]:
        """A masked vector, and the proof of its update where it is bounded (5)."""
        if bounds is None:
            return mask(joined, layout.hash, vector), b""
        proved = prove(statement_of(bounds, joined.context, layout, self.dataset_id), vector, root)
        proof_hash = hashlib.sha256(proved.proof).digest()
        return mask_scalars(joined, bounds.layout_hash(layout), proved.scalars, proof_hash), proved.proof

    def unmask(self, asked: AfterMessage) -> RecordDict:
        """This hospital's shares for those who recorded a vector. Raises Refusal."""
        claim, answered = asked.claim, self.answered(asked)
        joined, state = answered.joined, answered.state
        check_updates(answered, self.dataset_id, asked.updates)
        names = [each.hex() for each in claim.participants if each in state.recorded]
        try:
            released = self.ledger.released_for(claim.permit_id, claim.n)
            earlier = None if released is None else [DatasetId(bytes.fromhex(each)) for each in released]
            shares = release(joined, state.recorded, state.closed, earlier)
        except ReleaseRefused as error:
            raise Refusal(Reason.ROUND_NOT_FINAL, str(error)) from error
        self.ledger.keep_released_for(claim.permit_id, claim.n, names)
        return RecordDict({"shares": ConfigRecord({"shares": shares.to_bytes()})})

    def disputed(self, asked: AfterMessage) -> Answered:
        """The same where the sum is disputed. Raises Refusal.

        Once its shares left, a hospital accounts for its masks whatever became of the permit: they say nothing of its
        records, and a liar that withdrew its dataset would have those named who may not answer."""
        released = self.ledger.released_for(asked.claim.permit_id, asked.claim.n)
        return self.answered(asked, anew=released is None)

    def answered(self, asked: AfterMessage, *, anew: bool = True) -> Answered:
        """A round that this hospital answered, as the chain has it now; whatever is asked of it may leave. Raises
        Refusal.

        Packages are opened by the keys that the chain had when this hospital masked by them: whoever replaces its
        key afterwards would stop the sum, and have others named who could not give an account of their masks."""
        claim = asked.claim
        keys = self.ledger.mask_keys(claim.permit_id, claim.n)
        if keys is None or len(keys) != len(claim.participants):
            keys = mask_keys_of(self.registry, claim.participants)
        joined = self._joined(claim, asked.packages, keys)
        which = Asked(claim.permit_id, self.dataset_id, UseKind.ROUND, claim.n)
        state = self.gate.unmask(which, claim.participants, anew=anew)
        if self.ledger.transcript(claim.permit_id, claim.n) != joined.transcript:
            raise Refusal(Reason.REQUEST_MALFORMED, "these are not the packages that this hospital masked by")
        if config_hash(asked.config) != self._permit(claim.permit_id).terms.config_hash:
            raise Refusal(Reason.CONFIG_MISMATCH, "this is not the configuration that was approved")
        try:
            kind = self.ledger.round_kind(claim.permit_id, claim.n)
            secure, bounds = read_secure_sum(asked.config, kind), read_bounds(asked.config)
        except FederatedError as error:
            raise Refusal(Reason.REQUEST_MALFORMED, str(error)) from error
        if secure is None:
            raise Refusal(Reason.REQUEST_MALFORMED, "the approved configuration asks for no secure sum")
        hashes = {} if bounds is None else self._recorded(claim)
        return Answered(joined, state, hashes, secure.layout, bounds)

    def _recorded(self, claim: Claim) -> dict[DatasetId, bytes]:
        with chain_read():
            uses = self.registry.uses(claim.permit_id)
        return {use.dataset_id: use.result_hash for use in uses if (use.kind, use.n) == (UseKind.ROUND, claim.n)}

    def _permit(self, permit_id: PermitId) -> Permit:
        with chain_read():
            permit = self.registry.permit(permit_id)
        if permit is None:
            raise Refusal(Reason.PERMIT_MISSING, f"there is no permit {permit_id}")
        return permit

    def _context(self, claim: Claim, n: int, permit: Permit) -> Context:
        if self.dataset_id not in claim.participants:
            raise Refusal(Reason.PARTICIPANTS_MISMATCH, "this node's dataset takes no part")
        threshold = threshold_of(len(claim.participants), permit.terms.min_hospitals)
        with chain_read():
            identity = self.registry.identity
        try:
            return Context(identity, claim.permit_id, n, claim.participants, threshold)
        except SecAggError as error:
            raise Refusal(Reason.TOO_FEW_HOSPITALS, str(error)) from error


def masked_content(found: MaskedVector, proof: bytes) -> RecordDict:
    """A masked vector as a reply's content, with what is proved of it; empty where nothing is."""
    record = {
        "transcript": found.transcript,
        "layout": found.layout_hash,
        "values": found.group.to_bytes(found.values),
        "proof": proof,
    }
    return RecordDict({"masked": ConfigRecord(dict(record))})


def _said(error: FederatedError) -> str:
    """Our own refusal of an answer's form may name what the study's code named; its place is enough."""
    return str(error) if isinstance(error, EncodingRefused) and "'" not in str(error) else place_of(error)
