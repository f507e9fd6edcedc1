"""Shared by the light client's tests: one chain with a small contract on it, and bundles made from it."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils import to_canonical_address

from belmont.chain.client import ChainClient
from belmont.chain.compiler import compile_contract
from belmont.chain.deployment import deploy
from belmont.chain.process import ChainProcess
from belmont.light.bundle import Bundle
from belmont.light.checkpoint import Checkpoint
from belmont.light.fetch import Wanted, fetch, take_checkpoint
from belmont.light.sources import Source
from belmont.light.storage import Layout, layout_of
from belmont.registry.abi import Interface

CONTRACTS = Path(__file__).parent / "contracts"
REASON = b"\x33" * 32


class FolderRelease:
    """The contracts of this folder; behind the proxy Front stands a Ledger."""

    def interface(self, name: str) -> Interface:
        return Interface(name, compile_contract(self._code_of(name), CONTRACTS).abi)

    def layout(self, name: str) -> Layout:
        return layout_of(self._code_of(name), CONTRACTS)

    @staticmethod
    def _code_of(name: str) -> str:
        return "Ledger" if name in ("Front", "Other") else name


@dataclass
class Chain:
    """A served chain, the accounts that write to it, and its contracts."""

    url: str
    client: ChainClient
    account: LocalAccount
    ledger: Any
    addresses: dict[str, bytes]
    source: Source
    release: FolderRelease

    def vote(self, study: int, approve: bool = True, ledger: Any = None) -> int:
        """A vote on chain; the number of its block."""
        function = (ledger or self.ledger).functions.vote(study, approve, REASON)
        return self.client.send(self.account, function).block_number

    def checkpoint(self) -> Checkpoint:
        return take_checkpoint([self.source], self.addresses)

    def bundle(self, *wanted: Wanted, values: tuple[tuple[str, str], ...] = ()) -> Bundle:
        return fetch(self.source, self.checkpoint(), wanted, values, self.release)

    def votes(self, study: int) -> Bundle:
        return self.bundle(Wanted("Ledger", "VoteCast", {"study": study}))


def serve(folder: Path) -> Iterator[Chain]:
    with ChainProcess.start(folder) as process:
        client, account = ChainClient(process.url), Account.from_key(secrets.token_bytes(32))
        compiled = compile_contract("Ledger", CONTRACTS)
        ledger = client.contract_at(compiled.abi, deploy(client, account, compiled).address)
        other = deploy(client, account, compiled).address
        front = deploy(client, account, compile_contract("Front", CONTRACTS), [ledger.address]).address
        places = {"Ledger": ledger.address, "Front": front, "Other": other}
        addresses = {name: to_canonical_address(address) for name, address in places.items()}
        yield Chain(process.url, client, account, ledger, addresses, Source(process.url), FolderRelease())


@pytest.fixture(scope="session")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    yield from serve(tmp_path_factory.mktemp("light"))


@pytest.fixture
def other_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    yield from serve(tmp_path_factory.mktemp("other"))
