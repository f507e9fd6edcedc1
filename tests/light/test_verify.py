"""Bundles: what they prove, and every way of forging one."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth_account import Account
from eth_utils import to_checksum_address
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from belmont.chain.compiler import compile_contract
from belmont.chain.deployment import deploy
from belmont.light.bundle import Bundle, EventClaim, ValueClaim
from belmont.light.checkpoint import Checkpoint, agreed
from belmont.light.encoding import from_number
from belmont.light.errors import (
    BundleMalformed,
    CheckpointRefused,
    CodeChanged,
    HeadersRefused,
    LightError,
    NotThere,
    ProofRefused,
    SourcesDisagree,
    SourceUnreachable,
)
from belmont.light.fetch import Wanted, fetch, follow, take_checkpoint
from belmont.light.headers import HeaderChain, linked, pack, unpack
from belmont.light.sources import Source
from belmont.light.trie_build import index_key
from belmont.light.verify import Fingerprint, ProvenValue, SignedBy, Verified, verify

CONTRACTS = Path(__file__).parent / "contracts"
REASON = b"\x33" * 32
KEY = b"\x07" * 32
PATH = f"_entries[4][0x{KEY.hex()}]"


def check(chain: Any, bundle: Bundle, trusted: Bundle | None = None) -> Verified:
    """As somebody who trusts the checkpoint of the ``trusted`` bundle, reading the file anew."""
    trust = Fingerprint((trusted or bundle).checkpoint.fingerprint)
    return verify(Bundle.from_bytes(bundle.to_bytes()), trust, chain.release)


def put(chain: Any, closed: bool) -> None:
    entry = (chain.account.address, (1, "label"), [], closed, [1, 2, 3], b"tag!", b"blob")
    chain.client.send(chain.account, chain.ledger.functions.put(4, KEY, entry))


@pytest.fixture(scope="module")
def votes(chain: Any) -> Bundle:
    """Two votes on study 21, in two blocks, and a third one on another study."""
    for study, approve in ((21, True), (22, True), (21, False)):
        chain.vote(study, approve)
    return chain.votes(21)


@pytest.fixture(scope="module")
def value(chain: Any) -> Bundle:
    put(chain, True)
    return chain.bundle(values=(("Ledger", PATH),))


def test_votes_are_proved_from_the_checkpoint_alone(chain: Any, votes: Bundle) -> None:
    verified = check(chain, votes)
    found = [(each.name, each.fields["study"], each.fields["approve"]) for each in verified.findings]
    assert found == [("VoteCast", 21, True), ("VoteCast", 21, False)]
    first, second = verified.findings
    assert first.fields["actor"] == chain.account.address and first.fields["reason_hash"] == REASON
    assert first.block < second.block <= verified.newest.number == votes.checkpoint.number
    assert first.address == chain.ledger.address
    assert verified.headers == votes.checkpoint.number - first.block + 1


def test_a_value_is_proved_whole_and_in_part(chain: Any, value: Bundle) -> None:
    (found,) = check(chain, value).findings
    assert found.value["owner"] == chain.account.address and found.value["closed"] is True
    part = chain.bundle(values=(("Ledger", PATH + ".closed"), ("Ledger", PATH + ".part.label")))
    assert [each.value for each in check(chain, part).findings] == [True, "label"]


def test_what_was_never_written_is_proved_to_be_empty(chain: Any) -> None:
    bundle = chain.bundle(values=(("Ledger", f"_entries[99][0x{KEY.hex()}].closed"),))
    assert [each.value for each in check(chain, bundle).findings] == [False]


def test_a_value_is_that_of_its_block_although_it_changed_later(chain: Any) -> None:
    put(chain, False)
    before = chain.bundle(values=(("Ledger", PATH + ".closed"),))
    put(chain, True)
    after = chain.bundle(values=(("Ledger", PATH + ".closed"),))
    assert [check(chain, each).findings[0].value for each in (before, after)] == [False, True]
    mixed = replace(after, claims=(replace(after.claims[0], slots=before.claims[0].slots),))
    with pytest.raises(ProofRefused, match="T1"):
        check(chain, mixed)


def test_a_contract_behind_a_proxy_keeps_its_values_and_logs_its_events_there(chain: Any) -> None:
    front = chain.client.contract_at(chain.ledger.abi, "0x" + chain.addresses["Front"].hex())
    chain.vote(31, False, front)
    bundle = chain.bundle(Wanted("Front", "VoteCast", {"study": 31}), values=(("Front", "count"),))
    event, value = check(chain, bundle).findings
    assert (event.fields["approve"], value.value) == (False, 1)
    assert bundle.checkpoint.contracts["Front"].implementation == chain.addresses["Ledger"]
    assert bundle.checkpoint.contracts["Ledger"].implementation is None


def bits(nodes: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """With the last bit of the last node changed."""
    return (*nodes[:-1], nodes[-1][:-1] + bytes([nodes[-1][-1] ^ 1]))


FORGED_EVENTS: dict[str, Callable[[EventClaim, EventClaim], EventClaim]] = {
    "in another block": lambda a, b: replace(a, block=b.block),
    "in a block before the headers": lambda a, b: replace(a, block=a.block - 1),
    "in a block after the checkpoint": lambda a, b: replace(a, block=a.block + 10**6),
    "of another transaction": lambda a, b: replace(a, transaction=b.transaction),
    "with another receipt": lambda a, b: replace(a, receipt=b.receipt),
    "at another index": lambda a, b: replace(a, index=1),
    "at an index that no block has": lambda a, b: replace(a, index=2**40),
    "at a place where the receipt has none": lambda a, b: replace(a, log=1),
    "of another contract": lambda a, b: replace(a, contract="Other"),
    "of a contract that the checkpoint does not name": lambda a, b: replace(a, contract="Verifier"),
    "with a bit of the receipt changed": lambda a, b: replace(a, receipt=bits(a.receipt)),
    "with a bit of the transaction changed": lambda a, b: replace(a, transaction=bits(a.transaction)),
    "with receipt for transaction": lambda a, b: replace(a, receipt=a.transaction, transaction=a.receipt),
    "without proofs": lambda a, b: replace(a, receipt=(), transaction=()),
}
FORGED_VALUES: dict[str, Callable[[ValueClaim], ValueClaim]] = {
    "of another contract": lambda a: replace(a, contract="Other"),
    "under another key": lambda a: replace(a, path=PATH.replace("[4]", "[5]")),
    "under another member": lambda a: replace(a, path=PATH + ".part"),
    "under a path to nothing": lambda a: replace(a, path=PATH + ".nothing"),
    "with a bit changed": lambda a: replace(a, slots=(bits(a.slots[0]), *a.slots[1:])),
    "with two slots swapped": lambda a: replace(a, slots=(a.slots[1], a.slots[0], *a.slots[2:])),
    "with a slot too few": lambda a: replace(a, slots=a.slots[:-1]),
    "with a slot too many": lambda a: replace(a, slots=(*a.slots, a.slots[-1])),
    "without a proof of the account": lambda a: replace(a, code=replace(a.code, account=())),
    "without a proof that it is no proxy": lambda a: replace(a, code=replace(a.code, implementation_slot=())),
    "with a proof of code behind it": lambda a: replace(a, code=replace(a.code, implementation=a.code.account)),
}


@pytest.mark.parametrize("name", FORGED_EVENTS)
def test_a_forged_event_is_refused(chain: Any, votes: Bundle, name: str) -> None:
    first, second = votes.claims
    check(chain, votes)
    with pytest.raises(ProofRefused):
        check(chain, replace(votes, claims=(FORGED_EVENTS[name](first, second),)))


@pytest.mark.parametrize("name", FORGED_VALUES)
def test_a_forged_value_is_refused(chain: Any, value: Bundle, name: str) -> None:
    check(chain, value)
    with pytest.raises(ProofRefused):
        check(chain, replace(value, claims=(FORGED_VALUES[name](value.claims[0]),)))


@given(st.data())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_changed_beside_the_checkpoint_the_same_is_proved_or_nothing(
    chain: Any, votes: Bundle, value: Bundle, data: st.DataObject
) -> None:
    bundle = data.draw(st.sampled_from([votes, value]))
    text = bundle.to_bytes()
    start = text.index(b'"claims"')  # names are sorted, so that the checkpoint comes first
    changeable = bytearray(text[start:])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(changeable) - 3))
        changeable[place] = data.draw(st.sampled_from(b'0123456789abcdef[]{},:"xQ'))
    forged = text[:start] + bytes(changeable)
    try:
        found = verify(Bundle.from_bytes(forged), Fingerprint(bundle.checkpoint.fingerprint), chain.release)
    except (BundleMalformed, ProofRefused):
        return
    honest = verify(bundle, Fingerprint(bundle.checkpoint.fingerprint), chain.release).findings
    assert all(each in honest or is_true_of_the_chain(chain, each) for each in found.findings)


def is_true_of_the_chain(chain: Any, finding: Any) -> bool:
    """A changed bundle may prove something else that is true, such as a part of a value."""
    if isinstance(finding, ProvenValue):
        again = fetch(chain.source, chain.checkpoint(), (), ((finding.contract, finding.path),), chain.release)
        return bool(check(chain, again).findings[0].value == finding.value)
    return False


def test_the_event_of_a_look_alike_contract_is_refused(chain: Any) -> None:
    """Somebody deploys the same code and votes there; the bundle says that this is the consortium's."""
    imitation = chain.client.contract_at(chain.ledger.abi, "0x" + chain.addresses["Other"].hex())
    chain.vote(77, True, imitation)
    honest = chain.bundle(Wanted("Other", "VoteCast", {"study": 77}))
    with pytest.raises(ProofRefused, match="V3"):
        check(chain, replace(honest, claims=(replace(honest.claims[0], contract="Ledger"),)))


def test_a_reverted_vote_is_not_proved(chain: Any, votes: Bundle) -> None:
    account, client = chain.account, chain.client
    nonce = int(client.transport.request("eth_getTransactionCount", [account.address, "latest"]), 16)
    fields = {"to": chain.ledger.address, "value": 0, "gas": 200_000, "chainId": 1337, "nonce": nonce}
    fields |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0, "data": chain.ledger.encode_abi("vote", [0, True, REASON])}
    raw = account.sign_transaction(fields).raw_transaction
    digest = client.transport.request("eth_sendRawTransaction", ["0x" + raw.hex().removeprefix("0x")])
    receipt = client.transport.request("eth_getTransactionReceipt", [digest])
    assert receipt["status"] == "0x0"
    checkpoint = chain.checkpoint()
    number = int(receipt["blockNumber"], 16)
    tries = chain.source.block(chain.source.header(number))
    proofs = tuple(tries.transactions.proof(index_key(0))), tuple(tries.receipts.proof(index_key(0)))
    headers = pack(each.encoded for each in chain.source.headers(number, checkpoint.number))
    with pytest.raises(ProofRefused, match="R3"):
        check(chain, Bundle(checkpoint, headers, (EventClaim("Ledger", number, 0, 0, *proofs),)))


# --- headers and checkpoints ---


def headers_of(bundle: Bundle) -> list[bytes]:
    return [header.encoded for header in unpack(bundle.headers)]


def test_headers_with_a_gap_or_of_another_history_are_refused(chain: Any, votes: Bundle) -> None:
    run = headers_of(votes)
    assert len(run) >= 3
    gap = [rlp.encode(rlp.decode(each)[1:]) for each in (run[0], *run[2:])]
    for packed in (rlp.decode(run[0])[0] + zlib.compress(b"".join(gap)), pack(run[:-1]), b"", bytes(32)):
        with pytest.raises(HeadersRefused):
            check(chain, replace(votes, headers=packed))
    with pytest.raises(HeadersRefused, match="lack block"):
        check(chain, replace(votes, headers=pack(run[1:])))


def test_a_bundle_on_a_forked_chain_is_refused(chain: Any, votes: Bundle, other_chain: Any) -> None:
    """Somebody runs a chain of their own with the same contract, and even with the same number of blocks."""
    for _ in range(3):
        other_chain.vote(21)
    foreign = other_chain.votes(21)
    assert check(other_chain, foreign)
    with pytest.raises(CheckpointRefused):
        check(chain, foreign, votes)
    with pytest.raises(HeadersRefused):
        check(chain, replace(foreign, checkpoint=votes.checkpoint))
    with pytest.raises(HeadersRefused):
        check(chain, replace(votes, headers=foreign.headers))


def test_blocks_made_after_the_checkpoint_prove_nothing(chain: Any, votes: Bundle) -> None:
    """Headers have no signature: whoever has the checkpoint can go on from it with any content."""
    run = headers_of(votes)
    fields = rlp.decode(run[-1])
    height = from_number(votes.checkpoint.number + 1)
    child = rlp.encode([votes.checkpoint.block_hash, *fields[1:8], height, *fields[9:]])
    assert list(linked([run[-1], child]))  # it breaks no rule
    with pytest.raises(HeadersRefused, match="not to the trusted one"):
        check(chain, replace(votes, headers=pack([*run, child])))


CHANGED_CHECKPOINTS: dict[str, Callable[[Checkpoint], Checkpoint]] = {
    "chain id": lambda c: replace(c, chain_id=c.chain_id + 1),
    "block number": lambda c: replace(c, number=c.number - 1),
    "block hash": lambda c: replace(c, block_hash=bytes(32)),
    "contract's address": lambda c: replace(
        c, contracts={**c.contracts, "Ledger": replace(c.contracts["Ledger"], address=c.contracts["Other"].address)}
    ),
    "contract's code": lambda c: replace(
        c, contracts={**c.contracts, "Ledger": replace(c.contracts["Ledger"], code_hash=bytes(32))}
    ),
    "implementation": lambda c: replace(
        c, contracts={**c.contracts, "Front": replace(c.contracts["Front"], implementation=bytes(20))}
    ),
    "names of contracts": lambda c: replace(
        c, contracts={**c.contracts, "Ledger": c.contracts["Other"], "Other": c.contracts["Ledger"]}
    ),
    "number of contracts": lambda c: replace(c, contracts={"Ledger": c.contracts["Ledger"]}),
}


@pytest.mark.parametrize("what", CHANGED_CHECKPOINTS)
def test_a_checkpoint_with_another_content_has_another_fingerprint(chain: Any, votes: Bundle, what: str) -> None:
    changed = replace(votes, checkpoint=CHANGED_CHECKPOINTS[what](votes.checkpoint))
    with pytest.raises(CheckpointRefused, match="C1"):
        check(chain, changed, votes)


def test_even_a_trusted_checkpoint_does_not_make_another_chain_id_true(chain: Any, votes: Bundle) -> None:
    changed = replace(votes, checkpoint=replace(votes.checkpoint, chain_id=1))
    with pytest.raises(ProofRefused, match="R4"):
        check(chain, changed)


def test_another_code_at_the_contract_makes_its_values_unreadable(chain: Any) -> None:
    client, ledger, other = chain.client, *(to_checksum_address(chain.addresses[name]) for name in ("Ledger", "Other"))
    front = deploy(client, chain.account, compile_contract("Front", CONTRACTS), [ledger]).address
    chain.addresses["Switched"] = bytes.fromhex(front[2:])
    try:
        proxied = client.contract_at(compile_contract("Front", CONTRACTS).abi, front)
        before = chain.checkpoint()
        client.send(chain.account, proxied.functions.switchCode(other))
        after = fetch(chain.source, chain.checkpoint(), (), (("Switched", "count"),), SwitchedRelease(chain.release))
    finally:
        del chain.addresses["Switched"]
    now = after.checkpoint.contracts["Switched"]
    assert before.contracts["Switched"] == replace(now, implementation=chain.addresses["Ledger"])
    outdated = replace(
        after.checkpoint, contracts={**after.checkpoint.contracts, "Switched": before.contracts["Switched"]}
    )
    with pytest.raises(CodeChanged):
        verify(replace(after, checkpoint=outdated), Fingerprint(outdated.fingerprint), SwitchedRelease(chain.release))


class SwitchedRelease:
    """Every contract is a Ledger."""

    def __init__(self, release: Any) -> None:
        self._release = release

    def interface(self, name: str) -> Any:
        return self._release.interface("Ledger")

    def layout(self, name: str) -> Any:
        return self._release.layout("Ledger")


# --- trust by members' signatures ---


MEMBERS = [Account.from_key(bytes([place]) * 32) for place in (1, 2, 3)]


def test_a_checkpoint_that_enough_members_signed_is_trusted(chain: Any, votes: Bundle) -> None:
    names = tuple(member.address for member in MEMBERS)
    signed = replace(votes, checkpoint=votes.checkpoint.signed(MEMBERS[0]).signed(MEMBERS[2]))
    read = Bundle.from_bytes(signed.to_bytes())
    assert read.checkpoint.signed_by() == {MEMBERS[0].address, MEMBERS[2].address}
    assert len(verify(read, SignedBy(names, 2), chain.release).findings) == 2
    assert verify(read, SignedBy(tuple(name.lower() for name in names), 1), chain.release)
    for refusing in (SignedBy(names, 3), SignedBy(names[1:2], 1), SignedBy((), 0), SignedBy(names, 0), SignedBy((), 1)):
        with pytest.raises(CheckpointRefused, match="C2"):
            verify(read, refusing, chain.release)


def test_signatures_do_not_count_twice_nor_for_another_checkpoint(chain: Any, votes: Bundle) -> None:
    names = tuple(member.address for member in MEMBERS)
    once = votes.checkpoint.signed(MEMBERS[0])
    (signature,) = once.signatures
    malleable = signature[:32] + (SECP256K1_N - int.from_bytes(signature[32:64])).to_bytes(32)
    malleable += bytes([signature[64] ^ 7])  # 27 and 28 change places
    doubled = replace(votes.checkpoint, signatures=(signature, signature, malleable, bytes(65), b"\xff" * 65))
    for checkpoint in (doubled, replace(once, number=once.number - 1), replace(once, chain_id=1)):
        with pytest.raises(CheckpointRefused, match="C2"):
            verify(replace(votes, checkpoint=checkpoint), SignedBy(names, 2), chain.release)


SECP256K1_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def test_checkpoints_of_the_same_content_join_their_signatures(votes: Bundle) -> None:
    own = votes.checkpoint
    joined = agreed([own.signed(MEMBERS[0]), own.signed(MEMBERS[1]), own.signed(MEMBERS[0])])
    assert joined.signed_by() == {MEMBERS[0].address, MEMBERS[1].address}
    with pytest.raises(CheckpointRefused):
        agreed([own, replace(own, number=own.number - 1)])


# --- sources ---


def test_sources_have_to_agree(chain: Any, other_chain: Any) -> None:
    both = [Source(chain.url), Source(other_chain.url)]
    assert take_checkpoint([both[0], Source(chain.url)], chain.addresses)
    with pytest.raises(SourcesDisagree, match=other_chain.url):
        take_checkpoint(both, chain.addresses)


def test_a_chain_that_went_on_is_followed_and_a_rewritten_one_is_not(chain: Any, other_chain: Any) -> None:
    old = chain.checkpoint()
    known = HeaderChain([chain.source.header(old.number)])
    with pytest.raises(CheckpointRefused, match="C3"):
        follow(chain.source, known, old)
    for _ in range(2):
        chain.vote(8)
    assert follow(chain.source, known, chain.checkpoint()).tip.number == old.number + 2
    while other_chain.source.head() <= old.number:
        other_chain.vote(8)
    with pytest.raises(HeadersRefused, match="no child"):
        follow(other_chain.source, known, other_chain.checkpoint())


def test_what_is_not_there_is_said_with_what_there_is(chain: Any) -> None:
    ask: Any = lambda *wanted: chain.bundle(*wanted)  # noqa: E731
    with pytest.raises(NotThere, match="no VoteCast with study 404"):
        ask(Wanted("Ledger", "VoteCast", {"study": 404}))
    with pytest.raises(NotThere, match="it has Labelled, VoteCast"):
        ask(Wanted("Ledger", "Voted"))
    with pytest.raises(NotThere, match="it has actor, approve, reason_hash, study"):
        ask(Wanted("Ledger", "VoteCast", {"permit": 3}))
    with pytest.raises(NotThere, match="nothing of what was asked for"):
        ask()
    with pytest.raises(NotThere, match="no contract at"):
        take_checkpoint([chain.source], {"Ledger": b"\1" * 20})
    for _ in range(65):
        chain.vote(65)
    with pytest.raises(LightError, match="a bundle holds 64"):
        ask(Wanted("Ledger", "VoteCast", {"study": 65}))
    with pytest.raises(SourceUnreachable):
        Source("http://127.0.0.1:9").head()
    with pytest.raises(SourceUnreachable):
        chain.source.header(10**9)


# --- without an EVM ---


def test_a_bundle_is_verified_in_a_process_without_an_evm_and_without_a_network(
    chain: Any, votes: Bundle, tmp_path: Any
) -> None:
    (tmp_path / "votes.bundle").write_bytes(votes.to_bytes())
    (tmp_path / "abi.json").write_text(json.dumps(list(chain.ledger.abi), default=dict))
    script = """
import json, socket, sys
def refuse(*a, **k): raise AssertionError("the network was asked")
socket.socket.connect = refuse
from belmont.light.bundle import Bundle
from belmont.light.verify import Fingerprint, verify
from belmont.registry.abi import Interface
class Release:
    def interface(self, name): return Interface(name, json.load(open("abi.json")))
bundle = Bundle.from_bytes(open("votes.bundle", "rb").read())
verified = verify(bundle, Fingerprint(bytes.fromhex(sys.argv[1])), Release())
heavy = {"eth", "trie", "web3", "vyper", "eth_account"} & {name.partition(".")[0] for name in sys.modules}
print(len(verified.findings), sorted(heavy))
"""
    command = [sys.executable, "-c", script, votes.checkpoint.fingerprint.hex()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ), timeout=60)
    assert (done.stdout, done.stderr) == ("2 []\n", "")
