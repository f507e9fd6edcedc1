"""One hospital's answer as it leaves: everything it rests on, and the hospital's signature over all of it.

1. The content is encoded in one way, every part with its length. What the chain records (``hashes.answer_hash``) is
   the hash of content and signature together, so nothing of an answer can be exchanged afterwards.
2. The signature is the data holder's account's, over EIP-712 typed data that name consortium, permit, number, query
   hash (which binds question, key and participants) and dataset: an answer counts in its own query only.
3. An answer over commitments has evidence and one masked opening for each cell; one without has neither.
4. The seed hashes are those of this hospital's pairs, in the participants' order, 32 zero bytes at its own place.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from eth_account.signers.local import LocalAccount
from flwr.app import ConfigRecord, RecordDict

from belmont.federated.errors import QueryError
from belmont.federated.hashes import answer_hash
from belmont.federated.query.bfv import MAX_CIPHERTEXT_BYTES
from belmont.federated.query.evidence import MAX_EVIDENCE_BYTES
from belmont.federated.query.masks import MaskContext
from belmont.federated.typed_data import digest_of, sign
from belmont.registry.identities.recovery import signer_of
from belmont.registry.types import Address, DatasetId
from belmont.zk.curve import COMPRESSED_BYTES, G1, is_infinity, parse_compressed
from belmont.zk.errors import ZkError

SIGNATURE_BYTES = 65
HASH_BYTES = 32
MAX_CELLS = 8_192
_FIELDS = ("ciphertext", "version", "evidence", "openings", "seed-hashes", "signature")
_DOMAIN = "Belmont encrypted query"
_TYPES = {
    "Answer": [
        {"name": "consortium", "type": "string"},
        {"name": "permit", "type": "uint64"},
        {"name": "number", "type": "uint64"},
        {"name": "queryHash", "type": "bytes32"},
        {"name": "dataset", "type": "bytes32"},
        {"name": "content", "type": "bytes32"},
    ]
}


@dataclass(frozen=True)
class SignedAnswer:
    """What a hospital releases for one query."""

    ciphertext: bytes
    version: int
    """Number of the dataset version it is over."""
    evidence: bytes
    openings: tuple[bytes, ...]
    """Masked, one for each cell, compressed; none if the answer is not over commitments."""
    seed_hashes: tuple[bytes, ...]
    signature: bytes = b""

    def content(self) -> bytes:
        """What is signed: the one encoding of everything but the signature."""
        parts = (
            self.version.to_bytes(8),
            self.ciphertext,
            self.evidence,
            b"".join(self.openings),
            b"".join(self.seed_hashes),
        )
        return b"".join(len(part).to_bytes(4) + part for part in parts)

    @property
    def hash(self) -> bytes:
        """What the hospital records on chain."""
        return answer_hash(self.content() + self.signature)

    def signed(self, account: LocalAccount, context: MaskContext, dataset_id: DatasetId) -> "SignedAnswer":
        """The same answer with the account's signature."""
        return replace(self, signature=sign(account, _digest(self, context, dataset_id)))

    def signer(self, context: MaskContext, dataset_id: DatasetId) -> Address | None:
        """Whose signature this is for that query and dataset; None if it is nobody's."""
        return signer_of(_digest(self, context, dataset_id), self.signature)

    def masked_openings(self, cells: int) -> list[G1]:
        """X for each cell. Raises QueryError unless there are as many, each a point of the subgroup."""
        if len(self.openings) != cells:
            raise QueryError(f"the answer has {len(self.openings)} openings for {cells} cells")
        try:
            points = [parse_compressed(each) for each in self.openings]
        except ZkError as error:
            raise QueryError(f"an opening is not a point: {error}") from error
        if any(is_infinity(point) for point in points):
            raise QueryError("an opening is the point at infinity, which no mask makes")
        return points

    def to_record(self) -> RecordDict:
        """As a message's content."""
        return RecordDict(
            {
                "answer": ConfigRecord(
                    {
                        "ciphertext": self.ciphertext,
                        "version": self.version,
                        "evidence": self.evidence,
                        "openings": b"".join(self.openings),
                        "seed-hashes": b"".join(self.seed_hashes),
                        "signature": self.signature,
                    }
                )
            }
        )

    @classmethod
    def from_record(cls, content: RecordDict, participants: int) -> "SignedAnswer":
        """Read a reply. Raises QueryError naming what is wrong."""
        answer = content.get("answer")
        if set(content) != {"answer"} or not isinstance(answer, ConfigRecord) or set(answer) != set(_FIELDS):
            raise QueryError("an answer holds exactly " + ", ".join(_FIELDS))
        version = answer["version"]
        if type(version) is not int or not 0 < version < 1 << 63:
            raise QueryError("version has to be a whole number from 1")
        return cls(
            _read(answer, "ciphertext", MAX_CIPHERTEXT_BYTES),
            version,
            _read(answer, "evidence", MAX_EVIDENCE_BYTES),
            tuple(_split(_read(answer, "openings", MAX_CELLS * COMPRESSED_BYTES), COMPRESSED_BYTES, "openings")),
            tuple(
                _split(_read(answer, "seed-hashes", HASH_BYTES * participants), HASH_BYTES, "seed-hashes", participants)
            ),
            _read(answer, "signature", SIGNATURE_BYTES),
        )


def _digest(answer: SignedAnswer, context: MaskContext, dataset_id: DatasetId) -> bytes:
    values = {
        "consortium": context.consortium,
        "permit": context.permit_id,
        "number": context.n,
        "queryHash": context.query_hash,
        "dataset": bytes(dataset_id),
        "content": hashlib.sha256(answer.content()).digest(),
    }
    return digest_of(_DOMAIN, _TYPES, values)


def _read(answer: Any, name: str, most: int) -> bytes:
    value = answer[name]
    if type(value) is not bytes or len(value) > most:
        raise QueryError(f"{name} has to be at most {most} bytes")
    return value


def _split(data: bytes, each: int, name: str, count: int | None = None) -> list[bytes]:
    if len(data) % each or (count is not None and len(data) != each * count):
        raise QueryError(f"{name} has a wrong length")
    return [data[at : at + each] for at in range(0, len(data), each)]
