"""web3.py as anyone would use it, with its own HTTP provider; and proofs and filters through it."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
import rlp
from eth.rlp.accounts import Account as AccountRecord
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from trie import HexaryTrie
from trie.exceptions import BadTrieProof
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError

from belmont.chain.compiler import Compiled
from belmont.chain.process import ChainProcess


@pytest.fixture(scope="module")
def w3(chain: ChainProcess) -> Web3:
    return Web3(HTTPProvider(chain.url))


@pytest.fixture
def deployed(w3: Web3, account: LocalAccount, counter_source: Compiled) -> Any:
    factory = w3.eth.contract(abi=list(counter_source.abi), bytecode=counter_source.bytecode)
    unsigned = factory.constructor(100).build_transaction({"from": account.address, "nonce": 0})
    sent = w3.eth.send_raw_transaction(account.sign_transaction(unsigned).raw_transaction)
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    return w3.eth.contract(address=receipt["contractAddress"], abi=list(counter_source.abi))


def transact(w3: Web3, account: LocalAccount, function: Any) -> Any:
    nonce = w3.eth.get_transaction_count(account.address)
    unsigned = function.build_transaction({"from": account.address, "nonce": nonce})
    sent = w3.eth.send_raw_transaction(account.sign_transaction(unsigned).raw_transaction)
    return w3.eth.wait_for_transaction_receipt(sent)


def test_a_whole_session_with_stock_web3(w3: Web3, account: LocalAccount, deployed: Any) -> None:
    assert w3.is_connected()
    assert w3.eth.chain_id == 1337
    receipt = transact(w3, account, deployed.functions.add(30))
    assert receipt["status"] == 1
    assert deployed.functions.total().call() == 30
    (event,) = deployed.events.Moved().process_receipt(receipt)
    assert event["args"] == {"by": account.address, "parity": 0, "amount": 30}
    block = w3.eth.get_block("latest", full_transactions=True)
    assert block["baseFeePerGas"] == 0
    assert w3.eth.get_block(block["hash"])["number"] == block["number"]
    transaction = w3.eth.get_transaction(receipt["transactionHash"])
    assert transaction["from"] == account.address
    assert w3.eth.get_code(deployed.address)
    assert w3.eth.get_balance(account.address) == 0
    assert int.from_bytes(w3.eth.get_storage_at(deployed.address, 0), "big") == 30
    with pytest.raises(ContractLogicError, match="execution reverted: OVER_LIMIT"):
        deployed.functions.add(71).call()
    with pytest.raises(ContractLogicError, match="OVER_LIMIT"):
        deployed.functions.add(71).estimate_gas({"from": account.address})
    with pytest.raises(ContractLogicError, match="execution reverted"):
        deployed.functions.without_reason().call()


def test_legacy_transactions_with_a_gas_price_work(w3: Web3, account: LocalAccount) -> None:
    legacy = {"to": account.address, "value": 0, "nonce": 0, "gas": 21_000, "gasPrice": 0, "chainId": 1337}
    sent = w3.eth.send_raw_transaction(account.sign_transaction(legacy).raw_transaction)
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    assert (receipt["status"], receipt["type"], receipt["effectiveGasPrice"]) == (1, 0, 0)


def test_filters_report_what_is_new_once(w3: Web3, account: LocalAccount, deployed: Any) -> None:
    logs = w3.eth.filter({"address": deployed.address})
    blocks = w3.eth.filter("latest")
    assert logs.get_new_entries() == []
    receipt = transact(w3, account, deployed.functions.add(1))
    assert [entry["transactionHash"] for entry in logs.get_new_entries()] == [receipt["transactionHash"]]
    assert logs.get_new_entries() == []
    assert len(logs.get_all_entries()) <= 1
    assert receipt["blockHash"] in blocks.get_new_entries()
    assert w3.eth.uninstall_filter(logs.filter_id)
    assert not w3.eth.uninstall_filter(logs.filter_id)
    with pytest.raises(Exception, match="filter not found"):
        w3.eth.get_filter_changes(logs.filter_id)


def proof_of(w3: Web3, address: str, slots: list[int], number: int) -> Any:
    return w3.eth.get_proof(address, slots, number)


def read_trie(root: bytes, key: bytes, proof: Any) -> bytes:
    return HexaryTrie.get_from_proof(root, keccak(key), [rlp.decode(bytes(node)) for node in proof])


def test_a_storage_proof_holds_against_the_headers_state_root(w3: Web3, account: LocalAccount, deployed: Any) -> None:
    number = transact(w3, account, deployed.functions.add(41))["blockNumber"]
    transact(w3, account, deployed.functions.add(1))
    root = bytes(w3.eth.get_block(number)["stateRoot"])
    proof = proof_of(w3, deployed.address, [0, 999], number)
    account_record = rlp.decode(
        read_trie(root, bytes.fromhex(deployed.address[2:]), proof["accountProof"]), AccountRecord
    )
    assert account_record.storage_root == bytes(proof["storageHash"])
    assert account_record.code_hash == keccak(bytes(w3.eth.get_code(deployed.address)))
    there, absent = proof["storageProof"]
    value = read_trie(account_record.storage_root, (0).to_bytes(32, "big"), there["proof"])
    assert rlp.decode(value, rlp.sedes.big_endian_int) == 41
    assert read_trie(account_record.storage_root, (999).to_bytes(32, "big"), absent["proof"]) == b""


def test_a_proof_of_absence_holds_for_an_unknown_account(w3: Web3) -> None:
    stranger = "0x" + "5a" * 20
    number = w3.eth.block_number
    proof = proof_of(w3, Web3.to_checksum_address(stranger), [1], number)
    root = bytes(w3.eth.get_block(number)["stateRoot"])
    assert read_trie(root, bytes.fromhex(stranger[2:]), proof["accountProof"]) == b""
    assert int(bytes(proof["storageProof"][0]["value"]).hex(), 16) == 0


def test_a_proof_does_not_hold_against_another_root(w3: Web3, account: LocalAccount, deployed: Any) -> None:
    number = transact(w3, account, deployed.functions.add(2))["blockNumber"]
    proof = proof_of(w3, deployed.address, [0], number)
    with pytest.raises(BadTrieProof):
        read_trie(keccak(b"another root"), bytes.fromhex(deployed.address[2:]), proof["accountProof"])
    root = bytes(w3.eth.get_block(number)["stateRoot"])
    with pytest.raises(BadTrieProof):
        read_trie(root, bytes.fromhex(deployed.address[2:]), proof["accountProof"][:-1])


def test_heartbeat_blocks_keep_an_idle_head_fresh(tmp_path: Any) -> None:
    with ChainProcess.start(tmp_path, heartbeat_seconds=0.3) as chain:
        w3 = Web3(HTTPProvider(chain.url))
        began, first = time.monotonic(), w3.eth.block_number
        time.sleep(1.2)
        newest = w3.eth.block_number
        assert 2 <= newest - first <= (time.monotonic() - began) / 0.3 + 1
        blocks = [w3.eth.get_block(n) for n in range(newest + 1)]
        for parent, child in itertools.pairwise(blocks):
            assert child["parentHash"] == parent["hash"]
            assert child["timestamp"] >= parent["timestamp"]
            assert child["stateRoot"] == parent["stateRoot"]
        assert time.time() - blocks[-1]["timestamp"] < 3
