"""Hospitals of a test, and a whole round among them."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from belmont.federated.secagg.context import Context, default_threshold
from belmont.federated.secagg.masking import MaskedVector, mask
from belmont.federated.secagg.opening import OpenedSum, open_sum
from belmont.federated.secagg.release import Shares, release
from belmont.federated.secagg.setup import Joined, PublicPart, deal, deal_secrets, join
from belmont.registry.types import DatasetId, PermitId

LAYOUT = hashlib.sha256(b"a layout").digest()


@dataclass(frozen=True)
class Party:
    dataset_id: DatasetId
    root: bytes
    key: X25519PrivateKey

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes_raw()


def hospitals(count: int) -> list[Party]:
    def of(what: str, i: int) -> bytes:
        return hashlib.sha256(f"{what} {i}".encode()).digest()

    return [
        Party(DatasetId(of("dataset", i)), of("root", i), X25519PrivateKey.from_private_bytes(of("key", i)))
        for i in range(count)
    ]


def context_of(parties: Sequence[Party], threshold: int | None = None, **changes: Any) -> Context:
    fields: dict[str, Any] = {
        "consortium": "0xconsortium",
        "permit_id": PermitId(3),
        "n": 2,
        "participants": tuple(each.dataset_id for each in parties),
        "threshold": threshold or default_threshold(len(parties)),
        "label": b"round",
    }
    return Context(**(fields | changes))


class Round:
    """Everything of one round. ``closed`` follows from who is recorded."""

    def __init__(self, context: Context, parties: Sequence[Party]) -> None:
        self.context = context
        self.parties = list(parties)
        keys = [each.public_key for each in parties]
        self.dealt = {each.dataset_id: deal(context, each.dataset_id, each.root, each.key, keys) for each in parties}
        self.joined = [self.join(position) for position in range(len(parties))]
        self.publics = self.public_parts()

    def packages_to(self, position: int) -> dict[DatasetId, bytes]:
        own = self.parties[position].dataset_id
        return {dealer: packages[own] for dealer, packages in self.dealt.items() if dealer != own}

    def join(self, position: int, packages: Mapping[DatasetId, bytes] | None = None) -> Joined:
        party, keys = self.parties[position], [each.public_key for each in self.parties]
        given = self.packages_to(position) if packages is None else packages
        return join(self.context, party.dataset_id, party.root, party.key, keys, given)

    def public_parts(self) -> list[PublicPart]:
        return [deal_secrets(self.context, each.dataset_id, each.root).public for each in self.parties]

    def masked(self, vectors: Sequence[np.ndarray], layout: bytes = LAYOUT) -> list[MaskedVector]:
        return [mask(joined, layout, vector) for joined, vector in zip(self.joined, vectors, strict=True)]

    def ids(self, positions: Collection[int]) -> list[DatasetId]:
        return [self.parties[position].dataset_id for position in sorted(positions)]

    def shares(self, recorded: Collection[int]) -> dict[DatasetId, Shares]:
        ids = self.ids(recorded)
        return {self.parties[each].dataset_id: release(self.joined[each], ids, True) for each in sorted(recorded)}

    def open(
        self,
        masked: Sequence[MaskedVector],
        recorded: Collection[int],
        shares: Mapping[DatasetId, Shares] | None = None,
    ) -> OpenedSum:
        of = {each.dataset_id: each for each in masked}
        hashes = {each: of[each].recorded_hash(self.context) for each in self.ids(recorded)}
        return open_sum(self.context, self.publics, hashes, of, self.shares(recorded) if shares is None else shares)


def vectors_of(count: int, size: int = 4, seed: int = 1) -> list[np.ndarray]:
    drawn = np.random.default_rng(seed)
    return [drawn.integers(-(2**55), 2**55, size, dtype=np.int64) for _ in range(count)]
