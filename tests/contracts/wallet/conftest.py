"""An institution's wallet of two of three people, on a chain with Identities and nothing else."""

from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_utils import keccak

from belmont.identity.messages import Execution
from belmont.identity.signed_message import SignedMessage
from belmont.identity.typed_data import Domain
from belmont.registry.contract_set import contract

PEOPLE = sorted(
    (Account.from_key(keccak(f"person {number}".encode())) for number in range(4)),
    key=lambda each: int(each.address, 16),
)


class Wallet:
    """One wallet, with its own way of being written to."""

    def __init__(self, evm: Any, owners: list[Any], threshold: int) -> None:
        self.evm, self.owners, self.sender = evm, owners, PEOPLE[3]
        self.interface = contract("Wallet").interface
        code = contract("Wallet").compiled.bytecode
        arguments = self.interface.encode_constructor([each.address for each in owners], threshold)
        _, self.address = evm.send(self.sender, None, code + arguments)

    @property
    def domain(self) -> Domain:
        return Domain(self.evm.chain_id, self.address)

    def read(self, function: str, *args: Any) -> Any:
        (answer,) = self.evm.calls([(self.address, self.interface.encode_call(function, *args))])
        return self.interface.decode_answer(function, answer)

    def call(self, to: str, data: bytes, **changes: Any) -> Execution:
        return replace(Execution(to=to, data=data, nonce=7, deadline=self.evm.now + 60), **changes)

    def signed(self, message: Any, *people: Any, domain: Domain | None = None) -> SignedMessage:
        signed = SignedMessage(message, domain or self.domain)
        for person in people:
            signed = signed.signed_by(person)
        return signed

    def execute(self, message: Execution, signature: bytes) -> None:
        data = self.interface.encode_call("execute", *message.arguments(), signature)
        self.evm.send(self.sender, self.address, data)


@pytest.fixture
def people() -> list[Any]:
    """Three owners in ascending order, and somebody else."""
    return PEOPLE


@pytest.fixture
def wallet(evm: Any) -> Wallet:
    return Wallet(evm, PEOPLE[:3], 2)


@pytest.fixture
def another_wallet(evm: Any) -> Wallet:
    """Of the same people."""
    return Wallet(evm, PEOPLE[:3], 2)


@pytest.fixture
def found_wallet(evm: Any) -> Any:
    return lambda owners, threshold: Wallet(evm, owners, threshold)


@pytest.fixture
def identities(evm: Any) -> str:
    its = contract("Identities")
    code = its.compiled.bytecode + its.interface.encode_constructor("0x" + "12" * 20)
    return evm.send(PEOPLE[3], None, code)[1]
