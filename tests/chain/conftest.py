"""Shared by the chain's tests: one running server, funded by nothing, for its contracts are free to use."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from belmont.chain.client import ChainClient
from belmont.chain.compiler import Compiled, compile_contract
from belmont.chain.deployment import deploy
from belmont.chain.process import ChainProcess

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
