"""That a contract got other code and nothing else: what it kept before, it keeps after, and nothing was dropped.

Rules:
  S1. Before and after are the states of two blocks that follow one another. Which code the contract runs in each, and
      the code itself, is proved (A1, A2). It is a proxy of the checkpoint's code in both, and runs other code after.
  S2. The contract's account is the same but for its storage.
  S3. The storage after has the root that the storage before has once the slot of ERC-1967 holds the new code's
      address. So every other slot holds what it held.
  S4. Rules keeps account of what it enacts. Where it is Rules that got other code, it also counted one more switch, and
      marked one proposal as enacted that was not: two more slots, by this release's layout, which has to be the one
      after it or before it.

Where another transaction of the same block wrote into the same contract, no such proof exists.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from belmont.light.accounts import IMPLEMENTATION_SLOT, Account, Code, CodeProof, running, slot_value
from belmont.light.checkpoint import Checkpoint
from belmont.light.encoding import encode, from_number, keccak
from belmont.light.errors import PathUnknown, ProofRefused
from belmont.light.headers import Header
from belmont.light.release import Release
from belmont.light.trie_change import Change, root_after

KEEPS_ACCOUNT: Final = "Rules"


@dataclass(frozen=True)
class SwitchProof:
    """``before`` and ``after`` prove the code; ``account`` proves the two slots of S4 before, in order."""

    before: CodeProof
    after: CodeProof
    proposal: int = 0
    account: tuple[tuple[bytes, ...], ...] = ()


def switched(
    checkpoint: Checkpoint, name: str, before: Header, after: Header, proof: SwitchProof, release: Release
) -> tuple[Code, Code]:
    """Which code ran before and which after, of two trusted headers. Raises ``ProofRefused``."""
    before.refuse_child(after)  # S1
    expected = checkpoint.contract(name)
    old_account, old = running(before, expected.address, proof.before)
    new_account, new = running(after, expected.address, proof.after)
    for code in (old, new):
        if code.implementation is None or code.code_hash != expected.code_hash:
            raise ProofRefused("S1", f"{name} is no proxy, or another one than the checkpoint names")
    if old.implementation == new.implementation:
        raise ProofRefused("S1", f"{name} runs the same code before block {after.number} and after it")
    if replace(old_account, storage_root=b"") != replace(new_account, storage_root=b""):  # S2
        raise ProofRefused("S2", f"more than the storage of {name} changed")
    changes = [_change(IMPLEMENTATION_SLOT, new.implementation or b"", proof.before.implementation_slot)]
    if name == KEEPS_ACCOUNT:
        if expected.implementation not in (old.implementation, new.implementation):
            raise ProofRefused("S4", "the layout of the code before and after is not that of the checkpoint's code")
        changes += _accounted(old_account, proof, release)  # S4
    elif proof.account or proof.proposal:
        raise ProofRefused("S4", f"{name} keeps no account of what was enacted")
    if root_after(old_account.storage_root, changes) != new_account.storage_root:  # S3
        raise ProofRefused("S3", f"more changed in what {name} keeps than where its code is")
    return old, new


def account_slots(release: Release, proposal: int) -> tuple[int, int]:
    """Where Rules counts switches, and keeps whether a proposal was enacted (S4). Raises ``ProofRefused``."""
    layout = release.layout(KEEPS_ACCOUNT)
    try:
        return layout.slot("switches"), layout.slot("_proposals", proposal, "enacted")
    except PathUnknown as error:
        raise ProofRefused("S4", f"there is no proposal {proposal}") from error


def _accounted(before: Account, proof: SwitchProof, release: Release) -> Iterator[Change]:
    if len(proof.account) != 2:
        raise ProofRefused("S4", "the account of what was enacted takes two proofs")
    counter, enacted = account_slots(release, proof.proposal)
    if slot_value(before.storage_root, enacted, proof.account[1]):
        raise ProofRefused("S4", f"proposal {proof.proposal} was enacted before")
    count = slot_value(before.storage_root, counter, proof.account[0])
    yield _change(counter, from_number(count + 1), proof.account[0])
    yield _change(enacted, from_number(1), proof.account[1])


def _change(slot: int, value: bytes, proof: Sequence[bytes]) -> Change:
    return Change(keccak(slot.to_bytes(32, "big")), encode(value.lstrip(b"\0")), proof)
