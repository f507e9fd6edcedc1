"""Verifies a bundle with no network: what is trusted, what follows from it, and what that says in words.

Rules:
  V1. The bundle's checkpoint is the one that the caller trusts (``Fingerprint``), or enough members signed it
      (``SignedBy``). Nothing else decides which chain, block and contracts are meant.
  V2. The bundle's headers lead to the checkpoint's block; claims are about blocks among them (headers H1 to H6).
  V3. An event: transaction and receipt are in its block (R1 to R4); the log stands at the named place of the receipt,
      comes from the address that the checkpoint gives for the contract, and is an event that this release's contract
      declares.
  V4. A value: the contract's code after that block is the checkpoint's (A1, A2), since a layout belongs to a code; its
      slots follow from this release's layout (L1 to L3) and each is proved (T1 to T6).
  V5. A hospital's attestation of a consent: its path leads to the root of a batch that is proven by V4
      (``belmont.light.attested``).
  V6. A switch: a contract got other code in that block, and nothing else that it keeps changed (S1 to S4).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from belmont.light.accounts import Code, refuse_other_code, running, slot_value
from belmont.light.bundle import Bundle, Claim, EventClaim, Nodes, SwitchClaim, ValueClaim, blocks_of
from belmont.light.checkpoint import Checkpoint
from belmont.light.errors import PathUnknown, ProofRefused
from belmont.light.headers import Header, ancestors, unpack
from belmont.light.receipts import included
from belmont.light.release import Release, ThisRelease
from belmont.light.storage import read_path
from belmont.light.switch import KEEPS_ACCOUNT, switched


class Trust(Protocol):
    """Decides about a checkpoint."""

    def accept(self, checkpoint: Checkpoint) -> str:
        """Why it is trusted, in words. Raises ``CheckpointRefused`` where it is not."""


@dataclass(frozen=True)
class Fingerprint:
    """Trust in one checkpoint, whose fingerprint came by another way than the bundle."""

    fingerprint: bytes

    def accept(self, checkpoint: Checkpoint) -> str:
        checkpoint.refuse_other(self.fingerprint)
        return "its fingerprint is the one that was given"


@dataclass(frozen=True)
class SignedBy:
    """Trust in any checkpoint that at least so many of these members signed."""

    members: tuple[str, ...]
    at_least: int

    def accept(self, checkpoint: Checkpoint) -> str:
        checkpoint.refuse_unsigned(self.members, self.at_least)
        return f"at least {self.at_least} of {len(set(self.members))} named members signed it"


@dataclass(frozen=True)
class ProvenEvent:
    """An event of a consortium's contract. ``timestamp`` is in whole seconds since 1970, by the chain's clock."""

    contract: str
    address: str
    name: str
    fields: Mapping[str, Any]
    block: int
    timestamp: int
    transaction: bytes

    def words(self) -> str:
        return f"{self.contract} logged {self.name} in block {self.block}, {when(self.timestamp)}"


@dataclass(frozen=True)
class ProvenValue:
    """What a consortium's contract kept after a block."""

    contract: str
    address: str
    path: str
    value: Any
    block: int
    timestamp: int

    @property
    def fields(self) -> Mapping[str, Any]:
        return self.value if isinstance(self.value, dict) else {"value": self.value}

    def words(self) -> str:
        return f"{self.contract} kept this as {self.path} after block {self.block}, {when(self.timestamp)}"


@dataclass(frozen=True)
class ProvenSwitch:
    """A consortium's contract got other code, and nothing else that it keeps changed."""

    contract: str
    address: str
    before: Code
    after: Code
    block: int
    timestamp: int

    @property
    def fields(self) -> Mapping[str, Any]:
        fields: dict[str, Any] = {}
        for time, code in (("before", self.before), ("after", self.after)):
            fields[f"code_{time}"] = to_checksum_address(code.implementation or bytes(20))
            fields[f"code_hash_{time}"] = code.implementation_code_hash
        return fields

    def words(self) -> str:
        kept = "but for its account of that, all" if self.contract == KEEPS_ACCOUNT else "all"
        time = when(self.timestamp)
        return f"{self.contract} got other code in block {self.block}, {time}; {kept} else that it keeps is as before"


Finding: TypeAlias = ProvenEvent | ProvenValue | ProvenSwitch


@dataclass(frozen=True)
class Verified:
    """All claims of a bundle, proven."""

    checkpoint: Checkpoint
    trusted_because: str
    newest: Header
    """The checkpoint's header: nothing later is known."""
    headers: int
    findings: tuple[Finding, ...]


def verify(bundle: Bundle, trust: Trust, release: Release | None = None) -> Verified:
    """Everything that the bundle claims. Raises ``ProofRefused`` if any of it is not proven."""
    release = release or ThisRelease()
    because = trust.accept(bundle.checkpoint)  # V1
    counted = _Counted(bundle.headers)
    wanted = {bundle.checkpoint.number}.union(*(blocks_of(claim) for claim in bundle.claims))
    headers = ancestors(counted, bundle.checkpoint.block_hash, wanted)  # V2
    findings = tuple(_finding(bundle.checkpoint, headers, claim, release) for claim in bundle.claims)
    return Verified(bundle.checkpoint, because, headers[bundle.checkpoint.number], counted.count, findings)


def _finding(checkpoint: Checkpoint, headers: Mapping[int, Header], claim: Claim, release: Release) -> Finding:
    header = headers[claim.block]
    if isinstance(claim, EventClaim):
        return event(checkpoint, header, claim, release)
    if isinstance(claim, SwitchClaim):
        return switch(checkpoint, headers[claim.block - 1], header, claim, release)
    return value(checkpoint, header, claim, release)


def event(checkpoint: Checkpoint, header: Header, claim: EventClaim, release: Release) -> ProvenEvent:
    """An event, proven against a header that is trusted already (V3). Raises ``ProofRefused``."""
    code = checkpoint.contract(claim.contract)
    transaction = included(header, claim.index, claim.transaction, claim.receipt, checkpoint.chain_id)
    logs = transaction.receipt.logs
    if claim.log >= len(logs):
        raise ProofRefused("V3", f"the receipt has {len(logs)} logs, and no number {claim.log}")
    log = logs[claim.log]
    if log.address != code.address:
        raise ProofRefused("V3", f"the log is not from the consortium's {claim.contract}, but from another contract")
    try:
        decoded = release.interface(claim.contract).decode_event(log.topics, log.data)
    except (DecodingError, ValueError, OverflowError) as error:
        raise ProofRefused("V3", f"the log is no event as {claim.contract} declares it") from error
    if decoded is None:
        raise ProofRefused("V3", f"{claim.contract} declares no such event")
    name, fields = decoded
    address = to_checksum_address(log.address)
    return ProvenEvent(claim.contract, address, name, fields, header.number, header.timestamp, transaction.hash)


def value(checkpoint: Checkpoint, header: Header, claim: ValueClaim, release: Release) -> ProvenValue:
    """A value, proven against a header that is trusted already (V4). Raises ``ProofRefused``."""
    expected = checkpoint.contract(claim.contract)
    account, found = running(header, expected.address, claim.code)
    refuse_other_code(claim.contract, expected, found)
    proofs = iter(claim.slots)

    def word(slot: int) -> int:
        return slot_value(account.storage_root, slot, _next(proofs))

    try:
        read = release.layout(claim.contract).place(*read_path(claim.path)).read(word)
    except PathUnknown as error:
        raise ProofRefused("V4", f"{claim.contract} keeps nothing under {claim.path!r}: {error}") from error
    if next(proofs, None) is not None:
        raise ProofRefused("V4", "there are proofs of more slots than the value has")
    address = to_checksum_address(expected.address)
    return ProvenValue(claim.contract, address, claim.path, read, header.number, header.timestamp)


def switch(
    checkpoint: Checkpoint, before: Header, header: Header, claim: SwitchClaim, release: Release
) -> ProvenSwitch:
    """A switch, proven against two headers that are trusted already (V6). Raises ``ProofRefused``."""
    old, new = switched(checkpoint, claim.contract, before, header, claim.proof, release)
    address = to_checksum_address(new.address)
    return ProvenSwitch(claim.contract, address, old, new, header.number, header.timestamp)


def _next(proofs: Iterator[Nodes]) -> Nodes:
    proof = next(proofs, None)
    if proof is None:
        raise ProofRefused("V4", "there are proofs of fewer slots than the value has")
    return proof


class _Counted:
    """The headers of a packed run, counted as they pass."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self.count = 0

    def __iter__(self) -> Iterator[Header]:
        for header in unpack(self._packed):
            self.count += 1
            yield header


def when(timestamp: int) -> str:
    """A block's time, for people."""
    try:
        return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):
        return f"second {timestamp} since 1970"


def shown(value: Any) -> str:
    """A proven value, for people: bytes in hexadecimal."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {shown(each)}" for name, each in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(shown(each) for each in value) + "]"
    return str(value)
