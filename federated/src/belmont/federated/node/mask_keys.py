"""The mask keys that are pinned on chain for a round's or query's participants."""

from collections.abc import Sequence

from belmont.federated.errors import Refusal
from belmont.federated.gate.gate import chain_read
from belmont.registry.protocol import Registry
from belmont.registry.reasons import Reason
from belmont.registry.types import DatasetId


def mask_keys_of(registry: Registry, participants: Sequence[DatasetId]) -> list[bytes]:
    """One X25519 public key for each participant, in order. Raises Refusal where one has no holder."""
    keys = []
    with chain_read():
        for participant in participants:
            dataset = registry.dataset(participant)
            member = None if dataset is None else registry.member(dataset.holder)
            if member is None:
                raise Refusal(Reason.DATASET_NOT_COVERED, "a participant has no holder on chain")
            keys.append(member.mask_key)
    return keys
