"""Proofs and raw parts of blocks, checked by the `trie` package and rlp against the header's roots."""

from __future__ import annotations

from typing import Any

import pytest
import rlp
from eth_account.signers.local import LocalAccount
from eth_utils import keccak, to_canonical_address
from trie import HexaryTrie
from trie.exceptions import BadTrieProof

from belmont.chain.client import ChainClient
from belmont.chain.errors import RpcRefused

ABSENT = "0x" + "5e" * 20


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def kept(root: str, key: bytes, proof: list[str]) -> bytes:
    """What a trie with this root holds, by the trie package; empty where it holds nothing."""
    return HexaryTrie.get_from_proof(raw(root), key, [rlp.decode(raw(node)) for node in proof])


def of_map(address: str) -> int:
    """Where the counter keeps `of[address]`: HashMap in slot 1."""
    return int.from_bytes(keccak((1).to_bytes(32, "big") + to_canonical_address(address).rjust(32, b"\0")), "big")


@pytest.fixture
def counted(client: ChainClient, account: LocalAccount, counter: Any) -> tuple[Any, list[int]]:
    """A counter, and the blocks in which it stood at 3 and at 8."""
    return counter, [client.send(account, counter.functions.add(amount)).block_number for amount in (3, 5)]


def test_accounts_and_slots_are_proved_at_every_block(client: ChainClient, account: LocalAccount, counted: Any) -> None:
    counter, blocks = counted
    slots = [0, of_map(account.address), 77]
    for block, total in zip([*blocks, "latest"], (3, 8, 8), strict=True):
        tag = block if isinstance(block, str) else hex(block)
        found = client.transport.request("eth_getProof", [counter.address, [hex(slot) for slot in slots], tag])
        root = client.transport.request("eth_getBlockByNumber", [tag, False])["stateRoot"]
        encoded = kept(root, keccak(raw(counter.address)), found["accountProof"])
        nonce, balance, storage_root, code_hash = rlp.decode(encoded)
        assert [int(found["nonce"], 16), int(found["balance"], 16)] == [
            int.from_bytes(x, "big") for x in (nonce, balance)
        ]
        assert (raw(found["storageHash"]), raw(found["codeHash"])) == (storage_root, code_hash)
        assert code_hash == keccak(client.code(counter.address))
        for slot, expected, entry in zip(slots, (total, total, 0), found["storageProof"], strict=True):
            value = kept(found["storageHash"], keccak(slot.to_bytes(32, "big")), entry["proof"])
            assert int(entry["value"], 16) == expected == int.from_bytes(rlp.decode(value) if value else b"", "big")
            assert entry["key"] == hex(slot)


def test_what_is_not_there_is_proved_absent(client: ChainClient, account: LocalAccount) -> None:
    found = client.transport.request("eth_getProof", [ABSENT, ["0x0"], "latest"])
    root = client.transport.request("eth_getBlockByNumber", ["latest", False])["stateRoot"]
    assert found["accountProof"] and kept(root, keccak(raw(ABSENT)), found["accountProof"]) == b""
    assert (found["nonce"], found["balance"]) == ("0x0", "0x0")
    assert found["storageProof"] == [{"key": "0x0", "value": "0x0", "proof": []}]


def test_the_proof_of_an_account_does_not_hold_for_another_block(client: ChainClient, counted: Any) -> None:
    counter, (first, second) = counted
    proof = client.transport.request("eth_getProof", [counter.address, [], hex(first)])["accountProof"]
    root = client.transport.request("eth_getBlockByNumber", [hex(second), False])["stateRoot"]
    with pytest.raises(BadTrieProof):
        kept(root, keccak(raw(counter.address)), proof)


def test_keys_come_back_as_they_were_given_and_web3_reads_the_proof(client: ChainClient, counted: Any) -> None:
    counter, _ = counted
    whole = "0x" + "00" * 32
    entries = client.transport.request("eth_getProof", [counter.address, [whole, "0x0", 0]])["storageProof"]
    assert [entry["key"] for entry in entries] == [whole, "0x0", "0x0"]
    proof = client.web3.eth.get_proof(counter.address, [0], "latest")
    assert proof.address == counter.address and proof.storageProof[0].value in (8, b"\x08")


def test_a_raw_header_hashes_to_the_block_whichever_way_it_is_named(client: ChainClient, counted: Any) -> None:
    _, (number, _) = counted
    block = client.transport.request("eth_getBlockByNumber", [hex(number), False])
    for name in (hex(number), block["hash"], {"blockHash": block["hash"]}, {"blockNumber": hex(number)}):
        header = raw(client.transport.request("debug_getRawHeader", [name]))
        assert keccak(header) == raw(block["hash"])
    genesis = client.transport.request("eth_getBlockByNumber", ["0x0", False])
    assert keccak(raw(client.transport.request("debug_getRawHeader", ["earliest"]))) == raw(genesis["hash"])


def list_root(items: list[bytes]) -> bytes:
    trie = HexaryTrie({})
    for index, item in enumerate(items):
        trie[rlp.encode(index)] = item
    return trie.root_hash


@pytest.fixture
def mixed(client: ChainClient, account: LocalAccount, sign: Any, counter: Any) -> list[str]:
    """Hashes of transactions of both kinds, one of them reverted."""
    nonce = int(client.transport.request("eth_getTransactionCount", [account.address, "latest"]), 16)
    calls = [counter.encode_abi("add", [1]), counter.encode_abi("without_reason"), counter.encode_abi("name", ["x"])]
    raws = []
    for place, data in enumerate([*calls, *calls]):
        fields = {"to": counter.address, "nonce": nonce + place, "data": data, "gas": 300_000}
        raws.append(sign(account, **fields, **({"gasPrice": 0} if place < 3 else {})))
    return client.transport.batch([("eth_sendRawTransaction", ["0x" + each.hex()]) for each in raws])


def test_raw_blocks_and_receipts_make_up_the_headers_roots(client: ChainClient, mixed: list[str]) -> None:
    receipts = client.transport.batch([("eth_getTransactionReceipt", [each]) for each in mixed])
    assert {receipt["status"] for receipt in receipts} == {"0x0", "0x1"}
    assert {receipt["type"] for receipt in receipts} == {"0x0", "0x2"}
    for number in {receipt["blockNumber"] for receipt in receipts}:
        block = client.transport.request("eth_getBlockByNumber", [number, False])
        encoded = raw(client.transport.request("debug_getRawBlock", [number]))
        header, transactions, ommers, withdrawals = rlp.decode(encoded)
        items = [each if isinstance(each, bytes) else rlp.encode(each) for each in transactions]
        assert keccak(rlp.encode(header)) == raw(block["hash"])
        assert ["0x" + keccak(each).hex() for each in items] == block["transactions"]
        assert items == [raw(client.transport.request("debug_getRawTransaction", [h])) for h in block["transactions"]]
        assert (len(encoded), ommers, withdrawals) == (int(block["size"], 16), [], [])
        assert list_root(items) == raw(block["transactionsRoot"])
        raw_receipts = [raw(each) for each in client.transport.request("debug_getRawReceipts", [number])]
        assert list_root(raw_receipts) == raw(block["receiptsRoot"])


def test_what_does_not_exist_has_no_raw_form(client: ChainClient) -> None:
    request = client.transport.request
    assert request("debug_getRawTransaction", ["0x" + "00" * 32]) is None
    assert request("debug_getRawReceipts", [hex(10**9)]) is None
    for method in ("debug_getRawHeader", "debug_getRawBlock"):
        for block in (hex(10**9), "0x" + "00" * 32):
            with pytest.raises(RpcRefused, match="header not found"):
                request(method, [block])


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("debug_getRawHeader", []),
        ("debug_getRawHeader", ["newest"]),
        ("debug_getRawBlock", [["0x0"]]),
        ("debug_getRawReceipts", ["0xzz"]),
        ("debug_getRawTransaction", ["0x12"]),
        ("debug_getRawTransaction", [None]),
        ("eth_getProof", [ABSENT, ["0x0"] * 1025]),
        ("eth_getProof", [ABSENT, [None]]),
        ("eth_getProof", [ABSENT, ["0x" + "f" * 65]]),
        ("eth_getProof", ["0x12", []]),
    ],
)
def test_invalid_parameters_are_refused(client: ChainClient, method: str, parameters: list[Any]) -> None:
    with pytest.raises(RpcRefused) as refused:
        client.transport.request(method, parameters)
    assert refused.value.code == -32602
