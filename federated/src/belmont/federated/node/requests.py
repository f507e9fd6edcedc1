"""The messages a node understands, read strictly: an unknown or missing record or key is an error.

Each comes with the data user's signature (`belmont.federated.asked_by`), which is checked and taken away before.

A round (Flower message type ``train``):

    use     ConfigRecord   permit, n, purpose: int; participants: list of 32-byte dataset identifiers
    config  ConfigRecord   the run configuration: scalars only
    arrays  ArrayRecord    the model
    packages ConfigRecord  packages: what each other participant sealed to this hospital, where the sum is secure

Before and after a round whose sum is secure (``train.deal`` and ``train.unmask``): ``use`` as above, and

    deal    ConfigRecord   rounds: for how many rounds from n on packages are asked for
    packages               as above

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

DEAL, UNMASK = "train.deal", "train.unmask"
"""Flower message types."""
MAX_PARTICIPANTS = 1_000
MAX_ROUNDS_DEALT = 100
MAX_PACKAGE_BYTES = 100_000


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
    packages: tuple[bytes, ...] | None = None


@dataclass(frozen=True)
class QueryMessage:
    claim: Claim
    canonical_query: bytes
    public_context: bytes


def round_content(
    claim: Claim, config: RunConfig, arrays: Arrays | ArrayRecord, packages: Sequence[bytes] | None = None
) -> RecordDict:
    """The content of a round's message; with ``packages`` for one hospital, where the sum is secure.

    A model that several messages share is written once (`write_arrays`).
    """
    written = arrays if isinstance(arrays, ArrayRecord) else write_arrays(arrays)
    content = RecordDict({"use": _use(claim), "config": ConfigRecord(dict(config)), "arrays": written})
    if packages is not None:
        content["packages"] = ConfigRecord({"packages": list(packages)})
    return content


def deal_content(claim: Claim, rounds: int) -> RecordDict:
    """The content of a message that asks for packages."""
    return RecordDict({"use": _use(claim), "deal": ConfigRecord({"rounds": rounds})})


def unmask_content(claim: Claim, packages: Sequence[bytes]) -> RecordDict:
    """The content of a message that asks one hospital for its shares."""
    return RecordDict({"use": _use(claim), "packages": ConfigRecord({"packages": list(packages)})})


def query_content(claim: Claim, canonical_query: bytes, public_context: bytes) -> RecordDict:
    """The content of a query's message."""
    query = ConfigRecord({"canonical": canonical_query, "context": public_context})
    return RecordDict({"use": _use(claim), "query": query})


def read_round(content: RecordDict) -> RoundMessage:
    """Read a round's message. Raises FederatedError naming what is wrong."""
    secure = ("packages",) if "packages" in content else ()
    _exactly(content, "the message", ("use", "config", "arrays", *secure))
    config, arrays = content["config"], content["arrays"]
    if not isinstance(config, ConfigRecord) or not isinstance(arrays, ArrayRecord):
        raise FederatedError("config has to be a ConfigRecord and arrays an ArrayRecord")
    scalars: dict[str, str | int | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, list | bytes):
            raise FederatedError(f"configuration key {key[:100]!r} is not a scalar")
        scalars[key] = value
    packages = _read_packages(content) if secure else None
    return RoundMessage(read_use(content), scalars, read_arrays(arrays), packages)


def read_deal(content: RecordDict) -> tuple[Claim, int]:
    """Read a message that asks for packages. Raises FederatedError."""
    _exactly(content, "the message", ("use", "deal"))
    record = content["deal"]
    if not isinstance(record, ConfigRecord):
        raise FederatedError("deal has to be a ConfigRecord")
    _exactly(record, "deal", ("rounds",))
    return read_use(content), _whole(record["rounds"], "rounds", 16)


def read_unmask(content: RecordDict) -> tuple[Claim, tuple[bytes, ...]]:
    """Read a message that asks for shares. Raises FederatedError."""
    _exactly(content, "the message", ("use", "packages"))
    return read_use(content), _read_packages(content)


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
    return QueryMessage(read_use(content), canonical, context)


def _use(claim: Claim) -> ConfigRecord:
    participants: list[bytes] = list(claim.participants)
    return ConfigRecord(
        {"permit": claim.permit_id, "n": claim.n, "purpose": claim.purpose, "participants": participants}
    )


def read_use(content: RecordDict) -> Claim:
    """Read what a message says of itself, of any type. Raises FederatedError."""
    use = content.get("use")
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


def _read_packages(content: RecordDict) -> tuple[bytes, ...]:
    record = content["packages"]
    if not isinstance(record, ConfigRecord):
        raise FederatedError("packages has to be a ConfigRecord")
    _exactly(record, "packages", ("packages",))
    packages = record["packages"]
    if not isinstance(packages, list) or len(packages) > MAX_PARTICIPANTS:
        raise FederatedError(f"packages has to be a list of at most {MAX_PARTICIPANTS}")
    found: list[bytes] = []
    for each in packages:
        if type(each) is not bytes or len(each) > MAX_PACKAGE_BYTES:
            raise FederatedError(f"a package is at most {MAX_PACKAGE_BYTES} bytes")
        found.append(each)
    return tuple(found)


def _whole(value: object, name: str, bits: int = 63) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise FederatedError(f"{name} has to be a whole number from 0 to 2^{bits} - 1")
    return value


def _exactly(given: RecordDict | ConfigRecord, what: str, expected: Sequence[str]) -> None:
    if set(given) != set(expected):
        raise FederatedError(f"{what} has to hold exactly {', '.join(expected)}")
