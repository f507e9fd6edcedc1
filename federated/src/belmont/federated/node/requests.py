"""The messages a node understands, read strictly: an unknown or missing record or key is an error.

Each comes with the data user's signature (`belmont.federated.asked_by`), which is checked and taken away before.

A round (Flower message type ``train``):

    use     ConfigRecord   permit, n, purpose: int; participants: list of 32-byte dataset identifiers
    config  ConfigRecord   the run configuration: scalars only
    arrays  ArrayRecord    the model
    packages ConfigRecord  packages: what each other participant sealed to this hospital, where the sum is secure

Before a round whose sum is secure (``train.deal``): ``use`` as above, and

    deal    ConfigRecord   rounds: for how many rounds from n on packages are asked for

After it (``train.unmask``; ``train.account`` and ``train.settle`` where its total is refuted): ``use``, ``config`` and
``packages`` as above, and

    updates ConfigRecord   for unmask and settle, where updates are bounded; by recorded hospital in order: proofs, and
                           hashes of masked values
    account ConfigRecord   for settle. peer: whose; account: what it said of its masks

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

DEAL, UNMASK, ACCOUNT, SETTLE = "train.deal", "train.unmask", "train.account", "train.settle"
"""Flower message types."""
MAX_PARTICIPANTS = 1_000
MAX_ROUNDS_DEALT = 100
MAX_PACKAGE_BYTES = 100_000
MAX_PROOF_BYTES = 4_000_000
MAX_ACCOUNT_BYTES = 64_000_000


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
class AfterMessage:
    """What is asked of a hospital after it answered a round whose sum is secure."""

    claim: Claim
    config: dict[str, str | int | float | bool]
    packages: tuple[bytes, ...]
    updates: tuple[tuple[bytes, bytes], ...] | None = None
    """Proof and SHA-256 of the masked values of each recorded hospital, in order."""
    account: tuple[DatasetId, bytes] | None = None
    """A peer's account of its masks."""


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


def after_content(
    claim: Claim,
    config: RunConfig,
    packages: Sequence[bytes],
    updates: Sequence[tuple[bytes, bytes]] | None = None,
    account: tuple[DatasetId, bytes] | None = None,
) -> RecordDict:
    """The content of a message that asks one hospital for its shares, its account, or its part in a dispute."""
    content = RecordDict({"use": _use(claim), "config": ConfigRecord(dict(config))})
    content["packages"] = ConfigRecord({"packages": list(packages)})
    if updates is not None:
        content["updates"] = ConfigRecord(
            {"proofs": [proof for proof, _ in updates], "hashes": [hashed for _, hashed in updates]}
        )
    if account is not None:
        content["account"] = ConfigRecord({"peer": account[0], "account": account[1]})
    return content


def query_content(claim: Claim, canonical_query: bytes, public_context: bytes) -> RecordDict:
    """The content of a query's message."""
    query = ConfigRecord({"canonical": canonical_query, "context": public_context})
    return RecordDict({"use": _use(claim), "query": query})


def read_round(content: RecordDict) -> RoundMessage:
    """Read a round's message. Raises FederatedError naming what is wrong."""
    secure = ("packages",) if "packages" in content else ()
    _exactly(content, "the message", ("use", "config", "arrays", *secure))
    arrays = content["arrays"]
    if not isinstance(arrays, ArrayRecord):
        raise FederatedError("arrays has to be an ArrayRecord")
    packages = _read_packages(content) if secure else None
    return RoundMessage(read_use(content), _read_config(content), read_arrays(arrays), packages)


def read_deal(content: RecordDict) -> tuple[Claim, int]:
    """Read a message that asks for packages. Raises FederatedError."""
    _exactly(content, "the message", ("use", "deal"))
    record = content["deal"]
    if not isinstance(record, ConfigRecord):
        raise FederatedError("deal has to be a ConfigRecord")
    _exactly(record, "deal", ("rounds",))
    return read_use(content), _whole(record["rounds"], "rounds", 16)


def read_after(content: RecordDict) -> AfterMessage:
    """Read a message about a round that was answered. Raises FederatedError."""
    more = tuple(name for name in ("updates", "account") if name in content)
    _exactly(content, "the message", ("use", "config", "packages", *more))
    updates = account = None
    if "updates" in more:
        record = _config_record(content, "updates", ("proofs", "hashes"))
        proofs = _bytes_list(record["proofs"], "a proof", MAX_PROOF_BYTES)
        hashes = _bytes_list(record["hashes"], "a hash", 32)
        if len(proofs) != len(hashes) or any(len(each) != 32 for each in hashes):
            raise FederatedError("updates have one proof and one hash of 32 bytes each")
        updates = tuple(zip(proofs, hashes, strict=True))
    if "account" in more:
        record = _config_record(content, "account", ("peer", "account"))
        peer, data = record["peer"], record["account"]
        if type(peer) is not bytes or len(peer) != 32 or type(data) is not bytes or len(data) > MAX_ACCOUNT_BYTES:
            raise FederatedError("an account has a peer of 32 bytes, and bytes")
        account = DatasetId(peer), data
    return AfterMessage(read_use(content), _read_config(content), _read_packages(content), updates, account)


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


def _read_config(content: RecordDict) -> dict[str, str | int | float | bool]:
    config = content["config"]
    if not isinstance(config, ConfigRecord):
        raise FederatedError("config has to be a ConfigRecord")
    scalars: dict[str, str | int | float | bool] = {}
    for key, value in config.items():
        if isinstance(value, list | bytes):
            raise FederatedError(f"configuration key {key[:100]!r} is not a scalar")
        scalars[key] = value
    return scalars


def _read_packages(content: RecordDict) -> tuple[bytes, ...]:
    record = _config_record(content, "packages", ("packages",))
    return _bytes_list(record["packages"], "a package", MAX_PACKAGE_BYTES)


def _config_record(content: RecordDict, name: str, keys: Sequence[str]) -> ConfigRecord:
    record = content[name]
    if not isinstance(record, ConfigRecord):
        raise FederatedError(f"{name} has to be a ConfigRecord")
    _exactly(record, name, keys)
    return record


def _bytes_list(values: object, what: str, most: int) -> tuple[bytes, ...]:
    if not isinstance(values, list) or len(values) > MAX_PARTICIPANTS:
        raise FederatedError(f"there are at most {MAX_PARTICIPANTS} in a list")
    found: list[bytes] = []
    for each in values:
        if type(each) is not bytes or len(each) > most:
            raise FederatedError(f"{what} is at most {most} bytes")
        found.append(each)
    return tuple(found)


def _whole(value: object, name: str, bits: int = 63) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise FederatedError(f"{name} has to be a whole number from 0 to 2^{bits} - 1")
    return value


def _exactly(given: RecordDict | ConfigRecord, what: str, expected: Sequence[str]) -> None:
    if set(given) != set(expected):
        raise FederatedError(f"{what} has to hold exactly {', '.join(expected)}")
