"""That a contract got other code and nothing else: on states that are made here, and nothing that is not so passes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest
import rlp
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from belmont.light.accounts import IMPLEMENTATION_SLOT, Code, CodeProof
from belmont.light.bundle import Bundle, SwitchClaim
from belmont.light.checkpoint import Checkpoint
from belmont.light.encoding import EMPTY_ROOT, from_number
from belmont.light.errors import HeadersRefused, ProofRefused
from belmont.light.headers import Header
from belmont.light.release import ThisRelease
from belmont.light.switch import SwitchProof, account_slots, switched
from belmont.light.trie_build import Trie

PROXY, OLD, NEW = b"\x01" * 20, b"\x02" * 20, b"\x03" * 20
HASHES = {address: keccak(address) for address in (PROXY, OLD, NEW)}
PROPOSAL = 7


@dataclass(frozen=True)
class State:
    """A chain's state after a block: one proxy with what it keeps, and two codes."""

    number: int = 10
    slots: Mapping[int, int] = field(default_factory=lambda: {slot: slot + 1 for slot in range(40)})
    implementation: bytes = OLD
    nonce: int = 1
    proxys_code: bytes = HASHES[PROXY]
    parent: bytes = b"\x0a" * 32

    @cached_property
    def storage(self) -> Trie:
        slots = {**self.slots, IMPLEMENTATION_SLOT: int.from_bytes(self.implementation, "big")}
        return Trie({key(slot): rlp.encode(from_number(value)) for slot, value in slots.items() if value})

    @cached_property
    def accounts(self) -> Trie:
        proxy = [from_number(self.nonce), b"", self.storage.root, self.proxys_code]
        codes = {keccak(each): rlp.encode([b"\x01", b"", EMPTY_ROOT, HASHES[each]]) for each in (OLD, NEW)}
        return Trie({keccak(PROXY): rlp.encode(proxy), **codes})

    @cached_property
    def header(self) -> Header:
        root = self.accounts.root
        digest = keccak(root + self.number.to_bytes(8, "big"))
        return Header(digest, self.parent, self.number, 1_000 + self.number, root, b"", b"", 30_000_000, b"")

    def code(self) -> CodeProof:
        accounts = self.accounts
        behind = tuple(accounts.proof(keccak(self.implementation))) if self.implementation else ()
        return CodeProof(tuple(accounts.proof(keccak(PROXY))), self.slot(IMPLEMENTATION_SLOT), behind)

    def slot(self, slot: int) -> tuple[bytes, ...]:
        return tuple(self.storage.proof(key(slot)))

    def next(self, **changes: Any) -> "State":
        return replace(self, **{"number": self.number + 1, "parent": self.header.hash, **changes})


def key(slot: int) -> bytes:
    return bytes(keccak(slot.to_bytes(32, "big")))


def checkpoint(name: str) -> Checkpoint:
    return Checkpoint(1, 99, b"\x09" * 32, {name: Code(PROXY, HASHES[PROXY], NEW, HASHES[NEW])})


def judge(before: State, after: State, name: str = "Permits", proof: SwitchProof | None = None) -> tuple[Code, Code]:
    proof = proof or SwitchProof(before.code(), after.code())
    return switched(checkpoint(name), name, before.header, after.header, proof, ThisRelease())


@pytest.fixture
def before() -> State:
    return State()


def test_a_switch_of_the_code_alone_is_proven(before: State) -> None:
    old, new = judge(before, before.next(implementation=NEW))
    assert (old.implementation, old.implementation_code_hash) == (OLD, HASHES[OLD])
    assert (new.implementation, new.implementation_code_hash) == (NEW, HASHES[NEW])


@given(st.dictionaries(st.integers(0, 2**256 - 1), st.integers(1, 2**256 - 1), max_size=30), st.data())
def test_whatever_it_kept_it_keeps_and_any_other_change_is_refused(slots: dict[int, int], data: st.DataObject) -> None:
    before = State(slots=slots)
    assert judge(before, before.next(implementation=NEW))
    changed = dict(slots)
    slot = data.draw(st.sampled_from(sorted(slots)) if slots else st.integers(0, 2**256 - 1))
    value = data.draw(st.integers(0, 2**256 - 1).filter(lambda value: value != slots.get(slot, 0)))
    changed[slot] = value
    with pytest.raises(ProofRefused, match="S3"):
        judge(before, before.next(implementation=NEW, slots=changed))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"slots": {slot: slot + 1 for slot in range(39)}}, "S3"),
        ({"slots": {slot: slot + (slot != 5) for slot in range(40)}}, "S3"),
        ({"slots": {slot: slot + 1 for slot in range(41)}}, "S3"),
        ({"slots": {}}, "S3"),
        ({"nonce": 2}, "S2"),
        ({"proxys_code": HASHES[OLD]}, "S1"),
        ({"implementation": OLD}, "S1"),
        ({"implementation": b""}, "S1"),
    ],
    ids=["dropped", "changed", "added", "emptied", "nonce", "other proxy", "same code", "no code"],
)
def test_what_is_more_or_other_than_a_switch_is_refused(before: State, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ProofRefused, match=rule):
        judge(before, before.next(**{"implementation": NEW, **changes}))


def test_blocks_that_do_not_follow_one_another_are_refused(before: State) -> None:
    after = before.next(implementation=NEW)
    for other in (replace(after, number=12), replace(after, number=10), replace(after, parent=b"\x0b" * 32)):
        with pytest.raises(HeadersRefused):
            judge(before, other)
    with pytest.raises(HeadersRefused):
        judge(after, before)


def test_proofs_of_other_states_are_refused(before: State) -> None:
    after, other = before.next(implementation=NEW), before.next(implementation=NEW, slots={1: 1})
    for proof in (
        SwitchProof(other.code(), after.code()),
        SwitchProof(before.code(), other.code()),
        SwitchProof(after.code(), before.code()),
        SwitchProof(replace(before.code(), implementation_slot=after.slot(IMPLEMENTATION_SLOT)), after.code()),
        SwitchProof(replace(before.code(), implementation_slot=before.slot(1)), after.code()),
        SwitchProof(replace(before.code(), implementation=()), after.code()),
    ):
        with pytest.raises(ProofRefused):
            judge(before, after, proof=proof)


@given(st.data())
def test_any_changed_bit_of_the_proof_is_refused(data: st.DataObject) -> None:
    before = State()
    after = before.next(implementation=NEW)
    codes = {"before": before.code(), "after": after.code()}
    which = data.draw(st.sampled_from(sorted(codes)))
    part = data.draw(st.sampled_from(["account", "implementation_slot", "implementation"]))
    nodes = list(getattr(codes[which], part))
    place = data.draw(st.integers(0, len(nodes) - 1))
    node = bytearray(nodes[place])
    bit = data.draw(st.integers(0, 8 * len(node) - 1))
    node[bit // 8] ^= 1 << bit % 8
    nodes[place] = bytes(node)
    codes[which] = replace(codes[which], **{part: tuple(nodes)})
    with pytest.raises(ProofRefused):
        judge(before, after, proof=SwitchProof(codes["before"], codes["after"]))


# --- Rules, which keeps account of what it enacts ---


def enacted(before: State, **others: int) -> dict[int, int]:
    counter, mark = account_slots(ThisRelease(), PROPOSAL)
    slots = {**before.slots, counter: before.slots.get(counter, 0) + 1, mark: 1}
    return slots | {int(slot): value for slot, value in others.items()}


def of_rules(before: State, after: State, proposal: int = PROPOSAL) -> SwitchProof:
    slots = account_slots(ThisRelease(), proposal)
    return SwitchProof(before.code(), after.code(), proposal, tuple(before.slot(slot) for slot in slots))


@pytest.mark.parametrize("slots", [{}, {slot: slot + 1 for slot in range(40)}], ids=["first", "later"])
def test_rules_also_keeps_account_of_its_own_switch(slots: dict[int, int]) -> None:
    before = State(slots=slots)
    after = before.next(implementation=NEW, slots=enacted(before))
    assert judge(before, after, "Rules", of_rules(before, after))


@pytest.mark.parametrize("forgery", ["nothing", "proposal", "counter", "more", "again", "none"])
def test_any_other_account_is_refused(before: State, forgery: str) -> None:
    counter, mark = account_slots(ThisRelease(), PROPOSAL)
    slots, proposal = enacted(before), PROPOSAL
    if forgery == "nothing":
        slots = dict(before.slots)
    elif forgery == "proposal":
        proposal = PROPOSAL + 1
    elif forgery == "counter":
        slots[counter] += 1
    elif forgery == "more":
        slots[5] += 1
    elif forgery == "again":
        before = replace(before, slots={**before.slots, mark: 1})
    after = before.next(implementation=NEW, slots=slots)
    proof = SwitchProof(before.code(), after.code()) if forgery == "none" else of_rules(before, after, proposal)
    with pytest.raises(ProofRefused, match=r"S3|S4"):
        judge(before, after, "Rules", proof)


def test_an_account_for_a_contract_that_keeps_none_is_refused(before: State) -> None:
    after = before.next(implementation=NEW, slots=enacted(before))
    with pytest.raises(ProofRefused, match="S4"):
        judge(before, after, "Permits", of_rules(before, after))


def test_rules_under_a_layout_that_this_release_does_not_know_is_refused(before: State) -> None:
    """Neither code is the checkpoint's: its layout says nothing about them."""
    after = before.next(implementation=NEW, slots=enacted(before))
    other = Checkpoint(1, 99, b"\x09" * 32, {"Rules": Code(PROXY, HASHES[PROXY], b"\x04" * 20, b"\x04" * 32)})
    with pytest.raises(ProofRefused, match="S4"):
        switched(other, "Rules", before.header, after.header, of_rules(before, after), ThisRelease())


def test_a_bundle_with_a_switch_is_read_as_it_was_written(before: State) -> None:
    after = before.next(implementation=NEW, slots=enacted(before))
    claims = tuple(
        SwitchClaim(name, 11, proof)
        for name, proof in (("Permits", SwitchProof(before.code(), after.code())), ("Rules", of_rules(before, after)))
    )
    bundle = Bundle(checkpoint("Rules"), b"\x01\x02", claims)
    assert Bundle.from_bytes(bundle.to_bytes()) == bundle
