"""Which profile a hospital stands by: an attribute of its identity on chain (ERC-1056), that it sets and revokes.

The attribute ``belmont/profile/1`` holds the dataset's identifier and the SHA-256 of the profile's file, 64 bytes. So a
withdrawal counts for whoever has a copy, and so does the destruction of a dataset. It ends by itself with the dataset's
retention date. Nothing of a patient is in it.
"""

from belmont.identity.messages import short_bytes
from belmont.registry.limits import VALIDITY_MAX_SECONDS
from belmont.registry.protocol import Registry
from belmont.registry.types import Dataset

NAME = "belmont/profile/1"


def in_force(registry: Registry, dataset: Dataset) -> list[bytes]:
    """SHA-256 of each profile that the dataset's holder stands by now."""
    now, until = registry.head().timestamp, dict[bytes, int]()
    for event in registry.identities.history(dataset.holder):
        subject = event.subject
        if event.kind == short_bytes(NAME) and isinstance(subject, bytes) and subject[:32] == dataset.id:
            until[subject] = event.valid_to
    return [subject[32:] for subject, valid_to in until.items() if valid_to > now and len(subject) == 64]


def stand_by(registry: Registry, dataset: Dataset, file_hash: bytes) -> None:
    """State that this profile is the dataset's, and no other; ``registry`` writes for the holder."""
    found = in_force(registry, dataset)
    for other in found:
        if other != file_hash:
            registry.identities.revoke_attribute(NAME, dataset.id + other)
    if file_hash not in found:
        seconds = min(dataset.retention_until - registry.head().timestamp, VALIDITY_MAX_SECONDS)
        registry.identities.set_attribute(NAME, dataset.id + file_hash, max(1, seconds))


def withdraw(registry: Registry, dataset: Dataset) -> int:
    """Stand by no profile of the dataset any longer; how many there were."""
    found = in_force(registry, dataset)
    for each in found:
        registry.identities.revoke_attribute(NAME, dataset.id + each)
    return len(found)
