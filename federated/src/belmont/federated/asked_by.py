"""Who asks: the record by which a message of the researcher shows that the permit's data user sent it.

1. One record, ``asked-by``, holds one signature of 65 bytes and nothing else.
2. It is over EIP-712 typed data that name the consortium, the dataset whose node is asked, the Flower message type and
   the hash of everything else that the message holds: permit, number, purpose, participants, configuration, model,
   packages, question and key. A signature is good for one request to one node.
3. That hash does not rest on how Flower writes a message: each record is hashed by its kind, names and values, every
   part with its length; records and keys in the order of their names, arrays in their own, as a model's hash has them.
4. A key has one signature of a message: s in the lower half, v 27 or 28 (`belmont.registry.identities.recovery`).
5. The code is not in it: a permit has one code hash, and a node runs no other.

Whether the signer may speak for the permit's data user only the chain says; a node asks it (`node.data_user`).
"""

import hashlib
import struct
from collections.abc import Mapping
from typing import TypeAlias

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from belmont.federated.errors import FederatedError
from belmont.federated.typed_data import digest_of, sign
from belmont.registry.identities.recovery import signer_of
from belmont.registry.protocol import Registry
from belmont.registry.types import Address, DatasetId

ASKED_BY = "asked-by"
SIGNATURE_BYTES = 65
_SIGNATURE = "signature"
_DOMAIN = "Belmont request to a hospital"
_TYPES = {
    "Request": [
        {"name": "consortium", "type": "string"},
        {"name": "dataset", "type": "bytes32"},
        {"name": "messageType", "type": "string"},
        {"name": "content", "type": "bytes32"},
    ]
}
_LABEL = b"belmont/asked/1\0"

Record: TypeAlias = ArrayRecord | ConfigRecord | MetricRecord


class Signing:
    """Signs messages as the account that ``registry`` writes as. Raises RegistryArgumentError if that cannot sign."""

    def __init__(self, registry: Registry) -> None:
        self._signer = registry.signer()
        self._consortium = registry.identity

    def signed(self, message_type: str, contents: Mapping[DatasetId, RecordDict]) -> dict[DatasetId, RecordDict]:
        """Each dataset's content with its signature; the records are shared with what was given, which stays as it is.

        A record that several contents share is hashed once.
        """
        known: dict[int, bytes] = {}
        for content in contents.values():
            for record in content.values():
                if id(record) not in known:
                    known[id(record)] = record_hash(record)
        found = {}
        for dataset_id, content in contents.items():
            hashed = _content_hash({name: known[id(record)] for name, record in content.items()})
            digest = request_digest(self._consortium, dataset_id, message_type, hashed)
            found[dataset_id] = with_signature(content, sign(self._signer, digest))
        return found


def with_signature(content: RecordDict, signature: bytes) -> RecordDict:
    """The same content with a signature (1)."""
    return RecordDict({**content, ASKED_BY: ConfigRecord({_SIGNATURE: signature})})


def split(content: RecordDict) -> tuple[RecordDict, bytes | None]:
    """A message's content without the signature, and the signature; None if there is none of the form (1)."""
    rest = RecordDict({name: record for name, record in content.items() if name != ASKED_BY})
    record = content.get(ASKED_BY)
    if not isinstance(record, ConfigRecord) or set(record) != {_SIGNATURE}:
        return rest, None
    signature = record[_SIGNATURE]
    return rest, signature if type(signature) is bytes and len(signature) == SIGNATURE_BYTES else None


def asker(
    consortium: str, dataset_id: DatasetId, message_type: str, content: RecordDict, signature: bytes
) -> Address | None:
    """Whose key signed this content for that dataset's node; None if nobody's. Raises FederatedError."""
    hashed = _content_hash({name: record_hash(record) for name, record in content.items()})
    return signer_of(request_digest(consortium, dataset_id, message_type, hashed), signature)


def request_digest(consortium: str, dataset_id: DatasetId, message_type: str, content_hash: bytes) -> bytes:
    """The 32 bytes that are signed (2)."""
    values = {
        "consortium": consortium,
        "dataset": bytes(dataset_id),
        "messageType": message_type,
        "content": content_hash,
    }
    return digest_of(_DOMAIN, _TYPES, values)


def record_hash(record: object) -> bytes:
    """SHA-256 of one record (3). Raises FederatedError for what no record holds."""
    hashed = _Parts()
    if isinstance(record, ArrayRecord):
        hashed.add(b"arrays")
        for name, array in record.items():
            shape = b"".join(_integer(size) for size in array.shape)
            for text in (name, array.dtype, array.stype):
                hashed.add(_text(text))
            hashed.add(shape)
            if type(array.data) is not bytes:
                raise FederatedError("an array is not made of bytes")
            hashed.add(array.data)
    elif isinstance(record, ConfigRecord | MetricRecord):
        hashed.add(b"config" if isinstance(record, ConfigRecord) else b"metrics")
        for name in sorted(record):
            hashed.add(_text(name))
            hashed.add_value(record[name])
    else:
        raise FederatedError("a message holds a record of an unknown kind")
    return hashed.digest()


def _content_hash(hashes: Mapping[str, bytes]) -> bytes:
    hashed = _Parts()
    for name in sorted(hashes):
        hashed.add(_text(name))
        hashed.add(hashes[name])
    return hashed.digest()


class _Parts:
    """SHA-256 over a label and parts, each after its length."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(_LABEL)

    def add(self, part: bytes) -> None:
        self._hash.update(len(part).to_bytes(8))
        self._hash.update(part)

    def add_value(self, value: object) -> None:
        """A value of a record: its type, then the value; of a list its length, then each."""
        if isinstance(value, list):
            self.add(b"list" + len(value).to_bytes(8))
            for each in value:
                self._add_scalar(each)
        else:
            self._add_scalar(value)

    def _add_scalar(self, value: object) -> None:
        if isinstance(value, bool):
            self.add(b"bool" + bytes([value]))
        elif isinstance(value, int):
            self.add(b"int" + _integer(value))
        elif isinstance(value, float):
            self.add(b"float" + struct.pack(">d", value))
        elif isinstance(value, str):
            self.add(b"text" + _text(value))
        elif isinstance(value, bytes):
            self.add(b"bytes")
            self.add(value)
        else:
            raise FederatedError("a message holds a value of an unknown type")

    def digest(self) -> bytes:
        return self._hash.digest()


def _integer(value: int) -> bytes:
    body = int(value).to_bytes(value.bit_length() // 8 + 1, signed=True)
    return len(body).to_bytes(8) + body


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
