"""Proofs that a contract got other code and nothing else, from a node (verified by ``belmont.light.switch``)."""

from __future__ import annotations

from belmont.light.bundle import SwitchClaim
from belmont.light.checkpoint import Checkpoint
from belmont.light.encoding import keccak
from belmont.light.errors import NotThere
from belmont.light.release import Release
from belmont.light.sources import Source
from belmont.light.switch import KEEPS_ACCOUNT, SwitchProof, account_slots

UPGRADED = keccak(b"Upgraded(address)")
"""ERC-1967's event; a proxy logs it when it is created, too."""


def switch_claims(source: Source, checkpoint: Checkpoint, name: str, release: Release) -> list[SwitchClaim]:
    """Every time that a contract got other code, up to the checkpoint. Raises ``NotThere`` where it never did."""
    address = checkpoint.contract(name).address
    announced = source.logs(address, UPGRADED, checkpoint.number)
    if len(announced) < 2:
        raise NotThere(f"{name} has run the same code since it was created, as far as {source.url} says")
    claims = []
    for log in announced[1:]:
        before, after = source.headers(log.block - 1, log.block)
        codes = source.code_proof(before, address), source.code_proof(after, address)
        proof = SwitchProof(*codes)
        if name == KEEPS_ACCOUNT:
            proposal = _enacted(source, checkpoint, log.block, release)
            _, slots = source.proof(before, address, account_slots(release, proposal))
            proof = SwitchProof(*codes, proposal, tuple(slots))
        claims.append(SwitchClaim(name, log.block, proof))
    return claims


def _enacted(source: Source, checkpoint: Checkpoint, block: int, release: Release) -> int:
    """The proposal that Rules enacted for itself in a block."""
    interface, address = release.interface(KEEPS_ACCOUNT), checkpoint.contract(KEEPS_ACCOUNT).address
    for log in source.logs(address, interface.events["CodeSwitched"].topic, block):
        decoded = interface.decode_event(log.topics, log.data)
        if log.block == block and decoded and bytes.fromhex(decoded[1]["target"][2:]) == address:
            return int(decoded[1]["proposal"])
    raise NotThere(f"{source.url} has no proposal that gave {KEEPS_ACCOUNT} other code in block {block}")
