"""An EVM with nothing but the contract Identities on it, and people with real keys."""

from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity.typed_data import Domain
from belmont.registry.contract_set import contract


class Bench:
    """Deploys contracts without a consortium, calls them, and decodes what they say."""

    def __init__(self, evm: Any) -> None:
        self.evm = evm
        self.deployer = SimpleNamespace(address=Account.from_key(keccak(b"deployer")).address)
        self.relay = SimpleNamespace(address=Account.from_key(keccak(b"relay")).address)
        """Stands for the contract Relay, which speaks for everybody."""
        self.address = self.deploy("Identities", self.relay.address)

    @property
    def domain(self) -> Domain:
        return Domain(self.evm.chain_id, self.address)

    def interface(self, name: str) -> Any:
        return contract(name).interface

    def deploy(self, name: str, *args: Any) -> str:
        found = contract(name)
        _, address = self.evm.send(
            self.deployer, None, found.compiled.bytecode + found.interface.encode_constructor(*args)
        )
        return address

    def write(self, by: Any, function: str, *args: Any, at: str | None = None, name: str = "Identities") -> list[Any]:
        """Send a transaction; its events as (name, fields)."""
        data = self.interface(name).encode_call(function, *args)
        logs, _ = self.evm.send(by, at or self.address, data)
        decoded = (self.interface(name).decode_event(log.topics, log.data) for log in logs)
        return [each for each in decoded if each]

    def read(self, function: str, *args: Any, at: str | None = None, name: str = "Identities") -> Any:
        (answer,) = self.evm.calls([(at or self.address, self.interface(name).encode_call(function, *args))])
        return self.interface(name).decode_answer(function, answer)

    def send(self, by: Any, message: Any, *signatures: bytes) -> list[Any]:
        """Relay a message to Identities."""
        return self.write(by, message.FUNCTION, *message.arguments(), *signatures)

    def events(self) -> list[tuple[str, dict[str, Any], int]]:
        """Every event of Identities about an identity: name, fields and block."""
        found = []
        for log in self.evm.logs([self.address]):
            name, fields = self.interface("Identities").decode_event(log.topics, log.data)
            if name.startswith("DID"):
                found.append((name, fields, log.block))
        return found


@pytest.fixture
def bench(evm: Any) -> Bench:
    return Bench(evm)


@pytest.fixture(scope="session")
def signer_of() -> Any:
    return Account.from_key


@pytest.fixture
def owner() -> Any:
    return Account.from_key(keccak(b"owner"))


@pytest.fixture
def new_owner() -> Any:
    return Account.from_key(keccak(b"new owner"))


@pytest.fixture
def machine() -> Any:
    """A hospital's node, with a key of its own."""
    return Account.from_key(keccak(b"machine"))


@pytest.fixture
def stranger() -> Any:
    return Account.from_key(keccak(b"stranger"))
