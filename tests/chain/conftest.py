"""Shared by the chain's tests: one running server, signing, and an independent re-execution of whole chains."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rlp
from eth.chains.base import MiningChain
from eth.consensus.noproof import NoProofConsensus
from eth.db.atomic import AtomicDB
from eth.vm.forks.prague import PragueVM
from eth.vm.forks.prague.blocks import PragueBlock, PragueBlockHeader
from eth.vm.forks.prague.constants import (
    CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
)
from eth.vm.forks.prague.transactions import PragueTransactionBuilder
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from py_arkworks_bls12381 import G1Point

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.deployment import deploy
from belmont.chain.engine import BLOCK_GAS_LIMIT, BLOCK_GAS_SPENDABLE, GENESIS_EXTRA, Engine
from belmont.chain.process import ChainProcess
from belmont.chain.store import Store
from belmont.chain.system_contracts import CONSOLIDATION_REQUESTS_CODE, WITHDRAWAL_REQUESTS_CODE
from belmont.chain.transactions import admit

CONTRACTS = Path(__file__).parent / "contracts"


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChainProcess]:
    with ChainProcess.start(tmp_path_factory.mktemp("chain")) as process:
        yield process


@pytest.fixture(scope="session")
def client(chain: ChainProcess) -> ChainClient:
    return ChainClient(chain.url)


@pytest.fixture
def account() -> LocalAccount:
    return Account.from_key(secrets.token_bytes(32))


@pytest.fixture(scope="session")
def counter_source() -> Compiled:
    return compile_contract("Counter", CONTRACTS)


@pytest.fixture
def counter(client: ChainClient, account: LocalAccount, counter_source: Compiled) -> Any:
    deployed = deploy(client, account, counter_source, [1000])
    return client.contract_at(counter_source.abi, deployed.address)


SignedRaw = Callable[..., bytes]


@pytest.fixture(scope="session")
def sign() -> SignedRaw:
    """Raw bytes of a transaction; every field can be given."""

    def signed(account: LocalAccount, **fields: Any) -> bytes:
        defaults: dict[str, Any] = {"to": "0x" + "11" * 20, "value": 0, "data": b"", "nonce": 0, "gas": 100_000}
        defaults |= {"chainId": 1337}
        if "gasPrice" not in fields:
            defaults |= {"maxFeePerGas": 0, "maxPriorityFeePerGas": 0}
        return bytes(account.sign_transaction(defaults | fields).raw_transaction)

    return signed


class AuditVM(PragueVM):
    consensus_class = NoProofConsensus

    @classmethod
    def validate_header(cls, header: Any, parent: Any) -> None:
        assert header.timestamp >= parent.timestamp
        super().validate_header(header.copy(timestamp=max(header.timestamp, parent.timestamp + 1)), parent)


class AuditChain(MiningChain):
    chain_id = 1337
    vm_configuration = ((0, AuditVM),)


def replay_stored_chain(directory: Path) -> int:
    """Re-execute the chain stored in `directory`; the number of transactions. Raises ValidationError on a mismatch.

    By py-evm's Prague as it comes, with none of the embedded chain's changes but the one relaxed rule: pure Python
    precompiles, py-evm's own gas accounting, signature checks and system contracts. `import_block` compares every field
    of every header: state root, receipts root, gas used, bloom, requests hash.
    """
    store = Store(directory)
    try:
        blocks = store.reader.execute("select header from blocks order by number").fetchall()
        genesis = rlp.decode(blocks[0][0], sedes=PragueBlockHeader)
        code = {
            WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS: WITHDRAWAL_REQUESTS_CODE,
            CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS: CONSOLIDATION_REQUESTS_CODE,
        }
        allocation = {at: {"balance": 0, "nonce": 1, "code": c, "storage": {}} for at, c in code.items()}
        parameters = {
            "gas_limit": BLOCK_GAS_LIMIT,
            "timestamp": genesis.timestamp,
            "difficulty": 0,
            "base_fee_per_gas": 0,
            "extra_data": GENESIS_EXTRA,
            "parent_beacon_block_root": bytes(32),
        }
        chain = AuditChain.from_genesis(AtomicDB(), parameters, allocation)
        assert chain.get_canonical_head().hash == genesis.hash
        count = 0
        for number, (encoded,) in enumerate(blocks[1:], start=1):
            raws = store.reader.execute("select raw from transactions where block=? order by position", (number,))
            transactions = [PragueTransactionBuilder.decode(raw) for (raw,) in raws]
            header = rlp.decode(encoded, sedes=PragueBlockHeader)
            block = PragueBlock(header=header, transactions=transactions, uncles=[], withdrawals=[])
            chain.import_block(block, perform_validation=True)
            count += len(transactions)
        assert chain.get_canonical_head().state_root == rlp.decode(blocks[-1][0], sedes=PragueBlockHeader).state_root
        return count
    finally:
        store.close()


@pytest.fixture(scope="session")
def replay() -> Callable[[Path], int]:
    return replay_stored_chain


@pytest.fixture(scope="session")
def busy_chain(tmp_path_factory: pytest.TempPathFactory, sign: Any, counter_source: Compiled) -> Path:
    """Creations, calls, reverts, failures, precompiles, all transaction types, empty blocks, several per block."""
    directory = tmp_path_factory.mktemp("busy")
    engine = Engine.open(directory)
    owner, other = (Account.from_key(secrets.token_bytes(32)) for _ in range(2))

    def seal(*raws: bytes) -> None:
        outcomes = engine.seal([admit(raw, 1337, BLOCK_GAS_SPENDABLE) for raw in raws])
        assert all(outcome.status == "included" for outcome in outcomes.values()), outcomes

    creation = counter_source.bytecode + encode(["uint256"], [1000])
    counter = keccak(rlp.encode([bytes.fromhex(owner.address[2:]), 0]))[12:]
    add = keccak(text="add(uint256)")[:4]
    name = keccak(text="name(string)")[:4]
    point = G1Point().to_xy_bytes_be()
    bls = bytes(16) + point[:48] + bytes(16) + point[48:]
    seal(sign(owner, to="", data=creation, gas=3_000_000))
    seal(
        sign(owner, nonce=1, to=counter, data=add + encode(["uint256"], [5]), gas=200_000, gasPrice=0),
        sign(other, nonce=0, to=counter, data=add + encode(["uint256"], [2000]), gas=200_000),
        sign(owner, nonce=2, to=counter, data=name + encode(["string"], ["one"]), gas=300_000),
        sign(other, nonce=1, to=counter, data=name + encode(["string"], ["two"]), gas=300_000),
    )
    engine.seal()
    access = [{"address": "0x" + counter.hex(), "storageKeys": ["0x" + "00" * 32]}]
    precompile = [bytes(19) + bytes([n]) for n in (0x0B, 0x0C, 0x10)]
    seal(
        sign(owner, nonce=3, to=counter, data=add + encode(["uint256"], [1]), gas=200_000, accessList=access),
        sign(other, nonce=2, to=precompile[0], data=bls * 2, gas=100_000),
        sign(other, nonce=3, to=precompile[1], data=bls + (7).to_bytes(32, "big"), gas=100_000),
        sign(other, nonce=4, to=precompile[1], data=bls, gas=100_000),
        sign(other, nonce=5, to=precompile[2], data=bytes(63) + b"\x05", gas=100_000),
        sign(owner, nonce=4, to="", data=b"\xfe", gas=100_000),
        sign(owner, nonce=5, to="", data=bytes.fromhex("60ff60005360016000f3"), gas=100_000),
    )
    # calldata floor (EIP-7623) and a refund: clear a slot with much data attached
    runtime = bytes.fromhex("36156009575f5f55005b60015f5500")  # with data: slot 0 := 0, without: slot 0 := 1
    init = bytes([0x60, len(runtime), 0x60, 0x0B, 0x5F, 0x39, 0x60, len(runtime), 0x5F, 0xF3, 0x00]) + runtime
    slot = keccak(rlp.encode([bytes.fromhex(other.address[2:]), 6]))[12:]
    seal(sign(other, nonce=6, to="", data=init, gas=200_000))
    seal(sign(other, nonce=7, to=slot, gas=100_000))
    seal(sign(other, nonce=8, to=slot, data=b"\x01" * 40, gas=100_000))
    authorization = owner.sign_authorization({"chainId": 1337, "address": counter, "nonce": 7})
    seal(sign(owner, nonce=6, type=4, gas=300_000, authorizationList=[authorization]))
    for _ in range(2):
        engine.seal()
    receipts = engine.store.reader.execute("select receipt from transactions order by block, position")
    statuses = [json.loads(receipt)["status"] for (receipt,) in receipts]
    assert statuses.count("0x0") == 4  # over the limit, not the owner, half a pair for the precompile, INVALID
    engine.close()
    return directory
