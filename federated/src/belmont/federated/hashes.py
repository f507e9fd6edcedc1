"""The hashes that bind a computation to its permit. A node computes each from what it received itself.

All are SHA-256 over a domain label, a zero byte, and an unambiguous encoding:

- code: the bytes of the Flower App Bundle, with no label, so that it equals Flower's own ``fab_hash``;
- config: canonical JSON (sorted keys, no spaces, ASCII) of the run configuration, scalars only;
- model: for each array in order its name, dtype, shape and little-endian bytes, all with lengths;
- query: canonical JSON of the query, SHA-256 of the BFV public context, permit, number, participants in order;
- result: what a node is about to release, in the model's encoding, or a signed answer's content and signature.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from belmont.federated.errors import FederatedError
from belmont.registry import hashes as registry_hashes
from belmont.registry.types import DatasetId, PermitId

Arrays: TypeAlias = dict[str, NDArray[np.float64] | NDArray[np.float32]]
RunConfig: TypeAlias = Mapping[str, str | int | float | bool]

MAX_CONFIG_KEYS = 256
MAX_CONFIG_BYTES = 65_536


def code_hash(bundle: bytes) -> bytes:
    """SHA-256 of a Flower App Bundle's bytes; hexadecimal, it is what Flower calls ``fab_hash``."""
    return hashlib.sha256(bundle).digest()


def config_hash(config: RunConfig) -> bytes:
    """Hash of a run configuration. Raises FederatedError for anything but scalars: 1, 1.0, True and "1" all differ."""
    if len(config) > MAX_CONFIG_KEYS:
        raise FederatedError(f"the configuration has more than {MAX_CONFIG_KEYS} keys")
    for key, value in config.items():
        if type(key) is not str or type(value) not in (str, int, float, bool):
            raise FederatedError(f"configuration key {key!r}: only text, integers, floats and booleans are allowed")
        if type(value) is int and not -(2**63) <= value < 2**63:
            raise FederatedError(f"configuration key {key!r}: the integer does not fit 64 bits")
    try:
        canonical = canonical_json(dict(config))
    except ValueError as error:
        raise FederatedError(
            "the configuration holds a number that is not finite, or text that is not Unicode"
        ) from error
    if len(canonical) > MAX_CONFIG_BYTES:
        raise FederatedError(f"the configuration is larger than {MAX_CONFIG_BYTES} bytes")
    return _labelled(b"belmont/config/1", canonical)


def model_hash(arrays: Arrays) -> bytes:
    """Hash of named arrays, in their order: the model that a round starts from."""
    return _labelled(b"belmont/model/1", *_encoded(arrays))


def update_hash(arrays: Arrays, metrics: Mapping[str, float]) -> bytes:
    """Hash of what a node releases after a round."""
    return _labelled(b"belmont/update/1", *_encoded(arrays), canonical_json(dict(metrics)))


def answer_hash(signed_answer: bytes) -> bytes:
    """Hash of what a node releases after a query: content and signature (``query.signed_answer``)."""
    return _labelled(b"belmont/answer/2", signed_answer)


def query_hash(
    canonical_query: bytes, public_context: bytes, permit_id: PermitId, n: int, participants: Sequence[DatasetId]
) -> bytes:
    """Hash of a query as the data user opens it: nobody can change question, key, permit, number or participants."""
    return registry_hashes.query_hash(
        canonical_query, hashlib.sha256(public_context).digest(), permit_id, n, participants
    )


def canonical_json(value: object) -> bytes:
    """JSON with sorted keys, no spaces, ASCII only, finite numbers only."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def _labelled(label: bytes, *parts: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(label + b"\0")
    for part in parts:
        digest.update(part)
    return digest.digest()


def _encoded(arrays: Arrays) -> list[bytes | memoryview]:
    """The encoding in parts, of which an array's body is the array's own memory: nothing large is copied."""
    parts: list[bytes | memoryview] = [len(arrays).to_bytes(4)]
    for name, array in arrays.items():
        if array.dtype not in (np.float64, np.float32):
            raise FederatedError(f"array {name!r}: only float64 and float32 are allowed, not {array.dtype}")
        encoded_name = name.encode()
        kind = array.dtype.newbyteorder("<")
        parts += [
            len(encoded_name).to_bytes(4),
            encoded_name,
            kind.str.encode("ascii"),
            array.ndim.to_bytes(1),
            *(size.to_bytes(8) for size in array.shape),
            np.ascontiguousarray(array, dtype=kind).reshape(-1).view(np.uint8).data,
        ]
    return parts
