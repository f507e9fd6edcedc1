"""A refuted total as the ethics board gets it: the query and every hospital's signed answer, all bound by the chain.

A case holds no secret of a hospital and no decryption key. Its file is canonical JSON.
"""

import base64
from dataclasses import dataclass
from enum import StrEnum

from belmont.federated.errors import QueryError
from belmont.federated.hashes import canonical_json, query_hash
from belmont.federated.query.masks import MaskContext
from belmont.federated.query.question import Query
from belmont.federated.query.signed_answer import SignedAnswer
from belmont.registry.strict_json import loads
from belmont.registry.types import DatasetId, PermitId

MAX_CASE_BYTES = 64 * 1024 * 1024
_FORMAT = "belmont-query-case/1"


class Place(StrEnum):
    """Where an answer is not what it has to be."""

    SIGNATURE = "signature"
    COMMITMENTS = "commitments"
    TOTAL = "total"
    OPENING = "opening"
    MASK = "mask"
    CIPHERTEXT = "ciphertext"
    DISCLOSURE = "disclosure"


@dataclass(frozen=True)
class Case:
    """One query with its answers, in the participants' order. ``claimed`` is what the researcher decrypted."""

    consortium: str
    permit_id: PermitId
    n: int
    canonical_query: bytes
    public_context: bytes
    participants: tuple[DatasetId, ...]
    answers: tuple[SignedAnswer, ...]
    claimed: tuple[int, ...] = ()

    @property
    def query(self) -> Query:
        """The question. Raises QueryError if it is none."""
        return Query.from_canonical(self.canonical_query)

    @property
    def context(self) -> MaskContext:
        """What masks and signatures are bound to, with the hash computed from question, key and participants."""
        hashed = query_hash(self.canonical_query, self.public_context, self.permit_id, self.n, self.participants)
        return MaskContext(self.consortium, self.permit_id, self.n, hashed, self.participants)

    def disputed_pairs(self) -> list[tuple[int, int]]:
        """Positions of pairs whose two ends signed different seeds."""
        count = len(self.participants)
        return [
            (i, j)
            for i in range(count)
            for j in range(i + 1, count)
            if self.answers[i].seed_hashes[j] != self.answers[j].seed_hashes[i]
        ]

    def to_bytes(self) -> bytes:
        """The file."""
        return canonical_json(
            {
                "format": _FORMAT,
                "consortium": self.consortium,
                "permit": self.permit_id,
                "n": self.n,
                "query": _text(self.canonical_query),
                "context": _text(self.public_context),
                "participants": [each.hex() for each in self.participants],
                "claimed": list(self.claimed),
                "answers": [
                    {
                        "ciphertext": _text(each.ciphertext),
                        "version": each.version,
                        "evidence": _text(each.evidence),
                        "openings": [opening.hex() for opening in each.openings],
                        "seed-hashes": [hashed.hex() for hashed in each.seed_hashes],
                        "signature": each.signature.hex(),
                    }
                    for each in self.answers
                ],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Case":
        """Read the file. Raises QueryError for anything else."""
        try:
            if len(data) > MAX_CASE_BYTES:
                raise ValueError("too long")
            fields = loads(data)
            answers = tuple(
                SignedAnswer(
                    _bytes(each["ciphertext"]),
                    int(each["version"]),
                    _bytes(each["evidence"]),
                    tuple(bytes.fromhex(opening) for opening in each["openings"]),
                    tuple(bytes.fromhex(hashed) for hashed in each["seed-hashes"]),
                    bytes.fromhex(each["signature"]),
                )
                for each in fields["answers"]
            )
            found = cls(
                str(fields["consortium"]),
                PermitId(int(fields["permit"])),
                int(fields["n"]),
                _bytes(fields["query"]),
                _bytes(fields["context"]),
                tuple(DatasetId(bytes.fromhex(each)) for each in fields["participants"]),
                answers,
                tuple(int(cell) for cell in fields["claimed"]),
            )
            if found.to_bytes() != data:
                raise ValueError("not canonical")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise QueryError("the case cannot be read") from error
        found.check_shape()
        return found

    def check_shape(self) -> None:
        """Raise QueryError unless there is one answer for each participant, with one seed hash for each."""
        count = len(self.participants)
        if len(self.answers) != count or any(len(each.seed_hashes) != count for each in self.answers):
            raise QueryError("a case has one answer for each participant, each with one seed hash for each")

    def __repr__(self) -> str:
        return f"Case(permit {self.permit_id}, query {self.n}, {len(self.answers)} answers)"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
