"""Shared by the chain's tests: one running server, signing, and an independent re-execution of whole chains."""

from __future__ import annotations

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
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.deployment import deploy
from belmont.chain.engine import BLOCK_GAS_LIMIT, GENESIS_EXTRA
from belmont.chain.process import ChainProcess
from belmont.chain.store import Store
from belmont.chain.system_contracts import CONSOLIDATION_REQUESTS_CODE, WITHDRAWAL_REQUESTS_CODE

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
