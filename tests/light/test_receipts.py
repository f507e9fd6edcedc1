"""Transactions and receipts under a block's roots, against what the embedded chain serves."""

from dataclasses import replace
from typing import Any

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st

from belmont.light.encoding import EMPTY_ROOT, keccak
from belmont.light.errors import ProofRefused
from belmont.light.receipts import Log, Receipt, chain_id_of, included
from belmont.light.trie_build import Trie, index_key

LOGS = st.builds(
    Log,
    st.binary(min_size=20, max_size=20),
    st.lists(st.binary(min_size=32, max_size=32), max_size=4).map(tuple),
    st.binary(max_size=100),
)
RECEIPTS = st.builds(
    Receipt,
    st.booleans(),
    st.integers(0, 2**64 - 1),
    st.binary(min_size=256, max_size=256),
    st.lists(LOGS, max_size=4).map(tuple),
    st.integers(0, 4),
)


@given(RECEIPTS)
def test_a_receipt_reads_back_as_it_was_written(receipt: Receipt) -> None:
    assert Receipt.read(receipt.to_bytes()) == receipt


@given(st.binary(max_size=300))
def test_bytes_that_are_no_receipt_are_refused(data: bytes) -> None:
    with pytest.raises(ProofRefused, match=r"R2"):
        Receipt.read(data)


BLOOM = bytes(256)
WRONG_RECEIPTS = {
    "three fields": [b"\1", b"", BLOOM],
    "status 2": [b"\2", b"", BLOOM, []],
    "status 0 as a byte": [b"\0", b"", BLOOM, []],
    "gas with leading zeros": [b"\1", b"\0\1", BLOOM, []],
    "a short bloom filter": [b"\1", b"", BLOOM[1:], []],
    "logs that are no list": [b"\1", b"", BLOOM, b""],
    "a log without data": [b"\1", b"", BLOOM, [[bytes(20), []]]],
    "a log of a short address": [b"\1", b"", BLOOM, [[bytes(19), [], b""]]],
    "five topics": [b"\1", b"", BLOOM, [[bytes(20), [bytes(32)] * 5, b""]]],
    "a short topic": [b"\1", b"", BLOOM, [[bytes(20), [bytes(31)], b""]]],
    "data that is a list": [b"\1", b"", BLOOM, [[bytes(20), [], []]]],
}


@pytest.mark.parametrize("name", WRONG_RECEIPTS)
@pytest.mark.parametrize("type_", [b"", b"\2"])
def test_a_receipt_of_the_wrong_form_is_refused(name: str, type_: bytes) -> None:
    with pytest.raises(ProofRefused, match="R2"):
        Receipt.read(type_ + rlp.encode(WRONG_RECEIPTS[name]))


def test_a_receipt_of_an_unknown_type_is_refused() -> None:
    good = Receipt(True, 1, BLOOM, (), 0).to_bytes()
    assert Receipt.read(b"\4" + good).type == 4
    for type_ in (b"\0", b"\5", b"\x7f"):
        with pytest.raises(ProofRefused, match="R2"):
            Receipt.read(type_ + good)


@pytest.fixture
def crowded(chain: Any) -> Any:
    """A block with several transactions of one account; the number of its block and how many."""
    account, client = chain.account, chain.client
    nonce = int(client.transport.request("eth_getTransactionCount", [account.address, "latest"]), 16)
    data = chain.ledger.encode_abi("vote", [5, True, bytes(32)])
    bad = chain.ledger.encode_abi("vote", [0, True, bytes(32)])
    raws = []
    for place in range(6):
        fields = {"to": chain.ledger.address, "value": 0, "gas": 200_000, "chainId": 1337, "nonce": nonce + place}
        fields |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0} if place % 2 else {"gasPrice": 0}
        raws.append(bytes(account.sign_transaction(fields | {"data": bad if place == 3 else data}).raw_transaction))
    answers = client.transport.batch([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws])
    receipts = client.transport.batch([("eth_getTransactionReceipt", [answer]) for answer in answers])
    return [
        (raw, int(each["blockNumber"], 16), int(each["transactionIndex"], 16))
        for raw, each in zip(raws, receipts, strict=True)
    ]


def test_every_transaction_that_succeeded_is_proved_and_the_reverted_one_is_refused(chain: Any, crowded: Any) -> None:
    for place, (raw, number, index) in enumerate(crowded):
        header = chain.source.header(number)
        tries = chain.source.block(header)
        key = index_key(index)
        proofs = tries.transactions.proof(key), tries.receipts.proof(key)
        if place == 3:
            with pytest.raises(ProofRefused, match="R3"):
                included(header, index, *proofs, 1337)
            continue
        found = included(header, index, *proofs, 1337)
        assert (found.raw, found.hash) == (raw, keccak(raw))
        assert [log.address for log in found.receipt.logs] == [chain.addresses["Ledger"]]
        with pytest.raises(ProofRefused, match="R4"):
            included(header, index, *proofs, 1)
        with pytest.raises(ProofRefused):
            included(header, index + 1, *proofs, 1337)
        with pytest.raises(ProofRefused):
            included(header, index, proofs[1], proofs[0], 1337)
        with pytest.raises(ProofRefused, match=r"T1|T5"):  # T5 where the block before holds nothing
            included(chain.source.header(number - 1), index, *proofs, 1337)
        with pytest.raises(ProofRefused, match="R1"):
            included(header, 2**24, *proofs, 1337)


def test_the_absence_of_a_transaction_is_no_inclusion(chain: Any, crowded: Any) -> None:
    _, number, _ = crowded[-1]
    header = chain.source.header(number)
    tries = chain.source.block(header)
    key = index_key(100)
    with pytest.raises(ProofRefused, match="R1"):
        included(header, 100, tries.transactions.proof(key), tries.receipts.proof(key), 1337)


def test_a_transaction_without_a_receipt_is_no_inclusion(chain: Any, crowded: Any) -> None:
    """No honest block is like this, and a checkpoint's block is only as honest as those who vouched for it."""
    raw, number, _ = crowded[0]
    transactions = Trie.of_list([raw])
    header = replace(chain.source.header(number), transactions_root=transactions.root, receipts_root=EMPTY_ROOT)
    with pytest.raises(ProofRefused, match="R1"):
        included(header, 0, transactions.proof(index_key(0)), [], 1337)


def test_a_transaction_says_for_which_chain_it_was_signed(crowded: Any) -> None:
    assert {chain_id_of(raw) for raw, _, _ in crowded} == {1337}
    assert chain_id_of(rlp.encode([b""] * 6 + [b"\x1b", b"\1", b"\1"])) is None
    for wrong in (b"", b"\xc0", b"\2\xc0", b"\7\xc0", b"\2"):
        with pytest.raises(ProofRefused):
            chain_id_of(wrong)


def test_reordered_logs_and_a_changed_log_make_another_receipt(chain: Any) -> None:
    receipt = chain.client.send(chain.account, chain.ledger.functions.twice(9, "second"))
    header = chain.source.header(receipt.block_number)
    tries = chain.source.block(header)
    key = index_key(0)
    proof = tries.receipts.proof(key)
    good = included(header, 0, tries.transactions.proof(key), proof, 1337).receipt
    assert len(good.logs) == 2
    swapped = Receipt(good.succeeded, good.gas_used_so_far, good.bloom, good.logs[::-1], good.type).to_bytes()
    assert len(swapped) == len(good.to_bytes())
    forged = [node.replace(good.to_bytes(), swapped) for node in proof]
    assert forged != proof
    with pytest.raises(ProofRefused, match="T1"):
        included(header, 0, tries.transactions.proof(key), forged, 1337)
