"""The two messages a node understands, read strictly: an unknown or missing record or key is an error.

A round (Flower message type ``train``):

    use     ConfigRecord   permit, n, purpose: int; participants: list of 32-byte dataset identifiers
    config  ConfigRecord   the run configuration: scalars only
    arrays  ArrayRecord    the model

A query (Flower message type ``query``): ``use`` as above, and

    query   ConfigRecord   canonical: the question's canonical bytes; context: the researcher's public BFV context
"""

from collections.abc import Sequence
from dataclasses import dataclass

from flwr.app import ArrayRecord, ConfigRecord, RecordDict

from belmont.federated.errors import FederatedError
from belmont.federated.grid.records import read_arrays, write_arrays
from belmont.federated.hashes import Arrays, RunConfig
from belmont.registry.types import DatasetId, PermitId

MAX_PARTICIPANTS = 1_000


@dataclass(frozen=True)
class Claim:
    """What a message says about itself. It decides nothing: the node compares it with the chain."""

    permit_id: PermitId
    n: int
    purpose: int
    participants: tuple[DatasetId, ...]


@dataclass(frozen=True)
class RoundMessage:
    claim: Claim
    config: dict[str, str | int | float | bool]
    arrays: Arrays


@dataclass(frozen=True)
class QueryMessage:
    claim: Claim
    canonical_query: bytes
    public_context: bytes


def round_content(claim: Claim, config: RunConfig, arrays: Arrays) -> RecordDict:
    """The content of a round's message."""
    return RecordDict({"use": _use(claim), "config": ConfigRecord(dict(config)), "arrays": write_arrays(arrays)})


def query_content(claim: Claim, canonical_query: bytes, public_context: bytes) -> RecordDict:
    """The content of a query's message."""
    query = ConfigRecord({"canonical": canonical_query, "context": public_context})
    return RecordDict({"use": _use(claim), "query": query})


def read_round(content: RecordDict) -> RoundMessage:
    """Read a round's message. Raises FederatedError naming what is wrong."""
    _exactly(content, "the message", ("use", "config", "arrays"))
    config, arrays = content["config"], content["arrays"]
    if not isinstance(config, ConfigRecord) or not isinstance(arrays, ArrayRecord):
        raise FederatedError("config has to be a ConfigRecord and arrays an ArrayRecord")
    scalars: dict[str, str | int | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, list | bytes):
            raise FederatedError(f"configuration key {key[:100]!r} is not a scalar")
        scalars[key] = value
    return RoundMessage(_read_use(content), scalars, read_arrays(arrays))


def read_query(content: RecordDict) -> QueryMessage:
    """Read a query's message. Raises FederatedError naming what is wrong."""
    _exactly(content, "the message", ("use", "query"))
    record = content["query"]
    if not isinstance(record, ConfigRecord):
        raise FederatedError("query has to be a ConfigRecord")
    _exactly(record, "query", ("canonical", "context"))
    canonical, context = record["canonical"], record["context"]
    if type(canonical) is not bytes or type(context) is not bytes:
        raise FederatedError("canonical and context have to be bytes")
    return QueryMessage(_read_use(content), canonical, context)


def _use(claim: Claim) -> ConfigRecord:
    participants: list[bytes] = list(claim.participants)
    return ConfigRecord(
        {"permit": claim.permit_id, "n": claim.n, "purpose": claim.purpose, "participants": participants}
    )


def _read_use(content: RecordDict) -> Claim:
    use = content["use"]
    if not isinstance(use, ConfigRecord):
        raise FederatedError("use has to be a ConfigRecord")
    _exactly(use, "use", ("permit", "n", "purpose", "participants"))
    participants = use["participants"]
    if not isinstance(participants, list) or len(participants) > MAX_PARTICIPANTS:
        raise FederatedError(f"participants has to be a list of at most {MAX_PARTICIPANTS} identifiers")
    identifiers: list[DatasetId] = []
    for each in participants:
        if type(each) is not bytes or len(each) != 32:
            raise FederatedError("a participant has to be a dataset identifier of 32 bytes")
        identifiers.append(DatasetId(each))
    return Claim(
        PermitId(_whole(use["permit"], "permit")),
        _whole(use["n"], "n", 32),
        _whole(use["purpose"], "purpose"),
        tuple(identifiers),
    )


def _whole(value: object, name: str, bits: int = 63) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise FederatedError(f"{name} has to be a whole number from 0 to 2^{bits} - 1")
    return value


def _exactly(given: RecordDict | ConfigRecord, what: str, expected: Sequence[str]) -> None:
    if set(given) != set(expected):
        raise FederatedError(f"{what} has to hold exactly {', '.join(expected)}")
