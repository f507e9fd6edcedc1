"""Opening a sum: whoever has the masked vectors of all recorded hospitals and shares of enough of them.

1. The recorded set is the chain's, and has at least the threshold.
2. Every recorded hospital's vector is there, hashes to what the hospital recorded, and was masked under the same public
   parts and layout as all others'.
3. A share counts if its hash is the one in the dealer's public part. The holder accepted it by that hash when it
   joined, and recorded the transcript, so **who releases another one is named**, however few shares there are.
4. At least the threshold of hospitals released right shares; what more there are must lie on the same polynomial.
5. A seed has the hash, and a key the public key, that the dealer committed to. Shares that pass 3 and fail here were
   dealt wrong, so **the dealer is named**.
6. The sum is the vectors', minus the self masks of recorded hospitals, minus what their pair masks with unrecorded ones
   leave. Anything else is an error and no sum.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from belmont.federated.errors import DealerRefuted, NotEnoughShares, SecAggError, VectorRejected
from belmont.federated.secagg import sharing
from belmont.federated.secagg.context import Context
from belmont.federated.secagg.groups import WORDS, Group
from belmont.federated.secagg.masking import MaskedVector, pair_sign, pair_stream, self_stream
from belmont.federated.secagg.release import Shares
from belmont.federated.secagg.setup import Kind, PublicPart, exchange, seed_hash, share_hash, transcript_of
from belmont.registry.types import DatasetId


@dataclass(frozen=True)
class OpenedSum:
    """The sum of the recorded hospitals' vectors."""

    total: NDArray[Any]
    """int64 for words, integers below r for scalars."""
    recorded: tuple[DatasetId, ...]
    """Whose vectors are in it, in the participants' order."""
    wrong_shares: tuple[DatasetId, ...]
    """Who released a share that was not dealt to it. The sum is right without it."""
    stripped: Mapping[DatasetId, NDArray[Any]]
    """Of each recorded hospital, its vector under the pair masks with the others recorded, and no other mask."""


def open_sum(
    context: Context,
    publics: Sequence[PublicPart],
    recorded: Mapping[DatasetId, bytes],
    vectors: Mapping[DatasetId, MaskedVector],
    shares: Mapping[DatasetId, Shares],
    group: Group = WORDS,
) -> OpenedSum:
    """Unmask the sum. ``publics`` are of all participants in order; ``recorded`` has the chain's hash for each recorded
    dataset; vectors and shares of others are ignored.

    Raises VectorRejected, NotEnoughShares or DealerRefuted, which name hospitals, or SecAggError.
    """
    inside = [position for position, each in enumerate(context.participants) if each in recorded]
    if len(publics) != len(context.participants) or len(inside) != len(recorded):
        raise SecAggError("public parts are of every participant, and only participants are recorded")
    if len(inside) < context.threshold:
        raise SecAggError(f"{len(inside)} are recorded, fewer than the threshold {context.threshold}")  # 1
    transcript = transcript_of(context, publics)
    masked = _checked(context, transcript, recorded, vectors, inside, group)
    right, wrong = _right_shares(context, publics, inside, shares)
    if len(right) < context.threshold:
        missing = tuple(context.participants[each] for each in inside if context.participants[each] not in shares)
        raise NotEnoughShares(context.threshold, missing, wrong)  # 4
    secrets = [_secret(context, publics, dealer, inside, right) for dealer in range(len(context.participants))]
    stripped = {
        context.participants[own]: _stripped(context, publics, secrets, inside, own, vector)
        for own, vector in zip(inside, masked, strict=True)
    }
    total = masked[0].values - masked[0].values
    for values in stripped.values():
        group.add(total, values)
    participants = tuple(context.participants[each] for each in inside)
    if group is WORDS:
        total = total.astype(np.uint64, copy=False).view(np.int64)
    return OpenedSum(total, participants, wrong, stripped)


def _stripped(
    context: Context,
    publics: Sequence[PublicPart],
    secrets: Sequence[bytes],
    inside: Sequence[int],
    own: int,
    masked: MaskedVector,
) -> NDArray[Any]:
    """One recorded hospital's vector without its self mask and without its pair masks with unrecorded ones (6)."""
    group, values = masked.group, masked.values.copy()
    group.add_stream(values, self_stream(context, masked.transcript, masked.layout_hash, own, secrets[own]), -1)
    for dealer, secret in enumerate(secrets):
        if dealer not in inside:
            key = X25519PrivateKey.from_private_bytes(secret)
            shared = exchange(key, publics[own].key, context.participants[own])
            stream = pair_stream(context, masked.transcript, masked.layout_hash, own, dealer, shared)
            group.add_stream(values, stream, -pair_sign(own, dealer))
    return values


def _checked(
    context: Context,
    transcript: bytes,
    recorded: Mapping[DatasetId, bytes],
    vectors: Mapping[DatasetId, MaskedVector],
    inside: Sequence[int],
    group: Group,
) -> list[MaskedVector]:
    """The recorded hospitals' vectors, in order (2)."""
    found: list[MaskedVector] = []
    for position in inside:
        dataset_id = context.participants[position]
        vector = vectors.get(dataset_id)
        if vector is None:
            raise VectorRejected(dataset_id, "it is recorded and has not come")
        if vector.dataset_id != dataset_id or vector.group is not group or not group.has(vector.values):
            raise VectorRejected(dataset_id, "it is not a vector of this hospital")
        if vector.recorded_hash(context) != recorded[dataset_id]:
            raise VectorRejected(dataset_id, "it is not the one that the hospital recorded")
        if vector.transcript != transcript:
            raise VectorRejected(dataset_id, "the hospital was shown other setup packages than these")
        if found and (vector.layout_hash, len(vector.values)) != (found[0].layout_hash, len(found[0].values)):
            raise VectorRejected(dataset_id, "it has another layout than the others")
        found.append(vector)
    return found


def _right_shares(
    context: Context, publics: Sequence[PublicPart], inside: Sequence[int], shares: Mapping[DatasetId, Shares]
) -> tuple[dict[int, Shares], tuple[DatasetId, ...]]:
    """Releases of which every share is as dealt (3), by position, and who released others."""
    kinds = tuple(Kind.SEED if each in inside else Kind.KEY for each in range(len(publics)))
    right, wrong = {}, []
    for holder in inside:
        holder_id = context.participants[holder]
        given = shares.get(holder_id)
        if given is None:
            continue
        as_dealt = given.kinds == kinds and all(
            share_hash(context, kind, dealer, holder, value) == publics[dealer].share_hashes[kind][holder]
            for dealer, (kind, value) in enumerate(zip(kinds, given.values, strict=True))
        )
        if as_dealt:
            right[holder] = given
        else:
            wrong.append(holder_id)
    return right, tuple(wrong)


def _secret(
    context: Context, publics: Sequence[PublicPart], dealer: int, inside: Sequence[int], right: Mapping[int, Shares]
) -> bytes:
    """The seed of a recorded dealer, the key of another, held against what it committed to (5)."""
    dealer_id = context.participants[dealer]
    secret = sharing.join({holder: each.values[dealer] for holder, each in right.items()}, context.threshold)
    if dealer in inside:
        if secret is None or seed_hash(context, dealer, secret) != publics[dealer].seed_hash:
            raise DealerRefuted(dealer_id, "self-mask seed")
        return secret
    if (
        secret is None
        or X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw() != publics[dealer].key
    ):
        raise DealerRefuted(dealer_id, "mask key")
    return secret
