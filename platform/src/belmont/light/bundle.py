"""A bundle: one file with headers and proofs, from which a claim is verified with no network.

It is JSON: the checkpoint it was made for, packed headers that lead to it, claims, and a table of trie nodes that the
proofs of the claims refer to by number, so that nodes which several proofs share stand there once. Reading is strict
(``belmont.light.reading``) and judges nothing: ``belmont.light.verify`` does.

Limits: 8 MiB, 64 claims, 20,000 nodes, 4,096 slots of one value.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from belmont.light.accounts import CodeProof
from belmont.light.checkpoint import Checkpoint
from belmont.light.errors import BundleMalformed
from belmont.light.reading import Fields, hexadecimal, read_json, write_json
from belmont.light.storage import PATH_MAX, SLOTS_MAX
from belmont.light.switch import SwitchProof

FORMAT: Final = "belmont/light/bundle"
VERSION: Final = 1
BUNDLE_BYTES_MAX: Final = 8 * 1024 * 1024
CLAIMS_MAX: Final = 64
NODES_MAX: Final = 20_000
PROOF_NODES_MAX: Final = 65

Nodes: TypeAlias = tuple[bytes, ...]


@dataclass(frozen=True)
class EventClaim:
    """Log number ``log`` of the receipt of transaction ``index`` is an event of ``contract``."""

    contract: str
    block: int
    index: int
    log: int
    transaction: Nodes
    receipt: Nodes


@dataclass(frozen=True)
class ValueClaim:
    """``contract`` keeps something under ``path`` after ``block``; ``slots`` prove its slots as they are read."""

    contract: str
    block: int
    path: str
    code: CodeProof
    slots: tuple[Nodes, ...]


@dataclass(frozen=True)
class SwitchClaim:
    """``contract`` got other code in ``block``, and nothing else in its storage changed."""

    contract: str
    block: int
    proof: SwitchProof


Claim: TypeAlias = EventClaim | ValueClaim | SwitchClaim


def blocks_of(claim: Claim) -> set[int]:
    """The blocks whose headers a claim is proved against."""
    return {claim.block - 1, claim.block} if isinstance(claim, SwitchClaim) else {claim.block}


@dataclass(frozen=True)
class Bundle:
    """``headers`` is a packed run (``belmont.light.headers``) that ends at the checkpoint's block."""

    checkpoint: Checkpoint
    headers: bytes
    claims: tuple[Claim, ...]

    def to_bytes(self) -> bytes:
        table = _Table()
        claims = [_claim_document(claim, table) for claim in self.claims]
        return write_json(
            {
                "format": FORMAT,
                "version": VERSION,
                "checkpoint": self.checkpoint.to_document(),
                "headers": base64.b64encode(self.headers).decode(),
                "nodes": [hexadecimal(node) for node in table.nodes],
                "claims": claims,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Bundle":
        """Raises ``BundleMalformed``."""
        fields = Fields(read_json(data, BUNDLE_BYTES_MAX), "the bundle")
        fields.constant("format", FORMAT)
        fields.constant("version", VERSION)
        checkpoint = Checkpoint.of_document(fields.take("checkpoint"))
        headers = _base64(fields.text("headers", BUNDLE_BYTES_MAX))
        table = _Table(fields.byte_strings("nodes", NODES_MAX))
        claims = tuple(_claim(entry, table) for entry in fields.items("claims", CLAIMS_MAX))
        fields.end()
        if not claims:
            raise BundleMalformed("the bundle claims nothing")
        table.refuse_unused()
        return cls(checkpoint, headers, claims)


class _Table:
    """Nodes by number."""

    def __init__(self, nodes: Sequence[bytes] = ()) -> None:
        self.nodes = list(nodes)
        self._numbers = {node: number for number, node in enumerate(self.nodes)}
        self._used: set[int] = set()
        if len(self._numbers) != len(self.nodes):
            raise BundleMalformed("a node stands in the bundle twice")

    def add(self, nodes: Nodes) -> list[int]:
        for node in nodes:
            if node not in self._numbers:
                self._numbers[node] = len(self.nodes)
                self.nodes.append(node)
        return [self._numbers[node] for node in nodes]

    def take(self, numbers: object) -> Nodes:
        if not isinstance(numbers, list) or len(numbers) > PROOF_NODES_MAX:
            raise BundleMalformed(f"a proof is not a list of at most {PROOF_NODES_MAX} nodes")
        for number in numbers:
            if type(number) is not int or not 0 <= number < len(self.nodes):
                raise BundleMalformed("a proof refers to a node that is not there")
        self._used.update(numbers)
        return tuple(self.nodes[number] for number in numbers)

    def refuse_unused(self) -> None:
        if len(self._used) != len(self.nodes):
            raise BundleMalformed("the bundle has nodes that no proof refers to")


def _claim_document(claim: Claim, table: _Table) -> dict[str, object]:
    document: dict[str, object] = {"contract": claim.contract, "block": claim.block}
    if isinstance(claim, EventClaim):
        proofs = {"transaction": table.add(claim.transaction), "receipt": table.add(claim.receipt)}
        return document | {"kind": "event", "index": claim.index, "log": claim.log} | proofs
    if isinstance(claim, SwitchClaim):
        return document | {
            "kind": "switch",
            "before": _code_document(claim.proof.before, table),
            "after": _code_document(claim.proof.after, table),
            "proposal": claim.proof.proposal,
            "account": [table.add(nodes) for nodes in claim.proof.account],
        }
    return document | {
        "kind": "value",
        "path": claim.path,
        "code": _code_document(claim.code, table),
        "slots": [table.add(nodes) for nodes in claim.slots],
    }


def _claim(document: object, table: _Table) -> Claim:
    fields = Fields(document, "a claim")
    kind, contract, block = fields.text("kind", 16), fields.text("contract", 64), fields.number("block")
    claim: Claim
    if kind == "event":
        index, log = fields.number("index"), fields.number("log")
        proofs = table.take(fields.take("transaction")), table.take(fields.take("receipt"))
        claim = EventClaim(contract, block, index, log, *proofs)
    elif kind == "value":
        path, proof = fields.text("path", PATH_MAX), _code(fields.take("code"), table)
        slots = tuple(table.take(each) for each in fields.items("slots", SLOTS_MAX))
        claim = ValueClaim(contract, block, path, proof, slots)
    elif kind == "switch":
        codes = _code(fields.take("before"), table), _code(fields.take("after"), table)
        proposal = fields.number("proposal")
        account = tuple(table.take(each) for each in fields.items("account", 2))
        claim = SwitchClaim(contract, block, SwitchProof(*codes, proposal, account))
    else:
        raise BundleMalformed(f"a claim of kind {kind!r}; this release reads event, value and switch")
    fields.end()
    return claim


def _code_document(code: CodeProof, table: _Table) -> dict[str, object]:
    return {
        "account": table.add(code.account),
        "implementation_slot": table.add(code.implementation_slot),
        "implementation": table.add(code.implementation),
    }


def _code(document: object, table: _Table) -> CodeProof:
    fields = Fields(document, "proofs of a contract's code")
    names = ("account", "implementation_slot", "implementation")
    proof = CodeProof(*(table.take(fields.take(name)) for name in names))
    fields.end()
    return proof


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleMalformed("the headers are not base64") from error
